package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// How what is wrong with a file is told: all of it, each with its place and its line.

// Problem is one thing that is wrong with a file.
type Problem struct {
	File    string
	At      Pos
	Message string
	Line    string // the line as written; empty when there is none
}

// Error is file:line:column: message and, below, the line itself with a caret under the column.
func (p Problem) Error() string {
	text := fmt.Sprintf("%s:%d:%d: %s", p.File, p.At.Line, p.At.Column, p.Message)
	if p.Line == "" {
		return text
	}
	// Of a long line, what is around the column.
	line, col := []rune(strings.ReplaceAll(p.Line, "\t", " ")), p.At.Column-1
	if from := col - 80; from > 0 && len(line) > 120 && from < len(line) {
		line, col = append([]rune("…"), line[from+1:]...), 80
	}
	if len(line) > 120 {
		line = append(line[:119:119], '…')
	}
	return fmt.Sprintf("%s\n    %s\n    %s^", text, string(line), strings.Repeat(" ", max(0, col)))
}

// Problems are all problems of a file, in the order of their places. It is the error of this package's functions.
type Problems []Problem

// Error is all of them, below each other.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

const maxProblems = 100 // shown of one file

// problems collects what is wrong with a file.
type problems struct {
	file  string
	lines []string
	list  Problems
	more  int
}

func (p *problems) add(at Pos, format string, args ...any) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	if at.Line == 0 {
		at = Pos{1, 1}
	}
	line := ""
	if at.Line <= len(p.lines) {
		line = p.lines[at.Line-1]
	}
	p.list = append(p.list, Problem{p.file, at, fmt.Sprintf(format, args...), line})
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
	})
	out := slices.CompactFunc(p.list, func(a, b Problem) bool { return a == b })
	if p.more > 0 {
		out = append(out, Problem{File: p.file, At: out[len(out)-1].At, Message: fmt.Sprintf("and %d more problems", p.more)})
	}
	return out
}

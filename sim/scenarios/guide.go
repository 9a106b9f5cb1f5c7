package scenarios

import (
	_ "embed"
	"strings"
)

// source is the file whose comment is the guide: it has one home, where go doc finds it.
//
//go:embed doc.go
var source string

// Guide is the guide of the language, which is this package's comment: text with # headings, - lists and indented code, as
// package go/doc/comment reads it.
func Guide() string {
	var b strings.Builder
	for line := range strings.Lines(source) {
		text, comment := strings.CutPrefix(line, "//")
		if !comment {
			break
		}
		b.WriteString(strings.TrimPrefix(text, " "))
	}
	return b.String()
}

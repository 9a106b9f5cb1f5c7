package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/risim/risim/sim/scenarios"
)

// StepText is a step in the words of the language of scenarios, as JSON or YAML.
type StepText struct {
	Text []byte
	JSON bool
}

// surrogates is how JSON may write one character beyond the first 65,536: as two, which YAML does not know.
var surrogates = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})`)
})

// language is the text as the language reads it.
func (s StepText) language() []byte {
	if !s.JSON {
		return s.Text
	}
	return surrogates().ReplaceAllFunc(s.Text, func(pair []byte) []byte {
		hi, _ := strconv.ParseUint(string(pair[2:6]), 16, 32) // which match the pattern
		lo, _ := strconv.ParseUint(string(pair[8:12]), 16, 32)
		return utf8.AppendRune(nil, utf16.DecodeRune(rune(hi), rune(lo)))
	})
}

// wrong is what is wrong with the text, at the place where it stands: a JSON pointer, or in YAML a line and a column.
func (s StepText) wrong(list scenarios.Problems) []Wrong {
	var out []Wrong
	for _, p := range list {
		if s.JSON {
			out = append(out, Wrong{Pointer: pointerAt(s.language(), p.At), Detail: p.Message})
		} else {
			out = append(out, Wrong{Detail: fmt.Sprintf("line %d, column %d: %s", p.At.Line, p.At.Column, p.Message)})
		}
	}
	return out
}

// valid complains of what is not JSON where JSON was promised: YAML would take it in silence.
func (s StepText) valid() []Wrong {
	if !s.JSON {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(s.Text))
	dec.UseNumber()
	c := &jsonChecker{dec: dec}
	if err := c.value(nil, nil, "", 0); err != nil {
		return []Wrong{{Detail: jsonError(err, s.Text)}}
	}
	return nil
}

// pointerAt finds the JSON pointer of what stands at a place in a JSON text: of the last name or value that begins there or before.
func pointerAt(data []byte, at scenarios.Pos) string {
	target := offsetOf(data, at)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	found := ""
	var walk func(pointer string) bool // false at the end or beyond the place
	begins := func() int {
		rest := data[min(int(dec.InputOffset()), len(data)):]
		return len(data) - len(bytes.TrimLeft(rest, " \t\r\n,:"))
	}
	walk = func(pointer string) bool {
		if begins() > target {
			return false
		}
		found = pointer
		token, err := dec.Token()
		if err != nil {
			return false
		}
		open, ok := token.(json.Delim)
		if !ok {
			return true
		}
		for i := 0; dec.More(); i++ {
			child := fmt.Sprintf("%s/%d", pointer, i)
			if open == '{' {
				if begins() > target {
					return false
				}
				name, err := dec.Token()
				if err != nil {
					return false
				}
				child = pointer + "/" + pointerEscape.Replace(name.(string))
				found = child
			}
			if !walk(child) {
				return false
			}
		}
		_, err = dec.Token()
		return err == nil
	}
	walk("")
	return found
}

func offsetOf(data []byte, at scenarios.Pos) int {
	offset := 0
	for line := 1; line < at.Line; line++ {
		next := bytes.IndexByte(data[offset:], '\n')
		if next < 0 {
			break
		}
		offset += next + 1
	}
	for column := 1; column < at.Column && offset < len(data); column++ {
		_, size := utf8.DecodeRune(data[offset:])
		offset += size
	}
	return offset
}

// etag is the version of a snapshot as a header has it.
func etag(version uint64) string { return strconv.Quote(strconv.FormatUint(version, 10)) }

// Version is the version of a snapshot that a request asks for: with quotes, as an ETag, or without.
type Version uint64

// UnmarshalText reads it.
func (v *Version) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(text), `"`), 10, 64)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not the version of a snapshot, such as \"12\" in the ETag of an answer", text)
	}
	*v = Version(n)
	return nil
}

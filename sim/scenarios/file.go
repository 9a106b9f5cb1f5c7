package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/risim/risim/sim/cluster"
)

// MaxSize is the most bytes that a scenario file may have.
const MaxSize = 1 << 20

const (
	maxDepth   = 50     // of nested values
	maxAliased = 10_000 // values read through aliases
)

// Parse reads a scenario as written: it knows keys, and what is a list, a text or a mapping, but not what values mean.
// name is what messages call the file. The error is Problems, all of them.
func Parse(name string, data []byte) (*File, error) {
	p := &problems{file: name}
	f := parse(p, data)
	if err := p.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// parse gives what could be read, with the problems in p; nil when nothing could.
func parse(p *problems, data []byte) *File {
	data, state, line := cutState(data)
	root := document(p, data, "the file is empty; a scenario has some of "+list(keysOf(reflect.TypeOf(File{}))))
	if root == nil {
		return nil
	}
	f := &File{name: p.file, lines: p.lines}
	r := reader{problems: p}
	r.value(root, reflect.ValueOf(f).Elem(), "the file", 0)
	if line > 0 {
		f.state, f.stateAt = readState(p, state, line), Pos{line - 1, 1}
	}
	return f
}

// document reads the one YAML document of a text, with the problems in p; nil when there is none, of which empty tells.
func document(p *problems, data []byte, empty string) *yaml.Node {
	if len(data) > MaxSize {
		p.add(Pos{1, 1}, "the file has %d bytes, and at most %d are read", len(data), MaxSize)
		return nil
	}
	p.lines = strings.Split(string(data), "\n")
	for i, line := range p.lines {
		p.lines[i] = strings.TrimSuffix(line, "\r")
		if !utf8.ValidString(line) {
			p.lines[i] = strings.ToValidUTF8(line, "�")
			p.add(Pos{i + 1, 1}, "the line is not UTF-8")
		}
	}
	if len(p.list) > 0 {
		return nil
	}
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&doc)
	if err == nil {
		if end := dec.Decode(&second); end == nil {
			p.add(Pos{second.Line, second.Column}, "a second document begins here; a scenario is one document")
		} else if !errors.Is(end, io.EOF) {
			err = end
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		at, message := Pos{1, 1}, strings.TrimPrefix(err.Error(), "yaml: ")
		if le := new(yaml.LoadError); errors.As(err, &le) {
			message = le.Message
			if le.Mark.Line > 0 {
				at = Pos{le.Mark.Line, le.Mark.Column}
			} else if le.ContextMark.Line > 0 {
				at = Pos{le.ContextMark.Line, le.ContextMark.Column}
			}
			if le.ContextMsg != "" {
				message += " " + le.ContextMsg
				if c := le.ContextMark; c.Line > 0 && c.Line != at.Line {
					message += fmt.Sprintf(" that begins in line %d", c.Line)
				}
			}
		}
		p.add(at, "not YAML: %s%s", message, quoteHint(p.lines, at))
		return nil
	}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) {
		p.add(Pos{1, 1}, "%s", empty)
		return nil
	}
	return doc.Content[0]
}

// quoteHint is for who forgot that YAML reads some characters at the beginning of a text as its own: count: >= 3; and a colon
// with a space after it anywhere: summary: Before: after.
func quoteHint(lines []string, at Pos) string {
	if at.Line > len(lines) {
		return ""
	}
	if line := lines[at.Line-1]; at.Column > 0 && at.Column <= len(line) && strings.HasPrefix(line[at.Column-1:], ": ") {
		return `; a text that holds ": " needs quotes`
	}
	_, value, found := strings.Cut(lines[at.Line-1], ": ")
	for found {
		if value != "" && strings.ContainsRune("<>*&!%@`|", rune(value[0])) {
			return fmt.Sprintf("; a text that begins with %c needs quotes", value[0])
		}
		_, value, found = strings.Cut(value, ": ")
	}
	return ""
}

// reader fills the structs of this file from YAML nodes.
type reader struct {
	*problems
	aliased int // values read through aliases
	inAlias int
	stopped bool
}

var (
	textType  = reflect.TypeOf(Text{})
	textsType = reflect.TypeOf(Texts{})
	pairsType = reflect.TypeOf(Pairs{})
	markType  = reflect.TypeOf(Mark{})
)

// value reads n into v and reports whether all of it was understood. what names the value for messages.
func (r *reader) value(n *yaml.Node, v reflect.Value, what string, depth int) bool {
	at := Pos{n.Line, n.Column}
	if r.stopped {
		return false
	}
	if depth > maxDepth {
		r.add(at, "values are nested more than %d deep", maxDepth)
		return false
	}
	if r.inAlias > 0 {
		if r.aliased++; r.aliased > maxAliased {
			r.add(at, "aliases (*name) stand for more than %d values", maxAliased)
			r.stopped = true
			return false
		}
	}
	if n.Kind == yaml.AliasNode {
		r.inAlias++
		defer func() { r.inAlias-- }()
		return r.value(n.Alias, v, what, depth+1)
	}
	switch v.Type() {
	case textType:
		t, ok := r.text(n, what)
		if ok {
			v.Set(reflect.ValueOf(t))
		}
		return ok
	case textsType:
		var ts Texts
		items := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			if items = n.Content; len(items) == 0 {
				r.add(at, "%s is an empty list", what)
				return false
			}
		}
		all := true
		for _, item := range items {
			var t Text
			if r.value(item, reflect.ValueOf(&t).Elem(), what, depth+1) {
				ts = append(ts, t)
			} else {
				all = false
			}
		}
		v.Set(reflect.ValueOf(ts))
		return all
	case pairsType:
		if n.Kind != yaml.MappingNode {
			r.add(at, "%s is %s; expected keys with values", what, kindOf(n))
			return false
		}
		pairs := Pairs{}
		all := r.keys(n, func(key, value *yaml.Node) bool { return r.pair(&pairs, key, value, depth) })
		v.Set(reflect.ValueOf(pairs))
		return all
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(n, v.Elem(), what, depth)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			r.add(at, "%s is %s; expected a list, each entry beginning with -", what, kindOf(n))
			return false
		}
		all := true
		for i, item := range n.Content {
			entry := reflect.New(v.Type().Elem()).Elem()
			if !r.value(item, entry, fmt.Sprintf("%s[%d]", what, i), depth+1) {
				all = false
			}
			if !entry.IsNil() { // which it is when too much was read
				v.Set(reflect.Append(v, entry))
			}
		}
		return all
	}
	return r.mapping(n, v, what, depth)
}

func (r *reader) pair(to *Pairs, key, value *yaml.Node, depth int) bool {
	k, good := r.text(key, "a key")
	var t Text
	good = r.value(value, reflect.ValueOf(&t).Elem(), key.Value, depth+1) && good
	if good {
		*to = append(*to, Pair{k, t})
	}
	return good
}

func (r *reader) text(n *yaml.Node, what string) (Text, bool) {
	t := Text{n.Value, Pos{n.Line, n.Column}}
	switch {
	case n.Kind != yaml.ScalarNode:
		r.add(t.At, "%s is %s; expected one value", what, kindOf(n))
	case isNull(n):
		r.add(t.At, "%s has no value", what)
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 && slices.Contains(notText, strings.ToLower(n.Value)):
		r.add(t.At, `%s is a truth value to some readers of YAML; write true or false, or put it in quotes if it is a name`, n.Value)
	case n.Tag != "" && !strings.HasPrefix(n.Tag, "!!"), n.Tag == "!!binary":
		r.add(t.At, "%s has the tag %s; scenarios have none", what, n.Tag)
	default:
		return t, true
	}
	return t, false
}

// notText is what YAML 1.1 reads as booleans.
var notText = []string{"on", "off", "yes", "no", "y", "n"}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindOf(n *yaml.Node) string {
	switch {
	case isNull(n):
		return "empty"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(n.Value)
}

// keys goes through a mapping's keys, and complains of those given twice.
func (r *reader) keys(n *yaml.Node, each func(key, value *yaml.Node) bool) bool {
	all := true
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := Pos{key.Line, key.Column}
		switch line, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			r.add(at, "a key is %s; expected a word", kindOf(key))
			all = false
		case key.Tag == "!!merge":
			r.add(at, "merge keys (<<) are not read; repeat the keys")
			all = false
		case twice:
			r.add(at, "%q is given twice here, first in line %d", key.Value, line)
			all = false
		default:
			seen[key.Value] = at.Line
			if !each(key, value) {
				all = false
			}
		}
	}
	return all
}

// hasKey tells whether a mapping has a key.
func hasKey(n *yaml.Node, key string) bool {
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// tags is what the tags of a struct say, also those of structs that are inline. A long file asks for it with every mapping.
type tags struct {
	keys  []string         // in order
	index map[string][]int // of the fields, for reflect.Value.FieldByIndex; by tag
}

var tagsByType sync.Map // a *tags for each reflect.Type

func tagsOf(t reflect.Type) *tags {
	if known, ok := tagsByType.Load(t); ok {
		return known.(*tags)
	}
	out := &tags{index: map[string][]int{}}
	put := func(tag string, index ...int) {
		if _, before := out.index[tag]; !before { // which goes first
			out.index[tag] = index
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		switch tag := f.Tag.Get("yaml"); {
		case tag == ",inline":
			inner := tagsOf(f.Type)
			out.keys = append(out.keys, inner.keys...)
			for tag, index := range inner.index {
				put(tag, append([]int{i}, index...)...)
			}
		case tag == "":
		default:
			put(tag, i)
			if tag == ",scalar" {
				out.keys = append(out.keys, scalarKey(f))
			} else if tag[0] != ',' {
				out.keys = append(out.keys, tag)
			}
		}
	}
	out.keys = slices.Clip(out.keys)
	tagsByType.Store(t, out)
	return out
}

// field finds the field for a key, also within structs that are inline.
func field(v reflect.Value, tag string) (reflect.Value, bool) {
	index, ok := tagsOf(v.Type()).index[tag]
	if !ok {
		return reflect.Value{}, false
	}
	return v.FieldByIndex(index), true
}

// keysOf lists the keys of a struct, in order. The list must not be changed.
func keysOf(t reflect.Type) []string { return tagsOf(t).keys }

// scalarKey is the key by which a ",scalar" field can be given when there are others beside it: its name, in lower case.
func scalarKey(f reflect.StructField) string { return strings.ToLower(f.Name) }

func (r *reader) mapping(n *yaml.Node, v reflect.Value, what string, depth int) bool {
	at := Pos{n.Line, n.Column}
	mark := v.Field(0).Addr().Interface().(*Mark)
	mark.At, mark.Line, mark.text = at, lastLine(n), canonical(n)
	keys := keysOf(v.Type())
	if own := takes(what); own != nil {
		keys = own // of those of all actions
	}
	alone, scalar := field(v, ",scalar")
	numbers, isList := field(v, ",list")
	switch {
	case scalar && n.Kind == yaml.ScalarNode:
		mark.broken = !r.value(n, alone, what, depth)
		return !mark.broken
	case isList && n.Kind == yaml.SequenceNode:
		mark.broken = !r.value(n, numbers, what, depth)
		return !mark.broken
	case n.Kind != yaml.MappingNode:
		expected := "some of the keys " + list(keys)
		switch {
		case scalar:
			expected = "a value, or keys and values in {}"
		case isList:
			expected = "a list, or " + expected
		case v.Type() == reflect.TypeOf(Action{}):
			expected = "an action, such as {node.stop: cucm-sub1}"
		}
		r.add(at, "%s is %s; expected %s", what, kindOf(n), expected)
		mark.broken = true
		return false
	}
	rest, open := field(v, ",rest")
	all := r.keys(n, func(key, value *yaml.Node) bool {
		if f, ok := field(v, key.Value); ok && key.Value != "" && key.Value[0] != ',' { // which tags that are no keys begin with
			return r.value(value, f, key.Value, depth+1)
		}
		if scalar {
			if f, _ := v.Type().FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, key.Value) }); f.Tag.Get("yaml") == ",scalar" {
				return r.value(value, alone, key.Value, depth+1)
			}
		}
		if open {
			return r.pair(rest.Addr().Interface().(*Pairs), key, value, depth)
		}
		hint := whereItGoes(v.Type(), key.Value)
		if hint == "" {
			hint = didYouMean(key.Value, keys)
		}
		r.add(Pos{key.Line, key.Column}, "unknown %s %q; %s", v.Type().Field(0).Tag.Get("noun"), key.Value, hint)
		return false
	})
	mark.broken = !all
	return all
}

func lastLine(n *yaml.Node) int {
	for len(n.Content) > 0 && n.Kind != yaml.AliasNode {
		n = n.Content[len(n.Content)-1]
	}
	return n.Line
}

// canonical is a node's content whatever its layout, cut at 1,000 bytes: what tells unnamed steps apart.
func canonical(n *yaml.Node) string {
	var b strings.Builder
	var write func(n *yaml.Node)
	write = func(n *yaml.Node) {
		if b.Len() > 1000 {
			return
		}
		fmt.Fprintf(&b, "%d%q(", n.Kind, n.Value)
		for _, c := range n.Content {
			write(c)
		}
		b.WriteByte(')')
	}
	write(n)
	return b.String()
}

// flow writes keys of a struct of written.go as a mapping in one line, which can be read again.
func flow(written any, keys ...string) string {
	v := reflect.Indirect(reflect.ValueOf(written))
	var said []string
	for _, key := range keys {
		f, ok := field(v, key)
		if !ok { // which is a scalar that could also stand alone
			f, _ = field(v, ",scalar")
		}
		if !f.IsZero() {
			said = append(said, key+": "+flowValue(f))
		}
	}
	return "{" + strings.Join(said, ", ") + "}"
}

func flowValue(v reflect.Value) string {
	var said []string
	switch x := v.Interface().(type) {
	case Text:
		return quoted(x.Text)
	case Texts:
		if len(x) == 1 {
			return quoted(x[0].Text)
		}
		for _, t := range x {
			said = append(said, quoted(t.Text))
		}
		return "[" + strings.Join(said, ", ") + "]"
	case Pairs:
		for _, p := range x {
			said = append(said, quoted(p.Key.Text)+": "+quoted(p.Value.Text))
		}
		return "{" + strings.Join(said, ", ") + "}"
	}
	v = reflect.Indirect(v)
	if alone, ok := field(v, ",scalar"); ok && !alone.IsZero() {
		return flowValue(alone)
	}
	return flow(v.Interface(), keysOf(v.Type())...)
}

var plainText = regexp.MustCompile(`^[\w/][\w./%+-]*$`)

// quoted writes a text, in quotes unless every reader of YAML takes it as it is.
func quoted(text string) string {
	if plainText.MatchString(text) && !slices.Contains(notText, strings.ToLower(text)) && !strings.EqualFold(text, "null") {
		return text
	}
	var b strings.Builder
	e := json.NewEncoder(&b) // whose texts are YAML too
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // which never fails on a text
	return strings.TrimSuffix(b.String(), "\n")
}

// whereItGoes tells of a key that is written one level too far out: group for where: {group: …}, or weights without choice.
// It is empty for any other.
func whereItGoes(t reflect.Type, key string) string {
	if t == reflect.TypeOf(Choice{}) || t == reflect.TypeOf(Spread{}) {
		if len(key) > 0 && strings.ToLower(key[:1]) != key[:1] || strings.Trim(key, "0123456789.smhd") == "" {
			return fmt.Sprintf("weights stand in choice: {%s: …}", key)
		}
		return ""
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("yaml")
		if tag == ",inline" {
			if hint := whereItGoes(f.Type, key); hint != "" {
				return hint
			}
		}
		if f.Type.Kind() != reflect.Pointer || f.Type.Elem().Kind() != reflect.Struct || strings.HasPrefix(tag, ",") {
			continue
		}
		for _, k := range keysOf(f.Type.Elem()) {
			if _, verb, dotted := strings.Cut(k, "."); k == key || dotted && verb == key {
				return fmt.Sprintf("it stands in %s: {%s: …}", tag, k)
			}
		}
	}
	return ""
}

// didYouMean names the nearest of the names or, when none is near, all of them.
func didYouMean(text string, names []string) string {
	if near := cluster.Near(text, names); near != "" && text != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	// A dotted name whose half is right: unregister for devices.unregister.
	for _, n := range names {
		if _, verb, dotted := strings.Cut(n, "."); dotted && strings.EqualFold(verb, text) {
			return fmt.Sprintf("did you mean %q?", n)
		}
	}
	switch len(names) {
	case 0:
		return "there is none"
	case 1:
		return "there is " + names[0]
	}
	return "there are " + list(names)
}

// list is at most twenty names in a row.
func list(names []string) string {
	if len(names) > 20 {
		return strings.Join(names[:20], ", ") + fmt.Sprintf(" and %d more", len(names)-20)
	}
	return strings.Join(names, ", ")
}

// Vocabulary lists the words of the language, for guides and editors: sections, actions, triggers with their modifiers,
// kinds of trouble, and keys of where.
func Vocabulary() []string {
	return slices.Concat(keysOf(reflect.TypeOf(File{})), keysOf(reflect.TypeOf(Action{})), keysOf(reflect.TypeOf(Trigger{})),
		keysOf(reflect.TypeOf(Ails{})), keysOf(reflect.TypeOf(Where{})), keysOf(reflect.TypeOf(Clauses{})))
}

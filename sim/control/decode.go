package control

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

// How a request becomes a value: a struct whose fields say where they come from.
//
//	Cluster string `path:"cluster"`    a part of the path
//	Limit   int    `query:"limit"`     a parameter of the query; []string for one that may be given several times
//	IfMatch string `header:"If-Match"` a header
//	Body    Change `body:"json"`       the body; a pointer when there may be none
//	Text    []byte `body:"text"`       the body as it is
//	Where   params `query:"*"`         the parameters that no other field takes
//
// Everything that is wrong is told at once.

const (
	maxBody  = 2 << 20 // of JSON and of scenarios, which have at most half of that
	maxDepth = 64      // of JSON

	maxSnapshot = 256 << 20
)

// Duration is a time span as the language of scenarios writes it: 250ms, 90s, 1h30m, 2d.
type Duration time.Duration

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := scenarios.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// MarshalText writes it without needless zeros.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is 90s as 1m30s.
func (d Duration) String() string {
	text := time.Duration(d).String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}

type params map[string][]string

// decodeRequest fills in, a pointer to a struct.
func decodeRequest(w http.ResponseWriter, r *http.Request, in any) error {
	v := reflect.ValueOf(in).Elem()
	query, err := url.ParseQuery(r.URL.RawQuery)
	var bad []Wrong
	if err != nil {
		bad = append(bad, Wrong{Detail: fmt.Sprintf("the query cannot be read: %v", err)})
	}
	var rest *params
	var known []string
	var body reflect.Value
	var bodyKind string
	eachField(v, func(f reflect.StructField, v reflect.Value) {
		if name := f.Tag.Get("path"); name != "" {
			text, err := url.PathUnescape(mux.Vars(r)[name]) // the router matches it as it came: a slash may be a part of a name
			if err != nil || !utf8.ValidString(text) {
				bad = append(bad, Wrong{Parameter: name, Detail: fmt.Sprintf("%q cannot be read: expected UTF-8, with %%2F for a slash and so on", clip(mux.Vars(r)[name]))})
				return
			}
			setText(v, []string{text}, func(detail string) { bad = append(bad, Wrong{Parameter: name, Detail: detail}) })
		}
		if name := f.Tag.Get("header"); name != "" && r.Header.Get(name) != "" {
			setText(v, []string{r.Header.Get(name)}, func(detail string) { bad = append(bad, Wrong{Header: name, Detail: detail}) })
		}
		switch name := f.Tag.Get("query"); {
		case name == "*":
			rest = v.Addr().Interface().(*params)
		case name != "":
			known = append(known, name)
			if given, ok := query[name]; ok {
				setText(v, given, func(detail string) { bad = append(bad, Wrong{Parameter: name, Detail: detail}) })
				if words := f.Tag.Get("enum"); words != "" && !slices.Contains(strings.Split(words, ","), v.String()) {
					bad = append(bad, Wrong{Parameter: name, Detail: fmt.Sprintf("%q is unknown%s", clip(v.String()), there(v.String(), strings.Split(words, ",")))})
				}
				delete(query, name)
			}
		}
		if kind := f.Tag.Get("body"); kind != "" {
			body, bodyKind = v, kind
		}
	})
	if rest != nil {
		*rest = params(query)
	} else {
		for name := range query {
			bad = append(bad, Wrong{Parameter: name, Detail: "there is no parameter " + strconv.Quote(name) + there(name, known)})
		}
		slices.SortFunc(bad, func(a, b Wrong) int { return strings.Compare(a.Parameter, b.Parameter) })
	}
	if bodyKind != "" {
		more, err := decodeBody(w, r, body, bodyKind)
		if err != nil && len(bad) == 0 {
			return err
		}
		bad = append(bad, more...)
	}
	return wrong(ProblemInvalid, bad)
}

// eachField goes through the fields of a struct, and of the structs embedded in it.
func eachField(v reflect.Value, do func(reflect.StructField, reflect.Value)) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Anonymous {
			eachField(v.Field(i), do)
		} else {
			do(f, v.Field(i))
		}
	}
}

// there says which name was meant or, when none is near, which there are.
func there(name string, known []string) string {
	if near := cluster.Near(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	if len(known) == 0 {
		return "; there is none"
	}
	return "; there are " + strings.Join(known, ", ")
}

// setText sets a field from text, or complains.
func setText(v reflect.Value, given []string, complain func(detail string)) {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String {
		for _, text := range given {
			v.Set(reflect.Append(v, reflect.ValueOf(text).Convert(v.Type().Elem())))
		}
		return
	}
	if len(given) > 1 {
		complain(fmt.Sprintf("it is given %d times; expected once", len(given)))
		return
	}
	text := given[0]
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			complain(textError(v.Type(), text, err))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			complain(fmt.Sprintf("%q is neither true nor false", text))
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			complain(fmt.Sprintf("%q is not a whole number from 0", text))
		}
		v.SetInt(int64(n))
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			complain(fmt.Sprintf("%q is not a whole number from 0", text))
		}
		v.SetUint(n)
	default:
		panic("control: no parameter can be a " + v.Type().String())
	}
}

// textError is what is wrong with a text that a type could not be read from.
func textError(t reflect.Type, text string, err error) string {
	if t == reflect.TypeFor[time.Time]() {
		return fmt.Sprintf("%q is not a time, such as 2026-03-02T08:00:00Z", text)
	}
	return err.Error()
}

// decodeBody reads the body into v.
func decodeBody(w http.ResponseWriter, r *http.Request, v reflect.Value, kind string) ([]Wrong, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	most := int64(maxBody)
	if kind == "text" {
		most = maxSnapshot
	}
	data, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	switch {
	case errors.As(readErr, new(*http.MaxBytesError)):
		return nil, refuse(ProblemTooLarge, "the body has more than %d bytes", most)
	case readErr != nil:
		return nil, refuse(ProblemInvalid, "the body cannot be read: %v", readErr)
	case kind == "text":
		v.SetBytes(data)
		return nil, nil
	case len(bytes.TrimSpace(data)) == 0 && v.Kind() == reflect.Pointer:
		return nil, nil
	case r.Header.Get("Content-Type") != "" && (err != nil || !isJSON && !(kind != "json" && isYAML(media))):
		return nil, refuse(ProblemMediaType, "the body is of type %q; expected application/json", r.Header.Get("Content-Type"))
	case kind != "json":
		v.Set(reflect.ValueOf(StepText{Text: data, JSON: !isYAML(media)}))
		return nil, nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	return decodeJSON(data, v), nil
}

func isYAML(media string) bool {
	return media == "application/yaml" || media == "application/x-yaml" || media == "text/yaml"
}

// decodeJSON reads JSON into v, strictly: names are those of the type, letter by letter, and given once.
func decodeJSON(data []byte, v reflect.Value) []Wrong {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	c := &jsonChecker{dec: dec}
	if err := c.value(v.Type(), nil, "", 0); err != nil {
		return append(c.bad, Wrong{Pointer: c.at, Detail: jsonError(err, data)})
	}
	if _, err := dec.Token(); err != io.EOF {
		c.complain("", "more follows after the first JSON value")
	}
	if len(c.bad) > 0 {
		return c.bad
	}
	if err := json.Unmarshal(data, v.Addr().Interface()); err != nil {
		return []Wrong{{Detail: err.Error()}}
	}
	return nil
}

func jsonError(err error, data []byte) string {
	var syntax *json.SyntaxError
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return "the body is empty; expected JSON"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "not JSON: it ends too early"
	case errors.As(json.Unmarshal(data, new(any)), &syntax): // whose place is right, which that of a token is not
		before := data[:min(int(syntax.Offset), len(data))]
		line := 1 + bytes.Count(before, []byte("\n"))
		return fmt.Sprintf("not JSON, in line %d column %d: %v", line, len(before)-bytes.LastIndexByte(before, '\n')-1, syntax)
	}
	return err.Error()
}

// jsonChecker goes through JSON along a type, and finds what does not fit.
type jsonChecker struct {
	dec *json.Decoder
	bad []Wrong
	at  string // where an error ended it
}

func (c *jsonChecker) complain(at, format string, args ...any) {
	c.bad = append(c.bad, Wrong{Pointer: at, Detail: fmt.Sprintf(format, args...)})
}

var (
	rawType   = reflect.TypeFor[json.RawMessage]()
	textable  = reflect.TypeFor[encoding.TextUnmarshaler]()
	tokenName = map[json.Delim]string{'{': "an object", '[': "a list"}
)

// value checks the next value against a type, nil takes anything, and against the words that it may be. An error is the end of it all.
func (c *jsonChecker) value(t reflect.Type, words []string, at string, depth int) error {
	c.at = at
	token, err := c.dec.Token()
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("values are nested more than %d deep", maxDepth)
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == rawType {
		t = nil
	}
	open, isDelim := token.(json.Delim)
	if !isDelim {
		c.scalar(t, words, token, at)
		return nil
	}
	isText := t != nil && reflect.PointerTo(t).Implements(textable)
	kind := reflect.Interface
	if t != nil {
		kind = t.Kind()
	}
	if t != nil && (isText || open == '{' && kind != reflect.Struct && kind != reflect.Map || open == '[' && kind != reflect.Slice) {
		c.complain(at, "%s stands where %s was expected", tokenName[open], expected(t))
		t = nil
	}
	if open == '[' {
		for i := 0; c.dec.More(); i++ {
			var elem reflect.Type
			if t != nil {
				elem = t.Elem()
			}
			if err := c.value(elem, nil, fmt.Sprintf("%s/%d", at, i), depth+1); err != nil {
				return err
			}
		}
		_, err := c.dec.Token()
		return err
	}
	return c.object(t, at, depth)
}

func (c *jsonChecker) object(t reflect.Type, at string, depth int) error {
	var names []string
	fields := map[string]jsonField{}
	if t != nil && t.Kind() == reflect.Struct {
		for _, f := range jsonFields(t) {
			names = append(names, f.name)
			fields[f.name] = f
		}
	}
	seen := map[string]bool{}
	for c.dec.More() {
		token, err := c.dec.Token()
		if err != nil {
			return err
		}
		name := token.(string)
		here := at + "/" + pointerEscape.Replace(name)
		if seen[name] {
			c.complain(here, "it is given twice")
		}
		seen[name] = true
		var of reflect.Type
		var words []string
		switch {
		case t == nil:
		case t.Kind() == reflect.Map:
			of = t.Elem()
		default:
			f, ok := fields[name]
			if of, words = f.typ, f.enum; !ok {
				c.complain(here, "there is no field %q%s", name, there(name, names))
			}
		}
		if err := c.value(of, words, here, depth+1); err != nil {
			return err
		}
	}
	if t != nil && t.Kind() == reflect.Struct {
		for _, f := range jsonFields(t) {
			if f.required && !seen[f.name] {
				c.complain(at, "%q is missing", f.name)
			}
		}
	}
	_, err := c.dec.Token()
	return err
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func (c *jsonChecker) scalar(t reflect.Type, words []string, token json.Token, at string) {
	if t == nil {
		return
	}
	text, isString := token.(string)
	number, isNumber := token.(json.Number)
	_, isBool := token.(bool)
	ok := false
	switch kind := t.Kind(); {
	case token == nil:
		c.complain(at, "null stands where %s was expected; leave the field out", expected(t))
		return
	case reflect.PointerTo(t).Implements(textable):
		if ok = isString; ok {
			if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
				c.complain(at, "%s", textError(t, text, err))
			}
		}
	case kind == reflect.String:
		if ok = isString; ok && words != nil && !slices.Contains(words, text) {
			c.complain(at, "%q is unknown%s", clip(text), there(text, words))
		}
	case kind == reflect.Bool:
		ok = isBool
	case kind == reflect.Float64:
		if ok = isNumber; ok {
			if _, err := number.Float64(); err != nil {
				c.complain(at, "%s is too large a number", number)
			}
		}
	case kind == reflect.Int, kind == reflect.Uint64, kind == reflect.Uint32:
		if ok = isNumber; ok {
			if _, err := strconv.ParseUint(number.String(), 10, int(t.Size())*8-btoi(kind == reflect.Int)); err != nil {
				c.complain(at, "%s is not a whole number from 0", number)
			}
		}
	}
	if !ok {
		said := fmt.Sprint(token)
		if isString {
			said = strconv.Quote(clip(text))
		}
		c.complain(at, "%s stands where %s was expected", said, expected(t))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func clip(text string) string {
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return text
}

// expected says in words what a type is in JSON.
func expected(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a time, such as \"2026-03-02T08:00:00Z\","
	case t == reflect.TypeFor[Duration]():
		return "a duration, such as \"90s\","
	case reflect.PointerTo(t).Implements(textable), t.Kind() == reflect.String:
		return "a text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "a list"
	}
	return "a number"
}

// jsonField is a field of a struct as JSON has it.
type jsonField struct {
	name     string
	typ      reflect.Type
	required bool // in an answer it is always there; in a request it must be
	doc      string
	enum     []string
}

// jsonFields lists the fields of a struct, in order, with those of structs embedded in it.
func jsonFields(t reflect.Type) []jsonField {
	var out []jsonField
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			out = append(out, jsonFields(f.Type)...)
			continue
		}
		if tag == "-" || !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		one := jsonField{name: name, typ: f.Type, doc: f.Tag.Get("doc"), required: !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero")}
		if words := f.Tag.Get("enum"); words != "" {
			one.enum = strings.Split(words, ",")
		}
		out = append(out, one)
	}
	return out
}

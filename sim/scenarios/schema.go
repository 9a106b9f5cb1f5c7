package scenarios

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/risim/risim/sim/cluster"
)

// The JSON Schema of scenario files, for editors: keys, what they mean, and what their values look like. It is made of the
// types in written.go by a walk of its own: a generator for Go's structs would not know texts with places, what may be
// written as one value or as a mapping, which keys an action takes, and that case does not matter.
//
// It is more lenient than the compiler, never stricter: what Load takes, the schema takes.

// KnobWords is a knob of the service, for the schema.
type KnobWords struct {
	Name, Doc string
	Values    []string // what it may be; nil: any text
}

// Schema is the JSON Schema (2020-12) of scenario files, as JSON. Of o it takes the words: profiles, faults and advice. It is
// the same each time.
func Schema(o Options, knobs []KnobWords) []byte {
	s := &schema{kinds: kindsOf(o, knobs), defs: map[string]any{}}
	root := s.mapping(reflect.TypeFor[File](), "", nil)
	root["properties"].(node)["state"] = node{"type": "array", "items": node{"type": "object"},
		"description": "How everything stands, in place of cluster: what a snapshot has, one entry a line. It is the last section."}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "risim scenario"
	root["description"] = "A scenario of risim: risim help scenarios is its guide."
	root["$defs"] = s.defs
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("scenarios: the schema is not JSON: " + err.Error()) // it is made of maps, lists and texts
	}
	return append(data, '\n')
}

// node is a part of the schema.
type node = map[string]any

type schema struct {
	kinds map[string]node
	defs  node // of structs, by name
}

// anyText is a value that is read as text, whatever YAML takes it for.
func anyText() node { return node{"type": []string{"string", "number", "boolean"}} }

// decimal is a number as the language has it: no sign and no exponent.
const decimal = `([0-9]+\.?[0-9]*|\.[0-9]+)`

// octet is a part of an IPv4 address.
const octet = `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`

func pattern(expr string) node { return node{"type": "string", "pattern": "^" + expr + "$"} }

func anyOf(of ...node) node { return node{"anyOf": of} }

// numeral is a number, in quotes or not.
func numeral(kind string, least float64, expr string) node {
	return anyOf(node{"type": kind, "minimum": least}, pattern(expr))
}

// oneWord is one of these words, in any case; the spelling given is what an editor offers.
func oneWord(words ...string) node {
	var exprs []string
	for _, w := range words {
		var b strings.Builder
		for _, r := range w {
			if unicode.IsLetter(r) {
				fmt.Fprintf(&b, "[%c%c]", unicode.ToUpper(r), unicode.ToLower(r))
			} else {
				b.WriteRune(r)
			}
		}
		exprs = append(exprs, b.String())
	}
	return anyOf(node{"enum": words}, pattern("("+strings.Join(exprs, "|")+")"))
}

// someWord is one of these words, or any when they are not known. wild: or a text with *.
func someWord(words []string, wild bool) node {
	switch {
	case words == nil:
		return anyText()
	case wild:
		return anyOf(oneWord(words...), pattern(`.*\*.*`))
	}
	return oneWord(words...)
}

// weights are words with their weights.
func weights(of node) node {
	return node{"type": "object", "propertyNames": of, "additionalProperties": numeral("number", 0, decimal+"%?"), "minProperties": 1}
}

// kindsOf says what the values of each is tag look like.
func kindsOf(o Options, knobs []KnobWords) map[string]node {
	duration := pattern("(" + decimal + "(ms|s|m|h|d))+")
	address := pattern(`(` + octet + `(\.` + octet + `){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%.+)?)`)
	var causes []string
	for r := cluster.ReasonUnknown; r <= cluster.AddressingModeMismatch; r++ {
		causes = append(causes, r.String())
	}
	settings := node{}
	for _, k := range knobs {
		one := node{"description": k.Doc}
		if k.Values == nil {
			one["type"] = anyText()["type"]
		} else {
			var values []any
			for _, v := range k.Values {
				values = append(values, v)
				if v == "true" || v == "false" {
					values = append(values, v == "true")
				}
			}
			one["enum"] = values
		}
		settings[k.Name] = one
	}
	byKnob := node{"type": "object", "properties": settings, "minProperties": 1}
	if knobs != nil {
		byKnob["additionalProperties"] = false
	} else {
		byKnob["additionalProperties"] = anyText()
	}
	return map[string]node{
		"duration":   duration,
		"positive":   {"allOf": []node{duration, {"pattern": "[1-9]"}}},
		"range":      {"type": "array", "items": duration, "minItems": 2, "maxItems": 2},
		"durations":  weights(duration),
		"share":      pattern(`(0*100(\.0*)?|0*[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+)%`),
		"rate":       pattern(decimal + "/(s|min|h)"),
		"whole":      numeral("integer", 1, "[0-9]+"),
		"count0":     numeral("integer", 0, "[0-9]+"),
		"httpStatus": anyOf(node{"type": "integer", "minimum": 200, "maximum": 599}, pattern("[2-5][0-9][0-9]")),
		"number":     numeral("number", 0, decimal),
		"comparison": numeral("integer", 0, ` *((>=|<=|==|=|>|<|!=)? *[0-9]+|[0-9]+ *\.\. *[0-9]+) *`),
		"truth":      {"enum": []any{true, false, "true", "false"}},
		"time":       pattern(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})`),
		"address":    address,
		"network":    pattern(`.*/[0-9]+`),
		"mac":        anyOf(pattern(`([0-9A-Fa-f][-:.]*){12}`), node{"type": "number"}), // 001122334455 is a number to YAML
		"id":         pattern(`[A-Za-z][0-9A-Za-z_-]*`),
		"mode":       oneWord("real", "manual"),
		"nodeRole":   oneWord("publisher", "subscriber"),
		"nodeState":  oneWord("up", "down", "isolated", "broken"),
		"tls":        oneWord("expired", "wrongName"),
		"outcome":    oneWord("Successful", "Failed"),
		"operation":  oneWord(operations...),
		"class":      oneWord(words(cluster.UnknownClass)...),
		"status":     oneWord(words(cluster.UnknownStatus)...),
		"protocol":   oneWord(words(cluster.UnknownProtocol)...),
		"download":   oneWord(words(cluster.UnknownDownload)...),
		"ctiStatus":  oneWord(words(cluster.OpenFailed)...),
		"reason":     anyOf(oneWord(causes...), numeral("integer", 0, "[0-9]+")),
		"profile":    someWord(o.Profiles, false),
		"fault":      someWord(o.Faults, false),
		"faults":     someWord(o.Faults, true),
		"advice":     someWord(o.Advice, true),
		"knobs":      byKnob,
	}
}

// kind is what a value with this is tag looks like; no tag is any text.
func (s *schema) kind(name string) node {
	if name == "" {
		return anyText()
	}
	k, ok := s.kinds[name]
	if !ok {
		panic(fmt.Sprintf("scenarios: the is tag %q in written.go is unknown", name))
	}
	if s.defs[name] == nil {
		s.defs[name] = k
	}
	return node{"$ref": "#/$defs/" + name}
}

// value is what stands for a type of written.go; is, the is tag of the field that has it.
func (s *schema) value(t reflect.Type, is string) node {
	switch t {
	case textType:
		return s.kind(is)
	case textsType:
		one := s.kind(is)
		if is == "range" { // a list of its own
			return one
		}
		return anyOf(one, node{"type": "array", "items": one, "minItems": 1})
	case pairsType:
		if is == "durations" || is == "knobs" {
			return s.kind(is)
		}
		return weights(s.kind(is))
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.value(t.Elem(), is)
	case reflect.Slice:
		return node{"type": "array", "items": s.value(t.Elem(), is)}
	}
	if is != "" { // a struct whose values are of the kind that the field says
		return s.object(t, is, nil)
	}
	name := t.Name()
	if s.defs[name] == nil {
		s.defs[name] = node{} // for one within itself, of which there is none as yet
		s.defs[name] = s.object(t, "", nil)
	}
	return node{"$ref": "#/$defs/" + name}
}

// object is a struct: a mapping or, where it may be written as that, one value or a list.
func (s *schema) object(t reflect.Type, is string, only []string) node {
	m := s.mapping(t, is, only)
	for _, f := range fields(t) {
		switch f.Tag.Get("yaml") {
		case ",scalar":
			one := f.Tag.Get("is")
			if one == "" {
				one = is
			}
			return anyOf(s.kind(one), m)
		case ",list":
			return anyOf(node{"type": "array", "items": s.kind(f.Tag.Get("is")), "minItems": 1}, m)
		}
	}
	return m
}

// fields are those of a struct, also within structs that are inline.
func fields(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == ",inline" {
			out = append(out, fields(f.Type)...)
		} else {
			out = append(out, f)
		}
	}
	return out
}

// mapping is a struct as a mapping. only names the keys that it takes; nil: all.
func (s *schema) mapping(t reflect.Type, is string, only []string) node {
	properties, must := node{}, []string{}
	m := node{"type": "object", "properties": properties, "additionalProperties": false}
	for _, f := range fields(t) {
		key, own := f.Tag.Get("yaml"), f.Tag.Get("is")
		switch {
		case key == ",scalar":
			key = scalarKey(f)
		case key == ",rest":
			for name, one := range s.kinds[own]["properties"].(node) {
				properties[name] = one
			}
			m["additionalProperties"] = s.kinds[own]["additionalProperties"]
			continue
		case key == "" || key[0] == ',':
			continue
		}
		if only != nil && !slices.Contains(only, key) {
			continue
		}
		if own == "" && (f.Type == textType || f.Type == pairsType) {
			own = is
		}
		one := s.value(f.Type, own)
		if t == reflect.TypeFor[Action]() {
			one = s.action(key, f.Type)
		}
		one["description"] = f.Tag.Get("doc")
		properties[key] = one
		if f.Tag.Get("must") != "" {
			must = append(must, key)
		}
	}
	if len(must) > 0 {
		m["required"] = must
	}
	for key, rule := range rules[t] {
		m[key] = rule
	}
	return m
}

// action is what stands after the name of an action: its keys are those that it takes.
func (s *schema) action(verb string, t reflect.Type) node {
	switch t.Elem() {
	case reflect.TypeFor[DevicesAction]():
		m := s.mapping(t.Elem(), "", takes(verb))
		if must := needs(verb); must != nil {
			m["required"] = must
		}
		if verb == "devices.readdress" { // where others have a node
			network := s.kind("network")
			network["description"] = "The network, such as 10.99.0.0/16."
			m["properties"].(node)["to"] = network
		}
		return m
	case reflect.TypeFor[CtiAction]():
		m := s.mapping(t.Elem(), "", takes(verb))
		m["required"] = needs(verb)
		return anyOf(anyText(), m)
	case pairsType:
		return s.kind("knobs")
	}
	return s.value(t, "")
}

// required asks for keys; none forbids each pair of keys, so that there is one at the most.
func required(keys ...string) node { return node{"required": keys} }

func atMostOne(keys ...string) node {
	var pairs []node
	for i, a := range keys {
		for _, b := range keys[i+1:] {
			pairs = append(pairs, required(a, b))
		}
	}
	return node{"not": node{"anyOf": pairs}}
}

func atLeastOne(keys ...string) node {
	var each []node
	for _, k := range keys {
		each = append(each, required(k))
	}
	return node{"anyOf": each}
}

func when(key string, then node) node { return node{"if": required(key), "then": then} }

// rules are what keys have to do with each other, by struct.
var rules = func() map[reflect.Type]node {
	triggers, clauses := []string{"at", "every", "after", "requests"}, []string{"devices", "requests", "faults", "advice"}
	ends := []string{"reset", "truncate", "status", "fault", "malformed", "stall", "refuse", "tls", "expireSession"}
	bounded := when("every", atLeastOne("times", "until"))
	does := func(verbs ...string) node {
		return node{"properties": node{"do": node{"propertyNames": node{"enum": verbs}}}}
	}
	var onDevices []string // each of which can have a delay of its own
	for _, f := range fields(reflect.TypeFor[Action]()) {
		if verb := f.Tag.Get("yaml"); f.Type == reflect.TypeFor[*DevicesAction]() && verb != "churn" {
			onDevices = append(onDevices, verb)
		}
	}
	churns := node{"if": node{"properties": node{"do": required("churn")}}, "then": atLeastOne("for", "until")}
	counted := when("requests", anyOf(atLeastOne("times", "until"), node{"properties": node{"requests": required("to")}}))
	onlyAfter := node{"delay": []string{"after"}}
	return map[reflect.Type]node{
		reflect.TypeFor[Action](): {"minProperties": 1, "maxProperties": 1},
		reflect.TypeFor[Check]():  {"minProperties": 1, "maxProperties": 1},
		reflect.TypeFor[Where]():  {"minProperties": 1},
		reflect.TypeFor[Step](): {"dependentRequired": onlyAfter,
			"allOf": []node{atLeastOne(triggers...), atMostOne(triggers...), bounded, counted, churns, when("over", does(onDevices...)), when("for", does("impair", "churn"))}},
		reflect.TypeFor[Trouble](): {"dependentRequired": onlyAfter,
			"allOf": []node{atMostOne(triggers...), bounded, when("every", required("for")), atLeastOne(append(ends, "latency", "dribble")...), atMostOne(ends...)}},
		reflect.TypeFor[Impair](): {"allOf": []node{atLeastOne(append(ends, "latency", "dribble")...), atMostOne(ends...)}},
		reflect.TypeFor[Expectation](): {"dependentRequired": onlyAfter,
			"allOf": []node{atLeastOne(clauses...), atMostOne(clauses...), atMostOne("at", "after", "from"), atMostOne("within", "for", "until")}},
		reflect.TypeFor[Spread](): {"dependentRequired": node{"p50": []string{"p99"}, "p99": []string{"p50"}, "max": []string{"p50"}},
			"allOf": []node{atLeastOne("fixed", "p50", "uniform", "choice"), atMostOne("fixed", "p50", "uniform", "choice")}},
		reflect.TypeFor[Choice]():        {"minProperties": 1},
		reflect.TypeFor[DevicesAction](): atMostOne("share", "count"),
		reflect.TypeFor[CtiAction]():     atMostOne("share", "count"),
		reflect.TypeFor[ClusterSpec]():   {"oneOf": []node{required("nodes"), required("ready")}},
		reflect.TypeFor[DeviceGroup]():   {"allOf": []node{atLeastOne("count", "names"), atLeastOne("model", "class"), atMostOne("names", "macs")}},
		reflect.TypeFor[OpenSpec]():      atLeastOne("group", "names"),
		reflect.TypeFor[Lines]():         required("from"),
		reflect.TypeFor[FaultSpec]():     {"oneOf": []node{required("name"), required("code", "text")}},
		reflect.TypeFor[FaultsClause]():  atLeastOne("none", "some", "count"),
		reflect.TypeFor[AdviceClause]():  atLeastOne("none", "some", "count"),
	}
}()

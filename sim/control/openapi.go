package control

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// The OpenAPI document is made of the table of routes and of the types that its handlers take and give, by their tags.

type object = map[string]any

// document is the OpenAPI document, made when it is first asked for.
func (a *api) document() []byte {
	a.once.Do(func() {
		b := &documenter{schemas: object{}}
		paths := object{}
		add := func(prefix string, list []route) {
			for i := range list {
				r := &list[i]
				item, ok := paths[prefix+r.path].(object)
				if !ok {
					item = object{}
					paths[prefix+r.path] = item
				}
				item[strings.ToLower(r.method)] = b.operation(r)
			}
		}
		add(Base, a.routes)
		add("", a.beside)
		doc := object{
			"openapi": "3.1.0",
			"info": object{"title": "risim", "version": "1", "summary": "Control of simulated Unified CM clusters.",
				"description": "Everything that can be seen of and done to the clusters of a risim process. Every change has a dry run, answers with the simulated time " +
					"and the numbers of its entries in the journal, and is idempotent or guarded by If-Match. What is refused is answered as a problem (RFC 9457), " +
					"with everything that is wrong and where."},
			"paths":      paths,
			"components": object{"schemas": b.schemas, "securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}}},
			"security":   []any{object{}, object{"token": []any{}}},
		}
		a.openapi, _ = json.MarshalIndent(doc, "", "  ") // of texts, numbers and lists of them
		a.openapi = append(a.openapi, '\n')
	})
	return a.openapi
}

type documenter struct{ schemas object }

func (b *documenter) operation(r *route) object {
	summary, rest, _ := strings.Cut(r.doc, ". ")
	out := object{"operationId": r.name, "tags": []any{r.tag}, "summary": strings.TrimSuffix(summary, ".")}
	if rest != "" {
		out["description"] = r.doc
	}
	var parameters []any
	parameter := func(name, in, doc string, required bool, schema object) {
		parameters = append(parameters, object{"name": name, "in": in, "description": doc, "required": required, "schema": schema})
	}
	eachField(reflect.New(r.in).Elem(), func(f reflect.StructField, _ reflect.Value) {
		doc := f.Tag.Get("doc")
		if name := f.Tag.Get("path"); name != "" {
			parameter(name, "path", doc, true, b.schema(f.Type))
		}
		if name := f.Tag.Get("header"); name != "" {
			parameter(name, "header", doc, false, object{"type": "string"})
		}
		switch name := f.Tag.Get("query"); {
		case name == "*":
			for _, key := range scenarios.WhereKeys() {
				parameter(key.Name, "query", "Selects by: "+key.Doc, false, object{"type": "array", "items": object{"type": "string"}})
			}
		case name != "":
			schema := b.schema(f.Type)
			if words := f.Tag.Get("enum"); words != "" {
				schema["enum"] = anys(strings.Split(words, ","))
			}
			parameter(name, "query", doc, false, schema)
		}
		if kind := f.Tag.Get("body"); kind != "" {
			out["requestBody"] = b.body(f, kind)
		}
	})
	if parameters != nil {
		out["parameters"] = parameters
	}
	good := object{"description": "Done."}
	switch {
	case r.out != nil:
		schema := b.schema(r.out)
		if r.dry != nil {
			schema = object{"anyOf": []any{schema, b.schema(r.dry)}}
		}
		good["content"] = object{"application/json": object{"schema": schema}}
	case r.media != "":
		good["content"] = object{r.media: object{"schema": object{}}}
	}
	responses := object{strconv.Itoa(r.status): good}
	if r.status == http.StatusCreated {
		responses["200"] = good // a dry run, or it was there
	}
	fails := append(slices.Clone(r.fails), ProblemInvalid, ProblemToken, ProblemForbidden)
	if out["requestBody"] != nil {
		fails = append(fails, ProblemTooLarge, ProblemMediaType)
	}
	for _, kind := range fails {
		p := problems[kind]
		responses[strconv.Itoa(p.status)] = object{"description": p.title + ".",
			"content": object{problemType: object{"schema": b.schema(reflect.TypeFor[Problem]())}}}
	}
	out["responses"] = responses
	return out
}

func (b *documenter) body(f reflect.StructField, kind string) object {
	switch kind {
	case "text":
		return object{"required": true, "content": object{"application/yaml": object{"schema": object{"type": "string"}}}}
	case "step", "impairment":
		schema := b.language(kind)
		return object{"required": true, "content": object{"application/json": object{"schema": schema}, "application/yaml": object{"schema": schema}}}
	}
	return object{"required": f.Type.Kind() != reflect.Pointer, "content": object{"application/json": object{"schema": b.schema(f.Type)}}}
}

// languagePrefix begins the names of those components that are of the schema of scenario files.
const languagePrefix = "scenario."

// language is the schema of a step or an impairment. What its values are made of comes from the schema of scenario files.
func (b *documenter) language(kind string) object {
	name := languagePrefix + "request." + kind
	if b.schemas[name] == nil {
		var whole struct {
			Defs map[string]object `json:"$defs"`
		}
		text, err := sim.ScenarioSchema()
		if err == nil {
			err = json.Unmarshal(bytes.ReplaceAll(text, []byte(`"#/$defs/`), []byte(`"#/components/schemas/`+languagePrefix)), &whole)
		}
		if err != nil {
			panic(fmt.Sprintf("control: the schema of scenarios: %v", err)) // it is the same each time
		}
		for def, schema := range whole.Defs {
			b.schemas[languagePrefix+def] = schema
		}
		keys, from := scenarios.StepKeys(), []string{"Step", "Action"}
		doc := "An action, or a step of a scenario's timeline without a trigger. Times count from now."
		if kind == "impairment" {
			keys, from, doc = scenarios.ImpairmentKeys(), []string{"Trouble"}, "An impairment, as in the section impairments of a scenario. Times count from now."
		}
		properties := object{}
		for _, key := range keys {
			for _, def := range from {
				if p, ok := whole.Defs[def]["properties"].(object)[key.Name]; ok {
					properties[key.Name] = p
				}
			}
		}
		b.schemas[name] = object{"type": "object", "minProperties": 1, "description": doc, "properties": properties, "additionalProperties": false}
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// schema is the JSON Schema of a type. A struct's stands among the components, under the type's name.
func (b *documenter) schema(t reflect.Type) object {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[Duration]():
		return object{"type": "string", "pattern": `^([0-9.]+(ms|µs|ns|s|m|h|d))+$`, "examples": []any{"90s", "1h30m"}}
	case t == reflect.TypeFor[Time](), t.PkgPath() == "time" && t.Name() == "Time":
		return object{"type": "string", "format": "date-time"}
	case t == rawType:
		return object{}
	case t.Kind() == reflect.Int64:
		return object{"type": "integer"}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Uint64, reflect.Uint32:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": b.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": b.schema(t.Elem())}
	case reflect.Struct:
		if t.Name() != "" && b.schemas[t.Name()] == nil {
			b.schemas[t.Name()] = object{} // for types that hold themselves
			b.schemas[t.Name()] = b.structure(t)
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	panic(fmt.Sprintf("control: no schema for %v", t))
}

func (b *documenter) structure(t reflect.Type) object {
	properties, required := object{}, []any{}
	for _, f := range jsonFields(t) {
		s := b.schema(f.typ)
		if f.doc != "" {
			s["description"] = f.doc
		}
		if f.enum != nil {
			s["enum"] = anys(f.enum)
		}
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func anys(words []string) []any {
	var out []any
	for _, w := range words {
		out = append(out, w)
	}
	return out
}

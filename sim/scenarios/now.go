package scenarios

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/risim/risim/sim/cluster"
)

// What is done to a cluster by hand, while it runs, in the words of the language.

// LoadStep makes a program of one step, which is done as soon as the program runs. data is an action, such as
//
//	devices.unregister: {where: {group: hq}, share: 10%}
//
// or a step of a timeline, whose at and every then count from that moment:
//
//	{do: {churn: {rate: 30/min}}, for: 10m}
//
// It cannot come after another step. A step without an id gets the one given, which also decides its draws. name is what
// messages call the text. The error is Problems, all of them.
func LoadStep(name, id string, data []byte, o Options) (*Program, error) {
	p := &problems{file: name}
	f := parseStep(p, id, data)
	if f == nil {
		return nil, p.err()
	}
	prog := compile(p, f, o)
	if err := p.err(); err != nil {
		return nil, err
	}
	return prog, nil
}

func parseStep(p *problems, id string, data []byte) *File {
	root := document(p, data, "there is nothing to do: expected an action, such as node.stop: cucm-sub1")
	if root == nil {
		return nil
	}
	st, r := &Step{}, reader{problems: p}
	if slices.ContainsFunc(keysOf(reflect.TypeFor[Step]()), func(key string) bool { return hasKey(root, key) }) {
		r.value(root, reflect.ValueOf(st).Elem(), "the step", 0)
	} else {
		st.Do = &Action{}
		st.broken = !r.value(root, reflect.ValueOf(st.Do).Elem(), "the action", 0)
		st.At, st.Line, st.text = st.Do.At, st.Do.Line, st.Do.text
	}
	if !st.ID.Given() {
		st.ID = Text{id, st.At}
	}
	if st.After.Given() {
		p.add(st.After.At, "after: there is no other step that this one could come after")
	} else if st.Requests != nil {
		p.add(st.Requests.At, "requests: only a step of a scenario can wait for requests")
	} else if !st.When.Given() && !st.Every.Given() {
		st.When = Text{"0s", st.At}
	}
	return &File{Timeline: []*Step{st}, name: p.file, lines: p.lines, byHand: true}
}

// CheckLift compares a program of LoadStep with the impairments that are in force, by their ids: it must lift one of these. The
// error is Problems.
func (p *Program) CheckLift(inForce []string) error {
	wrong := &problems{file: p.file.name, lines: p.file.lines}
	for _, t := range p.lifts {
		if p.file.byHand && !slices.Contains(inForce, t.Text) {
			wrong.add(t.At, "no impairment %q is in force; %s", t.Text, didYouMean(t.Text, inForce))
		}
	}
	return wrong.err()
}

// Lifts is the id of the impairment that a program of LoadStep lifts; "" when it is about something else.
func (p *Program) Lifts() string {
	if p.file.byHand && len(p.lifts) > 0 {
		return p.lifts[0].Text
	}
	return ""
}

// LoadImpairment makes a program of one impairment, written like an entry of the section impairments: it is in force from when the
// program runs, or as its trigger says, whose times then count from that moment. Without an id it gets the one given. name is
// what messages call the text. The error is Problems, all of them.
func LoadImpairment(name, id string, data []byte, o Options) (*Program, error) {
	p := &problems{file: name}
	if root := document(p, data, "there is no impairment: expected trouble, such as latency: 80ms"); root != nil {
		t, r := &Trouble{}, reader{problems: p}
		r.value(root, reflect.ValueOf(t).Elem(), "the impairment", 0)
		if !t.ID.Given() {
			t.ID = Text{id, t.At}
		}
		prog := compile(p, &File{Impairments: []*Trouble{t}, name: name, lines: p.lines}, o)
		if len(p.list) == 0 {
			return prog, nil
		}
	}
	return nil, p.err()
}

// Selector chooses devices as where does. It never changes.
type Selector struct{ where *where }

// NewSelector makes a selector of the keys of where and their values, of which any will do; no keys select all devices. The
// error tells of every key and value that is wrong.
func NewSelector(keys map[string][]string, o Options) (*Selector, error) {
	if len(keys) == 0 {
		return &Selector{&where{}}, nil
	}
	w := &Where{Mark: Mark{At: Pos{1, 1}}}
	p := &problems{}
	known := keysOf(reflect.TypeFor[Where]())
	for i, key := range slices.Sorted(maps.Keys(keys)) {
		f, ok := field(reflect.ValueOf(w).Elem(), key)
		if !ok {
			p.add(Pos{1, i + 1}, "unknown key of where %q; %s", key, didYouMean(key, known))
			w.broken = true
			continue
		}
		var texts Texts
		for _, v := range keys[key] {
			texts = append(texts, Text{v, Pos{1, i + 1}})
		}
		f.Set(reflect.ValueOf(texts))
	}
	c := &compiler{problems: p, Options: o}
	s := &Selector{c.where(w)}
	if err := p.err(); err != nil {
		var said []string
		for _, one := range p.list {
			said = append(said, one.Message)
		}
		return nil, errors.New(strings.Join(said, "\n"))
	}
	return s, nil
}

// Matches tells whether a device of a snapshot is selected.
func (s *Selector) Matches(snapshot *cluster.Snapshot, d *cluster.Device) bool {
	return s.where.configured(d) && (!s.where.volatile() || s.where.doing(Latest(snapshot, d.Name)))
}

// Key is a key of the language.
type Key struct{ Name, Doc string }

// WhereKeys lists the keys by which where selects.
func WhereKeys() []Key { return keysWithDoc(reflect.TypeFor[Where]()) }

// StepKeys lists the keys that LoadStep takes: those of a step, then the actions.
func StepKeys() []Key {
	step := slices.DeleteFunc(keysWithDoc(reflect.TypeFor[Step]()), func(k Key) bool { return k.Name == "after" || k.Name == "requests" || k.Name == "delay" })
	return append(step, keysWithDoc(reflect.TypeFor[Action]())...)
}

func keysWithDoc(t reflect.Type) []Key {
	var out []Key
	for i := range t.NumField() {
		f := t.Field(i)
		switch tag := f.Tag.Get("yaml"); {
		case tag == ",inline":
			out = append(out, keysWithDoc(f.Type)...)
		case tag != "" && tag[0] != ',':
			out = append(out, Key{tag, f.Tag.Get("doc")})
		}
	}
	return out
}

// ImpairmentKeys lists the keys that LoadImpairment takes.
func ImpairmentKeys() []Key {
	return slices.DeleteFunc(keysWithDoc(reflect.TypeFor[Trouble]()), func(k Key) bool {
		return slices.Contains([]string{"after", "delay", "over"}, k.Name)
	})
}

package sim

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// Entry is one thing that happened: a request and its answer, a change of the cluster, or a step of the scenario. What a change and a
// step consist of is shared with the journal and must not be changed.
type Entry struct {
	Seq uint64    // counts from 1, without gaps
	At  time.Time // simulated time; of a request, its arrival

	// Method and Path are the request's; empty for anything else.
	Method, Path string

	// Exchange is the request as the service understood it, and what became of it; nil for anything else. A path that is not
	// the service's has one too, with status 404. Its HTTP is nil, and so is Request when the body had more than 64 KiB.
	Exchange *soap.Exchange

	// Event is a change; nil for anything else.
	Event *Event

	// Step is what a step of the scenario does, or an expectation's verdict; nil for anything else.
	Step *scenarios.Event

	// Trouble is what an impairment did other than to a request; nil for anything else.
	Trouble *Trouble
}

// Event is what one Apply did to the cluster.
type Event struct {
	Version uint64           // of the snapshot that it made
	Changes []cluster.Change // as many as the journal has room for
	More    int              // changes that were not kept
	Cause   scenarios.Cause  // the scenario's step that made them; the zero value: a call of Apply

	text string // what first says, when the first one was not kept
}

// first is the first change, with the names in it.
func (e *Event) first() string {
	switch {
	case e.text != "":
		return e.text
	case len(e.Changes) == 0:
		return "nothing"
	}
	return describe(e.Changes[0])
}

// String names the first change, with the names in it, and says how many more there are.
func (e *Event) String() string {
	text := e.first()
	if more := len(e.Changes) + e.More - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Journal is what happened, oldest first.
type Journal []Entry

// Dropped is how many entries were pushed out before the first one. Of no entries it knows nothing and says 0: see [Simulator.JournalStats].
func (j Journal) Dropped() uint64 {
	if len(j) == 0 {
		return 0
	}
	return j[0].Seq - 1
}

// Tail is the last n entries, or all when there are fewer.
func (j Journal) Tail(n int) Journal { return j[max(0, len(j)-n):] }

// String is one line for each entry. The same run gives the same text: it holds simulated time only, and no ports.
func (j Journal) String() string {
	var b strings.Builder
	for _, e := range j {
		b.WriteString(e.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// String is one line: the time of day, then what happened.
func (e Entry) String() string {
	at := e.At.UTC().Format("15:04:05.000")
	if e.Event != nil {
		text := fmt.Sprintf("%s  version %d  %s", at, e.Event.Version, e.Event)
		if e.Event.Cause != (scenarios.Cause{}) {
			text += "  by " + e.Event.Cause.String()
		}
		return text
	}
	if e.Step != nil {
		return fmt.Sprintf("%s  step %s  %s", at, e.Step.Cause.Step, e.Step)
	}
	if e.Trouble != nil {
		return at + "  " + e.Trouble.String()
	}
	x := e.Exchange
	if x == nil {
		return at
	}
	parts := []string{at, string(x.Node), e.Method}
	if x.Operation == soap.NoOperation {
		parts = append(parts, clip(e.Path, 120))
	} else {
		parts = append(parts, x.Operation.String())
	}
	if x.User != "" {
		parts = append(parts, clip(x.User, 80))
	}
	if criteria := summary(x.Request); criteria != "" {
		parts = append(parts, criteria)
	}
	if x.HTTPStatus == 0 {
		parts = append(parts, "no answer")
	} else {
		parts = append(parts, fmt.Sprint(x.HTTPStatus))
	}
	switch {
	case x.Fault != nil:
		parts = append(parts, "fault "+x.Fault.Name+": "+clip(x.Fault.String, 120))
	case x.SnapshotVersion != 0: // otherwise the cluster was not asked
		answer := fmt.Sprintf("found %d returned %d", x.Found, x.Returned)
		if x.Truncated {
			answer += " truncated"
		}
		if x.Verdict == cluster.Unchanged {
			answer = "no change"
		}
		parts = append(parts, answer)
	}
	for _, a := range x.Advice {
		parts = append(parts, "advice "+a.ID)
	}
	for _, f := range x.Impaired {
		parts = append(parts, "impaired "+f.String())
	}
	return strings.Join(parts, "  ")
}

// summary is the criteria that a request gave, in the contract's order.
func summary(r *soap.Request) string {
	if r == nil {
		return ""
	}
	var b strings.Builder
	put := func(name string, texts ...soap.Text) {
		var given []string
		for _, t := range texts {
			if t.Value != "" {
				given = append(given, t.Value)
			}
		}
		if len(given) == 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=" + clip(strings.Join(given[:min(3, len(given))], ","), 80))
		if more := len(given) - 3; more > 0 {
			fmt.Fprintf(&b, "+%d", more)
		}
	}
	put("max", r.Max)
	put("class", r.Class)
	put("model", r.Model)
	put("status", r.Status)
	put("node", r.NodeName)
	put("by", r.SelectBy)
	put("items", r.Items...)
	put("protocol", r.Protocol)
	put("download", r.DownloadStatus)
	put("devices", r.DevNames...)
	put("numbers", r.DirNumbers...)
	if r.StateInfo != "" {
		put("since", soap.Text{Value: "StateInfo"})
	}
	return b.String()
}

// describe is a change in words.
func describe(c cluster.Change) string {
	v := reflect.ValueOf(c)
	text := v.Type().Name()
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			text += value(v.Field(i))
		}
	}
	return text
}

// value is a change's field as it reads in a line: texts, enumerations and counts; of a list its length and of anything
// larger its name.
func value(v reflect.Value) string {
	switch {
	case v.IsZero():
		return ""
	case v.Kind() == reflect.Slice:
		return fmt.Sprintf(" %d %s", v.Len(), v.Type().Elem().Name())
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for _, name := range []string{"Device", "Name"} {
			if f := v.FieldByName(name); f.IsValid() && f.Kind() == reflect.String {
				return " " + f.String()
			}
		}
		if s, ok := v.Interface().(fmt.Stringer); ok {
			return " " + s.String()
		}
		return ""
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Func:
		return "" // an address would differ from run to run
	}
	return fmt.Sprintf(" %v", v.Interface())
}

func clip(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·' // one entry is one line, whatever a client sends
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

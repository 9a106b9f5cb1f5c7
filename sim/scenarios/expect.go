package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// Outcome is what became of an expectation.
type Outcome uint8

// The outcomes. The zero value is Inconclusive: what never became decidable has not passed.
const (
	Inconclusive Outcome = iota
	Pass
	Fail
)

// String is "inconclusive", "pass" or "fail".
func (o Outcome) String() string { return [...]string{"inconclusive", "pass", "fail"}[o] }

// MarshalText is String, for JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (o *Outcome) UnmarshalText(text []byte) error {
	for _, known := range []Outcome{Inconclusive, Pass, Fail} {
		if known.String() == string(text) {
			*o = known
			return nil
		}
	}
	return fmt.Errorf("%q is not one of inconclusive, pass, fail", text)
}

// Verdict is an expectation's outcome and why.
type Verdict struct {
	ID      string // of the expectation, or of the step that checked
	File    string
	Line    int
	Outcome Outcome
	Want    string        // what was expected
	Why     string        // what was seen
	At      time.Duration // from the start, when it was decided
}

// String is one line: outcome, place, id, what was expected, what was seen.
func (v Verdict) String() string {
	return fmt.Sprintf("%s  %s  %s  %s: %s", v.Outcome, v.Place(), v.ID, v.Want, v.Why)
}

// Place is where the expectation stands: file.yaml:12, or what took the file's place when there is no line.
func (v Verdict) Place() string {
	if v.Line == 0 {
		return v.File
	}
	return fmt.Sprintf("%s:%d", v.File, v.Line)
}

// Sum is what verdicts come to together: Fail when one has failed, else Inconclusive when one is, else Pass; Pass when there
// are none.
func Sum(verdicts []Verdict) Outcome {
	sum := Pass
	for _, v := range verdicts {
		switch {
		case v.Outcome == Fail:
			return Fail
		case v.Outcome == Inconclusive:
			sum = Inconclusive
		}
	}
	return sum
}

// expectation is an Expectation made ready: what must be true, and in which window of time.
type expectation struct {
	// Devices: where and count. Requests: match, fault, status, count. Faults and advice: match, none, some, count.
	kind       string // devices, requests, faults or advice
	where      *where
	match      *match
	fault      string
	status     int
	none, some []string
	count      count
	counted    bool // count was given

	after  bool          // the window begins when a step has finished
	begin  time.Duration // from the start, or with after the delay
	end    time.Duration // from begin; below 0: the end of the run
	mode   expectMode
	noTime bool // no timing at all was written
}

type expectMode uint8

const (
	atBegin    expectMode = iota // judged when the window begins
	within                       // must become true in the window
	throughout                   // must be true all through the window
)

// String is what is expected, in a few words.
func (e *expectation) String() string {
	if e == nil {
		return ""
	}
	said := []string{e.kind}
	if e.where != nil && e.where.src != nil {
		said = append(said, "("+e.where.String()+")")
	}
	if e.match != nil {
		said = append(said, "("+saidTexts(e.match.src)+")")
	}
	switch {
	case e.fault != "":
		said = append(said, "with fault "+e.fault)
	case e.status != 0:
		said = append(said, fmt.Sprintf("with status %d", e.status))
	}
	if e.counted {
		said = append(said, e.count.text)
	}
	if len(e.none) > 0 {
		said = append(said, "none of "+strings.Join(e.none, ", "))
	}
	if len(e.some) > 0 {
		said = append(said, "some of each "+strings.Join(e.some, ", "))
	}
	switch {
	case e.mode == within:
		said = append(said, "within "+brief(e.end))
	case e.mode == throughout && e.end >= 0:
		said = append(said, "for "+brief(e.end))
	case e.mode == throughout && !e.noTime:
		said = append(said, "from then on")
	}
	return strings.Join(said, " ")
}

// brief writes 5m and 1h30m, as files do.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (c *compiler) expectation(i int, x *Expectation) {
	s := c.name(x.ID, "expect", i, x.Mark, x)
	e := c.clauses(&x.Mark, s.id, &x.Clauses)
	s.expect = e
	s.when.kind, s.when.until = atTime, -1
	t := &x.Timing
	var whens []string
	for _, k := range []struct {
		key string
		t   Text
	}{{"at", t.When}, {"after", t.After}, {"from", t.From}} {
		if k.t.Given() {
			whens = append(whens, k.key)
		}
	}
	if len(whens) > 1 {
		c.add(s.mark.At, "%s begins %s; expected one of them", s.id, strings.Join(whens, " and "))
	}
	var ends []string
	for _, k := range []struct {
		key string
		t   Text
	}{{"within", t.Within}, {"for", t.For}, {"until", t.Until}} {
		if k.t.Given() {
			ends = append(ends, k.key)
		}
	}
	if len(ends) > 1 {
		c.add(s.mark.At, "%s ends %s; expected one of them", s.id, strings.Join(ends, " and "))
	}
	if t.Delay.Given() && !t.After.Given() {
		c.add(t.Delay.At, "delay goes with after only")
	}
	e.end = -1
	e.noTime = len(whens)+len(ends) == 0
	switch {
	case t.When.Given():
		e.begin = c.duration(t.When)
	case t.After.Given():
		e.after, e.begin = true, c.duration(t.Delay)
		s.when.kind = afterStep
		c.after = append(c.after, pendingAfter{s, t.After})
	default:
		e.begin = c.duration(t.From)
	}
	switch {
	case t.Within.Given():
		e.mode, e.end = within, c.positive(t.Within, "within")
	case t.For.Given():
		e.mode, e.end = throughout, c.positive(t.For, "for")
	case t.Until.Given():
		e.mode, e.end = throughout, c.duration(t.Until)-e.begin
		if t.After.Given() {
			c.add(t.Until.At, "until is from the start, and after is not; say how long with for or within")
		} else if e.end <= 0 {
			c.add(t.Until.At, "until %s is not later than %s, where it begins", t.Until, offset(e.begin))
		}
	case t.From.Given():
		e.mode = throughout
	case e.kind != "devices" && !t.When.Given():
		e.mode = throughout // what is counted from after on, or all through the run
	}
	s.when.at, s.when.delay = e.begin, e.begin
}

// clauses compiles what must be true; always an expectation, if an empty one.
func (c *compiler) clauses(m *Mark, what string, x *Clauses) *expectation {
	e := &expectation{count: count{0, 0, -1, ""}}
	given := keysGiven(x)
	if len(given) != 1 {
		if len(given) > 1 {
			c.add(m.At, "%s expects %s; expected one of them", what, strings.Join(given, " and "))
		} else if !m.broken {
			c.add(m.At, "%s expects nothing: none of devices, requests, faults and advice", what)
		}
		return e
	}
	e.kind = given[0]
	var counts Text
	var none, some Texts
	switch {
	case x.Devices != nil:
		e.where, counts = c.where(x.Devices.Where), x.Devices.Count
		c.need(&x.Devices.Mark, counts, "devices", "count")
	case x.Requests != nil:
		r := x.Requests
		e.match, counts = c.match(r.Match), r.Count
		e.status = c.whole(r.Status, "status", 200, 599, 0)
		if r.Fault.Given() {
			e.fault = c.fault(r.Fault)
		}
		c.need(&r.Mark, counts, "requests", "count")
	case x.Faults != nil:
		e.match, counts, none, some = c.match(x.Faults.Match), x.Faults.Count, x.Faults.None, x.Faults.Some
		c.known(none, "fault", c.Faults)
		c.known(some, "fault", c.Faults)
		if !counts.Given() && none == nil && some == nil && !x.Faults.broken {
			c.add(x.Faults.At, "faults has none of none, some and count")
		}
	case x.Advice != nil:
		e.match, counts, none, some = c.match(x.Advice.Match), x.Advice.Count, x.Advice.None, x.Advice.Some
		c.known(none, "advice", c.Advice)
		c.known(some, "advice", c.Advice)
		if !counts.Given() && none == nil && some == nil && !x.Advice.broken {
			c.add(x.Advice.At, "advice has none of none, some and count")
		}
	}
	e.none, e.some = plain(none), plain(some)
	if counts.Given() {
		n, err := parseCount(counts.Text)
		if err != nil {
			c.add(counts.At, "%v", err)
		}
		e.count, e.counted = n, true
	}
	return e
}

// known checks names, in which * may stand for any text.
func (c *compiler) known(ts Texts, what string, names []string) {
	for _, t := range ts {
		if names != nil && !slices.ContainsFunc(names, func(n string) bool { return wild(fold(t.Text), fold(n)) }) {
			c.add(t.At, "unknown %s %q; %s", what, t.Text, didYouMean(t.Text, names))
		}
	}
}

// devices counts the devices that an expectation is about.
func (e *expectation) devices(s *cluster.Snapshot) int {
	n := 0
	for d := range s.Devices() {
		if e.where.configured(d) && (!e.where.volatile() || e.where.doing(Latest(s, d.Name))) {
			n++
		}
	}
	return n
}

package scenarios

import (
	"container/heap"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// How a run goes on with another program: by difference. What an edit leaves as it was goes on as if nothing had happened.
// What is new or changed does what it would still do if the file had always said so: its past is past, but trouble and churn
// that would be going on begin. Of what is gone nothing more happens, except that devices which have begun something end it.

// Difference is one thing that an edited file says otherwise.
type Difference struct {
	Op      string `json:"op" doc:"+ for what is new, - for what is gone, ~ for what is changed."`
	Section string `json:"section" doc:"Section of the file: service, cluster, impairments, timeline or expect."`
	Text    string `json:"text" doc:"What it is and what becomes of it, in one line."`
}

// String is a line such as + step back: node.start cucm-sub1, at 00:20:00.
func (d Difference) String() string { return d.Op + " " + d.Text }

// Differences tells what Replace would do now, and does nothing.
func (r *Running) Differences(p *Program) []Difference {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.elapsed()
	var out []Difference
	for _, c := range r.changes(p, now) {
		if !c.same {
			out = append(out, r.tell(&c, now))
		}
	}
	return out
}

// Replace goes on with another program, by difference: see Changing a scenario that runs, in the package comment. Before anything
// is changed prepare is called with the time of the run, while nothing of the scenario happens, and when it fails nothing is changed; it must
// not call the Running. The program must have the seed of the one before, unless that was the zero Program: then its time begins now. A
// run that was stopped cannot go on, which is an error too.
func (r *Running) Replace(p *Program, prepare func(at time.Duration) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return errors.New("the scenario has ended; another one needs a restart")
	}
	now := r.elapsed()
	r.runDue(now)
	if err := prepare(now); err != nil {
		return err
	}
	r.replace(p, now)
	return nil
}

// elapsed is the time of the run.
func (r *Running) elapsed() time.Duration {
	if r.prog.file == nil { // nothing has begun as yet
		return 0
	}
	return r.clock.Now().Sub(r.start)
}

// change is what becomes of a step when another program takes over.
type change struct {
	was  *entry // nil: the step is new
	step *step  // nil: it is gone
	same bool

	// Of a step that is new or changed, and no expectation:
	next   []time.Duration // when it fires, as far as that is settled
	passed int             // firings that it is too late for
	last   time.Duration   // when the last of these was
	goesOn bool            // what that began would still be going on
}

// changes is what becomes of the steps of p, in their order, and then of those that are gone.
func (r *Running) changes(p *Program, now time.Duration) []change {
	known := map[string]*entry{}
	for _, e := range r.entries {
		known[e.key] = e
	}
	out := make([]change, len(p.steps), len(p.steps)+len(r.entries))
	for i, s := range p.steps {
		c := change{step: s}
		if e := known[s.key]; e != nil && reflect.TypeOf(e.src) == reflect.TypeOf(s.src) {
			delete(known, s.key)
			c.was, c.same = e, sameWritten(reflect.ValueOf(e.src), reflect.ValueOf(s.src))
		}
		if !c.same && s.expect == nil {
			c.schedule(now, r.finished(s.when.after))
		}
		out[i] = c
	}
	for i := range out {
		if c := &out[i]; c.goesOn && c.liftedBy(out) {
			c.goesOn = false
		}
	}
	for _, e := range r.entries {
		if known[e.key] == e {
			out = append(out, change{was: e})
		}
	}
	return out
}

// finished is when the firings have finished of what is the same step of another program.
func (r *Running) finished(s *step) []time.Duration {
	if s == nil {
		return nil
	}
	for _, e := range r.entries {
		if e.key == s.key {
			return e.finished
		}
	}
	return nil
}

// schedule parts the times of a step into those ahead and those that have passed. One that is now is ahead, unless
// the step has fired now already. Those of requests begin to count anew.
func (c *change) schedule(now time.Duration, finished []time.Duration) {
	w := &c.step.when
	ahead := func(at time.Duration) bool {
		return at > now || at == now && (c.was == nil || c.was.fired == 0 || c.was.last != now)
	}
	switch w.kind {
	case atTime:
		finished = []time.Duration{0}
		fallthrough
	case afterStep:
		for _, at := range finished {
			if at += w.at + w.delay; ahead(at) {
				c.next = append(c.next, at)
			} else {
				c.passed, c.last = c.passed+1, at
			}
		}
	case everyTime:
		total := int(c.step.firings())
		if now > w.at {
			c.passed = int((now - w.at) / w.every)
		}
		if at := w.at + time.Duration(c.passed)*w.every; !ahead(at) {
			c.passed++
		}
		c.passed = min(c.passed, total)
		c.last = w.at + time.Duration(c.passed-1)*w.every
		if c.passed < total {
			c.next = []time.Duration{c.last + w.every}
		}
	}
	if lasting := c.step.do.impair != nil || c.step.do.every > 0; lasting && c.passed > 0 {
		end := c.step.end(c.last)
		c.goesOn = (end < 0 || end > now) && (c.was == nil || !c.was.lifted)
	}
}

// liftedBy tells whether a step whose time has passed would have lifted what goes on.
func (c *change) liftedBy(all []change) bool {
	return slices.ContainsFunc(all, func(o change) bool {
		return o.step.do != nil && o.step.do.lift == c.step.id && o.passed > 0 && o.last >= c.last
	})
}

// replace makes p the program, at the time now.
func (r *Running) replace(p *Program, now time.Duration) {
	changes := r.changes(p, now)
	if r.prog.file == nil {
		r.start = r.clock.Now()
	}
	r.prog = p
	r.entries = make([]*entry, len(p.steps))
	fate := map[*entry]*change{}
	for i := range changes {
		c := &changes[i]
		if c.step == nil {
			c.was.gone = true
		} else {
			if c.was == nil {
				c.was = &entry{}
			}
			e := c.was
			if e.step = c.step; !c.same {
				e.fired, e.matched = c.passed, 0
			} else if e.ongoing != nil {
				e.ongoing.step = c.step
				if i := c.step.do.impair; i != nil && !e.lifted {
					r.world.Renew(i)
				}
			}
			r.entries[i] = e
		}
		fate[c.was] = c
	}
	r.requeue(fate)
	r.rejudge(fate, now)
	for i := range changes {
		// Over before anything begins, for what is new may have the name of what is gone.
		if c := &changes[i]; !c.same && !c.goesOn && c.was.ongoing != nil {
			r.over(c.was.ongoing, now)
		}
	}
	for i := range changes {
		c := &changes[i]
		for _, at := range c.next {
			r.fireAt(c.was, at)
		}
		if c.goesOn {
			c.was.fired-- // it is the last one of those that have passed
			r.begin(r.firing(c.was), c.last, now)
		}
	}
	r.runDue(now)
}

// requeue keeps of what is due what is to happen still.
func (r *Running) requeue(fate map[*entry]*change) {
	r.queue = slices.DeleteFunc(r.queue, func(it *item) bool {
		c := fate[it.entry]
		switch {
		case it.role == toLookAt:
			return true // see lookSoon
		case c == nil: // a device that ends what it has begun for a step that is long gone
			return false
		case c.same:
			if it.run != nil {
				it.run.step = c.step // which stands elsewhere in the file, perhaps
			}
			return false
		case it.role == toAct && (it.phase > 0 || c.step != nil): // what has begun ends, and all of it when it is only changed
			return false
		case it.role == toAct:
			it.run.pending--
		}
		return true
	})
	heap.Init(&r.queue) // the order of steps is another one
	r.lookDue = false
	if r.cancel != nil {
		r.cancel()
		r.cancel = nil
	}
}

// rejudge keeps the judges of what is unchanged, makes those of the rest, and says who listens to requests.
func (r *Running) rejudge(fate map[*entry]*change, now time.Duration) {
	known := map[*entry]*judge{}
	for _, j := range r.judges {
		known[j.entry] = j
	}
	r.judges = nil
	listening := &ears{}
	var fresh []*judge
	for _, e := range r.entries {
		x := e.expect
		if x == nil {
			x = e.do.check
			if e.when.kind == onRequest {
				listening.steps = append(listening.steps, listener[*entry]{e, e.when.requests.match})
			}
		}
		if x == nil {
			continue
		}
		j := known[e]
		if j == nil || !fate[e].same {
			j = &judge{entry: e, check: e.expect == nil}
			j.open = j.check
			fresh = append(fresh, j)
		}
		j.e = x
		j.verdict.ID, j.verdict.File, j.verdict.Line = e.id, r.prog.file.name, e.mark.At.Line
		r.judges = append(r.judges, j)
		if x.exchanges() {
			listening.judges = append(listening.judges, listener[*judge]{j, x.match})
		}
	}
	r.ears.Store(listening)
	for _, j := range fresh {
		r.prepare(j, now)
	}
}

// sameWritten compares two pieces of a file as written, wherever they stand and however they are laid out.
func sameWritten(a, b reflect.Value) bool {
	switch a.Type() {
	case markType:
		return true
	case textType:
		x, y := a.Interface().(Text), b.Interface().(Text)
		return x.Text == y.Text && x.Given() == y.Given()
	}
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return sameWritten(a.Elem(), b.Elem())
	case reflect.Slice:
		for i := range min(a.Len(), b.Len()) {
			if !sameWritten(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return a.Len() == b.Len() && a.IsNil() == b.IsNil()
	}
	for i := range a.NumField() {
		if !sameWritten(a.Field(i), b.Field(i)) {
			return false
		}
	}
	return true
}

// Same tells whether two cluster sections say the same, wherever they stand. Nil is a section that is not there.
func (c *ClusterSpec) Same(other *ClusterSpec) bool {
	return sameWritten(reflect.ValueOf(c), reflect.ValueOf(other))
}

// tell is a change in words.
func (r *Running) tell(c *change, now time.Duration) Difference {
	s, d := c.step, Difference{Op: "+"}
	switch {
	case s == nil:
		s, d.Op = c.was.step, "-"
	case c.was != nil:
		d.Op = "~"
	}
	noun := "step"
	switch d.Section = "timeline"; s.src.(type) {
	case *Trouble:
		noun, d.Section = "impairment", "impairments"
	case *Expectation:
		noun, d.Section = "expectation", "expect"
	}
	var said []string
	switch {
	case c.step == nil:
		said = r.tellGone(c.was)
	case s.expect != nil:
		said = []string{s.expect.String(), r.tellWindow(s, now)}
	default:
		what := s.do.verb + " " + s.do.detail
		if noun == "impairment" {
			what = s.do.detail
		}
		said = []string{what, c.tellTimes()}
	}
	said = slices.DeleteFunc(said, func(text string) bool { return text == "" })
	if d.Text = noun + " " + s.id; len(said) > 0 {
		d.Text += ": " + strings.Join(said, ", ")
	}
	return d
}

// tellGone says what becomes of what a step has begun.
func (r *Running) tellGone(e *entry) []string {
	var said []string
	switch {
	case e.ongoing == nil || e.lifted:
	case e.ongoing.step.do.impair != nil:
		said = append(said, "its trouble ends now")
	default:
		said = append(said, "its churn ends now")
	}
	waiting := 0
	for _, it := range r.queue {
		if it.entry == e && it.role == toAct && it.phase == 0 {
			waiting++
		}
	}
	switch {
	case waiting == 1:
		said = append(said, "1 device whose turn has not come stays as it is")
	case waiting > 1:
		said = append(said, fmt.Sprintf("%d devices whose turn has not come stay as they are", waiting))
	}
	return said
}

// tellTimes says when a step that is new or changed happens.
func (c *change) tellTimes() string {
	w := &c.step.when
	when := ""
	switch w.kind {
	case everyTime:
		when = "every " + short(w.every)
		if len(c.next) > 0 {
			when += ", next at " + offset(c.next[0])
		}
	case afterStep:
		if when = "after " + w.after.id; w.delay > 0 {
			when = short(w.delay) + " " + when
		}
		if len(c.next) > 0 {
			when += ", at " + offset(c.next[0])
		}
	case onRequest:
		return "on request " + w.requests.String() + ", counted from now on"
	default:
		when = "at " + offset(w.at)
	}
	switch {
	case c.goesOn:
		return "from now on"
	case c.passed == 0 || len(c.next) > 0:
		return when
	case c.was != nil && c.was.fired > 0:
		return when + ": that has passed, and it does not happen again"
	}
	return when + ": that has passed, and it does not happen"
}

// tellWindow says when an expectation that is new or changed is judged.
func (r *Running) tellWindow(s *step, now time.Duration) string {
	e, from := s.expect, time.Duration(0)
	if e.after {
		done := r.finished(s.when.after)
		if len(done) == 0 {
			return "after " + s.when.after.id
		}
		from = done[0]
	}
	switch begin := from + e.begin; {
	case e.noTime && now > 0 && e.exchanges():
		return "counted from now on"
	case e.noTime:
		return ""
	case begin >= now:
		return "at " + offset(begin)
	case e.over(begin, now):
		return "its time has passed, and it is never judged"
	}
	return "watched from now on"
}

// short writes 15m where the standard library writes 15m0s.
func short(d time.Duration) string {
	text := d.String()
	if cut, ok := strings.CutSuffix(text, "m0s"); ok {
		text = cut + "m"
	}
	if cut, ok := strings.CutSuffix(text, "h0m"); ok {
		text = cut + "h"
	}
	return text
}

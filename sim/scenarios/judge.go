package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// judge watches one expectation in a run.
type judge struct {
	entry   *entry
	e       *expectation
	check   bool // of a check step: it is judged whenever the step fires, and keeps its worst outcome
	open    bool // the window has begun
	closed  bool // the outcome is final
	awaited bool // it has been put in line by the step that it comes after
	endsAt  time.Duration
	since   time.Duration // what was before was not seen
	verdict Verdict

	asked int            // answers that match
	hits  int            // of these, the ones that count
	names map[string]int // of faults or advice
}

// look is how often what expectations say of devices is looked at while the cluster changes: a state that lasts less
// may be missed, except at the ends of a window (simulator's choice).
const look = time.Second

// exchanges says that the expectation is about requests and answers.
func (e *expectation) exchanges() bool { return e.kind != "devices" }

// prepare puts an expectation's beginning in line, at the time now. Of a window that began before, what is left is watched; one
// that is over is never judged.
func (r *Running) prepare(j *judge, now time.Duration) {
	s := j.entry.step
	j.verdict = Verdict{ID: s.id, File: r.prog.file.name, Line: s.mark.At.Line, Want: j.e.String(), Why: "never came to be judged"}
	if j.check {
		return
	}
	if j.e.exchanges() && !j.e.after && (j.e.mode == atBegin || j.e.noTime) {
		j.since = now // everything up to then counts
	}
	switch {
	case j.e.after:
		if done := r.entries[s.when.after.order].finished; len(done) > 0 {
			j.awaited = true
			r.await(j, done[0], now)
		}
	case j.e.noTime:
		j.open, j.endsAt = true, -1 // judged at the end of the run
	default:
		j.open = j.e.exchanges() && j.e.mode == atBegin && j.e.begin >= now
		r.await(j, 0, now)
	}
}

// await puts the beginning of a window in line, which counts from the time from.
func (r *Running) await(j *judge, from, now time.Duration) {
	begin := from + j.e.begin
	switch {
	case begin >= now:
		r.push(item{at: begin, entry: j.entry, role: toJudge, do: func(at time.Duration) { r.beginJudging(j, at, at) }})
	case !j.e.over(begin, now):
		j.since = now
		r.beginJudging(j, begin, now)
	default:
		r.decide(j, now, Inconclusive, "its time was over when the scenario was changed")
	}
}

// over says that a window is past.
func (e *expectation) over(begin, now time.Duration) bool {
	return begin < now && (e.mode == atBegin || e.end >= 0 && begin+e.end < now)
}

func (r *Running) beginAfter(e *entry, at time.Duration) {
	for _, j := range r.judges {
		if j.entry == e && !j.open && !j.closed && !j.awaited {
			// The window begins once, with the first time that the step has finished.
			j.awaited = true
			j.open = j.e.exchanges() && j.e.begin == 0
			r.await(j, at, at)
		}
	}
}

// beginJudging is the beginning of a window, at the time at; begin is when it began, which is earlier for one that is new.
func (r *Running) beginJudging(j *judge, begin, at time.Duration) {
	if j.closed {
		return
	}
	r.world.Log(Event{At: at, Cause: r.cause(j.entry.step), Action: "expect", Devices: -1, Last: at, Detail: j.e.String()})
	j.open, j.endsAt = true, -1
	if j.e.mode == atBegin {
		j.endsAt = at
		r.close(j, at)
		return
	}
	if j.e.end >= 0 {
		j.endsAt = begin + j.e.end
		r.push(item{at: j.endsAt, entry: j.entry, role: toJudge, do: func(at time.Duration) { r.close(j, at) }})
	}
	r.peek(j, at)
}

// holds judges what is now: whether the expectation is met, and what is seen.
func (r *Running) holds(j *judge) (bool, string) {
	if !j.e.exchanges() {
		n := j.e.devices(r.world.Snapshot())
		return j.e.count.holds(n), fmt.Sprintf("%d devices", n)
	}
	var bad []string
	for _, p := range j.e.none {
		for _, name := range sortedNames(j.names) {
			if wild(fold(p), fold(name)) {
				bad = append(bad, fmt.Sprintf("%s (%d)", name, j.names[name]))
			}
		}
	}
	for _, p := range j.e.some {
		if !slices.ContainsFunc(sortedNames(j.names), func(n string) bool { return wild(fold(p), fold(n)) }) {
			bad = append(bad, "no "+p)
		}
	}
	if j.e.counted && !j.e.count.holds(j.hits) {
		bad = append(bad, fmt.Sprintf("%d counted", j.hits))
	}
	why := fmt.Sprintf("%d of %d requests", j.hits, j.asked)
	if len(bad) > 0 {
		return false, strings.Join(bad, ", ") + " in " + fmt.Sprintf("%d requests", j.asked)
	}
	return true, why
}

func sortedNames(m map[string]int) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func (r *Running) decide(j *judge, at time.Duration, o Outcome, why string) {
	if j.closed {
		return
	}
	j.closed = !j.check
	if j.check && j.verdict.Outcome == Fail {
		return
	}
	if j.since > 0 {
		why += fmt.Sprintf(", seen from %s on", offset(j.since))
	}
	j.verdict.Outcome, j.verdict.Why, j.verdict.At = o, why, at
	r.world.Log(Event{At: at, Cause: r.cause(j.entry.step), Action: "verdict", Devices: -1, Last: at, Detail: j.verdict.Outcome.String() + ": " + j.verdict.Want + ": " + why})
}

// close judges an expectation at the end of its window.
func (r *Running) close(j *judge, at time.Duration) {
	if j.closed {
		return
	}
	ok, why := r.holds(j)
	switch {
	case !ok:
		r.decide(j, at, Fail, why)
	case j.e.exchanges() && j.asked == 0:
		// That nothing bad came of requests says nothing if there was none.
		r.decide(j, at, Inconclusive, "no request was made")
	default:
		r.decide(j, at, Pass, why)
	}
}

// peek decides an expectation as early as it can be.
func (r *Running) peek(j *judge, at time.Duration) {
	if !j.open || j.closed || j.check {
		return
	}
	if !j.e.exchanges() {
		if j.e.mode == atBegin {
			return
		}
		switch ok, why := r.holds(j); {
		case ok && j.e.mode == within:
			r.decide(j, at, Pass, why)
		case !ok && j.e.mode == throughout:
			r.decide(j, at, Fail, why)
		}
		return
	}
	// Counts only grow: too many stays too many, and what must not be has been.
	ok, why := r.holds(j)
	tooMany := j.e.counted && j.hits > j.e.count.hi
	forbidden := slices.ContainsFunc(j.e.none, func(p string) bool {
		return slices.ContainsFunc(sortedNames(j.names), func(n string) bool { return wild(fold(p), fold(n)) })
	})
	switch {
	case tooMany || forbidden:
		r.decide(j, at, Fail, why)
	case ok && len(j.e.none) == 0 && (!j.e.counted || j.e.count.lo > 0 && j.e.count.holds(1<<62) && j.e.count.not < 0):
		r.decide(j, at, Pass, why) // enough stays enough
	}
}

// lookSoon looks at expectations of devices when the cluster has changed, a moment later so as to look once at many
// changes.
func (r *Running) lookSoon(now time.Duration) {
	v := r.world.Snapshot().Version
	if v == r.lastSeen || r.lookDue {
		return
	}
	var first *judge
	for _, j := range r.judges {
		if j.open && !j.closed && !j.check && !j.e.exchanges() && j.e.mode != atBegin {
			first = j
			break
		}
	}
	if first == nil {
		r.lastSeen = v
		return
	}
	r.lookDue = true
	r.push(item{at: now.Truncate(look) + look, entry: first.entry, role: toLookAt, do: func(at time.Duration) {
		r.lookDue = false
		r.lastSeen = r.world.Snapshot().Version
		for _, j := range r.judges {
			if !j.e.exchanges() {
				r.peek(j, at)
			}
		}
	}})
}

// Changed tells that something other than the scenario has changed the cluster, so that expectations are looked at.
// It must not be called by a method of World.
func (r *Running) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runDue(r.clock.Now().Sub(r.start))
}

// Answered tells what became of a request, for expectations.
func (r *Running) Answered(a Answer) {
	var matched []*judge
	unlock := r.listen(func(ears *ears) bool {
		matched = nil
		for _, l := range ears.judges {
			if l.match.hits(&a.Request) {
				matched = append(matched, l.who)
			}
		}
		return len(matched) > 0
	})
	if unlock == nil {
		return
	}
	defer unlock()
	at := a.At.Sub(r.start)
	for _, j := range matched {
		if !j.open || j.closed || r.stopped {
			continue
		}
		j.asked++
		switch j.e.kind {
		case "requests":
			if (j.e.fault == "" || strings.EqualFold(j.e.fault, a.Fault)) && (j.e.status == 0 || j.e.status == a.Status) {
				j.hits++
			}
		case "faults":
			if a.Fault != "" {
				j.count(a.Fault)
			}
		case "advice":
			for _, id := range a.Advice {
				j.count(id)
			}
		}
		r.peek(j, at)
	}
}

// Advise tells of an advice that a request earned after it was answered, by what did not follow it. It counts in every window that is open
// still.
func (r *Running) Advise(req Request, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.clock.Now().Sub(r.start)
	for _, j := range r.judges {
		if j.e.kind == "advice" && j.open && !j.closed && !r.stopped && j.e.match.hits(&req) {
			j.count(id)
			r.peek(j, at)
		}
	}
}

func (j *judge) count(name string) {
	if j.names == nil {
		j.names = map[string]int{}
	}
	j.names[name]++
	j.hits++
}

func (r *Running) judgeCheck(e *entry, at time.Duration) {
	for _, j := range r.judges {
		if j.entry == e {
			r.close(j, at)
		}
	}
}

// Verdicts tells how all expectations stand, in document order. What is not decided yet is Inconclusive.
func (r *Running) Verdicts() []Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.verdictsLocked()
}

func (r *Running) verdictsLocked() []Verdict {
	out := make([]Verdict, len(r.judges))
	for i, j := range r.judges {
		out[i] = j.verdict
	}
	return out
}

// Finish ends the run: what is to be judged at its end is judged, what has not become decidable is Inconclusive, and
// the scenario stops.
func (r *Running) Finish() []Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.clock.Now().Sub(r.start)
	if r.stopped {
		return r.verdictsLocked()
	}
	for _, j := range r.judges {
		switch {
		case j.closed || j.check:
		case j.open && j.endsAt < 0 && j.e.mode == within:
			r.decide(j, at, Fail, "it never was so")
		case j.open && j.endsAt < 0:
			r.close(j, at)
		case j.open:
			r.decide(j, at, Inconclusive, fmt.Sprintf("the run ended at %s, before this was decided", offset(at)))
		default:
			r.decide(j, at, Inconclusive, fmt.Sprintf("the run ended at %s, before this began", offset(at)))
		}
	}
	r.stopLocked()
	return r.verdictsLocked()
}

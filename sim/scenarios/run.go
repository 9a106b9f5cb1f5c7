package scenarios

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/risim/risim/sim/clock"
	"github.com/risim/risim/sim/cluster"
)

// World is all that a running scenario may touch. Its methods are called one at a time, while the Running is locked: they
// must not call the Running.
type World interface {
	// Snapshot is the cluster as it is.
	Snapshot() *cluster.Snapshot
	// Apply changes the cluster: all changes or none, and then an error.
	Apply(cause Cause, changes ...cluster.Change) error
	// Set gives knobs of the service other values: all of them or, with an error, none, as some go together only.
	Set(cause Cause, knobs []Setting) error
	// SetUser gives a user another password or other roles, as far as u says them, or lets a new one log in. RemoveUser ends
	// that for one.
	SetUser(cause Cause, u *User) error
	RemoveUser(cause Cause, name string) error
	// Impair puts an impairment in force, in place of one with the same id; Lift ends one, if there is one.
	Impair(cause Cause, i *Impairment)
	Lift(cause Cause, id string)
	// Log is told of everything that happens, in order.
	Log(Event)
}

// Cause is the step that something comes from.
type Cause struct {
	File string
	Line int
	Step string // its id
}

// String is file.yaml:12 dies.
func (c Cause) String() string { return fmt.Sprintf("%s:%d %s", c.File, c.Line, c.Step) }

// Event is something that happened in a run.
type Event struct {
	At      time.Duration // from the start; below 0 in a timeline: whenever clients ask
	Cause   Cause
	Action  string        // such as devices.unregister; expect and verdict are an expectation's
	Devices int           // how many it is about; -1 when it is about none
	Last    time.Duration // when it reaches the last of them, from the start, as planned; At when that is at once
	Skipped int           // devices that it could not be done to
	Detail  string
	Err     error // why it could not be done at all, or to the first device that was skipped
}

// String is a line of a timeline: time, place, action, devices, details.
func (e Event) String() string {
	when := "on request"
	if e.At >= 0 {
		when = offset(e.At)
	}
	parts := []string{when, fmt.Sprintf("%s:%d", e.Cause.File, e.Cause.Line), e.Action}
	switch {
	case e.Devices == 1:
		parts = append(parts, "1 device")
	case e.Devices >= 0:
		parts = append(parts, fmt.Sprintf("%d devices", e.Devices))
	}
	var details []string
	if e.Detail != "" {
		details = append(details, e.Detail)
	}
	if e.Last > e.At {
		details = append(details, "until "+offset(e.Last))
	}
	if e.Skipped > 0 {
		details = append(details, fmt.Sprintf("%d skipped", e.Skipped))
	}
	if e.Err != nil {
		details = append(details, strings.ReplaceAll(e.Err.Error(), "\n", "; "))
	}
	if len(details) > 0 {
		parts = append(parts, strings.Join(details, ", "))
	}
	return strings.Join(parts, "  ")
}

// Running is a program on a clock. It is safe for concurrent use.
type Running struct {
	prog  *Program
	world World
	clock clock.Clock
	start time.Time

	mu       sync.Mutex
	queue    queue
	pushed   uint64
	states   []stepState // by order
	pending  time.Duration
	cancel   func() // nil: nothing is on the clock
	stopped  bool
	judges   []*judge // of expectations and checks, in document order
	lookDue  bool     // a look at what expectations are about is queued
	lastSeen uint64   // version of the snapshot at the last look
}

type stepState struct {
	fired   int
	matched int // requests
}

// item is something due. Items of one instant run in document order, then in device order, then as they came.
type item struct {
	at     time.Duration
	step   *step
	device cluster.DeviceName
	seq    uint64
	do     func(at time.Duration) // nil: a phase of a device
	run    *firing
	phase  int
}

type queue []*item

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	a, b := q[i], q[j]
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.step.order, b.step.order), cmp.Compare(a.device, b.device), cmp.Compare(a.seq, b.seq)) < 0
}
func (q *queue) Push(x any) { *q = append(*q, x.(*item)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	it := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return it
}

// firing is one time that a step fires.
type firing struct {
	step       *step
	occurrence int
	pending    int // items that belong to it
	skipped    int
	err        error // of the first skipped
}

// Run puts a program's steps on a clock, counting from the clock's present time, and does at once what is due at the
// start. Stop ends it.
func Run(p *Program, w World, c clock.Clock) *Running {
	r := &Running{prog: p, world: w, clock: c, start: c.Now(), states: make([]stepState, len(p.steps))}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range p.steps {
		if s.expect != nil {
			r.judges = append(r.judges, &judge{step: s, e: s.expect})
		} else if s.do.check != nil {
			r.judges = append(r.judges, &judge{step: s, e: s.do.check, open: true, check: true})
		}
		if s.expect == nil && (s.when.kind == atTime || s.when.kind == everyTime) {
			r.push(s.when.at, s, "", func(at time.Duration) { r.fire(s, at) })
		}
	}
	for _, j := range r.judges {
		r.prepare(j)
	}
	r.lastSeen = w.Snapshot().Version
	r.runDue(0)
	return r
}

// Stop takes what has not happened yet off the clock.
func (r *Running) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopLocked()
}

func (r *Running) stopLocked() {
	r.stopped, r.queue = true, nil
	if r.cancel != nil {
		r.cancel()
		r.cancel = nil
	}
}

// Done says that nothing more will happen by itself.
func (r *Running) Done() bool {
	_, more := r.Next()
	return !more
}

// Next is when something happens next by itself, and false when nothing more will. It is in the past when the clock is late.
func (r *Running) Next() (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return time.Time{}, false
	}
	return r.start.Add(r.queue[0].at), true
}

// Request tells of a client's request, as it arrives: steps that wait for requests count it, and fire before Request
// returns.
func (r *Running) Request(q Request) {
	// XPath may take its time, so it is looked for before the lock is taken.
	var hit []*step
	for _, s := range r.prog.steps {
		if s.expect == nil && s.when.kind == onRequest && s.when.requests.match.hits(&q) {
			hit = append(hit, s)
		}
	}
	if len(hit) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := q.At.Sub(r.start)
	for _, s := range hit {
		w, st := &s.when, &r.states[s.order]
		if r.stopped || at < w.from || w.until >= 0 && at > w.until {
			continue
		}
		st.matched++
		if w.requests.fires(st.matched) && (w.times == 0 || st.fired < w.times) {
			r.push(at, s, "", func(at time.Duration) { r.fire(s, at) })
		}
	}
	r.runDue(at)
}

func (r *Running) push(at time.Duration, s *step, device cluster.DeviceName, do func(at time.Duration)) *item {
	it := &item{at: at, step: s, device: device, do: do, seq: r.pushed}
	r.pushed++
	heap.Push(&r.queue, it)
	return it
}

func (r *Running) cause(s *step) Cause {
	return Cause{r.prog.file.name, s.mark.At.Line, s.id}
}

// tick is called by the clock.
func (r *Running) tick(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel = nil
	r.runDue(now.Sub(r.start))
}

// runDue does what is due by now, in order, and puts the next time on the clock.
func (r *Running) runDue(now time.Duration) {
	for len(r.queue) > 0 && r.queue[0].at <= now && !r.stopped {
		it := heap.Pop(&r.queue).(*item)
		if it.do != nil {
			it.do(it.at)
			continue
		}
		batch := []*item{it}
		for len(r.queue) > 0 && r.queue[0].at == it.at && r.queue[0].step == it.step && r.queue[0].do == nil {
			batch = append(batch, heap.Pop(&r.queue).(*item))
		}
		r.devices(it.at, batch)
	}
	if r.stopped {
		return
	}
	r.lookSoon(now)
	if len(r.queue) == 0 || r.cancel != nil && r.pending <= r.queue[0].at {
		return
	}
	if r.cancel != nil {
		r.cancel()
	}
	r.pending = r.queue[0].at
	r.cancel = r.clock.At(r.start.Add(r.pending), "scenario "+r.queue[0].step.id, r.tick)
}

// fire is a step's time come.
func (r *Running) fire(s *step, at time.Duration) {
	w, st := &s.when, &r.states[s.order]
	f := &firing{step: s, occurrence: st.fired}
	st.fired++
	if next := at + w.every; w.kind == everyTime && (w.times == 0 || st.fired < w.times) && (w.until < 0 || next <= w.until) {
		r.push(next, s, "", func(at time.Duration) { r.fire(s, at) })
	}
	do := s.do
	e := Event{At: at, Cause: r.cause(s), Action: do.verb, Devices: -1, Last: at, Detail: do.detail}
	switch {
	case do.every > 0:
		r.churn(f, at, e)
		return
	case do.devices:
		picked := r.pick(f)
		e.Devices = len(picked)
		f.pending = len(picked)
		var now []*item
		for _, d := range picked {
			due := at
			if w.over != nil {
				due += w.over.at(r.draw(f, "over", d))
			}
			e.Last = max(e.Last, due)
			if due == at {
				now = append(now, &item{at: at, step: s, device: d, run: f})
				continue
			}
			it := r.push(due, s, d, nil)
			it.run = f
		}
		// What happens at once is logged with what came of it.
		if len(now) > 0 {
			f.pending++ // so that it does not finish before it is logged
			r.devices(at, now)
			e.Skipped, e.Err = f.skipped, f.err
			f.skipped, f.err = 0, nil
			f.pending--
		}
		r.world.Log(e)
		if f.pending == 0 {
			r.finish(f, at)
		}
		return
	case do.whole != nil:
		var picked []cluster.DeviceName
		if do.cti {
			picked = r.pick(f)
			e.Devices = len(picked)
		}
		if do.adds != nil {
			e.Devices = len(do.adds.Devices)
		}
		if !do.cti || len(picked) > 0 {
			e.Err = r.world.Apply(e.Cause, do.whole(picked)...)
		}
	case do.knobs != nil:
		e.Err = r.world.Set(e.Cause, do.knobs)
	case do.user != nil:
		e.Err = r.world.SetUser(e.Cause, do.user)
	case do.noUser != "":
		e.Err = r.world.RemoveUser(e.Cause, do.noUser)
	case do.impair != nil:
		r.world.Impair(e.Cause, do.impair)
		end := time.Duration(-1)
		if w.lasts > 0 {
			end = at + w.lasts
		}
		if w.until >= 0 && w.kind != everyTime && (end < 0 || w.until < end) {
			end = w.until
		}
		if end >= 0 {
			e.Last = max(at, end)
			f.pending++
			r.push(e.Last, s, "", func(at time.Duration) {
				r.world.Lift(e.Cause, do.impair.ID)
				r.world.Log(Event{At: at, Cause: e.Cause, Action: "lift", Devices: -1, Last: at, Detail: do.impair.ID})
				f.pending--
				r.finish(f, at)
			})
		}
	case do.lift != "":
		r.world.Lift(e.Cause, do.lift)
	case do.check != nil:
		r.world.Log(e)
		r.judgeCheck(s, at)
		r.finish(f, at)
		return
	}
	r.world.Log(e)
	if f.pending == 0 {
		r.finish(f, at)
	}
}

// finish is a firing's end: what comes after the step has its time.
func (r *Running) finish(f *firing, at time.Duration) {
	if f.skipped > 0 {
		r.world.Log(Event{At: at, Cause: r.cause(f.step), Action: f.step.do.verb, Devices: -1, Last: at, Skipped: f.skipped, Err: f.err})
	}
	for _, s := range f.step.follows {
		if s.expect != nil {
			r.beginAfter(s, at)
			continue
		}
		r.push(at+s.when.delay, s, "", func(at time.Duration) { r.fire(s, at) })
	}
}

func (r *Running) draw(f *firing, use string, d cluster.DeviceName) float64 {
	return chance(r.prog.Seed).draw(f.step.key, use, fold(string(d)), f.occurrence)
}

func (r *Running) moment(f *firing, s *cluster.Snapshot, d *cluster.Device) *moment {
	return &moment{s, d, latest(s, d.Name),
		func(use string) float64 { return r.draw(f, use, d.Name) },
		func(use string) uint64 {
			return chance(r.prog.Seed).bits(f.step.key, use, fold(string(d.Name)), f.occurrence)
		}}
}

// pick chooses devices, in name order: those that match and to which the action can be done; of these a share, each by
// its own draw, or the count with the lowest draws.
func (r *Running) pick(f *firing) []cluster.DeviceName {
	do, s := f.step.do, r.world.Snapshot()
	var out []cluster.DeviceName
	for d := range s.Devices() {
		if !do.where.configured(d) || do.share < 1 && r.draw(f, "pick", d.Name) >= do.share {
			continue
		}
		if m := r.moment(f, s, d); do.where.doing(m.latest) && do.able(m) {
			out = append(out, d.Name)
		}
	}
	if do.count > 0 && do.count < len(out) {
		draws := make(map[cluster.DeviceName]float64, len(out))
		for _, d := range out {
			draws[d] = r.draw(f, "pick", d)
		}
		slices.SortStableFunc(out, func(a, b cluster.DeviceName) int { return cmp.Compare(draws[a], draws[b]) })
		out = out[:do.count]
		slices.SortFunc(out, func(a, b cluster.DeviceName) int { return cmp.Compare(fold(string(a)), fold(string(b))) })
	}
	return out
}

// devices does one phase to each of a batch of devices, in one change of the cluster if possible. A device to which it
// cannot be done is skipped.
func (r *Running) devices(at time.Duration, batch []*item) {
	s, cause := r.world.Snapshot(), r.cause(batch[0].step)
	type part struct {
		*item
		changes []cluster.Change
		next    time.Duration
	}
	var parts []part
	var all []cluster.Change
	for _, it := range batch {
		d, exists := s.Device(it.device)
		if !exists {
			r.skip(it, at, fmt.Errorf("device %q is gone", it.device))
			continue
		}
		m := r.moment(it.run, s, d)
		if it.phase == 0 && !it.step.do.able(m) {
			r.skip(it, at, fmt.Errorf("device %q is no longer in a state for %s", it.device, it.step.do.verb))
			continue
		}
		changes, next := it.step.do.phases[it.phase](m)
		parts = append(parts, part{it, changes, next})
		all = append(all, changes...)
	}
	if len(parts) == 0 {
		return
	}
	together := r.world.Apply(cause, all...)
	for _, p := range parts {
		if together != nil {
			if err := together; len(parts) == 1 {
				r.skip(p.item, at, err)
				continue
			} else if err := r.world.Apply(cause, p.changes...); err != nil {
				r.skip(p.item, at, err)
				continue
			}
		}
		if p.next >= 0 && p.phase+1 < len(p.step.do.phases) {
			it := r.push(at+p.next, p.step, p.device, nil)
			it.run, it.phase = p.run, p.phase+1
			continue
		}
		r.settle(p.item, at)
	}
}

func (r *Running) skip(it *item, at time.Duration, err error) {
	if it.run.skipped++; it.run.err == nil {
		it.run.err = err
	}
	r.settle(it, at)
}

// settle is the end of a firing for one device.
func (r *Running) settle(it *item, at time.Duration) {
	if it.run.pending--; it.run.pending == 0 {
		r.finish(it.run, at)
	}
}

package scenarios

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	// Renew says that an impairment that is in force, and stays so, now stands elsewhere in the file.
	Renew(i *Impairment)
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
	world World
	clock clock.Clock
	ears  atomic.Pointer[ears]

	mu       sync.Mutex
	prog     *Program // see Replace
	start    time.Time
	queue    queue
	pushed   uint64
	entries  []*entry // of the program's steps, in their order
	pending  time.Duration
	cancel   func() // nil: nothing is on the clock
	stopped  bool
	judges   []*judge // of expectations and checks, in document order
	lookDue  bool     // a look at what expectations are about is queued
	lastSeen uint64   // version of the snapshot at the last look
}

// entry is a step in a run. It outlives the step when another program takes this one's place and has a step of the same key.
type entry struct {
	*step
	fired    int
	last     time.Duration   // when it fired last
	matched  int             // requests
	finished []time.Duration // when its firings have finished
	ongoing  *firing         // of trouble that is in force, or churn that goes on; nil otherwise
	lifted   bool            // its trouble was lifted by another step since it last began
	gone     bool            // another program has no such step
}

// ears is who listens to requests, and to which. It never changes.
type ears struct {
	steps  []listener[*entry]
	judges []listener[*judge]
}

type listener[T any] struct {
	who   T
	match *match
}

// item is something due. Items of one instant run in document order, then in device order, then as they came.
type item struct {
	at     time.Duration
	entry  *entry
	device cluster.DeviceName
	seq    uint64
	role   role
	do     func(at time.Duration) // nil: a phase of a device
	run    *firing                // nil for a firing to come, and for what is judged
	phase  int
}

// role is what an item is about, for when another program takes over.
type role uint8

const (
	toFire   role = iota // a step's time
	toAct                // a device's turn
	toGoOn               // the end of trouble, or what comes next in a churn
	toJudge              // an expectation's beginning or end
	toLookAt             // a look at all expectations
)

type queue []*item

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	a, b := q[i], q[j]
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.entry.order, b.entry.order), cmp.Compare(a.device, b.device), cmp.Compare(a.seq, b.seq)) < 0
}
func (q *queue) Push(x any) { *q = append(*q, x.(*item)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	it := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return it
}

// firing is one time that a step fires. It goes on as it began, also when the entry's step is changed meanwhile.
type firing struct {
	entry      *entry
	step       *step
	occurrence int
	pending    int // items that belong to it
	skipped    int
	err        error // of the first skipped
}

// Run puts a program's steps on a clock, counting from the clock's present time, and does at once what is due at the
// start. Stop ends it.
func Run(p *Program, w World, c clock.Clock) *Running {
	r := &Running{prog: &Program{}, world: w, clock: c}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastSeen = w.Snapshot().Version
	r.replace(p, 0)
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

// Restart runs the program from its beginning, which is the clock's present time, also after Stop and Finish: steps, counts of requests
// and verdicts are as of a new run. What has happened to the cluster stays, and so does trouble that is in force.
func (r *Running) Restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.prog
	r.stopLocked()
	r.prog, r.entries, r.judges, r.stopped, r.lookDue, r.lastSeen = &Program{}, nil, nil, false, false, r.world.Snapshot().Version
	r.replace(p, 0)
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
	var hit []*entry
	unlock := r.listen(func(ears *ears) bool {
		hit = nil
		for _, l := range ears.steps {
			if l.match.hits(&q) {
				hit = append(hit, l.who)
			}
		}
		return len(hit) > 0
	})
	if unlock == nil {
		return
	}
	defer unlock()
	at := q.At.Sub(r.start)
	for _, e := range hit {
		w := &e.when
		if r.stopped || at < w.from || w.until >= 0 && at > w.until {
			continue
		}
		e.matched++
		if w.requests.fires(e.matched) && (w.times == 0 || e.fired < w.times) {
			r.fireAt(e, at)
		}
	}
	r.runDue(at)
}

// Listens says whether any step or expectation looks at requests now. While none does, [Running.Request] and
// [Running.Answered] do nothing.
func (r *Running) Listens() bool {
	ears := r.ears.Load()
	return len(ears.steps)+len(ears.judges) > 0
}

// listen asks those who listen to requests whether one concerns them, and if so takes the lock, which the caller gives back.
// XPath may take its time, so they are asked before: again, if they are no longer the same.
func (r *Running) listen(concerns func(*ears) bool) (unlock func()) {
	for {
		ears := r.ears.Load()
		if !concerns(ears) {
			return nil
		}
		r.mu.Lock()
		if ears == r.ears.Load() {
			return r.mu.Unlock
		}
		r.mu.Unlock()
	}
}

func (r *Running) push(it item) {
	it.seq = r.pushed
	r.pushed++
	heap.Push(&r.queue, &it)
}

func (r *Running) fireAt(e *entry, at time.Duration) {
	r.push(item{at: at, entry: e, role: toFire, do: func(at time.Duration) { r.fire(e, at) }})
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
		for len(r.queue) > 0 && r.queue[0].at == it.at && r.queue[0].entry == it.entry && r.queue[0].run.step == it.run.step && r.queue[0].do == nil {
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
	r.cancel = r.clock.At(r.start.Add(r.pending), "scenario "+r.queue[0].entry.id, r.tick)
}

// fire is a step's time come.
func (r *Running) fire(e *entry, at time.Duration) {
	w, f := &e.when, r.firing(e)
	e.last = at
	if next := at + w.every; w.kind == everyTime && (w.times == 0 || e.fired < w.times) && (w.until < 0 || next <= w.until) {
		r.fireAt(e, next)
	}
	r.begin(f, at, at)
}

func (r *Running) firing(e *entry) *firing {
	f := &firing{entry: e, step: e.step, occurrence: e.fired}
	e.fired++
	return f
}

// begin does what a step does, at the time at. due is when it was due, which is earlier for what would be going on already.
func (r *Running) begin(f *firing, due, at time.Duration) {
	s, w := f.step, &f.step.when
	do := s.do
	e := Event{At: at, Cause: r.cause(s), Action: do.verb, Devices: -1, Last: at, Detail: do.detail}
	switch {
	case do.every > 0:
		r.churn(f, due, at, e)
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
				now = append(now, &item{at: at, entry: f.entry, device: d, run: f})
				continue
			}
			r.push(item{at: due, entry: f.entry, role: toAct, device: d, run: f})
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
		f.entry.ongoing, f.entry.lifted = f, false
		if end := s.end(due); end >= 0 {
			e.Last = max(at, end)
			f.pending++
			r.push(item{at: e.Last, entry: f.entry, role: toGoOn, run: f, do: func(at time.Duration) { r.over(f, at) }})
		}
	case do.lift != "":
		r.world.Lift(e.Cause, do.lift)
		for _, other := range r.entries {
			if other.do != nil && other.do.impair != nil && other.id == do.lift {
				other.lifted = true
			}
		}
	case do.check != nil:
		r.world.Log(e)
		r.judgeCheck(f.entry, at)
		r.finish(f, at)
		return
	}
	r.world.Log(e)
	if f.pending == 0 {
		r.finish(f, at)
	}
}

// over is the end of what a firing kept going: trouble is lifted, churn is over.
func (r *Running) over(f *firing, at time.Duration) {
	if f.entry.ongoing == f {
		f.entry.ongoing = nil
	}
	if i := f.step.do.impair; i != nil && !f.entry.lifted {
		r.world.Lift(r.cause(f.step), i.ID)
		r.world.Log(Event{At: at, Cause: r.cause(f.step), Action: "lift", Devices: -1, Last: at, Detail: i.ID})
	}
	if f.pending--; f.pending == 0 {
		r.finish(f, at)
	}
}

// finish is a firing's end: what comes after the step has its time.
func (r *Running) finish(f *firing, at time.Duration) {
	if f.skipped > 0 {
		r.world.Log(Event{At: at, Cause: r.cause(f.step), Action: f.step.do.verb, Devices: -1, Last: at, Skipped: f.skipped, Err: f.err})
	}
	f.entry.finished = append(f.entry.finished, at)
	if f.entry.gone {
		return
	}
	for _, s := range f.entry.follows {
		e := r.entries[s.order]
		if s.expect != nil {
			r.beginAfter(e, at)
			continue
		}
		r.fireAt(e, at+s.when.delay)
	}
}

func (r *Running) draw(f *firing, use string, d cluster.DeviceName) float64 {
	return chance(r.prog.Seed).draw(f.step.key, use, fold(string(d)), f.occurrence)
}

func (r *Running) moment(f *firing, s *cluster.Snapshot, d *cluster.Device) *moment {
	return &moment{s, d, Latest(s, d.Name),
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
	s, cause := r.world.Snapshot(), r.cause(batch[0].run.step)
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
		if it.phase == 0 && !it.run.step.do.able(m) {
			r.skip(it, at, fmt.Errorf("device %q is no longer in a state for %s", it.device, it.run.step.do.verb))
			continue
		}
		changes, next := it.run.step.do.phases[it.phase](m)
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
		if p.next >= 0 && p.phase+1 < len(p.run.step.do.phases) {
			r.push(item{at: at + p.next, entry: p.entry, role: toAct, device: p.device, run: p.run, phase: p.phase + 1})
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

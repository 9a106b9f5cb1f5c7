package clock

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Virtual is a clock that stands still until it is moved. It has no goroutine
// and nothing to close. Make one with [NewVirtual].
type Virtual struct {
	queue
	now time.Time

	turn  sync.Mutex    // held by the goroutine that moves the clock
	mover atomic.Uint64 // its goroutineID while callbacks run, else 0
}

// NewVirtual returns a clock that shows start. A zero start means 2026-01-01
// 00:00:00 UTC, not the time of day: virtual time is there to repeat.
func NewVirtual(start time.Time) *Virtual {
	if start.IsZero() {
		start = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	start = start.In(start.Location())
	v := &Virtual{now: start}
	v.loc = start.Location()
	return v
}

// Now returns the simulated time. Inside a callback that is its due time.
func (v *Virtual) Now() time.Time {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.now
}

// At registers f to run once at t: see [Clock]. Nothing runs until the clock is
// moved, if only by Advance(0).
func (v *Virtual) At(t time.Time, name string, f func(now time.Time)) (cancel func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.canceller(v.add(t, v.now, name, f))
}

// After registers f to run once when d has passed: see [Clock].
func (v *Virtual) After(d time.Duration, name string, f func(now time.Time)) (cancel func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.canceller(v.add(v.now.Add(d), v.now, name, f))
}

// Wait returns ctx.Err() at once, hence nil while ctx lasts. On virtual time a
// wait costs nothing; time moves only by Advance. A request that waited for it
// would hang the test that holds the clock.
func (v *Virtual) Wait(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// Advance moves the clock by d and runs everything that falls due on the way,
// on the calling goroutine. d = 0 runs what is due now; a negative d does
// nothing. Calls from several goroutines take turns, each moving the clock by its
// own d. A call from a callback of the same clock panics: register a callback
// instead.
func (v *Virtual) Advance(d time.Duration) {
	defer v.take("Advance")()
	v.moveTo(v.Now().Add(d))
}

// AdvanceTo is Advance to the time t. A t in the past does nothing.
func (v *Virtual) AdvanceTo(t time.Time) {
	defer v.take("AdvanceTo")()
	v.moveTo(t)
}

// Step is Advance to the next due time: it runs everything due at that
// instant. It reports false, and does nothing, if nothing is registered.
func (v *Virtual) Step() bool {
	defer v.take("Step")()
	t, ok := v.Next()
	if ok {
		v.moveTo(t)
	}
	return ok
}

// Next returns the time at which the next callback is due, and false if none
// is registered. It equals Now when something is due but has not run.
func (v *Virtual) Next() (time.Time, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if e := v.first(); e != nil {
		return e.due, true
	}
	return time.Time{}, false
}

// take waits for the turn to move the clock and returns a func that ends it.
func (v *Virtual) take(method string) (release func()) {
	if id := v.mover.Load(); id != 0 && id == goroutineID() {
		v.mu.RLock()
		defer v.mu.RUnlock()
		panic(fmt.Sprintf("clock: %s called from callback %q, which itself runs inside Advance; register a callback instead", method, v.running.name))
	}
	v.turn.Lock()
	return func() {
		v.mover.Store(0)
		v.turn.Unlock()
	}
}

// moveTo runs what is due up to t and leaves the clock there. It is called with
// the turn.
func (v *Virtual) moveTo(t time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for e := v.first(); e != nil && !e.due.After(t); e = v.first() {
		if v.mover.Load() == 0 {
			v.mover.Store(goroutineID())
		}
		v.now = e.due
		v.runFirst()
	}
	if t.After(v.now) {
		v.now = t.In(v.loc)
	}
}

package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// ErrClosed is returned by [Real.Wait] when the clock is closed first.
var ErrClosed = errors.New("clock: closed")

// Real is a clock that follows the wall. Its goroutine runs what is due, from
// [NewReal] until Close.
type Real struct {
	queue

	// Simulated time was at when the wall showed base, and has run at speed
	// since, unless it is frozen. base carries a monotonic reading.
	base   time.Time
	at     time.Time
	speed  float64
	frozen bool
	closed bool

	wake    chan struct{} // holds one token: there is a new first event
	changed chan struct{} // closed, and replaced, when speed, frozen or closed changes
	runner  uint64        // goroutineID of run
	done    chan struct{} // closed when run returns
	turn    sync.Mutex    // held by whoever advances the clock
}

// NewReal starts a clock that shows start now and moves speed simulated seconds
// in every second of the wall. A zero start means the wall's time. speed must
// be positive and finite. The caller must Close the clock.
func NewReal(start time.Time, speed float64) (*Real, error) {
	if err := checkSpeed(speed); err != nil {
		return nil, err
	}
	wall := time.Now()
	if start.IsZero() {
		start = wall
	}
	r := &Real{
		base:    wall,
		at:      start.In(start.Location()),
		speed:   speed,
		wake:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		done:    make(chan struct{}),
	}
	r.loc = start.Location()
	go r.run()
	return r, nil
}

func checkSpeed(speed float64) error {
	if !(speed > 0) || math.IsInf(speed, 1) { // the negation catches NaN
		return fmt.Errorf("clock: speed %v is not a positive number; Freeze stops time", speed)
	}
	return nil
}

// Now returns the simulated time. Inside a callback that is the callback's due
// time or, since callbacks take time on the wall, somewhat later. It goes on
// after Close.
func (r *Real) Now() time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now()
}

// At registers f to run once at t: see [Clock]. After Close it does nothing.
func (r *Real) At(t time.Time, name string, f func(now time.Time)) (cancel func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.register(t, r.now(), name, f)
}

// After registers f to run once when d has passed: see [Clock]. After Close it
// does nothing.
func (r *Real) After(d time.Duration, name string, f func(now time.Time)) (cancel func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	return r.register(now.Add(d), now, name, f)
}

// Wait blocks until d of simulated time has passed, at whatever speeds the
// clock runs meanwhile; while it is frozen, none passes. It returns early with
// ctx.Err() when ctx ends, or with [ErrClosed] when the clock is closed. It does
// not depend on callbacks, so a slow one does not prolong it.
func (r *Real) Wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for due := r.now().Add(d); r.now().Before(due); {
		if r.closed {
			return ErrClosed
		}
		alarm, changed := r.alarm(due), r.changed
		r.mu.RUnlock()
		select {
		case <-alarm:
		case <-changed:
		case <-ctx.Done():
		}
		r.mu.RLock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Speed returns the simulated seconds in a second of the wall. Freezing does
// not change it.
func (r *Real) Speed() float64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.speed
}

// SetSpeed makes simulated time run at another speed from now on; on a frozen
// clock, from Unfreeze on. speed must be positive and finite.
func (r *Real) SetSpeed(speed float64) error {
	if err := checkSpeed(speed); err != nil {
		return err
	}
	r.change(func() { r.speed = speed })
	return nil
}

// Frozen reports whether the clock is frozen.
func (r *Real) Frozen() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.frozen
}

// Freeze stops simulated time. What is due by then still runs, and so does what
// is registered for the present instant. Freezing twice is freezing once.
func (r *Real) Freeze() { r.change(func() { r.frozen = true }) }

// Unfreeze lets simulated time go on from where Freeze stopped it. On a clock
// that is not frozen it does nothing.
func (r *Real) Unfreeze() { r.change(func() { r.frozen = false }) }

// Next returns the time at which the next callback is due, and false if none
// is registered.
func (r *Real) Next() (time.Time, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.first(); e != nil {
		return e.due, true
	}
	return time.Time{}, false
}

// Advance moves the clock ahead by d, beside what the wall moves it, frozen or
// not. When it returns, everything that falls due on the way has run, in order,
// and each callback saw its due time, or somewhat later, as always. Calls from
// several goroutines take turns. A d that is not positive runs what is due
// now. On a closed clock it runs nothing. A call from a callback of the same
// clock panics: register a callback instead.
func (r *Real) Advance(d time.Duration) {
	r.refuseOwn("Advance")
	r.turn.Lock()
	defer r.turn.Unlock()
	target := r.Now().Add(max(0, d))
	for open := true; open; {
		next, ok := r.Next()
		if !ok || next.After(target) {
			break
		}
		r.jumpTo(next)
		open = r.catchUp()
	}
	r.jumpTo(target)
}

// jumpTo moves the clock to t, if that lies ahead.
func (r *Real) jumpTo(t time.Time) {
	r.change(func() {
		if t.After(r.at) {
			r.at = t.In(r.loc)
		}
	})
}

// catchUp waits until all that is due now has run; it is false on a clock that
// is closed.
func (r *Real) catchUp() bool {
	done := make(chan struct{})
	r.At(time.Time{}, "advance", func(time.Time) { close(done) })
	select {
	case <-done:
		return true
	case <-r.done:
		return false
	}
}

// refuseOwn panics when it is called from a callback of the clock, which method
// would wait for.
func (r *Real) refuseOwn(method string) {
	r.mu.RLock()
	runner, running := r.runner, r.running
	r.mu.RUnlock()
	if running != nil && runner == goroutineID() {
		panic(fmt.Sprintf("clock: %s called from callback %q, which it would wait for", method, running.name))
	}
}

// Close ends the clock's goroutine, waiting for a callback that is running.
// What has not run never will, and every Wait ends. Closing again does no harm;
// closing from a callback panics, as it would wait for itself.
func (r *Real) Close() {
	r.refuseOwn("Close")
	r.change(func() { r.closed = true })
	<-r.done
}

// run is the clock's goroutine.
func (r *Real) run() {
	defer close(r.done)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runner = goroutineID()
	for !r.closed {
		var alarm <-chan time.Time
		if e := r.first(); e != nil {
			if !e.due.After(r.now()) {
				r.runFirst()
				continue
			}
			alarm = r.alarm(e.due)
		}
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-alarm:
		case <-r.wake:
		case <-changed:
		}
		r.mu.Lock()
	}
}

// register is add for both At and After. It requires mu.
func (r *Real) register(t, now time.Time, name string, f func(time.Time)) (cancel func()) {
	e := r.add(t, now, name, f)
	if e == r.first() {
		select {
		case r.wake <- struct{}{}:
		default: // run is about to look anyway
		}
	}
	return r.canceller(e)
}

// change lets set alter speed, frozen or closed without a jump in time, and
// tells everyone who is waiting.
func (r *Real) change(set func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wall := time.Now()
	r.at = r.nowAt(wall.Sub(r.base))
	r.base = wall
	set()
	close(r.changed)
	r.changed = make(chan struct{})
}

// now requires mu, at least for reading.
func (r *Real) now() time.Time { return r.nowAt(time.Since(r.base)) }

// nowAt is the simulated time when the wall has moved elapsed since base.
func (r *Real) nowAt(elapsed time.Duration) time.Time {
	switch {
	case r.frozen:
		return r.at
	case r.speed == 1: // exact, where a float64 is not after 104 days
		return r.at.Add(elapsed)
	}
	return r.at.Add(saturate(float64(elapsed) * r.speed))
}

// alarm returns a channel that delivers when due should have come, and never
// does while time is frozen. It may be early by a rounding error: look again.
// A timer that nobody waits for any more is collected.
func (r *Real) alarm(due time.Time) <-chan time.Time {
	if r.frozen {
		return nil
	}
	return time.After(saturate(math.Ceil(float64(due.Sub(r.now())) / r.speed)))
}

// saturate turns nanoseconds into a duration, the longest one if need be.
func saturate(ns float64) time.Duration {
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(ns)
}

// Package clock says what time it is and runs what is due.
//
//	c := clock.NewVirtual(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))
//	c.After(5*time.Minute, "outage", func(now time.Time) { fmt.Println("outage at", now.Format(time.TimeOnly)) })
//	c.Advance(time.Hour) // prints: outage at 08:05:00
//
// There are two clocks behind one interface, [Clock]. A [Virtual] clock stands
// still until [Virtual.Advance] moves it, and runs what is due on the goroutine
// that moves it: when Advance returns, everything due has happened. A [Real]
// clock follows the wall at a chosen speed, can be frozen and moved ahead, and runs
// what is due on one goroutine of its own until [Real.Close].
//
// # Promises
//
//   - Everything here is safe for concurrent use.
//   - Callbacks run one at a time, ordered by due time, then by order of
//     registration. The same registrations give the same order on every run.
//   - A callback is told its due time, also by a clock that runs late. A
//     callback that repeats by At(now.Add(period), ...) therefore never drifts,
//     and sees the same times on either clock.
//   - What is registered for the past runs at the present instant: now, or
//     while a callback runs, the due time of that callback. It takes its place
//     behind what is already waiting for that instant.
//   - Time never goes back.
//   - No lock is held while a callback runs: it may ask for the time, register
//     more (also for the present instant, which still runs in the same Advance),
//     and cancel anything, itself included.
//   - Simulated times carry no monotonic reading and are in the location of the
//     clock's start, so they compare, print and encode alike everywhere.
//
// # Limits
//
//   - A callback must not wait for another goroutine that moves or closes the
//     same clock: each would wait for the other. Doing so directly panics.
//   - A callback that keeps registering callbacks for its own instant would never
//     end; the clock panics after a million of them and names the last.
//   - A panic in a callback comes out of Advance, and the virtual clock remains
//     usable. On a real clock it ends the process, like any panic in a goroutine.
//   - A real clock may be read up to 292 years of simulated time after its
//     last change of speed; there it stops. It also stops while the machine is
//     suspended, where the operating system's monotonic clock does.
package clock

import (
	"context"
	"time"
)

// Clock tells simulated time and runs callbacks when it comes. Durations are
// simulated: on a real clock of speed 60, a minute passes in a second. All
// methods are safe for concurrent use and may be called from callbacks.
type Clock interface {
	// Now returns the simulated time. It is cheap enough to call on every request.
	Now() time.Time

	// At registers f to run once at t and returns a func that cancels it. A t
	// in the past, the zero time included, means the present instant. f is
	// told its due time. name appears in panics; it need not be unique. A nil
	// f panics. At never runs f itself, but the goroutine of a real clock may
	// have begun it by the time At returns.
	//
	// cancel may be called at any time and any number of times. It does nothing
	// once f has begun, and does not wait for it.
	At(t time.Time, name string, f func(now time.Time)) (cancel func())

	// After is At(Now().Add(d), name, f); d may be zero or negative. A callback
	// that must not drift on a real clock calls At with the time it was told.
	After(d time.Duration, name string, f func(now time.Time)) (cancel func())

	// Wait holds the caller up for d, and returns nil at once if d is not
	// positive. It returns early with ctx.Err() when ctx ends, and returns
	// that at once when ctx has already ended. A virtual clock does not wait:
	// see [Virtual.Wait].
	Wait(ctx context.Context, d time.Duration) error
}

var (
	_ Clock = (*Real)(nil)
	_ Clock = (*Virtual)(nil)
)

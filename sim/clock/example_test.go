package clock_test

import (
	"fmt"
	"time"

	"github.com/risim/risim/sim/clock"
)

func Example() {
	c := clock.NewVirtual(time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC))
	say := func(what string) func(time.Time) {
		return func(now time.Time) { fmt.Println(now.Format(time.TimeOnly), what) }
	}

	c.After(5*time.Minute, "outage", say("outage"))
	cancel := c.After(20*time.Minute, "recovery", say("recovery"))
	c.After(10*time.Minute, "second outage", func(now time.Time) {
		say("second outage")(now)
		cancel() // no recovery
	})

	c.Advance(time.Hour) // returns when all of it has happened
	fmt.Println(c.Now().Format(time.TimeOnly), "an hour later")
	// Output:
	// 08:05:00 outage
	// 08:10:00 second outage
	// 09:00:00 an hour later
}

// A callback that repeats names its next time from the time it was told, and so
// never drifts.
func ExampleClock_repeat() {
	c := clock.NewVirtual(time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC))
	var keepAlive func(now time.Time)
	keepAlive = func(now time.Time) {
		fmt.Println("keep-alive at", now.Format(time.TimeOnly))
		c.At(now.Add(30*time.Second), "keep-alive", keepAlive)
	}
	c.At(c.Now(), "keep-alive", keepAlive)
	c.Advance(time.Minute)
	// Output:
	// keep-alive at 08:00:00
	// keep-alive at 08:00:30
	// keep-alive at 08:01:00
}

func ExampleNewReal() {
	c, err := clock.NewReal(time.Time{}, 60) // an hour a minute, from now
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.Freeze()
	fmt.Println(c.Now().Equal(c.Now()), c.Speed())
	// Output: true 60
}

func ExampleVirtual_Step() {
	c := clock.NewVirtual(time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC))
	for _, minute := range []time.Duration{30, 10, 20} {
		c.After(minute*time.Minute, "event", func(time.Time) {})
	}
	for c.Step() {
		fmt.Println(c.Now().Format(time.TimeOnly))
	}
	// Output:
	// 08:10:00
	// 08:20:00
	// 08:30:00
}

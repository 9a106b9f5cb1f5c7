package clock

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVirtual_Start(t *testing.T) {
	zone := time.FixedZone("zone", -3600)
	for name, c := range map[string]struct{ start, want time.Time }{
		"given": {epoch, epoch},
		"zero":  {time.Time{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		"zone":  {epoch.In(zone), epoch.In(zone)},
	} {
		t.Run(name, func(t *testing.T) {
			v := NewVirtual(c.start)
			assert.Equal(t, c.want, v.Now())
			v.Advance(time.Second)
			assert.Equal(t, c.want.Add(time.Second), v.Now())
		})
	}
}

func TestVirtual_NeverGoesBack(t *testing.T) {
	v := NewVirtual(epoch)
	ran := 0
	for range 3 {
		v.At(epoch, "due", func(time.Time) { ran++ })
	}
	v.Advance(-time.Hour)
	assert.Equal(t, epoch, v.Now())
	v.AdvanceTo(epoch.Add(-1))
	assert.Equal(t, epoch, v.Now())
	assert.Zero(t, ran, "nor does it reach what is due now")
	v.Advance(0)
	assert.Equal(t, 3, ran)
}

func TestVirtual_NextAndStep(t *testing.T) {
	v := NewVirtual(epoch)
	_, ok := v.Next()
	assert.False(t, ok)
	assert.False(t, v.Step())
	assert.Equal(t, epoch, v.Now(), "a Step without events does not move")

	var got journal
	v.After(5*time.Second, "b", func(now time.Time) {
		got.note("b")(now)
		v.At(now, "d", got.note("d"))
	})
	v.After(5*time.Second, "c", got.note("c"))
	v.After(-time.Second, "a", got.note("a"))
	v.After(9*time.Second, "e", got.note("e"))
	for _, want := range []struct {
		next time.Duration
		ran  journal
	}{
		{0, journal{"a+0s"}},
		{5 * time.Second, journal{"b+5s", "c+5s", "d+5s"}},
		{9 * time.Second, journal{"e+9s"}},
	} {
		next, ok := v.Next()
		assert.True(t, ok)
		assert.Equal(t, epoch.Add(want.next), next)
		got = nil
		assert.True(t, v.Step())
		assert.Equal(t, want.ran, got)
		assert.Equal(t, next, v.Now())
	}
	assert.False(t, v.Step())
}

func TestVirtual_FarTimes(t *testing.T) {
	v := NewVirtual(epoch)
	end := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	var got []time.Time
	v.At(end, "end", func(now time.Time) { got = append(got, now) })
	v.At(end.Add(-1), "before the end", func(now time.Time) { got = append(got, now) })
	v.AdvanceTo(end)
	assert.Equal(t, []time.Time{end.Add(-1), end}, got)
	assert.Equal(t, end, v.Now())
}

func TestVirtual_CancelledEventsAreReleased(t *testing.T) {
	v := NewVirtual(epoch)
	for range 1000 {
		v.After(time.Hour, "", func(time.Time) {})()
	}
	assert.Empty(t, v.waiting)
}

func TestVirtual_WaitCostsNothing(t *testing.T) {
	v := NewVirtual(epoch)
	assert.NoError(t, v.Wait(t.Context(), 1000*time.Hour))
	assert.Equal(t, epoch, v.Now())
	v.After(0, "waits", func(time.Time) { assert.NoError(t, v.Wait(t.Context(), time.Hour)) })
	v.Advance(0)

	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	assert.ErrorIs(t, v.Wait(late, time.Hour), context.DeadlineExceeded)
}

func TestVirtual_MovingFromACallbackPanics(t *testing.T) {
	for method, move := range map[string]func(v *Virtual){
		"Advance":   func(v *Virtual) { v.Advance(time.Second) },
		"AdvanceTo": func(v *Virtual) { v.AdvanceTo(epoch.Add(time.Hour)) },
		"Step":      func(v *Virtual) { v.Step() },
	} {
		t.Run(method, func(t *testing.T) {
			v := NewVirtual(epoch)
			ran := false
			v.After(time.Second, "reckless", func(time.Time) { move(v) })
			v.After(2*time.Second, "next", func(time.Time) { ran = true })
			assert.PanicsWithValue(t,
				`clock: `+method+` called from callback "reckless", which itself runs inside Advance; register a callback instead`,
				func() { v.Advance(time.Minute) })

			assert.Equal(t, epoch.Add(time.Second), v.Now())
			assert.False(t, ran)
			v.Advance(time.Second)
			assert.True(t, ran, "the clock is usable afterwards")
		})
	}
}

func TestVirtual_CallbackMayMoveAnotherClock(t *testing.T) {
	a, b := NewVirtual(epoch), NewVirtual(epoch)
	var got journal
	b.After(time.Second, "b", got.note("b"))
	a.After(time.Minute, "a", func(now time.Time) {
		b.AdvanceTo(now)
		got.note("a")(now)
	})
	a.Advance(time.Hour)
	assert.Equal(t, journal{"b+1s", "a+1m0s"}, got)
	assert.Equal(t, epoch.Add(time.Minute), b.Now())
}

func TestVirtual_SurvivesCallbacksThatDoNotReturn(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":  func() { panic("oops") },
		"Goexit": runtime.Goexit, // as by t.FailNow
	} {
		t.Run(name, func(t *testing.T) {
			v := NewVirtual(epoch)
			var got journal
			v.After(1*time.Second, "ends", func(time.Time) { end() })
			v.After(2*time.Second, "next", got.note("next"))
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { recover() }()
				v.Advance(time.Minute)
				t.Error("Advance returned")
			})
			wg.Wait()
			assert.Equal(t, epoch.Add(time.Second), v.Now())
			v.At(time.Time{}, "now", got.note("now"))
			v.Advance(time.Minute)
			assert.Equal(t, journal{"now+1s", "next+2s"}, got)
		})
	}
}

func TestVirtual_EndlessLoopAtOneInstantPanics(t *testing.T) {
	v := NewVirtual(epoch)
	ran := 0
	var ping, pong func(time.Time)
	ping = func(now time.Time) { ran++; v.At(now, "pong", pong) }
	pong = func(now time.Time) { ran++; v.After(-time.Second, "ping", ping) }
	v.After(time.Second, "ping", ping)
	assert.PanicsWithValue(t,
		`clock: callbacks keep registering callbacks for their own instant, 2026-03-02T08:00:01Z: 1000001 so far, the last is "pong"`,
		func() { v.Advance(time.Minute) })
	assert.Equal(t, maxAgain+1, ran)
	assert.Equal(t, epoch.Add(time.Second), v.Now())
	assert.NotPanics(t, func() { v.Advance(time.Minute) }, "the loop is broken")
}

func TestVirtual_CrowdsAreNotEndlessLoops(t *testing.T) {
	v := NewVirtual(epoch)
	for range 100 {
		v.After(time.Second, "beforehand", func(now time.Time) {
			v.At(now.Add(time.Second), "ahead", func(now time.Time) {
				v.At(now, "again", func(time.Time) {})
			})
		})
	}
	v.Advance(time.Second)
	assert.Zero(t, v.again, "registered beforehand, however many, does not count")
	for range 100 {
		v.At(v.Now(), "between", func(time.Time) {})
	}
	v.Advance(0)
	assert.Zero(t, v.again, "nor does what is registered between two Advances")
	v.Advance(time.Second)
	assert.Equal(t, 100, v.again)
	v.After(1, "later", func(time.Time) {})
	v.Advance(time.Second)
	assert.Zero(t, v.again, "the count begins anew when time moves")
}

func TestVirtual_ConcurrentAdvancesTakeTurns(t *testing.T) {
	const movers, moves = 8, 200
	v := NewVirtual(epoch)
	var inside atomic.Int32
	var ticks []time.Time // unguarded on purpose: callbacks run one at a time, so -race must stay silent
	var tick func(now time.Time)
	tick = func(now time.Time) {
		if n := inside.Add(1); n != 1 {
			t.Errorf("%d callbacks at once", n)
		}
		ticks = append(ticks, now)
		v.At(now.Add(time.Second), "tick", tick)
		runtime.Gosched()
		inside.Add(-1)
	}
	v.After(time.Second, "tick", tick)

	var wg sync.WaitGroup
	for range movers {
		wg.Go(func() {
			for i := range moves {
				if i%2 == 0 {
					v.Advance(time.Second)
				} else {
					v.Step()
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, ticks, movers*moves)
	for i, got := range ticks {
		assert.Equal(t, epoch.Add(time.Duration(i+1)*time.Second), got)
	}
	assert.Equal(t, ticks[len(ticks)-1], v.Now())
}

func TestVirtual_AdvanceStartedByACallbackWaitsItsTurn(t *testing.T) {
	v := NewVirtual(epoch)
	var wg sync.WaitGroup
	v.After(time.Second, "starts another", func(time.Time) {
		wg.Go(func() { v.Advance(time.Minute) })
		runtime.Gosched()
	})
	v.Advance(time.Hour)
	wg.Wait()
	assert.Equal(t, epoch.Add(time.Hour+time.Minute), v.Now())
}

func TestVirtual_UseFromManyGoroutines(t *testing.T) {
	const workers, each = 8, 500
	v := NewVirtual(epoch)
	var ran, kept atomic.Int64
	var last time.Time // of callbacks; unguarded on purpose
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			seen := v.Now()
			for i := range each {
				cancel := v.After(time.Duration(i%7)*time.Second, fmt.Sprint(w), func(now time.Time) {
					if now.Before(last) {
						t.Errorf("due times went back from %v to %v", last, now)
					}
					last = now
					ran.Add(1)
				})
				if i%3 == 0 {
					cancel() // may or may not come in time
				} else {
					kept.Add(1)
				}
				v.Next()
				if now := v.Now(); now.Before(seen) {
					t.Errorf("Now went back from %v to %v", seen, now)
				} else {
					seen = now
				}
				if i%50 == 0 {
					v.Advance(time.Second)
				}
			}
		})
	}
	wg.Wait()
	v.Advance(time.Hour)
	assert.GreaterOrEqual(t, ran.Load(), kept.Load())
	assert.LessOrEqual(t, ran.Load(), int64(workers*each))
	assert.Empty(t, v.waiting)
}

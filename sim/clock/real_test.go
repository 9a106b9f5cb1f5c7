package clock

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestReal_RefusesSpeedsThatAreNotPositiveNumbers(t *testing.T) {
	r := newReal(t, epoch, 2)
	for _, speed := range []float64{0, math.Copysign(0, -1), -1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := NewReal(epoch, speed)
		assert.ErrorContains(t, err, "is not a positive number; Freeze stops time", "NewReal(_, %v)", speed)
		assert.Error(t, r.SetSpeed(speed), "SetSpeed(%v)", speed)
	}
	assert.Equal(t, 2.0, r.Speed())
}

func TestReal_ZeroStartIsTheWall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReal(t, time.Time{}, 10)
		assert.Equal(t, time.Now().Round(0), r.Now())
		begin := time.Now().Round(0)
		time.Sleep(time.Second)
		assert.Equal(t, begin.Add(10*time.Second), r.Now())
	})
}

func TestReal_Now(t *testing.T) {
	for _, c := range []struct {
		speed      float64
		wall, want time.Duration
	}{
		{1, 0, 0},
		{1, time.Second, time.Second},
		{1, 200 * 24 * time.Hour, 200 * 24 * time.Hour},
		{1, 200*24*time.Hour + 1, 200*24*time.Hour + 1},
		{60, time.Minute, time.Hour},
		{0.5, time.Minute, 30 * time.Second},
		{1e-300, time.Hour, 0},
		{1e9, 1, time.Second},
		{1e300, 1, math.MaxInt64},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, c.speed)
			time.Sleep(c.wall)
			assert.Equal(t, epoch.Add(c.want), r.Now(), "speed %v after %v", c.speed, c.wall)
		})
	}
}

// Each case does things at times of the wall, with a callback waiting for
// simulated minute 1, and says when on the wall it ran and what time it was
// after ten minutes of the wall. Wait must end when the callback runs.
func TestReal_SpeedAndFreezeWithoutJumps(t *testing.T) {
	type step struct {
		wall time.Duration
		do   func(r *Real)
	}
	freeze, unfreeze := (*Real).Freeze, (*Real).Unfreeze
	speed := func(s float64) func(*Real) {
		return func(r *Real) {
			if err := r.SetSpeed(s); err != nil {
				panic(err)
			}
		}
	}
	const never = -1
	for name, c := range map[string]struct {
		steps  []step
		ranAt  time.Duration
		shows  time.Duration
		frozen bool
	}{
		"untouched":        {nil, 60 * time.Second, 10 * time.Minute, false},
		"faster":           {[]step{{10 * time.Second, speed(10)}}, 15 * time.Second, 10*time.Second + 5900*time.Second, false},
		"slower":           {[]step{{30 * time.Second, speed(0.5)}}, 90 * time.Second, 30*time.Second + 285*time.Second, false},
		"there and back":   {[]step{{10 * time.Second, speed(4)}, {20 * time.Second, speed(1)}}, 30 * time.Second, 630 * time.Second, false},
		"same speed":       {[]step{{10 * time.Second, speed(1)}, {20 * time.Second, speed(1)}}, 60 * time.Second, 10 * time.Minute, false},
		"frozen for good":  {[]step{{59 * time.Second, freeze}}, never, 59 * time.Second, true},
		"frozen a while":   {[]step{{59 * time.Second, freeze}, {100 * time.Second, unfreeze}}, 101 * time.Second, 559 * time.Second, false},
		"frozen twice":     {[]step{{10 * time.Second, freeze}, {20 * time.Second, freeze}, {30 * time.Second, unfreeze}}, 80 * time.Second, 580 * time.Second, false},
		"unfrozen already": {[]step{{10 * time.Second, unfreeze}, {20 * time.Second, unfreeze}}, 60 * time.Second, 10 * time.Minute, false},
		"speed while frozen": {[]step{{10 * time.Second, freeze}, {20 * time.Second, speed(50)}, {30 * time.Second, unfreeze}},
			31 * time.Second, 10*time.Second + 570*50*time.Second, false},
		"frozen when due": {[]step{{60 * time.Second, freeze}}, 60 * time.Second, 60 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				r := newReal(t, epoch, 1)
				ranAt, waitedUntil := time.Duration(never), time.Duration(never)
				r.After(time.Minute, "minute", func(now time.Time) {
					assert.Equal(t, epoch.Add(time.Minute), now)
					assert.Equal(t, now, r.Now())
					ranAt = time.Since(begin)
				})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				go func() {
					if r.Wait(ctx, time.Minute) == nil {
						waitedUntil = time.Since(begin)
					}
				}()
				for _, s := range c.steps {
					time.Sleep(s.wall - time.Since(begin))
					before := r.Now()
					s.do(r)
					assert.Equal(t, before, r.Now(), "no jump")
				}
				pass(10*time.Minute - time.Since(begin))
				assert.Equal(t, c.ranAt, ranAt)
				assert.Equal(t, c.ranAt, waitedUntil)
				assert.Equal(t, epoch.Add(c.shows), r.Now())
				assert.Equal(t, c.frozen, r.Frozen())
			})
		})
	}
}

// However odd the speed: never early, and not later than rounding explains.
func TestReal_NeverEarly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		speed := rapid.Float64Range(1e-3, 1e6).Draw(rt, "speed")
		d := time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(rt, "d"))
		var due, ranAt, waitEnd time.Time // simulated
		var waited time.Duration          // on the wall
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			r := newReal(t, epoch, speed)
			r.After(d, "", func(now time.Time) { due, ranAt = now, r.Now() })
			assert.NoError(t, r.Wait(t.Context(), d))
			waited, waitEnd = time.Since(begin), r.Now()
			synctest.Wait()
		})
		want, ideal := epoch.Add(d), float64(d)/speed
		if due != want || ranAt.Before(want) || waitEnd.Before(want) {
			rt.Fatalf("callback due %v ran at %v, Wait ended at %v, want %v", due, ranAt, waitEnd, want)
		}
		if float64(waited) > ideal+3+ideal*1e-12 {
			rt.Fatalf("waited %v for %v, want %.0f ns", waited, d, ideal)
		}
	})
}

func TestReal_AnEarlierRegistrationIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReal(t, epoch, 1)
		var got journal
		note := func(name string) func(time.Time) {
			return func(time.Time) { got.note(name)(r.Now()) } // when it ran, not when it was due
		}
		r.After(time.Hour, "hour", note("hour"))
		synctest.Wait() // the goroutine waits for the hour
		r.After(time.Minute, "minute", note("minute"))
		cancel := r.After(time.Second, "second", note("second"))
		synctest.Wait()
		cancel()
		pass(2 * time.Hour)
		assert.Equal(t, journal{"minute+1m0s", "hour+1h0m0s"}, got)
	})
}

func TestReal_FrozenClockRunsThePresent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReal(t, epoch, 1)
		r.Freeze()
		var got journal
		r.After(0, "present", got.note("present"))
		r.After(1, "future", got.note("future"))
		pass(time.Hour)
		assert.Equal(t, journal{"present+0s"}, got)
	})
}

func TestReal_LateCallbacksKeepTheirTimesAndOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReal(t, epoch, 1)
		var got journal
		r.After(1*time.Second, "slow", func(now time.Time) {
			time.Sleep(10 * time.Second)
			assert.Equal(t, epoch.Add(11*time.Second), r.Now())
			got.note("slow")(now)
			r.At(now.Add(2*time.Second), "from slow", got.note("from slow"))
			r.After(2*time.Second, "after slow", got.note("after slow"))
		})
		r.After(2*time.Second, "two", got.note("two"))
		time.Sleep(5 * time.Second) // slow is running
		r.At(epoch, "past", got.note("past"))
		r.At(epoch.Add(4*time.Second), "four", got.note("four"))
		pass(time.Minute)
		assert.Equal(t, journal{"slow+1s", "past+1s", "two+2s", "from slow+3s", "four+4s", "after slow+13s"}, got)
	})
}

func TestReal_TickDoesNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReal(t, epoch, 100)
		var got []time.Time
		var tick func(now time.Time)
		tick = func(now time.Time) {
			got = append(got, now)
			time.Sleep(7 * time.Millisecond) // 0.7 s of simulated time
			r.At(now.Add(time.Second), "tick", tick)
		}
		r.At(epoch, "tick", tick)
		pass(10*time.Second + 5*time.Millisecond)
		require.Len(t, got, 1001)
		assert.Equal(t, epoch.Add(1000*time.Second), got[1000])
	})
}

func TestReal_ExtremeSpeeds(t *testing.T) {
	for _, speed := range []float64{math.SmallestNonzeroFloat64, 1e-300, 1e-20, 1e20, 1e300, math.MaxFloat64} {
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, speed)
			ran := 0
			r.After(0, "present", func(time.Time) { ran++ })
			r.After(time.Hour, "hour", func(time.Time) { ran += 10 })
			synctest.Wait() // would hang if the goroutine span
			pass(time.Millisecond)
			if speed < 1 {
				assert.Equal(t, 1, ran, "speed %v", speed)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				assert.ErrorIs(t, r.Wait(ctx, 1), context.DeadlineExceeded)
			} else {
				assert.Equal(t, 11, ran, "speed %v", speed)
			}
		})
	}
}

func TestReal_Wait(t *testing.T) {
	t.Run("ends early with the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, 60)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			assert.ErrorIs(t, r.Wait(ctx, time.Hour), context.DeadlineExceeded)
			assert.Equal(t, epoch.Add(time.Minute), r.Now())
		})
	})
	t.Run("ends early with the context while frozen", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, 60)
			r.Freeze()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			assert.ErrorIs(t, r.Wait(ctx, 1), context.DeadlineExceeded)
		})
	})
	t.Run("is not prolonged by a slow callback", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, 1)
			r.After(0, "slow", func(time.Time) { time.Sleep(time.Hour) })
			assert.NoError(t, r.Wait(t.Context(), time.Second))
			assert.Equal(t, epoch.Add(time.Second), r.Now())
		})
	})
	t.Run("works in a callback", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, 1)
			var got time.Time
			r.After(time.Second, "waits", func(time.Time) {
				assert.NoError(t, r.Wait(t.Context(), time.Second))
				got = r.Now()
			})
			pass(time.Minute)
			assert.Equal(t, epoch.Add(2*time.Second), got)
		})
	})
	t.Run("ends with the clock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, 1)
			r.Freeze()
			errs := make(chan error)
			for range 3 {
				go func() { errs <- r.Wait(t.Context(), time.Hour) }()
			}
			synctest.Wait()
			r.Close()
			for range 3 {
				assert.ErrorIs(t, <-errs, ErrClosed)
			}
			assert.ErrorIs(t, r.Wait(t.Context(), time.Hour), ErrClosed)
			assert.NoError(t, r.Wait(t.Context(), 0))
		})
	})
}

func TestReal_Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReal(t, epoch, 1)
		finished := false
		r.After(time.Second, "slow", func(time.Time) { time.Sleep(time.Minute); finished = true })
		r.After(2*time.Second, "two", func(time.Time) { t.Error("ran after Close") })
		pass(time.Second)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				r.Close()
				assert.True(t, finished, "Close waits for the callback that is running")
			})
		}
		wg.Wait()
		r.Close()

		cancel := r.After(0, "closed", func(time.Time) { t.Error("ran after Close") })
		before := r.Now()
		time.Sleep(time.Hour)
		assert.Equal(t, before.Add(time.Hour), r.Now(), "Now goes on")
		cancel()
		r.Freeze()
		r.Unfreeze()
		assert.NoError(t, r.SetSpeed(2))
	})
}

func TestReal_CloseFromACallbackPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReal(t, epoch, 1)
		ran := 0
		r.After(time.Second, "closer", func(time.Time) {
			ran++
			assert.PanicsWithValue(t, `clock: Close called from callback "closer", which it would wait for`, r.Close)
		})
		r.After(2*time.Second, "next", func(time.Time) { ran++ })
		pass(time.Minute)
		assert.Equal(t, 2, ran)
	})
}

// Outside a bubble, so that goroutines truly run at once: readers must never see
// time go back while its speed changes wildly under them.
func TestReal_UseFromManyGoroutines(t *testing.T) {
	const rounds = 2000
	r := newReal(t, epoch, 1000)
	var last time.Time // of callbacks; unguarded on purpose
	note := func(now time.Time) {
		if now.Before(last) {
			t.Errorf("due times went back from %v to %v", last, now)
		}
		last = now
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			seen := r.Now()
			for i := range rounds {
				cancel := r.After(time.Duration(i%5)*time.Millisecond, "note", note)
				if i%3 == 0 {
					cancel()
				}
				if i%10 == 0 {
					ctx, stop := context.WithTimeout(t.Context(), time.Microsecond)
					_ = r.Wait(ctx, time.Millisecond)
					stop()
				}
				now := r.Now()
				if now.Before(seen) {
					t.Errorf("Now went back from %v to %v", seen, now)
				}
				seen = now
			}
		})
	}
	wg.Go(func() {
		for range rounds {
			_ = r.SetSpeed(1e6)
			_ = r.SetSpeed(1e-6)
			r.Freeze()
			_, _ = r.Speed(), r.Frozen()
			r.Unfreeze()
		}
	})
	wg.Wait()
	r.Close()
}

func TestReal_AdvanceRunsWhatIsDueOnTheWay(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, 1)
			if frozen {
				r.Freeze()
			}
			type ran struct {
				name    string
				at, due time.Duration
			}
			var got []ran
			var note func(name string, again time.Duration) func(time.Time)
			note = func(name string, again time.Duration) func(time.Time) {
				return func(due time.Time) {
					got = append(got, ran{name, r.Now().Sub(epoch), due.Sub(epoch)})
					if again > 0 && len(got) < 6 {
						r.At(due.Add(again), name, note(name, again))
					}
				}
			}
			r.After(time.Minute, "each minute", note("each minute", time.Minute))
			r.After(90*time.Second, "once", note("once", 0))
			r.After(time.Hour, "later", note("later", 0))
			r.Advance(3 * time.Minute)
			assert.Equal(t, []ran{
				{"each minute", time.Minute, time.Minute},
				{"once", 90 * time.Second, 90 * time.Second},
				{"each minute", 2 * time.Minute, 2 * time.Minute},
				{"each minute", 3 * time.Minute, 3 * time.Minute},
			}, got)
			assert.Equal(t, epoch.Add(3*time.Minute), r.Now())
			assert.Equal(t, frozen, r.Frozen())
			next, ok := r.Next()
			assert.True(t, ok)
			assert.Equal(t, epoch.Add(4*time.Minute), next)
			time.Sleep(time.Second)
			want := epoch.Add(3*time.Minute + time.Second)
			if frozen {
				want = epoch.Add(3 * time.Minute)
			}
			assert.Equal(t, want, r.Now(), "it runs on from there")
			r.Advance(-time.Hour)
			assert.Equal(t, want, r.Now(), "time never goes back")
		})
	}
}

func TestReal_AdvanceWakesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReal(t, epoch, 1)
		r.Freeze()
		waited := make(chan error)
		go func() { waited <- r.Wait(t.Context(), time.Minute) }()
		synctest.Wait()
		r.Advance(time.Minute)
		assert.NoError(t, <-waited)
	})
}

func TestReal_AdvanceOnAClosedClockRunsNothing(t *testing.T) {
	r := newReal(t, epoch, 1)
	r.Freeze()
	r.After(time.Minute, "never", func(time.Time) { t.Error("it ran on a closed clock") })
	stands := r.Now()
	r.Close()
	r.Advance(time.Hour)
	assert.Equal(t, stands.Add(time.Hour), r.Now())
}

func TestReal_AdvanceFromACallbackPanics(t *testing.T) {
	r := newReal(t, epoch, 1)
	said := make(chan any)
	r.After(0, "impatient", func(time.Time) {
		defer func() { said <- recover() }()
		r.Advance(time.Minute)
	})
	assert.Contains(t, <-said, `Advance called from callback "impatient"`)
}

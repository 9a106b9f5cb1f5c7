package clock

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

// Real clocks are tested inside synctest bubbles, where the wall is simulated
// too: time.Sleep returns as soon as every goroutine is idle.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)

func newReal(tb testing.TB, start time.Time, speed float64) *Real {
	tb.Helper()
	r, err := NewReal(start, speed)
	require.NoError(tb, err)
	tb.Cleanup(r.Close)
	return r
}

// pass lets d of the bubble's wall pass and everything settle.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// eachClock runs a behaviour that both clocks promise. move lets d of simulated
// time pass and everything due in it run.
func eachClock(t *testing.T, behaviour func(t *testing.T, c Clock, move func(d time.Duration))) {
	t.Run("virtual", func(t *testing.T) {
		v := NewVirtual(epoch)
		behaviour(t, v, v.Advance)
	})
	for _, speed := range []float64{1, 0.5, 64, 1000} {
		t.Run(fmt.Sprintf("real at speed %v", speed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReal(t, epoch, speed)
				behaviour(t, r, func(d time.Duration) { pass(time.Duration(float64(d) / speed)) })
			})
		})
	}
}

// journal records what ran, as "name+offset from epoch".
type journal []string

func (j *journal) note(name string) func(time.Time) {
	return func(now time.Time) { *j = append(*j, name+"+"+now.Sub(epoch).String()) }
}

func TestClock_RunsInOrderOfDueTimeThenRegistration(t *testing.T) {
	for name, c := range map[string]struct {
		offsets []time.Duration
		want    journal
	}{
		"none":              {nil, nil},
		"as registered":     {[]time.Duration{1, 2, 3}, journal{"0+1s", "1+2s", "2+3s"}},
		"backwards":         {[]time.Duration{3, 2, 1}, journal{"2+1s", "1+2s", "0+3s"}},
		"same instant":      {[]time.Duration{2, 2, 1, 2, 1}, journal{"2+1s", "4+1s", "0+2s", "1+2s", "3+2s"}},
		"present":           {[]time.Duration{1, 0, 0}, journal{"1+0s", "2+0s", "0+1s"}},
		"past is present":   {[]time.Duration{0, -5, 0, -9}, journal{"0+0s", "1+0s", "2+0s", "3+0s"}},
		"not yet due stays": {[]time.Duration{11, 10, 12}, journal{"1+10s"}},
	} {
		t.Run(name, func(t *testing.T) {
			eachClock(t, func(t *testing.T, clock Clock, move func(time.Duration)) {
				var got journal
				registerAtOnce(clock, func() {
					for i, d := range c.offsets {
						clock.At(epoch.Add(d*time.Second), "", got.note(fmt.Sprint(i)))
					}
				})
				move(10 * time.Second)
				assert.Equal(t, c.want, got)
			})
		})
	}
}

// registerAtOnce keeps a real clock from running anything before the last
// registration is made.
func registerAtOnce(c Clock, register func()) {
	if r, ok := c.(*Real); ok {
		held := make(chan struct{})
		r.At(epoch, "hold", func(time.Time) { <-held })
		defer close(held)
	}
	register()
}

func TestClock_ZeroTimeIsThePresent(t *testing.T) {
	eachClock(t, func(t *testing.T, c Clock, move func(time.Duration)) {
		move(time.Minute)
		var got []time.Time
		registerAtOnce(c, func() {
			c.At(time.Time{}, "zero", func(now time.Time) { got = append(got, now) })
			c.After(-time.Hour, "negative", func(now time.Time) { got = append(got, now) })
			assert.Empty(t, got)
		})
		move(0)
		assert.Equal(t, []time.Time{epoch.Add(time.Minute), epoch.Add(time.Minute)}, got)
	})
}

func TestClock_CallbacksMayUseTheClock(t *testing.T) {
	eachClock(t, func(t *testing.T, c Clock, move func(time.Duration)) {
		var got journal
		var cancelVictim, cancelSelf func()
		registerAtOnce(c, func() {
			cancelSelf = c.After(time.Second, "first", func(now time.Time) {
				got.note("first")(now)
				assert.Equal(t, now, c.Now())
				c.At(now, "present", got.note("present"))
				c.At(now.Add(-time.Hour), "past", got.note("past"))
				c.At(now.Add(time.Second), "later", got.note("later"))
				c.After(time.Second, "after", got.note("after"))
				c.At(now.Add(time.Hour), "beyond", got.note("beyond"))
				cancelVictim()
				cancelSelf()
				cancelSelf()
			})
			cancelVictim = c.After(time.Second, "victim", got.note("victim"))
			c.After(time.Second, "second", got.note("second"))
		})
		move(10 * time.Second)
		assert.Equal(t, journal{"first+1s", "second+1s", "present+1s", "past+1s", "later+2s", "after+2s"}, got)
	})
}

func TestClock_Cancel(t *testing.T) {
	eachClock(t, func(t *testing.T, c Clock, move func(time.Duration)) {
		var got journal
		first := c.After(1*time.Second, "first", got.note("first"))
		second := c.After(2*time.Second, "second", got.note("second"))
		third := c.After(3*time.Second, "third", got.note("third"))
		first()
		first()
		move(2 * time.Second)
		second() // has run: does nothing
		third()
		c.After(time.Second, "fourth", got.note("fourth"))
		first()
		move(time.Hour)
		assert.Equal(t, journal{"second+2s", "fourth+3s"}, got)
	})
}

func TestClock_TimesAreInTheLocationOfTheStart(t *testing.T) {
	eachClock(t, func(t *testing.T, c Clock, move func(time.Duration)) {
		elsewhere := time.FixedZone("elsewhere", 7*3600)
		var got time.Time
		c.At(epoch.Add(time.Second).In(elsewhere), "", func(now time.Time) { got = now })
		move(time.Second)
		assert.Equal(t, epoch.Add(time.Second), got, "== so that location counts")
		assert.Equal(t, epoch.Add(time.Second), c.Now())
	})
}

func TestClock_MonotonicReadingsAreDropped(t *testing.T) {
	now := time.Now()
	require.Contains(t, now.String(), "m=", "this test is about readings with a monotonic part")
	v := NewVirtual(now)
	r := newReal(t, now, 1)
	for _, c := range []Clock{v, r} {
		assert.NotContains(t, c.Now().String(), "m=")
	}
	var got []time.Time
	v.At(now.Add(time.Second), "", func(now time.Time) { got = append(got, now, v.Now()) })
	v.AdvanceTo(now.Add(time.Minute))
	for _, x := range append(got, v.Now()) {
		assert.NotContains(t, x.String(), "m=")
	}
	assert.Len(t, got, 2)
}

func TestClock_NilCallbackPanics(t *testing.T) {
	eachClock(t, func(t *testing.T, c Clock, _ func(time.Duration)) {
		const want = `clock: nil callback registered as "oops"`
		assert.PanicsWithValue(t, want, func() { c.At(epoch, "oops", nil) })
		assert.PanicsWithValue(t, want, func() { c.After(0, "oops", nil) })
		c.Now() // the lock is free again
	})
}

func TestClock_WaitThatIsOverReturnsAtOnce(t *testing.T) {
	eachClock(t, func(t *testing.T, c Clock, _ func(time.Duration)) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, d := range []time.Duration{-time.Hour, 0} {
			assert.NoError(t, c.Wait(t.Context(), d))
		}
		for _, d := range []time.Duration{-time.Hour, 0, time.Hour} {
			assert.ErrorIs(t, c.Wait(ended, d), context.Canceled)
		}
	})
}

// A program is what the property tests run: callbacks that register and cancel
// callbacks. Callback i does script[i]; it registers only higher numbers, so
// that every program ends.
type program [][]action

type action struct {
	register int           // a callback, or -1: cancel
	offset   time.Duration // from the time the callback was told
	cancel   int           // the n-th registration so far, counted round and round
}

func drawProgram(t *rapid.T) program {
	n := rapid.IntRange(1, 9).Draw(t, "callbacks")
	p := make(program, n)
	for i := range p {
		p[i] = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action { return drawAction(t, i+1, n) }), 0, 4).Draw(t, fmt.Sprintf("script %d", i))
	}
	return p
}

func drawAction(t *rapid.T, from, n int) action {
	if from >= n || rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
		return action{register: -1, cancel: rapid.IntRange(0, 1000).Draw(t, "which")}
	}
	return action{register: rapid.IntRange(from, n-1).Draw(t, "callback"), offset: drawOffset(t)}
}

// drawOffset favours few values, so that callbacks meet at the same instant.
func drawOffset(t *rapid.T) time.Duration {
	return time.Duration(rapid.IntRange(-2, 6).Draw(t, "offset")) * time.Second
}

// onClock runs a program on a clock under test.
type onClock struct {
	Clock
	program program
	cancels []func()
	ran     journal
	check   func(now time.Time) // called in each callback
}

func (o *onClock) do(now time.Time, a action) {
	if a.register >= 0 {
		o.cancels = append(o.cancels, o.At(now.Add(a.offset), fmt.Sprint(a.register), func(now time.Time) {
			o.check(now)
			o.ran.note(fmt.Sprint(a.register))(now)
			for _, a := range o.program[a.register] {
				o.do(now, a)
			}
		}))
	} else if n := len(o.cancels); n > 0 {
		o.cancels[a.cancel%n]()
	}
}

// model is the clock as one would explain it: a list, sorted whenever someone
// looks.
type model struct {
	program program
	now     time.Time
	waiting []registration
	seq     int
	ran     journal
}

type registration struct {
	due      time.Time
	seq      int
	callback int
}

func (m *model) do(now time.Time, a action) {
	if a.register >= 0 {
		due := now.Add(a.offset)
		if due.Before(m.now) {
			due = m.now
		}
		m.waiting = append(m.waiting, registration{due, m.seq, a.register})
		m.seq++
	} else if m.seq > 0 {
		m.waiting = slices.DeleteFunc(m.waiting, func(r registration) bool { return r.seq == a.cancel%m.seq })
	}
}

func (m *model) next() (time.Time, bool) {
	if len(m.waiting) == 0 {
		return time.Time{}, false
	}
	slices.SortStableFunc(m.waiting, func(a, b registration) int { return a.due.Compare(b.due) })
	return m.waiting[0].due, true
}

func (m *model) moveTo(t time.Time) {
	for {
		due, ok := m.next()
		if !ok || due.After(t) {
			break
		}
		r := m.waiting[0]
		m.waiting = m.waiting[1:]
		m.now = due
		m.ran.note(fmt.Sprint(r.callback))(m.now)
		for _, a := range m.program[r.callback] {
			m.do(m.now, a)
		}
	}
	if t.After(m.now) {
		m.now = t
	}
}

func TestVirtual_AgreesWithModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := NewVirtual(epoch)
		p := drawProgram(t)
		m := &model{program: p, now: epoch}
		o := &onClock{Clock: v, program: p, check: func(now time.Time) {
			if v.Now() != now {
				t.Fatalf("Now() = %v in a callback due %v", v.Now(), now)
			}
		}}
		t.Repeat(map[string]func(*rapid.T){
			"action": func(t *rapid.T) {
				a := drawAction(t, 0, len(p))
				o.do(v.Now(), a)
				m.do(m.now, a)
			},
			"Advance": func(t *rapid.T) {
				d := drawOffset(t)
				v.Advance(d)
				m.moveTo(m.now.Add(d))
			},
			"AdvanceTo": func(t *rapid.T) {
				to := m.now.Add(drawOffset(t))
				v.AdvanceTo(to)
				m.moveTo(to)
			},
			"Step": func(t *rapid.T) {
				due, want := m.next()
				if got := v.Step(); got != want {
					t.Fatalf("Step() = %v, want %v", got, want)
				}
				if want {
					m.moveTo(due)
				}
			},
			"": func(t *rapid.T) {
				gotNext, gotOK := v.Next()
				wantNext, wantOK := m.next()
				if gotNext != wantNext || gotOK != wantOK {
					t.Fatalf("Next() = %v, %v, want %v, %v", gotNext, gotOK, wantNext, wantOK)
				}
				if v.Now() != m.now {
					t.Fatalf("Now() = %v, want %v", v.Now(), m.now)
				}
				if !slices.Equal(o.ran, m.ran) {
					t.Fatalf("ran %v, want %v", o.ran, m.ran)
				}
				for i, e := range v.waiting {
					if e.index != i {
						t.Fatalf("the event at %d thinks it is at %d", i, e.index)
					}
				}
			},
		})
	})
}

// A real clock whose callbacks take longer than the time between them is always
// late, and must still run the program as a virtual clock does.
func TestReal_RunsProgramsAsVirtualDoesHoweverLate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawProgram(rt)
		first := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action { return drawAction(t, 0, len(p)) }), 1, 8).Draw(rt, "first")
		speed := rapid.SampledFrom([]float64{0.3, 1, 7, 1000}).Draw(rt, "speed")
		takes := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 3 * time.Second}).Draw(rt, "a callback takes")

		m := &model{program: p, now: epoch}
		for _, a := range first {
			m.do(epoch, a)
		}
		m.moveTo(epoch.Add(time.Hour))

		var got, early journal
		synctest.Test(t, func(t *testing.T) {
			r := newReal(t, epoch, speed)
			o := &onClock{Clock: r, program: p, check: func(now time.Time) {
				if r.Now().Before(now) {
					early.note("early")(now)
				}
				time.Sleep(takes)
			}}
			registerAtOnce(r, func() {
				for _, a := range first {
					o.do(epoch, a)
				}
			})
			pass(time.Hour + time.Duration(len(m.ran))*takes)
			got = o.ran
		})
		if !slices.Equal(got, m.ran) {
			rt.Fatalf("ran %v, want %v", got, m.ran)
		}
		if early != nil {
			rt.Fatal(early)
		}
	})
}

func TestGoroutineID(t *testing.T) {
	mine, others := goroutineID(), make(chan uint64)
	go func() { others <- goroutineID() }()
	assert.NotZero(t, mine)
	assert.Equal(t, mine, goroutineID())
	assert.NotEqual(t, mine, <-others)
}

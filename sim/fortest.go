package sim

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
)

// TB is what ForTest needs of a *testing.T, *testing.B or *testing.F. It stands here so that a program which uses this
// package does not link package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// ForTest runs a simulator for the time of a test. Time stands still but for Advance, from 2026-03-02 08:00 UTC on,
// unless o.Speed asks for a clock that runs, or o.Scenario for another start. Logs go to the test unless o.Logger is set. The test ends when o has a
// problem. When the test has failed, the seed and the last entries of the journal are logged. It goes with t.Parallel:
// simulators share nothing.
func ForTest(tb TB, o Options) *Simulator {
	tb.Helper()
	o.Manual = o.Manual || o.Speed == 0
	if o.Start.IsZero() && o.Scenario == "" {
		o.Start = defaultStart
	}
	log := &testLog{tb: tb}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
	}
	s, err := Start(context.Background(), o)
	if err != nil {
		tb.Fatalf("sim.ForTest: %v", err)
	}
	tb.Cleanup(func() {
		tb.Helper()
		if err := s.Close(); err != nil {
			tb.Logf("sim: %v", err)
		}
		log.end()
		if tb.Failed() {
			tb.Logf("sim: seed %d; the journal ends\n%s", s.Seed(), s.Journal().Tail(20))
		}
	})
	return s
}

// testLog writes each line to the test, until end: a test that is over panics when it is written to.
type testLog struct {
	mu    sync.Mutex
	tb    TB
	ended bool
}

// Write takes one line of a handler.
func (l *testLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.tb.Logf("sim: %s", bytes.TrimSpace(line))
	}
	return len(line), nil
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// withoutTime leaves out the time of the wall: the test's own log has it, and output that repeats has it not.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return a
}

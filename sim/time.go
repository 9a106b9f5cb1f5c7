package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/risim/risim/sim/clock"
	"github.com/risim/risim/sim/soap"
)

// How simulated time is looked at and moved.

// Advance moves simulated time by d. When it returns, everything due has happened, in order. Time that runs by itself is moved
// ahead, and then runs on. It fails when d is negative.
func (s *Simulator) Advance(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("time cannot be advanced by %v: it never goes back", d)
	}
	switch c := s.clock.(type) {
	case *clock.Virtual:
		c.Advance(d)
	case *clock.Real:
		c.Advance(d)
	}
	return nil
}

// Clock is how simulated time runs.
type Clock struct {
	Manual bool      // it stands still but for Advance
	Speed  float64   // simulated seconds in a second; 0 when it is manual
	Frozen bool      // it stands still until Freeze(false)
	Next   time.Time // when something happens next by itself; the zero Time: nothing does
}

// Clock tells how simulated time runs.
func (s *Simulator) Clock() Clock {
	out := Clock{Manual: s.virtual != nil}
	next := s.clock.(interface{ Next() (time.Time, bool) }) // which both have
	if at, ok := next.Next(); ok {
		out.Next = at
	}
	if r, ok := s.clock.(*clock.Real); ok {
		out.Speed, out.Frozen = r.Speed(), r.Frozen()
	}
	return out
}

// SetSpeed makes simulated time run at another speed. It fails when speed is not a positive number, and with Options.Manual.
func (s *Simulator) SetSpeed(speed float64) error {
	r, ok := s.clock.(*clock.Real)
	if !ok {
		return errManual
	}
	return r.SetSpeed(speed)
}

// Freeze makes simulated time stand still, but for Advance, or run on. It fails with Options.Manual.
func (s *Simulator) Freeze(frozen bool) error {
	r, ok := s.clock.(*clock.Real)
	switch {
	case !ok:
		return errManual
	case frozen:
		r.Freeze()
	default:
		r.Unfreeze()
	}
	return nil
}

var errManual = errors.New("the clock is manual: it has no speed, and stands still until it is advanced")

// ExpireSessions ends the sessions of a user, or of everybody when user is "", as if their time was over (rule H6). It says how
// many there were.
func (s *Simulator) ExpireSessions(user string) int { return s.service.ExpireSessions(user) }

// RateUse tells how far the rate limit is used up (rule T1).
func (s *Simulator) RateUse() soap.RateUse { return s.service.RateUse() }

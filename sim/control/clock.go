package control

import (
	"fmt"
	"time"

	"github.com/risim/risim/sim"
)

// Clock is a cluster's simulated time.
type Clock struct {
	Time   Time    `json:"time" doc:"What time it is."`
	Mode   string  `json:"mode" enum:"real,manual" doc:"real: time runs by itself. manual: it stands still until it is advanced."`
	Speed  float64 `json:"speed" doc:"How many simulated seconds pass in a second; 0 of a manual clock."`
	Frozen bool    `json:"frozen" doc:"Whether a real clock stands still."`
	Next   *Time   `json:"next,omitempty" doc:"When something happens next by itself; not there when nothing does."`
}

// ClockChange is the answer to a change of time.
type ClockChange struct {
	Change
	Clock Clock `json:"clock" doc:"The clock afterwards; of a dry run, as it is."`
}

func clockOf(s *sim.Simulator) Clock {
	k := s.Clock()
	out := Clock{Time: Time{s.Now()}, Mode: "real", Speed: k.Speed, Frozen: k.Frozen}
	if k.Manual {
		out.Mode = "manual"
	}
	if !k.Next.IsZero() {
		out.Next = &Time{k.Next}
	}
	return out
}

func getClock(c *call, in *inCluster) (Clock, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Clock{}, err
	}
	return clockOf(one.sim), nil
}

// SetClock changes how time runs.
type SetClock struct {
	Frozen *bool    `json:"frozen,omitempty" doc:"true: time stands still. false: it goes on from there. Only of a real clock."`
	Speed  *float64 `json:"speed,omitempty" doc:"How many simulated seconds pass in a second. Only of a real clock."`
}

type setClockIn struct {
	inCluster
	guarded
	Body SetClock `body:"json"`
}

func setClock(c *call, in *setClockIn) (ClockChange, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return ClockChange{}, err
	}
	s := one.sim
	var bad []Wrong
	if in.Body.Frozen == nil && in.Body.Speed == nil {
		bad = append(bad, Wrong{Detail: "neither frozen nor speed is given"})
	}
	if v := in.Body.Speed; v != nil && !(*v > 0 && *v <= maxSpeed) {
		bad = append(bad, Wrong{Pointer: "/speed", Detail: fmt.Sprintf("%v is not a number above 0 and up to %v", *v, maxSpeed)})
	}
	if len(bad) > 0 {
		return ClockChange{}, wrong(ProblemInvalid, bad)
	}
	if err := in.match(s); err != nil {
		return ClockChange{}, err
	}
	if s.Manual() {
		return ClockChange{}, refuse(ProblemConflict, "the clock is manual: it stands still until it is advanced, and has no speed")
	}
	if !in.DryRun {
		if v := in.Body.Speed; v != nil {
			if err := s.SetSpeed(*v); err != nil {
				return ClockChange{}, err
			}
		}
		if v := in.Body.Frozen; v != nil {
			if err := s.Freeze(*v); err != nil {
				return ClockChange{}, err
			}
		}
	}
	return ClockChange{c.changed(s, in.DryRun), clockOf(s)}, nil
}

// maxSpeed is a day in less than a tenth of a second.
const maxSpeed = 1e6

// Advance says how far time moves: exactly one of its fields is given.
type Advance struct {
	By   *Duration `json:"by,omitempty" doc:"So long."`
	To   *Time     `json:"to,omitempty" doc:"To this time; done already when it has passed, so that it can be asked for twice."`
	Next bool      `json:"next,omitempty" doc:"true: to when something happens next by itself."`
}

// maxAdvance bounds one request.
const maxAdvance = 366 * 24 * time.Hour

type advanceIn struct {
	inCluster
	guarded
	Body Advance `body:"json"`
}

func advance(c *call, in *advanceIn) (ClockChange, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return ClockChange{}, err
	}
	s, b := one.sim, in.Body
	given := 0
	for _, is := range []bool{b.By != nil, b.To != nil, b.Next} {
		if is {
			given++
		}
	}
	if given != 1 {
		return ClockChange{}, wrong(ProblemInvalid, []Wrong{{Detail: fmt.Sprintf("%d of by, to and next are given; expected one of them", given)}})
	}
	if err := in.match(s); err != nil {
		return ClockChange{}, err
	}
	var d time.Duration
	pointer := "/by"
	switch {
	case b.By != nil:
		d = time.Duration(*b.By)
	case b.To != nil:
		d, pointer = max(0, b.To.Sub(s.Now())), "/to"
	default:
		next := s.Clock().Next
		if next.IsZero() {
			return ClockChange{}, refuse(ProblemConflict, "nothing is to happen by itself")
		}
		d, pointer = max(0, next.Sub(s.Now())), "/next"
	}
	if d > maxAdvance {
		return ClockChange{}, wrong(ProblemInvalid, []Wrong{{Pointer: pointer, Detail: fmt.Sprintf("%v is more than a year, which is the most at a time", Duration(d))}})
	}
	before := s.JournalStats().Last
	if !in.DryRun {
		if err := s.Advance(d); err != nil {
			return ClockChange{}, err
		}
	}
	return ClockChange{c.changed(s, in.DryRun, eventsAfter(s, before)...), clockOf(s)}, nil
}

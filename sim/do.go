package sim

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

// Step is something to do to the cluster now, in the words of the scenario language (see package scenarios).
type Step struct {
	// Text is an action, such as
	//
	//	devices.failover: {from: cucm-sub1, reason: KeepAliveTimeout}
	//
	// or a step of a timeline without a trigger, which may say over, for and id:
	//
	//	{do: {churn: {where: {group: hq}, rate: 30/min}}, for: 10m}
	//
	// With at or every it happens later: times count from now. It is YAML, of which JSON is a part.
	Text string
	// Name is what messages and the journal call the text. "" means "step", or "impairment".
	Name string
	// ID is what the step is called when Text does not say it. "" means step-1 and so on, or impairment-1.
	ID string
	// IfVersion is the version that the snapshot must have: otherwise nothing happens, and the error is a *VersionError.
	// 0 means any version.
	IfVersion uint64
	// DryRun only tells what would happen.
	DryRun bool
}

// Done is what a Step did, or with DryRun would do.
type Done struct {
	ID      string            // of the step: what its events in the journal are called by; with an impairment, what lift takes
	At      time.Time         // simulated time
	Version uint64            // of the snapshot afterwards; of a dry run, at present
	Events  []scenarios.Event // what happened by the time that Do returned; of a dry run, also what would happen later
	Seqs    []uint64          // the journal's entries of that, in order; none of a dry run
	Ahead   bool              // more is to happen as time goes on
}

// VersionError says that the cluster has changed since a caller looked.
type VersionError struct{ Want, Have uint64 }

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the snapshot has version %d, not %d: the cluster has changed meanwhile", e.Have, e.Want)
}

// Do does one step: it happens before Do returns, but for what the step itself puts off. A step that is wrong, or that
// does not fit the cluster, is not done at all, and the error is [scenarios.Problems]: all that is wrong, each with its
// place in the text. When it can be done to some devices only, the event in Done says so.
func (s *Simulator) Do(step Step) (Done, error) {
	return s.perform(step, "step", &s.doing.steps, scenarios.LoadStep)
}

// perform loads a step and does it. Without an id it is called by its kind and a number.
func (s *Simulator) perform(step Step, kind string, count *int,
	load func(name, id string, data []byte, o scenarios.Options) (*scenarios.Program, error)) (Done, error) {
	step.Name = cmp.Or(step.Name, kind)
	s.doing.mu.Lock()
	defer s.doing.mu.Unlock() // so that the ids follow the journal's order
	words, err := s.options.words()
	if err != nil {
		return Done{}, err
	}
	words.Seed = s.options.Seed
	prog, err := load(step.Name, cmp.Or(step.ID, fmt.Sprintf("%s-%d", kind, *count+1)), []byte(step.Text), words)
	if err != nil {
		return Done{}, err
	}
	snapshot := s.Snapshot()
	if step.IfVersion != 0 && step.IfVersion != snapshot.Version {
		return Done{}, &VersionError{step.IfVersion, snapshot.Version}
	}
	if err := s.fits(prog); err != nil {
		return Done{}, err
	}
	done := Done{ID: prog.Steps()[0], At: s.Now(), Version: snapshot.Version}
	if step.DryRun {
		done.Events, _, err = prog.Timeline(snapshot)
		return done, err
	}
	*count++
	hand := &byHand{world: world{s}, ifVersion: step.IfVersion}
	r := s.playLocked(prog, hand)
	if id := prog.Lifts(); id != "" && r.Done() {
		s.doing.endLocked(id)
	}
	done.Events, done.Seqs, err = hand.stop()
	done.Version, done.Ahead = s.Snapshot().Version, !r.Done()
	s.running.Changed()
	return done, err
}

// doing is what runs on the clock besides the scenario.
type doing struct {
	mu          sync.Mutex
	steps       int // done so far
	impairments int // put in force by Impair so far
	plays       []play
}

// play is a program that runs beside the scenario.
type play struct {
	*scenarios.Running
	impairs string // the impairment that it puts in force and lifts; "" when it is about something else
}

// playLocked runs a program beside the scenario, until it has nothing more to do.
func (s *Simulator) playLocked(prog *scenarios.Program, w scenarios.World) *scenarios.Running {
	d := &s.doing
	p := play{impairs: prog.Impairs()}
	d.endLocked(p.impairs)
	p.Running = scenarios.Run(prog, w, s.clock)
	if !p.Done() {
		d.plays = append(d.plays, p)
	}
	return p.Running
}

// endLocked forgets what has nothing more to do, and ends what would go on about an impairment that is another's now, or lifted.
func (d *doing) endLocked(impairment string) {
	d.plays = slices.DeleteFunc(d.plays, func(p play) bool {
		if impairment != "" && p.impairs == impairment {
			p.Stop()
		}
		return p.Done()
	})
}

// stopPlays ends what was begun by Do.
func (s *Simulator) stopPlays() {
	s.doing.mu.Lock()
	defer s.doing.mu.Unlock()
	for _, r := range s.doing.plays {
		r.Stop()
	}
	s.doing.plays = nil
}

// byHand is the world of a step that Do does: until stop it notes what happens. Its lock is a leaf.
type byHand struct {
	world
	ifVersion uint64

	mu      sync.Mutex
	stopped bool
	events  []scenarios.Event
	seqs    []uint64
	changed error // a *VersionError
}

// Apply changes the cluster, the first time only if it is as the caller saw it.
func (h *byHand) Apply(cause scenarios.Cause, changes ...cluster.Change) error {
	h.mu.Lock()
	want, failed := h.ifVersion, h.changed
	h.mu.Unlock()
	if failed != nil {
		return failed
	}
	seq, err := h.applyIf(want, cause, changes)
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := err.(*VersionError); ok {
		h.changed = err
	}
	if err == nil {
		h.ifVersion = 0
		h.noteLocked(seq)
	}
	return err
}

// Log notes what the step did.
func (h *byHand) Log(e scenarios.Event) {
	seq := h.log(e)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noteLocked(seq)
	if !h.stopped {
		h.events = append(h.events, e)
	}
}

func (h *byHand) noteLocked(seq uint64) {
	if !h.stopped && seq > 0 {
		h.seqs = append(h.seqs, seq)
	}
}

func (h *byHand) stop() ([]scenarios.Event, []uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	return h.events, h.seqs, h.changed
}

// Selector makes a selector of the keys of where (see package scenarios) and their values, of which any will do; no keys select
// all devices. The error tells of every key and value that is wrong.
func (s *Simulator) Selector(keys map[string][]string) (*scenarios.Selector, error) {
	words, err := s.options.words()
	if err != nil {
		return nil, err
	}
	return scenarios.NewSelector(keys, words)
}

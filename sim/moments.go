package sim

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// Going back: to a moment that is kept, or to the start. Snapshots are immutable, so that keeping one costs what has been changed since.
// Time itself never goes back, nor do the versions of snapshots and the numbers of entries.

// Moment is how things stood after a change, which one can go back to as long as it is kept.
type Moment struct {
	Seq     uint64    // of the journal's entry that made it, or with settings the one that tells of it; 0: the start
	Version uint64    // of the snapshot
	At      time.Time // simulated time
}

type moment struct {
	Moment
	snapshot *cluster.Snapshot
	settings soap.Settings
}

const (
	keptMoments = 64
	// keptChanges bounds what the moments that are kept hold on to: a change copies a part of the cluster, which has thousands of them at the most.
	keptChanges = 20_000
)

// moments is those that are kept, oldest first. It is safe for concurrent use; its lock is a leaf.
type moments struct {
	mu   sync.Mutex
	list []moment
	cost []int // changes that made each, which is about what the one before it holds on to
	sum  int   // of all but the first
}

// keep adds a moment that so many changes have made, and lets go of older ones.
func (m *moments) keep(one moment, changes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.list); n > 0 && (one.Seq < m.list[n-1].Seq || one.Version < m.list[n-1].Version) {
		return // another goroutine was faster, and what it kept has this in it
	}
	if n := len(m.list); n > 0 && one.Moment == m.list[n-1].Moment {
		m.list[n-1] = one // settings that were changed without an entry: nobody could say which is meant
		return
	}
	if m.list, m.cost = append(m.list, one), append(m.cost, changes); len(m.list) > 1 {
		m.sum += changes
	}
	for len(m.list) > 1 && (len(m.list) > keptMoments || m.sum > keptChanges) {
		m.list[0] = moment{}
		m.sum -= m.cost[1]
		m.list, m.cost = m.list[1:], m.cost[1:]
	}
}

// snapshot gives the snapshot of a version, as long as it is kept.
func (m *moments) snapshot(version uint64) (*cluster.Snapshot, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.list {
		if m.list[i].Version == version {
			return m.list[i].snapshot, true
		}
	}
	return nil, false
}

// keepMoment keeps how things stand, after an entry of the journal and so many changes.
func (s *Simulator) keepMoment(seq uint64, changes int) {
	snapshot := s.Snapshot()
	s.moments.keep(moment{Moment{Seq: seq, Version: snapshot.Version, At: s.Now()}, snapshot, s.service.Settings()}, changes)
}

// Moments lists the moments that are kept, oldest first: at most 64, and fewer after large changes.
func (s *Simulator) Moments() []Moment {
	s.moments.mu.Lock()
	defer s.moments.mu.Unlock()
	out := make([]Moment, len(s.moments.list))
	for i, m := range s.moments.list {
		out[i] = m.Moment
	}
	return out
}

// GoBack puts the cluster and the settings of the service back as they were at a moment: from then on every answer is the one that was
// given then, but a client that has seen what came after never hears that nothing has changed (rule N3). What Do has put off no
// longer happens; the scenario goes on, as time does; users and impairments stay as they are. It gives the number of its entry in the
// journal. It fails when the moment is not kept any more.
func (s *Simulator) GoBack(to Moment) (seq uint64, err error) {
	s.moments.mu.Lock()
	i := slices.IndexFunc(s.moments.list, func(m moment) bool { return m.Moment == to })
	if i < 0 {
		s.moments.mu.Unlock()
		return 0, fmt.Errorf("the moment of entry %d (version %d) is not kept any more", to.Seq, to.Version)
	}
	m := s.moments.list[i]
	s.moments.mu.Unlock()
	return s.restore(m.snapshot, &m.settings, nil, fmt.Sprintf("to version %d, of %s", m.Version, m.At.UTC().Format(time.TimeOnly)), 0)
}

// restore puts a snapshot in force, and settings and users unless they are nil. differs is in how many places, about, the snapshot shares
// nothing with those of the moments that are kept.
func (s *Simulator) restore(snapshot *cluster.Snapshot, settings *soap.Settings, users []soap.User, detail string, differs int) (seq uint64, err error) {
	s.stopPlays()
	s.setting.Lock()
	defer s.setting.Unlock()
	if users != nil {
		if err := s.service.SetUsers(users); err != nil {
			return 0, err
		}
		s.users = users
	}
	if settings != nil {
		if err := s.service.SetSettings(*settings); err != nil {
			return 0, err
		}
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	s.store.Restore(snapshot)
	present := s.store.Snapshot()
	seq = world{s}.log(scenarios.Event{Action: "restore", Cause: scenarios.Cause{File: "restore", Line: 1, Step: "restore"}, Devices: -1,
		Detail: fmt.Sprintf("%s, as version %d", detail, present.Version)})
	s.keepMoment(seq, differs)
	return seq, nil
}

// Reset puts everything back as it was at the start, or as the scenario of the last Reload says that it was: the cluster, the settings,
// who may log in, who has logged in, what counts for the rate limit, and impairments, of which there are none. The scenario begins
// anew, now; what Do has put off no longer happens. It gives the number of its entry in the journal, which goes on.
func (s *Simulator) Reset() (seq uint64, err error) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	from := s.source.Load()
	o := from.options
	set, err := o.settings()
	if err != nil {
		return 0, err
	}
	store, err := o.storeOf(from)
	if err != nil {
		return 0, errors.Join(errors.New("making the cluster anew"), err)
	}
	s.running.Stop() // so that nothing happens meanwhile
	for _, i := range s.troubles.Active() {
		s.troubles.Lift(i.ID)
	}
	s.service.Forget()
	seq, err = s.restore(store.Snapshot(), &set, slices.Clone(o.Users), "to the start", store.Snapshot().Len())
	s.running.Restart()
	return seq, err
}

// storeOf makes the cluster of a source anew.
func (o Options) storeOf(from *source) (*cluster.Store, error) {
	if from.program == nil {
		return o.readyStore()
	}
	m, err := o.clusterAsWritten(from)
	if err != nil {
		return nil, err
	}
	return m.store(from.program, o.Start)
}

// RestartScenario lets the scenario begin anew, now, also after Finish. What it has done to the cluster stays. It fails when there is none.
func (s *Simulator) RestartScenario() error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if s.Scenario() == nil {
		return errors.New("there is no scenario")
	}
	s.running.Restart()
	return nil
}

// Verdicts tells what has become of the scenario's expectations so far, in the order of the file: what is not decided yet is Inconclusive.
// nil without a scenario.
func (s *Simulator) Verdicts() []scenarios.Verdict {
	if s.Scenario() == nil {
		return nil
	}
	return s.running.Verdicts()
}

// ScenarioNext is when the scenario does something next, and false when it does nothing more.
func (s *Simulator) ScenarioNext() (time.Time, bool) { return s.running.Next() }

package cluster

import (
	"errors"
	"slices"
	"time"
)

// State is a snapshot as plain values, with all that answers are made of: what Snapshot.State gives, FromState makes the
// same snapshot of. Only the nodes' memory of their recent changes is not in it: a query whose marks are older than the
// State counts as RolledOver then (rule N6), one whose marks are of the State itself is Unchanged as before.
type State struct {
	Version       uint64
	Now           int64 // epoch seconds
	History       int   // as in Config; never 0
	Nodes         []NodeInState
	Devices       []Device       // in name order
	Registrations []Registration // in name order of the devices, then in node order; with their StateIDs
	Applications  []Application  // in node order, then by ID; with their StateIDs
}

// NodeInState is a node, how it stands, and how far its subsystems have counted (rule N2).
type NodeInState struct {
	Node
	State               NodeState
	StateID, CtiStateID uint64

	// Used is the greatest StateId, and UsedStart the latest start time, that the node had before it was set back by
	// Store.Restore or restarted; 0 when it never was. What comes next lies after them, so that nothing said before is
	// taken for what is said then.
	Used      uint64
	UsedStart int64
	// Back says that the node was set back, and nothing has changed since: devices, CTI.
	Back, CtiBack bool
}

// State gives the snapshot as plain values.
func (s *Snapshot) State() State {
	st := State{Version: s.Version, Now: s.Now, History: s.history}
	for i := range s.nodes {
		n := &s.nodes[i]
		st.Nodes = append(st.Nodes, NodeInState{n.Node, n.state, n.devices.stateID, n.cti.stateID, n.used, n.usedStart, n.devices.back, n.cti.back})
		for _, a := range n.apps {
			st.Applications = append(st.Applications, *a)
		}
	}
	st.Devices = make([]Device, s.roster.len)
	devices := st.Devices
	for slot := range s.slots() {
		b, i := s.at(slot)
		at, d := b.device(i), &devices[0]
		at.sheet.unpack(at.item, d, nil)
		chain := b.chain(i)
		for k := range chain {
			st.Registrations = append(st.Registrations, Registration{Device: d.Name, Node: s.nodes[chain[k].node].Name})
			b.unpack(i, &chain[k], &st.Registrations[len(st.Registrations)-1].Record, nil)
		}
		devices = devices[1:]
	}
	return st
}

// FromState makes a store whose present snapshot is st. It reports everything that is wrong with st together, as New
// does.
func FromState(st State) (*Store, error) {
	return build(st, newLists(st.Devices, st.Registrations), true)
}

// New makes a cluster as it stands at start. It reports everything wrong with c together: names that are empty or
// used twice, nodes and devices that do not exist, records that break an invariant (see Snapshot.Check).
func New(start time.Time, c Config) (*Store, error) {
	st := State{Version: 1, Now: start.Unix(), History: c.History, Applications: c.Applications}
	if st.History <= 0 {
		st.History = defaultHistory
	}
	for _, n := range c.Nodes {
		st.Nodes = append(st.Nodes, NodeInState{Node: n})
	}
	if c.Population != nil {
		if len(c.Devices)+len(c.Registrations) > 0 {
			return nil, errors.New("a population and lists of devices or registrations; expected one or the other")
		}
		return build(st, c.Population, false)
	}
	return build(st, newLists(c.Devices, c.Registrations), false)
}

// Restore puts a snapshot in force again, of this store or of another one. Its records, StateIds and start times are as
// they were, and so is the time; only the Version is a new one, for it never goes back.
//
// The StateIds that follow lie after all that the store has ever given, and an answer from what is undone counts as
// RolledOver: a client that has seen it never hears that nothing has changed (rule N3).
func (s *Store) Restore(old *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	present := s.Snapshot()
	next := *old
	next.Version = present.Version + 1
	next.nodes = slices.Clone(old.nodes)
	for i := range next.nodes {
		n := &next.nodes[i]
		was := n
		if k, ok := present.node(string(n.Name)); ok {
			was = &present.nodes[k]
		}
		n.usedStart = max(n.usedStart, n.Started, n.CtiStarted, was.usedStart, was.Started, was.CtiStarted)
		n.used = max(n.used, n.devices.stateID, n.cti.stateID, was.used, was.devices.stateID, was.cti.stateID)
		n.devices.setBack()
		n.cti.setBack()
	}
	next.fresh = fresh{slices.Clip(old.fresh.numbers), slices.Clip(old.fresh.addrs)} // as in subsystem.setBack
	s.present.Store(&next)
}

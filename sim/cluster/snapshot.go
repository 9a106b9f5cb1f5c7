package cluster

import (
	"iter"
	"slices"
	"sort"
	"strings"
)

// Snapshot is the whole cluster at one moment. It never changes: a request reads one snapshot and nothing else, and
// any number of goroutines may read it.
type Snapshot struct {
	Version uint64 // rises by one with every Apply; 1 for a new cluster
	Now     int64  // epoch seconds of the Apply that made it

	history int // changes that each subsystem of a node remembers, at least

	nodes  []nodeView
	roster *roster
	pages  []*page // by slot
	index  *index
	dirty  []int32 // slots whose lines or addresses may differ from what index knows
}

// nodeView is one node in one snapshot.
type nodeView struct {
	Node
	state      NodeState
	devices    subsystem[deviceChange]
	cti        subsystem[appChange]
	collated   uint64         // a device StateId: collated answers from before it count as changed
	registered int            // records with Status Registered
	records    int            // records
	apps       []*Application // by ID
	used       uint64         // see NodeInState.Used and UsedStart
	usedStart  int64
}

// roster is who exists, in name order. A device's position is its slot. Devices are added and removed rarely; the
// roster is then made anew.
type roster struct {
	devices []*Device
}

const pageSize = 256

type page [pageSize]*held

// held is a node's record in a device's chain of records, which is in node order.
type held struct {
	Record
	node int
	next *held
}

// find gives the slot of a folded name, or where it would be.
func (r *roster) find(key string) (int, bool) {
	return sort.Find(len(r.devices), func(i int) int { return strings.Compare(key, r.devices[i].key) })
}

// prefixRange gives the slots whose folded names begin with prefix.
func (r *roster) prefixRange(prefix string) (lo, hi int) {
	lo, _ = r.find(prefix)
	n := sort.Search(len(r.devices)-lo, func(i int) bool { return !strings.HasPrefix(r.devices[lo+i].key, prefix) })
	return lo, lo + n
}

// records gives the chain of a slot.
func (s *Snapshot) chain(slot int) *held {
	if p := s.pages[slot/pageSize]; p != nil {
		return p[slot%pageSize]
	}
	return nil
}

func (h *held) on(node int) *held {
	for ; h != nil; h = h.next {
		if h.node == node {
			return h
		}
	}
	return nil
}

// newest finds the record of the latest registration among nodes that answer: the newest TimeStamp; on a tie
// Registered wins, then node order (rule R2).
func (s *Snapshot) newest(h *held) *held {
	var best *held
	for ; h != nil; h = h.next {
		if s.nodes[h.node].state != Up {
			continue
		}
		if best == nil || h.TimeStamp > best.TimeStamp ||
			h.TimeStamp == best.TimeStamp && h.Status == Registered && best.Status != Registered {
			best = h
		}
	}
	return best
}

// NodeInfo is a node and how it stands.
type NodeInfo struct {
	Node
	State               NodeState
	StateID, CtiStateID uint64
	Records, Registered int // records it keeps, and those that are Registered
	Applications        int
}

// Nodes lists the nodes, publisher first, then in configured order (rule R3).
func (s *Snapshot) Nodes() []NodeInfo {
	out := make([]NodeInfo, len(s.nodes))
	for i := range s.nodes {
		n := &s.nodes[i]
		out[i] = NodeInfo{n.Node, n.state, n.devices.stateID, n.cti.stateID, n.records, n.registered, len(n.apps)}
	}
	return out
}

// Len is the number of devices.
func (s *Snapshot) Len() int { return len(s.roster.devices) }

// Device finds a device by name, ignoring case.
func (s *Snapshot) Device(name DeviceName) (*Device, bool) {
	slot, ok := s.roster.find(fold(string(name)))
	if !ok {
		return nil, false
	}
	return s.roster.devices[slot], true
}

// At gives the device at a place in name order, from 0 to Len()-1.
func (s *Snapshot) At(place int) *Device { return s.roster.devices[place] }

// Roster stands for who exists and how it is configured: while nobody is added, removed or configured anew, the snapshots
// of a store have equal ones. It keeps no snapshot alive.
type Roster struct{ of *roster }

// Roster is the one of this snapshot. The zero Roster is no snapshot's.
func (s *Snapshot) Roster() Roster { return Roster{s.roster} }

// Devices goes through all devices in name order.
func (s *Snapshot) Devices() iter.Seq[*Device] { return slices.Values(s.roster.devices) }

// NodeRecord is a record and the node that keeps it.
type NodeRecord struct {
	Node   NodeName
	Record *Record
}

// Records lists the records that nodes keep of a device, in node order, whether or not the node answers at present;
// none when no node knows it (rule R6) or there is no such device.
func (s *Snapshot) Records(name DeviceName) []NodeRecord {
	slot, ok := s.roster.find(fold(string(name)))
	if !ok {
		return nil
	}
	var out []NodeRecord
	for h := s.chain(slot); h != nil; h = h.next {
		out = append(out, NodeRecord{s.nodes[h.node].Name, &h.Record})
	}
	return out
}

// Applications lists the application connections of all nodes: in node order, then by ID.
func (s *Snapshot) Applications() []*Application {
	var out []*Application
	for i := range s.nodes {
		out = append(out, s.nodes[i].apps...)
	}
	return out
}

// node finds a node by name, ignoring case, or by address (rule Q8).
func (s *Snapshot) node(text string) (int, bool) {
	key := fold(text)
	for i := range s.nodes {
		n := &s.nodes[i]
		if fold(string(n.Name)) == key || isAddr(n.Address, text) || isAddr(n.Address6, text) {
			return i, true
		}
	}
	return 0, false
}

// aheadAtMost is how many seconds a time stamp may be ahead of the clock, by moves within one second.
const aheadAtMost = 60

// Check verifies what must hold in every snapshot and reports all that does not: slots in name order, lines and
// Registered counts that agree, Registered with reason 0 (rule R8), lines without PartiallyRegistered (rule R7), a
// PartiallyRegistered record with lines of both kinds (rule V1), StateIds within the node's. Tests call it after every
// change.
func (s *Snapshot) Check() error {
	var c complaints
	for slot, d := range s.roster.devices {
		if slot > 0 && s.roster.devices[slot-1].key >= d.key {
			c.add("device %q is out of name order", d.Name)
		}
		last := -1
		for h := s.chain(slot); h != nil; h = h.next {
			n := &s.nodes[h.node]
			if h.node <= last {
				c.add("device %q: records out of node order", d.Name)
			}
			last = h.node
			checkRecord(&c, d.Name, n.Name, &h.Record)
			if h.StateID == 0 || h.StateID > n.devices.stateID {
				c.add("device %q: StateId %d is not within node %q's %d", d.Name, h.StateID, n.Name, n.devices.stateID)
			}
			if h.TimeStamp > s.Now+aheadAtMost {
				c.add("device %q: time stamp %d lies after now, %d", d.Name, h.TimeStamp, s.Now)
			}
		}
	}
	for i := range s.nodes {
		n := &s.nodes[i]
		records, registered := 0, 0
		for slot := range s.roster.devices {
			if h := s.chain(slot).on(i); h != nil {
				records++
				if h.Status == Registered {
					registered++
				}
			}
		}
		if records != n.records || registered != n.registered {
			c.add("node %q counts %d records and %d registered, but has %d and %d", n.Name, n.records, n.registered, records, registered)
		}
		for _, a := range n.apps {
			if a.StateID == 0 || a.StateID > n.cti.stateID {
				c.add("application %q: StateId %d is not within the node's %d", a.ID(), a.StateID, n.cti.stateID)
			}
		}
	}
	return c.err()
}

package cluster

import (
	"cmp"
	"encoding/binary"
	"iter"
	"sort"
	"strings"
	"sync"
)

// Snapshot is the whole cluster at one moment. It never changes: a request reads one snapshot and nothing else, and
// any number of goroutines may read it.
type Snapshot struct {
	Version uint64 // rises by one with every Apply; 1 for a new cluster
	Now     int64  // epoch seconds of the Apply that made it

	history int // changes that each subsystem of a node remembers, at least

	nodes  []nodeView
	blocks []*block // none of them empty, in name order
	roster *roster
	index  *index
	fresh  fresh // what index does not know
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

// roster is where the blocks begin. It is shared by snapshots until a device is added, removed or configured anew.
type roster struct {
	firsts []string // the first key of each block
	heads  []head   // of firsts
	len    int      // devices

	once   sync.Once
	starts []int // how many devices come before each block; made when somebody asks for it
}

// head is the first bytes of a key, so that most keys are compared without looking at them.
type head struct{ hi, lo uint64 }

func headOf[T string | []byte](key T) head {
	var b [16]byte
	copy(b[:], key)
	return head{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

// compare compares keys by their first bytes.
func (h head) compare(o head) int {
	if h.hi != o.hi {
		return cmp.Compare(h.hi, o.hi)
	}
	return cmp.Compare(h.lo, o.lo)
}

func (r *roster) add(first string, n int) {
	r.firsts, r.heads = append(r.firsts, first), append(r.heads, headOf(first))
	r.len += n
}

// with is a roster of the same blocks with some devices more.
func (r *roster) with(more int) *roster {
	return &roster{firsts: r.firsts, heads: r.heads, len: r.len + more}
}

// block gives the number of the block to which a folded name belongs, -1 when there are no blocks.
func (r *roster) block(key string) int {
	h := headOf(key)
	lo, hi := 0, len(r.heads)
	for lo < hi { // the first that begins after key
		mid := (lo + hi) / 2
		if order := r.heads[mid].compare(h); order < 0 || order == 0 && r.firsts[mid] <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return max(lo-1, min(0, len(r.firsts)-1))
}

// A device is known within a snapshot by its slot: the number of its block, and its place in that. Slots are in name order;
// adding or removing devices changes those of others.
func slotOf(block, i int) int { return block*blockSize + i }

// at gives the block of a slot, and the place in it.
func (s *Snapshot) at(slot int) (*block, int) { return s.blocks[slot/blockSize], slot % blockSize }

// find gives the slot of a folded name.
func (s *Snapshot) find(key string) (int, bool) {
	n := s.roster.block(key)
	if n < 0 {
		return 0, false
	}
	i, ok := s.blocks[n].find(key)
	return slotOf(n, i), ok
}

// prefixRange gives the slots whose folded names begin with prefix.
func (s *Snapshot) prefixRange(prefix string) span {
	n := s.roster.block(prefix)
	if n < 0 {
		return span{}
	}
	after := func(key string) bool { return key > prefix && !strings.HasPrefix(key, prefix) }
	last := n + sort.Search(len(s.roster.firsts)-1-n, func(k int) bool { return after(s.roster.firsts[n+1+k]) })
	lo := s.blocks[n].from(prefix)
	b := s.blocks[last]
	hi := sort.Search(b.len(), func(i int) bool { return after(b.key(i)) })
	return span{slotOf(n, lo), slotOf(last, hi)}
}

// chain gives the records of a slot, in node order.
func (s *Snapshot) chain(slot int) []rec {
	b, i := s.at(slot)
	return b.chain(i)
}

// name is the name of a slot's device.
func (s *Snapshot) name(slot int) DeviceName {
	d := s.deviceAt(slot)
	return d.sheet.name(d.item)
}

// on finds the record of a node in a chain, nil when there is none.
func on(chain []rec, node int) *rec {
	for i := range chain {
		if int(chain[i].node) == node {
			return &chain[i]
		}
	}
	return nil
}

// newest finds the record of the latest registration among nodes that answer: the newest TimeStamp; on a tie
// Registered wins, then node order (rule R2). It is -1 when there is none.
func (s *Snapshot) newest(chain []rec) int {
	best := -1
	for i := range chain {
		if s.nodes[chain[i].node].state == Up && (best < 0 || chain[i].later(&chain[best])) {
			best = i
		}
	}
	return best
}

// later says that r is of a later registration than another record, which comes before it in node order.
func (r *rec) later(than *rec) bool {
	return r.stamp > than.stamp || r.stamp == than.stamp && r.status == Registered && than.status != Registered
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
func (s *Snapshot) Len() int { return s.roster.len }

// Device finds a device by name, ignoring case. It is a copy.
func (s *Snapshot) Device(name DeviceName) (*Device, bool) {
	slot, ok := s.find(fold(string(name)))
	if !ok {
		return nil, false
	}
	at, d := s.deviceAt(slot), new(Device)
	at.sheet.unpack(at.item, d, nil)
	return d, true
}

// At gives the device at a place in name order, from 0 to Len()-1. It is a copy.
func (s *Snapshot) At(place int) *Device {
	starts := s.starts()
	n := sort.SearchInts(starts, place+1) - 1
	at, d := s.blocks[n].device(place-starts[n]), new(Device)
	at.sheet.unpack(at.item, d, nil)
	return d
}

// starts gives how many devices come before each block.
func (s *Snapshot) starts() []int {
	r := s.roster
	r.once.Do(func() {
		sum := 0
		for _, b := range s.blocks {
			r.starts = append(r.starts, sum)
			sum += b.len()
		}
	})
	return r.starts
}

// Roster stands for who exists and how it is configured: while nobody is added, removed or configured anew, the snapshots
// of a store have equal ones. It keeps no snapshot alive.
type Roster struct{ of *roster }

// Roster is the one of this snapshot. The zero Roster is no snapshot's.
func (s *Snapshot) Roster() Roster { return Roster{s.roster} }

// deviceAt gives the device of a slot as it is written down.
func (s *Snapshot) deviceAt(slot int) device {
	b, i := s.at(slot)
	return b.device(i)
}

// Devices goes through all devices in name order. Each is good until the next one comes: who keeps it copies it, with its
// Lines.
func (s *Snapshot) Devices() iter.Seq[*Device] {
	return func(yield func(*Device) bool) {
		var d Device
		var lines []string
		for slot := range s.slots() {
			at := s.deviceAt(slot)
			at.sheet.unpack(at.item, &d, lines[:0])
			if cap(d.Lines) > cap(lines) {
				lines = d.Lines
			}
			if !yield(&d) {
				return
			}
		}
	}
}

// slots goes through all slots.
func (s *Snapshot) slots() iter.Seq[int] {
	return func(yield func(int) bool) {
		for n, b := range s.blocks {
			for i := range b.len() {
				if !yield(slotOf(n, i)) {
					return
				}
			}
		}
	}
}

// NodeRecord is a record and the node that keeps it.
type NodeRecord struct {
	Node   NodeName
	Record *Record
}

// Records lists the records that nodes keep of a device, in node order, whether or not the node answers at present;
// none when no node knows it (rule R6) or there is no such device. They are copies.
func (s *Snapshot) Records(name DeviceName) []NodeRecord {
	slot, ok := s.find(fold(string(name)))
	if !ok {
		return nil
	}
	b, i := s.at(slot)
	chain := b.chain(i)
	if len(chain) == 0 {
		return nil
	}
	out, records := make([]NodeRecord, len(chain)), make([]Record, len(chain))
	for k := range chain {
		b.unpack(i, &chain[k], &records[k], nil)
		out[k] = NodeRecord{s.nodes[chain[k].node].Name, &records[k]}
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
	for i := range s.nodes {
		n := &s.nodes[i]
		if sameFold(string(n.Name), text) || isAddr(n.Address, text) || isAddr(n.Address6, text) {
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
	records, registered := make([]int, len(s.nodes)), make([]int, len(s.nodes))
	before, devices := "", 0
	for n, b := range s.blocks {
		if b.len() == 0 || b.len() > blockSize || s.roster.firsts[n] != b.key(0) {
			c.add("block %d of %d devices begins with %q", n, b.len(), s.roster.firsts[n])
		}
		for i := range b.len() {
			name := s.name(slotOf(n, i))
			if key := b.key(i); devices > 0 && before >= key {
				c.add("device %q is out of name order", name)
			} else {
				before = key
			}
			devices++
			last := -1
			for k := range b.chain(i) {
				p := &b.chain(i)[k]
				var r Record
				b.unpack(i, p, &r, nil)
				n := &s.nodes[p.node]
				if int(p.node) <= last {
					c.add("device %q: records out of node order", name)
				}
				last = int(p.node)
				records[last]++
				registered[last] += btoi(r.Status == Registered)
				checkRecord(&c, name, n.Name, &r)
				if r.StateID == 0 || r.StateID > n.devices.stateID {
					c.add("device %q: StateId %d is not within node %q's %d", name, r.StateID, n.Name, n.devices.stateID)
				}
				if r.TimeStamp > s.Now+aheadAtMost {
					c.add("device %q: time stamp %d lies after now, %d", name, r.TimeStamp, s.Now)
				}
				if packed := Status(b.statuses[b.start(i)+k]); p.status != r.Status || packed != r.Status {
					c.add("device %q is packed as %s and %s, but is %s", name, p.status, packed, r.Status)
				}
			}
		}
	}
	if devices != s.roster.len {
		c.add("%d devices are counted, but there are %d", s.roster.len, devices)
	}
	for i := range s.nodes {
		n := &s.nodes[i]
		if records[i] != n.records || registered[i] != n.registered {
			c.add("node %q counts %d records and %d registered, but has %d and %d", n.Name, n.records, n.registered, records[i], registered[i])
		}
		for _, a := range n.apps {
			if a.StateID == 0 || a.StateID > n.cti.stateID {
				c.add("application %q: StateId %d is not within the node's %d", a.ID(), a.StateID, n.cti.stateID)
			}
		}
	}
	return c.err()
}

package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config is all that exists when a cluster starts. New checks it whole.
type Config struct {
	Nodes         []Node // in configured order; the publisher is moved to the front
	Devices       []Device
	Registrations []Registration
	Applications  []Application
	History       int // changes remembered per node and subsystem for NoChange (rule N6); 0 means 65,536
}

const defaultHistory = 65536

// Store holds a cluster's present Snapshot. It is safe for concurrent use: readers take a snapshot with one atomic
// load and never wait; writers are put in line by Apply.
type Store struct {
	mu      sync.Mutex // held while a change is made
	present atomic.Pointer[Snapshot]
	history int
}

// Snapshot gives the present state.
func (s *Store) Snapshot() *Snapshot { return s.present.Load() }

// Change is something that happens to a cluster. The types of this package whose names are verbs are all there are.
type Change interface{ apply(*tx) error }

// Apply makes all changes, in order, at the given time and publishes the next snapshot. When any of them is
// impossible (an unknown device or node, a record that breaks an invariant) nothing at all happens, and the error
// tells of every one. Time stamps never go back: a now before the present snapshot's counts as that one's.
func (s *Store) Apply(now time.Time, changes ...Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := begin(s.Snapshot(), now.Unix(), s.history)
	var c complaints
	for i, change := range changes {
		if change == nil {
			c.add("change %d is nil", i+1)
			continue
		}
		if err := change.apply(t); err != nil {
			c.add("%w", err)
		}
	}
	if err := c.err(); err != nil {
		return err
	}
	s.present.Store(t.end())
	return nil
}

// New makes a cluster as it stands at start. It reports everything wrong with c together: names that are empty or
// used twice, nodes and devices that do not exist, records that break an invariant (see Snapshot.Check).
func New(start time.Time, c Config) (*Store, error) {
	var bad complaints
	store := &Store{history: c.History}
	if store.history <= 0 {
		store.history = defaultHistory
	}
	s := &Snapshot{Version: 1, Now: start.Unix(), roster: &roster{}, index: &index{}}
	s.nodes = newNodes(c.Nodes, s.Now, &bad)
	if len(s.nodes) == 0 {
		bad.add("a cluster needs at least one node")
	}
	t := &tx{s: s, now: s.Now, history: store.history}

	devices := make([]*Device, 0, len(c.Devices))
	for i := range c.Devices {
		d := c.Devices[i]
		if err := t.checkDevice(&d); err != nil {
			bad.add("%w", err)
		}
		devices = append(devices, &d)
	}
	slices.SortStableFunc(devices, func(a, b *Device) int { return cmp.Compare(a.key, b.key) })
	for i := 1; i < len(devices); i++ {
		if devices[i].key == devices[i-1].key {
			bad.add("device %q: there is already a device of this name", devices[i].Name)
		}
	}
	s.roster.devices = devices
	s.pages = make([]*page, (len(devices)+pageSize-1)/pageSize)

	t.placeAll(c.Registrations, &bad)
	connections := map[string]bool{}
	for i := range c.Applications {
		a := &c.Applications[i]
		if key := fold(string(a.Node)) + "/" + a.ID(); connections[key] {
			bad.add("application %q is on node %q twice", a.ID(), a.Node)
		} else {
			connections[key] = true
		}
		if err := t.putApplication(c.Applications[i]); err != nil {
			bad.add("%w", err)
		}
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	for i := range s.nodes {
		n := &s.nodes[i]
		n.devices.forget()
		n.cti.forget()
	}
	store.present.Store(s)
	return store, nil
}

func newNodes(nodes []Node, now int64, bad *complaints) []nodeView {
	var out []nodeView
	publishers := 0
	for i, n := range nodes {
		where := fmt.Sprintf("node %q", n.Name)
		if n.Name == "" {
			bad.add("node %d of the configuration has no name", i+1)
		}
		for _, other := range nodes[:i] {
			if fold(string(other.Name)) == fold(string(n.Name)) {
				bad.add("%s: there is already a node of this name", where)
			}
			if sameAddr(n.Address, other.Address) || sameAddr(n.Address6, other.Address6) {
				bad.add("%s: node %q has the same address", where, other.Name)
			}
		}
		if n.Started != 0 && n.Started == n.CtiStarted {
			bad.add("%s: both subsystems started at %d; their start times differ (rule N2)", where, n.Started)
		}
		if n.Started == 0 {
			n.Started = now - 86400
		}
		if n.CtiStarted == 0 {
			n.CtiStarted = n.Started - 182 // as far apart as in Cisco's samples
		}
		if n.Publisher {
			publishers++
		}
		out = append(out, nodeView{Node: n})
	}
	if publishers > 1 {
		bad.add("%d nodes are publishers; a cluster has at most one", publishers)
	}
	slices.SortStableFunc(out, func(a, b nodeView) int { return btoi(b.Publisher) - btoi(a.Publisher) })
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func sameAddr(a, b netip.Addr) bool { return a.IsValid() && a == b }

func isAddr(a netip.Addr, text string) bool {
	if !a.IsValid() {
		return false
	}
	b, err := netip.ParseAddr(text)
	return err == nil && b.Unmap() == a
}

// complaints collects everything that is wrong.
type complaints struct{ errs []error }

func (c *complaints) add(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

func (c *complaints) err() error {
	const most = 40
	if more := len(c.errs) - most; more > 0 {
		c.errs = append(c.errs[:most:most], fmt.Errorf("and %d more", more))
	}
	return errors.Join(c.errs...)
}

package cluster

import (
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
	Population    Population // devices and their registrations in place of those lists, for large clusters; nil for none
	Applications  []Application
	History       int // changes remembered per node and subsystem for NoChange (rule N6); 0 means 65,536
}

const defaultHistory = 65536

// Store holds a cluster's present Snapshot. It is safe for concurrent use: readers take a snapshot with one atomic
// load and never wait; writers are put in line by Apply.
type Store struct {
	mu      sync.Mutex // held while a change is made
	present atomic.Pointer[Snapshot]
	kit     *kit // used while mu is held
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
	s.kit.forget()
	t := begin(s.Snapshot(), now.Unix(), s.kit)
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

// build makes a store of a state, whose devices and registrations p has. With exact, StateIds are as the state says;
// otherwise they begin here.
func build(st State, p Population, exact bool) (*Store, error) {
	var bad complaints
	s := &Snapshot{Version: st.Version, Now: st.Now, history: st.History, roster: &roster{}, index: &index{}}
	s.nodes = newNodes(st.Nodes, s.Now, &bad)
	if len(s.nodes) == 0 {
		bad.add("a cluster needs at least one node")
	}
	if len(s.nodes) > maxNodes {
		bad.add("%d nodes; a cluster has at most %d", len(s.nodes), maxNodes)
	}
	if s.Version == 0 || s.history <= 0 {
		bad.add("version %d and a history of %d; expected at least 1 of both", s.Version, s.history)
	}
	t := &tx{s: s, now: s.Now}
	b := builder{t: t, commons: new(commons)}
	if l, ok := p.(*lists); ok {
		for _, i := range l.strays() {
			b.strays.add("registration %d: device %q is not in the cluster", i+1, l.registrations[i].Device)
		}
	}
	s.blocks = b.blocks(p, &bad)
	t.count(exact, &bad)
	connections := map[string]bool{}
	for i := range st.Applications {
		a := st.Applications[i]
		if key := fold(string(a.Node)) + "/" + a.ID(); connections[key] {
			bad.add("application %q is on node %q twice", a.ID(), a.Node)
		} else {
			connections[key] = true
		}
		if err := t.placeApplication(a, exact); err != nil {
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
	store := &Store{kit: &kit{commons: b.commons}}
	store.present.Store(s)
	return store, nil
}

func newNodes(nodes []NodeInState, now int64, bad *complaints) []nodeView {
	var out []nodeView
	publishers := 0
	for i, n := range nodes {
		where := fmt.Sprintf("node %q", n.Name)
		if n.Name == "" {
			bad.add("node %d of the configuration has no name", i+1)
		}
		for _, other := range nodes[:i] {
			if sameFold(string(other.Name), string(n.Name)) {
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
		v := nodeView{Node: n.Node, state: n.State, used: n.Used, usedStart: n.UsedStart}
		v.devices.stateID, v.devices.back = n.StateID, n.Back
		v.cti.stateID, v.cti.back = n.CtiStateID, n.CtiBack
		if n.State > Broken {
			bad.add("%s: %d is not a node state", where, n.State)
		}
		out = append(out, v)
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

// join adds what another one has collected.
func (c *complaints) join(o *complaints) { c.errs = append(c.errs, o.errs...) }

func (c *complaints) err() error {
	const most = 40
	if more := len(c.errs) - most; more > 0 {
		c.errs = append(c.errs[:most:most], fmt.Errorf("and %d more", more))
	}
	return errors.Join(c.errs...)
}

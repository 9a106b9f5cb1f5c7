package cluster

import (
	"cmp"
	"fmt"
	"slices"
)

// AddDevices configures new devices, and gives them the records that the registrations say.
type AddDevices struct {
	Devices       []Device
	Registrations []Registration
}

func (a AddDevices) apply(t *tx) error {
	var c complaints
	fresh := make([]*Device, 0, len(a.Devices))
	for i := range a.Devices {
		d := a.Devices[i]
		if err := t.checkDevice(&d); err != nil {
			c.add("%w", err)
		}
		if _, known := t.s.roster.find(d.key); known {
			c.add("device %q: there is already a device of this name", d.Name)
		}
		fresh = append(fresh, &d)
	}
	slices.SortFunc(fresh, func(a, b *Device) int { return cmp.Compare(a.key, b.key) })
	for i := 1; i < len(fresh); i++ {
		if fresh[i].key == fresh[i-1].key {
			c.add("device %q is added twice", fresh[i].Name)
		}
	}
	if err := c.err(); err != nil {
		return err
	}
	t.reroster(fresh, nil)
	for i := range a.Registrations {
		if err := (SetRecord{a.Registrations[i]}).apply(t); err != nil {
			c.add("%w", err)
		}
	}
	return c.err()
}

// RemoveDevices takes devices out of the configuration; their records go with them.
type RemoveDevices struct{ Names []DeviceName }

func (r RemoveDevices) apply(t *tx) error {
	var c complaints
	gone := map[string]bool{}
	for _, name := range r.Names {
		slot, err := t.slot(name)
		if err != nil {
			c.add("%w", err)
			continue
		}
		for h := t.s.chain(slot); h != nil; h = h.next {
			t.set(slot, h.node, nil)
		}
		gone[fold(string(name))] = true
	}
	if len(gone) > 0 {
		t.reroster(nil, gone)
	}
	return c.err()
}

// Configure changes what the configuration knows of a device: its description, model, lines and so on. The device
// keeps its name and its records; each node that has a record of it counts that as changed.
type Configure struct{ Device Device }

func (c Configure) apply(t *tx) error {
	d := c.Device
	slot, err := t.slot(d.Name)
	if err != nil {
		return err
	}
	if err := t.checkDevice(&d); err != nil {
		return err
	}
	for h := t.s.chain(slot); h != nil; h = h.next {
		r := h.Record
		t.set(slot, h.node, &r)
	}
	devices := slices.Clone(t.s.roster.devices)
	devices[slot] = &d
	t.s.roster = &roster{devices}
	return nil
}

// reroster makes the roster anew with devices added, in name order, or taken out.
func (t *tx) reroster(fresh []*Device, gone map[string]bool) {
	s := t.s
	old := s.roster.devices
	devices := make([]*Device, 0, len(old)+len(fresh))
	pages := make([]*page, (len(old)+len(fresh)-len(gone)+pageSize-1)/pageSize)
	put := func(d *Device, chain *held) {
		slot := len(devices)
		devices = append(devices, d)
		if chain == nil {
			return
		}
		p := pages[slot/pageSize]
		if p == nil {
			p = new(page)
			pages[slot/pageSize] = p
		}
		p[slot%pageSize] = chain
	}
	for slot, d := range old {
		for len(fresh) > 0 && fresh[0].key < d.key {
			put(fresh[0], nil)
			fresh = fresh[1:]
		}
		if !gone[d.key] {
			put(d, s.chain(slot))
		}
	}
	for _, d := range fresh {
		put(d, nil)
	}
	s.roster, s.pages = &roster{devices}, pages
	t.owned = nil // every page is new
	t.newIdx = true
}

// SetRecord gives a node a record of a device, in place of the one that it has if any. A TimeStamp of 0 means now.
// Most callers want a verb such as Register instead.
type SetRecord struct{ Registration }

func (c SetRecord) apply(t *tx) error {
	slot, err := t.slot(c.Device)
	if err != nil {
		return err
	}
	node, err := t.node(c.Node)
	if err != nil {
		return fmt.Errorf("device %q: %w", c.Device, err)
	}
	r := c.Record
	if r.TimeStamp == 0 {
		r.TimeStamp = t.now
	}
	if r.TimeStamp > t.now {
		return fmt.Errorf("device %q on node %q: time stamp %d lies after now, %d", c.Device, c.Node, r.TimeStamp, t.now)
	}
	return t.put(slot, node, r)
}

// DropRecord makes a node forget a device.
type DropRecord struct {
	Device DeviceName
	Node   NodeName // empty: the node of the latest record
}

func (c DropRecord) apply(t *tx) error {
	slot, h, err := t.latest(c.Device, c.Node)
	if err != nil {
		return err
	}
	t.set(slot, h.node, nil)
	return nil
}

// SetNodeState makes a node answer or not (rule R5). Its records stay: they are back when it is Up again.
type SetNodeState struct {
	Node  NodeName
	State NodeState
}

func (c SetNodeState) apply(t *tx) error {
	node, err := t.node(c.Node)
	if err != nil {
		return err
	}
	if c.State > Broken {
		return fmt.Errorf("node %q: %d is not a node state", c.Node, c.State)
	}
	n := &t.s.nodes[node]
	answered := n.state == Up
	if n.state = c.State; answered != (n.state == Up) {
		t.collateAnew()
	}
	return nil
}

// RestartRIS restarts a node's RIS: it forgets all devices and applications, and both subsystems have a new start
// time and count StateIds from the beginning (rule V5).
type RestartRIS struct{ Node NodeName }

func (c RestartRIS) apply(t *tx) error {
	node, err := t.node(c.Node)
	if err != nil {
		return err
	}
	s := t.s
	for slot := range s.roster.devices {
		chain := s.chain(slot)
		if chain.on(node) != nil {
			t.writablePage(slot)[slot%pageSize] = relink(chain, node, nil)
		}
	}
	n := &s.nodes[node]
	n.records, n.registered, n.apps = 0, 0, nil
	// Never the same start time twice, also when two restarts fall on one second, nor the same for both (rule N2).
	n.used = max(n.used, n.devices.stateID, n.cti.stateID)
	n.usedStart = max(n.usedStart, n.CtiStarted, n.Started)
	n.CtiStarted = max(t.now, n.usedStart+1)
	n.Started = n.CtiStarted + 1
	n.devices, n.cti = subsystem[deviceChange]{}, subsystem[appChange]{}
	t.collateAnew()
	return nil
}

// SetApplication makes a the state of its connection, new or known. The connection is known by its node and ID; a
// TimeStamp of 0 anywhere in it means now.
type SetApplication struct{ Application }

func (c SetApplication) apply(t *tx) error {
	a := c.Application
	now := func(ts *int64) {
		if *ts == 0 {
			*ts = t.now
		}
	}
	now(&a.TimeStamp)
	a.Devices = slices.Clone(a.Devices)
	for i := range a.Devices {
		d := &a.Devices[i]
		now(&d.TimeStamp)
		d.Lines = slices.Clone(d.Lines)
		for k := range d.Lines {
			now(&d.Lines[k].TimeStamp)
		}
	}
	return t.putApplication(a)
}

// DropApplication makes a node forget a connection, by its ID.
type DropApplication struct {
	Node NodeName
	ID   string
}

func (c DropApplication) apply(t *tx) error {
	node, err := t.node(c.Node)
	if err != nil {
		return fmt.Errorf("application %q: %w", c.ID, err)
	}
	return t.dropApplication(node, c.ID)
}

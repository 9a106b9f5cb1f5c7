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
		if _, known := t.s.find(d.key); known {
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
	t.add(fresh)
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
	gone := map[int]bool{} // slots
	for _, name := range r.Names {
		slot, err := t.slot(name)
		if err != nil {
			c.add("%w", err)
			continue
		}
		for chain := t.s.chain(slot); len(chain) > 0; chain = t.s.chain(slot) {
			t.set(slot, int(chain[0].node), nil)
		}
		gone[slot] = true
	}
	t.remove(gone)
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
	var w sheetWriter
	w.device(&d, t.kit)
	is := device{w.sheet(), 0}
	nodes := len(t.s.chain(slot))
	for k := range nodes {
		b, i := t.s.at(slot)
		r := &b.chain(i)[k]
		node, record := int(r.node), Record{}
		b.unpack(i, r, &record, nil)
		t.change(slot, node, &record, is)
	}
	n := slot / blockSize
	entries := t.s.blocks[n].entries()
	entries[slot%blockSize].device = is
	t.own(n, newBlock(entries, false))
	t.s.roster = t.s.roster.with(0)
	return nil
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
	for k, b := range t.s.blocks {
		if b.knows(node) {
			b, _ = t.writable(slotOf(k, 0))
			b.forget(node)
		}
	}
	n := &t.s.nodes[node]
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

package cluster

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// tx is one Apply in the making: the next snapshot, sharing with the present one whatever it has not touched.
// All changes to records go through set, all changes to applications through putApplication and dropApplication;
// these raise StateIds and write the history that NoChange reads.
type tx struct {
	s     *Snapshot
	now   int64
	owner *owner // of the blocks that this Apply has made: no snapshot shares them yet
	kit   *kit
}

// owner stands for one Apply.
type owner struct{ _ byte }

func begin(base *Snapshot, now int64, k *kit) *tx {
	next := *base
	next.Version++
	next.Now = max(base.Now, now)
	next.nodes = slices.Clone(base.nodes)
	next.blocks = slices.Clone(base.blocks)
	return &tx{s: &next, now: next.Now, owner: new(owner), kit: k}
}

func (t *tx) end() *Snapshot {
	s := t.s
	if !s.index.built.Load() || len(s.fresh.numbers)+len(s.fresh.addrs) > max(1024, s.roster.len/64) {
		s.index, s.fresh = &index{}, fresh{}
	}
	return s
}

// subsystem is the counter and the history of one RIS subsystem on one node. Snapshots share the arrays of the history:
// they are only ever appended to.
type subsystem[C any] struct {
	stateID uint64
	lost    uint64        // changes up to this StateId are no longer in the history
	full    [][]logged[C] // the history, in chapters of equal length
	last    []logged[C]   // its last chapter, unfinished
	back    bool          // it was set back: the next StateId lies after all that the node has used
	undone  []gap         // StateIds that were given in what has been undone, in order
}

// chapter is how many changes are forgotten at a time.
const chapter = 256

type logged[C any] struct {
	id   uint64
	what C
}

// gap is the StateIds after one and up to another.
type gap struct{ after, upTo uint64 }

// raise counts a change and remembers it; used is the node's.
func (u *subsystem[C]) raise(what C, used uint64, history int) uint64 {
	u.step(used)
	if len(u.last) == chapter {
		u.full, u.last = append(u.full, u.last), nil
		for len(u.full) > 1 && (len(u.full)-1)*chapter >= history {
			u.lost = u.full[0][chapter-1].id
			u.full = u.full[1:]
			u.undone = slices.DeleteFunc(slices.Clone(u.undone), func(g gap) bool { return g.upTo < u.lost })
		}
	}
	u.last = append(u.last, logged[C]{u.stateID, what})
	return u.stateID
}

// step goes to the next StateId.
func (u *subsystem[C]) step(used uint64) {
	if u.back && used > u.stateID {
		u.undone = append(slices.Clip(u.undone), gap{u.stateID, used})
		u.stateID = used
	}
	u.back = false
	u.stateID++
}

func (u *subsystem[C]) forget() { u.lost, u.full, u.last = u.stateID, nil, nil }

// setBack says that what followed is undone. What is appended to the history from now on is of another line of snapshots, and
// must not be written over what readers of the first one see.
func (u *subsystem[C]) setBack() {
	u.back = true
	u.full, u.last = slices.Clip(u.full), slices.Clip(u.last)
}

// since gives the changes after a StateId; false when they are no longer all known, or it lies in the future.
func (u *subsystem[C]) since(id uint64) (iter.Seq[*C], bool) {
	if id < u.lost || id > u.stateID {
		return nil, false
	}
	for _, g := range u.undone {
		if g.after < id && id <= g.upTo {
			return nil, false
		}
	}
	return func(yield func(*C) bool) {
		n := sort.Search(len(u.full), func(n int) bool { return u.full[n][chapter-1].id > id })
		for ; n <= len(u.full); n++ {
			part := u.last
			if n < len(u.full) {
				part = u.full[n]
			}
			for i := sort.Search(len(part), func(i int) bool { return part[i].id > id }); i < len(part); i++ {
				if !yield(&part[i].what) {
					return
				}
			}
		}
	}, true
}

// deviceChange is one change to what a node knows of a device.
type deviceChange struct {
	device device // as configured before
	was    kept   // the node's record before, none when there was none
	slot   int32  // of the device then, and if it is still there, now
	newest bool   // it was the newest of the device's records then (rule R2)
	own    bool   // the record itself changed; otherwise only whether it is the newest
}

// appChange is one change to an application connection of a node.
type appChange struct {
	id  string
	was *Application // before, nil when there was none
}

// writable gives the block of a slot, no longer shared with any snapshot.
func (t *tx) writable(slot int) (*block, int) {
	b, i := t.s.at(slot)
	if b.owner != t.owner {
		b = b.clone()
		t.own(slot/blockSize, b)
	}
	return b, i
}

func (t *tx) own(n int, b *block) {
	t.s.blocks[n] = b
	b.owner = t.owner
}

// set makes r the node's record of the device in slot; nil removes the record. The store's own fields of r are set
// here.
func (t *tx) set(slot, node int, r *Record) { t.change(slot, node, r, t.s.deviceAt(slot)) }

// change is set where the device is about to be written down elsewhere.
func (t *tx) change(slot, node int, r *Record, is device) {
	s, n := t.s, &t.s.nodes[node]
	b, i := s.at(slot)
	d, old := b.device(i), b.chain(i)
	var was, newest kept
	if r := on(old, node); r != nil {
		was = b.kept(r)
	}
	if k := s.newest(old); k >= 0 {
		newest = b.kept(&old[k])
	}
	then := newest.holder()
	id := n.devices.raise(deviceChange{d, was, int32(slot), then == node, true}, n.used, s.history)

	var record kept
	if r != nil {
		if was.cond != nil {
			r.TimeStamp = max(r.TimeStamp, was.stamp)
		}
		r.StateID = id
		lines, _ := is.numbers()
		record = pack(r, node, lines.state(r.Lines))
		record.cond = t.kit.cond(r)
		n.records++
		n.registered += btoi(r.Status == Registered)
	}
	if was.cond != nil {
		n.records--
		n.registered -= btoi(was.status == Registered)
	}
	b, i = t.writable(slot)
	b.put(i, node, record)
	s.fresh.note(&was, d, &record, is)

	// Where else did the newest record come from or go to? Those nodes' collated answers changed (rule R2).
	var next kept
	chain := b.chain(i)
	if k := s.newest(chain); k >= 0 {
		next = b.kept(&chain[k])
	}
	now := next.holder()
	if then == now {
		return
	}
	if then >= 0 && then != node {
		n := &s.nodes[then]
		n.devices.raise(deviceChange{d, newest, int32(slot), true, false}, n.used, s.history)
	}
	if now >= 0 && now != node {
		n := &s.nodes[now]
		n.devices.raise(deviceChange{d, next, int32(slot), false, false}, n.used, s.history)
	}
}

// holder is the node that keeps the record, -1 when there is no record.
func (k *kept) holder() int {
	if k.cond == nil {
		return -1
	}
	return int(k.node)
}

// add gives new devices their slots. They are in name order, and none is there already.
func (t *tx) add(fresh []*Device) {
	s := t.s
	if len(s.blocks) == 0 {
		t.regroup(map[int][]entry{-1: written(fresh, t.kit)})
		return
	}
	edited := map[int][]entry{}
	for len(fresh) > 0 {
		n, k := s.roster.block(fresh[0].key), len(fresh)
		if n+1 < len(s.roster.firsts) {
			k = sort.Search(k, func(i int) bool { return fresh[i].key >= s.roster.firsts[n+1] })
		}
		edited[n] = merge(s.blocks[n].entries(), written(fresh[:k], t.kit))
		fresh = fresh[k:]
	}
	t.regroup(edited)
}

// remove takes the devices of some slots out.
func (t *tx) remove(gone map[int]bool) {
	edited := map[int][]entry{}
	for slot := range gone {
		n := slot / blockSize
		if _, done := edited[n]; done {
			continue
		}
		entries := []entry{}
		for i, e := range t.s.blocks[n].entries() {
			if !gone[slotOf(n, i)] {
				entries = append(entries, e)
			}
		}
		edited[n] = entries
	}
	t.regroup(edited)
}

// regroup makes the blocks anew that have other devices now; -1 is a block before all. Adding or removing a device costs
// the copy of its block, and now and then, when blocks come or go or begin with another device, of the roster.
func (t *tx) regroup(edited map[int][]entry) {
	if len(edited) == 0 {
		return
	}
	s := t.s
	more, same := 0, true
	fresh := make(map[int][]*block, len(edited))
	for n, entries := range edited {
		blocks := newBlocks(entries)
		for _, b := range blocks {
			b.owner = t.owner
			more += b.len()
		}
		fresh[n] = blocks
		if n >= 0 {
			more -= s.blocks[n].len()
		}
		same = same && n >= 0 && len(blocks) == 1 && blocks[0].key(0) == s.roster.firsts[n]
	}
	if same {
		for n, blocks := range fresh {
			s.blocks[n] = blocks[0]
		}
		s.roster = s.roster.with(more)
		return
	}
	most := len(s.blocks) + len(edited)
	all, r := make([]*block, 0, most), &roster{firsts: make([]string, 0, most), heads: make([]head, 0, most)}
	put := func(n int) bool {
		blocks, ok := fresh[n]
		for _, b := range blocks {
			all = append(all, b)
			r.add(b.key(0), b.len())
		}
		return ok
	}
	put(-1)
	for n, b := range s.blocks {
		if !put(n) {
			all = append(all, b)
			r.add(s.roster.firsts[n], b.len())
		}
	}
	s.blocks, s.roster = all, r
}

// collateAnew says that a node came, went or lost its records: what is the newest record of a device may have changed
// anywhere, so collated answers from before count as changed (rules R2 and N5).
func (t *tx) collateAnew() {
	for i := range t.s.nodes {
		n := &t.s.nodes[i]
		n.devices.step(n.used)
		n.collated = n.devices.stateID
	}
}

func (t *tx) node(name NodeName) (int, error) {
	for i := range t.s.nodes {
		if t.s.nodes[i].Name == name {
			return i, nil
		}
	}
	if i, ok := t.s.node(string(name)); ok {
		return i, nil
	}
	return 0, t.noNode(name)
}

func (t *tx) noNode(name NodeName) error {
	var have []string
	for i := range t.s.nodes {
		have = append(have, string(t.s.nodes[i].Name))
	}
	return fmt.Errorf("node %q is not in the cluster (has %s)", name, strings.Join(have, ", "))
}

func (t *tx) slot(name DeviceName) (int, error) {
	slot, ok := t.s.find(fold(string(name)))
	if !ok {
		return 0, fmt.Errorf("device %q is not in the cluster", name)
	}
	return slot, nil
}

// checkDevice verifies and completes a device that is about to enter the cluster.
func (t *tx) checkDevice(d *Device) error {
	var c complaints
	d.key = fold(string(d.Name))
	if d.Name == "" {
		c.add("a device of class %s has no name", d.Class)
	}
	if d.Class == AnyClass || d.Class > UnknownClass {
		c.add("device %q has no class; expected one of %s", d.Name, strings.Join(classNames[1:], ", "))
	}
	for _, h := range d.Homes {
		if _, err := t.node(h); err != nil {
			c.add("device %q: %w", d.Name, err)
		}
	}
	return c.err()
}

// checkRecord verifies what must hold of a record (rules R7, R8 and V1) that the node has, or is to have, of the device.
func checkRecord(c *complaints, device DeviceName, node NodeName, r *Record) {
	add := func(format string, args ...any) {
		c.add("device %q on node %q: %s", device, node, fmt.Sprintf(format, args...))
	}
	switch r.Status {
	case Registered:
		if r.Reason != NoReason {
			add("Registered has reason %s, expected none", r.Reason)
		}
	case AnyStatus:
		add("no status; expected one of %s", strings.Join(statusNames[1:], ", "))
	}
	up, down := 0, 0
	for _, l := range r.Lines {
		switch l.Status {
		case Registered:
			up++
		case UnRegistered, Rejected, UnknownStatus:
			down++
		default:
			add("line %s is %s; expected Registered, UnRegistered, Rejected or Unknown", l.Number, l.Status)
		}
	}
	switch {
	case r.Status == PartiallyRegistered && (up == 0 || down == 0):
		add("PartiallyRegistered needs some lines Registered and others not, has %d and %d", up, down)
	case r.Status == Registered && down > 0:
		add("Registered, but %d lines are not", down)
	case (r.Status == UnRegistered || r.Status == Rejected) && up > 0:
		add("%s, but %d lines are Registered", r.Status, up)
	}
	if r.IPv4.IsValid() && !r.IPv4.Is4() {
		add("%s is not an IPv4 address", r.IPv4)
	}
	if r.IPv6.IsValid() && (!r.IPv6.Is6() || r.IPv6.Is4In6()) {
		add("%s is not an IPv6 address", r.IPv6)
	}
}

func checkApplication(c *complaints, a *Application) {
	where := fmt.Sprintf("application %q", a.ID())
	if a.Name == "" {
		c.add("%s has no name", where)
	}
	if a.Status == AnyCtiStatus {
		c.add("%s has no status; expected one of %s", where, strings.Join(ctiStatusNames[1:], ", "))
	}
	if a.Address.IsValid() && !a.Address.Is4() {
		c.add("%s: %s is not an IPv4 address", where, a.Address)
	}
	if a.Address6.IsValid() && (!a.Address6.Is6() || a.Address6.Is4In6()) {
		c.add("%s: %s is not an IPv6 address", where, a.Address6)
	}
	devices := map[string]bool{}
	for _, d := range a.Devices {
		if key := fold(string(d.Name)); d.Name == "" || devices[key] {
			c.add("%s: device %q is empty or given twice", where, d.Name)
		} else {
			devices[key] = true
		}
		if d.Status == AnyCtiStatus {
			c.add("%s: device %q has no status", where, d.Name)
		}
		lines := map[string]bool{}
		for _, l := range d.Lines {
			if l.Number == "" || lines[l.Number] || l.Status == AnyCtiStatus {
				c.add("%s: line %q of device %q is empty, given twice or has no status", where, l.Number, d.Name)
			}
			lines[l.Number] = true
		}
	}
}

func findApp(apps []*Application, id string) (int, bool) {
	return slices.BinarySearchFunc(apps, id, func(a *Application, id string) int { return strings.Compare(a.ID(), id) })
}

// putApplication makes a the state of its connection, new or known.
func (t *tx) putApplication(a Application) error {
	node, err := t.node(a.Node)
	if err != nil {
		return fmt.Errorf("application %q: %w", a.ID(), err)
	}
	var c complaints
	checkApplication(&c, &a)
	if err := c.err(); err != nil {
		return err
	}
	n := &t.s.nodes[node]
	a.Node = n.Name
	i, known := findApp(n.apps, a.ID())
	var was *Application
	if known {
		was = n.apps[i]
	}
	id := n.cti.raise(appChange{a.ID(), was}, n.used, t.ctiHistory(&a))
	stamp(&a, was, id)
	apps := slices.Clone(n.apps)
	if known {
		apps[i] = &a
	} else {
		apps = slices.Insert(apps, i, &a)
	}
	n.apps = apps
	return nil
}

// placeApplication puts a connection into a new cluster; exact says that its StateIds are to stay. Names and numbers of
// what it has open become those of the devices, so that they are in memory once.
func (t *tx) placeApplication(a Application, exact bool) error {
	a.Devices = slices.Clone(a.Devices)
	for i := range a.Devices {
		d := &a.Devices[i]
		slot, ok := t.s.find(fold(string(d.Name)))
		if !ok {
			continue
		}
		if name := t.s.name(slot); name == d.Name {
			d.Name = name
		}
		d.Lines = slices.Clone(d.Lines)
		for list, _ := t.s.deviceAt(slot).numbers(); list.n > 0; {
			var number string
			number, list = list.next()
			for k := range d.Lines {
				if d.Lines[k].Number == number {
					d.Lines[k].Number = number
				}
			}
		}
	}
	if !exact {
		return t.putApplication(a)
	}
	node, err := t.node(a.Node)
	if err != nil {
		return fmt.Errorf("application %q: %w", a.ID(), err)
	}
	n := &t.s.nodes[node]
	a.Node = n.Name
	var c complaints
	checkApplication(&c, &a)
	within := func(id uint64) {
		if id == 0 || id > n.cti.stateID {
			c.add("application %q: StateId %d is not from 1 to node %q's %d", a.ID(), id, n.Name, n.cti.stateID)
		}
	}
	within(a.StateID)
	for _, d := range a.Devices {
		within(d.StateID)
		for _, l := range d.Lines {
			within(l.StateID)
		}
	}
	i, _ := findApp(n.apps, a.ID())
	n.apps = slices.Insert(n.apps, i, &a)
	return c.err()
}

// ctiHistory bounds the history by what it holds: each entry keeps a whole connection as it was, with all that it had
// open.
func (t *tx) ctiHistory(a *Application) int {
	const most = 1 << 20 // devices and lines
	size := 1
	for i := range a.Devices {
		size += 1 + len(a.Devices[i].Lines)
	}
	return min(t.s.history, max(64, most/size))
}

// stamp gives the changed parts of an application their StateId; parts that are as they were keep theirs.
func stamp(a, was *Application, id uint64) {
	a.StateID = id
	if was != nil && was.User == a.User && was.Address6 == a.Address6 && was.Status == a.Status &&
		was.Reason == a.Reason && was.TimeStamp == a.TimeStamp {
		a.StateID = was.StateID
	}
	a.Devices = slices.Clone(a.Devices)
	for i := range a.Devices {
		d := &a.Devices[i]
		var old *CtiDevice
		if was != nil {
			if j := slices.IndexFunc(was.Devices, func(o CtiDevice) bool { return o.Name == d.Name }); j >= 0 {
				old = &was.Devices[j]
			}
		}
		d.StateID = id
		if old != nil && old.ControlsMedia == d.ControlsMedia && old.Status == d.Status && old.Reason == d.Reason && old.TimeStamp == d.TimeStamp {
			d.StateID = old.StateID
		}
		d.Lines = slices.Clone(d.Lines)
		for k := range d.Lines {
			l := &d.Lines[k]
			l.StateID = id
			if old == nil {
				continue
			}
			for _, o := range old.Lines {
				if o.Number == l.Number && o.Status == l.Status && o.Reason == l.Reason && o.TimeStamp == l.TimeStamp {
					l.StateID = o.StateID
				}
			}
		}
	}
}

func (t *tx) dropApplication(node int, id string) error {
	n := &t.s.nodes[node]
	i, ok := findApp(n.apps, id)
	if !ok {
		return fmt.Errorf("application %q is not connected with node %q", id, n.Name)
	}
	n.cti.raise(appChange{id, n.apps[i]}, n.used, t.ctiHistory(n.apps[i]))
	n.apps = slices.Delete(slices.Clone(n.apps), i, i+1)
	return nil
}

// ID is the application's AppId: AppName-AppIPAddress-AppInstance (rule C3).
func (a *Application) ID() string {
	b := append(make([]byte, 0, 48), a.Name...)
	b = append(b, '-')
	addr := a.Address
	if !addr.IsValid() {
		addr = a.Address6
	}
	if addr != (netip.Addr{}) {
		b = AppendAddr(b, addr)
	}
	return string(fmt.Appendf(b, "-%d", a.Instance))
}

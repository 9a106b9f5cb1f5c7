package cluster

import (
	"iter"
	"math"
)

// Select answers a device query: rules Q3-Q5 and Q8-Q10, all of section W, and R1-R3 and R5. It plans first: exact
// names, numbers and addresses by index, prefixes of names and numbers by range, anything else by going through all
// devices. With marks (q.Since) that are all current it answers only that (rule N4), in time proportional to what has
// changed since (rule N8).
func (s *Snapshot) Select(q DeviceQuery) DeviceResult {
	asked, unknown := s.asked(q.Node)
	if unknown {
		return DeviceResult{Nodes: []NodeDevices{{NodeAnswer: NodeAnswer{Mark: Mark{Node: NodeName(q.Node)}, Code: InvalidNodeName}}}}
	}
	f := newDeviceFilter(s, &q)
	res := DeviceResult{}
	var same []bool
	if len(q.Since) > 0 {
		res.Since, same = s.since(q.Since, asked, func(node int, id uint64) (changed, known bool) {
			return f.changedSince(node, id)
		})
	}
	res.Nodes = make([]NodeDevices, len(asked))
	for i, node := range asked {
		res.Nodes[i].NodeAnswer = s.nodes[node].answer(s.nodes[node].Started, s.nodes[node].devices.stateID)
	}
	if res.Since == Unchanged {
		for i := range res.Nodes {
			keep(&res.Nodes[i].NodeAnswer, q.Since)
		}
		return res
	}
	return f.run(res, asked, same)
}

// asked gives the nodes that a query asks, in order; unknown means that it names one that does not exist (rule Q8).
func (s *Snapshot) asked(node string) (nodes []int, unknown bool) {
	if node != "" {
		i, ok := s.node(node)
		return []int{i}, !ok
	}
	nodes = make([]int, len(s.nodes))
	for i := range nodes {
		nodes[i] = i
	}
	return nodes, false
}

// answer is a node's part of an answer before anything is found on it (rules R3 and R5).
func (n *nodeView) answer(started int64, stateID uint64) NodeAnswer {
	a := NodeAnswer{Mark: Mark{Node: n.Name, Started: started, StateID: stateID}, Code: NotFound}
	switch n.state {
	case Down, Isolated:
		a.Code = NodeNotResponding
	case Broken:
		a.Code = InternalError
	}
	return a
}

// deviceFilter is a query made ready.
type deviceFilter struct {
	s     *Snapshot
	q     *DeviceQuery
	m     matcher
	model uint32

	sure   []span  // with loose: the devices whose names match
	loose  *finder // of names or descriptions: all that cannot be found by their order; nil when there is no such item
	makes  bool    // there are filters on what a make has
	passed [blockSize]bool
}

func newDeviceFilter(s *Snapshot, q *DeviceQuery) *deviceFilter {
	f := &deviceFilter{s: s, q: q, model: q.Model}
	if f.model == AnyModel {
		f.model = 0
	}
	f.makes = q.Class != AnyClass || f.model != 0 || q.Protocol != AnyProtocol
	f.m = newMatcher(q.Items, q.Literal, matcher{
		fold:   q.By == ByName || q.By == ByDescription,
		number: q.By == ByDirNumber,
		v4:     q.By == ByIPv4,
		v6:     q.By == ByIPv6,
	})
	return f
}

// make says whether devices of a make pass the filters on what they have in common.
func (f *deviceFilter) make(m *Device) bool {
	q := f.q
	return (q.Class == AnyClass || m.Class == q.Class) && (f.model == 0 || m.Model == f.model) && (q.Protocol == AnyProtocol || m.Protocol == q.Protocol)
}

// device says whether a device as configured passes the filters on its configuration.
func (f *deviceFilter) device(d device) bool {
	if f.q.Nothing || f.makes && !f.make(d.sheet.make(d.item)) {
		return false
	}
	switch {
	case f.m.all:
	case f.q.By == ByName:
		return f.m.text(d.key())
	case f.q.By == ByDescription:
		return f.m.text(fold(d.sheet.description(d.item)))
	}
	return true
}

// record says whether a record of a device passes the filters on its state.
func (f *deviceFilter) record(d device, k *kept) bool {
	q := f.q
	if q.Status != AnyStatus && k.status != q.Status || q.Download != AnyDownload && k.cond.download != q.Download {
		return false
	}
	if f.m.all {
		return true
	}
	switch q.By {
	case ByDirNumber:
		hit := false
		k.eachNumber(d, func(n string) bool {
			hit = f.m.text(number(n))
			return !hit
		})
		return hit
	case ByIPv4:
		return f.m.addr(k.v4())
	case ByIPv6:
		return f.m.addr(k.v6())
	}
	return true
}

// recordAt is record for one of a block's records. A record of another status is not looked at more closely.
func (f *deviceFilter) recordAt(b *block, i int, r *rec) bool {
	if f.q.Status != AnyStatus && r.status != f.q.Status {
		return false
	}
	if f.q.Download == AnyDownload && (f.m.all || f.q.By == ByName || f.q.By == ByDescription) {
		return true
	}
	k := b.kept(r)
	return f.record(b.device(i), &k)
}

// plan gives the slots that can match, in name order.
func (f *deviceFilter) plan() []span {
	s := f.s
	everything := []span{{0, slotOf(len(s.blocks), 0)}}
	if f.q.Nothing || len(s.blocks) == 0 {
		return nil
	}
	if f.m.all {
		return everything
	}
	var spans []span
	var loose []glob
	switch f.q.By {
	case ByName:
		for _, g := range f.m.globs {
			if prefix, ok := g.prefix(); ok {
				spans = append(spans, s.prefixRange(prefix))
			} else if g.exact() {
				spans = s.named(spans, g[0])
			} else {
				loose = append(loose, g)
			}
		}
		if spans = tidy(spans); loose != nil {
			f.sure, f.loose = spans, newFinder(loose)
			return everything
		}
		return spans
	case ByDirNumber:
		for _, g := range f.m.globs {
			_, ok := g.prefix()
			if !ok && !g.exact() {
				return everything
			}
			if spans = s.byNumber(spans, g[0], ok); len(spans) > s.roster.len {
				return everything // many short prefixes: looking at each device once is less work, and bounded (rule H8)
			}
		}
	case ByIPv4, ByIPv6:
		if len(f.m.wild) > 0 {
			return everything
		}
		for a := range f.m.addrs {
			spans = s.byAddr(spans, a)
		}
	case ByDescription:
		f.loose = newFinder(f.m.globs)
		return everything
	}
	return tidy(spans)
}

// configured gives the devices of a block, from one up to another, that pass the filters on their configuration. It does
// what device does with each, for all of them at once.
func (f *deviceFilter) configured(n, from, to int) bitset {
	b := f.s.blocks[n]
	var found bitset
	switch {
	case f.loose == nil:
		found.addRange(from, to)
	case b.order != nil:
		for i := from; i < to; i++ {
			if f.device(b.device(i)) {
				found.add(i)
			}
		}
		return found
	case f.q.By == ByName:
		sh := b.sheets[0]
		f.loose.find(sh.keys, b.len(), func(i int) int { return int(sh.items[i].key) }, &found)
		for len(f.sure) > 0 && f.sure[0].hi <= slotOf(n, 0) {
			f.sure = f.sure[1:]
		}
		for _, p := range f.sure {
			if p.lo >= slotOf(n+1, 0) {
				break
			}
			found.addRange(max(p.lo-slotOf(n, 0), 0), min(p.hi-slotOf(n, 0), b.len()))
		}
	default:
		f.loose.findFolded(b.sheets[0], &found)
	}
	if f.makes {
		f.sieve(b, &found)
	}
	return found
}

// sieve leaves those devices of a block whose makes pass.
func (f *deviceFilter) sieve(b *block, found *bitset) {
	if b.order != nil {
		for i := found.next(0); i < b.len(); i = found.next(i + 1) {
			if d := b.device(i); !f.make(d.sheet.make(d.item)) {
				found.remove(i)
			}
		}
		return
	}
	sh := b.sheets[0]
	for m := range sh.makes {
		f.passed[m] = f.make(sh.makes[m])
	}
	for i := range sh.items {
		if !f.passed[sh.items[i].make] {
			found.remove(i)
		}
	}
}

// run goes through the plan and fills the nodes that answer.
func (f *deviceFilter) run(res DeviceResult, asked []int, same []bool) DeviceResult {
	s, q := f.s, f.q
	at := make([]int, len(s.nodes)) // place of a node in res.Nodes, -1 when it is not to be filled
	for i := range at {
		at[i] = -1
	}
	answering := false
	for i, node := range asked {
		switch {
		case s.nodes[node].state != Up:
		case q.PerNode && same != nil && same[i]:
			keep(&res.Nodes[i].NodeAnswer, q.Since)
		default:
			at[node] = i
			answering = true
		}
	}
	if !answering {
		return res
	}
	limit := q.Limit
	if limit <= 0 {
		limit = math.MaxInt
	}
	take := func(b *block, i, k int) (full bool) {
		n := &res.Nodes[at[b.recs[k].node]]
		n.Found++
		if len(n.Devices) < limit {
			n.Devices = append(n.Devices, DeviceRecord{b, uint16(k), uint8(i)})
		}
		if q.CountAll {
			return false
		}
		// Nodes are filled in order (rule Q3). Once those that can get no more have used up the limit together with the
		// one after them, nothing else can be returned.
		left := limit
		for i, node := range asked {
			if left -= len(res.Nodes[i].Devices); left <= 0 {
				return true
			}
			if at[node] >= 0 && res.Nodes[i].Found < s.nodes[node].records {
				return false
			}
		}
		return true
	}
	f.each(func(b *block, i int) (full bool) {
		from, to := b.start(i), int(b.ends[i])
		if q.Newest {
			newest := s.newest(b.recs[from:to])
			from, to = from+newest, from+newest+1
			if newest < 0 {
				return false
			}
		}
		for k := from; k < to; k++ {
			if r := &b.recs[k]; at[r.node] >= 0 && f.recordAt(b, i, r) && take(b, i, k) {
				return true
			}
		}
		return false
	})
	left := limit
	for i := range res.Nodes {
		n := &res.Nodes[i]
		if at[asked[i]] < 0 {
			continue
		}
		n.Devices = n.Devices[:min(left, len(n.Devices))]
		left -= len(n.Devices)
		n.Returned = len(n.Devices)
		if !q.CountAll {
			n.Found = n.Returned // truncation is not indicated (rule Q2)
		}
		if n.Found > 0 {
			n.Code = Ok
		}
		if n.Returned == 0 {
			n.Devices = nil
		}
		res.Found += n.Found
	}
	res.CaseOnly = f.m.caseOnly(q.Literal, res.texts(q.By))
	return res
}

// each goes through the devices of the plan that pass the filters on their configuration, until yield says that it is full.
func (f *deviceFilter) each(yield func(b *block, i int) (full bool)) {
	for _, p := range f.plan() {
		for n := p.lo / blockSize; n*blockSize < p.hi; n++ {
			b := f.s.blocks[n]
			found := f.configured(n, max(p.lo-slotOf(n, 0), 0), min(p.hi-slotOf(n, 0), b.len()))
			for i := found.next(0); i < blockSize; i = found.next(i + 1) {
				if yield(b, i) {
					return
				}
			}
		}
	}
}

// texts gives the names or descriptions of what is returned.
func (r *DeviceResult) texts(by SelectBy) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, n := range r.Nodes {
			for _, d := range n.Devices {
				text := string(d.Name())
				if by == ByDescription {
					at := d.block.device(int(d.device))
					text = at.sheet.description(at.item)
				}
				if !yield(text) {
					return
				}
			}
		}
	}
}

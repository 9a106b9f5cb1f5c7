package cluster

import (
	"bytes"
	"math"
	"slices"
	"sync"
)

// Select answers a device query: rules Q3-Q5 and Q8-Q10, all of section W, and R1-R3 and R5. It plans first: exact
// names, numbers and addresses by index, prefixes of names and numbers by range, anything else by going through all
// devices. With marks (q.Since) that are all current it answers only that (rule N4), in time proportional to what has
// changed since (rule N8).
func (s *Snapshot) Select(q DeviceQuery) DeviceResult {
	var res DeviceResult
	s.SelectInto(&res, q)
	return res
}

// SelectInto is Select for those who ask often: the answer is written over an earlier one, whose memory it uses. The
// earlier one must no longer be read.
func (s *Snapshot) SelectInto(res *DeviceResult, q DeviceQuery) {
	nodes := res.Nodes
	*res = DeviceResult{}
	var room [16]int
	asked, unknown := s.asked(room[:0], q.Node)
	for len(nodes) < len(asked) {
		nodes = append(slices.Grow(nodes, len(asked)-len(nodes)), NodeDevices{})
	}
	res.Nodes = nodes[:len(asked)]
	if unknown {
		res.Nodes[0] = NodeDevices{NodeAnswer: NodeAnswer{Mark: Mark{Node: NodeName(q.Node)}, Code: InvalidNodeName}}
		return
	}
	f := filters.Get().(*deviceFilter)
	defer f.release()
	f.init(s, q)
	for i, node := range asked {
		n := &s.nodes[node]
		res.Nodes[i] = NodeDevices{NodeAnswer: n.answer(n.Started, n.devices.stateID), Devices: res.Nodes[i].Devices[:0]}
	}
	var same []bool
	if len(q.Since) > 0 {
		res.Since, same = s.since(q.Since, asked, f.changedSince)
	}
	if res.Since == Unchanged {
		for i := range res.Nodes {
			keep(&res.Nodes[i].NodeAnswer, q.Since)
		}
		return
	}
	f.run(res, asked, same)
}

// asked gives the nodes that a query asks, in order, in the memory of to where there is room; unknown means that it names
// one that does not exist (rule Q8).
func (s *Snapshot) asked(to []int, node string) (nodes []int, unknown bool) {
	if node != "" {
		i, ok := s.node(node)
		return append(to, i), !ok
	}
	for i := range s.nodes {
		to = append(to, i)
	}
	return to, false
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
	q     DeviceQuery
	m     matcher
	model uint32

	sure   []span          // with loose: the devices whose names match
	loose  *finder         // of names or descriptions: all that cannot be found by their order; nil when there is no such item
	makes  bool            // there are filters on what a make has
	rare   bool            // a status is asked for that few records have
	passed [blockSize]bool // of a sheet's makes: those that pass
	bit    [blockSize]uint64
	spans  []span // the plan
}

// filters are filters that are not in use.
var filters = sync.Pool{New: func() any { return new(deviceFilter) }}

// init makes the filter ready.
func (f *deviceFilter) init(s *Snapshot, q DeviceQuery) {
	f.s, f.q, f.model = s, q, q.Model
	if f.model == AnyModel {
		f.model = 0
	}
	f.makes = q.Class != AnyClass || f.model != 0 || q.Protocol != AnyProtocol
	f.rare = q.Status != AnyStatus && q.Status != Registered
	f.m.fold, f.m.number, f.m.v4, f.m.v6 = q.By == ByName || q.By == ByDescription, q.By == ByDirNumber, q.By == ByIPv4, q.By == ByIPv6
	f.m.init(q.Items, q.Literal)
}

// release gives the filter back, with some of its memory but nothing that it knew.
func (f *deviceFilter) release() {
	const most = 1 << 12
	spans := f.spans[:0]
	if cap(spans) > most {
		spans = nil
	}
	*f = deviceFilter{spans: spans}
	filters.Put(f)
}

// make says whether devices of a make pass the filters on what they have in common.
func (f *deviceFilter) make(m *Device) bool {
	q := &f.q
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
	q := &f.q
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
	if f.q.Nothing || len(s.blocks) == 0 {
		return nil
	}
	if f.m.all || !f.narrow() {
		return append(f.spans[:0], span{0, slotOf(len(s.blocks), 0)})
	}
	return tidy(f.spans)
}

// narrow finds what can match by the order of the names and by index; false when all must be looked at.
func (f *deviceFilter) narrow() bool {
	s := f.s
	switch f.q.By {
	case ByName:
		var loose []glob
		for _, g := range f.m.globs {
			if prefix, ok := g.prefix(); ok {
				f.spans = append(f.spans, s.prefixRange(prefix))
			} else if g.exact() {
				f.spans = s.named(f.spans, g[0])
			} else {
				loose = append(loose, g)
			}
		}
		if loose != nil {
			f.sure, f.loose = slices.Clone(tidy(f.spans)), newFinder(loose)
		}
		return loose == nil
	case ByDirNumber:
		for _, g := range f.m.globs {
			_, prefix := g.prefix()
			if !prefix && !g.exact() {
				return false
			}
			if f.spans = s.byNumber(f.spans, g[0], prefix); len(f.spans) > s.roster.len {
				return false // many short prefixes: looking at each device once is less work, and bounded (rule H8)
			}
		}
	case ByIPv4, ByIPv6:
		if len(f.m.wild) > 0 {
			return false
		}
		for _, a := range f.m.addrs {
			f.spans = s.byAddr(f.spans, a)
		}
	case ByDescription:
		f.loose = newFinder(f.m.globs)
		return false
	}
	return true
}

// configured gives the devices of a block, from one up to another, that pass the filters on their configuration. It does
// what device does with each, for all of them at once.
func (f *deviceFilter) configured(n, from, to int) bitset {
	b := f.s.blocks[n]
	var found bitset
	switch {
	case f.loose == nil:
		found.addRange(from, to)
	case b.sheet == nil:
		for i := from; i < to; i++ {
			if f.device(b.device(i)) {
				found.add(i)
			}
		}
		return found
	case f.q.By == ByName:
		sh := b.sheet
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
		f.loose.findFolded(b.sheet, &found)
	}
	if f.rare {
		found.keep(f.withStatus(b))
	}
	if f.makes && found != (bitset{}) {
		f.sieve(b, &found)
	}
	return found
}

// sieve leaves those devices of a block whose makes pass.
func (f *deviceFilter) sieve(b *block, found *bitset) {
	if b.sheet == nil {
		for i := found.next(0); i < b.len(); i = found.next(i + 1) {
			if d := b.device(i); !f.make(d.sheet.make(d.item)) {
				found.remove(i)
			}
		}
		return
	}
	sh := b.sheet
	some := false
	for m := range sh.makes {
		f.passed[m], f.bit[m] = f.make(sh.makes[m]), 0
		if f.passed[m] {
			f.bit[m], some = 1, true
		}
	}
	if !some {
		*found = bitset{}
		return
	}
	if found.len() < blockSize/8 {
		for i := found.next(0); i < b.len(); i = found.next(i + 1) {
			if !f.passed[sh.makeOf[i]] {
				found.remove(i)
			}
		}
		return
	}
	for w := range found {
		var passed uint64
		for i := min(64*w+64, len(sh.makeOf)) - 1; i >= 64*w; i-- {
			passed = passed<<1 | f.bit[sh.makeOf[i]]
		}
		found[w] &= passed
	}
}

// withStatus gives the devices of a block of which any record has the status that is asked for. Only when that is what few
// have is it quicker than looking at each.
func (f *deviceFilter) withStatus(b *block) (found bitset) {
	i := 0
	for from := 0; ; from++ {
		k := bytes.IndexByte(b.statuses[from:], byte(f.q.Status))
		if k < 0 {
			return found
		}
		for from += k; int(b.ends[i]) <= from; {
			i++
		}
		found.add(i)
	}
}

// run goes through the plan and fills the nodes that answer.
func (f *deviceFilter) run(res *DeviceResult, asked []int, same []bool) {
	s, q := f.s, &f.q
	var room [16]int
	at := room[:0] // place of a node in res.Nodes, -1 when it is not to be filled
	for range s.nodes {
		at = append(at, -1)
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
		return
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
		over := max(len(n.Devices)-left, 0)
		clear(n.Devices[len(n.Devices)-over:]) // memory that is used again shall not hold on to this snapshot
		n.Devices = n.Devices[:len(n.Devices)-over]
		left -= len(n.Devices)
		n.Returned = len(n.Devices)
		if !q.CountAll {
			n.Found = n.Returned // truncation is not indicated (rule Q2)
		}
		if n.Found > 0 {
			n.Code = Ok
		}
		res.Found += n.Found
	}
	res.CaseOnly = f.caseOnly(res)
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

// caseOnly finds an item that matched something of the answer only because case is ignored (rule W6).
func (f *deviceFilter) caseOnly(res *DeviceResult) string {
	if f.m.all || !f.m.fold {
		return ""
	}
	for i := range res.Nodes {
		for _, r := range res.Nodes[i].Devices {
			d, text := r.block.device(int(r.device)), ""
			switch {
			case f.q.By == ByDescription:
				text = d.sheet.description(d.item)
			case d.sheet.folded && f.m.folded:
				continue // as nearly always
			default:
				text = string(d.sheet.name(d.item))
			}
			if hit := f.m.caseOnly(text); hit != "" {
				return hit
			}
		}
	}
	return ""
}

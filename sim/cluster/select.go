package cluster

import "iter"

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
	node  int // the only one asked, -1 for all
}

func newDeviceFilter(s *Snapshot, q *DeviceQuery) *deviceFilter {
	f := &deviceFilter{s: s, q: q, model: q.Model, node: -1}
	if f.model == AnyModel {
		f.model = 0
	}
	if q.Node != "" {
		f.node, _ = s.node(q.Node)
	}
	f.m = newMatcher(q.Items, q.Literal, matcher{
		fold:   q.By == ByName || q.By == ByDescription,
		number: q.By == ByDirNumber,
		v4:     q.By == ByIPv4,
		v6:     q.By == ByIPv6,
	})
	return f
}

// device says whether a device as configured passes the filters on its configuration.
func (f *deviceFilter) device(d *Device) bool {
	q := f.q
	if q.Nothing || q.Class != AnyClass && d.Class != q.Class || f.model != 0 && d.Model != f.model ||
		q.Protocol != AnyProtocol && d.Protocol != q.Protocol {
		return false
	}
	switch {
	case f.m.all:
		return true
	case q.By == ByName:
		return f.m.text(d.key)
	case q.By == ByDescription:
		return f.m.text(fold(d.Description))
	}
	return true
}

// record says whether a record passes the filters on its state.
func (f *deviceFilter) record(r *held) bool {
	q := f.q
	if q.Status != AnyStatus && r.Status != q.Status || q.Download != AnyDownload && r.Download != q.Download {
		return false
	}
	if f.m.all {
		return true
	}
	switch q.By {
	case ByDirNumber:
		for _, l := range r.Lines {
			if f.m.text(number(l.Number)) {
				return true
			}
		}
		return false
	case ByIPv4:
		return f.m.addr(r.IPv4)
	case ByIPv6:
		return f.m.addr(r.IPv6)
	}
	return true
}

// plan gives the slots that can match, in name order.
func (f *deviceFilter) plan() []span {
	s := f.s
	everything := []span{{0, len(s.roster.devices)}}
	if f.q.Nothing {
		return nil
	}
	if f.m.all {
		return everything
	}
	var spans []span
	switch f.q.By {
	case ByName:
		for _, g := range f.m.globs {
			if prefix, ok := g.prefix(); ok {
				lo, hi := s.roster.prefixRange(prefix)
				spans = append(spans, span{lo, hi})
			} else if slot, found := s.roster.find(g[0]); !g.exact() {
				return everything
			} else if found {
				spans = append(spans, one(slot))
			}
		}
	case ByDirNumber:
		for _, g := range f.m.globs {
			prefix, ok := g.prefix()
			if !ok && !g.exact() {
				return everything
			}
			if !ok {
				prefix = g[0]
			}
			if spans = s.lookup().byNumber(spans, prefix, ok); len(spans) > len(s.roster.devices) {
				return everything // many short prefixes: looking at each device once is less work, and bounded (rule H8)
			}
		}
		spans = s.addDirty(spans)
	case ByIPv4, ByIPv6:
		if len(f.m.wild) > 0 {
			return everything
		}
		for a := range f.m.addrs {
			spans = s.lookup().byAddr(spans, a)
		}
		spans = s.addDirty(spans)
	default:
		return everything
	}
	return tidy(spans)
}

func (s *Snapshot) addDirty(spans []span) []span {
	for _, slot := range s.dirty {
		spans = append(spans, one(int(slot)))
	}
	return spans
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
		limit = len(s.roster.devices) * len(s.nodes)
	}
	take := func(d *Device, h *held) (full bool) {
		n := &res.Nodes[at[h.node]]
		n.Found++
		if len(n.Devices) < limit {
			n.Devices = append(n.Devices, DeviceRecord{d, &h.Record})
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
plan:
	for _, p := range f.plan() {
		for slot := p.lo; slot < p.hi; slot++ {
			d := s.roster.devices[slot]
			chain := s.chain(slot)
			if chain == nil || !f.device(d) {
				continue
			}
			if q.Newest {
				if h := s.newest(chain); h != nil && at[h.node] >= 0 && f.record(h) && take(d, h) {
					break plan
				}
				continue
			}
			for h := chain; h != nil; h = h.next {
				if at[h.node] >= 0 && f.record(h) && take(d, h) {
					break plan
				}
			}
		}
	}
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

// texts gives the names or descriptions of what is returned.
func (r *DeviceResult) texts(by SelectBy) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, n := range r.Nodes {
			for _, d := range n.Devices {
				text := string(d.device.Name)
				if by == ByDescription {
					text = d.device.Description
				}
				if !yield(text) {
					return
				}
			}
		}
	}
}

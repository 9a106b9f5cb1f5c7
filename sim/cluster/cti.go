package cluster

import "slices"

// SelectCti answers a CTI query: section C of the rules, and for nodes, limits and NoChange the same rules as Select.
func (s *Snapshot) SelectCti(q CtiQuery) CtiResult {
	asked, unknown := s.asked(nil, q.Node)
	if unknown {
		return CtiResult{Nodes: []NodeCti{{NodeAnswer: NodeAnswer{Mark: Mark{Node: NodeName(q.Node)}, Code: InvalidNodeName}}}}
	}
	f := newCtiFilter(&q)
	res := CtiResult{}
	var same []bool
	if len(q.Since) > 0 {
		res.Since, same = s.since(q.Since, asked, func(node int, id uint64) (changed, known bool) {
			return f.changedSince(&s.nodes[node], id)
		})
	}
	left := q.Limit
	if left <= 0 {
		left = int(^uint(0) >> 1)
	}
	for i, node := range asked {
		n := &s.nodes[node]
		a := NodeCti{NodeAnswer: n.answer(n.CtiStarted, n.cti.stateID)}
		switch {
		case n.state != Up:
		case res.Since == Unchanged || q.PerNode && same != nil && same[i]:
			keep(&a.NodeAnswer, q.Since)
		default:
			var items []CtiItem
			for _, app := range n.apps {
				items = f.items(items, app)
				if len(items) >= left && !q.CountAll {
					break
				}
			}
			a.Found, a.Returned = len(items), min(left, len(items))
			left -= a.Returned
			if !q.CountAll {
				a.Found = a.Returned
			}
			if a.Found > 0 {
				a.Code = Ok
			}
			if a.Returned > 0 {
				a.Items = items[:a.Returned]
			}
			res.Found += a.Found
		}
		res.Nodes = append(res.Nodes, a)
	}
	res.CaseOnly = f.caseOnly(&res)
	return res
}

// ctiFilter is a query made ready.
type ctiFilter struct {
	q                   *CtiQuery
	apps, devs, numbers matcher
}

func newCtiFilter(q *CtiQuery) *ctiFilter {
	f := &ctiFilter{q: q}
	f.apps.fold, f.apps.v4, f.apps.v6 = q.By == ByAppID || q.By == ByUserID, q.By == ByAppIPv4, q.By == ByAppIPv6
	f.apps.init(q.Apps, false)
	f.devs.fold = true
	f.devs.init(q.DevNames, false)
	f.numbers.number = true
	f.numbers.init(q.Numbers, false)
	return f
}

func (f *ctiFilter) app(a *Application) bool {
	if f.apps.all {
		return true
	}
	switch f.q.By {
	case ByAppIPv4:
		return f.apps.addr(a.Address)
	case ByAppIPv6:
		return f.apps.addr(a.Address6)
	case ByUserID:
		return f.apps.text(fold(a.User))
	}
	return f.apps.text(fold(a.ID()))
}

func (f *ctiFilter) status(s CtiStatus) bool { return f.q.Status == AnyCtiStatus || f.q.Status == s }

// items appends what matches of one connection, one item per match (rule C1); nil stands for no connection. DevNames
// are not heeded for providers, nor DirNumbers for anything but lines (rule C4).
func (f *ctiFilter) items(to []CtiItem, a *Application) []CtiItem {
	if a == nil || f.q.Nothing || !f.app(a) {
		return to
	}
	if f.q.Class == Provider {
		if f.status(a.Status) {
			to = append(to, CtiItem{App: a})
		}
		return to
	}
	for i := range a.Devices {
		d := &a.Devices[i]
		if !f.devs.all && !f.devs.text(fold(string(d.Name))) {
			continue
		}
		if f.q.Class == CtiDevices {
			if f.status(d.Status) {
				to = append(to, CtiItem{App: a, Device: d})
			}
			continue
		}
		for k := range d.Lines {
			l := &d.Lines[k]
			if f.status(l.Status) && (f.numbers.all || f.numbers.text(number(l.Number))) {
				to = append(to, CtiItem{a, d, l})
			}
		}
	}
	return to
}

// changedSince is deviceFilter.changedSince for CTI items.
func (f *ctiFilter) changedSince(n *nodeView, id uint64) (changed, known bool) {
	mark, _ := findMark(f.q.Since, n.Name)
	if mark.Started != n.CtiStarted {
		return true, true
	}
	log, ok := n.cti.since(id)
	if !ok {
		return true, false
	}
	seen := map[string]bool{}
	for c := range log {
		if seen[c.id] {
			continue
		}
		seen[c.id] = true
		var now *Application
		if j, ok := findApp(n.apps, c.id); ok {
			now = n.apps[j]
		}
		if !slices.EqualFunc(f.items(nil, c.was), f.items(nil, now), sameItem) {
			return true, true
		}
	}
	return false, true
}

// sameItem says that nothing of an item has changed: every part of it has the StateId that it had.
func sameItem(a, b CtiItem) bool {
	if a.App.StateID != b.App.StateID {
		return false
	}
	if a.Device != nil && (a.Device.Name != b.Device.Name || a.Device.StateID != b.Device.StateID) {
		return false
	}
	return a.Line == nil || a.Line.Number == b.Line.Number && a.Line.StateID == b.Line.StateID
}

// caseOnly is deviceFilter.caseOnly for CTI items: of the applications, or else of the devices.
func (f *ctiFilter) caseOnly(res *CtiResult) string {
	device := ""
	for _, n := range res.Nodes {
		for _, it := range n.Items {
			text := it.App.User
			if f.q.By != ByUserID {
				text = it.App.ID()
			}
			if hit := f.apps.caseOnly(text); hit != "" {
				return hit
			}
			if device == "" && it.Device != nil {
				device = f.devs.caseOnly(string(it.Device.Name))
			}
		}
	}
	return device
}

package cluster

import "iter"

// NoChange (section N of the rules): an answer's StateInfo comes back as marks, one per node that answered, and each
// node's history says whether a record that matched the query then, or matches it now, has changed since.

// since judges marks. changedSince looks at one node's history after a StateId; known is false when it does not reach
// back so far. The booleans say which of the asked nodes are unchanged.
func (s *Snapshot) since(marks []Mark, asked []int, changedSince func(node int, id uint64) (changed, known bool)) (Verdict, []bool) {
	verdict := Unchanged
	same := make([]bool, len(asked))
	covered := 0
	for i, node := range asked {
		n := &s.nodes[node]
		mark, times := findMark(marks, n.Name)
		covered += times
		if times > 1 {
			return Foreign, nil
		}
		switch {
		case n.state != Up && times == 0: // did not answer then, does not answer now
			continue
		case n.state != Up, times == 0: // vanished or appeared (rule N5)
			verdict = max(verdict, Changed)
			continue
		}
		changed, known := changedSince(node, mark.StateID)
		switch {
		case !known:
			verdict = RolledOver
		case changed:
			verdict = max(verdict, Changed)
		default:
			same[i] = true
		}
	}
	if covered < len(marks) {
		return Foreign, nil
	}
	if verdict == RolledOver {
		return RolledOver, nil
	}
	return verdict, same
}

func findMark(marks []Mark, node NodeName) (found Mark, times int) {
	for i := range marks {
		if m := &marks[i]; sameFold(string(m.Node), string(node)) {
			found = *m
			times++
		}
	}
	return found, times
}

// keep makes a node's answer say that nothing changed: counts and ReturnCode as the full answer had them (rule N4).
func keep(a *NodeAnswer, marks []Mark) {
	if a.Code != NotFound { // does not answer
		return
	}
	mark, _ := findMark(marks, a.Node)
	a.NoChange = true
	a.Found, a.Returned = mark.Found, mark.Returned
	if a.Found > 0 {
		a.Code = Ok
	}
}

// changedSince says whether a record of the node that matched at a StateId, or matches now, has changed since
// (rule N3). Its cost follows the number of changes since then (rule N8).
func (f *deviceFilter) changedSince(node int, id uint64) (changed, known bool) {
	s := f.s
	n := &s.nodes[node]
	mark, _ := findMark(f.q.Since, n.Name)
	if mark.Started != n.Started {
		return true, true // RIS restarted (rule N5)
	}
	log, ok := n.devices.since(id)
	if !ok {
		return true, false
	}
	if f.q.Newest && id < n.collated {
		return true, true
	}
	// Nearly always nothing in the history matches, then or now. To see that is quick; else the devices are looked at one
	// by one.
	for c := range log {
		if f.then(c) || f.now(c, node) {
			return f.changedInAny(log, node), true
		}
	}
	return false, true
}

// changedInAny says whether a device of the log has changed its match, or matches and has changed.
func (f *deviceFilter) changedInAny(log iter.Seq[*deviceChange], node int) bool {
	type seen struct {
		first *deviceChange // it holds the record as it was then
		own   bool
	}
	devices := map[string]seen{}
	for c := range log {
		if !c.own && !f.q.Newest {
			continue
		}
		key := c.device.key()
		d := devices[key]
		if d.first == nil {
			d.first = c
		}
		d.own = d.own || c.own
		devices[key] = d
	}
	for _, d := range devices {
		if then, now := f.then(d.first), f.now(d.first, node); then != now || now && d.own {
			return true
		}
	}
	return false
}

// then says whether the record before a change matched.
func (f *deviceFilter) then(c *deviceChange) bool {
	return c.was.cond != nil && (!f.q.Newest || c.newest) && f.device(c.device) && f.record(c.device, &c.was)
}

// now says whether the node's present record of a changed device matches.
func (f *deviceFilter) now(c *deviceChange, node int) bool {
	s := f.s
	n, i := int(c.slot)/blockSize, int(c.slot)%blockSize
	if n >= len(s.blocks) || i >= s.blocks[n].len() || s.blocks[n].device(i) != c.device {
		slot, ok := s.find(c.device.key()) // others have come or gone, or it is configured anew
		if !ok {
			return false
		}
		n, i = slot/blockSize, slot%blockSize
	}
	b := s.blocks[n]
	if !f.device(b.device(i)) {
		return false
	}
	chain := b.chain(i)
	if f.q.Newest {
		k := s.newest(chain)
		return k >= 0 && int(chain[k].node) == node && f.recordAt(b, i, &chain[k])
	}
	r := on(chain, node)
	return r != nil && f.recordAt(b, i, r)
}

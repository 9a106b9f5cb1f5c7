package cluster

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
	key := fold(string(node))
	for _, m := range marks {
		if m.Node == node || fold(string(m.Node)) == key {
			found = m
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
	seen := make(map[string]*deviceChange, len(log)) // the first change of each device: it holds the record as it was then
	own := make(map[string]bool, len(log))
	for i := range log {
		c := &log[i].what
		if !c.own && !f.q.Newest {
			continue
		}
		key := c.device.key()
		if seen[key] == nil {
			seen[key] = c
		}
		if c.own {
			own[key] = true
		}
	}
	for key, c := range seen {
		then := c.was.cond != nil && (!f.q.Newest || c.newest) && f.device(c.device) && f.record(c.device, &c.was)
		now := false
		if slot, ok := s.find(key); ok {
			b, i := s.at(slot)
			chain := b.chain(i)
			r := on(chain, node)
			if f.q.Newest {
				if newest := s.newest(chain); newest < 0 || r != &chain[newest] {
					r = nil
				}
			}
			now = r != nil && f.device(b.device(i)) && f.recordAt(b, i, r)
		}
		if then != now || now && own[key] {
			return true, true
		}
	}
	return false, true
}

package cluster

import (
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// How a new cluster is made of many devices, in three steps, the first and the last by as many goroutines as there are
// processors: each part of the population is packed into a crate, in the order in which it comes; all devices are brought
// into name order, roughly by cutting the order into ranges and then each range for itself; each range is written into
// blocks. What comes out does not depend on who did what.

// Population is where the devices of a new cluster come from when there are many: in parts, so that they need not all
// exist unpacked at one time.
type Population interface {
	// Parts is how many parts there are, at least one. Some ten thousand devices make a good part.
	Parts() int

	// Part calls add with each device of the i-th part and the records that nodes have of it; Registration.Device is not
	// looked at. It is called once for each part, in no certain order, and from several goroutines at once. Nothing that
	// add is given is kept by it: the same Device and slices may be filled again.
	Part(i int, add func(d *Device, records []Registration))
}

// lists is a population of devices and registrations that are there already.
type lists struct {
	devices       []Device
	registrations []Registration

	// Where each device's registrations are, in order: those between ends when each device is followed by its own ones,
	// as is usual; else by folded name.
	ends   []int
	byName map[string][]int
}

const partSize = 1 << 14

func newLists(devices []Device, registrations []Registration) *lists {
	l := &lists{devices: devices, registrations: registrations, ends: make([]int, len(devices))}
	k := 0
	for i := range devices {
		for k < len(registrations) && registrations[k].Device == devices[i].Name {
			k++
		}
		l.ends[i] = k
	}
	if k == len(registrations) {
		return l
	}
	l.ends, l.byName = nil, make(map[string][]int, len(devices))
	for i := range registrations {
		key := fold(string(registrations[i].Device))
		l.byName[key] = append(l.byName[key], i)
	}
	return l
}

// strays gives the numbers of the registrations of devices that do not exist, in order.
func (l *lists) strays() (out []int) {
	if l.byName == nil {
		return nil
	}
	known := map[string]bool{}
	for i := range l.devices {
		known[fold(string(l.devices[i].Name))] = true
	}
	for i := range l.registrations {
		if !known[fold(string(l.registrations[i].Device))] {
			out = append(out, i)
		}
	}
	return out
}

func (l *lists) Parts() int { return max(1, (len(l.devices)+partSize-1)/partSize) }

func (l *lists) Part(part int, add func(*Device, []Registration)) {
	for i := part * partSize; i < min(len(l.devices), (part+1)*partSize); i++ {
		d := &l.devices[i]
		if l.byName == nil {
			from := 0
			if i > 0 {
				from = l.ends[i-1]
			}
			add(d, l.registrations[from:l.ends[i]])
			continue
		}
		var own []Registration
		for _, k := range l.byName[fold(string(d.Name))] {
			own = append(own, l.registrations[k])
		}
		add(d, own)
	}
}

// crate is a part of a population, packed: a row for each device.
type crate struct {
	rows []row
	text []byte // of one device after the other: key, description and rest
	recs []crated
	odds []*odd
	refs []ref // by range of the name order, once that is known
	cuts []int // where the ranges end in refs

	devices, registrations complaints
}

// row is a device in a crate.
type row struct {
	text, key, description, rest uint32 // where its texts begin, and how long they are
	make, place                  uint32 // numbers in commons
	rec, recs                    uint32
}

// crated is a record in a crate.
type crated struct {
	rec         // without cond and odd
	cond uint32 // number in commons
	odd  uint32 // in crate.odds, and one more
}

// ref is a row, by the head of its key.
type ref struct {
	head
	crate, row uint32
}

// builder makes the blocks of a new cluster.
type builder struct {
	t       *tx // for its checks
	commons *commons
	crates  []crate
	ranges  [][]*block
	twice   []complaints // by range
	cuts    []ref        // the first one of each range but the first
	strays  complaints   // registrations without a device
}

// blocks packs a population. It reports everything that is wrong with it.
func (b *builder) blocks(p Population, bad *complaints) []*block {
	b.crates = make([]crate, p.Parts())
	inParallel(len(b.crates), func() func(int) {
		k, last := &kit{commons: b.commons}, &crate{}
		return func(i int) {
			c := &b.crates[i]
			c.grow(last)
			c.pack(b.t, k, uint32(i), func(add func(*Device, []Registration)) { p.Part(i, add) })
			last = c
		}
	})
	total := 0
	for i := range b.crates {
		total += len(b.crates[i].rows)
		bad.join(&b.crates[i].devices)
	}
	b.cut(total)
	inParallel(len(b.crates), func() func(int) { return func(i int) { b.crates[i].arrange(b.cuts) } })
	b.ranges, b.twice = make([][]*block, len(b.cuts)+1), make([]complaints, len(b.cuts)+1)
	inParallel(len(b.ranges), func() func(int) {
		w := &blockWriter{builder: b}
		return func(i int) { b.ranges[i] = w.write(i) }
	})
	var out []*block
	for i, r := range b.ranges {
		bad.join(&b.twice[i])
		out = append(out, r...)
	}
	bad.join(&b.strays)
	for i := range b.crates {
		bad.join(&b.crates[i].registrations)
	}
	return out
}

// inParallel does n pieces of work. begin is called in each goroutine, for what its pieces share. None outlives the call.
func inParallel(n int, begin func() func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		work := begin()
		for i := range n {
			work(i)
		}
		return
	}
	var next atomic.Int64
	var done sync.WaitGroup
	for range workers {
		done.Go(func() {
			work := begin()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	done.Wait()
}

// grow makes room for about as much as another crate has.
func (c *crate) grow(like *crate) {
	more := func(n int) int { return n + n/16 }
	c.rows, c.refs = make([]row, 0, more(len(like.rows))), make([]ref, 0, more(len(like.refs)))
	c.text, c.recs = make([]byte, 0, more(len(like.text))), make([]crated, 0, more(len(like.recs)))
}

// pack fills the crate.
func (c *crate) pack(t *tx, k *kit, number uint32, each func(add func(*Device, []Registration))) {
	each(func(given *Device, records []Registration) {
		d := *given
		if err := t.checkDevice(&d); err != nil {
			c.devices.add("%w", err)
		}
		r := row{text: uint32(len(c.text)), key: uint32(len(d.key)), description: uint32(len(d.Description)), rec: uint32(len(c.recs))}
		c.text = append(append(c.text, d.key...), d.Description...)
		before := len(c.text)
		c.text = appendRest(c.text, &d)
		r.rest = uint32(len(c.text) - before)
		r.make, r.place = k.makeOf(&d), k.placeOf(&d)
		for i := range records {
			c.record(t, k, &d, &records[i])
		}
		own := c.recs[r.rec:]
		if len(own) > 1 {
			slices.SortStableFunc(own, func(a, b crated) int { return int(a.node) - int(b.node) })
			for i := 1; i < len(own); i++ {
				if own[i].node == own[i-1].node {
					c.registrations.add("registration of %q on %q is given twice", d.Name, t.s.nodes[own[i].node].Name)
				}
			}
		}
		r.recs = uint32(len(own))
		c.refs = append(c.refs, ref{headOf(d.key), number, uint32(len(c.rows))})
		c.rows = append(c.rows, r)
	})
}

func (c *crate) record(t *tx, k *kit, d *Device, r *Registration) {
	node, err := t.node(r.Node)
	if err != nil {
		c.registrations.add("registration of %q: %w", d.Name, err)
		return
	}
	checkRecord(&c.registrations, d.Name, r.Node, &r.Record)
	next := 0
	p := pack(&r.Record, node, lineState(r.Lines, len(d.Lines), func() string {
		next++
		return d.Lines[next-1]
	}))
	x := crated{rec: p.rec, cond: k.condOf(&r.Record)}
	if p.odd != nil {
		c.odds = append(c.odds, p.odd)
		x.odd = uint32(len(c.odds))
	}
	c.recs = append(c.recs, x)
}

// cut divides the name order into ranges of about partSize devices each, by the names of some.
func (b *builder) cut(total int) {
	const sample = 32 // of each range
	ranges := (total + partSize - 1) / partSize
	if ranges < 2 {
		return
	}
	var some []ref
	step := max(1, total/(ranges*sample))
	for i := range b.crates {
		for k := 0; k < len(b.crates[i].refs); k += step {
			some = append(some, b.crates[i].refs[k])
		}
	}
	slices.SortFunc(some, func(a, b ref) int { return a.compare(b.head) })
	for i := 1; i < ranges; i++ {
		b.cuts = append(b.cuts, some[i*len(some)/ranges])
	}
}

// arrange puts the refs of each range together.
func (c *crate) arrange(cuts []ref) {
	c.cuts = make([]int, len(cuts)+1)
	if len(cuts) == 0 {
		c.cuts[0] = len(c.refs)
		return
	}
	in := make([]uint16, len(c.refs))
	for i := range c.refs {
		r := sort.Search(len(cuts), func(k int) bool { return c.refs[i].compare(cuts[k].head) < 0 })
		in[i] = uint16(r)
		c.cuts[r]++
	}
	sum := 0
	for i, n := range c.cuts {
		c.cuts[i] = sum
		sum += n
	}
	sorted := make([]ref, len(c.refs))
	for i, r := range in {
		sorted[c.cuts[r]] = c.refs[i]
		c.cuts[r]++
	}
	c.refs = sorted
}

// blockWriter writes blocks, for one goroutine.
type blockWriter struct {
	*builder
	sheet   sheetWriter
	touched byte
	makes   numbers
	places  numbers
	conds   numbers
}

// numbers gives what has a number in commons a number in a block.
type numbers struct {
	round uint32
	local []numbered
}

type numbered struct{ round, number uint32 }

// of gives the number, and whether it is a new one.
func (n *numbers) of(common uint32, next int) (number int, isNew bool) {
	x := &n.local[common]
	if x.round == n.round {
		return int(x.number), false
	}
	*x = numbered{n.round, uint32(next)}
	return next, true
}

func (n *numbers) begin(commons int) {
	if n.local == nil {
		n.local = make([]numbered, commons)
	}
	n.round++
}

func (w *blockWriter) write(part int) []*block {
	var refs []ref
	for i := range w.crates {
		c := &w.crates[i]
		from := 0
		if part > 0 {
			from = c.cuts[part-1]
		}
		refs = append(refs, c.refs[from:c.cuts[part]]...)
	}
	sortByKey(refs, func(r *ref) uint64 { return r.lo })
	sortByKey(refs, func(r *ref) uint64 { return r.hi })
	for i := 0; i < len(refs); { // those whose heads are equal, by all of their keys
		n := i + 1
		for n < len(refs) && refs[n].head == refs[i].head {
			n++
		}
		if n > i+1 {
			slices.SortStableFunc(refs[i:n], func(a, b ref) int { return strings.Compare(w.key(a), w.key(b)) })
		}
		i = n
	}
	for i := 1; i < len(refs); i++ {
		if a, b := refs[i-1], refs[i]; a.head == b.head && w.key(a) == w.key(b) {
			w.twice[part].add("device %q: there is already a device of this name", w.name(b))
		}
	}
	out := make([]*block, 0, (len(refs)+blockSize-1)/blockSize)
	for len(refs) > 0 {
		n := min(len(refs), blockSize)
		out = append(out, w.block(refs[:n]))
		refs = refs[n:]
	}
	return out
}

func (w *blockWriter) key(r ref) string {
	x := &w.crates[r.crate].rows[r.row]
	return string(w.crates[r.crate].text[x.text : x.text+x.key])
}

// name is the name of a device; only for messages.
func (w *blockWriter) name(r ref) string {
	x := &w.crates[r.crate].rows[r.row]
	if rest := string(w.crates[r.crate].text[x.text+x.key+x.description:]); rest[0] != 0 {
		name, _ := cutText(rest)
		return name
	}
	return w.key(r)
}

func (w *blockWriter) block(refs []ref) *block {
	w.makes.begin(len(w.commons.makes.list))
	w.places.begin(len(w.commons.places.list))
	w.conds.begin(len(w.commons.conds.list))
	// The devices of a block lie far apart in the crates. To touch all of them first, in a short loop, lets the processor
	// fetch many at once.
	recs, touched := 0, byte(0)
	for _, r := range refs {
		c := &w.crates[r.crate]
		x := &c.rows[r.row]
		recs += int(x.recs)
		touched ^= c.text[x.text]
		if x.recs > 0 {
			touched ^= byte(c.recs[x.rec].node)
		}
	}
	w.touched = touched
	b := &block{recs: make([]rec, 0, recs), statuses: make([]byte, 0, recs), ends: make([]uint16, 0, len(refs))}
	for _, r := range refs {
		c := &w.crates[r.crate]
		x := &c.rows[r.row]
		mk, isNew := w.makes.of(x.make, len(w.sheet.makes))
		if isNew {
			w.sheet.makes = append(w.sheet.makes, w.commons.makes.list[x.make])
		}
		pl, isNew := w.places.of(x.place, len(w.sheet.places))
		if isNew {
			w.sheet.places = append(w.sheet.places, w.commons.places.list[x.place])
		}
		text := c.text[x.text:]
		w.sheet.add(text[:x.key], text[x.key:x.key+x.description], text[x.key+x.description:x.key+x.description+x.rest], mk, pl)
		for k := range c.recs[x.rec : x.rec+x.recs] {
			p := &c.recs[int(x.rec)+k]
			cond, isNew := w.conds.of(p.cond, len(b.conds))
			if isNew {
				b.conds = append(b.conds, w.commons.conds.list[p.cond])
			}
			r := p.rec
			r.cond = uint16(cond)
			if p.odd > 0 {
				b.odds = append(b.odds, c.odds[p.odd-1])
				r.odd = uint16(len(b.odds))
			}
			b.recs, b.statuses = append(b.recs, r), append(b.statuses, byte(r.status))
		}
		b.ends = append(b.ends, uint16(len(b.recs)))
	}
	b.conds, b.odds = slices.Clip(b.conds), slices.Clip(b.odds)
	b.sheet = w.sheet.sheet()
	return b
}

// count counts the records of a new cluster and gives them their StateIds, in name order of the devices, so that these do
// not depend on the order of the configuration; with exact, the records have theirs already.
func (t *tx) count(exact bool, bad *complaints) {
	s := t.s
	for n, b := range s.blocks {
		s.roster.add(b.key(0), b.len())
		for k := range b.recs {
			r := &b.recs[k]
			node := &s.nodes[r.node]
			node.records++
			node.registered += btoi(r.status == Registered)
			if !exact {
				node.devices.stateID++
				r.stateID = node.devices.stateID
			} else if r.stateID == 0 || r.stateID > node.devices.stateID {
				i := sort.Search(b.len(), func(i int) bool { return int(b.ends[i]) > k })
				bad.add("registration of %q on %q: StateId %d is not from 1 to the node's %d", s.name(slotOf(n, i)), node.Name, r.stateID, node.devices.stateID)
			}
		}
	}
}

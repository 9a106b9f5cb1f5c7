package cluster

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// block is up to 256 devices that follow each other in name order, and the nodes' records of them. It is immutable once it
// is in a snapshot: a change of a record copies the records of its block, some kilobytes, and nothing else.
type block struct {
	sheet    *sheet   // of all its devices, in their order; nil when there are several, or order is another one
	sheets   []*sheet // else
	order    []at     // where each device is written down
	recs     []rec    // of the devices one after the other, each one's in node order
	ends     []uint16 // by device: where its records end
	statuses []byte   // of recs, once more: queries look for them all
	conds    []*cond
	odds     []*odd
	owner    *owner // see tx
	waste    int    // how many of conds and odds may be needed no more
}

// at is a place in a block's sheets.
type at struct{ sheet, item uint8 }

// rec is a record, packed. What it has no room for is in a cond, with many others, or in an odd of its own.
type rec struct {
	stateID  uint64
	stamp    int64
	attempts uint32
	ipv4     uint32
	cond     uint16 // in block.conds
	odd      uint16 // in block.odds, and one more; 0 for none
	node     uint16
	status   Status // of the cond too
	has      uint8
}

// What rec.has says. The lines take the upper bits: noLines, the status of all of the device's configured lines, or
// oddLines.
const (
	hasAttempts uint8 = 1 << iota
	hasIPv4
	lineBits = 4

	noLines  uint8 = 0
	oddLines uint8 = 15
)

// odd is what few records have.
type odd struct {
	ipv6  netip.Addr
	ipv4  netip.Addr // one that is not an IPv4 address: only in records that nobody has checked
	login string
	lines []Line // other ones than the device's configured lines, or of different status
}

// maxNodes keeps the number of a block's records within 16 bits, and maxWaste what is in conds and odds besides.
const (
	maxNodes = 255
	maxWaste = 1<<16 - 1 - maxNodes*blockSize
)

func (b *block) len() int { return len(b.ends) }

// device gives a device as it is written down.
func (b *block) device(i int) device {
	if b.sheet != nil {
		return device{b.sheet, i}
	}
	o := b.order[i]
	return device{b.sheets[o.sheet], int(o.item)}
}

func (b *block) key(i int) string { return b.device(i).key() }

// start is where the records of a device begin in b.recs.
func (b *block) start(i int) int {
	if i == 0 {
		return 0
	}
	return int(b.ends[i-1])
}

// chain gives the records of a device, in node order.
func (b *block) chain(i int) []rec { return b.recs[b.start(i):b.ends[i]] }

// find gives the device of a folded name.
func (b *block) find(key string) (int, bool) {
	if b.sheet != nil {
		return b.sheet.find(key)
	}
	i := b.from(key)
	return i, i < b.len() && b.key(i) == key
}

// from gives the first device whose folded name does not come before key.
func (b *block) from(key string) int {
	return sort.Search(b.len(), func(i int) bool { return b.key(i) >= key })
}

// kept is a record as a block keeps it, on its own: what history holds of the past. The zero value is none.
type kept struct {
	rec
	cond *cond
	odd  *odd
}

func (b *block) kept(r *rec) kept {
	k := kept{*r, b.conds[r.cond], nil}
	if r.odd > 0 {
		k.odd = b.odds[r.odd-1]
	}
	return k
}

// pack makes a kept of a record, all but its cond; state is the lineState.
func pack(r *Record, node int, state uint8) kept {
	p := kept{rec: rec{stateID: r.StateID, stamp: r.TimeStamp, node: uint16(node), status: r.Status}}
	if n, ok := r.Attempts.Get(); ok {
		p.attempts = n
		p.has |= hasAttempts
	}
	p.has |= state * lineBits
	v4 := !r.IPv4.IsValid()
	if r.IPv4.Is4() {
		a := r.IPv4.As4()
		p.ipv4 = binary.BigEndian.Uint32(a[:])
		p.has |= hasIPv4
		v4 = true
	}
	if state == oddLines || !v4 || r.IPv6.IsValid() || r.LoginUser != "" {
		o := &odd{ipv6: r.IPv6, login: strings.Clone(r.LoginUser)} // which may be part of a longer text
		if !v4 {
			o.ipv4 = r.IPv4
		}
		if state == oddLines {
			o.lines = slices.Clone(r.Lines)
			for i := range o.lines {
				o.lines[i].Number = strings.Clone(o.lines[i].Number)
			}
		}
		p.odd = o
	}
	return p
}

// lineState says how a record's lines are kept. The device has n configured lines, which next gives one after the other.
func lineState(have []Line, n int, next func() string) uint8 {
	if len(have) == 0 {
		return noLines
	}
	if len(have) != n {
		return oddLines
	}
	for i := range have {
		if have[i].Status != have[0].Status || have[i].Number != next() {
			return oddLines
		}
	}
	if s := uint8(have[0].Status); s != noLines && s < oddLines {
		return s
	}
	return oddLines
}

// unpack makes a Record of the one of the i-th device. The lines are appended to lines.
func (b *block) unpack(i int, r *rec, to *Record, lines []Line) {
	k := b.kept(r)
	k.unpack(b.device(i), to, lines)
}

// unpack is the reverse of pack.
func (k *kept) unpack(d device, to *Record, lines []Line) {
	c := k.cond
	*to = Record{
		Status: c.status, Reason: c.reason, TimeStamp: k.stamp,
		ActiveLoad: c.activeLoad, InactiveLoad: c.inactiveLoad,
		Download: c.download, DownloadFailure: c.downloadFailure, DownloadServer: c.downloadServer,
		StateID: k.stateID,
	}
	if k.has&hasAttempts != 0 {
		to.Attempts = Some(k.attempts)
	}
	if k.has&hasIPv4 != 0 {
		to.IPv4 = k.address()
	}
	if o := k.odd; o != nil {
		to.IPv6, to.LoginUser = o.ipv6, o.login
		if o.ipv4.IsValid() {
			to.IPv4 = o.ipv4
		}
		if o.lines != nil {
			to.Lines = append(lines, o.lines...)
			return
		}
	}
	if state := k.has / lineBits; state != noLines {
		list, _ := d.numbers()
		lines = slices.Grow(lines, list.n)
		for list.n > 0 {
			var number string
			number, list = list.next()
			lines = append(lines, Line{number, Status(state)})
		}
		to.Lines = lines
	}
}

// address is the IPv4 address of a record that has one.
func (r *rec) address() netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], r.ipv4)
	return netip.AddrFrom4(a)
}

// eachNumber gives the directory numbers of the record's lines, in order, until yield returns false.
func (k *kept) eachNumber(d device, yield func(string) bool) {
	if k.odd != nil && k.odd.lines != nil {
		for _, l := range k.odd.lines {
			if !yield(l.Number) {
				return
			}
		}
		return
	}
	if k.has/lineBits == noLines {
		return
	}
	for list, _ := d.numbers(); list.n > 0; {
		var number string
		if number, list = list.next(); !yield(number) {
			return
		}
	}
}

// clone copies a block for a change: its records, and the rest when and if it changes.
func (b *block) clone() *block {
	c := *b
	c.recs = append(make([]rec, 0, len(b.recs)+1), b.recs...)
	c.statuses = append(make([]byte, 0, len(b.statuses)+1), b.statuses...)
	c.conds, c.odds = slices.Clip(b.conds), slices.Clip(b.odds) // to append to them copies them
	return &c
}

// put makes k the node's record of a device; a zero k removes it. b must be a clone of the caller's.
func (b *block) put(i, node int, k kept) {
	from := b.start(i)
	n, had := slices.BinarySearchFunc(b.recs[from:b.ends[i]], node, func(r rec, node int) int { return int(r.node) - node })
	n += from
	b.waste += btoi(had)
	shift := 0
	switch {
	case k.cond == nil && had:
		b.recs, b.statuses = slices.Delete(b.recs, n, n+1), slices.Delete(b.statuses, n, n+1)
		shift = -1
	case k.cond != nil && !had:
		b.recs, b.statuses = slices.Insert(b.recs, n, rec{}), slices.Insert(b.statuses, n, 0)
		shift = 1
	}
	if shift != 0 {
		b.ends = slices.Clone(b.ends)
		for j := i; j < len(b.ends); j++ {
			b.ends[j] = uint16(int(b.ends[j]) + shift)
		}
	}
	if k.cond != nil {
		b.recs[n], b.statuses[n] = b.add(k), byte(k.status)
	}
	if b.waste >= maxWaste {
		b.tidy()
	}
}

// add makes room for what k points to.
func (b *block) add(k kept) rec {
	k.rec.cond = uint16(addOnce(&b.conds, k.cond))
	k.rec.odd = 0
	if k.odd != nil {
		b.odds = append(b.odds, k.odd)
		k.rec.odd = uint16(len(b.odds))
	}
	return k.rec
}

// tidy drops what no record needs any more.
func (b *block) tidy() {
	conds, odds := b.conds, b.odds
	b.conds, b.odds, b.waste = make([]*cond, 0, len(conds)), nil, 0
	moved := make([]uint16, len(conds)) // to where in the new ones, and one more
	for i := range b.recs {
		r := &b.recs[i]
		if moved[r.cond] == 0 {
			b.conds = append(b.conds, conds[r.cond])
			moved[r.cond] = uint16(len(b.conds))
		}
		r.cond = moved[r.cond] - 1
		if r.odd > 0 {
			b.odds = append(b.odds, odds[r.odd-1])
			r.odd = uint16(len(b.odds))
		}
	}
}

// entry is a device and its records on the way from one block to another.
type entry struct {
	device
	recs []kept
}

// entries lists the devices of a block.
func (b *block) entries() []entry {
	out, recs := make([]entry, b.len()), make([]kept, len(b.recs))
	for i := range b.recs {
		recs[i] = b.kept(&b.recs[i])
	}
	for i := range out {
		out[i] = entry{b.device(i), recs[b.start(i):b.ends[i]]}
	}
	return out
}

// written writes devices down, which are in name order.
func written(devices []*Device, k *kit) []entry {
	out := make([]entry, 0, len(devices))
	var w sheetWriter
	for len(devices) > 0 {
		n := min(len(devices), blockSize)
		for _, d := range devices[:n] {
			w.device(d, k)
		}
		sh := w.sheet()
		for i := range n {
			out = append(out, entry{device: device{sh, i}})
		}
		devices = devices[n:]
	}
	return out
}

// merge puts two lists in name order together.
func merge(a, b []entry) []entry {
	out := make([]entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].key() < b[0].key() {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// maxSheets is how many sheets a block has before they are written together anew.
const maxSheets = 16

// newBlock makes a block of at most blockSize entries, in name order. The devices stay where they are written down, unless
// that is on too many sheets or anew says that they are to be written together.
func newBlock(entries []entry, anew bool) *block {
	b := &block{}
	plain, written := len(entries[0].sheet.items) == len(entries), 0
	for i, e := range entries {
		n := len(b.sheets)
		if addOnce(&b.sheets, e.sheet) == n {
			written += len(e.sheet.items)
		}
		plain = plain && e.item == i && e.sheet == entries[0].sheet
	}
	switch {
	case plain:
		b.sheet, b.sheets = b.sheets[0], nil
	case anew || len(b.sheets) > maxSheets || written > 2*len(entries)+blockSize/4:
		var w sheetWriter
		for _, e := range entries {
			w.copy(e.sheet, e.item)
		}
		b.sheet, b.sheets = w.sheet(), nil
	default:
		for _, e := range entries {
			b.order = append(b.order, at{uint8(addOnce(&b.sheets, e.sheet)), uint8(e.item)})
		}
	}
	for _, e := range entries {
		for _, k := range e.recs {
			b.recs, b.statuses = append(b.recs, b.add(k)), append(b.statuses, byte(k.status))
		}
		b.ends = append(b.ends, uint16(len(b.recs)))
	}
	return b
}

// newBlocks makes as few blocks as it takes of entries, all of about the same length.
func newBlocks(entries []entry) []*block {
	var out []*block
	parts := (len(entries) + blockSize - 1) / blockSize
	for left := parts; left > 0; left-- {
		n := (len(entries) + left - 1) / left
		out = append(out, newBlock(entries[:n], parts > 1))
		entries = entries[n:]
	}
	return out
}

// knows says whether a node has any record here.
func (b *block) knows(node int) bool { return on(b.recs, node) != nil }

// forget drops all records of a node.
func (b *block) forget(node int) {
	recs, statuses := b.recs[:0], b.statuses[:0]
	b.ends = slices.Clone(b.ends)
	for i, from := 0, 0; i < len(b.ends); i++ {
		for _, r := range b.recs[from:b.ends[i]] {
			if int(r.node) != node {
				recs, statuses = append(recs, r), append(statuses, byte(r.status))
			}
		}
		from, b.ends[i] = int(b.ends[i]), uint16(len(recs))
	}
	b.recs, b.statuses = recs, statuses
	b.tidy()
}

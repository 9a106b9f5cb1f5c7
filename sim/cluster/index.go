package cluster

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// index finds the devices that may hold a directory number or an address. It is made at the first query that needs
// it and carried on from snapshot to snapshot: what has changed since stands in Snapshot.fresh. It names candidates only;
// Select looks at each record itself.
type index struct {
	once  sync.Once
	built atomic.Bool

	sheets  []*sheet       // where the candidates are written down
	numbers sorted[uint64] // by code of the number
	odd     sorted[string] // numbers that have no code
	v4      sorted[uint32]
	v6      sorted[netip.Addr]
}

// sorted is devices that have, or once had, a number or an address, in its order.
type sorted[K any] struct {
	keys    []K
	devices []uint32 // of each key: its device's sheet in index.sheets, times blockSize, and the item in that
}

// indexed is one of them while the index is made.
type indexed[K any] struct {
	key    K
	device uint32
}

// of takes over a list that is in order.
func (s *sorted[K]) of(list []indexed[K]) {
	s.keys, s.devices = make([]K, len(list)), make([]uint32, len(list))
	for i := range list {
		s.keys[i], s.devices[i] = list[i].key, list[i].device
	}
}

// fresh is what an index does not know yet: numbers and addresses that have come since, with the keys of their devices.
// Snapshots share the arrays: they are only ever appended to.
type fresh struct {
	numbers []freshNumber
	addrs   []freshAddr
}

type freshNumber struct{ number, device string }

type freshAddr struct {
	addr   netip.Addr
	device string
}

// numberCode writes a number in 16 places of four bits, so that codes are in the order of the numbers, and a prefix is a
// range; false when the number is longer or holds anything else than digits, plus, asterisk and number sign.
func numberCode(number string) (code uint64, ok bool) {
	if len(number) > 16 {
		return 0, false
	}
	for i := range len(number) {
		var c uint64
		switch b := number[i]; {
		case '0' <= b && b <= '9':
			c = uint64(b-'0') + 4
		case b == '+':
			c = 3
		case b == '*':
			c = 2
		case b == '#':
			c = 1
		default:
			return 0, false
		}
		code |= c << (60 - 4*i)
	}
	return code, true
}

// lookup gives the snapshot's index, making it when this is the first time that it is needed. An index that is not
// yet made belongs to one snapshot alone, so it is made of that one's records.
func (s *Snapshot) lookup() *index {
	x := s.index
	x.once.Do(func() {
		var (
			numbers = make([]indexed[uint64], 0, s.roster.len)
			v4      = make([]indexed[uint32], 0, s.roster.len)
			odd     []indexed[string]
			v6      []indexed[netip.Addr]
		)
		note := func(d device, at uint32, k *kept) {
			k.eachNumber(d, func(text string) bool {
				if code, ok := numberCode(number(text)); ok {
					numbers = append(numbers, indexed[uint64]{code, at})
				} else {
					odd = append(odd, indexed[string]{number(text), at})
				}
				return true
			})
			if k.has&hasIPv4 != 0 {
				v4 = append(v4, indexed[uint32]{k.ipv4, at})
			}
			if k.odd != nil && k.odd.ipv6.IsValid() {
				v6 = append(v6, indexed[netip.Addr]{k.odd.ipv6, at})
			}
		}
		for _, b := range s.blocks {
			first := len(x.sheets)
			if x.sheets = append(x.sheets, b.sheets...); b.sheet != nil {
				x.sheets = append(x.sheets, b.sheet)
			}
			for i := range b.len() {
				sheet, d := first, b.device(i)
				if b.sheet == nil {
					sheet += int(b.order[i].sheet)
				}
				chain := b.chain(i)
				for n := range chain {
					k := b.kept(&chain[n])
					note(d, uint32(sheet*blockSize+d.item), &k)
				}
			}
		}
		// What is equal stays in the order of the devices.
		sortByKey(numbers, func(n *indexed[uint64]) uint64 { return n.key })
		sortByKey(v4, func(a *indexed[uint32]) uint64 { return uint64(a.key) })
		slices.SortStableFunc(odd, func(a, b indexed[string]) int { return strings.Compare(a.key, b.key) })
		slices.SortStableFunc(v6, func(a, b indexed[netip.Addr]) int { return a.key.Compare(b.key) })
		x.numbers.of(numbers)
		x.odd.of(odd)
		x.v4.of(v4)
		x.v6.of(v6)
		x.built.Store(true)
	})
	return x
}

// byNumber appends the devices that may have a line with the number, or one that begins with it.
func (s *Snapshot) byNumber(spans []span, number string, prefix bool) []span {
	x := s.lookup()
	if code, ok := numberCode(number); ok {
		end := code
		if prefix && len(number) < 16 {
			end |= 1<<(64-4*len(number)) - 1
		}
		spans = candidates(s, spans, &x.numbers, func(n uint64) int { return cmp.Compare(n, code) }, func(n uint64) bool { return n <= end })
	}
	spans = candidates(s, spans, &x.odd, func(n string) int { return strings.Compare(n, number) },
		func(n string) bool { return n == number || prefix && strings.HasPrefix(n, number) })
	for _, f := range s.fresh.numbers {
		if f.number == number || prefix && strings.HasPrefix(f.number, number) {
			spans = s.named(spans, f.device)
		}
	}
	return spans
}

// byAddr appends the devices that may have the address.
func (s *Snapshot) byAddr(spans []span, addr netip.Addr) []span {
	x := s.lookup()
	if addr.Is4() {
		a := addr.As4()
		v4 := binary.BigEndian.Uint32(a[:])
		spans = candidates(s, spans, &x.v4, func(a uint32) int { return cmp.Compare(a, v4) }, func(a uint32) bool { return a == v4 })
	} else {
		spans = candidates(s, spans, &x.v6, func(a netip.Addr) int { return a.Compare(addr) }, func(a netip.Addr) bool { return a == addr })
	}
	for _, f := range s.fresh.addrs {
		if f.addr == addr {
			spans = s.named(spans, f.device)
		}
	}
	return spans
}

// candidates appends the present slots of the devices from the first key on that compare does not put below, for as long
// as the keys are within.
func candidates[K any](s *Snapshot, spans []span, in *sorted[K], compare func(K) int, within func(K) bool) []span {
	from := sort.Search(len(in.keys), func(i int) bool { return compare(in.keys[i]) >= 0 })
	for i := from; i < len(in.keys) && within(in.keys[i]); i++ {
		d := in.devices[i]
		spans = s.named(spans, s.index.sheets[d/blockSize].key(int(d%blockSize)))
	}
	return spans
}

// named appends the slot of a folded name.
func (s *Snapshot) named(spans []span, key string) []span {
	if slot, ok := s.find(key); ok {
		spans = append(spans, one(slot))
	}
	return spans
}

// note remembers what an index does not know of a changed record: numbers and addresses that it had not before.
func (f *fresh) note(was *kept, wasOf device, is *kept, isOf device) {
	if is.cond == nil {
		return // a record that is gone only leaves a candidate too many
	}
	key := isOf.key()
	if a := is.v4(); a.IsValid() && a != was.v4() {
		f.addrs = append(f.addrs, freshAddr{a, key})
	}
	if a := is.v6(); a.IsValid() && a != was.v6() {
		f.addrs = append(f.addrs, freshAddr{a, key})
	}
	if was.cond != nil && wasOf == isOf && was.has/lineBits != oddLines && is.has/lineBits != oddLines && was.has/lineBits != noLines {
		return // the configured lines, as before
	}
	is.eachNumber(isOf, func(now string) bool {
		known := false
		was.eachNumber(wasOf, func(then string) bool {
			known = known || now == then
			return !known
		})
		if !known {
			f.numbers = append(f.numbers, freshNumber{number(now), key})
		}
		return true
	})
}

// v4 is the record's IPv4 address, the zero Addr when it has none or there is no record.
func (k *kept) v4() netip.Addr {
	if k.has&hasIPv4 == 0 {
		return netip.Addr{}
	}
	return k.address()
}

func (k *kept) v6() netip.Addr {
	if k.odd == nil {
		return netip.Addr{}
	}
	return k.odd.ipv6
}

// span is a range of slots, lo included and hi not.
type span struct{ lo, hi int }

func one(slot int) span { return span{slot, slot + 1} }

// tidy sorts spans and joins those that overlap or touch, so that each slot comes up once and in name order.
func tidy(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.lo - b.lo })
	kept := spans[:0]
	for _, p := range spans {
		switch last := len(kept) - 1; {
		case p.lo >= p.hi:
		case last >= 0 && p.lo <= kept[last].hi:
			kept[last].hi = max(kept[last].hi, p.hi)
		default:
			kept = append(kept, p)
		}
	}
	return kept
}

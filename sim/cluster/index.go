package cluster

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// index finds the devices that may hold a directory number or an address. It is made at the first query that needs
// it and carried on from snapshot to snapshot while few lines and addresses change: what it does not know stands in
// Snapshot.dirty. It names candidates only; Select looks at each record itself.
type index struct {
	once    sync.Once
	built   atomic.Bool
	numbers []numberAt // by number, then slot
	addrs   []addrAt   // by address, then slot
}

type numberAt struct {
	number string
	slot   int32
}

type addrAt struct {
	addr netip.Addr
	slot int32
}

// lookup gives the snapshot's index, making it when this is the first time that it is needed. An index that is not
// yet made belongs to one snapshot alone, so it is made of that one's records.
func (s *Snapshot) lookup() *index {
	x := s.index
	x.once.Do(func() {
		for slot := range s.roster.devices {
			for h := s.chain(slot); h != nil; h = h.next {
				for _, l := range h.Lines {
					x.numbers = append(x.numbers, numberAt{number(l.Number), int32(slot)})
				}
				if h.IPv4.IsValid() {
					x.addrs = append(x.addrs, addrAt{h.IPv4, int32(slot)})
				}
				if h.IPv6.IsValid() {
					x.addrs = append(x.addrs, addrAt{h.IPv6, int32(slot)})
				}
			}
		}
		slices.SortFunc(x.numbers, func(a, b numberAt) int {
			return cmp.Or(strings.Compare(a.number, b.number), cmp.Compare(a.slot, b.slot))
		})
		slices.SortFunc(x.addrs, func(a, b addrAt) int {
			return cmp.Or(a.addr.Compare(b.addr), cmp.Compare(a.slot, b.slot))
		})
		x.built.Store(true)
	})
	return x
}

func (x *index) byNumber(spans []span, number string, prefix bool) []span {
	i := sort.Search(len(x.numbers), func(i int) bool { return x.numbers[i].number >= number })
	for ; i < len(x.numbers); i++ {
		if n := x.numbers[i].number; n != number && !(prefix && strings.HasPrefix(n, number)) {
			break
		}
		spans = append(spans, one(int(x.numbers[i].slot)))
	}
	return spans
}

func (x *index) byAddr(spans []span, addr netip.Addr) []span {
	i := sort.Search(len(x.addrs), func(i int) bool { return x.addrs[i].addr.Compare(addr) >= 0 })
	for ; i < len(x.addrs) && x.addrs[i].addr == addr; i++ {
		spans = append(spans, one(int(x.addrs[i].slot)))
	}
	return spans
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

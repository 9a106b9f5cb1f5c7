package soap

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
)

// origins remembers which queries the StateInfo of recent answers came from, so that one which comes back with another
// query is noticed (rule N7). StateInfo itself does not say: it holds node names and counters only. It is safe for
// concurrent use, and forgets the oldest.
type origins struct {
	seed maphash.Seed

	mu      sync.Mutex
	queries map[uint64][]uint64 // by StateInfo: the queries that were answered with it
	order   []uint64            // of the StateInfos, oldest first
}

const (
	keptOrigins  = 4096 // StateInfos
	keptPerState = 8    // queries with the same StateInfo, which is common while nothing changes
)

func newOrigins() *origins {
	return &origins{seed: maphash.MakeSeed(), queries: map[uint64][]uint64{}}
}

// another says that a StateInfo is known to have come from other queries and not from this one.
func (o *origins) another(state string, query uint64) bool {
	key := maphash.String(o.seed, state)
	o.mu.Lock()
	defer o.mu.Unlock()
	from := o.queries[key]
	return len(from) > 0 && len(from) < keptPerState && !slices.Contains(from, query)
}

// note remembers that a query was answered with a StateInfo.
func (o *origins) note(state string, query uint64) {
	key := maphash.String(o.seed, state)
	o.mu.Lock()
	defer o.mu.Unlock()
	from, known := o.queries[key]
	if slices.Contains(from, query) || len(from) >= keptPerState {
		return
	}
	o.queries[key] = append(from, query)
	if known {
		return
	}
	if o.order = append(o.order, key); len(o.order) > keptOrigins {
		delete(o.queries, o.order[0])
		o.order = o.order[1:]
	}
}

// of is what a query asks for, as a number; StateInfo is no part of it.
func (o *origins) of(q *query) uint64 {
	var h maphash.Hash
	h.SetSeed(o.seed)
	number := func(ns ...uint64) {
		for _, n := range ns {
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], n)
			h.Write(b[:])
		}
	}
	texts := func(list []string) {
		number(uint64(len(list)))
		for _, text := range list {
			h.WriteString(text)
			h.WriteByte(0)
		}
	}
	number(uint64(q.op), uint64(q.limit))
	texts([]string{q.node})
	if q.op == SelectCtiItem {
		c := &q.cti
		number(uint64(c.Class), uint64(c.Status), uint64(c.By))
		texts(c.Apps)
		texts(c.DevNames)
		texts(c.Numbers)
		return h.Sum64()
	}
	d := &q.device
	nothing := uint64(0)
	if d.Nothing {
		nothing = 1
	}
	number(nothing, uint64(d.Class), uint64(d.Model), uint64(d.Status), uint64(d.Protocol), uint64(d.Download), uint64(d.By))
	texts(d.Items)
	return h.Sum64()
}

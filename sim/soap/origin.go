package soap

import (
	"hash/maphash"
	"math/bits"
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

func (o *origins) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queries, o.order = map[uint64][]uint64{}, nil
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
	if q.op == SelectCtiItem {
		c := &q.cti
		asked := maphash.Comparable(o.seed, [...]int{int(q.op), q.limit, int(c.Class), int(c.Status), int(c.By)})
		return o.with(o.with(o.with(o.text(asked, q.node), c.Apps), c.DevNames), c.Numbers)
	}
	d := &q.device
	nothing := 0
	if d.Nothing {
		nothing = 1
	}
	asked := maphash.Comparable(o.seed, [...]int{
		int(q.op), q.limit, nothing, int(d.Class), int(d.Model), int(d.Status), int(d.Protocol), int(d.Download), int(d.By),
	})
	return o.with(o.text(asked, q.node), d.Items)
}

// with goes on from a number by a list of texts.
func (o *origins) with(asked uint64, list []string) uint64 {
	for _, text := range list {
		asked = o.text(asked, text)
	}
	return asked*31 + uint64(len(list))
}

func (o *origins) text(asked uint64, text string) uint64 {
	const odd = 0x9e3779b97f4a7c15 // the order of texts must count
	return bits.RotateLeft64(asked*odd, 29) ^ maphash.String(o.seed, text)
}

package clock

import (
	"bytes"
	"container/heap"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// maxAgain bounds the callbacks registered by callbacks for their own instant.
// What was registered beforehand does not count: a million phones may well be
// due at once.
const maxAgain = 1_000_000

// queue is what both clocks have in common: the callbacks not yet run and the
// one that is running. Methods require mu to be held.
type queue struct {
	mu      sync.RWMutex // also guards the clock around the queue; never held while a callback runs
	loc     *time.Location
	waiting events
	seq     uint64    // registrations so far
	running *event    // nil between callbacks
	instant time.Time // due time of the last callback run
	again   int       // callbacks run at instant that were registered during it
}

// event is one registered callback.
type event struct {
	due   time.Time
	seq   uint64
	name  string
	f     func(now time.Time)
	index int  // in the heap; -1 once it has left
	again bool // registered by a callback of the same instant
}

// add registers f for t, or for the present instant if t is earlier. now is the
// time that the clock shows.
func (q *queue) add(t, now time.Time, name string, f func(time.Time)) *event {
	if f == nil {
		panic(fmt.Sprintf("clock: nil callback registered as %q", name))
	}
	if q.running != nil {
		now = q.running.due // a real clock that runs late shows more
	}
	q.seq++
	e := &event{due: t.In(q.loc), seq: q.seq, name: name, f: f} // In drops the monotonic reading
	if !t.After(now) {
		e.due = now
		e.again = q.running != nil
	}
	heap.Push(&q.waiting, e)
	return e
}

// canceller returns the cancel func of e, to be called without mu.
func (q *queue) canceller(e *event) func() {
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if e.index >= 0 {
			heap.Remove(&q.waiting, e.index)
		}
	}
}

// first returns the next event to run, or nil.
func (q *queue) first() *event {
	if len(q.waiting) == 0 {
		return nil
	}
	return q.waiting[0]
}

// runFirst takes the first event and runs it with mu released. mu is held again
// on return, however the callback ended.
func (q *queue) runFirst() {
	e := heap.Pop(&q.waiting).(*event)
	if !e.due.Equal(q.instant) {
		q.instant, q.again = e.due, 0
	}
	if e.again {
		if q.again++; q.again > maxAgain {
			panic(fmt.Sprintf("clock: callbacks keep registering callbacks for their own instant, %s: %d so far, the last is %q",
				e.due.Format(time.RFC3339Nano), q.again, e.name))
		}
	}
	q.running = e
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.running = nil
	}()
	e.f(e.due)
}

// events is a heap ordered by due time, then registration.
type events []*event

func (h events) Len() int { return len(h) }

func (h events) Less(i, j int) bool {
	if c := h[i].due.Compare(h[j].due); c != 0 {
		return c < 0
	}
	return h[i].seq < h[j].seq
}

func (h events) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *events) Push(x any) {
	e := x.(*event)
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *events) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.index = -1
	return e
}

// goroutineID tells a callback that would wait for itself from another
// goroutine that may wait its turn. Go offers no other way to ask. It is never
// 0 and costs about two microseconds.
func goroutineID() uint64 {
	var buf [64]byte
	text := buf[:runtime.Stack(buf[:], false)] // goroutine 18 [running]: ...
	digits, _, _ := bytes.Cut(bytes.TrimPrefix(text, []byte("goroutine ")), []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("clock: no goroutine number in %q", text))
	}
	return id
}

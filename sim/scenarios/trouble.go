package scenarios

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"
)

// Request is what a scenario may know of a client's request when it arrives.
type Request struct {
	Number    uint64    // which request it is since the start, from 1: with it go draws of chance
	At        time.Time // in simulated time
	Operation string    // selectCmDevice, selectCmDeviceExt or selectCtiItem; empty when it is none
	Node      string    // the node that receives it
	User      string    // empty when nobody has logged in
	// Body gives the request's XML, for XPath. Nil: no XPath finds anything.
	Body func() []byte
}

// Answer is a request and what became of it.
type Answer struct {
	Request
	Status int      // of HTTP
	Fault  string   // name of the SOAP fault, such as rateLimit; empty for none
	Advice []string // ids
}

// match is a RequestMatch made ready. Nil matches every request.
type match struct {
	operations []string
	nodes      patterns
	users      patterns
	src        *RequestMatch
	mu         sync.Mutex // of xpath, which keeps state while it is evaluated
	xpath      *xpath.Expr
}

func (m *match) hits(r *Request) bool {
	if m == nil {
		return true
	}
	if !among(m.operations, r.Operation) || !m.nodes.match(r.Node) || !m.users.match(r.User) {
		return false
	}
	if m.xpath == nil {
		return true
	}
	if r.Body == nil {
		return false
	}
	doc, err := xmlquery.Parse(bytes.NewReader(r.Body()))
	if err != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch found := m.xpath.Evaluate(xmlquery.CreateXPathNavigator(doc)).(type) {
	case *xpath.NodeIterator:
		return found.MoveNext()
	case bool:
		return found
	case float64:
		return found != 0
	case string:
		return found != ""
	}
	return false
}

// Impairment is trouble that the simulator injects, ready to be used: the requests that it hits and what happens to
// them. It never changes. Latency and Dribble go with any other; of the rest at most one is set.
type Impairment struct {
	ID string

	Dribble       *SlowAnswer   // nil: the answer comes at once
	Reset         int           // bytes of the body after which the connection is reset; below 0: not
	Truncate      int           // bytes of the body after which the answer ends; below 0: not
	Status        int           // HTTP status in place of an answer; 0: none
	FaultName     string        // SOAP fault in place of an answer, by name; empty: none
	FaultCode     string        // SOAP fault in place of an answer, by code, which is empty for none
	FaultText     string        // and text
	Malformed     bool          // the answer is not well-formed
	Stall         time.Duration // how long nothing comes before the connection closes; 0: not
	Refuse        bool          // connections are refused
	TLS           string        // expired, wrongName, or empty for no trouble
	ExpireSession bool          // the client's session has expired

	latency  *spread
	seed     chance
	share    float64 // of the requests; 1: all
	match    *match
	requests *requests
	key      string
	at       Pos
}

// SlowAnswer is an answer that comes Bytes at a time, Every so long.
type SlowAnswer struct {
	Bytes int
	Every time.Duration
}

// Whole says that the impairment depends on nothing of a request: it can be applied when a connection comes in, before
// there is a request, as refused connections and trouble with certificates must be.
func (i *Impairment) Whole() bool { return i.match == nil && i.requests == nil && i.share >= 1 }

// Hit is an impairment that has hit a request.
type Hit struct {
	*Impairment
	Latency time.Duration // drawn for this request, in simulated time; 0: none
}

// Troubles is the impairments that are in force. The zero value is ready for use, with none. It is safe for concurrent
// use, and calls nothing while it is locked.
type Troubles struct {
	mu     sync.Mutex
	active []*active
}

type active struct {
	*Impairment
	matched int // requests
}

// Add puts an impairment in force, in place of one with the same id.
func (t *Troubles) Add(i *Impairment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removeLocked(i.ID)
	t.active = append(t.active, &active{Impairment: i})
	slices.SortStableFunc(t.active, func(a, b *active) int {
		return cmp.Or(cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Column, b.at.Column))
	})
}

// Remove lifts an impairment, and reports whether it was in force.
func (t *Troubles) Remove(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.removeLocked(id)
}

func (t *Troubles) removeLocked(id string) bool {
	before := len(t.active)
	t.active = slices.DeleteFunc(t.active, func(a *active) bool { return a.ID == id })
	return len(t.active) < before
}

// Active lists the impairments in force, in the order in which they are written.
func (t *Troubles) Active() []*Impairment {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*Impairment, len(t.active))
	for i, a := range t.active {
		out[i] = a.Impairment
	}
	return out
}

// Hits tells which impairments hit a request, in the order in which they are written. To be called once for every
// request, as it counts them.
func (t *Troubles) Hits(r Request) []Hit {
	// XPath may take its time, so it is looked for before the lock is taken.
	var matched []*Impairment
	for _, i := range t.Active() {
		if i.match.hits(&r) && (i.requests == nil || i.requests.match.hits(&r)) {
			matched = append(matched, i)
		}
	}
	if len(matched) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Hit
	for _, a := range t.active {
		if !slices.Contains(matched, a.Impairment) {
			continue
		}
		a.matched++
		if a.requests != nil && !a.requests.fires(a.matched) {
			continue
		}
		if a.share < 1 && a.seed.draw(a.key, "chance", "", int(r.Number)) >= a.share {
			continue
		}
		h := Hit{Impairment: a.Impairment}
		if a.latency != nil {
			h.Latency = a.latency.at(a.seed.draw(a.key, "latency", "", int(r.Number)))
		}
		out = append(out, h)
	}
	return out
}

// requests is a RequestCount made ready.
type requests struct {
	match           *match
	from, to, every int // to 0: no end; every 0: each from from to to
}

// fires tells whether the n-th matching request, from 1, is one at which the trigger fires.
func (r *requests) fires(n int) bool {
	return n >= r.from && (r.to == 0 || n <= r.to) && (r.every == 0 || (n-max(r.from, r.every))%r.every == 0 && n >= r.every)
}

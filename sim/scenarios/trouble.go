package scenarios

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"
)

// Request is what a scenario may know of a client's request when it arrives.
type Request struct {
	Number    uint64    // which request it is of those that are told of, from 1: with it go draws of chance
	At        time.Time // in simulated time
	Operation string    // selectCmDevice, selectCmDeviceExt or selectCtiItem; empty when it is none
	Node      string    // the node that receives it
	User      string    // as sent, with a wrong password too, or of the session; empty when it names nobody
	Body      *Body     // nil: no XPath finds anything
}

// Body is the XML of a request, for XPath. It is asked for and parsed once, if at all. It is safe for concurrent use.
type Body struct {
	text func() string
	once sync.Once
	doc  *xmlquery.Node // nil when it cannot be read
}

// NewBody makes the body of a request from its XML, which is UTF-8 and declares no other charset. In what is not well-formed no
// XPath finds anything.
func NewBody(text func() string) *Body { return &Body{text: text} }

func (b *Body) tree() *xmlquery.Node {
	b.once.Do(func() { b.doc, _ = xmlquery.Parse(strings.NewReader(b.text())) })
	return b.doc
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
	doc := r.Body.tree()
	if doc == nil {
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

// onlyNodes says that the match asks for nothing but the node, which is known before there is a request.
func (m *match) onlyNodes() bool {
	return m == nil || len(m.operations) == 0 && m.users.empty() && m.xpath == nil
}

// Impairment is trouble that the simulator injects, ready to be used: the requests that it hits and what happens to
// them. It never changes. Latency and Dribble go with any other; of the rest at most one is set.
type Impairment struct {
	ID      string
	Written string // in the words of the language, without id and times: {latency: 80ms, chance: 2%}

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

// ofConnections says that the impairment is about connections, and not about requests.
func (i *Impairment) ofConnections() bool { return i.Refuse || i.TLS != "" }

// ofRequests says that the impairment is about requests; one with TLS trouble can be about both.
func (i *Impairment) ofRequests() bool {
	return !i.ofConnections() || i.TLS != "" && (i.latency != nil || i.Dribble != nil)
}

// Hit is an impairment that has hit a request.
type Hit struct {
	*Impairment
	Latency time.Duration // drawn for this request, in simulated time; 0: none
}

// Troubles is the impairments that are in force. The zero value is ready for use, with none. It is safe for concurrent
// use, and calls nothing while it is locked.
type Troubles struct {
	some   atomic.Bool
	mu     sync.Mutex
	active []*active
}

type active struct {
	*Impairment
	matched int // requests
}

// Any says that there are impairments in force. It costs next to nothing.
func (t *Troubles) Any() bool { return t.some.Load() }

// Add puts an impairment in force, in place of one with the same id.
func (t *Troubles) Add(i *Impairment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removeLocked(i.ID)
	t.active = append(t.active, &active{Impairment: i})
	t.sortLocked()
	t.some.Store(true)
}

// Renew puts an impairment in the place of one that says the same but was written elsewhere, and keeps its count of requests.
// It does nothing when none of its id is in force.
func (t *Troubles) Renew(i *Impairment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.active {
		if a.ID == i.ID {
			a.Impairment = i
		}
	}
	t.sortLocked()
}

func (t *Troubles) sortLocked() {
	slices.SortStableFunc(t.active, func(a, b *active) int {
		return cmp.Or(cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Column, b.at.Column))
	})
}

// Lift lifts an impairment, and reports whether it was in force.
func (t *Troubles) Lift(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.removeLocked(id)
}

func (t *Troubles) removeLocked(id string) bool {
	before := len(t.active)
	t.active = slices.DeleteFunc(t.active, func(a *active) bool { return a.ID == id })
	t.some.Store(len(t.active) > 0)
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
		if i.ofRequests() && i.match.hits(&r) && (i.requests == nil || i.requests.match.hits(&r)) {
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

// Connection tells which impairment hits a connection: of those that refuse connections or have trouble with certificates,
// the one that is written first; nil for none. Connections are numbered from 1, and node is where this one arrives. The
// same connection is always hit by the same impairment, as long as that is in force.
func (t *Troubles) Connection(number uint64, node string) *Impairment {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.active {
		if a.ofConnections() && (a.match == nil || a.match.nodes.match(node)) &&
			(a.share >= 1 || a.seed.draw(a.key, "connection", "", int(number)) < a.share) {
			return a.Impairment
		}
	}
	return nil
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

package soap

import (
	"cmp"
	"container/list"
	"fmt"
	"hash/maphash"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/risim/risim/sim/cluster"
)

// What a client does over several exchanges, and the advice that it earns by that (section J of the rules). A client is who comes from one
// address, as one user, with one User-Agent. An exchange costs the same however many came before it, and what is remembered is bounded.
// Time is the simulator's.

const (
	keptClients = 1000 // the one that was not seen for longest is forgotten
	keptAsked   = 8    // queries of each of which the last answer is remembered
	keptCutOff  = 4    // answers that were cut off, to be followed by narrower queries
	keptItems   = 16   // items of such a query, below which narrower ones are looked for
	longestName = 256  // bytes of a user's name or a User-Agent
)

// How often something has to happen before it is a habit.
const (
	samePolls     = 3  // queries that come again without StateInfo, although nothing has changed
	unusedCookies = 3  // cookies that never came back
	deadSessions  = 3  // requests in a row in a session that has ended
	badLogins     = 3  // credentials that are refused, in a row
	staleStates   = 2  // times that a StateInfo comes again although the answers had newer ones
	singleNames   = 10 // queries in a row for one name each, within a minute
	contracts     = 5  // reads of the contract within a minute
)

// clients watches all clients of a service. It is safe for concurrent use.
type clients struct {
	seed maphash.Seed

	mu        sync.Mutex
	byKey     map[clientKey]*list.Element
	recent    list.List // of *client, the one seen last in front
	forgotten int
}

type clientKey struct{ user, address, agent string }

// client is what is remembered of one. Counts are of what came in a row: whatever is different begins anew.
type client struct {
	key clientKey

	refusedAt   time.Time // of the last rate fault, when nothing has been answered since
	minute      int64     // the minute of passed and over
	passed      int       // requests of it that the rate limit let through
	over        int64     // the last minute in which the client used up the limit alone, and was refused
	cookies     int       // given since one came back
	endedFaults int       // session faults
	badLogins   int
	faulted     uint64 // the last request, when it got a fault that no repetition mends
	names       int    // queries for one name
	namesSince  time.Time
	lastName    uint64
	contracts   int
	wsdlSince   time.Time

	asked  [keptAsked]asked
	cutOff []cutOff

	sums []sum
}

// asked is what a client was answered to one query.
type asked struct {
	query     uint64
	at        time.Time
	in, out   uint64 // StateInfo that was sent, and that of the answer; 0 for none
	same      int    // times in a row that it came without StateInfo and got the same answer
	stale     int    // times in a row that the same old StateInfo came
	truncated bool   // the last answer that was not NoChange
}

// cutOff is an answer that was cut off, and has not been followed by a narrower query.
type cutOff struct {
	query  uint64
	limit  int
	extent extent
	op     Operation
	node   cluster.NodeName
	seq    uint64
	at     time.Time
}

// sum is how often a client earned an advice.
type sum struct {
	id              string
	count           int
	first, last     uint64
	firstAt, lastAt time.Time
}

func newClients() *clients {
	return &clients{seed: maphash.MakeSeed(), byKey: map[clientKey]*list.Element{}}
}

func (t *clients) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byKey, t.forgotten = map[clientKey]*list.Element{}, 0
	t.recent.Init()
}

// ofLocked finds a client, which is made when it is not known.
func (t *clients) ofLocked(x *Exchange) *client {
	address, user, agent := x.Client, x.User, x.UserAgent
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		address = address[:i]
	}
	key := clientKey{user[:min(len(user), longestName)], address, agent[:min(len(agent), longestName)]}
	if e := t.byKey[key]; e != nil {
		t.recent.MoveToFront(e)
		return e.Value.(*client)
	}
	key = clientKey{strings.Clone(key.user), strings.Clone(key.address), strings.Clone(key.agent)}
	c := &client{key: key, over: -1}
	t.byKey[key] = t.recent.PushFront(c)
	if len(t.byKey) > keptClients {
		oldest := t.recent.Remove(t.recent.Back()).(*client)
		delete(t.byKey, oldest.key)
		t.forgotten++
	}
	return c
}

// watch adds to an exchange the advice that it earns together with those before it. It is called when the answer is known; q is the query
// that was answered, and means nothing when none was.
func (t *clients) watch(x *Exchange, q *query, set *Settings) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.ofLocked(x)
	x.client = c
	injected := x.trouble != nil
	if x.HTTP.Method == http.MethodPost && !c.refusedAt.IsZero() && x.Operation != NoOperation && x.Started.Sub(c.refusedAt) < pace(set) {
		x.advise(AdvicePollAfterFault)
	}
	answered := x.SnapshotVersion != 0
	if answered || x.HTTPStatus != http.StatusUnauthorized {
		c.badLogins = 0
	}
	if answered {
		c.endedFaults, c.faulted = 0, 0
	}
	switch {
	case answered:
		c.refusedAt = time.Time{}
		t.passedLocked(c, x)
		if !injected { // otherwise the client may never have seen the answer
			t.answeredLocked(c, x, q)
		}
	case x.Contract:
		if c.contracts == 0 || x.Started.Sub(c.wsdlSince) >= time.Minute {
			c.contracts, c.wsdlSince = 0, x.Started
		}
		if c.contracts++; c.contracts >= contracts {
			x.advise(AdviceContractAgain)
		}
	case x.Fault != nil:
		t.faultedLocked(c, x, set, injected)
	case x.HTTPStatus == http.StatusUnauthorized && x.User != "" && !injected:
		if c.badLogins++; c.badLogins >= badLogins {
			x.advise(AdviceBadLoginAgain)
		}
	}
}

// pace is the time between two queries of a client that uses up the limit evenly.
func pace(set *Settings) time.Duration {
	return time.Minute / time.Duration(cmp.Or(set.rateLimit, 15))
}

// passedLocked counts a request that the rate limit has let through.
func (t *clients) passedLocked(c *client, x *Exchange) {
	if m := x.Started.Unix() / 60; m != c.minute {
		c.minute, c.passed = m, 0
	}
	c.passed++
}

func (t *clients) faultedLocked(c *client, x *Exchange, set *Settings, injected bool) {
	again := c.faulted
	c.faulted = 0
	switch x.Fault.Name {
	case FaultRateLimit:
		c.refusedAt = x.Started
		if m := x.Started.Unix() / 60; set.rateLimit > 0 && !injected && c.minute == m && c.passed >= set.rateLimit && c.over != m {
			if c.over == m-1 {
				x.advise(AdvicePollTooFast, set.rateLimit)
			}
			c.over = m
		}
	case FaultSession:
		if c.endedFaults++; c.endedFaults >= deadSessions {
			x.advise(AdviceDeadSession)
		}
	case FaultMalformed, FaultBadValue:
		if injected {
			return
		}
		if c.faulted = maphash.Bytes(t.seed, x.RequestBody); c.faulted == again {
			x.advise(AdviceFaultAgain)
		}
	}
}

// answeredLocked looks at a query that was answered.
func (t *clients) answeredLocked(c *client, x *Exchange, q *query) {
	switch {
	case x.InSession:
		c.cookies = 0
	case x.AnswerHeader[0] != "": // a cookie
		if c.cookies++; c.cookies > unusedCookies {
			x.advise(AdviceSessionUnused)
		}
	}
	t.namesLocked(c, x, q)

	a := c.last(x.asked)
	in, out := t.state(x.StateIn), t.state(x.StateOut)
	whole := x.Verdict != cluster.Unchanged
	cursor := in != 0 && a.truncated && in == a.out && x.Started.Sub(a.at) < nextPage
	if cursor {
		x.advise(AdviceStateInfoCursor)
	}
	t.followLocked(c, x, q, cursor)
	switch {
	case in != 0:
		a.same = 0
		if whole && in == a.in && in != a.out && a.out != 0 {
			if a.stale++; a.stale >= staleStates {
				x.advise(AdviceStateInfoStale)
			}
		} else {
			a.stale = 0
		}
	case out != 0 && out == a.out && a.same > 0:
		if a.same++; a.same >= samePolls {
			x.advise(AdvicePollWhole)
		}
	default:
		a.same = 1
	}
	a.in, a.out, a.at = in, out, x.Started
	if whole {
		a.truncated = x.Truncated
	}
}

// nextPage is the time within which a client that takes StateInfo for a page cursor asks for the next page. Nobody who polls is as fast:
// 15 requests a minute is what the real service is set to.
const nextPage = 4 * time.Second

func (t *clients) state(text string) uint64 {
	if text == "" {
		return 0
	}
	return maphash.String(t.seed, text) | 1
}

// last gives what is remembered of a query, in place of what is longest ago when it is a new one.
func (c *client) last(query uint64) *asked {
	oldest := &c.asked[0]
	for i := range c.asked {
		a := &c.asked[i]
		if a.query == query && !a.at.IsZero() {
			return a
		}
		if a.at.Before(oldest.at) {
			oldest = a
		}
	}
	*oldest = asked{query: query}
	return oldest
}

// namesLocked counts queries in a row that ask for one whole name each, and not for the same one.
func (t *clients) namesLocked(c *client, x *Exchange, q *query) {
	d := &q.device
	if q.op == SelectCtiItem || d.By != cluster.ByName || len(d.Items) != 1 || d.Items[0] == "" || strings.Contains(d.Items[0], "*") {
		c.names = 0
		return
	}
	name := maphash.String(t.seed, d.Items[0])
	if name == c.lastName && c.names > 0 {
		return
	}
	if c.lastName = name; c.names == 0 {
		c.namesSince = x.Started
	}
	if c.names++; c.names < singleNames {
		return
	}
	if x.Started.Sub(c.namesSince) < time.Minute {
		x.advise(AdviceOneName)
		return
	}
	c.names, c.namesSince = 1, x.Started
}

// followLocked looks whether a query follows up an answer that was cut off, or shows that the client took it for whole.
func (t *clients) followLocked(c *client, x *Exchange, q *query, cursor bool) {
	kept := c.cutOff[:0]
	for _, p := range c.cutOff {
		switch {
		case p.query == x.asked && !cursor:
			x.advise(AdviceAtLimit, p.limit)
		case p.query != x.asked && p.followedBy(q):
		default:
			kept = append(kept, p)
		}
	}
	clear(c.cutOff[len(kept):])
	c.cutOff = kept
	if !x.Truncated || q.device.CountAll || q.cti.CountAll { // the totals tell
		return
	}
	if i := slices.IndexFunc(c.cutOff, func(p cutOff) bool { return p.query == x.asked }); i >= 0 {
		return // a page cursor that goes on: the first answer counts
	}
	if len(c.cutOff) == keptCutOff {
		c.cutOff = slices.Delete(c.cutOff, 0, 1)
	}
	c.cutOff = append(c.cutOff, cutOff{query: x.asked, limit: x.Limit, extent: extentOf(q).kept(), op: x.Operation, node: x.Node, at: x.Started})
	x.cut = true
}

// followedBy says that a query asks for a part of what was cut off, or for more of it.
func (p *cutOff) followedBy(q *query) bool {
	s := extentOf(q)
	narrower, ok := s.within(&p.extent)
	return ok && (narrower || q.limit > p.limit)
}

// extent is what a query selects by, in a form in which all operations can be compared.
type extent struct {
	cti     bool
	node    string
	scalars [7]uint64 // 0 selects nothing
	fixed   uint64    // what has to be the same in both
	lists   [3]selection
}

// selection is a list of items of an extent.
type selection struct {
	all   bool
	items []string // nil when there are too many to be kept
	count int
}

func extentOf(q *query) extent {
	s := extent{cti: q.op == SelectCtiItem, node: q.node}
	if s.cti {
		c := &q.cti
		s.fixed, s.scalars[0] = uint64(c.Class)<<8|uint64(c.By), uint64(c.Status)
		s.lists = [3]selection{selectionOf(c.Apps), selectionOf(c.DevNames), selectionOf(c.Numbers)}
		return s
	}
	d := &q.device
	s.scalars = [7]uint64{uint64(d.Class), uint64(d.Model), uint64(d.Status), uint64(d.Protocol), uint64(d.Download)}
	if d.Nothing {
		s.scalars[5] = 1
	}
	s.lists[0] = selectionOf(d.Items)
	s.lists[1].all, s.lists[2].all = true, true
	if s.fixed = uint64(d.By); s.lists[0].all {
		s.fixed = 0
	}
	return s
}

func selectionOf(items []string) selection {
	return selection{all: isAll(items) || slices.Contains(items, "*"), items: items, count: len(items)}
}

// kept is the extent with memory of its own, and not much of it.
func (s extent) kept() extent {
	s.node = strings.Clone(s.node)
	for i := range s.lists {
		l := &s.lists[i]
		if l.all || l.count > keptItems || len(strings.Join(l.items, "")) > keptItems*longestName {
			l.items = nil
			continue
		}
		l.items = slices.Clone(l.items)
		for k := range l.items {
			l.items[k] = strings.Clone(l.items[k])
		}
	}
	return s
}

// within says whether an extent selects nothing that another one does not, as far as can be seen, and whether it selects less.
func (s *extent) within(wide *extent) (narrower, ok bool) {
	if s.cti != wide.cti || s.fixed != wide.fixed && !wide.lists[0].all {
		return false, false
	}
	narrower = s.node != wide.node
	if wide.node != "" && narrower {
		return false, false
	}
	for i, v := range s.scalars {
		if v != wide.scalars[i] && wide.scalars[i] != 0 {
			return false, false
		}
		narrower = narrower || v != wide.scalars[i]
	}
	for i := range s.lists {
		less, ok := s.lists[i].within(&wide.lists[i])
		if !ok {
			return false, false
		}
		narrower = narrower || less
	}
	return narrower, true
}

// within goes by the fixed beginnings of items: SEP1* is within SEP*. That takes more for a part than is one, in favour of the client.
func (l *selection) within(wide *selection) (narrower, ok bool) {
	switch {
	case wide.all:
		return !l.all, true
	case l.all:
		return false, false
	case wide.items == nil:
		return l.count < wide.count, l.count <= wide.count
	}
	for _, item := range l.items {
		part := func(w string) bool {
			begin, _, _ := strings.Cut(w, "*")
			return len(item) >= len(begin) && strings.EqualFold(item[:len(begin)], begin)
		}
		if !slices.ContainsFunc(wide.items, part) {
			return false, false
		}
	}
	return !slices.Equal(l.items, wide.items), true
}

// note adds an exchange to the sums of its client, when it has been observed and Seq is known.
func (t *clients) note(x *Exchange) {
	if len(x.Advice) == 0 && !x.cut || x.client == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := x.client
	for i := range c.cutOff {
		if p := &c.cutOff[i]; x.cut && p.query == x.asked && p.seq == 0 {
			p.seq = x.Seq
		}
	}
	for i := range x.Advice {
		id := x.Advice[i].ID
		at := slices.IndexFunc(c.sums, func(s sum) bool { return s.id == id })
		if at < 0 {
			at = len(c.sums)
			c.sums = append(c.sums, sum{id: id, first: x.Seq, firstAt: x.Started})
		}
		s := &c.sums[at]
		s.count++
		s.last, s.lastAt = x.Seq, x.Started
	}
}

// ClientAdvice is how often one client earned one advice.
type ClientAdvice struct {
	User      string `json:"user,omitempty" doc:"User as sent; not there for requests without one."`
	Address   string `json:"address" doc:"Address of the client, without the port."`
	UserAgent string `json:"userAgent,omitempty" doc:"User-Agent as sent."`

	ID    string `json:"id" doc:"Id of the advice."`
	Text  string `json:"text" doc:"One sentence, with … in place of an offending value."`
	Rule  string `json:"rule" doc:"Rule of behaviour that the client has met."`
	Fix   string `json:"fix" doc:"What to do instead."`
	Count int    `json:"count" doc:"How often."`

	// First and Last are the exchanges, by Exchange.Seq, and FirstAt and LastAt when they came, in simulated time.
	First   uint64    `json:"first" doc:"Number of the entry that showed it first."`
	Last    uint64    `json:"last" doc:"Number of the entry that showed it last."`
	FirstAt time.Time `json:"firstAt" doc:"Simulated time of the first."`
	LastAt  time.Time `json:"lastAt" doc:"Simulated time of the last."`

	// Pending says that the last of them is so only as long as nothing follows: answers that were cut off, and that no narrower query has
	// followed up to now.
	Pending bool `json:"pending,omitempty" doc:"true: the last one holds only as long as no narrower query follows."`
}

// Client is user@address (User-Agent), as far as it is known, in printable form and not long.
func (a *ClientAdvice) Client() string {
	name := a.Address
	if a.User != "" {
		name = printable(a.User) + "@" + name
	}
	if a.UserAgent != "" {
		name += " (" + printable(a.UserAgent) + ")"
	}
	return name
}

// Times is Count in words.
func (a *ClientAdvice) Times() string {
	if a.Count == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", a.Count)
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, clip(text))
}

// Advised tells which clients earned which advice, in the order of First, and how many clients are not remembered any more: the last
// 1,000 are. A client is who comes from one address, as one user, with one User-Agent.
func (s *Service) Advised() (list []ClientAdvice, forgotten int) {
	t := s.clients
	t.mu.Lock()
	defer t.mu.Unlock()
	for e := t.recent.Back(); e != nil; e = e.Prev() {
		c := e.Value.(*client)
		sums := slices.Clone(c.sums)
		pending := -1
		for _, p := range c.cutOff {
			if pending = slices.IndexFunc(sums, func(s sum) bool { return s.id == AdviceAtLimit }); pending < 0 {
				pending = len(sums)
				sums = append(sums, sum{id: AdviceAtLimit, first: p.seq, firstAt: p.at})
			}
			s := &sums[pending]
			s.count++
			s.last, s.lastAt = p.seq, p.at
		}
		for i, s := range sums {
			a := spoken(advices[adviceIndex[s.id]])
			list = append(list, ClientAdvice{
				User: c.key.user, Address: unbracketed(c.key.address), UserAgent: c.key.agent, ID: s.id, Text: a.Text, Rule: a.Rule, Fix: a.Fix,
				Count: s.count, First: s.first, Last: s.last, FirstAt: s.firstAt, LastAt: s.lastAt, Pending: i == pending,
			})
		}
	}
	slices.SortStableFunc(list, func(a, b ClientAdvice) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.ID, b.ID)) })
	return list, t.forgotten
}

// CutOff is an answer that was cut off, and that no narrower query has followed up to now (rule Q2).
type CutOff struct {
	Seq       uint64 // Exchange.Seq
	At        time.Time
	Operation Operation
	Node      cluster.NodeName // that answered
	User      string
}

// CutOffs are the answers that clients have left so, in the order of Seq: what Advised calls pending.
func (s *Service) CutOffs() []CutOff {
	t := s.clients
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []CutOff
	for _, e := range t.byKey {
		c := e.Value.(*client)
		for _, p := range c.cutOff {
			out = append(out, CutOff{p.seq, p.at, p.op, p.node, c.key.user})
		}
	}
	slices.SortFunc(out, func(a, b CutOff) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.At.Compare(b.At)) })
	return out
}

// unbracketed is an IPv6 address as people write it without a port.
func unbracketed(address string) string {
	if ip := net.ParseIP(strings.Trim(address, "[]")); ip != nil {
		return strings.Trim(address, "[]")
	}
	return address
}

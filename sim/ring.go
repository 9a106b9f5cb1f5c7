package sim

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// How the journal keeps what happened. It is on the way of every request, so it copies and does not allocate: an exchange is packed
// into the memory of the entry that it pushes out, and unpacked when somebody reads. What goes beyond its bounds is dropped, oldest
// first, and counted.

const (
	// keptRequest is the longest body whose decoded request the journal keeps, so that what clients send cannot fill the
	// memory. A thousand items fit.
	keptRequest = 64 << 10

	// keptBody is the most that is kept of a body as it was sent, and keptHeaders and keptHeader bound its headers.
	keptBody    = 32 << 10
	keptHeaders = 40
	keptHeader  = 1 << 10
)

// journal is a ring of entries. It is safe for concurrent use; its lock is a leaf.
type journal struct {
	size  int // entries; none are kept when it is not positive
	bytes int // of entries and bodies together
	raws  int // exchanges whose bodies are kept; none when it is not positive

	mu      sync.Mutex
	seq     uint64 // of the last entry
	first   uint64 // of the oldest entry that is kept; seq+1 when none is
	ring    []slot // the entry with number n stands at (n-1) % size
	used    int    // bytes
	spare   []byte // the memory of an exchange that went because of bytes, for the next one
	raw     []rawSlot
	nextRaw int // counts on

	droppedRequests uint64    // exchanges that are not kept any more
	droppedUntil    time.Time // the latest arrival among them

	subscribers []*Subscription
	changed     chan struct{} // closed at the next entry; nil when nobody waits
	closed      bool
}

// slot is the memory of one entry.
type slot struct {
	at      time.Time
	packed  []byte // an exchange; its memory is used again
	event   *Event
	step    *scenarios.Event
	trouble *Trouble
	weight  int // bytes
}

// exchanged says that the entry is an exchange.
func (s *slot) exchanged() bool { return s.event == nil && s.step == nil && s.trouble == nil }

// slotWeight is what an entry takes beside what it points to.
const slotWeight = 96

// rawSlot is the memory of what was sent in one exchange.
type rawSlot struct {
	seq    uint64
	packed []byte
}

func newJournal(o *Options) journal {
	return journal{size: o.JournalSize, bytes: o.JournalBytes, raws: o.JournalRaw, first: 1}
}

// exchange adds a request and its answer, and gives the entry's number.
func (j *journal) exchange(x *soap.Exchange) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.nextLocked(x.Started)
	if j.size <= 0 && len(j.subscribers) == 0 { // nobody will read it
		j.doneLocked(s, 0)
		return j.seq
	}
	if s.packed == nil {
		s.packed, j.spare = j.spare, nil
	}
	p := packing{b: s.packed[:0]}
	whole := *x
	if x.RequestBytes > keptRequest {
		whole.Request, whole.StateIn, whole.StateOut = nil, "", ""
	}
	method, path := x.HTTP.Method, x.HTTP.URL.Path
	p.entry(&method, &path, &whole)
	if cap(p.b) > 4096 && cap(p.b) > 4*len(p.b) {
		p.b = slices.Clone(p.b) // a small exchange does not hold the memory of a large one
	}
	s.packed = p.b
	j.doneLocked(s, cap(s.packed))
	j.rawLocked(x)
	j.boundLocked()
	return j.seq
}

// event adds a change, and gives the entry's number.
func (j *journal) event(at time.Time, e *Event) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	weight := e.trim(j.bytes / 4)
	s := j.nextLocked(at)
	s.event = e
	j.doneLocked(s, weight)
	j.boundLocked()
	return j.seq
}

// step adds what a step of the scenario did, and gives the entry's number.
func (j *journal) step(at time.Time, e *scenarios.Event) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.nextLocked(at)
	s.step = e
	j.doneLocked(s, int(reflect.TypeOf(*e).Size())+len(e.Detail))
	j.boundLocked()
	return j.seq
}

// trouble adds what an impairment did to a connection, and gives the entry's number.
func (j *journal) trouble(at time.Time, t *Trouble) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.nextLocked(at)
	s.trouble = t
	j.doneLocked(s, int(reflect.TypeOf(*t).Size())+len(t.Did))
	j.boundLocked()
	return j.seq
}

// nextLocked gives the memory of the next entry, from which an older one goes.
func (j *journal) nextLocked(at time.Time) *slot {
	j.seq++
	if j.size <= 0 {
		j.first = j.seq
		return &slot{at: at}
	}
	if len(j.ring) < j.size && len(j.ring) == int(j.seq-1) {
		j.ring = append(j.ring, slot{at: at})
		return &j.ring[j.seq-1]
	}
	if j.seq-j.first >= uint64(j.size) {
		j.dropLocked()
	}
	s := j.slotLocked(j.seq)
	s.at = at
	return s
}

func (j *journal) slotLocked(seq uint64) *slot { return &j.ring[(seq-1)%uint64(j.size)] }

// dropLocked lets go of the oldest entry. The memory of an exchange stays where it is, for the next one.
func (j *journal) dropLocked() {
	s := j.slotLocked(j.first)
	if s.exchanged() {
		j.forgetLocked(s.at)
	}
	j.used -= s.weight
	s.event, s.step, s.trouble, s.weight = nil, nil, nil, 0
	j.first++
}

// forgetLocked counts an exchange that is not kept.
func (j *journal) forgetLocked(at time.Time) {
	j.droppedRequests++
	if at.After(j.droppedUntil) {
		j.droppedUntil = at
	}
}

// doneLocked is called when an entry is complete: whoever listens is told.
func (j *journal) doneLocked(s *slot, weight int) {
	if !s.exchanged() {
		s.packed = nil
	}
	s.weight = slotWeight + weight
	if len(j.subscribers) > 0 {
		e := s.entry(j.seq, string(s.packed))
		for _, sub := range j.subscribers {
			sub.send(e)
		}
	}
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
	if j.size <= 0 {
		if s.exchanged() {
			j.forgetLocked(s.at)
		}
		j.first = j.seq + 1
		return
	}
	j.used += s.weight
}

// boundLocked drops the oldest entries while there are too many bytes. The newest one always stays.
func (j *journal) boundLocked() {
	for j.used > j.bytes && j.first < j.seq {
		s := j.slotLocked(j.first)
		j.dropLocked()
		j.spare, s.packed = s.packed, nil
	}
}

// rawLocked keeps what was sent in the exchange that has just been added.
func (j *journal) rawLocked(x *soap.Exchange) {
	if j.raws <= 0 || j.size <= 0 {
		return
	}
	if len(j.raw) < j.raws {
		j.raw = append(j.raw, rawSlot{})
	}
	r := &j.raw[j.nextRaw%j.raws]
	j.nextRaw++
	j.used -= cap(r.packed)
	most := min(keptBody, j.bytes/8/j.raws) // all of them take a quarter of the journal at the most
	p := packing{b: r.packed[:0]}
	p.raw(x, most)
	r.seq, r.packed = j.seq, p.b
	j.used += cap(r.packed)
}

// entry is the slot's entry, read from packed, which is a copy of the slot's.
func (s *slot) entry(seq uint64, packed string) Entry {
	e := Entry{Seq: seq, At: s.at, Event: s.event, Step: s.step, Trouble: s.trouble}
	if s.exchanged() {
		e.Exchange = &soap.Exchange{Started: s.at}
		p := packing{from: packed, reading: true}
		p.entry(&e.Method, &e.Path, e.Exchange)
	}
	return e
}

// entries are those after a number. Requests are held up for the copying only.
func (j *journal) entries(after uint64) Journal {
	j.mu.Lock()
	from := max(after+1, j.first)
	if from > j.seq {
		j.mu.Unlock()
		return Journal{}
	}
	slots, packed := make([]slot, j.seq+1-from), make([]string, j.seq+1-from)
	for i := range slots {
		s := j.slotLocked(from + uint64(i))
		slots[i], packed[i] = *s, string(s.packed)
	}
	j.mu.Unlock()
	out := make(Journal, len(slots))
	for i := range out {
		out[i] = slots[i].entry(from+uint64(i), packed[i])
	}
	return out
}

// trim lets go of changes that weigh too much, and gives the weight of what stays.
func (e *Event) trim(most int) int {
	weight := int(reflect.TypeFor[Event]().Size())
	for i, c := range e.Changes {
		w := weigh(c)
		if weight+w <= most {
			weight += w
			continue
		}
		if i == 0 {
			e.text = describe(c)
		}
		e.More = len(e.Changes) - i
		e.Changes = slices.Clone(e.Changes[:i])
		break
	}
	return weight
}

// weigh is about how many bytes a change takes: texts in it are the caller's or the cluster's mostly, lists may be its own.
func weigh(c cluster.Change) int {
	v := reflect.ValueOf(c)
	w := 16 + int(v.Type().Size())
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice {
			w += f.Len() * int(f.Type().Elem().Size())
		}
	}
	return w
}

// JournalStats tells how much a journal holds.
type JournalStats struct {
	Entries int    // that it holds
	Bytes   int    // that they and the bodies of exchanges take
	Last    uint64 // number of the newest entry, which is how many there have been; 0 when there was none
	Dropped uint64 // entries that it does not hold any more

	DroppedRequests uint64 // how many of these were requests
}

// JournalStats tells how much the journal holds now, and how much it had to drop.
func (s *Simulator) JournalStats() JournalStats {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	return JournalStats{Entries: int(j.seq + 1 - j.first), Bytes: j.used, Last: j.seq, Dropped: j.first - 1, DroppedRequests: j.droppedRequests}
}

// Subscription is a stream of entries, as they happen. Whoever reads too slowly loses some; they are counted.
type Subscription struct {
	C <-chan Entry // closed by Close, and when the simulator closes

	c       chan Entry
	journal *journal
	dropped uint64 // under the journal's lock
}

// Subscribe gives every entry from now on, of which buffer may wait to be read, 0 meaning 100. To have what is in the journal
// already, read that afterwards, and pass over what comes twice by its Seq. The caller closes the subscription.
func (s *Simulator) Subscribe(buffer int) *Subscription {
	if buffer <= 0 {
		buffer = 100
	}
	c := make(chan Entry, buffer)
	sub := &Subscription{C: c, c: c, journal: &s.journal}
	j := sub.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		close(c)
		return sub
	}
	j.subscribers = append(slices.Clip(j.subscribers), sub)
	return sub
}

func (s *Subscription) send(e Entry) {
	select {
	case s.c <- e:
	default:
		s.dropped++
	}
}

// Dropped is how many entries the subscriber was too slow for.
func (s *Subscription) Dropped() uint64 {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.dropped
}

// Close ends the stream. What waits in it can still be read.
func (s *Subscription) Close() {
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if i := slices.Index(j.subscribers, s); i >= 0 {
		j.subscribers = slices.Delete(slices.Clone(j.subscribers), i, i+1)
		close(s.c)
	}
}

// close ends all streams.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	for _, s := range j.subscribers {
		close(s.c)
	}
	j.subscribers = nil
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
	return nil
}

// Raw is what was sent in an exchange.
type Raw struct {
	URL      string
	Protocol string // such as HTTP/1.1
	Request  Message
	Answer   Message
}

// Message is one half of a Raw.
type Message struct {
	// Header has names and values, in the order of names. Of headers that may hold a secret there is the name only, and "(not kept)".
	Header [][2]string
	Body   []byte // after gzip is undone; the beginning when it is shorter than Size
	Size   int    // of the whole body, in bytes
	Note   string // why less than the whole body is here; "" when it is whole
}

// Raw gives what was sent in the exchange of an entry, as long as it is kept: of the last Options.JournalRaw exchanges. Passwords are
// in no case kept.
func (s *Simulator) Raw(seq uint64) (Raw, bool) {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if seq < j.first {
		return Raw{}, false
	}
	for i := range j.raw {
		if j.raw[i].seq == seq && seq > 0 {
			p := packing{from: string(j.raw[i].packed), reading: true}
			return p.readRaw(), true
		}
	}
	return Raw{}, false
}

// packing writes values in a row, or reads them in the same order: one walk through an exchange does both.
type packing struct {
	b       []byte // written
	reading bool
	from    string // what is still to be read
}

func (p *packing) uint(v *uint64) {
	if !p.reading {
		p.b = binary.AppendUvarint(p.b, *v)
		return
	}
	*v = 0
	for shift := 0; ; shift += 7 {
		c := p.from[0]
		p.from = p.from[1:]
		*v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return
		}
	}
}

func (p *packing) int(v *int) {
	u := uint64(*v)<<1 ^ uint64(*v>>63)
	p.uint(&u)
	*v = int(u>>1) ^ -int(u&1)
}

func (p *packing) duration(d *time.Duration) {
	v := int(*d)
	p.int(&v)
	*d = time.Duration(v)
}

func (p *packing) bool(v *bool) {
	u := uint64(0)
	if *v {
		u = 1
	}
	p.uint(&u)
	*v = u == 1
}

func text[T ~string](p *packing, s *T) {
	n := uint64(len(*s))
	p.uint(&n)
	if p.reading {
		*s, p.from = T(p.from[:n]), p.from[n:]
	} else {
		p.b = append(p.b, *s...)
	}
}

func small[T ~uint8](p *packing, v *T) {
	u := uint64(*v)
	p.uint(&u)
	*v = T(u)
}

// list packs how long a list is, and makes it so long when reading.
func list[T any](p *packing, l *[]T) {
	n := uint64(len(*l))
	p.uint(&n)
	if p.reading && n > 0 {
		*l = make([]T, n)
	}
}

// given packs whether a pointer is not nil, and makes it point to something when reading.
func given[T any](p *packing, to **T) bool {
	there := *to != nil
	p.bool(&there)
	if p.reading && there {
		*to = new(T)
	}
	return there
}

// entry is everything of an exchange that the journal keeps, but for Started, which the entry has.
func (p *packing) entry(method, path *string, x *soap.Exchange) {
	text(p, method)
	text(p, path)
	waited := x.Answered.Sub(x.Started)
	p.duration(&waited)
	x.Answered = x.Started.Add(waited)
	p.duration(&x.Took)
	text(p, &x.Node)
	text(p, &x.NodeAsked)
	small(p, &x.Operation)
	p.bool(&x.Contract)
	text(p, &x.Client)
	text(p, &x.UserAgent)
	text(p, &x.User)
	text(p, &x.Login)
	p.bool(&x.InSession)
	text(p, &x.StateIn)
	text(p, &x.StateOut)
	small(p, &x.Verdict)
	p.int(&x.Limit)
	p.int(&x.Found)
	p.int(&x.Returned)
	p.bool(&x.Truncated)
	p.uint(&x.SnapshotVersion)
	p.int(&x.HTTPStatus)
	p.int(&x.RequestBytes)
	p.int(&x.ResponseBytes)
	text(p, &x.AnswerType)
	text(p, &x.Panic)
	if given(p, &x.Fault) {
		f := x.Fault
		text(p, &f.Name)
		text(p, &f.Code)
		text(p, &f.String)
		text(p, &f.Detail)
		text(p, &f.CodeNS)
		p.bool(&f.SOAP12)
	}
	list(p, &x.Advice)
	for i := range x.Advice {
		a := &x.Advice[i]
		text(p, &a.ID)
		text(p, &a.Text)
		text(p, &a.Rule)
		text(p, &a.Fix)
	}
	p.uint(&x.Number)
	list(p, &x.Impaired)
	for i := range x.Impaired {
		text(p, &x.Impaired[i].ID)
		text(p, &x.Impaired[i].Did)
	}
	if !given(p, &x.Request) {
		return
	}
	r := x.Request
	small(p, &r.Op)
	p.bool(&r.SOAP12)
	sent := x.StateIn != "" && r.StateInfo == x.StateIn // as always: it is kept once
	p.bool(&sent)
	if !sent {
		text(p, &r.StateInfo)
	} else {
		r.StateInfo = x.StateIn
	}
	for _, t := range [...]*soap.Text{&r.Max, &r.Class, &r.Model, &r.Status, &r.NodeName, &r.SelectBy, &r.Protocol, &r.DownloadStatus} {
		p.given(t)
	}
	for _, l := range [...]*[]soap.Text{&r.Items, &r.DevNames, &r.DirNumbers} {
		list(p, l)
		for i := range *l {
			p.given(&(*l)[i])
		}
	}
	text(p, &r.OutOfOrder)
	text(p, &r.Unknown)
}

func (p *packing) given(t *soap.Text) {
	small(p, &t.Presence)
	text(p, &t.Value)
}

// raw packs what was sent, up to so many bytes of each body.
func (p *packing) raw(x *soap.Exchange, most int) {
	scheme := "http://"
	if x.HTTP.TLS != nil {
		scheme = "https://"
	}
	text(p, &scheme)
	host, path := clipBytes(x.HTTP.Host, keptHeader), clipBytes(x.HTTP.URL.EscapedPath(), keptHeader)
	text(p, &host)
	text(p, &path)
	p.bool(&x.Contract)
	text(p, &x.HTTP.Proto)
	headers := 0
	at := len(p.b)
	p.b = append(p.b, 0) // how many follow
	for name, values := range x.HTTP.Header {
		if headers < keptHeaders && len(values) > 0 { // of those that come again, the first
			p.header(name, values[0])
			headers++
		}
	}
	p.b[at] = byte(headers)
	body, note := withoutSecrets(x, most)
	p.body(body, note, x.RequestBytes)
	at, headers = len(p.b), 1
	p.b = append(p.b, 0)
	p.header("Content-Type", x.AnswerType)
	if name := x.AnswerHeader[0]; name != "" {
		p.header(name, x.AnswerHeader[1])
		headers++
	}
	p.b[at] = byte(headers)
	p.body(x.ResponseBody[:min(len(x.ResponseBody), most)], "", x.ResponseBytes)
}

const notKept = "(not kept)"

func (p *packing) header(name, value string) {
	if !harmless(name) {
		value = notKept
	}
	name, value = clipBytes(name, keptHeader), clipBytes(value, keptHeader)
	text(p, &name)
	text(p, &value)
}

// harmless names the headers whose values hold no secret. Any other one might: clients and gateways invent their own.
func harmless(name string) bool {
	switch name {
	case "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Allow", "Cache-Control", "Connection", "Content-Encoding",
		"Content-Length", "Content-Type", "Date", "Expect", "Pragma", "Soapaction", "Te", "Transfer-Encoding", "User-Agent", "Www-Authenticate":
		return true
	}
	return name == "WWW-Authenticate"
}

// withoutSecrets gives the beginning of a request's body, or why it is not kept. The contract has no place for a password, but a SOAP
// header may hold one, and so may a request that is meant for another service.
func withoutSecrets(x *soap.Exchange, most int) (kept []byte, note string) {
	b := x.RequestBody[:min(len(x.RequestBody), most)]
	head := b[:max(0, bytes.Index(b, []byte("Body")))]
	switch i := bytes.Index(head, []byte("Header")); {
	case len(b) == 0:
		return nil, ""
	case bytes.IndexByte(b[:min(len(b), 256)], 0) >= 0: // UTF-16, say, in which nothing is found
		return nil, "not kept: it is no UTF-8"
	case i >= 0 && !bytes.HasPrefix(head[i:], []byte("Header/>")) && !bytes.HasPrefix(head[i:], []byte("Header></")):
		return nil, "not kept: it has a SOAP header, in which there may be a password"
	case (x.Request == nil || x.Request.Unknown != "") && namesSecret(b):
		return nil, "not kept: there may be a password in it"
	}
	return b, ""
}

// namesSecret tells whether a text has a word for something secret. One too many only costs the sight of an odd request.
func namesSecret(b []byte) bool {
	b = bytes.ToLower(b)
	for _, word := range [...]string{"pass", "pwd", "secret", "token", "credential", "apikey", "api-key", "api_key", "pin=", "pin>", "\"pin\""} {
		if bytes.Contains(b, []byte(word)) {
			return true
		}
	}
	return false
}

func (p *packing) body(b []byte, note string, size int) {
	if note == "" && len(b) < size {
		note = "only the beginning is kept"
	}
	text(p, &note)
	p.int(&size)
	n := uint64(len(b))
	p.uint(&n)
	p.b = append(p.b, b...)
}

// readRaw reads what raw packed.
func (p *packing) readRaw() Raw {
	var scheme, host, path string
	var contract bool
	var r Raw
	text(p, &scheme)
	text(p, &host)
	text(p, &path)
	p.bool(&contract)
	if r.URL = scheme + host + path; contract {
		r.URL += "?wsdl"
	}
	text(p, &r.Protocol)
	for _, m := range [...]*Message{&r.Request, &r.Answer} {
		list(p, &m.Header)
		for i := range m.Header {
			text(p, &m.Header[i][0])
			text(p, &m.Header[i][1])
		}
		slices.SortFunc(m.Header, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
		text(p, &m.Note)
		p.int(&m.Size)
		var body string
		text(p, &body)
		m.Body = []byte(body)
	}
	return r
}

func clipBytes(s string, most int) string { return s[:min(len(s), most)] }

// observe notes an exchange.
func (s *Simulator) observe(x *soap.Exchange) {
	x.Seq = s.journal.exchange(x)
	s.hear(x)
	if s.options.Observe != nil {
		s.options.Observe(x)
	}
	if x.Panic != "" {
		s.options.Logger.Error("the service failed on a request", "panic", x.Panic)
	}
}

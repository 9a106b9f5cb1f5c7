package soap

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/risim/risim/sim/cluster"
)

// reply is an answer, ready to be sent.
type reply struct {
	status        int
	contentType   string
	header, value string // one more header, when not empty
	body          []byte
}

// refusal is the reason for an answer that is not a good one: a SOAP fault, or an HTTP status.
type refusal struct {
	fault         *Fault
	status        int  // when there is no fault
	silent        bool // no answer at all
	header, value string
}

const (
	textXML  = "text/xml;charset=utf-8"
	soapXML  = "application/soap+xml;charset=utf-8"
	textHTML = "text/html;charset=utf-8"
)

// answer is the way of every request, from its headers to its answer. What refuses it, and when, is rules H5 and T3.
func (s *Service) answer(x *Exchange, mem *scratch) (*reply, *refusal) {
	set := s.settings.Load()
	if wantsContract(x.HTTP) {
		return s.contract(x, set)
	}
	q, counts, no := s.understand(x, set, mem)
	if instead := s.impair(x); instead != nil {
		no = instead
	}
	if no != nil {
		if counts && set.countRefused {
			s.throttle.charge(s.cfg.Now(), x.Node, set)
		}
		return nil, no
	}
	if !s.throttle.allow(s.cfg.Now(), x.Node, set) {
		return nil, &refusal{fault: rateFault(set, x.Node, soapAction(x.HTTP))}
	}
	s.ask(x, set, &q, mem)
	if x.silent && s.cfg.Wait != nil && set.nodeTimeout > 0 {
		_ = s.cfg.Wait(x.HTTP.Context(), set.nodeTimeout) // fails when the client has gone, which writing finds out
	}
	out := &mem.reply
	*out = reply{status: http.StatusOK, contentType: textXML, body: mem.out}
	if x.Request.SOAP12 {
		out.contentType = soapXML
	}
	if set.sessions && !x.InSession {
		out.header, out.value = "Set-Cookie", setCookie(s.sessions.start(x.User, x.Started))
	}
	return out, nil
}

// understand finds out who asks for what. counts says that the rate limit may count the request although it is refused.
func (s *Service) understand(x *Exchange, set *Settings, mem *scratch) (q query, counts bool, no *refusal) {
	if x.HTTP.Method != http.MethodPost {
		return query{}, false, methodNotAllowed(asksForContract(x.HTTP))
	}
	if no := s.authenticate(x, set); no != nil {
		return query{}, false, no
	}
	q, fault := s.read(x, set, mem)
	if fault != nil {
		return query{}, true, &refusal{fault: fault}
	}
	return q, true, nil
}

// read takes the body of a request and understands it.
func (s *Service) read(x *Exchange, set *Settings, mem *scratch) (query, *Fault) {
	body, fault := readBody(mem.body[:0], x.HTTP, int64(set.maxBody))
	mem.body = body
	x.RequestBody, x.RequestBytes = body, len(body)
	if fault != nil {
		return query{}, fault
	}
	req, fault := mem.builder.decode(body, x.HTTP.Header.Get("Content-Type"), Limits{Depth: set.maxDepth})
	if fault != nil {
		return query{}, fault
	}
	x.Request, x.Operation, x.NodeAsked, x.StateIn = req, req.Op, req.NodeName.Value, req.StateInfo
	if fault := s.checkAction(x, set); fault != nil {
		return query{}, fault
	}
	t := translator{req: req, set: set, known: s.cfg.KnownModel, advice: x.Advice, room: mem.texts[:0]}
	q := t.translate()
	x.Limit, x.Advice, mem.texts = q.limit, t.advice, t.room
	return q, t.fault
}

// checkAction is rule H3: the body decides, but a SOAPAction that is absent or says something else is noted. SOAP 1.2
// has none: its action is a parameter of the content type that may be left out.
func (s *Service) checkAction(x *Exchange, set *Settings) *Fault {
	if x.Request.SOAP12 {
		return nil
	}
	action := soapAction(x.HTTP)
	switch _, sent := x.HTTP.Header[actionHeader]; {
	case !sent && set.requireSOAPAction:
		return &Fault{Name: FaultMalformed, Code: "soapenv:Client", String: fmt.Sprintf("The request has no SOAPAction header; expected %q", x.Operation)}
	case !sent:
		x.advise(AdviceSOAPActionMissing)
	case !strings.EqualFold(action[strings.LastIndexAny(action, "#/")+1:], x.Operation.String()):
		x.advise(AdviceSOAPActionMismatch, quoted(action))
	}
	return nil
}

// actionHeader is SOAPAction as net/http spells it.
const actionHeader = "Soapaction"

// soapAction is the SOAPAction of a request without its quotes.
func soapAction(r *http.Request) string {
	return strings.Trim(r.Header.Get(actionHeader), "\" \t")
}

// ask puts a query to the present snapshot and encodes the answer into mem.
func (s *Service) ask(x *Exchange, set *Settings, q *query, mem *scratch) {
	f := newForm(set, x.Request.SOAP12, q.node)
	snap := s.cfg.Store.Snapshot()
	x.SnapshotVersion, x.asked, mem.query = snap.Version, s.origins.of(q), *q
	var caseOnly string
	var first cluster.NodeName
	if q.op == SelectCtiItem {
		res := snap.SelectCti(q.cti)
		x.Found, x.Verdict, caseOnly, first = res.Found, res.Since, res.CaseOnly, res.Nodes[0].Node
		for i := range res.Nodes {
			x.note(&res.Nodes[i].NodeAnswer, len(res.Nodes[i].Items))
		}
		mem.appendCti(&res, f)
	} else {
		res := &mem.result
		snap.SelectInto(res, q.device)
		x.Found, x.Verdict, caseOnly, first = res.Found, res.Since, res.CaseOnly, res.Nodes[0].Node
		for i := range res.Nodes {
			x.note(&res.Nodes[i].NodeAnswer, len(res.Nodes[i].Devices))
		}
		if name := res.Twice(); name != "" {
			x.advise(AdviceDuplicates, quoted(string(name)))
		}
		mem.appendDevices(res, f)
	}
	x.StateOut = mem.stateText()
	if x.Truncated = x.Returned == x.Limit && !q.bounded(); set.revealTruncation {
		x.Truncated = x.Found > x.Returned
	}
	if caseOnly == "" && q.node != string(first) && strings.EqualFold(q.node, string(first)) {
		x.advise(AdviceCaseOnly, "NodeName "+quoted(q.node)) // a query that names a node has that one only
	}
	if caseOnly != "" {
		x.advise(AdviceCaseOnly, "Item "+quoted(caseOnly))
	}
	s.trace(x)
	switch x.Verdict {
	case cluster.Foreign:
		x.advise(AdviceStateInfoForeign)
	case cluster.RolledOver:
		x.advise(AdviceStateInfoOld)
	}
}

// trace is rule N7: it tells of a StateInfo that came from another query, and remembers where the new one comes from.
func (s *Service) trace(x *Exchange) {
	if x.StateIn != "" && s.origins.another(x.StateIn, x.asked) {
		x.advise(AdviceStateInfoAnother)
		if x.Verdict == cluster.Unchanged {
			return // what comes back is the other query's still
		}
	}
	if x.StateOut != "" {
		s.origins.note(x.StateOut, x.asked)
	}
}

// note takes down what one node answered.
func (x *Exchange) note(a *cluster.NodeAnswer, returned int) {
	x.Returned += returned
	switch a.Code {
	case cluster.NodeNotResponding:
		x.silent = true
	case cluster.InvalidNodeName:
		x.advise(AdviceUnknownNode, quoted(string(a.Node)))
	}
}

// contract is rule H2.
func (s *Service) contract(x *Exchange, set *Settings) (*reply, *refusal) {
	x.Contract = true
	if set.wsdlAuth {
		if no := s.authenticate(x, set); no != nil && no.fault != nil {
			return nil, unauthorized(set.realm) // a session's end is no matter for a reader
		} else if no != nil {
			return nil, no
		}
	}
	scheme, host := "https", "localhost:8443"
	if set.wsdlAddress == "request" && x.HTTP.Host != "" { // HTTP/1.0 may name no host
		if host = x.HTTP.Host; x.HTTP.TLS == nil {
			scheme = "http"
		}
	}
	return &reply{status: http.StatusOK, contentType: textXML, body: s.cfg.WSDL(scheme + "://" + host + Path)}, nil
}

// wantsContract says that a request is for ?wsdl, in any case.
func wantsContract(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && asksForContract(r)
}

// asksForContract says that a request's query is ?wsdl.
func asksForContract(r *http.Request) bool {
	for key := range strings.SplitSeq(r.URL.RawQuery, "&") {
		key, _, _ = strings.Cut(key, "=")
		if strings.EqualFold(strings.TrimSuffix(key, "/"), "wsdl") {
			return true
		}
	}
	return false
}

func methodNotAllowed(contract bool) *refusal {
	allow := "GET, HEAD, POST"
	if !contract {
		allow = "POST" // only ?wsdl is there to be got
	}
	return &refusal{status: http.StatusMethodNotAllowed, header: "Allow", value: allow}
}

// exchange makes an answer, writes it and lets the observer know: the one way out for good answers and refusals.
func (s *Service) exchange(w http.ResponseWriter, r *http.Request, node cluster.NodeName, answer func(*Exchange, *scratch) (*reply, *refusal)) {
	mem := s.scratch.Get().(*scratch)
	x := s.begin(mem, r, node)
	out, no := guarded(x, mem, answer)
	if no != nil {
		out = no.reply(x, mem)
	}
	x.HTTPStatus, x.ResponseBody, x.ResponseBytes = out.status, out.body, len(out.body)
	x.AnswerType, x.AnswerHeader = out.contentType, [2]string{out.header, out.value}
	x.Answered = s.cfg.Now()
	if s.cfg.Elapsed != nil {
		x.Took = s.cfg.Elapsed() - x.began
	}
	s.clients.watch(x, &mem.query, s.settings.Load())
	var send func(http.ResponseWriter)
	if t := x.trouble; t != nil {
		x.trouble = nil // which whoever keeps the exchange must not keep
		send = t.Deliver(x, out.status, out.body)
	}
	// The observer hears of it first, so that whoever has seen an answer finds the exchange in the journal.
	if s.cfg.Observe != nil {
		s.cfg.Observe(x)
	}
	s.clients.note(x)
	h := w.Header() // names are as net/http spells them, so that they need not be looked at again
	if out.contentType != "" {
		h["Content-Type"] = contentTypes[out.contentType]
	}
	h["Date"] = s.dates.header(x.Answered) // of the simulated clock, like everything that an answer says
	if !bodyless(out.status) {
		h["Content-Length"] = s.lengths.header(len(out.body))
	}
	if out.header != "" {
		h.Set(out.header, out.value)
	}
	switch {
	case send != nil:
		send(w)
	case s.cfg.Send != nil && len(out.body) > 0:
		w.WriteHeader(out.status)
		s.cfg.Send(w, r, out.body)
	default:
		w.WriteHeader(out.status)
		_, _ = w.Write(out.body) // fails when the client has gone, and then there is nobody to tell
	}
	if mem.tidy() {
		s.scratch.Put(mem)
	}
}

// guarded turns a panic into a fault: a bug that one request meets is not the end of the others.
func guarded(x *Exchange, mem *scratch, answer func(*Exchange, *scratch) (*reply, *refusal)) (out *reply, no *refusal) {
	defer func() {
		if p := recover(); p != nil {
			x.Panic = fmt.Sprintf("%v\n%s", p, debug.Stack())
			no = &refusal{fault: &Fault{Name: FaultInternal, Code: "soapenv:Server", String: fmt.Sprintf("Internal error of the simulator: %v", p)}}
		}
	}()
	return answer(x, mem)
}

// reply is a refusal as it is sent: the fault as SOAP in the request's version, or the status as a page (rule H7).
func (no *refusal) reply(x *Exchange, mem *scratch) *reply {
	out := &reply{status: no.status, header: no.header, value: no.value}
	if no.silent || no.fault == nil && bodyless(no.status) {
		return out
	}
	if no.fault == nil {
		out.contentType = textHTML
		mem.out = appendPage(mem.out[:0], no.status, x.HTTP.URL.Path)
		out.body = mem.out
		return out
	}
	fault := *no.fault
	if fault.Name == "" {
		fault.Name = FaultMalformed
	}
	x.Fault = &fault
	out.status, out.contentType = http.StatusInternalServerError, textXML
	soap12 := fault.SOAP12 || speaksSOAP12(x)
	if soap12 {
		out.contentType = soapXML
	}
	mem.out = AppendFault(mem.out[:0], &fault, soap12)
	out.body = mem.out
	return out
}

// speaksSOAP12 goes by the envelope, or by the content type when none could be read (rule H4).
func speaksSOAP12(x *Exchange) bool {
	if x.Request != nil {
		return x.Request.SOAP12
	}
	media, _, _ := strings.Cut(x.HTTP.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/soap+xml")
}

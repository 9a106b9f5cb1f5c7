package sim

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// Impairments on the wire. [scenarios.Troubles] decides whom they hit, this file is what they do. How, nobody can know from a
// real cluster; so all of it is the simulator's choice:
//
//   - Requests are all but those for the contract, also what is refused and what no route wants. They are hit when it is
//     known who asks for what.
//   - Of several impairments that hit one request the latencies add up; of everything else the one that is written first
//     has its way, and those put in force by hand go before those of a scenario.
//   - status, fault, stall and expireSession take the answer's place: nothing is asked of the cluster, no session begins, and
//     the rate limit counts nothing. The others change how an answer comes that was made, and was counted.
//   - The answer is that of the moment when the request came, however late it comes.
//   - An impairment that has hit a request has its way with it. Lifting it concerns the requests after that.
//   - Refused connections are accepted by the operating system, and reset before anything is read. For as long as a connection
//     would be refused, or have trouble with its certificate, one that was there before is reset when a request comes on it.

// Trouble is what an impairment did to a connection.
type Trouble struct {
	ID         string           // of the impairment
	Did        string           // in a few words
	Node       cluster.NodeName // at which the connection arrived
	Connection uint64           // which connection it is since the start, from 1
}

// String is the connection, the impairment and what it did.
func (t *Trouble) String() string {
	return fmt.Sprintf("%s  connection %d  impaired %s (%s)", t.Node, t.Connection, t.ID, t.Did)
}

// Impair puts an impairment in force, in place of one with the same id, until Lift. It is written like an entry of the section
// impairments of a scenario, in YAML or JSON:
//
//	id, err := ris.Impair(`{id: slow, match: {operation: selectCmDevice}, chance: 10%, latency: {p50: 80ms, p99: 900ms}}`)
//	id, err = ris.Impair(`{requests: {to: 3}, status: 503}`) // the next three requests
//
// Times in it count from now. Without an id it gets one. The error is [scenarios.Problems], everything that is wrong with it, and
// then nothing has changed. See package scenarios, section Trouble; Do with the action impair is another way.
func (s *Simulator) Impair(text string) (id string, err error) {
	done, err := s.DoImpair(Step{Text: text})
	return done.ID, err
}

// DoImpair is Impair with all that Do offers: the text of the step is that of an impairment.
func (s *Simulator) DoImpair(step Step) (Done, error) {
	return s.perform(step, "impairment", &s.doing.impairments, scenarios.LoadImpairment)
}

// fits tells what of a program does not go with this simulator.
func (s *Simulator) fits(prog *scenarios.Program) error {
	for _, err := range []error{prog.Check(s.Snapshot()), prog.CheckEndpoints(s.nodes(), s.receivers(), !s.options.Plain), prog.CheckLift(s.inForce())} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Lift ends an impairment, whoever put it in force; one that Impair would put in force again later does not come back. What it
// has hit already goes on. It fails when there is none of this id.
func (s *Simulator) Lift(id string) error {
	s.doing.mu.Lock()
	defer s.doing.mu.Unlock()
	if !s.troubles.Lift(id) {
		ids := s.inForce()
		switch near := cluster.Near(id, ids); {
		case near != "":
			return fmt.Errorf("no impairment %q is in force; did you mean %q?", id, near)
		case len(ids) > 0:
			return fmt.Errorf("no impairment %q is in force; there are %s", id, strings.Join(ids[:min(20, len(ids))], ", "))
		}
		return fmt.Errorf("no impairment %q is in force, nor any other", id)
	}
	s.doing.endLocked(id)
	s.log(scenarios.Event{Cause: scenarios.Cause{File: "lift", Line: 1, Step: id}, Action: "lift", Devices: -1, Detail: id})
	return nil
}

func (s *Simulator) inForce() (ids []string) {
	for _, i := range s.Impairments() {
		ids = append(ids, i.ID)
	}
	return ids
}

// Impairments are those in force, of scenarios too, in the order in which one goes before the next. They must not be changed.
func (s *Simulator) Impairments() []*scenarios.Impairment { return s.troubles.Active() }

// nodes are all nodes of the cluster, which stay the same.
func (s *Simulator) nodes() []cluster.NodeName {
	var out []cluster.NodeName
	for _, n := range s.Snapshot().Nodes() {
		out = append(out, n.Name)
	}
	return out
}

// receivers are the nodes at which requests arrive.
func (s *Simulator) receivers() []cluster.NodeName {
	var out []cluster.NodeName
	for _, e := range s.endpoints {
		out = append(out, e.node)
	}
	return out
}

// request is what scenarios may know of an exchange.
func (s *Simulator) request(x *soap.Exchange) scenarios.Request {
	if x.Number == 0 {
		x.Number = s.heard.Add(1)
	}
	r := scenarios.Request{Number: x.Number, At: x.Started, Operation: x.Operation.String(), Node: string(x.Node), User: x.User}
	if x.Request != nil {
		r.Body = scenarios.NewBody(x.XML)
	}
	return r
}

// ordeal is what the impairments that hit one exchange make of it.
type ordeal struct {
	*Simulator
	hits    []scenarios.Hit
	latency time.Duration
	dribble *scenarios.Impairment // the one whose dribble it is; nil for none
	ruling  *scenarios.Impairment // the one that decides how the exchange ends; nil for none
	refused *scenarios.Impairment // the one that makes an end of the whole connection; nil for none
}

// befall is [soap.Config.Impair].
func (s *Simulator) befall(x *soap.Exchange) *soap.Trouble {
	if !s.troubles.Any() {
		return nil
	}
	o := &ordeal{Simulator: s}
	if c := connectionOf(x.HTTP); c != nil {
		if i := s.troubles.Connection(c.number, string(x.Node)); i != nil && (i.Refuse || !c.distrusted) {
			o.refused = i
			return &soap.Trouble{Silent: true, Deliver: o.deliver}
		}
	}
	if o.hits = s.troubles.Hits(s.request(x)); len(o.hits) == 0 {
		return nil
	}
	t := &soap.Trouble{Deliver: o.deliver}
	for _, h := range o.hits {
		o.latency += h.Latency
		if o.dribble == nil && h.Dribble != nil {
			o.dribble = h.Impairment
		}
		if o.ruling != nil || !ends(h.Impairment) {
			continue
		}
		switch {
		case h.Stall > 0:
			t.Silent = true
		case h.Status != 0:
			t.Status = h.Status
		case h.FaultName != "":
			t.Fault = s.service.NamedFault(h.FaultName, x.Node, x.HTTP)
		case h.FaultCode != "":
			t.Fault = soap.InjectedFault(h.FaultCode, h.FaultText)
		case h.ExpireSession:
			if !s.service.EndSession(x.HTTP) {
				continue // a client without a session has none that could end, and is answered like any other
			}
			t.Fault = soap.SessionFault()
		}
		o.ruling = h.Impairment
	}
	return t
}

// ends says that an impairment decides how an exchange ends: all but latency, dribble and what concerns connections.
func ends(i *scenarios.Impairment) bool {
	return i.Stall > 0 || i.Status != 0 || i.FaultName != "" || i.FaultCode != "" || i.ExpireSession || i.Malformed || i.Reset >= 0 || i.Truncate >= 0
}

// deliver is [soap.Trouble.Deliver]: it decides what will be sent, and notes that.
func (o *ordeal) deliver(x *soap.Exchange, status int, body []byte) func(http.ResponseWriter) {
	if o.refused != nil {
		x.Impaired = []soap.Firing{{ID: o.refused.ID, Did: "connection reset"}}
		r := x.HTTP
		return func(w http.ResponseWriter) { hangUp(w, r, true) }
	}
	whole := len(body)
	how, cut := "", -1
	switch r := o.ruling; {
	case r == nil:
	case r.Stall > 0:
		how = fmt.Sprintf("stalled %v", r.Stall)
	case r.Status != 0:
		how = fmt.Sprintf("status %d", r.Status)
	case r.FaultName != "" || r.FaultCode != "":
		how = "fault " + r.FaultName + r.FaultCode
	case r.ExpireSession:
		how = "session ended"
	case r.Malformed:
		how, body = "malformed", malformed(body)
	case max(r.Reset, r.Truncate) >= whole:
		how = fmt.Sprintf("not cut: the answer has %d bytes", whole)
	case r.Reset >= 0:
		how, cut = fmt.Sprintf("reset after %d of %d bytes", r.Reset, whole), r.Reset
	default:
		how, cut = fmt.Sprintf("truncated after %d of %d bytes", r.Truncate, whole), r.Truncate
	}
	x.ResponseBody, x.ResponseBytes = body, len(body)
	if cut >= 0 {
		x.ResponseBody, x.ResponseBytes = body[:cut], cut
	}
	for _, h := range o.hits {
		var did []string
		if h.Latency > 0 {
			did = append(did, fmt.Sprintf("latency %v", h.Latency))
		}
		switch {
		case h.Dribble == nil:
		case o.dribble == h.Impairment:
			did = append(did, fmt.Sprintf("%d bytes every %v", h.Dribble.Bytes, h.Dribble.Every))
		default:
			did = append(did, "dribble of "+o.dribble.ID+" goes first")
		}
		switch {
		case !ends(h.Impairment):
		case o.ruling == h.Impairment:
			did = append(did, how)
		case h.ExpireSession && (o.ruling == nil || slices.IndexFunc(o.hits, is(h.Impairment)) < slices.IndexFunc(o.hits, is(o.ruling))):
			did = append(did, "no session to end")
		default:
			did = append(did, o.ruling.ID+" goes first")
		}
		if len(did) == 0 {
			did = []string{"latency 0s"}
		}
		x.Impaired = append(x.Impaired, soap.Firing{ID: h.ID, Did: strings.Join(did, ", ")})
	}
	r := x.HTTP
	return func(w http.ResponseWriter) { o.send(w, r, status, body, cut) }
}

func is(i *scenarios.Impairment) func(scenarios.Hit) bool {
	return func(h scenarios.Hit) bool { return h.Impairment == i }
}

// malformed breaks an answer near its end, so that clients that read it piece by piece have had most of it: a & that stands
// for nothing is well-formed nowhere.
func malformed(body []byte) []byte {
	at := max(0, bytes.LastIndex(body, []byte("</")))
	return slices.Concat(body[:at], []byte("& "), body[at:])
}

// drained is how much of a body that nobody wanted is read, for the reasons in send.
const drained = 256 << 10

// send sends an answer, cut after so many bytes of its body unless cut is below 0.
//
// Whoever waits here waits in simulated time, and no longer than the client does or until Close: what is due then comes at
// once. The client is heard hanging up only when its request has been read to the end, and an end with something unread would
// be a reset where it should not be; so a request that was refused unread is read here, unless the client holds it back until it
// is asked for it.
func (o *ordeal) send(w http.ResponseWriter, r *http.Request, status int, body []byte, cut int) {
	if r.Body != nil && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, drained)
	}
	ctx := r.Context()
	_ = o.clock.Wait(ctx, o.latency)
	if o.ruling != nil && o.ruling.Stall > 0 {
		_ = o.clock.Wait(ctx, o.ruling.Stall)
		hangUp(w, r, false)
		return
	}
	if w.Header().Get("Content-Length") != "" { // malformed has changed it
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if cut >= 0 {
		body = body[:cut]
	}
	control := http.NewResponseController(w)
	if o.dribble != nil && o.virtual == nil { // on manual time, where no wait takes any, all of it comes at once
		step := o.dribble.Dribble
		for len(body) > step.Bytes {
			if _, err := w.Write(body[:step.Bytes]); err != nil || control.Flush() != nil {
				return // the client has gone
			}
			body = body[step.Bytes:]
			if o.clock.Wait(ctx, step.Every) != nil {
				break
			}
		}
	}
	_, _ = w.Write(body) // fails when the client has gone, and then there is nobody to tell
	if cut >= 0 {
		_ = control.Flush()
		hangUp(w, r, o.ruling.Reset >= 0)
	}
}

// hangUp ends the connection of a request instead of answering it to the end. The server would wait for what the client has still
// to send, so the connection is taken from it.
func hangUp(w http.ResponseWriter, r *http.Request, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // upon which whatever serves here ends the connection
	}
	if c := connectionOf(r); reset && c != nil {
		c.reset()
		return
	}
	conn.Close()
}

// gate is a listener, below TLS, at which connections are counted and can be refused.
type gate struct {
	net.Listener
	sim  *Simulator
	node cluster.NodeName
}

// Accept gives the next connection that is not refused.
func (g *gate) Accept() (net.Conn, error) {
	for {
		accepted, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: accepted, number: g.sim.connected.Add(1)}
		i := g.sim.ailing(c, g.node)
		if i == nil || !i.Refuse {
			return c, nil
		}
		g.sim.journal.trouble(g.sim.Now(), &Trouble{ID: i.ID, Did: "refused", Node: g.node, Connection: c.number})
		c.reset()
	}
}

// ailing is the impairment that hits a connection, nil for none.
func (s *Simulator) ailing(c *connection, node cluster.NodeName) *scenarios.Impairment {
	if !s.troubles.Any() {
		return nil
	}
	return s.troubles.Connection(c.number, string(node))
}

// certificates gives an endpoint's connections their certificate: the good one or, where there is trouble, one that is made when
// it is needed first.
func (s *Simulator) certificates(e *endpoint, good *tls.Config, bad map[string]func() (tls.Certificate, error)) *tls.Config {
	configs := map[string]func() (*tls.Config, error){}
	for trouble, leaf := range bad {
		configs[trouble] = sync.OnceValues(func() (*tls.Config, error) {
			cert, err := leaf()
			c := serverTLS(cert)
			c.SessionTicketsDisabled = true // a session that is resumed shows no certificate
			return c, err
		})
	}
	good.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, ours := hello.Conn.(*connection)
		if !ours {
			return nil, nil
		}
		i := s.ailing(c, e.node)
		if i == nil || i.TLS == "" {
			return nil, nil
		}
		c.distrusted = true
		did := "certificate expired"
		if i.TLS != troubleExpired {
			did = "certificate with a wrong name"
		}
		s.journal.trouble(s.Now(), &Trouble{ID: i.ID, Did: did, Node: e.node, Connection: c.number})
		return configs[i.TLS]()
	}
	return good
}

// The values of Impairment.TLS.
const (
	troubleExpired   = "expired"
	troubleWrongName = "wrongName"
)

// wrongName is whose certificate an endpoint shows when it shows somebody else's.
const wrongName = "elsewhere.invalid"

package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
)

// ExplainRequest asks why something is, or is not, in the answer to a request. The request is one of three: that of an entry of the
// journal; an envelope; or an operation with criteria.
type ExplainRequest struct {
	Seq uint64 `json:"seq,omitempty" doc:"Number of the request's entry in the journal: either this, or xml, or operation."`
	XML string `json:"xml,omitempty" doc:"A whole SOAP envelope."`

	Operation string   `json:"operation,omitempty" doc:"Operation as in the contract, such as selectCmDevice."`
	Criteria  Criteria `json:"criteria,omitzero" doc:"Criteria as a client sends them, with operation."`
	StateInfo string   `json:"stateInfo,omitempty" doc:"StateInfo of an earlier answer, with operation."`

	// What it is about: a device; for selectCtiItem an application, by name or AppId, a device or a line, and then what is "" may be any.
	Device      string `json:"device,omitempty" doc:"Name of the device that it is about."`
	Application string `json:"application,omitempty" doc:"For selectCtiItem: the application, by name or AppId."`
	Line        string `json:"line,omitempty" doc:"For selectCtiItem: the line."`
}

// Explained is the answer to an ExplainRequest.
type Explained struct {
	Subject string `json:"subject" doc:"What it is about, in words."`
	cluster.Explanation
	Version uint64       `json:"version" doc:"Version of the snapshot that it was looked for in."`
	At      time.Time    `json:"at" doc:"Simulated time of this explanation."`
	Notes   []string     `json:"notes,omitempty" doc:"What else has to be known, in sentences."`
	Advice  []AdviceLine `json:"advice,omitempty" doc:"What the request itself shows, which may be the reason behind a reason."`
}

// String is one line that says whether it is found, and one for each place or reason, note and advice.
func (e Explained) String() string {
	var b strings.Builder
	if e.Found {
		fmt.Fprintf(&b, "%s is in the answer\n", e.Subject)
	} else {
		fmt.Fprintf(&b, "%s is not in the answer\n", e.Subject)
	}
	for _, p := range e.Places {
		fmt.Fprintf(&b, "  number %d of what %s answers, and %d of all\n", p.Position, p.Node, p.Overall)
	}
	for _, w := range e.Reasons {
		b.WriteString("  " + w.Text)
		if w.Rule != "" {
			b.WriteString(" (" + w.Rule + ")")
		}
		b.WriteByte('\n')
	}
	for _, n := range e.Notes {
		b.WriteString("  " + n + "\n")
	}
	for _, a := range e.Advice {
		fmt.Fprintf(&b, "  advice %s: %s\n", a.ID, a.Text)
	}
	return b.String()
}

// Explain tells whether what is asked about is in the answer to a request, and if it is not, which criterion, node, limit or rule keeps it
// out: one sentence each. A request of the journal is looked at as it was answered, in the snapshot of then as long as that is kept (see
// Moments); otherwise in the present one, which a note says. Whoever asks, and how often, does not matter to the other requests. It fails when
// r itself is wrong, and tells of all that is.
func (s *Simulator) Explain(r ExplainRequest) (Explained, error) {
	var problems []error
	given := 0
	for _, is := range []bool{r.Seq != 0, r.XML != "", r.Operation != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		problems = append(problems, fmt.Errorf("expected one of seq, xml and operation, not %d of them", given))
	}
	if r.Operation == "" && (r.Criteria.given() || r.StateInfo != "") {
		problems = append(problems, errors.New("criteria and stateInfo go with operation"))
	}
	subject := cluster.CtiSubject{App: r.Application, Device: cluster.DeviceName(r.Device), Line: r.Line}
	if subject == (cluster.CtiSubject{}) {
		problems = append(problems, errors.New("expected what to explain: device, application or line"))
	}
	if err := errors.Join(problems...); err != nil {
		return Explained{}, err
	}
	snap := s.Snapshot()
	out := Explained{Subject: subject.String(), At: s.Now()}
	var req *soap.Request
	var fault *soap.Fault
	switch {
	case r.Seq != 0:
		e, ok := s.journal.entry(r.Seq)
		if !ok {
			return Explained{}, fmt.Errorf("the journal has no entry %d: it holds %s", r.Seq, s.journal.held())
		}
		if e.Exchange == nil {
			return Explained{}, fmt.Errorf("entry %d of the journal is no request but a %s", r.Seq, e.Kind())
		}
		if why, refused := refusal(&e); refused {
			out.Version, out.Reasons = snap.Version, []cluster.Why{why}
			return out, nil
		}
		if req = e.Exchange.Request; req == nil {
			return Explained{}, fmt.Errorf("of entry %d the journal does not keep what was asked: the request has %d bytes, and %d are kept at the most",
				r.Seq, e.Exchange.RequestBytes, keptRequest)
		}
		if then, kept := s.moments.snapshot(e.Exchange.SnapshotVersion); kept {
			snap = then
		} else if e.Exchange.SnapshotVersion != snap.Version {
			out.Notes = append(out.Notes, fmt.Sprintf("The cluster has changed since the request, from version %d: this is how it is now.", e.Exchange.SnapshotVersion))
		}
		for _, f := range e.Exchange.Impaired {
			out.Notes = append(out.Notes, fmt.Sprintf("The answer was impaired, by %s, so the client may have got another one.", f))
		}
	case r.XML != "":
		req, fault = soap.Decode([]byte(r.XML), "", soap.Limits{})
	default:
		var err error
		if req, err = r.request(); err != nil {
			return Explained{}, err
		}
	}
	if fault == nil && req.Op != soap.SelectCtiItem && (r.Device == "" || r.Application != "" || r.Line != "") {
		return Explained{}, fmt.Errorf("an answer to %v has devices: expected device only, neither application nor line", req.Op)
	}
	var advice []soap.Advice
	if fault == nil {
		out.Explanation, advice, fault = s.service.Explain(snap, req, subject)
	}
	if fault != nil {
		out.Reasons = []cluster.Why{{Rule: faultRule(fault.Name), Text: "The request gets a fault: " + strings.TrimSuffix(fault.String, ".") + "."}}
	}
	out.Version = snap.Version
	for _, a := range advice {
		out.Advice = append(out.Advice, AdviceLine{a.ID, a.Text, a.Rule, a.Fix})
	}
	return out, nil
}

// request makes a request of an operation and criteria.
func (r *ExplainRequest) request() (*soap.Request, error) {
	text := func(s string) soap.Text {
		if s == "" {
			return soap.Text{}
		}
		return soap.Text{Value: s, Presence: soap.Given}
	}
	texts := func(list []string) (out []soap.Text) {
		for _, s := range list {
			out = append(out, text(s))
		}
		return out
	}
	c := &r.Criteria
	req := &soap.Request{
		StateInfo: r.StateInfo, Max: text(c.Max), Class: text(c.Class), Model: text(c.Model), Status: text(c.Status), NodeName: text(c.Node),
		SelectBy: text(c.SelectBy), Items: texts(c.Items), Protocol: text(c.Protocol), DownloadStatus: text(c.Download),
		DevNames: texts(c.Devices), DirNumbers: texts(c.Numbers),
	}
	for _, op := range []soap.Operation{soap.SelectCmDevice, soap.SelectCmDeviceExt, soap.SelectCtiItem} {
		if strings.EqualFold(op.String(), r.Operation) {
			req.Op = op
			return req, nil
		}
	}
	return nil, unknown("operation", r.Operation, operations())
}

// refusal says why a request got no answer with devices at all.
func refusal(e *Entry) (cluster.Why, bool) {
	x := e.Exchange
	switch {
	case x.Fault != nil:
		return cluster.Why{Rule: faultRule(x.Fault.Name), Text: fmt.Sprintf("The request got the fault %s: %s.", x.Fault.Name, strings.TrimSuffix(x.Fault.String, "."))}, true
	case x.HTTPStatus == 0:
		return cluster.Why{Text: "The request got no answer."}, true
	case x.HTTPStatus != 200:
		rule := map[int]string{401: "H5", 403: "H5", 404: "H7", 405: "H7"}[x.HTTPStatus]
		return cluster.Why{Rule: rule, Text: fmt.Sprintf("The request got the status %d.", x.HTTPStatus)}, true
	case x.Contract:
		return cluster.Why{Rule: "H2", Text: "The request was for the contract."}, true
	}
	return cluster.Why{}, false
}

// faultRule is the rule behind a fault, of which one without a name is malformed; "" for one that an impairment made.
func faultRule(name string) string {
	return map[string]string{soap.FaultRateLimit: "T4", soap.FaultSession: "H6", "": "X7", soap.FaultMalformed: "X7", soap.FaultBadValue: "Q6"}[name]
}

// entry gives one entry, if it is kept.
func (j *journal) entry(seq uint64) (Entry, bool) {
	j.mu.Lock()
	if seq < j.first || seq > j.seq {
		j.mu.Unlock()
		return Entry{}, false
	}
	s := *j.slotLocked(seq)
	packed := string(s.packed)
	j.mu.Unlock()
	return s.entry(seq, packed), true
}

// held says which entries are kept.
func (j *journal) held() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.first > j.seq {
		return "none"
	}
	return fmt.Sprintf("%d to %d", j.first, j.seq)
}

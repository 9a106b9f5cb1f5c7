package sim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

// JournalLine is an entry of the journal for programs: the journal is exported as one JSON object a line. Names stay as they are; more may
// be added. All but TookMicros is the same in every run of the same thing on a manual clock.
type JournalLine struct {
	Seq     uint64       `json:"seq" doc:"Number of the entry."`
	At      time.Time    `json:"at" doc:"Simulated time."`
	Kind    string       `json:"kind" doc:"request, change, step or trouble: what is of that kind stands in the member of that name."`
	Text    string       `json:"text" doc:"The entry as a person reads it."`
	Request *RequestLine `json:"request,omitempty" doc:"A request and its answer."`
	Change  *ChangeLine  `json:"change,omitempty" doc:"A change of the cluster."`
	Step    *StepLine    `json:"step,omitempty" doc:"What a step did, or the verdict of an expectation."`
	Trouble *TroubleLine `json:"trouble,omitempty" doc:"What an impairment did to a connection."`
}

// RequestLine is a request and its answer.
type RequestLine struct {
	Method    string   `json:"method" doc:"Method of HTTP."`
	Path      string   `json:"path" doc:"Path of the URL."`
	Contract  bool     `json:"contract,omitempty" doc:"true: it was for the contract, ?wsdl."`
	Node      string   `json:"node" doc:"Node that received it."`
	Client    string   `json:"client" doc:"Address of the client, without the port."`
	UserAgent string   `json:"userAgent,omitempty" doc:"User-Agent as sent."`
	User      string   `json:"user,omitempty" doc:"User; not authenticated when status is 401."`
	Login     string   `json:"login,omitempty" doc:"basic or cookie."`
	InSession bool     `json:"inSession,omitempty" doc:"true: in a live session of the user."`
	Operation string   `json:"operation,omitempty" doc:"Operation; not there when none could be made out."`
	Criteria  Criteria `json:"criteria,omitzero" doc:"Criteria as the request sent them."`
	StateIn   string   `json:"stateIn,omitempty" doc:"StateInfo of the request."`
	StateOut  string   `json:"stateOut,omitempty" doc:"StateInfo of the answer."`

	Status    int            `json:"status" doc:"Status over HTTP; 0 when no answer was sent."`
	Fault     *FaultLine     `json:"fault,omitempty" doc:"SOAP fault of the answer."`
	NoChange  bool           `json:"noChange,omitempty" doc:"true: the answer was that nothing has changed."`
	Limit     int            `json:"limit,omitempty" doc:"Results at the most."`
	Found     int            `json:"found" doc:"Results that matched."`
	Returned  int            `json:"returned" doc:"Results in the answer."`
	Truncated bool           `json:"truncated,omitempty" doc:"true: as many as the limit were returned, so that there may be more."`
	Version   uint64         `json:"version,omitempty" doc:"Version of the cluster that was asked."`
	Advice    []AdviceLine   `json:"advice,omitempty" doc:"Advice that the request got."`
	Impaired  []ImpairedLine `json:"impaired,omitempty" doc:"Impairments that hit it."`

	RequestBytes  int   `json:"requestBytes" doc:"Size of the request's body."`
	ResponseBytes int   `json:"responseBytes" doc:"Size of the answer's body."`
	WaitedMillis  int64 `json:"waitedMillis" doc:"Simulated time from the request to the answer."`
	TookMicros    int64 `json:"tookMicros" doc:"The same by the wall."`
}

// FaultLine is a SOAP fault.
type FaultLine struct {
	Name string `json:"name" doc:"Name of the fault, such as rateLimit."`
	Code string `json:"code" doc:"faultcode."`
	Text string `json:"text" doc:"faultstring."`
}

// AdviceLine is an advice that a request got.
type AdviceLine struct {
	ID   string `json:"id" doc:"Id of the advice."`
	Text string `json:"text" doc:"One sentence."`
	Rule string `json:"rule" doc:"Rule of behaviour that the client has met."`
	Fix  string `json:"fix" doc:"What to do instead."`
}

// ImpairedLine is an impairment that hit a request.
type ImpairedLine struct {
	ID  string `json:"id" doc:"Id of the impairment."`
	Did string `json:"did" doc:"What it did, in a few words."`
}

// TroubleLine is what an impairment did to a connection.
type TroubleLine struct {
	ImpairedLine
	Node       string `json:"node" doc:"Node at which the connection arrived."`
	Connection uint64 `json:"connection" doc:"Which connection it is since the start, from 1."`
}

// ChangeLine is a change of the cluster.
type ChangeLine struct {
	Version uint64     `json:"version" doc:"Version of the snapshot that it made."`
	Count   int        `json:"count" doc:"How many single changes."`
	First   string     `json:"first" doc:"The first one in words."`
	Cause   *CauseLine `json:"cause,omitempty" doc:"Step that made it."`
}

// StepLine is what a step of the scenario did, or an expectation's verdict.
type StepLine struct {
	Cause   CauseLine `json:"cause" doc:"Where it stands."`
	Action  string    `json:"action" doc:"Action, such as devices.unregister; expect and verdict are an expectation's."`
	Devices int       `json:"devices" doc:"How many devices it is about; -1 when it is about none."`
	Skipped int       `json:"skipped,omitempty" doc:"Devices that it could not be done to."`
	Detail  string    `json:"detail,omitempty" doc:"More, in words."`
	Error   string    `json:"error,omitempty" doc:"Why it could not be done."`
}

// CauseLine is a step and where it stands.
type CauseLine struct {
	File string `json:"file" doc:"File, or what a text is called."`
	Line int    `json:"line" doc:"Line in it."`
	Step string `json:"step" doc:"Id of the step."`
}

func causeLine(c scenarios.Cause) CauseLine { return CauseLine{c.File, c.Line, c.Step} }

// Line is the entry for programs.
func (e Entry) Line() JournalLine {
	line := JournalLine{Seq: e.Seq, At: e.At, Kind: e.Kind(), Text: e.String()}
	switch {
	case e.Event != nil:
		line.Change = &ChangeLine{Version: e.Event.Version, Count: len(e.Event.Changes) + e.Event.More, First: e.Event.first()}
		if e.Event.Cause != (scenarios.Cause{}) {
			cause := causeLine(e.Event.Cause)
			line.Change.Cause = &cause
		}
	case e.Step != nil:
		s := e.Step
		line.Step = &StepLine{Cause: causeLine(s.Cause), Action: s.Action, Devices: s.Devices, Skipped: s.Skipped, Detail: s.Detail}
		if s.Err != nil {
			line.Step.Error = s.Err.Error()
		}
	case e.Trouble != nil:
		t := e.Trouble
		line.Trouble = &TroubleLine{ImpairedLine{t.ID, t.Did}, string(t.Node), t.Connection}
	case e.Exchange != nil:
		line.Request = e.requestLine()
	}
	return line
}

func (e *Entry) requestLine() *RequestLine {
	x := e.Exchange
	r := &RequestLine{
		Method: e.Method, Path: e.Path, Contract: x.Contract, Node: string(x.Node), Client: hostOf(x.Client), UserAgent: x.UserAgent,
		User: x.User, Login: string(x.Login), InSession: x.InSession, Operation: x.Operation.String(), StateIn: x.StateIn, StateOut: x.StateOut,
		Status: x.HTTPStatus, NoChange: x.Verdict == cluster.Unchanged, Limit: x.Limit, Found: x.Found, Returned: x.Returned,
		Truncated: x.Truncated, Version: x.SnapshotVersion, RequestBytes: x.RequestBytes, ResponseBytes: x.ResponseBytes,
		WaitedMillis: x.Answered.Sub(x.Started).Milliseconds(), TookMicros: x.Took.Microseconds(),
	}
	if x.Request != nil {
		r.Criteria = criteriaOf(x.Request)
	}
	if x.Fault != nil {
		r.Fault = &FaultLine{x.Fault.Name, x.Fault.Code, x.Fault.String}
	}
	for _, a := range x.Advice {
		r.Advice = append(r.Advice, AdviceLine{a.ID, a.Text, a.Rule, a.Fix})
	}
	for _, i := range x.Impaired {
		r.Impaired = append(r.Impaired, ImpairedLine{i.ID, i.Did})
	}
	return r
}

// WriteJSON writes one JSON object a line: see [JournalLine].
func (j Journal) WriteJSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, e := range j {
		if err := enc.Encode(e.Line()); err != nil {
			return fmt.Errorf("writing entry %d of the journal: %w", e.Seq, err)
		}
	}
	return out.Flush()
}

// ReadJournal reads what WriteJSON wrote. Members that it does not know are passed over: a later version wrote them.
func ReadJournal(r io.Reader) ([]JournalLine, error) {
	var out []JournalLine
	for dec := json.NewDecoder(r); ; {
		var line JournalLine
		switch err := dec.Decode(&line); {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("line %d of a journal is not an entry: %w", len(out)+1, err)
		}
		out = append(out, line)
	}
}

// WriteHAR writes what was sent in the requests of a journal, as far as it is kept (see [Simulator.Raw]), as an HTTP archive 1.2. Times are
// simulated, durations are of the wall.
func (s *Simulator) WriteHAR(w io.Writer, j Journal) error {
	log := harLog{Version: "1.2", Creator: harCreator{"risim", "1"}, Entries: []harEntry{}}
	for i := range j {
		if raw, ok := s.Raw(j[i].Seq); ok && j[i].Exchange != nil {
			log.Entries = append(log.Entries, harEntryOf(&j[i], &raw))
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(struct {
		Log harLog `json:"log"`
	}{log}); err != nil {
		return fmt.Errorf("writing an HTTP archive: %w", err)
	}
	return nil
}

// The words of HAR 1.2.
type (
	harLog struct {
		Version string     `json:"version"`
		Creator harCreator `json:"creator"`
		Entries []harEntry `json:"entries"`
	}
	harCreator struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	harEntry struct {
		Started  time.Time   `json:"startedDateTime"`
		Time     float64     `json:"time"` // milliseconds
		Request  harRequest  `json:"request"`
		Response harResponse `json:"response"`
		Cache    struct{}    `json:"cache"`
		Timings  harTimings  `json:"timings"`
		Comment  string      `json:"comment,omitempty"`
	}
	harRequest struct {
		Method      string    `json:"method"`
		URL         string    `json:"url"`
		HTTPVersion string    `json:"httpVersion"`
		Cookies     []harPair `json:"cookies"`
		Headers     []harPair `json:"headers"`
		QueryString []harPair `json:"queryString"`
		PostData    *harPost  `json:"postData,omitempty"`
		HeadersSize int       `json:"headersSize"`
		BodySize    int       `json:"bodySize"`
	}
	harResponse struct {
		Status      int        `json:"status"`
		StatusText  string     `json:"statusText"`
		HTTPVersion string     `json:"httpVersion"`
		Cookies     []harPair  `json:"cookies"`
		Headers     []harPair  `json:"headers"`
		Content     harContent `json:"content"`
		RedirectURL string     `json:"redirectURL"`
		HeadersSize int        `json:"headersSize"`
		BodySize    int        `json:"bodySize"`
	}
	harPair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	harPost struct {
		MimeType string    `json:"mimeType"`
		Params   []harPair `json:"params"`
		Text     string    `json:"text"`
		Comment  string    `json:"comment,omitempty"`
	}
	harContent struct {
		Size     int    `json:"size"`
		MimeType string `json:"mimeType"`
		Text     string `json:"text"`
		Comment  string `json:"comment,omitempty"`
	}
	harTimings struct {
		Send    float64 `json:"send"`
		Wait    float64 `json:"wait"`
		Receive float64 `json:"receive"`
	}
)

func harEntryOf(e *Entry, raw *Raw) harEntry {
	took := float64(e.Exchange.Took) / float64(time.Millisecond)
	pairs := func(m *Message) []harPair {
		out := []harPair{}
		for _, h := range m.Header {
			out = append(out, harPair{h[0], h[1]})
		}
		return out
	}
	text := func(m *Message) string { return strings.ToValidUTF8(string(m.Body), "�") }
	query := []harPair{}
	if e.Exchange.Contract {
		query = append(query, harPair{"wsdl", ""})
	}
	request := harRequest{
		Method: e.Method, URL: raw.URL, HTTPVersion: raw.Protocol, Cookies: []harPair{}, Headers: pairs(&raw.Request), QueryString: query,
		HeadersSize: -1, BodySize: raw.Request.Size,
	}
	if raw.Request.Size > 0 {
		request.PostData = &harPost{MimeType: raw.Request.header("Content-Type"), Params: []harPair{}, Text: text(&raw.Request), Comment: raw.Request.Note}
	}
	return harEntry{
		Started: e.At, Time: took, Request: request, Timings: harTimings{Wait: took}, Comment: e.String(),
		Response: harResponse{
			Status: e.Exchange.HTTPStatus, StatusText: http.StatusText(e.Exchange.HTTPStatus), HTTPVersion: raw.Protocol, Cookies: []harPair{},
			Headers: pairs(&raw.Answer), HeadersSize: -1, BodySize: raw.Answer.Size,
			Content: harContent{Size: raw.Answer.Size, MimeType: raw.Answer.header("Content-Type"), Text: text(&raw.Answer), Comment: raw.Answer.Note},
		},
	}
}

func (m *Message) header(name string) string {
	for _, h := range m.Header {
		if http.CanonicalHeaderKey(h[0]) == name {
			return h[1]
		}
	}
	return ""
}

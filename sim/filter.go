package sim

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// The kinds of entries.
const (
	KindRequest = "request"
	KindChange  = "change"
	KindStep    = "step"
	KindTrouble = "trouble"
)

func kinds() []string { return []string{KindRequest, KindChange, KindStep, KindTrouble} }

// Kind says what sort of entry it is: one of the Kind constants.
func (e Entry) Kind() string {
	switch {
	case e.Event != nil:
		return KindChange
	case e.Step != nil:
		return KindStep
	case e.Trouble != nil:
		return KindTrouble
	}
	return KindRequest
}

// RequestFilter says which requests are meant: those of which all that is given here is true. Texts are compared ignoring case, and a *
// in them stands for any text, also none. The zero value means all requests.
type RequestFilter struct {
	Operation string   `json:"operation,omitempty" doc:"Operation as in the contract, such as selectCmDevice; a * stands for any text here and in what follows."`
	User      string   `json:"user,omitempty" doc:"User as sent with the request, or of its session."`
	Node      string   `json:"node,omitempty" doc:"Node that received it."`
	Client    string   `json:"client,omitempty" doc:"Address of the client, without a port."`
	UserAgent string   `json:"userAgent,omitempty" doc:"User-Agent as sent."`
	Path      string   `json:"path,omitempty" doc:"Path of the URL."`
	Criteria  Criteria `json:"criteria,omitzero" doc:"What it asked for."`
	StateInfo string   `json:"stateInfo,omitempty" doc:"sent or none; either when it is left out."`

	Status int    `json:"status,omitempty" doc:"Status of the answer over HTTP; 0 means any."`
	Fault  string `json:"fault,omitempty" doc:"Fault of the answer, by name, such as rateLimit; * means any fault."`
	Advice string `json:"advice,omitempty" doc:"Advice that the request got, by id."`

	Impairment string `json:"impairment,omitempty" doc:"Impairment that hit the request, by id."`
}

// Criteria are the criteria of a request as it sent them, in its own words. In a RequestFilter each text must match the request's, and
// each of a list one of the request's; what is "" or empty is not looked at.
type Criteria struct {
	Max      string   `json:"max,omitempty" doc:"MaxReturnedDevices or MaxReturnedItems."`
	Class    string   `json:"class,omitempty" doc:"DeviceClass or CtiMgrClass."`
	Model    string   `json:"model,omitempty" doc:"Model, the number."`
	Status   string   `json:"status,omitempty" doc:"Status."`
	Node     string   `json:"node,omitempty" doc:"NodeName."`
	SelectBy string   `json:"selectBy,omitempty" doc:"SelectBy or SelectAppBy."`
	Items    []string `json:"items,omitempty" doc:"Items of SelectItems or AppItems."`
	Protocol string   `json:"protocol,omitempty" doc:"Protocol."`
	Download string   `json:"download,omitempty" doc:"DownloadStatus."`
	Devices  []string `json:"devices,omitempty" doc:"DevNames."`
	Numbers  []string `json:"numbers,omitempty" doc:"DirNumbers."`
}

// Window is a part of the journal.
type Window struct {
	After uint64    `json:"after,omitempty" doc:"Entries with higher numbers only."`
	From  time.Time `json:"from,omitzero" doc:"Not before this simulated time."`
	Until time.Time `json:"until,omitzero" doc:"Not after this simulated time."`
}

// JournalFilter says which entries are meant: those of which all that is given is true.
type JournalFilter struct {
	Kind   string `json:"kind,omitempty"`   // one of the Kind constants; "" means all, and requests when something of a request is given
	Device string `json:"device,omitempty"` // entries about a device: changes of it, and requests that name it, or by a * could mean its name
	Limit  int    `json:"limit,omitempty"`  // entries at the most, of the oldest that match; 0 means all
	RequestFilter
	Window
}

// Query gives the entries of the journal that match, oldest first. The next page begins after the number of the last one. It fails when
// the filter can match nothing, and tells of all that is wrong with it.
func (s *Simulator) Query(f JournalFilter) (Journal, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	out := Journal{}
	for _, e := range s.journal.entries(f.After) {
		if f.Matches(&e) {
			if out = append(out, e); len(out) == f.Limit {
				return out, nil
			}
		}
	}
	return out, nil
}

// Check tells of everything because of which a filter can match nothing.
func (f *JournalFilter) Check() error {
	problems := append(f.RequestFilter.check(), f.Window.check()...)
	if f.Kind != "" && !slices.Contains(kinds(), f.Kind) {
		problems = append(problems, unknown("kind", f.Kind, kinds()))
	}
	if f.Limit < 0 {
		problems = append(problems, fmt.Errorf("limit %d is negative", f.Limit))
	}
	if f.ofRequests() && f.Kind != "" && f.Kind != KindRequest {
		problems = append(problems, fmt.Errorf("kind %q goes with nothing that only requests have, such as operation or user", f.Kind))
	}
	return errors.Join(problems...)
}

// Matches tells whether an entry is meant, as of a [Subscription].
func (f *JournalFilter) Matches(e *Entry) bool {
	switch requests := f.ofRequests(); {
	case f.Kind != "" && f.Kind != e.Kind() || requests && e.Exchange == nil:
	case f.Device != "" && !e.about(f.Device):
	case len(f.Window.differs(e)) > 0 || requests && len(f.RequestFilter.differs(e)) > 0:
	default:
		return true
	}
	return false
}

// ofRequests says that something is given that only requests have.
func (f *JournalFilter) ofRequests() bool { return !reflect.ValueOf(f.RequestFilter).IsZero() }

// matches compares a text with a pattern.
func matches(pattern, text string) bool { return scenarios.Text{Text: pattern}.Matches(text) }

// unknown is a problem: a name that is none of those that there are.
func unknown(what, name string, names []string) error {
	if near := cluster.Near(name, names); near != "" {
		return fmt.Errorf("unknown %s %q; did you mean %q?", what, name, near)
	}
	return fmt.Errorf("unknown %s %q; expected one of %s", what, name, strings.Join(names, ", "))
}

// operations are the names of the contract.
func operations() []string {
	return []string{soap.SelectCmDevice.String(), soap.SelectCmDeviceExt.String(), soap.SelectCtiItem.String()}
}

// faults are the names that journals and expectations know.
func faults() []string {
	return []string{soap.FaultRateLimit, soap.FaultSession, soap.FaultMalformed, soap.FaultBadValue, soap.FaultInternal, soap.FaultInjected}
}

// check tells of what can match nothing.
func (f *RequestFilter) check() []error {
	var problems []error
	known := func(what, pattern string, names []string) {
		if pattern != "" && !slices.ContainsFunc(names, func(n string) bool { return matches(pattern, n) }) {
			problems = append(problems, unknown(what, pattern, names))
		}
	}
	known("operation", f.Operation, operations())
	known("fault", f.Fault, faults())
	var ids []string
	for _, a := range soap.Advices() {
		ids = append(ids, a.ID)
	}
	known("advice", f.Advice, ids)
	known("stateInfo", f.StateInfo, []string{"sent", "none"})
	if f.Status != 0 && (f.Status < 100 || f.Status > 599) {
		problems = append(problems, fmt.Errorf("status %d is not one of HTTP, which are 100 to 599", f.Status))
	}
	return problems
}

func (w *Window) check() []error {
	if !w.From.IsZero() && !w.Until.IsZero() && w.Until.Before(w.From) {
		return []error{fmt.Errorf("until %s is before from %s", clockTime(w.Until), clockTime(w.From))}
	}
	return nil
}

func clockTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// differs tells, in a sentence for each, in what a request differs from what is meant; nothing when it matches.
func (f *RequestFilter) differs(e *Entry) []string {
	x := e.Exchange
	var out []string
	differ := func(what, pattern, have string) {
		if pattern == "" || matches(pattern, have) {
			return
		}
		if have == "" {
			out = append(out, fmt.Sprintf("it has no %s, and %s was expected", what, pattern))
			return
		}
		out = append(out, fmt.Sprintf("its %s is %s, not %s", what, clip(have, 80), pattern))
	}
	differ("operation", f.Operation, x.Operation.String())
	differ("user", f.User, x.User)
	differ("node", f.Node, string(x.Node))
	differ("client address", f.Client, hostOf(x.Client))
	differ("User-Agent", f.UserAgent, x.UserAgent)
	differ("path", f.Path, e.Path)
	if f.Criteria.given() {
		if x.Request == nil {
			out = append(out, "its criteria are not known")
		} else {
			f.Criteria.differs(criteriaOf(x.Request), differ, func(sentence string) { out = append(out, sentence) })
		}
	}
	switch {
	case f.StateInfo == "":
	case matches(f.StateInfo, "sent") && x.StateIn == "":
		out = append(out, "it was sent without StateInfo")
	case matches(f.StateInfo, "none") && x.StateIn != "":
		out = append(out, "it was sent with a StateInfo")
	}
	if f.Status != 0 && f.Status != x.HTTPStatus {
		out = append(out, fmt.Sprintf("its status is %d, not %d", x.HTTPStatus, f.Status))
	}
	switch {
	case f.Fault == "":
	case x.Fault == nil:
		out = append(out, fmt.Sprintf("it got no fault, and %s was expected", f.Fault))
	default:
		differ("fault", f.Fault, x.Fault.Name)
	}
	if f.Advice != "" && !slices.ContainsFunc(x.Advice, func(a soap.Advice) bool { return matches(f.Advice, a.ID) }) {
		out = append(out, fmt.Sprintf("it did not get the advice %s", f.Advice))
	}
	if f.Impairment != "" && !slices.ContainsFunc(x.Impaired, func(i soap.Firing) bool { return matches(f.Impairment, i.ID) }) {
		out = append(out, fmt.Sprintf("the impairment %s did not hit it", f.Impairment))
	}
	return out
}

// differs tells when an entry is outside of the window.
func (w *Window) differs(e *Entry) []string {
	switch {
	case e.Seq <= w.After:
		return []string{fmt.Sprintf("its number is %d, not above %d", e.Seq, w.After)}
	case !w.From.IsZero() && e.At.Before(w.From):
		return []string{fmt.Sprintf("it came at %s, before %s", clockTime(e.At), clockTime(w.From))}
	case !w.Until.IsZero() && e.At.After(w.Until):
		return []string{fmt.Sprintf("it came at %s, after %s", clockTime(e.At), clockTime(w.Until))}
	}
	return nil
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func (c *Criteria) given() bool { return !reflect.ValueOf(*c).IsZero() }

// criteriaOf is what a request asks for.
func criteriaOf(r *soap.Request) Criteria {
	texts := func(list []soap.Text) []string {
		var out []string
		for _, t := range list {
			if t.Value != "" {
				out = append(out, t.Value)
			}
		}
		return out
	}
	return Criteria{
		Max: r.Max.Value, Class: r.Class.Value, Model: r.Model.Value, Status: r.Status.Value, Node: r.NodeName.Value, SelectBy: r.SelectBy.Value,
		Items: texts(r.Items), Protocol: r.Protocol.Value, Download: r.DownloadStatus.Value, Devices: texts(r.DevNames), Numbers: texts(r.DirNumbers),
	}
}

func (c *Criteria) differs(have Criteria, differ func(what, pattern, have string), say func(string)) {
	differ("max", c.Max, have.Max)
	differ("class", c.Class, have.Class)
	differ("model", c.Model, have.Model)
	differ("status criterion", c.Status, have.Status)
	differ("NodeName", c.Node, have.Node)
	differ("SelectBy", c.SelectBy, have.SelectBy)
	differ("protocol", c.Protocol, have.Protocol)
	differ("download status", c.Download, have.Download)
	for _, l := range []struct {
		what           string
		patterns, have []string
	}{{"item", c.Items, have.Items}, {"device name", c.Devices, have.Devices}, {"directory number", c.Numbers, have.Numbers}} {
		for _, p := range l.patterns {
			switch {
			case slices.ContainsFunc(l.have, func(h string) bool { return matches(p, h) }):
			case len(l.have) == 0:
				say(fmt.Sprintf("it has no %s, and %s was expected", l.what, p))
			default:
				say(fmt.Sprintf("no %s of it is %s: %s", l.what, p, few(l.have)))
			}
		}
	}
}

// few names the first texts of a list and how many more there are.
func few(texts []string) string {
	out := clip(strings.Join(texts[:min(3, len(texts))], ", "), 80)
	if more := len(texts) - 3; more > 0 {
		out += " and " + strconv.Itoa(more) + " more"
	}
	return out
}

// about says that an entry concerns a device: a change that names it, or a request that does, or could by a *.
func (e *Entry) about(device string) bool {
	if e.Event != nil {
		return slices.ContainsFunc(e.Event.Changes, func(c cluster.Change) bool { return names(reflect.ValueOf(c), device) })
	}
	if e.Exchange == nil || e.Exchange.Request == nil {
		return false
	}
	r := e.Exchange.Request
	meant := func(t soap.Text) bool {
		return t.Value != "" && (strings.EqualFold(t.Value, device) || r.Op != soap.SelectCmDeviceExt && matches(t.Value, device))
	}
	if r.Op == soap.SelectCtiItem {
		return slices.ContainsFunc(r.DevNames, meant)
	}
	return (r.SelectBy.Value == "" || strings.EqualFold(r.SelectBy.Value, cluster.ByName.String())) && slices.ContainsFunc(r.Items, meant)
}

// names looks for the name of a device in a change, and in what is in it.
func names(v reflect.Value, device string) bool {
	switch {
	case v.Type() == reflect.TypeFor[cluster.DeviceName]():
		return strings.EqualFold(v.String(), device)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && names(v.Field(i), device) {
				return true
			}
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			if names(v.Index(i), device) {
				return true
			}
		}
	}
	return false
}

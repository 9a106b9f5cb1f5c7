package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// How everything in a cluster stands is the section state of a file: what a snapshot writes in place of the section cluster. It
// is the last one, and each of its entries is one line of JSON, which is YAML too:
//
//	state:
//	  - {"cluster": {"now": "2026-03-02T08:05:00Z", "history": 65536}}
//	  - {"node": {"name": "cucm-pub", "publisher": true, "state": "up", "stateId": 12, ...}}
//	  - {"device": {"name": "SEP0000000000AA", "class": "Phone", ..., "records": [{"node": "cucm-pub", "status": "Registered", ...}]}}
//	  - {"application": {"name": "cucmuser", ...}}
//
// It is read line by line, so that a large cluster does not go through a reader of YAML.

// MaxState is the most bytes that the section state may have. The rest of the file keeps to MaxSize.
const MaxState = 256 << 20

const stateHead = "state:"

// cutState separates the section state from the rest of a file. line is that of its first entry; 0: there is none.
func cutState(data []byte) (rest, state []byte, line int) {
	at := 0
	if !bytes.HasPrefix(data, []byte(stateHead)) {
		i := bytes.Index(data, []byte("\n"+stateHead))
		if i < 0 {
			return data, nil, 0
		}
		at = i + 1
	}
	end := bytes.IndexByte(data[at:], '\n')
	if end < 0 || strings.TrimSpace(string(data[at+len(stateHead):at+end])) != "" {
		return data, nil, 0 // which the reader of YAML complains of
	}
	return data[:at], data[at+end+1:], 2 + bytes.Count(data[:at], []byte("\n"))
}

// The entries as they are written. Zero values are left out.
type (
	stateEntry struct {
		Cluster     *stateCluster     `json:"cluster,omitempty"`
		Node        *stateNode        `json:"node,omitempty"`
		Device      *stateDevice      `json:"device,omitempty"`
		Application *stateApplication `json:"application,omitempty"`
	}
	stateCluster struct {
		Now     time.Time `json:"now"`
		History int       `json:"history"`
	}
	stateNode struct {
		Name       string     `json:"name"`
		Publisher  bool       `json:"publisher,omitempty"`
		Address    netip.Addr `json:"address,omitzero"`
		Address6   netip.Addr `json:"address6,omitzero"`
		State      string     `json:"state"`
		Started    int64      `json:"started"`
		CtiStarted int64      `json:"ctiStarted"`
		StateID    uint64     `json:"stateId"`
		CtiStateID uint64     `json:"ctiStateId"`
	}
	stateDevice struct {
		Name            string             `json:"name"`
		Class           string             `json:"class,omitempty"`
		Model           uint32             `json:"model,omitempty"`
		Protocol        string             `json:"protocol,omitempty"`
		Group           string             `json:"group,omitempty"`
		Description     string             `json:"description,omitempty"`
		Lines           []string           `json:"lines,omitempty"`
		Homes           []cluster.NodeName `json:"homes,omitempty"`
		Httpd           string             `json:"httpd,omitempty"`
		Attribute       string             `json:"attribute,omitempty"`
		CtiControllable bool               `json:"ctiControllable,omitempty"`
		Product         *uint32            `json:"product,omitempty"`
		BoxProduct      *uint32            `json:"boxProduct,omitempty"`
		PerfMonObject   *uint32            `json:"perfMonObject,omitempty"`
		DChannel        *uint32            `json:"dChannel,omitempty"`
		H323            *cluster.H323Trunk `json:"h323,omitempty"`
		Records         []stateRecord      `json:"records,omitempty"`
	}
	stateRecord struct {
		Node            string      `json:"node"`
		Status          string      `json:"status,omitempty"`
		Reason          string      `json:"reason,omitempty"`
		TimeStamp       int64       `json:"timeStamp"`
		Attempts        *uint32     `json:"attempts,omitempty"`
		LoginUser       string      `json:"loginUser,omitempty"`
		Lines           []stateLine `json:"lines,omitempty"`
		IPv4            netip.Addr  `json:"ipv4,omitzero"`
		IPv6            netip.Addr  `json:"ipv6,omitzero"`
		ActiveLoad      string      `json:"activeLoad,omitempty"`
		InactiveLoad    string      `json:"inactiveLoad,omitempty"`
		Download        string      `json:"download,omitempty"`
		DownloadFailure string      `json:"downloadFailure,omitempty"`
		DownloadServer  string      `json:"downloadServer,omitempty"`
		StateID         uint64      `json:"stateId"`
	}
	stateLine struct {
		Number string `json:"number"`
		Status string `json:"status,omitempty"`
	}
	stateApplication struct {
		Name      string           `json:"name"`
		Instance  uint32           `json:"instance,omitempty"`
		Address   netip.Addr       `json:"address,omitzero"`
		Address6  netip.Addr       `json:"address6,omitzero"`
		User      string           `json:"user,omitempty"`
		Node      string           `json:"node"`
		Status    string           `json:"status,omitempty"`
		Reason    uint32           `json:"reason,omitempty"`
		TimeStamp int64            `json:"timeStamp"`
		StateID   uint64           `json:"stateId"`
		Devices   []stateCtiDevice `json:"devices,omitempty"`
	}
	stateCtiDevice struct {
		Name          string         `json:"name"`
		ControlsMedia bool           `json:"controlsMedia,omitempty"`
		Status        string         `json:"status,omitempty"`
		Reason        uint32         `json:"reason,omitempty"`
		TimeStamp     int64          `json:"timeStamp"`
		StateID       uint64         `json:"stateId"`
		Lines         []stateCtiLine `json:"lines,omitempty"`
	}
	stateCtiLine struct {
		Number    string `json:"number"`
		Status    string `json:"status,omitempty"`
		Reason    uint32 `json:"reason,omitempty"`
		TimeStamp int64  `json:"timeStamp"`
		StateID   uint64 `json:"stateId"`
	}
)

// word is an enumeration's value as it is written; empty for 0.
func word[E interface {
	~uint8
	fmt.Stringer
}](e E) string {
	if e == 0 {
		return ""
	}
	return e.String()
}

func number(u cluster.Uint) *uint32 {
	if n, ok := u.Get(); ok {
		return &n
	}
	return nil
}

// WriteState writes the section state. Of two States that give the same answers the text is the same: versions, and what a node has
// counted before it was set back, are the store's own and not in it.
func WriteState(w io.Writer, st *cluster.State) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if _, err := io.WriteString(w, stateHead+"\n"); err != nil {
		return err
	}
	put := func(e stateEntry) error {
		buf.Reset()
		buf.WriteString("  - ")
		if err := enc.Encode(e); err != nil {
			return err
		}
		_, err := w.Write(buf.Bytes())
		return err
	}
	if err := put(stateEntry{Cluster: &stateCluster{time.Unix(st.Now, 0).UTC(), st.History}}); err != nil {
		return err
	}
	for _, n := range st.Nodes {
		if err := put(stateEntry{Node: &stateNode{string(n.Name), n.Publisher, n.Address, n.Address6, n.State.String(), n.Started, n.CtiStarted, n.StateID, n.CtiStateID}}); err != nil {
			return err
		}
	}
	records := st.Registrations
	for i := range st.Devices {
		d := &st.Devices[i]
		out := stateDevice{Name: string(d.Name), Class: word(d.Class), Model: d.Model, Protocol: word(d.Protocol), Group: d.Group, Description: d.Description,
			Lines: d.Lines, Homes: d.Homes, Httpd: word(d.Httpd), Attribute: word(d.Attribute), CtiControllable: d.IsCtiControllable, Product: number(d.Product),
			BoxProduct: number(d.BoxProduct), PerfMonObject: number(d.PerfMonObject), DChannel: number(d.DChannel), H323: d.H323}
		for len(records) > 0 && records[0].Device == d.Name {
			out.Records = append(out.Records, recordOf(&records[0]))
			records = records[1:]
		}
		if err := put(stateEntry{Device: &out}); err != nil {
			return err
		}
	}
	for i := range st.Applications {
		out := applicationOf(&st.Applications[i])
		if err := put(stateEntry{Application: &out}); err != nil {
			return err
		}
	}
	return nil
}

func recordOf(r *cluster.Registration) stateRecord {
	out := stateRecord{Node: string(r.Node), Status: word(r.Status), TimeStamp: r.TimeStamp, Attempts: number(r.Attempts), LoginUser: r.LoginUser, IPv4: r.IPv4,
		IPv6: r.IPv6, ActiveLoad: r.ActiveLoad, InactiveLoad: r.InactiveLoad, Download: word(r.Download), DownloadFailure: r.DownloadFailure,
		DownloadServer: r.DownloadServer, StateID: r.StateID}
	if r.Reason != cluster.NoReason {
		out.Reason = r.Reason.String()
	}
	for _, l := range r.Lines {
		out.Lines = append(out.Lines, stateLine{l.Number, word(l.Status)})
	}
	return out
}

func applicationOf(a *cluster.Application) stateApplication {
	out := stateApplication{Name: a.Name, Instance: a.Instance, Address: a.Address, Address6: a.Address6, User: a.User, Node: string(a.Node), Status: word(a.Status),
		Reason: a.Reason, TimeStamp: a.TimeStamp, StateID: a.StateID}
	for _, d := range a.Devices {
		o := stateCtiDevice{Name: string(d.Name), ControlsMedia: d.ControlsMedia, Status: word(d.Status), Reason: d.Reason, TimeStamp: d.TimeStamp, StateID: d.StateID}
		for _, l := range d.Lines {
			o.Lines = append(o.Lines, stateCtiLine{l.Number, word(l.Status), l.Reason, l.TimeStamp, l.StateID})
		}
		out.Devices = append(out.Devices, o)
	}
	return out
}

// readState reads the entries of the section state, of which the first stands in the line given; nil when something is wrong.
func readState(p *problems, data []byte, line int) *cluster.State {
	st := &cluster.State{Version: 1}
	before := len(p.list) + p.more
	if len(data) > MaxState {
		p.add(Pos{line - 1, 1}, "state has %d bytes, and at most %d are read", len(data), MaxState)
		return nil
	}
	r := stateReader{p, st, false}
	for text := range bytes.Lines(data) {
		text = bytes.TrimRight(text, "\r\n")
		if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] != '#' {
			r.entry(line, text)
		}
		line++
	}
	if !r.began {
		p.add(Pos{line, 1}, `state has no entry "cluster"`)
	}
	if len(p.list)+p.more > before {
		return nil
	}
	return st
}

type stateReader struct {
	*problems
	st    *cluster.State
	began bool // the entry cluster was read
}

func (r *stateReader) entry(line int, text []byte) {
	at := Pos{line, max(1, 1+bytes.IndexByte(text, '-'))}
	wrong := func(format string, args ...any) { r.add(at, format, args...) }
	if text[0] != ' ' && text[0] != '-' {
		wrong("a section stands after state, which is the last one")
		return
	}
	body, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte("- "))
	if !ok {
		wrong(`an entry of state is one line of JSON that begins with - {`)
		return
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var e stateEntry
	if err := dec.Decode(&e); err != nil {
		wrong("%v", strings.TrimPrefix(err.Error(), "json: "))
		return
	}
	if dec.More() {
		wrong("more follows after the entry")
		return
	}
	given := 0
	for _, is := range []bool{e.Cluster != nil, e.Node != nil, e.Device != nil, e.Application != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		wrong("an entry of state is one of cluster, node, device and application")
		return
	}
	w := stateWords{wrong}
	switch {
	case e.Cluster != nil:
		if r.began {
			wrong(`a second entry "cluster"`)
		}
		r.began = true
		r.st.Now, r.st.History = e.Cluster.Now.Unix(), e.Cluster.History
	case e.Node != nil:
		r.st.Nodes = append(r.st.Nodes, w.node(e.Node))
	case e.Device != nil:
		d := w.device(e.Device)
		r.st.Devices = append(r.st.Devices, d)
		for i := range e.Device.Records {
			r.st.Registrations = append(r.st.Registrations, w.record(d.Name, &e.Device.Records[i]))
		}
	default:
		r.st.Applications = append(r.st.Applications, w.application(e.Application))
	}
}

// stateWords understands the words of an entry.
type stateWords struct {
	wrong func(format string, args ...any)
}

// wordOf reads a value of an enumeration; 0 when there is none.
func wordOf[E ~uint8](w stateWords, what, text string, parse func(string) (E, bool), names []string) E {
	if text == "" {
		return 0
	}
	e, ok := parse(text)
	if !ok {
		w.wrong("unknown %s %q; %s", what, text, didYouMean(text, slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })))
	}
	return e
}

func uintOf(n *uint32) cluster.Uint {
	if n == nil {
		return cluster.Uint{}
	}
	return cluster.Some(*n)
}

func (w stateWords) node(n *stateNode) cluster.NodeInState {
	out := cluster.NodeInState{StateID: n.StateID, CtiStateID: n.CtiStateID, Node: cluster.Node{Name: cluster.NodeName(n.Name), Publisher: n.Publisher,
		Address: n.Address, Address6: n.Address6, Started: n.Started, CtiStarted: n.CtiStarted}}
	names := []string{cluster.Up.String(), cluster.Down.String(), cluster.Isolated.String(), cluster.Broken.String()}
	if i := slices.Index(names, n.State); i >= 0 {
		out.State = cluster.NodeState(i)
	} else {
		w.wrong("unknown state %q; %s", n.State, didYouMean(n.State, names))
	}
	return out
}

func (w stateWords) device(d *stateDevice) cluster.Device {
	return cluster.Device{
		Name: cluster.DeviceName(d.Name), Description: d.Description, Class: wordOf(w, "class", d.Class, cluster.ParseClass, cluster.ClassNames()),
		Protocol:  wordOf(w, "protocol", d.Protocol, cluster.ParseProtocol, cluster.ProtocolNames()),
		Httpd:     wordOf(w, "httpd", d.Httpd, cluster.ParseHttpd, words(cluster.HttpdUnknown)),
		Attribute: wordOf(w, "attribute", d.Attribute, cluster.ParseAttribute, words(cluster.AdministrativeAndSignaling)), IsCtiControllable: d.CtiControllable, Model: d.Model,
		Product: uintOf(d.Product), BoxProduct: uintOf(d.BoxProduct), PerfMonObject: uintOf(d.PerfMonObject), DChannel: uintOf(d.DChannel),
		H323: d.H323, Lines: d.Lines, Homes: d.Homes, Group: d.Group,
	}
}

func (w stateWords) record(device cluster.DeviceName, r *stateRecord) cluster.Registration {
	out := cluster.Registration{Device: device, Node: cluster.NodeName(r.Node), Record: cluster.Record{
		Status: wordOf(w, "status", r.Status, cluster.ParseStatus, cluster.StatusNames()), TimeStamp: r.TimeStamp, Attempts: uintOf(r.Attempts), LoginUser: r.LoginUser,
		IPv4: r.IPv4, IPv6: r.IPv6, ActiveLoad: r.ActiveLoad, InactiveLoad: r.InactiveLoad,
		Download:        wordOf(w, "download state", r.Download, cluster.ParseDownload, cluster.DownloadNames()),
		DownloadFailure: r.DownloadFailure, DownloadServer: r.DownloadServer, StateID: r.StateID,
	}}
	if r.Reason != "" {
		reason, err := cluster.ParseReason(r.Reason)
		if err != nil {
			w.wrong("%v", err)
		}
		out.Reason = reason
	}
	for _, l := range r.Lines {
		out.Lines = append(out.Lines, cluster.Line{Number: l.Number, Status: wordOf(w, "status", l.Status, cluster.ParseStatus, cluster.StatusNames())})
	}
	return out
}

func (w stateWords) application(a *stateApplication) cluster.Application {
	status := func(text string) cluster.CtiStatus {
		return wordOf(w, "status", text, cluster.ParseCtiStatus, cluster.CtiStatusNames())
	}
	out := cluster.Application{Name: a.Name, Instance: a.Instance, Address: a.Address, Address6: a.Address6, User: a.User, Node: cluster.NodeName(a.Node),
		Status: status(a.Status), Reason: a.Reason, TimeStamp: a.TimeStamp, StateID: a.StateID}
	for _, d := range a.Devices {
		o := cluster.CtiDevice{Name: cluster.DeviceName(d.Name), ControlsMedia: d.ControlsMedia, Status: status(d.Status), Reason: d.Reason, TimeStamp: d.TimeStamp, StateID: d.StateID}
		for _, l := range d.Lines {
			o.Lines = append(o.Lines, cluster.CtiLine{Number: l.Number, Status: status(l.Status), Reason: l.Reason, TimeStamp: l.TimeStamp, StateID: l.StateID})
		}
		out.Devices = append(out.Devices, o)
	}
	return out
}

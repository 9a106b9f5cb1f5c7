package soap

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/wsdl"
)

// start is when every test's cluster starts: a whole minute.
var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// rig is a service with a small cluster behind it, a clock that stands still, and an observer.
type rig struct {
	t     *testing.T
	store *cluster.Store
	*Service

	mu   sync.Mutex
	now  time.Time
	seen []*Exchange
	wait []time.Duration
}

// knob is a setting over the profile of a rig; "profile" chooses that.
type knob [2]string

func newRig(t *testing.T, knobs ...knob) *rig { return newRigOf(t, smallCluster(), knobs...) }

func newRigOf(t *testing.T, c cluster.Config, knobs ...knob) *rig {
	t.Helper()
	r := &rig{t: t, now: start}
	var err error
	r.store, err = cluster.New(start, c)
	require.NoError(t, err)
	r.Service, err = New(Config{
		Store:    r.store,
		Settings: settingsOf(t, knobs...),
		Users: []User{
			{Name: "poller", Password: "right"},
			{Name: "reader", Password: "other", Roles: []string{"serviceability", "axl"}},
			{Name: "guest", Password: "guest", Roles: []string{"axl"}},
		},
		WSDL: wsdl.WithAddress,
		Now:  r.time,
		Wait: func(_ context.Context, d time.Duration) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.wait = append(r.wait, d)
			r.now = r.now.Add(d)
			return nil
		},
		KnownModel: func(n uint32) bool { return n == 36224 || n == 437 },
		Seed:       7,
		Observe: func(x *Exchange) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seen = append(r.seen, kept(x))
		},
	})
	require.NoError(t, err)
	return r
}

// kept is a copy of an exchange that is good for longer than the exchange.
func kept(x *Exchange) *Exchange {
	k := *x
	k.Advice, k.RequestBody, k.ResponseBody = slices.Clone(x.Advice), slices.Clone(x.RequestBody), slices.Clone(x.ResponseBody)
	if x.Request != nil {
		r := *x.Request
		r.Items, r.DevNames, r.DirNumbers = slices.Clone(r.Items), slices.Clone(r.DevNames), slices.Clone(r.DirNumbers)
		k.Request = &r
	}
	return &k
}

func settingsOf(t *testing.T, knobs ...knob) Settings {
	t.Helper()
	profile := ""
	for _, k := range knobs {
		if k[0] == "profile" {
			profile = k[1]
		}
	}
	set, err := Profile(profile)
	require.NoError(t, err)
	for _, k := range knobs {
		if k[0] != "profile" {
			require.NoError(t, set.Set(k[0], k[1]))
		}
	}
	require.NoError(t, set.Validate())
	return set
}

func (r *rig) time() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// apply changes the cluster now.
func (r *rig) apply(changes ...cluster.Change) {
	r.t.Helper()
	require.NoError(r.t, r.store.Apply(r.time(), changes...))
}

// last is the exchange that was observed last.
func (r *rig) last() *Exchange {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.NotEmpty(r.t, r.seen, "nothing was observed")
	return r.seen[len(r.seen)-1]
}

// header is a request header; an empty value takes away one that request sets.
type header [2]string

// request is a POST as a polite client sends it.
func request(body string, headers ...header) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "https://ris.example:8443"+Path, strings.NewReader(body))
	req.SetBasicAuth("poller", "right")
	req.Header.Set("Content-Type", "text/xml;charset=utf-8")
	for op := SelectCtiItem; op > NoOperation; op-- {
		if strings.Contains(body, op.String()+">") {
			req.Header.Set("SOAPAction", `"`+op.String()+`"`)
			break
		}
	}
	for _, h := range headers {
		if h[1] == "" {
			req.Header.Del(h[0])
		} else {
			req.Header.Set(h[0], h[1])
		}
	}
	return req
}

// do sends a request to the publisher.
func (r *rig) do(req *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	r.Handler("").ServeHTTP(rec, req)
	return rec
}

// ask sends an envelope around an operation and wants a good answer.
func (r *rig) ask(body string, headers ...header) string {
	r.t.Helper()
	rec := r.do(request(body, headers...))
	require.Equal(r.t, http.StatusOK, rec.Code, rec.Body.String())
	return rec.Body.String()
}

// fault sends an envelope and wants a SOAP fault.
func (r *rig) fault(body string, headers ...header) *Fault {
	r.t.Helper()
	rec := r.do(request(body, headers...))
	require.Equal(r.t, http.StatusInternalServerError, rec.Code, rec.Body.String())
	require.NotNil(r.t, r.last().Fault)
	return r.last().Fault
}

// adviceIDs are the ids of the advice on the last exchange.
func (r *rig) adviceIDs() []string {
	r.t.Helper()
	ids := []string{}
	for _, a := range r.last().Advice {
		ids = append(ids, a.ID)
	}
	return ids
}

// tag is one criterion.
type tag [2]string

// device is the envelope of selectCmDevice with items by name; op, state and criteria change what it asks.
func device(op, state string, items []string, criteria ...tag) string {
	values := map[string]string{
		"MaxReturnedDevices": "1000", "DeviceClass": "Any", "Model": "255", "Status": "Any", "NodeName": "",
		"SelectBy": "Name", "Protocol": "Any", "DownloadStatus": "Any",
	}
	for _, c := range criteria {
		values[c[0]] = c[1]
	}
	var b strings.Builder
	b.WriteString(`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><a:` + op +
		` xmlns:a="http://schemas.cisco.com/ast/soap"><a:StateInfo>` + string(appendText(nil, state)) + `</a:StateInfo><a:CmSelectionCriteria>`)
	for _, name := range []string{"MaxReturnedDevices", "DeviceClass", "Model", "Status", "NodeName", "SelectBy", "SelectItems", "Protocol", "DownloadStatus"} {
		if name == "SelectItems" {
			writeItems(&b, "SelectItems", "Item", items)
			continue
		}
		b.WriteString(`<a:` + name + `>` + string(appendText(nil, values[name])) + `</a:` + name + `>`)
	}
	b.WriteString(`</a:CmSelectionCriteria></a:` + op + `></e:Body></e:Envelope>`)
	return b.String()
}

// cti is the envelope of selectCtiItem.
func cti(state string, apps, devices, numbers []string, criteria ...tag) string {
	values := map[string]string{"MaxReturnedItems": "1000", "CtiMgrClass": "Line", "Status": "Any", "NodeName": "", "SelectAppBy": "AppId"}
	for _, c := range criteria {
		values[c[0]] = c[1]
	}
	var b strings.Builder
	b.WriteString(`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><a:selectCtiItem` +
		` xmlns:a="http://schemas.cisco.com/ast/soap"><a:StateInfo>` + string(appendText(nil, state)) + `</a:StateInfo><a:CtiSelectionCriteria>`)
	for _, name := range []string{"MaxReturnedItems", "CtiMgrClass", "Status", "NodeName", "SelectAppBy"} {
		b.WriteString(`<a:` + name + `>` + string(appendText(nil, values[name])) + `</a:` + name + `>`)
	}
	writeItems(&b, "AppItems", "AppItem", apps)
	writeItems(&b, "DevNames", "DevName", devices)
	writeItems(&b, "DirNumbers", "DirNumber", numbers)
	b.WriteString(`</a:CtiSelectionCriteria></a:selectCtiItem></e:Body></e:Envelope>`)
	return b.String()
}

func writeItems(b *strings.Builder, list, item string, values []string) {
	b.WriteString(`<a:` + list + `>`)
	for _, v := range values {
		b.WriteString(`<a:item><a:` + item + `>` + string(appendText(nil, v)) + `</a:` + item + `></a:item>`)
	}
	b.WriteString(`</a:` + list + `>`)
}

var everything = []string{"*"}

// smallCluster has three nodes and one of each thing that an answer can show.
func smallCluster() cluster.Config {
	addr := netip.MustParseAddr
	at := start.Unix()
	phone := func(name, description string, lines ...string) cluster.Device {
		return cluster.Device{
			Name: cluster.DeviceName(name), Description: description, Class: cluster.Phone, Protocol: cluster.SIP,
			Httpd: cluster.HttpdYes, Attribute: cluster.AttributeUnknown, IsCtiControllable: true, Model: 36224,
			BoxProduct: cluster.Some(0), PerfMonObject: cluster.Some(2), DChannel: cluster.Some(0), Lines: lines,
		}
	}
	line := func(number string, s cluster.Status) cluster.Line { return cluster.Line{Number: number, Status: s} }
	return cluster.Config{
		Nodes: []cluster.Node{
			{Name: "cucm-sub1", Address: addr("10.10.20.2"), Started: at - 90000},
			{Name: "cucm-pub", Publisher: true, Address: addr("10.10.20.1"), Started: at - 91000},
			{Name: "cucm-sub2", Address: addr("10.10.20.3"), Started: at - 92000},
		},
		Devices: []cluster.Device{
			phone("SEP0C0000000001", "Reception", "4001"),
			phone("SEP0C0000000002", `Tom & "Jerry" <lab>`, "4002", "4003"),
			phone("SEP0C0000000003", "Moves about", `\+4930123456`),
			phone("SEP0C0000000004", "Not let in", "4004"),
			{Name: "ICT-WEST", Class: cluster.H323, Protocol: cluster.UnknownProtocol, Httpd: cluster.HttpdNo, Model: 125,
				H323: &cluster.H323Trunk{ConfigName: "west", Zone: "z1", RemoteCmServer1: "10.20.0.1", ActiveGk: "gk1", RasAddr: "10.20.0.9"}},
			{Name: "MOH_2", Description: "Music", Class: cluster.MediaResources, Protocol: cluster.SCCP, Model: 70},
			phone("SEP0C0000000009", "Never registered", "4009"),
		},
		Registrations: []cluster.Registration{
			{Device: "SEP0C0000000001", Node: "cucm-sub1", Record: cluster.Record{Status: cluster.Registered, TimeStamp: at - 5000,
				Attempts: cluster.Some(1), LoginUser: "amiller", Lines: []cluster.Line{line("4001", cluster.Registered)},
				IPv4: addr("10.1.0.1"), IPv6: addr("2001:db8::1"), ActiveLoad: "sip8845_65.14-2-1", InactiveLoad: "sip8845_65.14-1-1", Download: cluster.UnknownDownload}},
			{Device: "SEP0C0000000002", Node: "cucm-sub1", Record: cluster.Record{Status: cluster.PartiallyRegistered, TimeStamp: at - 4000,
				Attempts: cluster.Some(0), Lines: []cluster.Line{line("4002", cluster.Registered), line("4003", cluster.Rejected)},
				IPv4: addr("10.1.0.2"), ActiveLoad: "sip8845_65.14-2-1", Download: cluster.Failed, DownloadFailure: "no space", DownloadServer: "10.9.9.9"}},
			{Device: "SEP0C0000000003", Node: "cucm-sub1", Record: cluster.Record{Status: cluster.UnRegistered, Reason: cluster.ConnectivityError, TimeStamp: at - 3000,
				Attempts: cluster.Some(0), Lines: []cluster.Line{line(`\+4930123456`, cluster.UnRegistered)}, IPv4: addr("10.1.0.3"), Download: cluster.UnknownDownload}},
			{Device: "SEP0C0000000003", Node: "cucm-sub2", Record: cluster.Record{Status: cluster.Registered, TimeStamp: at - 2900,
				Attempts: cluster.Some(0), Lines: []cluster.Line{line(`\+4930123456`, cluster.Registered)}, IPv4: addr("10.1.0.3"), Download: cluster.UnknownDownload}},
			{Device: "SEP0C0000000004", Node: "cucm-sub2", Record: cluster.Record{Status: cluster.Rejected, Reason: cluster.DatabaseTimeout, TimeStamp: at - 2000,
				Attempts: cluster.Some(12), Lines: []cluster.Line{line("4004", cluster.Rejected)}, IPv4: addr("10.1.0.4"), Download: cluster.UnknownDownload}},
			{Device: "ICT-WEST", Node: "cucm-sub2", Record: cluster.Record{Status: cluster.Registered, TimeStamp: at - 1500, IPv4: addr("10.20.0.1")}},
			{Device: "MOH_2", Node: "cucm-sub1", Record: cluster.Record{Status: cluster.Registered, TimeStamp: at - 1000}},
		},
		Applications: []cluster.Application{
			{Name: "console", Instance: 17, Address: addr("10.10.30.5"), User: "ctiuser", Node: "cucm-sub1", Status: cluster.Open, TimeStamp: at - 800,
				Devices: []cluster.CtiDevice{
					{Name: "SEP0C0000000001", ControlsMedia: true, Status: cluster.Open, TimeStamp: at - 790,
						Lines: []cluster.CtiLine{{Number: "4001", Status: cluster.Open, TimeStamp: at - 780}}},
					{Name: "SEP0C0000000002", Status: cluster.OpenFailed, Reason: 5, TimeStamp: at - 770,
						Lines: []cluster.CtiLine{{Number: "4002", Status: cluster.Closed, Reason: 2, TimeStamp: at - 760}}},
				}},
			{Name: "recorder", Instance: 3, Address6: addr("2001:db8::77"), Node: "cucm-sub2", Status: cluster.Closed, Reason: 9, TimeStamp: at - 700},
		},
	}
}

func indexOf(t *testing.T, text, part string) int {
	t.Helper()
	i := strings.Index(text, part)
	require.GreaterOrEqual(t, i, 0, "no %q in %q", part, text)
	return i
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

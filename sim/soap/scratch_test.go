package soap

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

// Whatever came before in the same memory, and whatever comes at the same time, an exchange is what it is in a service that has never
// seen another one; and what an observer has kept of it, texts and all, stays so.
func TestScratch_NothingIsAnothers(t *testing.T) {
	type sent struct {
		name, body string
		headers    []header
		get        bool
	}
	packed := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		require.NoError(t, w.Close())
		return b.String()
	}
	wide := func(s string) string {
		b := []byte{0xFE, 0xFF}
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u>>8), byte(u))
		}
		return string(b)
	}
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("SEP%012X", i)
	}
	one := device("selectCmDevice", "", []string{"SEP0C0000000001"})
	all := []sent{
		{name: "one", body: one},
		{name: "another", body: device("selectCmDevice", "", []string{"sep0c0000000002"}, tag{"MaxReturnedDevices", "5"})},
		{name: "all", body: device("selectCmDevice", "", everything)},
		{name: "many", body: device("selectCmDevice", "", many)},
		{name: "ext", body: device("selectCmDeviceExt", "", []string{"SEP*", "ICT-WEST"})},
		{name: "number", body: device("selectCmDevice", "", []string{`+4930*`}, tag{"SelectBy", "DirNumber"}, tag{"NodeName", "cucm-sub2"})},
		{name: "nowhere", body: device("selectCmDevice", "", everything, tag{"NodeName", "no & where"})},
		{name: "state", body: device("selectCmDevice", "no state", everything, tag{"Status", "Odd"}, tag{"DeviceClass", "Odder"})},
		{name: "cti", body: cti("", []string{"console*", "x"}, []string{"SEP0C0000000001", "b", "c"}, []string{"4001"})},
		{name: "cti provider", body: cti("", []string{"*"}, []string{"d"}, nil, tag{"CtiMgrClass", "Provider"})},
		{name: "out of order", body: strings.Replace(one, "<a:Status>Any</a:Status>", "<a:Mystery/><a:Protocol>SIP</a:Protocol><a:Status>Any</a:Status>", 1)},
		{name: "nested state", body: strings.Replace(one, "<a:StateInfo></a:StateInfo>", `<a:StateInfo><StateInfo><Node Name="a&amp;b"/></StateInfo></a:StateInfo>`, 1)},
		{name: "doctype", body: "<!DOCTYPE a>" + one},
		{name: "cut off", body: one[:len(one)-30]},
		{name: "bad value", body: device("selectCmDevice", "", many[:20], tag{"Protocol", "Pigeon"})},
		{name: "two operations", body: strings.Replace(one, "</e:Body>", "<a:selectCtiItem xmlns:a='x'/></e:Body>", 1)},
		{name: "entity", body: strings.Replace(one, "SEP0C0000000001", "SEP0C00000000&#x30;1", 1)},
		{name: "by encoding/xml", body: strings.Replace(one, "<a:Item>", "<a:Item \u00e9='1'>", 1)},
		{name: "SOAP 1.2", body: strings.Replace(one, soap11NS, soap12NS, 1), headers: []header{{"Content-Type", "application/soap+xml"}}},
		{name: "UTF-16", body: wide(one)},
		{name: "gzip", body: packed(one), headers: []header{{"Content-Encoding", "gzip"}}},
		{name: "not gzip", body: one, headers: []header{{"Content-Encoding", "gzip"}}},
		{name: "too large", body: one + strings.Repeat(" ", 20_000)},
		{name: "wrong password", body: one, headers: []header{{"Authorization", "Basic cG9sbGVyOndyb25n"}}},
		{name: "guest", body: one, headers: []header{{"Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q="}}},
		{name: "nobody", body: one, headers: []header{{"Authorization", ""}}},
		{name: "other action", body: one, headers: []header{{"SOAPAction", `"selectCtiItem"`}}},
		{name: "empty"},
		{name: "contract", get: true},
	}
	fresh := func() *rig { return newRig(t, knob{"rateLimit", "0"}, knob{"maxBody", "32768"}) }
	send := func(r *rig, h http.Handler, s sent, agent string) *httptest.ResponseRecorder {
		req := request(s.body, append(s.headers, header{"User-Agent", agent})...)
		if s.get {
			req.Method, req.URL.RawQuery, req.Body = http.MethodGet, "wsdl", http.NoBody
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		return rec
	}
	// All that is said of an exchange, but for who asks, and numbers that come from a seed or count on.
	told := func(x *Exchange) string {
		k := *x
		k.HTTP, k.UserAgent, k.AnswerHeader, k.client, k.asked = nil, "", [2]string{}, nil, 0
		k.Request, k.Fault, k.RequestBody, k.ResponseBody = nil, nil, nil, nil
		text := fmt.Sprintf("%+v\n%q\n%q", k, x.RequestBody, x.ResponseBody)
		if x.Request != nil {
			text += fmt.Sprintf("\n%+v", *x.Request)
		}
		if x.Fault != nil {
			text += fmt.Sprintf("\n%+v", *x.Fault)
		}
		return text
	}
	type outcome struct {
		status int
		body   string
		seen   string
	}
	want := make([]outcome, len(all))
	for i, s := range all {
		r := fresh()
		rec := send(r, r.Handler(""), s, "alone")
		want[i] = outcome{rec.Code, rec.Body.String(), told(r.last())}
	}

	r := fresh()
	h := r.Handler("")
	var sentBy sync.Map // by User-Agent, which of all it was
	var workers sync.WaitGroup
	for worker := range 3 {
		workers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 3))
			for n := range 250 {
				i := random.IntN(len(all))
				agent := fmt.Sprint(worker, " ", n)
				sentBy.Store(agent, i)
				rec := send(r, h, all[i], agent)
				if got := (outcome{status: rec.Code, body: rec.Body.String()}); got.status != want[i].status || got.body != want[i].body {
					t.Errorf("%s: got %d %s\nwant %d %s", all[i].name, got.status, got.body, want[i].status, want[i].body)
				}
			}
		})
	}
	workers.Wait()
	require.Len(t, r.seen, 750)
	for _, x := range r.seen {
		i, _ := sentBy.Load(x.UserAgent)
		require.Equal(t, want[i.(int)].seen, told(x), all[i.(int)].name)
	}
}

// Headers that are remembered are those of the very length and second.
func TestHeaders_OfTheirValuesOnly(t *testing.T) {
	var l lengths
	for _, n := range []int{7, 7 + len(l.known), 7, 0, len(l.known)} {
		require.Equal(t, []string{strconv.Itoa(n)}, l.header(n))
	}
	var d dates
	for _, after := range []time.Duration{0, time.Second, 0, 1500 * time.Millisecond} {
		at := start.Add(after)
		require.Equal(t, []string{at.Format(http.TimeFormat)}, d.header(at))
	}
}

// What is remembered of an answer that was cut off is the query that it answered, not what stands in the same memory now (rule Q2).
func TestClients_RememberQueriesOfTheirOwn(t *testing.T) {
	var mem scratch
	q := query{op: SelectCmDevice, limit: 2}
	mem.texts = append(mem.texts, "SEP0C*", "CSF*")
	q.device.Items = mem.texts
	p := cutOff{limit: 2, extent: extentOf(&q).kept()}
	mem.texts[0], mem.texts[1] = "IPC*", "TRUNK*"

	narrower := query{op: SelectCmDevice, limit: 2, device: cluster.DeviceQuery{Items: []string{"SEP0C1*"}}}
	require.True(t, p.followedBy(&narrower))
	narrower.device.Items[0] = "IPC1*"
	require.False(t, p.followedBy(&narrower))
}

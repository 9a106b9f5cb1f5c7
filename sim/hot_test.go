package sim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
)

// hotPath is a simulator with everything switched on that costs a request anything, and its handler without a network.
type hotPath struct {
	ris     *Simulator
	handler http.Handler
	names   []string // of phones
}

func newHotPath(tb testing.TB, devices int, manual bool) *hotPath {
	tb.Helper()
	o := Options{
		Devices: devices, InMemory: true, Manual: manual, Scenario: "churn.yaml",
		Set: []string{"rateLimit=1000000000", "unbounded=true"},
		ScenarioFS: fstest.MapFS{"churn.yaml": {Data: fmt.Appendf(nil,
			"scenario: churn\ntimeline: [{at: 0s, for: 1h, do: {churn: {where: {class: Phone}, rate: %d/min, away: 30s}}}]\n", max(1, devices/100))}},
	}
	if manual {
		o.JournalSize, o.JournalRaw = 10, 5 // soon full, from when on entries use the memory of older ones
	}
	ris, err := Start(tb.Context(), o)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, ris.Close()) })
	h := &hotPath{ris: ris, handler: newHandler(ris.service, ris.endpoints[0].node)}
	for d := range ris.Snapshot().Devices() {
		if d.Class == cluster.Phone && len(ris.Snapshot().Records(d.Name)) == 1 {
			h.names = append(h.names, string(d.Name))
		}
	}
	return h
}

// hotRequest is one request, to be sent again and again without an allocation of its own.
type hotRequest struct {
	*http.Request
	text string
	read strings.Reader
	out  hotWriter
}

type hotWriter struct {
	header http.Header
	status int
	body   []byte
}

func (w *hotWriter) Header() http.Header    { return w.header }
func (w *hotWriter) WriteHeader(status int) { w.status = status }
func (w *hotWriter) Write(b []byte) (int, error) {
	w.body = append(w.body[:0], b...)
	return len(b), nil
}

func (h *hotPath) request(tb testing.TB, header http.Header, names ...string) *hotRequest {
	tb.Helper()
	var items strings.Builder
	for _, n := range names {
		items.WriteString(`<soap:item><soap:Item>` + n + `</soap:Item></soap:item>`)
	}
	body := strings.Replace(`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap="http://schemas.cisco.com/ast/soap">`+
		`<soapenv:Header/><soapenv:Body><soap:selectCmDevice><soap:StateInfo></soap:StateInfo><soap:CmSelectionCriteria>`+
		`<soap:MaxReturnedDevices>1000</soap:MaxReturnedDevices><soap:DeviceClass>Any</soap:DeviceClass><soap:Model>255</soap:Model>`+
		`<soap:Status>Any</soap:Status><soap:NodeName></soap:NodeName><soap:SelectBy>Name</soap:SelectBy><soap:SelectItems>@</soap:SelectItems>`+
		`<soap:Protocol>Any</soap:Protocol><soap:DownloadStatus>Any</soap:DownloadStatus></soap:CmSelectionCriteria></soap:selectCmDevice></soapenv:Body></soapenv:Envelope>`,
		"@", items.String(), 1)
	r, err := http.NewRequest(http.MethodPost, h.ris.URL, strings.NewReader(body))
	require.NoError(tb, err)
	r.SetBasicAuth(h.ris.User, h.ris.Password)
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	r.Header.Set("SOAPAction", `"selectCmDevice"`)
	r.RemoteAddr = "127.0.0.1:50000"
	for name, values := range header {
		r.Header[name] = values
	}
	q := &hotRequest{Request: r, text: body, out: hotWriter{header: http.Header{}}}
	q.Body = io.NopCloser(&q.read)
	return q
}

// send lets the handler answer once more.
func (h *hotPath) send(tb testing.TB, q *hotRequest) {
	q.read.Reset(q.text)
	clear(q.out.header)
	h.handler.ServeHTTP(&q.out, q.Request)
	if q.out.status != http.StatusOK {
		tb.Fatalf("status %d: %s", q.out.status, q.out.body)
	}
}

// workloads are the three by which speed is measured, and the first one in a session.
func (h *hotPath) workloads(tb testing.TB) []struct {
	name  string
	q     *hotRequest
	found int
} {
	tb.Helper()
	login := h.request(tb, nil, h.names[0])
	h.send(tb, login)
	cookie, _, _ := strings.Cut(login.out.header.Get("Set-Cookie"), ";")
	require.Contains(tb, cookie, soap.SessionCookieName)
	return []struct {
		name  string
		q     *hotRequest
		found int
	}{
		{"W1", h.request(tb, nil, h.names[0]), 1},
		{"W1-session", h.request(tb, http.Header{"Cookie": {cookie}}, h.names[0]), 1},
		{"W2", h.request(tb, nil, h.names[:1000]...), 1000},
		{"W3", h.request(tb, nil, "*"), 1000},
	}
}

// From the bytes of a request to those of its answer, with all but net/http.
func BenchmarkAnswer(b *testing.B) {
	h := newHotPath(b, 40_000, false)
	for _, w := range h.workloads(b) {
		b.Run(w.name, func(b *testing.B) {
			h.send(b, w.q)
			if got := bytes.Count(w.q.out.body, []byte("<ns1:DeviceClass>")); got != w.found {
				b.Fatalf("%d devices", got)
			}
			b.SetBytes(int64(len(w.q.out.body)))
			b.ReportAllocs()
			for b.Loop() {
				h.send(b, w.q)
			}
		})
	}
}

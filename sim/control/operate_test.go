package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

func TestImpairments(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "single")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	dry := h.ok("POST", "/clusters/c/impairments?dryRun=true", `{"status": 503}`)
	assert.Equal(t, true, dry.get("dryRun"))
	assert.Empty(t, h.ok("GET", "/clusters/c/impairments", nil).get("impairments"))

	added := h.ok("POST", "/clusters/c/impairments", `{"match": {"operation": "selectCmDevice"}, "status": 503}`)
	assert.Equal(t, "impairment-1", added.get("id"))
	assert.NotEmpty(t, added.get("events"))
	status, _ := ask(t, h.http, url, "administrator", "risim")
	assert.Equal(t, 503, status)
	for range 2 { // the same twice is the same once
		h.ok("PUT", "/clusters/c/impairments/impairment-1", "status: 502\n", "Content-Type", "application/yaml")
	}
	list := h.ok("GET", "/clusters/c/impairments", nil)
	require.Len(t, list.get("impairments"), 1)
	assert.Contains(t, list.get("impairments/0/written"), "502")
	status, _ = ask(t, h.http, url, "administrator", "risim")
	assert.Equal(t, 502, status)

	bad := h.call("PUT", "/clusters/c/impairments/other", `{"id": "another", "status": 503}`)
	assert.Equal(t, []string{`/id: "another" is not the id in the path, "other"`}, bad.errors())
	bad = h.call("POST", "/clusters/c/impairments", `{"latncy": "3s", "status": 99}`)
	assert.Equal(t, []string{`/latncy: unknown key of an impairment "latncy"; did you mean "latency"?`, `/status: status "99" is not a whole number from 200 to 599`}, bad.errors())
	h.ok("DELETE", "/clusters/c/impairments/impairment-1?dryRun=true", nil)
	lifted := h.ok("DELETE", "/clusters/c/impairments/impairment-1", nil)
	assert.Len(t, lifted.get("events"), 1)
	status, _ = ask(t, h.http, url, "administrator", "risim")
	assert.Equal(t, 200, status)
	assert.Equal(t, 404, h.call("DELETE", "/clusters/c/impairments/impairment-1", nil).status)
}

const outage = `
scenario: outage
summary: A node dies.
cluster: branch
clock: {mode: manual}
timeline:
  - {id: dies, at: 5m, do: {node.stop: cucm-sub1}}
expect:
  - {id: quiet, devices: {count: ">= 1"}}
`

func TestScenario_LoadedPlannedStoppedAndBegunAnew(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.ok("PUT", "/clusters/c", map[string]any{"yaml": outage, "plain": true})
	is := h.ok("GET", "/clusters/c/scenario", nil)
	assert.Equal(t, "outage", is.get("name"))
	assert.Equal(t, []any{"dies", "quiet"}, is.get("steps"))
	assert.Equal(t, "2026-03-02T08:05:00Z", is.get("next"))
	assert.Equal(t, "inconclusive", is.get("verdicts/0/outcome"))

	edited := strings.Replace(outage, "at: 5m", "at: 9m", 1)
	plan := h.ok("PUT", "/clusters/c/scenario?dryRun=true", edited)
	require.Len(t, plan.get("differences"), 1)
	assert.Equal(t, "timeline", plan.get("differences/0/section"))
	assert.Equal(t, "2026-03-02T08:05:00Z", plan.get("scenario/next"), "not yet")
	assert.Equal(t, "2026-03-02T08:09:00Z", h.ok("PUT", "/clusters/c/scenario", edited).get("scenario/next"))
	broken := h.call("PUT", "/clusters/c/scenario", strings.Replace(outage, "node.stop", "node.stpo", 1))
	assert.Equal(t, 422, broken.status)
	assert.Equal(t, []string{`line 7, column 29: unknown action "node.stpo"; did you mean "node.stop"?`}, broken.errors())

	moved := h.ok("POST", "/clusters/c/clock/advance", `{"by": "10m"}`)
	assert.Len(t, moved.get("events"), 2, "the change, and the step")
	assert.Equal(t, "down", h.ok("GET", "/clusters/c/state", nil).get("nodes/1/state"))
	ended := h.ok("POST", "/clusters/c/scenario/stop", nil)
	assert.Equal(t, "pass", ended.get("scenario/verdicts/0/outcome"))
	assert.Nil(t, ended.get("scenario/next"))
	anew := h.ok("POST", "/clusters/c/scenario/start", nil)
	assert.Equal(t, "2026-03-02T08:19:00Z", anew.get("scenario/next"))
	assert.Equal(t, "down", h.ok("GET", "/clusters/c/state", nil).get("nodes/1/state"), "the cluster stays as it is")
	h.ok("POST", "/clusters/c/reset?dryRun=true", nil)
	assert.Equal(t, "down", h.ok("GET", "/clusters/c/state", nil).get("nodes/1/state"))
	h.ok("POST", "/clusters/c/reset", nil)
	assert.Equal(t, "up", h.ok("GET", "/clusters/c/state", nil).get("nodes/1/state"))

	h.cluster("none", "single")
	assert.Equal(t, 409, h.call("POST", "/clusters/none/scenario/start", nil).status)
	assert.Nil(t, h.ok("GET", "/clusters/none/scenario", nil).get("name"))
	h.ok("PUT", "/clusters/none/scenario", "timeline: [{id: later, at: 1m, do: {log: hello}}]\n")
	assert.Equal(t, []any{"later"}, h.ok("GET", "/clusters/none/scenario", nil).get("steps"))
}

func TestSnapshot_ExportedAndTakenBack(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	h.ok("POST", "/clusters/c/changes", `{"devices.unregister": {"where": {"class": "Phone", "status": "Registered"}, "count": 9}}`)
	h.ok("PATCH", "/clusters/c/settings", `{"knobs": {"window": "sliding"}}`)
	first := h.ok("GET", "/clusters/c/snapshot", nil)
	assert.Contains(t, string(first.body), "\n  window: \"sliding\"\n")
	state := h.ok("GET", "/clusters/c/state", nil).get("status")

	h.ok("POST", "/clusters/c/changes", `{"node.restartRis": "cucm-sub1"}`)
	h.ok("PATCH", "/clusters/c/settings", `{"knobs": {"window": "fixed"}}`)
	h.ok("PUT", "/clusters/c/snapshot?dryRun=true", string(first.body), "Content-Type", "application/yaml")
	assert.NotEqual(t, state, h.ok("GET", "/clusters/c/state", nil).get("status"))
	restored := h.ok("PUT", "/clusters/c/snapshot", string(first.body), "Content-Type", "application/yaml")
	assert.Len(t, restored.get("events"), 1)
	assert.Equal(t, state, h.ok("GET", "/clusters/c/state", nil).get("status"))
	assert.Equal(t, string(first.body), string(h.ok("GET", "/clusters/c/snapshot", nil).body), "byte for byte")

	h.ok("PUT", "/clusters/copy", map[string]any{"yaml": string(first.body), "plain": true})
	assert.Equal(t, string(first.body), string(h.ok("GET", "/clusters/copy/snapshot", nil).body))
	h.cluster("other", "single")
	refused := h.call("PUT", "/clusters/other/snapshot", string(first.body))
	assert.Equal(t, 422, refused.status)
	assert.Regexp(t, `line \d+, column 1: state: its nodes are \[cucm-pub cucm-sub1\], and the cluster's are \[cucm-pub\]`, refused.errors()[0])
}

func TestMoments_GoneBackTo(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	at := func() any { return h.ok("GET", "/clusters/c/state", nil).get("nodes/1/state") }
	h.ok("POST", "/clusters/c/clock/advance", `{"by": "1m"}`)
	stopped := h.ok("POST", "/clusters/c/changes", `{"node.stop": "cucm-sub1"}`)
	h.ok("POST", "/clusters/c/clock/advance", `{"by": "1m"}`)
	h.ok("POST", "/clusters/c/changes", `{"node.isolate": "cucm-sub1"}`)
	moments := h.ok("GET", "/clusters/c/moments", nil).get("moments").([]any)
	require.Len(t, moments, 3)
	for _, c := range []struct{ body, want string }{
		{`{"event": 0}`, "up"},
		{fmt.Sprintf(`{"event": %v}`, stopped.get("events/1")), "down"},
		{`{"time": "2026-03-02T08:00:30Z"}`, "up"},
		{`{"time": "2026-03-02T08:01:59Z"}`, "down"},
		{fmt.Sprintf(`{"version": %v}`, stopped.get("version")), "down"},
	} {
		before := at()
		h.ok("POST", "/clusters/c/back?dryRun=true", c.body)
		assert.Equal(t, before, at())
		h.ok("POST", "/clusters/c/back", c.body)
		assert.Equal(t, c.want, at(), c.body)
	}
	assert.Equal(t, 409, h.call("POST", "/clusters/c/back", `{"time": "2020-01-01T00:00:00Z"}`).status)
	assert.Equal(t, []string{"/time: 2036-01-01T00:00:00Z has not come yet: it is 2026-03-02T08:02:00Z"},
		h.call("POST", "/clusters/c/back", `{"time": "2036-01-01T00:00:00Z"}`).errors())
	assert.Equal(t, []string{"/event: there is no entry 10 yet: the last one is 9"}, h.call("POST", "/clusters/c/back", `{"event": 10}`).errors())
	assert.Equal(t, []string{"0 of event, version and time are given; expected one of them"}, h.call("POST", "/clusters/c/back", `{}`).errors())
}

func TestJournal_QueriedAndExported(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	for range 3 {
		ask(t, h.http, url, "administrator", "risim")
	}
	ask(t, h.http, url, "administrator", "wr0ng-pass")
	h.ok("POST", "/clusters/c/changes", `{"devices.unregister": {"where": {"class": "Phone"}, "count": 1}}`)
	all := h.ok("GET", "/clusters/c/journal", nil)
	assert.Len(t, all.get("entries"), 6)
	assert.Equal(t, float64(6), all.get("last"))
	assert.Len(t, h.ok("GET", "/clusters/c/journal?operation=selectCmDevice&item=*&class=Any", nil).get("entries"), 3)
	assert.Len(t, h.ok("GET", "/clusters/c/journal?status=401", nil).get("entries"), 1)
	assert.Len(t, h.ok("GET", "/clusters/c/journal?kind=change&after=3", nil).get("entries"), 1)
	first := h.ok("GET", "/clusters/c/journal?limit=2", nil)
	assert.Equal(t, float64(2), first.get("next"))
	rest := h.ok("GET", fmt.Sprintf("/clusters/c/journal?after=%v", first.get("next")), nil)
	assert.Equal(t, all.get("entries"), any(append(first.get("entries").([]any), rest.get("entries").([]any)...)))
	assert.Nil(t, rest.get("next"))
	bad := h.call("GET", "/clusters/c/journal?operation=selectCmDevces&kind=chnge", nil)
	assert.Equal(t, []string{`kind: "chnge" is unknown; did you mean "change"?`}, bad.errors())
	bad = h.call("GET", "/clusters/c/journal?operation=selectCmDevces&status=7", nil)
	assert.Equal(t, []string{`unknown operation "selectCmDevces"; did you mean "selectCmDevice"?`, "status 7 is not one of HTTP, which are 100 to 599"}, bad.errors())

	lines := strings.Split(strings.TrimSpace(string(h.ok("GET", "/clusters/c/journal.jsonl?kind=request", nil).body)), "\n")
	assert.Len(t, lines, 4)
	var har struct {
		Log struct {
			Version string
			Entries []any
		}
	}
	archive := h.ok("GET", "/clusters/c/journal.har", nil)
	require.NoError(t, json.Unmarshal(archive.body, &har))
	assert.Equal(t, "1.2", har.Log.Version)
	assert.Len(t, har.Log.Entries, 4)
	for _, secret := range []string{"wr0ng-pass", "cmlzaW0", "JSESSIONIDSSO=", "YWRtaW5pc3RyYXRvcjpyaXNpb"} {
		assert.NotContains(t, string(archive.body)+strings.Join(lines, ""), secret)
	}
}

// event is one server-sent event.
type event struct{ id, name, data string }

// follow reads events from a stream.
func (h *harness) follow(path string, header ...string) (next func() event, status int) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), "GET", h.server.URL+Base+path, nil)
	require.NoError(h.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := h.http.Do(req)
	require.NoError(h.t, err)
	h.t.Cleanup(func() { resp.Body.Close() })
	seen.add("GET", Base+"/clusters/{cluster}/journal/stream", resp.StatusCode)
	lines := bufio.NewScanner(resp.Body)
	return func() event {
		var e event
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "":
				if e.name != "" {
					return e
				}
			}
		}
		return e
	}, resp.StatusCode
}

func TestJournal_Stream(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	do := func() { h.ok("POST", "/clusters/c/changes", `{"node.restartRis": "cucm-sub1"}`) }
	do()
	live, status := h.follow("/clusters/c/journal/stream")
	require.Equal(t, 200, status)
	do()
	e := live()
	assert.Equal(t, "3", e.id, "from now on")
	assert.Equal(t, "change", e.name)
	var line struct{ Seq int }
	require.NoError(t, json.Unmarshal([]byte(e.data), &line))
	assert.Equal(t, 3, line.Seq)
	assert.Equal(t, "4", live().id)

	again, _ := h.follow("/clusters/c/journal/stream", "Last-Event-ID", "1")
	assert.Equal(t, "2", again().id, "what was missed comes first")
	assert.Equal(t, "3", again().id)
	steps, _ := h.follow("/clusters/c/journal/stream?after=0&kind=step")
	assert.Equal(t, []string{"2", "4"}, []string{steps().id, steps().id})
	do()
	assert.Equal(t, "6", steps().id)
	assert.Equal(t, "5", live().id)
	h.ok("DELETE", "/clusters/c", nil)
	assert.Equal(t, "6", live().id)
	assert.Empty(t, live(), "the stream ends with the cluster")
	_, status = h.follow("/clusters/c/journal/stream")
	assert.Equal(t, 404, status)
}

// A server that ends does not wait for streams.
// stuck is a reader that does not read until it is told to.
type stuck struct {
	http.ResponseWriter
	reading chan struct{}
	waiting chan struct{} // gets something when the first write waits
	once    sync.Once
	text    chan string
}

func (s *stuck) Header() http.Header { return http.Header{} }
func (s *stuck) Flush()              {}
func (s *stuck) Write(b []byte) (int, error) {
	s.once.Do(func() { close(s.waiting) })
	<-s.reading
	s.text <- string(b)
	return len(b), nil
}

func TestJournal_StreamTellsWhatASlowReaderLost(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "single")
	one, err := h.host.find("c")
	require.NoError(t, err)
	h.ok("POST", "/clusters/c/changes", `{"node.stop": "cucm-pub"}`)
	ctx, cancel := context.WithCancel(t.Context())
	w := &stuck{reading: make(chan struct{}), waiting: make(chan struct{}), text: make(chan string, 3*streamBuffer)}
	ended := make(chan error)
	go func() {
		in := &streamIn{inCluster: inCluster{"c"}}
		ended <- streamJournal(&call{api: h.server.api, w: w, r: httptest.NewRequestWithContext(ctx, "GET", "/?after=0", nil)}, in)
	}()
	<-w.waiting
	for range streamBuffer + 7 {
		require.NoError(t, one.sim.Apply(cluster.SetNodeState{Node: "cucm-pub", State: cluster.Down}))
	}
	close(w.reading)
	for text := range w.text {
		if strings.HasPrefix(text, "event: dropped") {
			assert.Equal(t, "event: dropped\ndata: {\"dropped\": 7}\n\n", text)
			break
		}
	}
	cancel()
	require.NoError(t, <-ended)
}

func TestServer_CloseDoesNotMindIdleConnections(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	c, err := net.Dial("tcp", strings.TrimPrefix(h.server.URL, "http://")) // and says nothing
	require.NoError(t, err)
	defer c.Close()
	h.ok("GET", "/clusters", nil) // by when the server has accepted the other one
	require.NoError(t, h.server.Close())
}

func TestServer_CloseEndsStreams(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "single")
	live, _ := h.follow("/clusters/c/journal/stream")
	ended := make(chan event)
	go func() { ended <- live() }()
	require.NoError(t, h.server.Close())
	select {
	case e := <-ended:
		assert.Empty(t, e)
	case <-time.After(10 * time.Second):
		t.Fatal("the stream goes on")
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	ask(t, h.http, url, "administrator", "risim")
	held := h.ok("POST", "/clusters/c/verify", `{"operation": "selectCmDevice", "criteria": {"items": ["*"]}, "count": "1"}`)
	assert.Equal(t, "pass", held.get("outcome"))
	assert.Equal(t, float64(1), held.get("count"))
	assert.Equal(t, []any{float64(1)}, held.get("matches"))
	missed := h.ok("POST", "/clusters/c/verify", `{"operation": "selectCmDevice", "user": "poller"}`)
	assert.Equal(t, "fail", missed.get("outcome"))
	assert.Contains(t, string(missed.body), "user poller: >= 1", "as people write it")
	assert.Equal(t, "its user is administrator, not poller", missed.get("nearest/0/differs/0"))
	bad := h.call("POST", "/clusters/c/verify", `{"operation": "selectCmDevces", "count": "many"}`)
	assert.Len(t, bad.errors(), 2)
	bad = h.call("POST", "/clusters/c/verify", `{"opration": "selectCmDevice", "timeout": "1h"}`)
	assert.Equal(t, []string{`/opration: there is no field "opration"; did you mean "operation"?`}, bad.errors())
	bad = h.call("POST", "/clusters/c/verify", `{"timeout": "1h"}`)
	assert.Equal(t, []string{`/timeout: "1h" is longer than 10m`}, bad.errors())
}

// The wait ends when it is so, and when time is up, simulated or the wall's.
func TestVerify_Waits(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	outcome := func(body string) chan any {
		out := make(chan any, 1)
		go func() { out <- h.ok("POST", "/clusters/c/verify", body).get("outcome") }()
		return out
	}
	until := outcome(`{"operation": "selectCmDevice", "within": "1m"}`)
	ask(t, h.http, url, "administrator", "risim")
	assert.Equal(t, "pass", <-until)
	over := outcome(`{"operation": "selectCtiItem", "within": "1m", "timeout": "10m"}`)
	for waiting := true; waiting; { // until the request has arrived, there is nothing to wait on
		select {
		case got := <-over:
			assert.Equal(t, "fail", got)
			waiting = false
		default:
			h.ok("POST", "/clusters/c/clock/advance", `{"by": "1m"}`)
		}
	}
	assert.Equal(t, "fail", <-outcome(`{"operation": "selectCtiItem", "timeout": "10ms"}`))
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	assert.Empty(t, h.ok("GET", "/clusters/c/advice", nil).get("advice"))
	for range 16 {
		ask(t, h.http, url, "administrator", "risim")
	}
	advice := h.ok("GET", "/clusters/c/advice", nil)
	assert.Contains(t, string(advice.body), `"id": "several-records-of-one-device"`)
	assert.Equal(t, "127.0.0.1", advice.get("advice/0/address"))
	assert.NotEmpty(t, advice.get("advice/0/fix"))
}

func TestExplain(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	name := h.ok("GET", "/clusters/c/devices?class=Phone&status=Registered&limit=1", nil).get("devices/0/name")
	ask(t, h.http, url, "administrator", "risim")
	there := h.ok("POST", "/clusters/c/explain", map[string]any{"seq": 1, "device": name})
	assert.Equal(t, true, there.get("found"))
	assert.NotEmpty(t, there.get("places"))
	h.ok("POST", "/clusters/c/changes", map[string]any{"devices.remove": map[string]any{"where": map[string]any{"name": name}}})
	assert.Equal(t, true, h.ok("POST", "/clusters/c/explain", map[string]any{"seq": 1, "device": name}).get("found"), "as it was answered")
	now := h.ok("POST", "/clusters/c/explain", map[string]any{"operation": "selectCmDevice", "criteria": map[string]any{"selectBy": "Name", "items": []string{"*"}}, "device": name})
	assert.Equal(t, false, now.get("found"))
	assert.NotEmpty(t, now.get("reasons/0/text"))
	bad := h.call("POST", "/clusters/c/explain", `{"seq": 1, "operation": "selectCmDevice"}`)
	assert.Equal(t, []string{"expected one of seq, xml and operation, not 2 of them", "expected what to explain: device, application or line"}, bad.errors())
}

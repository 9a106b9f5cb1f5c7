package control

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/scenarios"
)

const askAll = `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap="http://schemas.cisco.com/ast/soap"><soapenv:Body>` +
	`<soap:selectCmDevice><soap:StateInfo/><soap:CmSelectionCriteria><soap:MaxReturnedDevices>1000</soap:MaxReturnedDevices><soap:DeviceClass>Any</soap:DeviceClass>` +
	`<soap:Model>255</soap:Model><soap:Status>Any</soap:Status><soap:NodeName/><soap:SelectBy>Name</soap:SelectBy>` +
	`<soap:SelectItems><soap:item><soap:Item>*</soap:Item></soap:item></soap:SelectItems>` +
	`<soap:Protocol>Any</soap:Protocol><soap:DownloadStatus>Any</soap:DownloadStatus></soap:CmSelectionCriteria></soap:selectCmDevice></soapenv:Body></soapenv:Envelope>`

// ask makes a SOAP request for everything.
func ask(t *testing.T, client *http.Client, url, user, password string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(askAll))
	require.NoError(t, err)
	req.SetBasicAuth(user, password)
	req.Header.Set("SOAPAction", "selectCmDevice")
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestClusters_MadeUsedAndEnded(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	made := h.ok("POST", "/clusters", map[string]any{"ready": "single", "clock": "manual", "users": []any{map[string]any{"name": "poller", "password": "s3cret"}}})
	assert.Equal(t, http.StatusCreated, made.status)
	assert.Equal(t, "c1", made.get("name"))
	assert.Equal(t, Base+"/clusters/c1", made.header.Get("Location"))
	assert.Equal(t, "poller", made.get("user"))
	assert.NotContains(t, string(made.body), "s3cret")
	assert.Equal(t, "10m", made.get("lease/duration"))

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(made.get("ca").(string))))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	defer transport.CloseIdleConnections()
	status, _ := ask(t, &http.Client{Transport: transport}, made.get("url").(string), "poller", "s3cret")
	assert.Equal(t, 200, status, "with the CA of the answer")

	other := h.ok("POST", "/clusters", nil)
	assert.Equal(t, "c2", other.get("name"))
	assert.Equal(t, made.get("ca"), other.get("ca"), "one authority for all")
	assert.NotEqual(t, made.get("url"), other.get("url"))
	list := h.ok("GET", "/clusters", nil)
	assert.Len(t, list.get("clusters"), 2)

	h.ok("DELETE", "/clusters/c1?dryRun=true", nil)
	h.ok("DELETE", "/clusters/c1", nil)
	gone := h.call("GET", "/clusters/c1", nil)
	assert.Equal(t, 404, gone.status)
	assert.Equal(t, `there is no cluster "c1"; did you mean "c2"?`, gone.get("detail"))
	_, err := (&http.Client{Transport: transport}).Get(made.get("url").(string) + "?wsdl")
	assert.Error(t, err, "its service is gone")
}

// Parallel tests isolate themselves by clusters of their own.
func TestClusters_ShareNothing(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("a", "branch")
	h.cluster("b", "branch")
	before := h.ok("GET", "/clusters/b/state", nil)
	h.ok("POST", "/clusters/a/changes", `{"devices.unregister": {"where": {"class": "Phone"}}}`)
	h.ok("POST", "/clusters/a/clock/advance", `{"by": "1h"}`)
	h.ok("PATCH", "/clusters/a/settings", `{"knobs": {"rateLimit": "3"}}`)
	assert.JSONEq(t, string(before.body), string(h.ok("GET", "/clusters/b/state", nil).body))
	assert.Equal(t, "15", h.ok("GET", "/clusters/b/settings", nil).get("knobs/rateLimit"))
}

func TestClusters_PutIsIdempotent(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	spec := map[string]any{"ready": "single", "clock": "manual", "lease": "5m"}
	first := h.ok("PUT", "/clusters/t", spec)
	assert.Equal(t, http.StatusCreated, first.status)
	h.wall.Advance(4 * time.Minute)
	again := h.ok("PUT", "/clusters/t", spec)
	assert.Equal(t, http.StatusOK, again.status)
	assert.Equal(t, first.get("url"), again.get("url"))
	assert.NotEqual(t, first.get("lease/expires"), again.get("lease/expires"))
	spec["seed"] = 7
	assert.Equal(t, 409, h.call("PUT", "/clusters/t", spec).status)
	assert.Equal(t, 409, h.call("POST", "/clusters", map[string]any{"name": "t"}).status)
	assert.Equal(t, 400, h.call("PUT", "/clusters/t", map[string]any{"name": "u"}).status)
}

func TestClusters_AreBounded(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.host.mu.Lock()
	for i := range MaxClusters {
		h.host.clusters[fmt.Sprintf("being-made-%d", i)] = &hosted{}
	}
	h.host.mu.Unlock()
	full := h.call("POST", "/clusters", `{"ready": "single"}`)
	assert.Equal(t, 507, full.status)
	assert.Equal(t, ProblemFull, full.get("type"))
	h.host.mu.Lock()
	clear(h.host.clusters)
	h.host.mu.Unlock()
	h.ok("POST", "/clusters", `{"ready": "single"}`)
}

func TestClusters_LeaseEndsByTheWall(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	for name, lease := range map[string]string{"short": "1m", "long": "1h", "ever": "0s"} {
		h.ok("PUT", "/clusters/"+name, map[string]any{"ready": "single", "clock": "manual", "lease": lease})
	}
	h.ok("POST", "/clusters/short/clock/advance", `{"by": "2h"}`) // simulated time has nothing to do with it
	h.wall.Advance(50 * time.Second)
	renewed := h.ok("POST", "/clusters/short/renew", nil)
	assert.Equal(t, "2026-03-02T08:01:50Z", renewed.get("lease/expires"))
	h.wall.Advance(50 * time.Second)
	h.ok("GET", "/clusters/short", nil)
	h.wall.Advance(10 * time.Second)
	assert.Equal(t, 404, h.call("GET", "/clusters/short", nil).status)
	h.ok("POST", "/clusters/long/renew", `{"lease": "2h"}`)
	h.wall.Advance(2*time.Hour - time.Second)
	h.ok("GET", "/clusters/long", nil)
	h.wall.Advance(time.Second)
	assert.Equal(t, 404, h.call("GET", "/clusters/long", nil).status)
	ever := h.ok("GET", "/clusters/ever", nil)
	assert.Nil(t, ever.get("lease"))
}

func TestClusters_OfAScenario(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	made := h.ok("POST", "/clusters", map[string]any{"name": "s", "plain": true, "yaml": `
scenario: two-phones
clock: {mode: manual}
service: {rateLimit: 3/min, users: [{name: p, password: q}]}
cluster:
  nodes: [{name: pub, role: publisher}]
  devices: [{group: g, names: [SEP00000000000A, SEP00000000000B], model: Cisco 8845, homes: [pub]}]
timeline:
  - {at: 1m, do: {devices.unregister: {where: {group: g}, count: 1}}}
`})
	assert.Equal(t, "two-phones", made.get("scenario"))
	assert.Equal(t, float64(2), made.get("devices"))
	assert.Equal(t, "2026-03-02T08:01:00Z", made.get("clock/next"))
	assert.Equal(t, float64(2), h.ok("GET", "/clusters/s/state", nil).get("status/Registered"))
	h.ok("POST", "/clusters/s/clock/advance", `{"next": true}`)
	assert.Equal(t, float64(1), h.ok("GET", "/clusters/s/state", nil).get("status/Registered"))
}

func TestClusters_WhatIsWrongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	for _, c := range []struct {
		body   string
		status int
		want   []string
	}{
		{`{"redy": "branch", "clock": "manuel", "devices": "many", "lease": "soon", "start": "noon"}`, 400, []string{
			`/redy: there is no field "redy"; did you mean "ready"?`,
			`/clock: "manuel" is unknown; did you mean "manual"?`,
			`/devices: "many" stands where a number was expected`,
			`/lease: "soon" is not a duration, such as 250ms, 90s, 5m, 1h30m or 2d`,
			`/start: "noon" is not a time, such as 2026-03-02T08:00:00Z`,
		}},
		{`{"ready": "brnch", "settings": {"rateLimt": "3", "window": "open"}, "users": [{"name": "u"}]}`, 400, []string{
			`/ready: no ready scenario or cluster is called "brnch"; did you mean "branch"?`,
			`/settings/rateLimt: unknown knob "rateLimt"; did you mean "rateLimit"?`,
			`/settings/window: window "open" is not one of fixed, sliding`,
			`/users/0: user "u" has no password`,
		}},
		{`{"ready": "single", "yaml": "cluster: branch"}`, 400, []string{`/ready: there are a ready one, "single", and yaml: choose one of them`}},
		{`{"yaml": "cluster: brnch\ntimelin: []\n"}`, 422, []string{
			`/yaml: line 1, column 10: no ready cluster is called "brnch" (there is: default, single, branch, campus, enterprise, reference); did you mean "branch"?`,
			`/yaml: line 2, column 1: unknown section "timelin"; did you mean "timeline"?`,
		}},
		{`{"yaml": "cluster: ./site.yaml\n"}`, 422, []string{
			`/yaml: line 1, column 10: cluster file: ./site.yaml cannot be read: a scenario that is given as text has no folder`,
		}},
		{`{"ready": "/etc/passwd.yaml"}`, 400, []string{`/ready: "/etc/passwd.yaml" is the name of a file, which only its text can stand for: give that as yaml`}},
		{`{"clock": "manual", "speed": 3}`, 422, []string{"speed 3: a manual clock has no speed, it stands still until it is advanced"}},
		{`{"name": "../x", "lease": "48h"}`, 400, nil},
		{`{"name": "a"} {}`, 400, []string{"more follows after the first JSON value"}},
		{`{"name": "a", "name": "b"}`, 400, []string{"/name: it is given twice"}},
		{`{"speed": 1e400}`, 400, []string{"/speed: 1e400 is too large a number"}},
		{`{"journal": 2000000000}`, 400, []string{"/journal: 2000000000 is more than the 1000000 entries that a journal may be asked to keep"}},
		{`{"name": null}`, 400, []string{"/name: null stands where a text was expected; leave the field out"}},
		{`["a"]`, 400, []string{"a list stands where an object was expected"}},
		{`{"name": `, 400, []string{"/name: not JSON: it ends too early"}},
		{`{"ready" "x"}`, 400, []string{"/ready: not JSON, in line 1 column 10: invalid character '\"' after object key"}},
	} {
		a := h.call("POST", "/clusters", c.body)
		assert.Equal(t, c.status, a.status, "%s\n%s", c.body, a.body)
		if c.want != nil {
			assert.Equal(t, c.want, a.errors(), c.body)
		}
		if dry := h.call("POST", "/clusters?dryRun=true", c.body); assert.Equal(t, a.status, dry.status, c.body) {
			assert.Equal(t, a.errors(), dry.errors(), "the dry run says the same of %s", c.body)
		}
	}
	assert.Empty(t, h.ok("GET", "/clusters", nil).get("clusters"), "nothing was made")
	fine := h.ok("POST", "/clusters?dryRun=true", `{"name": "fine", "ready": "single"}`)
	assert.Equal(t, 200, fine.status)
	assert.Empty(t, h.ok("GET", "/clusters", nil).get("clusters"))
}

func TestDevices_PagedAndSelected(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("d", "branch")
	var names []string
	total := h.ok("GET", "/clusters/d/state", nil).get("devices")
	for cursor, pages := "", 0; ; pages++ {
		require.Less(t, pages, 10)
		a := h.ok("GET", "/clusters/d/devices?limit=60&cursor="+cursor, nil)
		assert.Equal(t, total, a.get("matched"))
		for _, d := range a.get("devices").([]any) {
			names = append(names, d.(map[string]any)["name"].(string))
		}
		next, more := a.get("next").(string)
		if !more {
			break
		}
		cursor = next
	}
	assert.Len(t, names, int(total.(float64)))
	assert.IsNonDecreasing(t, lowered(names))

	phones := h.ok("GET", "/clusters/d/devices?class=Phone&status=Registered&status=UnRegistered&limit=1000&records=true", nil)
	require.NotEmpty(t, phones.get("devices"))
	for _, d := range phones.get("devices").([]any) {
		assert.Equal(t, "Phone", d.(map[string]any)["class"])
		assert.Contains(t, []string{"Registered", "UnRegistered"}, d.(map[string]any)["status"])
		assert.NotEmpty(t, d.(map[string]any)["records"])
	}
	name := phones.get("devices/0/name").(string)
	one := h.ok("GET", "/clusters/d/devices/"+strings.ToLower(name), nil)
	assert.Equal(t, phones.get("devices/0"), any(one.value))
	assert.Equal(t, 404, h.call("GET", "/clusters/d/devices/nobody", nil).status)

	bad := h.call("GET", "/clusters/d/devices?class=Fone&sttus=x&limit=many", nil)
	assert.Equal(t, 400, bad.status)
	assert.Equal(t, []string{`limit: "many" is not a whole number from 0`}, bad.errors())
	bad = h.call("GET", "/clusters/d/devices?class=Fone&sttus=x", nil)
	assert.Equal(t, []string{`class: unknown class "Fone"; did you mean "Phone"?`, `sttus: unknown key of where "sttus"; did you mean "status"?`}, bad.errors())
	assert.Equal(t, 400, h.call("GET", "/clusters/d/devices?limit=1001", nil).status)
}

func lowered(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, strings.ToUpper(n))
	}
	return out
}

func TestApplications_Paged(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("d", "default")
	all := h.ok("GET", "/clusters/d/applications", nil).get("applications").([]any)
	require.Greater(t, len(all), 2)
	var paged []any
	for path := "/clusters/d/applications?limit=1"; ; {
		a := h.ok("GET", path, nil)
		paged = append(paged, a.get("applications").([]any)...)
		next, more := a.get("next").(string)
		if !more {
			break
		}
		path = "/clusters/d/applications?limit=1&cursor=" + strings.ReplaceAll(next, "/", "%2F")
	}
	assert.Equal(t, all, paged)
	assert.Equal(t, 400, h.call("GET", "/clusters/d/applications?cursor=gone", nil).status)
}

func TestChange_IsWhatTheClientSees(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	_, before := ask(t, h.http, url, "administrator", "risim")

	dry := h.ok("POST", "/clusters/c/changes?dryRun=true", `{"devices.unregister": {"where": {"status": "Registered"}, "count": 5, "reason": "KeepAliveTimeout"}}`)
	assert.Equal(t, true, dry.get("dryRun"))
	assert.Equal(t, float64(5), dry.get("steps/0/devices"))
	assert.Empty(t, dry.get("events"))
	_, still := ask(t, h.http, url, "administrator", "risim")
	assert.Equal(t, before, still)
	stood := h.ok("GET", "/clusters/c/state", nil).get("status/Registered").(float64)

	done := h.ok("POST", "/clusters/c/changes", `{"devices.unregister": {"where": {"status": "Registered"}, "count": 5, "reason": "KeepAliveTimeout"}}`)
	assert.Len(t, done.get("events"), 2)
	assert.Equal(t, "2026-03-02T08:00:00Z", done.get("time"))
	assert.Equal(t, done.header.Get("ETag"), fmt.Sprintf(`"%v"`, done.get("version")))
	_, after := ask(t, h.http, url, "administrator", "risim")
	assert.Equal(t, strings.Count(before, "<ns1:StatusReason>13<")+5, strings.Count(after, "<ns1:StatusReason>13<"), "the reference's number of that reason")
	assert.Equal(t, stood-5, h.ok("GET", "/clusters/c/state", nil).get("status/Registered"))
}

func TestChange_GuardedByIfMatch(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	tag := h.ok("GET", "/clusters/c/state", nil).header.Get("ETag")
	done := h.ok("POST", "/clusters/c/changes", `{"node.stop": "cucm-pub"}`, "If-Match", tag)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/changes", `{"node.start": "cucm-pub"}`},
		{"POST", "/changes?dryRun=true", `{"node.start": "cucm-pub"}`},
		{"POST", "/clock/advance", `{"by": "1m"}`},
		{"PATCH", "/clock", `{"frozen": true}`},
		{"PATCH", "/settings", `{"knobs": {"rateLimit": "3"}}`},
		{"PUT", "/users/u", `{"password": "x"}`},
		{"POST", "/impairments", `{"status": 503}`},
		{"PUT", "/impairments/x", `{"status": 503}`},
		{"PUT", "/scenario", "cluster: branch\n"},
		{"POST", "/back", `{"event": 0}`},
		{"POST", "/reset", ""},
		{"PUT", "/snapshot", ""},
	} {
		a := h.call(c.method, "/clusters/c"+c.path, c.body, "If-Match", tag)
		assert.Equal(t, 412, a.status, c.path)
		assert.Equal(t, ProblemVersion, a.get("type"))
	}
	assert.Equal(t, done.get("version"), h.ok("GET", "/clusters/c/state", nil).get("version"))
	bad := h.call("POST", "/clusters/c/changes", `{"node.start": "cucm-pub"}`, "If-Match", "yesterday")
	assert.Equal(t, []string{`If-Match: "yesterday" is not the version of a snapshot, such as "12" in the ETag of an answer`}, bad.errors())
}

func TestChange_OneOfThoseWithTheSameIfMatch(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	h.ok("POST", "/clusters/c/changes", `{"node.stop": "cucm-sub1"}`)
	for range 20 {
		tag := h.ok("GET", "/clusters/c/state", nil).header.Get("ETag")
		var done atomic.Int64
		var all sync.WaitGroup
		for _, c := range []struct{ path, body string }{
			{"/reset", ""}, {"/back", `{"event": 0}`}, {"/reset", ""}, {"/changes", `{"node.stop": "cucm-pub"}`}, {"/back", `{"event": 0}`}, {"/reset", ""},
		} {
			all.Go(func() {
				a := h.call("POST", "/clusters/c"+c.path, c.body, "If-Match", tag)
				if a.status == 200 {
					done.Add(1)
				} else {
					assert.Equal(t, 412, a.status, "%s", a.body)
				}
			})
		}
		all.Wait()
		require.Equal(t, int64(1), done.Load())
	}
}

func TestChange_SaysWhereItIsWrong(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "branch")
	for _, c := range []struct {
		media, body string
		status      int
		want        []string
	}{
		{"application/json", "{\n  \"devices.unregister\": {\n    \"where\": {\"class\": \"Fone\", \"statu\": \"x\"},\n    \"share\": 30\n  }\n}", 422, []string{
			`/devices.unregister/where/class: unknown class "Fone"; did you mean "Phone"?`,
			`/devices.unregister/where/statu: unknown key of where "statu"; did you mean "status"?`,
			`/devices.unregister/share: "30" has no unit; shares are written 30%`,
		}},
		{"application/json", `{"do": {"node.stop": "cucm-sub9"}}`, 422, []string{`/do/node.stop: unknown node "cucm-sub9"; did you mean "cucm-sub1"?`}},
		{"application/json", `{"node.stop": cucm-sub1}`, 400, []string{"not JSON, in line 1 column 15: invalid character 'c' looking for beginning of value"}},
		{"application/yaml", "do:\n  node.stpo: cucm-sub1\n", 422, []string{`line 2, column 3: unknown action "node.stpo"; did you mean "node.stop"?`}},
		{"text/html", `<p>`, 415, nil},
	} {
		a := h.call("POST", "/clusters/c/changes", c.body, "Content-Type", c.media)
		assert.Equal(t, c.status, a.status, "%s\n%s", c.body, a.body)
		assert.Equal(t, c.want, a.errors(), c.body)
	}
	emoji := h.ok("POST", "/clusters/c/changes", `{"devices.set": {"where": {"class": "Phone"}, "count": 1, "description": "Zo\u00eb \ud83d\ude00"}}`)
	assert.Equal(t, float64(1), emoji.get("steps/0/devices"))
	assert.Equal(t, float64(1), h.ok("GET", "/clusters/c/devices?description=Zo%C3%AB+%F0%9F%98%80", nil).get("matched"))
	h.ok("POST", "/clusters/c/changes", "node.stop: cucm-pub\n", "Content-Type", "application/yaml")
	large := h.call("POST", "/clusters/c/changes", strings.Repeat(" ", maxBody+1))
	assert.Equal(t, 413, large.status)
}

func TestClock(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("m", "single")
	assert.Equal(t, "manual", h.ok("GET", "/clusters/m/clock", nil).get("mode"))
	h.ok("POST", "/clusters/m/changes", `{"devices.bounce": {"where": {"class": "Phone"}, "count": 1, "away": "90s"}}`)
	dry := h.ok("POST", "/clusters/m/clock/advance?dryRun=true", `{"next": true}`)
	assert.Equal(t, "2026-03-02T08:00:00Z", dry.get("clock/time"))
	assert.Equal(t, "2026-03-02T08:01:30Z", dry.get("clock/next"))
	assert.Equal(t, "2026-03-02T08:01:30Z", h.ok("POST", "/clusters/m/clock/advance", `{"next": true}`).get("clock/time"))
	assert.Equal(t, 409, h.call("POST", "/clusters/m/clock/advance", `{"next": true}`).status)
	for range 2 { // to can be asked for twice
		assert.Equal(t, "2026-03-02T09:00:00Z", h.ok("POST", "/clusters/m/clock/advance", `{"to": "2026-03-02T09:00:00Z"}`).get("clock/time"))
	}
	assert.Equal(t, []string{"2 of by, to and next are given; expected one of them"}, h.call("POST", "/clusters/m/clock/advance", `{"by": "1m", "next": true}`).errors())
	assert.Equal(t, []string{"/by: 48000h is more than a year, which is the most at a time"}, h.call("POST", "/clusters/m/clock/advance", `{"by": "2000d"}`).errors())
	assert.Equal(t, 409, h.call("PATCH", "/clusters/m/clock", `{"frozen": true}`).status)

	h.ok("PUT", "/clusters/r", `{"ready": "single", "clock": "real", "speed": 60, "plain": true, "start": "2026-03-02T08:00:00Z"}`)
	frozen := h.ok("PATCH", "/clusters/r/clock", `{"frozen": true, "speed": 2}`)
	assert.Equal(t, float64(2), frozen.get("clock/speed"))
	at, err := time.Parse(time.RFC3339Nano, frozen.get("clock/time").(string))
	require.NoError(t, err)
	moved := h.ok("POST", "/clusters/r/clock/advance", `{"by": "10m"}`)
	assert.Equal(t, Time{at.Add(10 * time.Minute)}, timeOf(t, moved.get("clock/time")))
	assert.Equal(t, true, moved.get("clock/frozen"))
	assert.Equal(t, []string{"neither frozen nor speed is given"}, h.call("PATCH", "/clusters/r/clock", `{}`).errors())
	assert.Equal(t, []string{"/speed: -1 is not a number above 0 and up to 1e+06"}, h.call("PATCH", "/clusters/r/clock", `{"speed": -1}`).errors())
}

func timeOf(t *testing.T, v any) Time {
	t.Helper()
	var out Time
	require.NoError(t, out.UnmarshalText([]byte(v.(string))))
	return out
}

func TestSettings(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "single")
	dry := h.ok("PATCH", "/clusters/c/settings?dryRun=true", `{"knobs": {"rateLimit": "100", "unbounded": "true"}}`)
	assert.Equal(t, "100", dry.get("knobs/rateLimit"), "what would be")
	assert.Equal(t, "15", h.ok("GET", "/clusters/c/settings", nil).get("knobs/rateLimit"))
	set := h.ok("PATCH", "/clusters/c/settings", `{"knobs": {"rateLimit": "100", "unbounded": "true"}}`)
	assert.Len(t, set.get("events"), 1)
	assert.Equal(t, "100", h.ok("GET", "/clusters/c/settings", nil).get("knobs/rateLimit"))
	bad := h.call("PATCH", "/clusters/c/settings", `{"knobs": {"window": "x", "realmm": "y"}}`)
	assert.Equal(t, []string{
		`/knobs/realmm: unknown knob "realmm"; did you mean "realm"?`,
		`/knobs/window: window "x" is not one of fixed, sliding`,
	}, bad.errors())
	together := h.call("PATCH", "/clusters/c/settings", `{"knobs": {"unbounded": "false"}}`)
	assert.Equal(t, 400, together.status)
	assert.Equal(t, []string{`"knobs" is missing`}, h.call("PATCH", "/clusters/c/settings", `{}`).errors())
}

func TestUsers_PasswordsNeverComeOut(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "single")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	var said strings.Builder
	keep := func(a answer) answer { said.Write(a.body); return a }
	keep(h.ok("PUT", "/clusters/c/users/poller", `{"password": "hunter2"}`))
	status, _ := ask(t, h.http, url, "poller", "hunter2")
	assert.Equal(t, 200, status)
	keep(h.ok("PUT", "/clusters/c/users/poller", `{"roles": ["AXL"]}`))
	status, _ = ask(t, h.http, url, "poller", "hunter2")
	assert.Equal(t, 403, status, "H5: without the role")
	keep(h.ok("PUT", "/clusters/c/users/poller", `{"password": "hunter3", "roles": ["serviceability"]}`))
	status, _ = ask(t, h.http, url, "poller", "hunter2")
	assert.Equal(t, 401, status)
	status, _ = ask(t, h.http, url, "poller", "hunter3")
	assert.Equal(t, 200, status)
	keep(h.ok("GET", "/clusters/c/users", nil))
	keep(h.call("PUT", "/clusters/c/users/new", `{"password": ["hunter4"], "roles": "x"}`))
	keep(h.ok("PUT", "/clusters/c/users/new?dryRun=true", `{"password": "hunter5"}`))
	assert.Equal(t, 404, keep(h.call("DELETE", "/clusters/c/users/new", nil)).status)
	keep(h.ok("DELETE", "/clusters/c/users/administrator", nil))
	status, _ = ask(t, h.http, url, "administrator", "risim")
	assert.Equal(t, 401, status)
	assert.Equal(t, 409, keep(h.call("DELETE", "/clusters/c/users/poller", nil)).status, "the last one")
	for path, name := range map[string]string{"Zo%C3%AB": "Zoë", "dom%2Fanna%20b": "dom/anna b"} {
		assert.Equal(t, name, keep(h.ok("PUT", "/clusters/c/users/"+path, `{"password": "hunter6"}`)).get("user/name"))
		status, _ = ask(t, h.http, url, name, "hunter6")
		assert.Equal(t, 200, status, name)
		keep(h.ok("DELETE", "/clusters/c/users/"+path, nil))
	}
	assert.Equal(t, []string{`user: "%FF" cannot be read: expected UTF-8, with %2F for a slash and so on`},
		keep(h.call("PUT", "/clusters/c/users/%FF", `{"password": "hunter7"}`)).errors())
	assert.Equal(t, 400, keep(h.call("PUT", "/clusters/c/users/nobody", `{}`)).status)
	assert.Equal(t, []string{"/roles: an empty list; expected one role at least, such as serviceability, or no list"},
		keep(h.call("PUT", "/clusters/c/users/poller", `{"password": "hunter8", "roles": []}`)).errors())
	one, err := h.host.find("c")
	require.NoError(t, err)
	assert.NotContains(t, said.String()+one.sim.Journal().String(), "hunter")
}

func TestSessions_End(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "single")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	ask(t, h.http, url, "administrator", "risim")
	assert.Equal(t, float64(0), h.ok("DELETE", "/clusters/c/sessions?user=other", nil).get("ended"))
	h.ok("DELETE", "/clusters/c/sessions?dryRun=true", nil)
	assert.Equal(t, float64(1), h.ok("DELETE", "/clusters/c/sessions", nil).get("ended"))
}

// Every route refuses a page of another site, another name of this host and, when there is a token, whoever has it not.
func TestGuard_OnEveryRoute(t *testing.T) {
	t.Parallel()
	h := start(t, Options{Token: "t0ken"})
	every := func(each func(r route, prefix string, req *http.Request)) {
		for prefix, list := range map[string][]route{Base: h.server.api.routes, "": h.server.api.beside} {
			for _, r := range list {
				path := strings.NewReplacer("{cluster}", "c", "{device}", "d", "{user}", "u", "{id}", "i").Replace(r.path)
				req, err := http.NewRequestWithContext(t.Context(), r.method, h.server.URL+prefix+path, nil)
				require.NoError(t, err)
				each(r, prefix, req)
			}
		}
	}
	status := func(req *http.Request) int {
		resp, err := h.http.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	every(func(r route, prefix string, req *http.Request) {
		open := req.URL.Path == pathHealth || req.URL.Path == pathReady
		if got := status(req); open {
			assert.Equal(t, 200, got, r.name)
		} else {
			assert.Equal(t, 401, got, r.name)
		}
		for _, wrong := range []string{"Bearer other", "Basic t0ken", "t0ken"} {
			req.Header.Set("Authorization", wrong)
			if !open {
				assert.Equal(t, 401, status(req), "%s with %q", r.name, wrong)
			}
		}
		req.Header.Set("Authorization", "Bearer t0ken")
		for name, values := range map[string][]string{
			"Host":           {"evil.example", "evil.example:80", "127.0.0.1.evil.example", "169.254.169.254", "localhost.evil.example"},
			"Origin":         {"http://evil.example", "null", "https://localhost"},
			"Sec-Fetch-Site": {"cross-site", "same-site"},
		} {
			for _, v := range values {
				bad := req.Clone(t.Context())
				if name == "Host" {
					bad.Host = v
				} else {
					bad.Header.Set(name, v)
				}
				assert.Equal(t, 403, status(bad), "%s with %s: %s", r.name, name, v)
			}
		}
	})
	req, err := http.NewRequestWithContext(t.Context(), "GET", h.server.URL+Base+"/clusters", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer t0ken")
	for _, host := range []string{"localhost", "localhost:8480", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "LocalHost."} {
		req.Host = host
		assert.Equal(t, 200, status(req), host)
	}
	req.Host = "localhost:7"
	req.Header.Set("Origin", "http://localhost:7")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	assert.Equal(t, 200, status(req), "a page of its own")
}

func TestStart_ATokenIsDrawnWhereOthersCanReachIt(t *testing.T) {
	t.Parallel()
	host := NewHost(HostOptions{})
	first, err := Start(host, Options{Listen: "0.0.0.0:0"})
	require.NoError(t, err)
	defer first.Close()
	second, err := Start(host, Options{Listen: ":0"})
	require.NoError(t, err)
	defer second.Close()
	assert.True(t, first.Drawn)
	assert.False(t, first.OnlyLoopback)
	assert.Len(t, first.Token, 32)
	assert.NotEqual(t, first.Token, second.Token)
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+$`, first.URL)
	_, err = Start(host, Options{Listen: strings.TrimPrefix(first.URL, "http://")})
	assert.ErrorContains(t, err, "the control API cannot listen on 127.0.0.1:")
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	a := h.call("GET", "/clustrs", nil)
	assert.Equal(t, 404, a.status)
	assert.Equal(t, ProblemNotFound, a.get("type"))
	assert.Equal(t, problemType, a.header.Get("Content-Type"))
	a = h.call("DELETE", "/clusters", nil)
	assert.Equal(t, 405, a.status)
	assert.Equal(t, "GET, POST", a.header.Get("Allow"))
	a = h.call("GET", "/clusters?colour=red", nil)
	assert.Equal(t, []string{`colour: there is no parameter "colour"; there is none`}, a.errors())
}

// The document describes every route and no other, and what it says of each is whole.
func TestOpenAPI_DescribesEveryRouteAndNoOther(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	doc := h.ok("GET", "/openapi.json", nil).value
	assert.Equal(t, "3.1.0", doc["openapi"])
	described := map[string]string{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			op := op.(map[string]any)
			described[strings.ToUpper(method)+" "+path] = op["operationId"].(string)
			assert.NotEmpty(t, op["summary"], path)
			assert.NotEmpty(t, op["tags"], path)
			for _, p := range listOf(op["parameters"]) {
				p := p.(map[string]any)
				assert.NotEmpty(t, p["description"], "%s %s: parameter %s", method, path, p["name"])
				if p["in"] == "path" {
					assert.Contains(t, path, "{"+p["name"].(string)+"}")
				}
			}
			assert.Equal(t, strings.Count(path, "{"), strings.Count(fmt.Sprint(op["parameters"]), "in:path"), "the parts of %s are described", path)
		}
	}
	served := map[string]string{}
	names := map[string]bool{}
	for prefix, list := range map[string][]route{Base: h.server.api.routes, "": h.server.api.beside} {
		for _, r := range list {
			served[r.method+" "+prefix+r.path] = r.name
			assert.False(t, names[r.name], "%s is twice", r.name)
			names[r.name] = true
		}
	}
	assert.Equal(t, served, described)
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for name, s := range schemas {
		properties, _ := s.(map[string]any)["properties"].(map[string]any)
		for field, f := range properties {
			assert.NotEmpty(t, f.(map[string]any)["description"], "%s.%s has no description", name, field)
		}
	}
	assert.Len(t, schemas["scenario.request.step"].(map[string]any)["properties"], len(scenarios.StepKeys()), "every action can be said")
	assert.Len(t, schemas["scenario.request.impairment"].(map[string]any)["properties"], len(scenarios.ImpairmentKeys()))
}

func listOf(v any) []any {
	out, _ := v.([]any)
	return out
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	h.cluster("c", "single")
	url := h.ok("GET", "/clusters/c", nil).get("url").(string)
	for range 17 {
		ask(t, h.http, url, "administrator", "risim")
	}
	ask(t, h.http, url, "administrator", "wrong")
	text := h.beside(pathMetrics)
	for _, line := range []string{
		`risim_requests_total{cluster="c",fault="",operation="selectCmDevice",status="200"} 15`,
		`risim_requests_total{cluster="c",fault="rateLimit",operation="selectCmDevice",status="500"} 2`,
		`risim_requests_total{cluster="c",fault="",operation="none",status="401"} 1`,
		`risim_request_duration_seconds_count{cluster="c",operation="selectCmDevice"} 17`,
		`risim_rate_window_requests{cluster="c",node=""} 15`,
		`risim_rate_limit{cluster="c"} 15`,
		`risim_clusters 1`,
	} {
		assert.Contains(t, text, line+"\n")
	}
	assert.Regexp(t, `risim_devices\{cluster="c",node="cucm-pub",status="Registered"\} [1-9]`, text)
	assert.Contains(t, text, "process_resident_memory_bytes")
	h.ok("DELETE", "/clusters/c", nil)
	assert.NotContains(t, h.beside(pathMetrics), `cluster="c"`)
}

// However many clusters there are, a monitoring system sees a hundred names and "other".
func TestMetrics_LabelsAreBounded(t *testing.T) {
	t.Parallel()
	h := NewHost(HostOptions{})
	for i := range 300 {
		h.metrics.of(fmt.Sprintf("c%d", i))
	}
	assert.Len(t, h.metrics.labels, maxLabelled+1)
	assert.True(t, h.metrics.of("c150") == h.metrics.of("c299"))
	assert.False(t, isName(otherLabel), "no cluster can have the label of the others")
	h.metrics.forget("c0")
	assert.False(t, h.metrics.of("new") == h.metrics.of("c299"))
}

// beside gets a path that is not below Base, as text.
func (h *harness) beside(path string) string {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), "GET", h.server.URL+path, nil)
	require.NoError(h.t, err)
	a := h.do(req)
	require.Equal(h.t, 200, a.status, "%s", a.body)
	return string(a.body)
}

func TestHealthAndPprof(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	assert.Equal(t, "ok\n", h.beside(pathHealth))
	assert.Equal(t, "ready\n", h.beside(pathReady))
	resp, err := h.http.Get(h.server.URL + pathPprof)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 404, resp.StatusCode, "only when asked for")
	profiled := start(t, Options{Pprof: true})
	resp, err = profiled.http.Get(profiled.server.URL + pathPprof + "goroutine?debug=1")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	require.NoError(t, err)
	assert.Contains(t, string(body), "goroutine profile")
}

func TestReady_Lists(t *testing.T) {
	t.Parallel()
	h := start(t, Options{})
	ready := h.ok("GET", "/ready", nil)
	assert.Contains(t, string(ready.body), `"branch"`)
	for _, r := range append(listOf(ready.get("clusters")), listOf(ready.get("scenarios"))...) {
		assert.NotEmpty(t, r.(map[string]any)["summary"])
	}
}

func TestPolicy_NoUserInterfaceOrDatabase(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "github.com/prometheus/client_golang")
	for _, never := range []string{"github.com/spf13/", "database/sql", "\ntesting\n"} {
		assert.NotContains(t, string(out), never)
	}
}

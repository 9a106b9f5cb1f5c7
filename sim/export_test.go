package sim_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
)

// What an entry of each kind looks like in JSON, in full: whoever reads it holds on to these names.
func TestWriteJSON(t *testing.T) {
	t.Parallel()
	ris := talk(t, sim.Options{InMemory: true, Plain: true, Set: []string{"rateLimit=0"}})
	var b bytes.Buffer
	journal := ris.Journal()
	require.NoError(t, journal.WriteJSON(&b))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, len(journal))

	lines[2] = strings.Replace(lines[2], quotedJSON(t, journal[2].Exchange.StateIn), `"IN"`, 1)
	lines[2] = strings.Replace(lines[2], quotedJSON(t, journal[2].Exchange.StateOut), `"OUT"`, 1)
	for i, want := range map[int]string{
		1: `{"seq":2,"at":"2026-03-02T08:00:02Z","kind":"change","text":"08:00:02.000  version 2  Failover SEP0200000000A1 sub2 ConnectivityError",` +
			`"change":{"version":2,"count":1,"first":"Failover SEP0200000000A1 sub2 ConnectivityError"}}`,
		2: `{"seq":3,"at":"2026-03-02T08:00:02Z","kind":"request","text":TEXT,"request":{"method":"POST","path":"/realtimeservice2/services/RISService70",` +
			`"node":"pub","client":"127.0.0.1","userAgent":"Go-http-client/1.1","user":"administrator","login":"basic","operation":"selectCmDeviceExt",` +
			`"criteria":{"selectBy":"Name","items":["sep0200000000b2"]},"stateIn":"IN","stateOut":"OUT","status":200,"noChange":true,"limit":1000,"found":0,"returned":0,"version":2,` +
			`"advice":[ADVICE],"requestBytes":BYTES,"responseBytes":BYTES,"waitedMillis":0,"tookMicros":TOOK}}`,
		3: `{"seq":4,"at":"2026-03-02T08:00:02Z","kind":"request","text":TEXT,"request":{"method":"POST","path":"/realtimeservice2/services/RISService70",` +
			`"node":"pub","client":"127.0.0.1","userAgent":"Go-http-client/1.1","user":"administrator","login":"basic","operation":"selectCmDevice",` +
			`"criteria":{"selectBy":"Name","items":["SEP*"],"protocol":"Smoke"},"status":500,` +
			`"fault":{"name":"badValue","code":"soapenv:Client","text":"Protocol \"Smoke\" is not one of Any, SCCP, SIP, Unknown"},` +
			`"limit":1000,"found":0,"returned":0,"advice":[ADVICE],"requestBytes":BYTES,"responseBytes":BYTES,"waitedMillis":0,"tookMicros":TOOK}}`,
	} {
		text := quotedJSON(t, journal[i].String())
		got := lines[i]
		if journal[i].Exchange != nil {
			got = strings.Replace(got, text, "TEXT", 1)
			got = between(between(between(between(got, `"requestBytes":`, ",", "BYTES"), `"responseBytes":`, ",", "BYTES"), `"tookMicros":`, "}", "TOOK"), `"advice":[`, "]", "ADVICE")
		}
		require.Equal(t, want, got)
	}

	read, err := sim.ReadJournal(&b)
	require.NoError(t, err)
	require.Len(t, read, len(journal))
	for i, e := range journal {
		if diff := cmp.Diff(e.Line(), read[i]); diff != "" {
			t.Errorf("entry %d comes back otherwise:\n%s", i, diff)
		}
	}
	_, err = sim.ReadJournal(strings.NewReader(lines[0] + "\nnonsense"))
	require.ErrorContains(t, err, "line 2 of a journal is not an entry: ")
	read, err = sim.ReadJournal(strings.NewReader(`{"seq":1,"later":true}`))
	require.NoError(t, err)
	require.Equal(t, []sim.JournalLine{{Seq: 1}}, read)
}

// The same run gives the same lines, but for what is measured by the wall.
func TestWriteJSON_Repeats(t *testing.T) {
	t.Parallel()
	run := func() string {
		ris := talk(t, sim.Options{InMemory: true, Plain: true})
		var b strings.Builder
		for _, e := range ris.Journal() {
			line := e.Line()
			if line.Request != nil {
				line.Request.TookMicros = 0
			}
			data, err := json.Marshal(line)
			require.NoError(t, err)
			b.Write(data)
		}
		return b.String()
	}
	require.Equal(t, run(), run())
}

func quotedJSON(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(text))
	return strings.TrimSpace(b.String())
}

// between replaces what stands between two texts.
func between(s, from, to, by string) string {
	before, rest, ok := strings.Cut(s, from)
	if !ok {
		return s
	}
	_, after, _ := strings.Cut(rest, to)
	return before + from + by + to + after
}

// harShape is what HAR 1.2 requires of each of its objects, by where it stands.
var harShape = map[string][]string{
	"":                                {"log"},
	"log":                             {"version", "creator", "entries"},
	"log.creator":                     {"name", "version"},
	"log.entries":                     {"startedDateTime", "time", "request", "response", "cache", "timings"},
	"log.entries.request":             {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"},
	"log.entries.request.headers":     {"name", "value"},
	"log.entries.request.postData":    {"mimeType", "params", "text"},
	"log.entries.response":            {"status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize", "bodySize"},
	"log.entries.response.headers":    {"name", "value"},
	"log.entries.response.content":    {"size", "mimeType"},
	"log.entries.timings":             {"send", "wait", "receive"},
	"log.entries.request.queryString": {"name", "value"},
}

// An archive has what HAR 1.2 requires, of each exchange whose bodies are kept.
func TestWriteHAR(t *testing.T) {
	t.Parallel()
	ris := talk(t, sim.Options{InMemory: true, JournalRaw: 4, JournalBytes: 512 << 10})
	resp, err := ris.Client().Get(ris.URL + "?wsdl")
	require.NoError(t, err)
	resp.Body.Close()
	require.NoError(t, ris.Apply(cluster.SetNodeState{Node: "sub1", State: cluster.Down}))
	var b bytes.Buffer
	require.NoError(t, ris.WriteHAR(&b, ris.Journal()))
	var doc any
	require.NoError(t, json.Unmarshal(b.Bytes(), &doc))
	met := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(at, x)
			}
		case map[string]any:
			met[at] = true
			for _, key := range harShape[at] {
				require.Contains(t, v, key, "at %q", at)
				require.NotNil(t, v[key], "%s.%s", at, key)
			}
			for key, x := range v {
				walk(strings.TrimPrefix(at+"."+key, "."), x)
			}
		}
	}
	walk("", doc)
	for at := range harShape {
		require.True(t, met[at], "nothing at %q", at)
	}

	var har struct {
		Log struct {
			Version string
			Entries []struct {
				StartedDateTime time.Time
				Request         struct {
					Method, URL string
					PostData    struct{ MimeType, Text string }
				}
				Response struct {
					Status  int
					Content struct {
						Size int
						Text string
					}
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(b.Bytes(), &har))
	require.Equal(t, "1.2", har.Log.Version)
	var statuses []int
	for _, e := range har.Log.Entries {
		statuses = append(statuses, e.Response.Status)
	}
	require.Equal(t, []int{500, 404, 200, 200}, statuses, "four are kept")
	last, wsdl := har.Log.Entries[2], har.Log.Entries[3]
	require.Equal(t, ris.URL, last.Request.URL)
	require.Equal(t, "text/xml", last.Request.PostData.MimeType)
	require.Contains(t, last.Request.PostData.Text, "<s:SelectBy>")
	require.Contains(t, last.Response.Content.Text, "SEP0200000000A1")
	require.Equal(t, ris.Now(), last.StartedDateTime)
	require.Equal(t, ris.URL+"?wsdl", wsdl.Request.URL)
	require.Greater(t, wsdl.Response.Content.Size, len(wsdl.Response.Content.Text), "the beginning only")
	require.NotContains(t, b.String(), "Basic ")
	require.NotContains(t, b.String(), "JSESSIONIDSSO=")

	none := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, JournalRaw: -1})
	ask(t, none, none.URL, "selectCmDevice", "Item=SEP*")
	b.Reset()
	require.NoError(t, none.WriteHAR(&b, none.Journal()))
	require.Contains(t, b.String(), `"entries": []`)
}

package sim_test

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// Advice is summed by client, with the numbers of the journal, also when the journal has let go of the entries.
func TestAdvice(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, JournalSize: 1, Set: []string{"rateLimit=0"}})
	require.Equal(t, "no advice\n", ris.Advice().String())
	require.Empty(t, ris.Advice().Advice)
	ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=SEP0200000000A1")
	require.Empty(t, ris.Advice().Advice)
	ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=ATA*,SEP*")
	require.NoError(t, ris.Advance(time.Second))
	ask(t, ris, ris.URL, "selectCmDevice", "MaxReturnedDevices=1", "SelectBy=Name", "Item=SEP*")
	ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=ATA*,SEP*")
	got := ris.Advice()
	require.Len(t, got.Advice, 3)
	comma, last, session := got.Advice[0], got.Advice[1], got.Advice[2]
	require.Equal(t, []any{soap.AdviceComma, "administrator", "127.0.0.1", "Go-http-client/1.1", 2, uint64(2), uint64(4), ris.Started(), ris.Now(), false},
		[]any{comma.ID, comma.User, comma.Address, comma.UserAgent, comma.Count, comma.First, comma.Last, comma.FirstAt, comma.LastAt, comma.Pending})
	require.Equal(t, []any{soap.AdviceAtLimit, 1, uint64(3), true}, []any{last.ID, last.Count, last.First, last.Pending})
	require.Equal(t, []any{soap.AdviceSessionUnused, 1, uint64(4)}, []any{session.ID, session.Count, session.First})
	require.True(t, strings.HasPrefix(got.String(), `administrator@127.0.0.1 (Go-http-client/1.1)  comma-in-item  2 times  Item … holds a comma, `+
		`which is an ordinary character: it does not separate names. (Q9)
  Send one item element for each name.
administrator@127.0.0.1 (Go-http-client/1.1)  result-at-limit  once  `), got.String())
}

// An expectation hears of what a client never did, when the run ends.
func TestAdvice_ResultAtLimitIsJudgedAtTheEnd(t *testing.T) {
	t.Parallel()
	const text = `scenario: cut-off
clock: {mode: manual}
cluster: default
expect:
  - {id: whole, advice: {none: [result-at-limit]}}
  - {id: early, until: 1m, advice: {none: [result-at-limit]}}
  - {id: others, advice: {match: {user: somebody-else}, none: [result-at-limit], count: 0}}
  - {id: some, advice: {some: [result-at-limit], count: 1}}
`
	for _, follows := range []bool{false, true} {
		ris := sim.ForTest(t, sim.Options{ScenarioText: text, InMemory: true})
		ask(t, ris, ris.URL, "selectCmDevice", "MaxReturnedDevices=5", "DeviceClass=Phone", "SelectBy=Name", "Item=SEP*")
		if follows {
			ask(t, ris, ris.URL, "selectCmDevice", "DeviceClass=Phone", "SelectBy=Name", "Item=SEP0*", "Item=SEP1*")
		}
		require.NoError(t, ris.Advance(2*time.Minute))
		outcomes := map[string]scenarios.Outcome{}
		for _, v := range ris.Finish() {
			outcomes[v.ID] = v.Outcome
		}
		want := map[string]scenarios.Outcome{"whole": scenarios.Fail, "early": scenarios.Pass, "others": scenarios.Inconclusive, "some": scenarios.Pass}
		if follows {
			want["whole"], want["some"] = scenarios.Pass, scenarios.Fail
		}
		require.Equal(t, want, outcomes)
		again := ris.Finish()
		require.Equal(t, ris.Finish(), again)
	}
}

// A client that keeps its session, its StateInfo and its pace is advised of nothing, for as long as it goes on.
func TestAdvice_ExemplaryClient(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small()})
	client := *ris.Client()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client.Jar = jar
	state := ""
	for i := range 40 {
		body := `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:s="http://schemas.cisco.com/ast/soap"><e:Body><s:selectCmDevice>` +
			`<s:StateInfo>` + strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(state) + `</s:StateInfo><s:CmSelectionCriteria>` +
			`<s:MaxReturnedDevices>100</s:MaxReturnedDevices><s:DeviceClass>Phone</s:DeviceClass><s:Model>255</s:Model><s:Status>Any</s:Status><s:NodeName>sub1</s:NodeName>` +
			`<s:SelectBy>Name</s:SelectBy><s:SelectItems><s:item><s:Item>*</s:Item></s:item></s:SelectItems><s:Protocol>Any</s:Protocol><s:DownloadStatus>Any</s:DownloadStatus>` +
			`</s:CmSelectionCriteria></s:selectCmDevice></e:Body></e:Envelope>`
		req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(body))
		require.NoError(t, err)
		if i == 0 {
			req.SetBasicAuth(ris.User, ris.Password)
		}
		req.Header.Set("Content-Type", "text/xml")
		req.Header.Set("SOAPAction", "selectCmDevice")
		resp, err := client.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
		state = ris.Journal().Tail(1)[0].Exchange.StateOut
		require.NoError(t, ris.Advance(5*time.Second))
		if i%10 == 0 {
			require.NoError(t, ris.Apply(sim.Unregister("SEP0200000000A1", cluster.ConnectivityError)))
			require.NoError(t, ris.Apply(sim.Register("SEP0200000000A1", "sub1")))
		}
	}
	require.Equal(t, "no advice\n", ris.Advice().String())
}

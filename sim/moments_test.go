package sim_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// drawStep draws something to do to the cluster office.
func drawStep(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"devices.unregister: {where: {status: Registered}, count: 7, reason: KeepAliveTimeout}",
		"devices.register: {where: {status: UnRegistered}, share: 50%}",
		"devices.failover: {share: 20%}",
		"devices.fallback: {share: 30%}",
		"devices.bounce: {where: {class: Phone}, count: 5, away: 40s}",
		"devices.readdress: {where: {class: Phone}, share: 10%, to: 10.99.0.0/16}",
		"devices.remove: {where: {class: Phone}, count: 2}",
		"devices.set: {where: {class: Phone}, count: 3, description: changed}",
		"node.restartRis: cucm-sub1",
		"node.stop: cucm-sub1",
		"node.start: cucm-sub1",
		"service.set: {maxReturned: 20}",
		"service.set: {revealTruncation: true, emptyAnswer: nodes}",
	}).Draw(t, "step")
}

// office is a small cluster with something of everything.
const office = `
scenario: office
clock: {mode: manual}
service: {rateLimit: 0, nodeTimeout: 0s}
cluster:
  nodes: [{name: cucm-pub, role: publisher, address: 10.1.1.1}, {name: cucm-sub1, address: 10.1.1.2}]
  devices:
    - {group: desk, count: 25, model: Cisco 8845, lines: {from: "4000", perDevice: 2}, homes: [cucm-sub1, cucm-pub], status: {choice: {Registered: 8, UnRegistered: 1, PartiallyRegistered: 1}}}
    - {group: trunks, names: [TRUNK-A, TRUNK-B], class: SIPTrunk, homes: [cucm-pub]}
  applications:
    - {name: uccx, user: uccx, address: 10.1.2.1, node: cucm-sub1, opens: {group: desk, share: 40%, lines: true}}
`

// answers are what the service says to several questions, StateInfo and time stamps included.
func answers(t require.TestingT, ris *sim.Simulator) string {
	var b strings.Builder
	for _, question := range []string{`selectCmDevice *`, `selectCmDevice SEP*`, `selectCmDeviceExt SEP000000000000`} {
		op, item, _ := strings.Cut(question, " ")
		req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:s="http://schemas.cisco.com/ast/soap"><e:Body><s:`+op+
			`><s:StateInfo/><s:CmSelectionCriteria><s:SelectBy>Name</s:SelectBy><s:SelectItems><s:item><s:Item>`+item+`</s:Item></s:item></s:SelectItems></s:CmSelectionCriteria></s:`+op+`></e:Body></e:Envelope>`))
		require.NoError(t, err)
		req.SetBasicAuth(ris.User, ris.Password)
		resp, err := ris.Client().Do(req)
		require.NoError(t, err)
		var body bytes.Buffer
		_, err = body.ReadFrom(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode, body.String())
		b.Write(body.Bytes())
		b.WriteByte('\n')
	}
	return b.String()
}

// What was put off by Do does not come after going back, or after a reset.
func TestGoBack_EndsWhatIsAhead(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]func(*sim.Simulator) error{
		"back":  func(s *sim.Simulator) error { _, err := s.GoBack(s.Moments()[0]); return err },
		"reset": func(s *sim.Simulator) error { _, err := s.Reset(); return err },
	} {
		ris := sim.ForTest(t, sim.Options{ScenarioText: office, InMemory: true, Plain: true})
		done, err := ris.Do(sim.Step{Text: "{at: 1m, do: {service.set: {rateLimit: 3}}}"})
		require.NoError(t, err)
		require.True(t, done.Ahead)
		before := ris.Settings()
		require.NoError(t, back(ris), name)
		require.NoError(t, ris.Advance(2*time.Minute))
		require.Equal(t, before, ris.Settings(), name)
	}
}

// The settings of a moment are those of after the entry that changed them, not of the entry before.
func TestGoBack_ToBeforeAndAfterSettings(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{ScenarioText: office, InMemory: true, Plain: true})
	at := func(seq uint64) string { // what the last moment that is not after an entry has
		var to sim.Moment
		for _, m := range ris.Moments() {
			if m.Seq <= seq {
				to = m
			}
		}
		_, err := ris.GoBack(to)
		require.NoError(t, err)
		limit, err := ris.Settings().Get("rateLimit")
		require.NoError(t, err)
		return limit
	}
	var after []uint64
	for _, limit := range []string{"3", "5", "7"} {
		done, err := ris.Do(sim.Step{Text: "service.set: {rateLimit: " + limit + "}"})
		require.NoError(t, err)
		after = append(after, done.Seqs[len(done.Seqs)-1])
	}
	require.Equal(t, "5", at(after[1]))
	require.Equal(t, "3", at(after[0]))
	require.Equal(t, "7", at(after[2]))

	require.NoError(t, ris.Set("rateLimit", "9")) // which makes no entry
	require.NoError(t, ris.Set("rateLimit", "11"))
	require.Equal(t, "11", at(^uint64(0)), "the last of what cannot be told apart")
}

// Going back to a moment gives the same answers as then, from any moment that is kept, again and again.
func TestGoBack_GivesTheAnswersOfThen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ris := sim.ForTest(t, sim.Options{ScenarioText: office, InMemory: true, Plain: true})
		defer ris.Close()
		then := map[sim.Moment]string{}
		note := func() {
			kept := ris.Moments()
			then[kept[len(kept)-1]] = answers(rt, ris)
		}
		note()
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.IntRange(0, 3).Draw(rt, "back") == 0 {
				kept := ris.Moments()
				to := kept[rapid.IntRange(0, len(kept)-1).Draw(rt, "moment")]
				want, seen := then[to]
				seq, err := ris.GoBack(to)
				require.NoError(rt, err)
				if seen {
					require.Equal(rt, want, answers(rt, ris), "back at %v", to)
				}
				entries := ris.Journal()
				require.Equal(rt, entries[len(entries)-1].Seq, seq+3*uint64(btoi(seen)))
			} else if _, err := ris.Do(sim.Step{Text: drawStep(rt)}); err != nil {
				continue // nothing matches
			}
			note()
			require.NoError(rt, ris.Advance(time.Duration(rapid.IntRange(0, 90).Draw(rt, "seconds"))*time.Second))
			note()
			require.NoError(rt, ris.Snapshot().Check())
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Snapshot, restore, snapshot: byte for byte the same. And what is started from one gives the same answers.
func TestSnapshot_IsAScenario(t *testing.T) {
	t.Parallel()
	snapshot := func(ris *sim.Simulator) string {
		var b bytes.Buffer
		require.NoError(t, ris.WriteSnapshot(&b))
		return b.String()
	}
	rapid.Check(t, func(rt *rapid.T) {
		ris := sim.ForTest(t, sim.Options{ScenarioText: office, InMemory: true, Plain: true})
		defer ris.Close()
		for range rapid.IntRange(0, 8).Draw(rt, "steps") {
			_, _ = ris.Do(sim.Step{Text: drawStep(rt)}) // or nothing matches
			require.NoError(rt, ris.Advance(time.Minute))
		}
		first, said := snapshot(ris), answers(rt, ris)

		started := sim.ForTest(t, sim.Options{ScenarioText: first, InMemory: true, Plain: true})
		defer started.Close()
		require.Equal(rt, first, snapshot(started))
		require.Equal(rt, said, answers(rt, started))

		if rapid.Bool().Draw(rt, "more") {
			_, _ = ris.Do(sim.Step{Text: drawStep(rt)})
		}
		require.NoError(rt, ris.CheckSnapshot([]byte(first)))
		seq, err := ris.RestoreSnapshot([]byte(first))
		require.NoError(rt, err)
		require.NotZero(rt, seq)
		require.Equal(rt, first, snapshot(ris))
		require.Equal(rt, said, answers(rt, ris))
		require.NoError(rt, ris.Snapshot().Check())
	})
}

func TestSnapshot_TellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Cluster: "single", InMemory: true})
	var b bytes.Buffer
	require.NoError(t, sim.ForTest(t, sim.Options{Cluster: "branch", InMemory: true}).WriteSnapshot(&b))
	whole := b.String()
	before := ris.Snapshot()
	for _, c := range []struct{ text, want string }{
		{"", "the file is empty"},
		{"cluster: single\n", "there is no section state, so this is not a snapshot"},
		{whole, "its nodes are [cucm-pub cucm-sub1], and the cluster's are [cucm-pub]"},
		{"timeline: [{at: 1m, do: {log: x}}]\n" + whole, "a snapshot has no impairments, timeline or expect"},
		{strings.Replace(whole, `"status":"Registered"`, `"status":"Registerd"`, 1), `unknown status "Registerd"; did you mean "Registered"?`},
		{strings.Replace(whole, "seed: 1", "seed: none", 1), `seed "none" is not a whole number`},
	} {
		_, err := ris.RestoreSnapshot([]byte(c.text))
		require.ErrorContains(t, err, c.want)
		require.ErrorAs(t, err, new(scenarios.Problems))
		require.EqualError(t, ris.CheckSnapshot([]byte(c.text)), err.Error())
	}
	_, err := sim.Start(t.Context(), sim.Options{ScenarioText: whole, Cluster: "campus"})
	require.ErrorContains(t, err, "the scenario says how a cluster stands, and the options have another one")
	assert.Same(t, before, ris.Snapshot())
}

func TestMoments_AreBounded(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Cluster: "branch", InMemory: true})
	require.Equal(t, []sim.Moment{{Version: 1, At: ris.Now()}}, ris.Moments())
	first := ris.Moments()[0]
	for range 100 {
		require.NoError(t, ris.Apply(sim.StopNode("cucm-sub1"), sim.StartNode("cucm-sub1")))
	}
	kept := ris.Moments()
	require.Len(t, kept, 64)
	assert.Equal(t, ris.Snapshot().Version, kept[63].Version)
	_, err := ris.GoBack(first)
	require.ErrorContains(t, err, "the moment of entry 0 (version 1) is not kept any more")

	// Large changes hold on to much, so that less of them is kept.
	large := sim.ForTest(t, sim.Options{Cluster: "campus", InMemory: true})
	for i := range 10 {
		_, err := large.Do(sim.Step{Text: fmt.Sprintf("devices.readdress: {to: 10.%d.0.0/16}", 100+i)})
		require.NoError(t, err)
	}
	assert.Less(t, len(large.Moments()), 8)
	assert.Greater(t, len(large.Moments()), 2)
}

func TestReset_IsTheStartAgain(t *testing.T) {
	t.Parallel()
	start := func() *sim.Simulator {
		return sim.ForTest(t, sim.Options{InMemory: true, Scenario: "tests/s.yaml", ScenarioFS: scenarioFS(`
cluster: branch
service: {rateLimit: 3/min, users: [{name: poller, password: secret}]}
impairments:
  - {id: slow, from: 1m, latency: 1ms}
timeline:
  - {at: 2m, do: {node.stop: cucm-sub1}}
expect:
  - {id: few, requests: {count: "<= 3"}}
`)})
	}
	ris, fresh := start(), start()
	want := answers(t, fresh)
	answers(t, ris)
	require.NoError(t, ris.Advance(3*time.Minute))
	_, err := ris.Do(sim.Step{Text: "devices.bounce: {away: 10m}"})
	require.NoError(t, err)
	_, err = ris.Impair("{id: extra, status: 503}")
	require.NoError(t, err)
	require.NoError(t, ris.Set("rateLimit", "1"))
	require.NoError(t, ris.SetUsers(append(ris.Users(), ris.Users()[0])[:1]))
	verdicts := ris.Finish()
	require.Len(t, verdicts, 1)

	require.NotEmpty(t, ris.Advice().Advice, "the requests have no SOAPAction")
	version := ris.Snapshot().Version
	seq, err := ris.Reset()
	require.NoError(t, err)
	require.NotZero(t, seq)
	assert.Greater(t, ris.Snapshot().Version, version, "which never goes back")
	assert.Empty(t, ris.Impairments())
	assert.Empty(t, ris.Advice().Advice)
	assert.Equal(t, fresh.Settings(), ris.Settings())
	assert.Equal(t, fresh.Users(), ris.Users())
	assert.Equal(t, want, answers(t, ris), "and three requests are let through again")
	at := ris.Now()
	require.NoError(t, ris.Advance(time.Minute))
	require.Len(t, ris.Impairments(), 1, "the scenario has begun anew")
	require.NoError(t, ris.Advance(time.Minute))
	assert.Equal(t, at.Add(2*time.Minute), ris.Now())
	assert.Equal(t, "down", ris.Snapshot().Nodes()[1].State.String())
	require.NoError(t, ris.Advance(time.Hour))
	assert.Equal(t, "down", ris.Snapshot().Nodes()[1].State.String(), "what was put off no longer happens")
	assert.Equal(t, "few pass", ris.Finish()[0].ID+" "+ris.Finish()[0].Outcome.String())
}

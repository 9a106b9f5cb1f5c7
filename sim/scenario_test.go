package sim_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// outage is a whole test in fifteen lines: phones move when their node dies.
const outage = `scenario: outage
seed: 42
clock: {start: 2026-04-01T06:00:00Z}
service:
  rateLimit: 5/min
  users: [{name: poller, password: secret, roles: [serviceability]}]
cluster:
  nodes: [{name: pub, role: publisher}, {name: sub1}, {name: sub2}]
  devices: [{group: hq, count: 20, model: Cisco 8845, lines: {from: "4000"}, homes: [sub1, sub2]}]
timeline:
  - {id: dies, at: 5m, do: {node.stop: sub1}}
  - {id: move, after: dies, over: {uniform: [10s, 40s]}, do: {devices.failover: {from: sub1}}}
  - {requests: {match: {operation: selectCmDevice}, from: 2, to: 2}, do: {service.set: {rateLimit: 1/min}}}
expect:
  - {id: moved, after: move, devices: {where: {node: sub2, status: Registered}, count: 20}}
`

func scenarioFS(text string) fstest.MapFS {
	return fstest.MapFS{"tests/s.yaml": {Data: []byte(text)}}
}

func registered(s *sim.Simulator, node string) int {
	return s.Snapshot().Select(cluster.DeviceQuery{Newest: true, Status: cluster.Registered, Node: node}).Found
}

func TestScenario_MovesPhonesOnAdvance(t *testing.T) {
	t.Parallel()
	play := func() string {
		ris := sim.ForTest(t, sim.Options{Scenario: "tests/s.yaml", ScenarioFS: scenarioFS(outage), InMemory: true})
		require.Equal(t, time.Date(2026, 4, 1, 6, 0, 0, 0, time.UTC), ris.Now())
		require.Equal(t, "poller", ris.User)
		require.Equal(t, "secret", ris.Password)
		require.EqualValues(t, 42, ris.Seed())
		require.Equal(t, 20, registered(ris, "sub1"))

		require.NoError(t, ris.Advance(5*time.Minute))
		require.Equal(t, 0, registered(ris, "sub2"), "the node is dead, and no phone has moved yet")
		require.NoError(t, ris.Advance(25*time.Second))
		some := registered(ris, "sub2")
		require.Greater(t, some, 0, "each phone has a delay of its own")
		require.Less(t, some, 20)
		require.NoError(t, ris.Advance(time.Minute))
		require.Equal(t, 20, registered(ris, "sub2"))
		for range 2 {
			askOnce(t, ris)
		}
		verdicts := ris.Finish()
		require.Len(t, verdicts, 1)
		require.Equal(t, scenarios.Pass, verdicts[0].Outcome, verdicts[0].String())
		return ris.Journal().String()
	}
	journal := play()
	require.Equal(t, journal, play(), "run twice, the same happens")
	require.Contains(t, journal, "06:05:00.000  step dies  00:05:00  tests/s.yaml:11  node.stop  sub1")
	require.Contains(t, journal, "SetNodeState sub1 down  by tests/s.yaml:11 dies")
	require.Contains(t, journal, "by tests/s.yaml:12 move")
	require.Contains(t, journal, "rateLimit=1/min")
	require.Contains(t, journal, "step moved  00:05:39.667  tests/s.yaml:15  verdict  pass")
	require.Less(t, strings.LastIndex(journal, "selectCmDevice  poller"), strings.Index(journal, "rateLimit=1/min"), "the second request, then what it sets off")
}

// askOnce makes one request.
func askOnce(t *testing.T, ris *sim.Simulator) {
	t.Helper()
	askAs(t, ris, ris.User, ris.Password)
}

// askAs makes one request as somebody, and gives the status of HTTP.
func askAs(t *testing.T, ris *sim.Simulator, user, password string) int {
	t.Helper()
	body := `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap="http://schemas.cisco.com/ast/soap"><soapenv:Body>` +
		`<soap:selectCmDevice><soap:StateInfo/><soap:CmSelectionCriteria/></soap:selectCmDevice></soapenv:Body></soapenv:Envelope>`
	req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(body))
	require.NoError(t, err)
	req.SetBasicAuth(user, password)
	resp, err := ris.Client().Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// Users change while it runs, for the requests that come then, and what is wrong with that is told and changes nothing.
func TestScenario_UsersChange(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{InMemory: true, Scenario: "tests/s.yaml", ScenarioFS: scenarioFS(`
service: {users: [{name: poller, password: 0ld}, {name: guest, password: guest}]}
timeline:
  - {at: 1m, do: {user.set: {name: poller, password: n3w}}}
  - {at: 2m, do: {user.set: {name: auditor, password: aud1t, roles: [AXL]}}}
  - {at: 3m, do: {user.set: {name: auditor, roles: [AXL, serviceability]}}}
  - {at: 4m, do: {user.remove: guest}}
  - {at: 5m, do: {user.remove: auditor}}
  - {at: 6m, do: {user.remove: poller}}
`)})
	for _, step := range []struct {
		user, password string
		before, after  int
	}{
		{"poller", "n3w", 401, 200}, {"auditor", "aud1t", 401, 403}, {"auditor", "aud1t", 403, 200}, {"guest", "guest", 200, 401},
		{"auditor", "aud1t", 200, 401}, {"poller", "n3w", 200, 200},
	} {
		require.Equal(t, step.before, askAs(t, ris, step.user, step.password), "%s at %s", step.user, ris.Now())
		require.NoError(t, ris.Advance(time.Minute))
		require.Equal(t, step.after, askAs(t, ris, step.user, step.password), "%s at %s", step.user, ris.Now())
	}
	require.Equal(t, []soap.User{{Name: "poller", Password: "n3w"}}, ris.Users())
	journal := ris.Journal().String()
	require.Contains(t, journal, "user.remove  poller, service users: there are no users, so nobody could log in", "the last one stays")
	for _, secret := range []string{"0ld", "n3w", "aud1t"} {
		require.NotContains(t, journal, secret)
	}
	require.Error(t, ris.SetUsers(nil))
	require.NoError(t, ris.SetUsers([]soap.User{{Name: "other", Password: "x"}}))
	require.Equal(t, 401, askAs(t, ris, "poller", "n3w"))
	require.Equal(t, 200, askAs(t, ris, "other", "x"))
}

func TestScenario_OptionsGoFirst(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	ris := sim.ForTest(t, sim.Options{Scenario: "tests/s.yaml", ScenarioFS: scenarioFS(outage), InMemory: true, Seed: 7, Start: at,
		Set: []string{"rateLimit=3"}, Users: []soap.User{{Name: "me", Password: "x"}}})
	require.EqualValues(t, 7, ris.Seed())
	require.Equal(t, at, ris.Now())
	require.Equal(t, "me", ris.User)
}

// What a running simulator cannot do is refused, with its place, and never passed over.
func TestScenario_RefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"elsewhere": {"timeline:\n  - {requests: {match: {node: CUCM-SUB1}, to: 1}, do: {log: x}}\n",
			"tests/s.yaml:2:31: no request arrives at node CUCM-SUB1: clients reach cucm-pub only"},
		"no TLS": {"impairments:\n  - {id: a, match: {node: cucm-sub*}, status: 503}\n  - {id: old, tls: expired}\n",
			"tests/s.yaml:3:5: old has trouble with certificates, and connections have no TLS here"},
		"two":       {"cluster: branch\n", "tests/s.yaml:1:10: the scenario has a cluster, and the options have another one"},
		"outside":   {"cluster: ../s.yaml\n", `"../s.yaml" is outside of the scenario's folder`},
		"no folder": {"cluster: ./none.yaml\n", "tests/s.yaml:1:10: cluster file: ./none.yaml cannot be read: file does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := sim.Options{Scenario: "tests/s.yaml", ScenarioFS: scenarioFS(c.text)}
			if name == "two" {
				o.Cluster = "single"
			}
			o.Plain = name == "no TLS"
			_, err := sim.Start(context.Background(), o)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Of a node that is unknown, or of a text that no node matches, is told once, and not of where requests arrive as well.
func TestScenario_UnknownNodesOfImpairments(t *testing.T) {
	t.Parallel()
	err := sim.Options{InMemory: true, Scenario: "tests/s.yaml", ScenarioFS: scenarioFS(`cluster:
  nodes: [{name: pub}, {name: sub1}]
  devices: [{group: a, count: 3, model: Cisco 8845, homes: [pub]}]
impairments:
  - {match: {node: sbu1}, status: 500}
  - {match: {node: pbu*}, status: 500}
  - {match: {node: sub1}, status: 500}
`)}.Validate()
	var problems scenarios.Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 2)
	require.ErrorContains(t, err, `tests/s.yaml:5:20: unknown node "sbu1"; did you mean "sub1"?`)
	require.ErrorContains(t, err, `tests/s.yaml:6:20: no node matches "pbu*"; did you mean "pub"?`)
	require.Equal(t, 1, strings.Count(err.Error(), "no request arrives at"), "of a node that is there")
	require.ErrorContains(t, err, "tests/s.yaml:7:20: no request arrives at node sub1: clients reach pub only")
}

// A * in what an application opens stands for the devices that it can control.
func TestScenario_OpensByWildcard(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{InMemory: true, Scenario: "tests/s.yaml", ScenarioFS: scenarioFS(`cluster:
  nodes: [{name: pub}, {name: sub, state: down}]
  devices:
    - {group: a, names: [SEP0000000000A1, SEP0000000000A2], model: Cisco 8845}
    - {group: b, names: [SEP0000000000B1], model: Cisco 8845}
  applications: [{name: app, node: pub, opens: {names: [SEP*A*]}}]
`)})
	apps := ris.Snapshot().Applications()
	require.Len(t, apps, 1)
	require.Len(t, apps[0].Devices, 2)
	require.EqualValues(t, "SEP0000000000A1", apps[0].Devices[0].Name)
	require.EqualValues(t, "SEP0000000000A2", apps[0].Devices[1].Name)
	require.Equal(t, cluster.Down, ris.Snapshot().Nodes()[1].State)
	require.Nil(t, sim.ForTest(t, sim.Options{InMemory: true}).Finish(), "there is no scenario")
}

// PlayOut brings a scenario to its end: at once where time stands still, by waiting where it runs.
func TestPlayOut(t *testing.T) {
	t.Parallel()
	text := outage + "  - {id: back, at: 50m, devices: {where: {node: sub1, status: Registered}, count: 0}}\n"
	for _, tt := range []struct {
		name string
		o    sim.Options
	}{{"manual", sim.Options{Manual: true}}, {"by itself", sim.Options{Speed: 20_000}}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := tt.o
			o.Scenario, o.ScenarioFS, o.InMemory = "tests/s.yaml", scenarioFS(text), true
			ris, err := sim.Start(t.Context(), o)
			require.NoError(t, err)
			defer ris.Close()
			require.Equal(t, o.Manual, ris.Manual())
			require.Equal(t, "outage", ris.Scenario().Name)

			ended, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, ris.PlayOut(ended), context.Canceled)
			require.Less(t, ris.Now().Sub(ris.Started()), 50*time.Minute)

			require.NoError(t, ris.PlayOut(t.Context()))
			require.GreaterOrEqual(t, ris.Now().Sub(ris.Started()), 50*time.Minute)
			require.NoError(t, ris.PlayOut(t.Context()), "there is nothing more")
			verdicts := ris.Finish()
			require.Equal(t, scenarios.Pass, scenarios.Sum(verdicts), "%v", verdicts)
		})
	}
	without := sim.ForTest(t, sim.Options{InMemory: true, Cluster: "single"})
	require.NoError(t, without.PlayOut(t.Context()))
	require.Nil(t, without.Scenario())
	require.Equal(t, without.Started(), without.Now())
}

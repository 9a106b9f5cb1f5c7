package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
)

// R6: a device that no node has a record of is simply absent: no item, no error, whatever is asked.
func TestQuery_R6_UnknownToRIS(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Set: []string{"rateLimit=0"}})
	require.NoError(t, ris.Apply(sim.AddDevice(cluster.Device{Name: "SEP0200000000C3", Class: cluster.Phone, Homes: []cluster.NodeName{"sub1"}})))
	for _, operation := range []string{"selectCmDevice", "selectCmDeviceExt"} {
		for _, status := range []string{"Any", "UnRegistered", "Unknown"} {
			got := ask(t, ris, ris.URL, operation, "SelectBy=Name", "Status="+status, "Item=SEP0200000000C3")
			require.Equal(t, 200, got.status)
			require.Equal(t, "0", got.total)
			require.Empty(t, got.names)
		}
	}
	require.Equal(t, []string{"SEP0200000000A1", "SEP0200000000B2"}, ask(t, ris, ris.URL, "selectCmDevice", "Item=*").names)
	require.NoError(t, ris.Apply(sim.Register("SEP0200000000C3", "")))
	require.Equal(t, []string{"SEP0200000000C3"}, ask(t, ris, ris.URL, "selectCmDevice", "Item=*C3").names)
	require.NoError(t, ris.Apply(sim.RestartRIS("sub1"))) // now nobody remembers it again
	require.Empty(t, ask(t, ris, ris.URL, "selectCmDevice", "Item=*C3").names)
}

// Q5: a model number that nobody knows is an advice.
func TestQuery_Q5_UnknownModel(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small()})
	for model, want := range map[string][]string{"684": nil, "255": nil, "4711": {soap.AdviceUnknownModel}} {
		ask(t, ris, ris.URL, "selectCmDevice", "Model="+model, "SelectBy=Name", "Item=SEP*")
		var got []string
		for _, a := range ris.Journal().Tail(1)[0].Exchange.Advice {
			got = append(got, a.ID)
		}
		require.Equal(t, want, got, "model %s", model)
	}
}

// N7: StateInfo is no cursor. Whoever sends it back to get the rest of an answer that was cut off is told that nothing
// changed, and with another query it has that query's answer.
func TestQuery_N7_StateInfoIsNoCursor(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Set: []string{"rateLimit=0"}})
	first := ask(t, ris, ris.URL, "selectCmDevice", "MaxReturnedDevices=1", "Item=*")
	require.Equal(t, []string{"SEP0200000000A1"}, first.names)
	next := ask(t, ris, ris.URL, "selectCmDevice", "MaxReturnedDevices=1", "Item=*", "StateInfo="+first.state)
	require.Empty(t, next.names, "not the second device")
	require.Equal(t, "0", next.total)
	require.Equal(t, first.state, next.state)
	require.NoError(t, ris.Advance(time.Minute))
	require.NoError(t, ris.Apply(sim.Unregister("SEP0200000000B2", cluster.KeepAliveTimeout)))
	other := ask(t, ris, ris.URL, "selectCmDevice", "Item=*B2", "StateInfo="+first.state)
	require.Equal(t, []string{"SEP0200000000B2"}, other.names)
}

// N8: an answer that nothing changed costs no more in a cluster a hundred times as large.
func TestQuery_N8_NoChangeCost(t *testing.T) {
	t.Parallel()
	cost := func(devices int) time.Duration {
		ris := sim.ForTest(t, sim.Options{Devices: devices, InMemory: true, Plain: true})
		q := cluster.DeviceQuery{Status: cluster.Rejected}
		for _, n := range ris.Snapshot().Select(q).Nodes {
			q.Since = append(q.Since, n.Mark)
		}
		require.NoError(t, ris.Apply(sim.RemoveDevices("ANN_2"))) // a change that the query does not match
		snap, least := ris.Snapshot(), time.Hour
		for range 200 { // the least of many: nothing else on the machine can make it smaller
			from := time.Now()
			verdict := snap.Select(q).Since
			least = min(least, time.Since(from))
			require.Equal(t, cluster.Unchanged, verdict)
		}
		return least
	}
	few, many := cost(500), cost(50_000)
	if many > 20*few+20*time.Microsecond {
		t.Errorf("no change takes %v among 50,000 devices and %v among 500", many, few)
	}
	t.Logf("no change: %v among 50,000 devices, %v among 500", many, few)
}

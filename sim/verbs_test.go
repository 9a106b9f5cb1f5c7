package sim_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
)

const verbPhone = cluster.DeviceName("SEP0A0000000001")

// verbCluster is two nodes, one phone with two lines that is registered with sub1, and an application that has it open.
func verbCluster() *cluster.Config {
	return &cluster.Config{
		Nodes: []cluster.Node{{Name: "pub", Publisher: true}, {Name: "sub1"}},
		Devices: []cluster.Device{{Name: verbPhone, Class: cluster.Phone, Protocol: cluster.SIP, Model: 36224,
			Lines: []string{"1001", "1002"}, Homes: []cluster.NodeName{"sub1", "pub"}}},
		Registrations: []cluster.Registration{{Device: verbPhone, Node: "sub1", Record: cluster.Record{
			Status: cluster.Registered, TimeStamp: 1, ActiveLoad: "sip.1", Download: cluster.UnknownDownload,
			Lines: []cluster.Line{{Number: "1001", Status: cluster.Registered}, {Number: "1002", Status: cluster.Registered}}}}},
		Applications: []cluster.Application{{Name: "uccx", Instance: 1, User: "u", Node: "pub", Status: cluster.Open, TimeStamp: 1}},
	}
}

func verbRecord(ris *sim.Simulator, node cluster.NodeName) cluster.Record {
	for _, r := range ris.Snapshot().Records(verbPhone) {
		if r.Node == node {
			return *r.Record
		}
	}
	return cluster.Record{}
}

// V1 V2 V4 V5 V6 R5: each verb does what it says, in a snapshot that holds together.
func TestVerbs(t *testing.T) {
	for _, c := range []struct {
		name string
		do   []cluster.Change
		want func(s *sim.Simulator) any
		is   any
	}{
		{"Unregister", []cluster.Change{sim.Unregister(verbPhone, cluster.KeepAliveTimeout)}, func(s *sim.Simulator) any { return verbRecord(s, "sub1").Reason }, cluster.KeepAliveTimeout},
		{"Register elsewhere", []cluster.Change{sim.Register(verbPhone, "pub")}, func(s *sim.Simulator) any { return verbRecord(s, "pub").Status }, cluster.Registered},
		{"Reject", []cluster.Change{sim.Reject(verbPhone, "", cluster.AuthenticationError)}, func(s *sim.Simulator) any { return verbRecord(s, "sub1").Status }, cluster.Rejected},
		{"PartiallyRegister", []cluster.Change{sim.PartiallyRegister(verbPhone, "1001")}, func(s *sim.Simulator) any { return verbRecord(s, "sub1").Lines[0].Status }, cluster.UnRegistered},
		{"Failover", []cluster.Change{sim.Failover(verbPhone, "")}, func(s *sim.Simulator) any { return verbRecord(s, "pub").Status }, cluster.Registered},
		{"Fallback", []cluster.Change{sim.Failover(verbPhone, "pub"), sim.Fallback(verbPhone)}, func(s *sim.Simulator) any { return verbRecord(s, "pub").Reason }, cluster.FallbackInitiated},
		{"Readdress IPv4", []cluster.Change{sim.Readdress(verbPhone, netip.MustParseAddr("10.0.0.9"))}, func(s *sim.Simulator) any { return verbRecord(s, "sub1").IPv4.String() }, "10.0.0.9"},
		{"Readdress IPv6", []cluster.Change{sim.Readdress(verbPhone, netip.MustParseAddr("fd00::9"))}, func(s *sim.Simulator) any { return verbRecord(s, "sub1").IPv6.String() }, "fd00::9"},
		{"Login", []cluster.Change{sim.Login(verbPhone, "anna", "2001")}, func(s *sim.Simulator) any { return verbRecord(s, "sub1").Lines[0].Number }, "2001"},
		{"Logout", []cluster.Change{sim.Login(verbPhone, "anna", "2001"), sim.Logout(verbPhone)}, func(s *sim.Simulator) any { return verbRecord(s, "sub1").LoginUser }, ""},
		{"AddDevice", []cluster.Change{sim.AddDevice(cluster.Device{Name: "X", Class: cluster.SIPTrunk}), sim.Register("X", "pub")}, func(s *sim.Simulator) any { return len(s.Snapshot().Records("x")) }, 1},
		{"RemoveDevices", []cluster.Change{sim.RemoveDevices(verbPhone)}, func(s *sim.Simulator) any { return s.Snapshot().Len() }, 0},
		{"StopNode", []cluster.Change{sim.StopNode("sub1")}, func(s *sim.Simulator) any { return s.Snapshot().Nodes()[1].State }, cluster.Down},
		{"StartNode", []cluster.Change{sim.StopNode("sub1"), sim.StartNode("sub1")}, func(s *sim.Simulator) any { return s.Snapshot().Nodes()[1].Registered }, 1},
		{"IsolateNode", []cluster.Change{sim.IsolateNode("sub1")}, func(s *sim.Simulator) any { return s.Snapshot().Nodes()[1].State }, cluster.Isolated},
		{"BreakRIS", []cluster.Change{sim.BreakRIS("sub1")}, func(s *sim.Simulator) any { return s.Snapshot().Nodes()[1].State }, cluster.Broken},
		{"RestartRIS", []cluster.Change{sim.RestartRIS("sub1")}, func(s *sim.Simulator) any { return s.Snapshot().Nodes()[1].Records }, 0},
		{"CloseApplication", []cluster.Change{sim.CloseApplication("uccx", 2)}, func(s *sim.Simulator) any { return s.Snapshot().Applications()[0].Status }, cluster.Closed},
		{"OpenApplication", []cluster.Change{sim.CloseApplication("uccx", 2), sim.OpenApplication("uccx")}, func(s *sim.Simulator) any { return s.Snapshot().Applications()[0].Status }, cluster.Open},
		{"FailApplication", []cluster.Change{sim.FailApplication("uccx", 3)}, func(s *sim.Simulator) any { return s.Snapshot().Applications()[0].Status }, cluster.OpenFailed},
		{"Connect", []cluster.Change{sim.Connect(cluster.Application{Name: "b", Node: "sub1", Status: cluster.Open})}, func(s *sim.Simulator) any { return len(s.Snapshot().Applications()) }, 2},
		{"OpenDevices", []cluster.Change{sim.OpenDevices("uccx", verbPhone)}, func(s *sim.Simulator) any { return len(s.Snapshot().Applications()[0].Devices[0].Lines) }, 2},
		{"CloseDevices", []cluster.Change{sim.OpenDevices("uccx", verbPhone), sim.CloseDevices("uccx", 4)}, func(s *sim.Simulator) any { return s.Snapshot().Applications()[0].Devices[0].Reason }, uint32(4)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ris := sim.ForTest(t, sim.Options{Config: verbCluster(), InMemory: true, Plain: true})
			require.NoError(t, ris.Advance(time.Hour))
			require.NoError(t, ris.Apply(c.do...))
			require.Equal(t, c.is, c.want(ris))
			require.NoError(t, ris.Snapshot().Check())
		})
	}
}

// V3: a download as it goes by.
func TestUpgrade_GoesByInTime_V3(t *testing.T) {
	ris := sim.ForTest(t, sim.Options{Config: verbCluster(), InMemory: true, Plain: true})
	require.NoError(t, ris.Upgrade(sim.Upgrade{Device: verbPhone, Load: "sip.2", Server: "10.0.0.5", Download: 2 * time.Minute, Reset: time.Minute}))
	states := func() []any {
		r := verbRecord(ris, "sub1")
		return []any{r.Download, r.Status, r.ActiveLoad, r.InactiveLoad}
	}
	require.Equal(t, []any{cluster.Upgrading, cluster.Registered, "sip.1", "sip.2"}, states())
	require.NoError(t, ris.Advance(119*time.Second))
	require.Equal(t, []any{cluster.Upgrading, cluster.Registered, "sip.1", "sip.2"}, states())
	require.NoError(t, ris.Advance(time.Second))
	require.Equal(t, []any{cluster.Successful, cluster.UnRegistered, "sip.1", "sip.2"}, states())
	require.Equal(t, cluster.CallManagerReset, verbRecord(ris, "sub1").Reason)
	require.NoError(t, ris.Advance(time.Minute))
	require.Equal(t, []any{cluster.Successful, cluster.Registered, "sip.2", "sip.1"}, states())
	require.Len(t, ris.Journal(), 3)
	require.NoError(t, ris.Snapshot().Check())
}

// V3: a failed download keeps the active load; what can no longer happen ends the upgrade.
func TestUpgrade_Fails_V3(t *testing.T) {
	ris := sim.ForTest(t, sim.Options{Config: verbCluster(), InMemory: true, Plain: true})
	require.NoError(t, ris.Upgrade(sim.Upgrade{Device: verbPhone, Load: "sip.2", Failure: "File not found"}))
	require.NoError(t, ris.Advance(time.Hour))
	r := verbRecord(ris, "sub1")
	require.Equal(t, []any{cluster.Failed, cluster.Registered, "sip.1", "File not found"}, []any{r.Download, r.Status, r.ActiveLoad, r.DownloadFailure})

	require.NoError(t, ris.Upgrade(sim.Upgrade{Device: verbPhone, Load: "sip.2"}))
	require.NoError(t, ris.Apply(sim.RemoveDevices(verbPhone)))
	require.NoError(t, ris.Advance(time.Hour))
	require.ErrorContains(t, ris.Upgrade(sim.Upgrade{Device: verbPhone, Load: "sip.2"}), "is not in the cluster")
	require.EqualError(t, ris.Upgrade(sim.Upgrade{Device: verbPhone, Reset: -1}), `upgrade of "SEP0A0000000001": download 0s and reset -1ns must not be negative`)
}

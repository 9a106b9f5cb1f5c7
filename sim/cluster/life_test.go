package cluster_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

// world is a cluster of a publisher and two subscribers with one phone that has two lines, registered with sub1.
type world struct {
	*testing.T
	*cluster.Store
	now time.Time
}

const phone = cluster.DeviceName("SEP0011")

func newWorld(t *testing.T) *world {
	s, err := cluster.New(start, cluster.Config{
		Nodes: []cluster.Node{{Name: "sub1"}, {Name: "pub", Publisher: true}, {Name: "sub2"}},
		Devices: []cluster.Device{
			{Name: phone, Class: cluster.Phone, Model: 7, Lines: []string{"1001", "1002"}, Homes: []cluster.NodeName{"sub1", "sub2"}},
			{Name: "SEP0022", Class: cluster.Phone, Model: 7, Lines: []string{"1003"}, Homes: []cluster.NodeName{"sub2"}},
			{Name: "SEPNEW", Class: cluster.Phone, Model: 7, Lines: []string{"1004"}},
		},
		Registrations: []cluster.Registration{
			{Device: phone, Node: "sub1", Record: cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - 60, Attempts: cluster.Some(0),
				Lines: []cluster.Line{{Number: "1001", Status: cluster.Registered}, {Number: "1002", Status: cluster.Registered}},
				IPv4:  netip.MustParseAddr("10.1.1.1"), ActiveLoad: "load.1", Download: cluster.UnknownDownload}},
			{Device: "SEP0022", Node: "sub2", Record: cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - 60}},
		},
		Applications: []cluster.Application{{Name: "uccx", Instance: 7, Address: netip.MustParseAddr("10.9.9.9"), User: "u", Node: "pub", Status: cluster.Open, TimeStamp: 5,
			Devices: []cluster.CtiDevice{
				{Name: phone, Status: cluster.Open, TimeStamp: 6, Lines: []cluster.CtiLine{{Number: "1001", Status: cluster.Open, TimeStamp: 7}}},
				{Name: "SEP0022", Status: cluster.OpenFailed, Reason: 9, TimeStamp: 6},
			}}},
	})
	require.NoError(t, err)
	return &world{t, s, start}
}

// does applies changes a minute later and checks the invariants.
func (w *world) does(changes ...cluster.Change) {
	w.Helper()
	w.now = w.now.Add(time.Minute)
	require.NoError(w, w.Apply(w.now, changes...))
	require.NoError(w, w.Snapshot().Check())
}

// refuses expects an error and no trace of the changes.
func (w *world) refuses(want string, changes ...cluster.Change) {
	w.Helper()
	before := w.Snapshot()
	require.EqualError(w, w.Apply(w.now.Add(time.Minute), changes...), want)
	require.Same(w, before, w.Snapshot())
}

func (w *world) record(device cluster.DeviceName, node cluster.NodeName) *cluster.Record {
	w.Helper()
	for _, r := range w.Snapshot().Records(device) {
		if r.Node == node {
			return r.Record
		}
	}
	return nil
}

func (w *world) stateID(node cluster.NodeName) uint64 {
	return w.Snapshot().Nodes()[nodeIndex(w.Snapshot(), node)].StateID
}

func TestNew_PublisherFirstThenConfiguredOrder_R3(t *testing.T) {
	var got []cluster.NodeName
	for _, n := range newWorld(t).Snapshot().Nodes() {
		got = append(got, n.Name)
	}
	require.Equal(t, []cluster.NodeName{"pub", "sub1", "sub2"}, got)
}

func TestNew_ReportsAllThatIsWrong(t *testing.T) {
	_, err := cluster.New(start, cluster.Config{
		Nodes:   []cluster.Node{{Name: "a", Publisher: true, Address: netip.MustParseAddr("10.0.0.1")}, {Name: "A", Publisher: true, Address: netip.MustParseAddr("10.0.0.1")}, {}},
		Devices: []cluster.Device{{Name: "X", Class: cluster.Phone, Homes: []cluster.NodeName{"b"}}, {Name: "x", Class: cluster.Phone}, {Name: "Y"}},
		Registrations: []cluster.Registration{
			{Device: "Z", Node: "a"},
			{Device: "Y", Node: "q", Record: cluster.Record{Status: cluster.Registered}},
			{Device: "Y", Node: "a", Record: cluster.Record{Status: cluster.Registered, Reason: cluster.KeepAliveTimeout, IPv6: netip.MustParseAddr("10.0.0.9")}},
			{Device: "Y", Node: "a", Record: cluster.Record{Status: cluster.PartiallyRegistered, Lines: []cluster.Line{{Number: "1", Status: cluster.PartiallyRegistered}}}},
		},
		Applications: []cluster.Application{{Name: "app", Node: "nowhere", Status: cluster.Open}, {Name: "bad", Node: "a"}},
	})
	require.EqualError(t, err, `node "A": there is already a node of this name
node "A": node "a" has the same address
node 3 of the configuration has no name
2 nodes are publishers; a cluster has at most one
device "X": node "b" is not in the cluster (has a, A, )
device "Y" has no class; expected one of Phone, Gateway, H323, Cti, VoiceMail, MediaResources, SIPTrunk, HuntList, Unknown
device "x": there is already a device of this name
registration 1: device "Z" is not in the cluster
registration of "Y": node "q" is not in the cluster (has a, A, )
device "Y" on node "a": Registered has reason KeepAliveTimeout, expected none
device "Y" on node "a": 10.0.0.9 is not an IPv6 address
device "Y" on node "a": line 1 is PartiallyRegistered; expected Registered, UnRegistered, Rejected or Unknown
device "Y" on node "a": PartiallyRegistered needs some lines Registered and others not, has 0 and 0
registration of "Y" on "a" is given twice
application "app--0": node "nowhere" is not in the cluster (has a, A, )
application "bad--0" has no status; expected one of Open, Closed, OpenFailed, Unknown`)
}

func TestApply_AllOrNothing(t *testing.T) {
	w := newWorld(t)
	w.refuses("change 2 is nil", cluster.Unregister{Device: phone}, nil)
	w.refuses("device \"nobody\" is not in the cluster\nnode \"nowhere\" is not in the cluster (has pub, sub1, sub2)",
		cluster.Unregister{Device: phone}, cluster.Unregister{Device: "nobody"}, cluster.SetNodeState{Node: "nowhere"})
	require.Equal(t, cluster.Registered, w.record(phone, "sub1").Status)
}

func TestApply_RaisesOnlyTheStateIdOfTheNodeConcerned_N2(t *testing.T) {
	w := newWorld(t)
	pub, sub1, sub2 := w.stateID("pub"), w.stateID("sub1"), w.stateID("sub2")
	w.does(cluster.Unregister{Device: phone, Reason: cluster.KeepAliveTimeout})
	require.Equal(t, []uint64{pub, sub1 + 1, sub2}, []uint64{w.stateID("pub"), w.stateID("sub1"), w.stateID("sub2")})
	require.Equal(t, sub1+1, w.record(phone, "sub1").StateID)
}

func TestReject_RaisesAttempts_V1_R8(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.Reject{Device: phone, Reason: cluster.DatabaseConfigurationError})
	w.does(cluster.Reject{Device: phone, Reason: cluster.DatabaseConfigurationError})
	r := w.record(phone, "sub1")
	require.Equal(t, cluster.Some(2), r.Attempts)
	require.Equal(t, cluster.Rejected, r.Status)
	require.Equal(t, cluster.Rejected, r.Lines[0].Status)
	require.Equal(t, w.now.Unix(), r.TimeStamp, "R9: the time of the change of status")
	w.does(cluster.Register{Device: phone})
	require.Equal(t, cluster.Some(2), w.record(phone, "sub1").Attempts, "how many it took")
	w.does(cluster.Reject{Device: phone})
	require.Equal(t, cluster.Some(1), w.record(phone, "sub1").Attempts, "a new round of attempts")
}

func TestPartiallyRegister_SomeLinesOnly_V1_R7(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.PartiallyRegister{Device: phone})
	r := w.record(phone, "sub1")
	require.Equal(t, cluster.PartiallyRegistered, r.Status)
	require.Equal(t, []cluster.Line{{Number: "1001", Status: cluster.Registered}, {Number: "1002", Status: cluster.UnRegistered}}, r.Lines)
	w.refuses(`device "SEP0022" on node "sub2": PartiallyRegistered needs some lines Registered and others not, has 0 and 1`, cluster.PartiallyRegister{Device: "SEP0022"})
	w.refuses(`device "SEP0011" has no line "9"`, cluster.PartiallyRegister{Device: phone, Down: []string{"9"}})
	w.does(cluster.Register{Device: phone})
	require.Equal(t, cluster.Registered, w.record(phone, "sub1").Lines[1].Status)
}

func TestFailover_LeavesAnOlderRecord_V2(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.SetNodeState{Node: "sub1", State: cluster.Down})
	w.does(cluster.Failover{Device: phone})
	left, taken := w.record(phone, "sub1"), w.record(phone, "sub2")
	require.Equal(t, cluster.UnRegistered, left.Status)
	require.Equal(t, cluster.KeepAliveTimeout, left.Reason)
	require.Equal(t, []cluster.Line{{Number: "1001", Status: cluster.UnRegistered}, {Number: "1002", Status: cluster.UnRegistered}}, left.Lines)
	require.Equal(t, cluster.Registered, taken.Status)
	require.Greater(t, taken.TimeStamp, left.TimeStamp)
	require.Equal(t, left.IPv4, taken.IPv4)

	w.does(cluster.SetNodeState{Node: "sub1"}, cluster.Fallback{Device: phone})
	left, taken = w.record(phone, "sub2"), w.record(phone, "sub1")
	require.Equal(t, cluster.UnRegistered, left.Status)
	require.Equal(t, cluster.FallbackInitiated, left.Reason)
	require.Equal(t, cluster.Registered, taken.Status)
	require.Greater(t, taken.TimeStamp, left.TimeStamp)
	before := taken
	w.does(cluster.Fallback{Device: phone})
	require.Equal(t, before, w.record(phone, "sub1"), "falling back to where it is changes nothing")
	w.refuses(`device "SEP0022" has no home that is up (homes: sub2)`, cluster.Failover{Device: "SEP0022"})
}

func TestRegister_TakesTheDeviceFromOtherNodes_V1(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.Register{Device: phone, Node: "pub", IPv4: netip.MustParseAddr("10.1.1.2"), Load: "load.2"})
	require.Equal(t, cluster.DeviceUnregistered, w.record(phone, "sub1").Reason)
	require.Equal(t, "10.1.1.2", w.record(phone, "pub").IPv4.String())
	require.Equal(t, "load.2", w.record(phone, "pub").ActiveLoad)
	w.refuses(`device "SEPNEW" has no home that is up (homes: none)`, cluster.Register{Device: "SEPNEW"})
	w.does(cluster.Register{Device: "SEPNEW", Node: "sub2"})
	require.Equal(t, []cluster.Line{{Number: "1004", Status: cluster.Registered}}, w.record("SEPNEW", "sub2").Lines)
}

func TestDownload_SucceedsThenResetsThenExchangesLoads_V3(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.BeginDownload{Device: phone, Load: "load.2", Server: "10.0.0.5"})
	r := w.record(phone, "sub1")
	require.Equal(t, []any{cluster.Upgrading, "load.1", "load.2", "10.0.0.5", start.Unix() - 60}, []any{r.Download, r.ActiveLoad, r.InactiveLoad, r.DownloadServer, r.TimeStamp})
	w.does(cluster.EndDownload{Device: phone})
	require.Equal(t, cluster.Successful, w.record(phone, "sub1").Download)
	w.does(cluster.Unregister{Device: phone, Reason: cluster.CallManagerReset})
	w.does(cluster.ActivateLoad{Device: phone})
	r = w.record(phone, "sub1")
	require.Equal(t, []any{cluster.Registered, "load.2", "load.1"}, []any{r.Status, r.ActiveLoad, r.InactiveLoad})
}

func TestDownload_FailsAndKeepsTheActiveLoad_V3(t *testing.T) {
	w := newWorld(t)
	w.refuses(`device "SEP0011" is not downloading: Unknown`, cluster.EndDownload{Device: phone})
	w.refuses(`device "SEP0011" has no downloaded load to activate`, cluster.ActivateLoad{Device: phone})
	w.does(cluster.BeginDownload{Device: phone, Load: "load.2", Server: "10.0.0.5"}, cluster.EndDownload{Device: phone, Failure: "File not found"})
	r := w.record(phone, "sub1")
	require.Equal(t, []any{cluster.Failed, "load.1", "File not found"}, []any{r.Download, r.ActiveLoad, r.DownloadFailure})
}

func TestLogin_SetsUserAndLinesAndLogoutClearsThem_V4(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.Login{Device: phone, User: "anna", Lines: []string{"2001"}})
	r := w.record(phone, "sub1")
	require.Equal(t, []any{"anna", []cluster.Line{{Number: "2001", Status: cluster.Registered}}, w.now.Unix()}, []any{r.LoginUser, r.Lines, r.TimeStamp})
	w.does(cluster.Failover{Device: phone})
	require.Equal(t, "2001", w.record(phone, "sub2").Lines[0].Number, "the user stays logged in")
	w.does(cluster.Logout{Device: phone})
	r = w.record(phone, "sub2")
	require.Empty(t, r.LoginUser)
	require.Equal(t, "1001", r.Lines[0].Number)
	w.refuses(`device "SEP0011": nobody is logged in`, cluster.Logout{Device: phone})
}

func TestRestartRIS_ForgetsEverything_V5(t *testing.T) {
	w := newWorld(t)
	was := w.Snapshot().Nodes()[nodeIndex(w.Snapshot(), "sub1")]
	w.does(cluster.RestartRIS{Node: "sub1"})
	is := w.Snapshot().Nodes()[nodeIndex(w.Snapshot(), "sub1")]
	require.Greater(t, is.Started, was.Started)
	require.Greater(t, is.CtiStarted, was.CtiStarted)
	require.NotEqual(t, is.Started, is.CtiStarted, "N2: the subsystems differ")
	require.Zero(t, is.Records)
	require.Nil(t, w.record(phone, "sub1"))
	require.LessOrEqual(t, is.StateID, uint64(1), "StateIds count from the start")
	require.NoError(t, w.Apply(w.now, cluster.RestartRIS{Node: "sub1"}))
	again := w.Snapshot().Nodes()[nodeIndex(w.Snapshot(), "sub1")]
	require.Greater(t, again.Started, is.Started, "never the same start time twice")
	require.Greater(t, again.CtiStarted, is.CtiStarted)
	w.does(cluster.Register{Device: phone, Node: "sub1"})
	require.NotNil(t, w.record(phone, "sub1"))
}

func TestSetNodeState_RecordsComeBackWithTheNode_R5(t *testing.T) {
	w := newWorld(t)
	for state, code := range map[cluster.NodeState]cluster.ReturnCode{cluster.Down: cluster.NodeNotResponding, cluster.Isolated: cluster.NodeNotResponding, cluster.Broken: cluster.InternalError} {
		w.does(cluster.SetNodeState{Node: "sub1", State: state})
		res := w.Snapshot().Select(cluster.DeviceQuery{})
		require.Equal(t, code, res.Nodes[1].Code)
		require.Empty(t, res.Nodes[1].Devices)
		require.Equal(t, 1, res.Found, "the other nodes answer")
	}
	w.does(cluster.SetNodeState{Node: "sub1"})
	require.Equal(t, 2, w.Snapshot().Select(cluster.DeviceQuery{}).Found)
}

func TestReaddress_FoundByTheNewAddressOnly(t *testing.T) {
	w := newWorld(t)
	by := func(a string) int {
		return w.Snapshot().Select(cluster.DeviceQuery{By: cluster.ByIPv4, Items: []string{a}}).Found
	}
	require.Equal(t, 1, by("10.1.1.1"))
	w.does(cluster.Readdress{Device: phone, IPv4: netip.MustParseAddr("10.1.1.77")})
	require.Equal(t, []int{0, 1}, []int{by("10.1.1.1"), by("10.1.1.77")})
}

func TestApplication_LosingTheProviderClosesWhatItOpened_V6(t *testing.T) {
	w := newWorld(t)
	app := func() *cluster.Application { return w.Snapshot().Applications()[0] }
	w.does(cluster.CloseApplication{Name: "uccx", Reason: 2})
	a := app()
	now := w.now.Unix()
	require.Equal(t, []any{cluster.Closed, uint32(2), now}, []any{a.Status, a.Reason, a.TimeStamp})
	require.Equal(t, []any{cluster.Closed, uint32(2), now}, []any{a.Devices[0].Status, a.Devices[0].Reason, a.Devices[0].TimeStamp})
	require.Equal(t, []any{cluster.Closed, uint32(2), now}, []any{a.Devices[0].Lines[0].Status, a.Devices[0].Lines[0].Reason, a.Devices[0].Lines[0].TimeStamp})
	require.Equal(t, cluster.OpenFailed, a.Devices[1].Status, "what failed to open stays so")

	w.refuses(`application "uccx-10.9.9.9-7" cannot open devices: it is Closed`, cluster.OpenDevices{Name: "uccx", Devices: []cluster.DeviceName{phone}})
	w.does(cluster.OpenApplication{Name: "uccx-10.9.9.9-7"})
	require.Equal(t, cluster.Open, app().Devices[1].Status)
	w.does(cluster.OpenDevices{Name: "uccx", Devices: []cluster.DeviceName{"SEPNEW"}, ControlsMedia: true})
	require.Equal(t, "1004", app().Devices[2].Lines[0].Number)
	w.does(cluster.CloseDevices{Name: "uccx", Devices: []cluster.DeviceName{"sepnew"}, Reason: 4})
	require.Equal(t, []any{cluster.Closed, uint32(4)}, []any{app().Devices[2].Status, app().Devices[2].Lines[0].Reason})
	w.refuses(`application "uccx-10.9.9.9-7" has not opened device "nobody"`, cluster.CloseDevices{Name: "uccx", Devices: []cluster.DeviceName{"nobody"}})
	w.does(cluster.FailApplication{Name: "uccx", Node: "pub", Reason: 5})
	require.Equal(t, []any{cluster.OpenFailed, uint32(5)}, []any{app().Status, app().Reason})
	w.refuses(`application "none" is not connected with any node`, cluster.CloseApplication{Name: "none"})
	w.refuses(`application "uccx" is not connected with node sub1`, cluster.CloseApplication{Name: "uccx", Node: "sub1"})
}

func TestReasons_NumbersByEdition_R8(t *testing.T) {
	for _, c := range []struct {
		name                         string
		documented, field, rejection uint32
	}{
		{"ConnectivityError", 2, 6, 6},
		{"PowerSavePlus", 19, 21, 1},
		{"EMLoginLogout", 1, 19, 1},
		{"keepalivetimeout", 13, 13, 1},
		{"AuthenticationError", 1, 1, 10},
		{"FallbackInitiated", 1, 28, 1},
		{"LowBattery", 1, 33, 1},
		{"ManualPowerOff", 1, 34, 1},
		{"Unknown", 1, 1, 1},
		{"6", 6, 6, 6},
		{"0", 0, 0, 0},
		{"32767", 32767, 32767, 32767},
	} {
		r, err := cluster.ParseReason(c.name)
		require.NoError(t, err)
		got := []uint32{
			cluster.DocumentedReasons.Number(cluster.UnRegistered, r),
			cluster.FieldReasons.Number(cluster.UnRegistered, r),
			cluster.FieldReasons.Number(cluster.Rejected, r),
		}
		require.Equal(t, []uint32{c.documented, c.field, c.rejection}, got, c.name)
		again, err := cluster.ParseReason(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
	}
	for _, bad := range []string{"", "-1", "32768", "KeepAlive"} {
		_, err := cluster.ParseReason(bad)
		require.ErrorContains(t, err, "neither a known cause")
	}
}

// N6: history that has rolled over, marks from the future, of nodes that were not asked, given twice.
func TestNoChange_UnusableMarks_N6(t *testing.T) {
	w := newWorld(t)
	q := cluster.DeviceQuery{}
	full := w.Snapshot().Select(q)
	marks := func(edit func([]cluster.Mark) []cluster.Mark) cluster.Verdict {
		q.Since = edit(marksOf(full.Nodes, func(n cluster.NodeDevices) cluster.NodeAnswer { return n.NodeAnswer }))
		return w.Snapshot().Select(q).Since
	}
	require.Equal(t, cluster.Unchanged, marks(func(m []cluster.Mark) []cluster.Mark { return m }))
	require.Equal(t, cluster.RolledOver, marks(func(m []cluster.Mark) []cluster.Mark { m[0].StateID++; return m }))
	require.Equal(t, cluster.Changed, marks(func(m []cluster.Mark) []cluster.Mark { m[0].Started++; return m }))
	require.Equal(t, cluster.Changed, marks(func(m []cluster.Mark) []cluster.Mark { return m[1:] }), "a node appeared")
	require.Equal(t, cluster.Foreign, marks(func(m []cluster.Mark) []cluster.Mark { m[0].Node = "other"; return m }))
	require.Equal(t, cluster.Foreign, marks(func(m []cluster.Mark) []cluster.Mark { return append(m, m[0]) }))
	q.Node = "pub"
	require.Equal(t, cluster.Foreign, marks(func(m []cluster.Mark) []cluster.Mark { return m }), "names nodes that were not asked")
	require.Equal(t, cluster.Unchanged, marks(func(m []cluster.Mark) []cluster.Mark { return m[:1] }))
}

// N5: knob noChange per-node.
func TestNoChange_PerNode_N5(t *testing.T) {
	w := newWorld(t)
	q := cluster.DeviceQuery{PerNode: true, Limit: 1}
	full := w.Snapshot().Select(q)
	q.Since = marksOf(full.Nodes, func(n cluster.NodeDevices) cluster.NodeAnswer { return n.NodeAnswer })
	w.does(cluster.Unregister{Device: "SEP0022"})
	res := w.Snapshot().Select(q)
	require.Equal(t, cluster.Changed, res.Since)
	require.True(t, res.Nodes[0].NoChange)
	require.True(t, res.Nodes[1].NoChange)
	require.Equal(t, cluster.Ok, res.Nodes[1].Code)
	require.Empty(t, res.Nodes[1].Devices)
	require.False(t, res.Nodes[2].NoChange)
	require.Equal(t, cluster.DeviceName("SEP0022"), res.Nodes[2].Devices[0].Name(), "unchanged nodes do not use up the limit")
}

func TestSelect_CaseOnlyMatchIsTold_W6(t *testing.T) {
	s := newWorld(t).Snapshot()
	for item, want := range map[string]string{"SEP0011": "", "sep0011": "sep0011", "sEp*": "sEp*", "*": "", "SEP*": "", "nobody": ""} {
		require.Equal(t, want, s.Select(cluster.DeviceQuery{Items: []string{item}}).CaseOnly, item)
	}
	require.Equal(t, "UCCX*", s.SelectCti(cluster.CtiQuery{Apps: []string{"UCCX*"}}).CaseOnly)
}

// W1 W2 W3 W7: items beside each other, one within the other, and addresses in other spellings.
func TestSelect_ItemsOverlap_Q9(t *testing.T) {
	w := newWorld(t)
	names := func(by cluster.SelectBy, items ...string) (out []cluster.DeviceName) {
		for _, n := range w.Snapshot().Select(cluster.DeviceQuery{By: by, Items: items}).Nodes {
			for _, d := range n.Devices {
				out = append(out, d.Name())
			}
		}
		return out
	}
	both := []cluster.DeviceName{phone, "SEP0022"}
	require.Equal(t, both, names(cluster.ByName, "SEP*", "SEP0011", "SEP001*", "SEP0022"))
	require.Equal(t, []cluster.DeviceName{phone}, names(cluster.ByIPv4, "::ffff:10.1.1.1"))
	require.Equal(t, []cluster.DeviceName{phone}, names(cluster.ByDirNumber, "1001", "1002"), "once, though both lines match")
	require.Empty(t, names(cluster.ByDirNumber, "1001-Registered"))
}

func TestDeviceResult_TwiceNamesADeviceOfSeveralNodes_R1(t *testing.T) {
	w := newWorld(t)
	twice := func(q cluster.DeviceQuery) cluster.DeviceName {
		res := w.Snapshot().Select(q)
		return res.Twice()
	}
	require.Empty(t, twice(cluster.DeviceQuery{}))
	w.does(cluster.Failover{Device: "SEP0022", To: "pub"})
	require.Equal(t, cluster.DeviceName("SEP0022"), twice(cluster.DeviceQuery{}))
	require.Empty(t, twice(cluster.DeviceQuery{Newest: true}))
	require.Empty(t, twice(cluster.DeviceQuery{Limit: 2}), "the second one was cut off")
	require.Empty(t, twice(cluster.DeviceQuery{Items: []string{"SEP0011"}}))
}

// R2 N3: a collated answer of one node changes when another node's record becomes, or stops being, the newest.
func TestNoChange_CollatedAnswerOfOneNode_R2_N3(t *testing.T) {
	w := newWorld(t)
	at := func(node cluster.NodeName, age int64) cluster.SetRecord {
		return cluster.SetRecord{Registration: cluster.Registration{Device: "SEPNEW", Node: node, Record: cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - age}}}
	}
	w.does(at("sub1", 50), at("sub2", 40))
	ask := func(since []cluster.Mark) cluster.DeviceResult {
		return w.Snapshot().Select(cluster.DeviceQuery{Newest: true, Node: "sub1", Items: []string{"SEPNEW"}, Since: since})
	}
	res := ask(nil)
	require.Equal(t, 0, res.Found)
	w.does(cluster.DropRecord{Device: "SEPNEW", Node: "sub2"})
	res = ask([]cluster.Mark{res.Nodes[0].Mark})
	require.Equal(t, []any{cluster.Changed, 1}, []any{res.Since, res.Found}, "sub1 has the newest record now")
	w.does(at("pub", 10))
	res = ask([]cluster.Mark{res.Nodes[0].Mark})
	require.Equal(t, []any{cluster.Changed, 0}, []any{res.Since, res.Found}, "now pub has")
}

func TestSetRecord_TimeStampsNeverGoBack_R9(t *testing.T) {
	w := newWorld(t)
	r := *w.record(phone, "sub1")
	was := r.TimeStamp
	r.TimeStamp -= 1000
	w.does(cluster.SetRecord{Registration: cluster.Registration{Device: phone, Node: "sub1", Record: r}})
	require.Equal(t, was, w.record(phone, "sub1").TimeStamp)
	require.NoError(t, w.Apply(start.Add(-time.Hour), cluster.Unregister{Device: phone}))
	require.GreaterOrEqual(t, w.record(phone, "sub1").TimeStamp, w.now.Unix(), "nor does the cluster's time")
}

// C1 N2 N3: each part of a connection changes for itself.
func TestNoChange_PartsOfAConnection_C1_N3(t *testing.T) {
	w := newWorld(t)
	since := func(class cluster.CtiClass, marks []cluster.Mark) cluster.CtiResult {
		return w.Snapshot().SelectCti(cluster.CtiQuery{Class: class, Since: marks})
	}
	marks := marksOf(since(cluster.CtiLines, nil).Nodes, func(n cluster.NodeCti) cluster.NodeAnswer { return n.NodeAnswer })
	verdicts := func() (out []cluster.Verdict) {
		for _, class := range []cluster.CtiClass{cluster.Provider, cluster.CtiDevices, cluster.CtiLines} {
			out = append(out, since(class, marks).Since)
		}
		return out
	}
	a := *w.Snapshot().Applications()[0]
	w.does(cluster.SetApplication{Application: a})
	require.Equal(t, []cluster.Verdict{cluster.Unchanged, cluster.Unchanged, cluster.Unchanged}, verdicts(), "set to what it was")
	a.Devices = append([]cluster.CtiDevice(nil), a.Devices...)
	a.Devices[0].Lines = []cluster.CtiLine{{Number: "1001", Status: cluster.Closed, Reason: 1}}
	w.does(cluster.SetApplication{Application: a})
	require.Equal(t, []cluster.Verdict{cluster.Unchanged, cluster.Unchanged, cluster.Changed}, verdicts(), "only a line")
	a.Devices[1].Status = cluster.Open
	w.does(cluster.SetApplication{Application: a})
	require.Equal(t, []cluster.Verdict{cluster.Unchanged, cluster.Changed, cluster.Changed}, verdicts(), "a device too")
	w.does(cluster.DropApplication{Node: "pub", ID: a.ID()})
	require.Equal(t, []cluster.Verdict{cluster.Changed, cluster.Changed, cluster.Changed}, verdicts())
}

// V1: a device is with one node at a time, however it gets there; a node that does not answer does not hear of it.
func TestRegister_OneNodeAtATime_V1(t *testing.T) {
	for name, change := range map[string]cluster.Change{
		"Register":          cluster.Register{Device: phone, Node: "sub2", IPv6: netip.MustParseAddr("fd00::1")},
		"PartiallyRegister": cluster.PartiallyRegister{Device: phone, Node: "sub2"},
		"Reject":            cluster.Reject{Device: phone, Node: "sub2", Reason: cluster.AuthenticationError},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.does(change)
			require.Equal(t, cluster.UnRegistered, w.record(phone, "sub1").Status)
			require.Greater(t, w.record(phone, "sub2").TimeStamp, w.record(phone, "sub1").TimeStamp)
			if name == "Register" {
				require.Equal(t, "fd00::1", w.record(phone, "sub2").IPv6.String())
			}

			w = newWorld(t)
			w.does(cluster.SetNodeState{Node: "sub1", State: cluster.Isolated}, change)
			require.Equal(t, cluster.Registered, w.record(phone, "sub1").Status)
		})
	}
}

// V2: moves within one second have later time stamps each, so that the newest record is the right one.
func TestFailover_TwiceInOneSecond_V2(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.Failover{Device: phone}, cluster.Failover{Device: phone}, cluster.PartiallyRegister{Device: phone})
	require.Greater(t, w.record(phone, "sub1").TimeStamp, w.record(phone, "sub2").TimeStamp)
	res := w.Snapshot().Select(cluster.DeviceQuery{Newest: true, Items: []string{string(phone)}})
	require.Equal(t, cluster.PartiallyRegistered, res.Nodes[1].Devices[0].Record().Status)
}

// V2 R5: which node counts as a home that is up.
func TestFailover_HomesThatTakeDevices_V2_R5(t *testing.T) {
	for state, takes := range map[cluster.NodeState]bool{cluster.Up: true, cluster.Broken: true, cluster.Down: false, cluster.Isolated: false} {
		w := newWorld(t)
		w.does(cluster.SetNodeState{Node: "sub2", State: state})
		err := w.Apply(w.now.Add(time.Second), cluster.Failover{Device: phone})
		require.Equal(t, takes, err == nil, "%s: %v", state, err)
	}
}

func TestDownload_StartsAfresh_V3(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.BeginDownload{Device: phone, Load: "load.2", Server: "s"}, cluster.EndDownload{Device: phone, Failure: "gone"})
	w.does(cluster.BeginDownload{Device: phone, Load: "load.3", Server: "s"})
	require.Empty(t, w.record(phone, "sub1").DownloadFailure)
	w.refuses(`device "SEP0011" has no downloaded load to activate`, cluster.ActivateLoad{Device: phone})
}

func TestLogin_RegistersAgain_V4(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.PartiallyRegister{Device: phone}, cluster.Login{Device: phone, User: "anna"})
	r := w.record(phone, "sub1")
	require.Equal(t, []any{cluster.Registered, cluster.Registered}, []any{r.Status, r.Lines[1].Status})
	w.does(cluster.Logout{Device: phone})
	require.Equal(t, w.now.Unix(), w.record(phone, "sub1").TimeStamp)
	w.does(cluster.Readdress{Device: phone, IPv4: netip.MustParseAddr("10.1.1.9")})
	require.Equal(t, w.now.Unix(), w.record(phone, "sub1").TimeStamp)
}

func TestOpenApplication_ClearsReasons_V6(t *testing.T) {
	w := newWorld(t)
	w.does(cluster.CloseApplication{Name: "uccx", Reason: 2})
	w.does(cluster.OpenApplication{Name: "uccx"})
	a := w.Snapshot().Applications()[0]
	now := w.now.Unix()
	require.Equal(t, []any{uint32(0), now}, []any{a.Reason, a.TimeStamp})
	require.Equal(t, []any{uint32(0), now}, []any{a.Devices[0].Reason, a.Devices[0].TimeStamp})
	require.Equal(t, []any{uint32(0), now}, []any{a.Devices[0].Lines[0].Reason, a.Devices[0].Lines[0].TimeStamp})
	before := a.StateID
	b := *a
	b.Status = cluster.Closed
	w.does(cluster.SetApplication{Application: b})
	require.Greater(t, w.Snapshot().Applications()[0].StateID, before, "N3: another status at the same time is a change")
}

// R7 R8 V1: records that do not hold together are refused.
func TestSetRecord_Invariants_R7_R8(t *testing.T) {
	line := func(s cluster.Status) []cluster.Line { return []cluster.Line{{Number: "1", Status: s}} }
	for want, r := range map[string]cluster.Record{
		"UnRegistered, but 1 lines are Registered":     {Status: cluster.UnRegistered, Lines: line(cluster.Registered)},
		"Registered, but 1 lines are not":              {Status: cluster.Registered, Lines: line(cluster.UnRegistered)},
		"time stamp 99999999999 lies after now":        {Status: cluster.Registered, TimeStamp: 99999999999},
		"Registered has reason KeepAliveTimeout":       {Status: cluster.Registered, Reason: cluster.KeepAliveTimeout},
		"line 1 is Any; expected Registered, UnRegist": {Status: cluster.UnknownStatus, Lines: line(cluster.AnyStatus)},
	} {
		w := newWorld(t)
		err := w.Apply(w.now, cluster.SetRecord{Registration: cluster.Registration{Device: phone, Node: "sub1", Record: r}})
		require.ErrorContains(t, err, want)
	}
}

// W3: only the asterisk is a wildcard. W4: for every SelectBy. W6: letters beyond ASCII have cases too. W7: addresses as text. Q8: by address.
func TestSelect_SpellingsOfItems_W3_W6_W7_Q8(t *testing.T) {
	s, err := cluster.New(start, cluster.Config{
		Nodes: []cluster.Node{{Name: "pub", Address: netip.MustParseAddr("10.0.0.1")}},
		Devices: []cluster.Device{
			{Name: "SEP0011", Class: cluster.Phone, Description: "Émile"}, {Name: "ABA", Class: cluster.Phone},
		},
		Registrations: []cluster.Registration{
			{Device: "SEP0011", Node: "pub", Record: cluster.Record{Status: cluster.Registered, IPv6: netip.MustParseAddr("2001:db8::1"),
				IPv4: netip.MustParseAddr("10.9.0.7"), Lines: []cluster.Line{{Number: "1002", Status: cluster.Registered}}}},
			{Device: "ABA", Node: "pub", Record: cluster.Record{Status: cluster.Registered}},
		},
	})
	require.NoError(t, err)
	for _, c := range []struct {
		by   cluster.SelectBy
		item string
		want int
	}{
		{cluster.ByName, "SEP?011", 0}, {cluster.ByName, "SEP%", 0}, {cluster.ByName, "SEP001_", 0}, {cluster.ByName, "SEP001[1]", 0},
		{cluster.ByName, "SEP*011", 1}, {cluster.ByName, "S*0*1", 1}, {cluster.ByName, "AB*BA", 0}, {cluster.ByName, "A*A", 1},
		{cluster.ByDescription, "éMILE", 1}, {cluster.ByDescription, "é*", 1}, {cluster.ByDescription, "emile", 0},
		{cluster.ByDirNumber, "10*2", 1}, {cluster.ByDirNumber, "*9", 0}, {cluster.ByIPv4, "10.9.*", 1}, {cluster.ByIPv4, "*.8", 0},
		{cluster.ByIPv6, "2001:0DB8:*", 1}, {cluster.ByIPv6, "2001:DB8:0::1", 1}, {cluster.ByIPv6, "2001:db8:*", 0},
	} {
		require.Equal(t, c.want, s.Snapshot().Select(cluster.DeviceQuery{By: c.by, Items: []string{c.item}}).Found, "%s %q", c.by, c.item)
	}
	require.Equal(t, 2, s.Snapshot().Select(cluster.DeviceQuery{Node: "::ffff:10.0.0.1"}).Found)
}

// H8: many overlapping items cost what one pass costs.
func TestSelect_ManyOverlappingItems_H8(t *testing.T) {
	s := many(2000).Snapshot()
	items := make([]string, 1000)
	for i := range items {
		items[i] = "1*"
	}
	res := s.Select(cluster.DeviceQuery{By: cluster.ByDirNumber, Items: items, Limit: 10})
	require.Equal(t, 10, res.Found)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Select(cluster.DeviceQuery{By: cluster.ByDirNumber, Items: items, Limit: 10})
		}
	}).AllocedBytesPerOp()
	require.Less(t, allocated, int64(1<<20))
}

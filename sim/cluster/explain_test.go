package cluster_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// An explanation says that a device is in the answer exactly when it is, and where; each criterion that it names keeps that record
// out by itself; and without those that it names for a record, that record is found.
func TestExplain_AgreesWithSelect(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawCluster(t, 0)
		now := start
		for range rapid.IntRange(0, 2).Draw(t, "more") {
			now = now.Add(time.Second)
			_ = s.Apply(now, drawChange(t, s.Snapshot())...)
		}
		q := drawDeviceQuery(t)
		q.Nothing = rapid.IntRange(0, 9).Draw(t, "nothing") == 0
		snap := s.Snapshot()
		if rapid.Bool().Draw(t, "since") {
			res := snap.Select(q)
			q.Since = marksOf(res.Nodes, func(n cluster.NodeDevices) cluster.NodeAnswer { return n.NodeAnswer })
			q.PerNode = rapid.Bool().Draw(t, "per node")
			now = now.Add(time.Second)
			_ = s.Apply(now, drawChange(t, snap)...)
			snap = s.Snapshot()
		}
		name := cluster.DeviceName(pick(t, "device", append([]string{"nobody"}, names...)))
		res := snap.Select(q)
		var places []cluster.Place
		overall := 0
		for _, n := range res.Nodes {
			for i, d := range n.Devices {
				if overall++; strings.EqualFold(string(d.Name()), string(name)) {
					places = append(places, cluster.Place{Node: n.Node, Position: i + 1, Overall: overall})
				}
			}
		}
		e := snap.Explain(q, name)
		require.Equal(t, len(places) > 0, e.Found)
		require.Equal(t, places, e.Places)
		if e.Found {
			require.Empty(t, e.Reasons)
			return
		}
		require.NotEmpty(t, e.Reasons)
		byNode := map[cluster.NodeName][]cluster.Why{}
		for _, w := range e.Reasons {
			require.Regexp(t, `^[A-Z]\d+$`, w.Rule)
			require.Regexp(t, `^[A-Z].*\.$`, w.Text)
			if w.Node != "" {
				byNode[w.Node] = append(byNode[w.Node], w)
			}
		}
		held := func(q cluster.DeviceQuery, node cluster.NodeName) bool {
			q.Limit, q.CountAll, q.Since, q.Newest, q.Node = 0, true, nil, false, ""
			return slices.ContainsFunc(snap.Explain(q, name).Places, func(p cluster.Place) bool { return p.Node == node })
		}
		for node, why := range byNode {
			relaxed, answers := q, true
			for _, w := range why {
				if w.Rule == "R5" {
					answers = false
				}
			}
			for _, w := range why {
				alone := cluster.DeviceQuery{By: q.By, Literal: q.Literal}
				switch w.Criterion {
				case "nothing":
					alone.Nothing, relaxed.Nothing = true, false
				case "class":
					alone.Class, relaxed.Class = q.Class, cluster.AnyClass
				case "model":
					alone.Model, relaxed.Model = q.Model, 0
				case "status":
					alone.Status, relaxed.Status = q.Status, cluster.AnyStatus
				case "protocol":
					alone.Protocol, relaxed.Protocol = q.Protocol, cluster.AnyProtocol
				case "download":
					alone.Download, relaxed.Download = q.Download, cluster.AnyDownload
				case "items":
					alone.Items, relaxed.Items = q.Items, nil
				default:
					continue
				}
				require.True(t, w.Rule == "W5" || !answers || !held(alone, node), "%s keeps nothing out by itself: %v", w.Criterion, w)
			}
			if answers {
				require.True(t, held(relaxed, node), "more keeps the record on %s out than %v", node, why)
			}
			for _, w := range why {
				if w.Criterion == "max" {
					require.Len(t, why, 1)
					unlimited := q
					unlimited.Limit, unlimited.Since = 0, nil
					found := snap.Explain(unlimited, name)
					require.True(t, slices.ContainsFunc(found.Places, func(p cluster.Place) bool { return p.Node == node }))
				}
			}
		}
	})
}

// The same for what applications have opened.
func TestExplainCti_AgreesWithSelectCti(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawCluster(t, 0)
		_ = s.Apply(start.Add(time.Second), drawChange(t, s.Snapshot())...)
		snap := s.Snapshot()
		q := drawCtiQuery(t)
		if rapid.Bool().Draw(t, "since") {
			res := snap.SelectCti(q)
			q.Since = marksOf(res.Nodes, func(n cluster.NodeCti) cluster.NodeAnswer { return n.NodeAnswer })
			q.PerNode = rapid.Bool().Draw(t, "per node")
			_ = s.Apply(start.Add(2*time.Second), drawChange(t, snap)...)
			snap = s.Snapshot()
		}
		subject := cluster.CtiSubject{
			App:    pick(t, "app", []string{"", "jtapi", "UCCX-10.1.1.1-1", "nobody"}),
			Device: cluster.DeviceName(pick(t, "device", []string{"", "", "sepa1", "SEPC9", "SEPB1"})),
			Line:   pick(t, "line", []string{"", "", "1001", "+1408", "9"}),
		}
		var places []cluster.Place
		overall := 0
		for _, n := range snap.SelectCti(q).Nodes {
			for i, it := range n.Items {
				overall++
				app := subject.App == "" || strings.EqualFold(it.App.Name, subject.App) || strings.EqualFold(it.App.ID(), subject.App)
				device := subject.Device == "" || it.Device != nil && strings.EqualFold(string(it.Device.Name), string(subject.Device))
				line := subject.Line == "" || it.Line != nil && strings.ReplaceAll(it.Line.Number, `\+`, "+") == subject.Line
				if app && device && line {
					places = append(places, cluster.Place{Node: n.Node, Position: i + 1, Overall: overall})
				}
			}
		}
		e := snap.ExplainCti(q, subject)
		require.Equal(t, len(places) > 0, e.Found)
		require.Equal(t, places, e.Places)
		require.Equal(t, e.Found, len(e.Reasons) == 0)
		for _, w := range e.Reasons {
			require.Regexp(t, `^[A-Z]\d+$`, w.Rule)
			require.Regexp(t, `^[A-Z].*\.$`, w.Text)
		}
	})
}

// What an explanation says, for each thing that can keep a device out.
func TestExplain_Sentences(t *testing.T) {
	t.Parallel()
	w := newExplained(t)
	type q = cluster.DeviceQuery
	for _, c := range []struct {
		q    q
		name cluster.DeviceName
		want string
	}{
		{q{}, "sep1", "found: sub1 1 (1), sub2 1 (3)"},
		{q{}, "nobody", `R6: There is no device "nobody" in the cluster.`},
		{q{}, "SEP9", "R6: No node has a record of it: it has not registered since RIS started there."},
		{q{Node: "sub7"}, "SEP1", `Q8 node: NodeName "sub7" is no node of the cluster.`},
		{q{Node: "pub"}, "SEP2", "Q8 node sub1: It has a record on sub1, which the query does not ask: NodeName is pub."},
		{q{Class: cluster.Gateway, Model: 8}, "SEP2", "Q4 class sub1: Its class is Phone, and Gateway is asked for.\nQ5 model sub1: Its model is 7, and 8 is asked for."},
		{q{Status: cluster.Rejected}, "SEP1", "Q4 status sub1: Its status on sub1 is UnRegistered, and Rejected is asked for.\nQ4 status sub2: Its status on sub2 is Registered, and Rejected is asked for."},
		{q{Status: cluster.UnRegistered, Newest: true}, "SEP1", "R2 sub1: Its record on sub1 is not that of its latest registration, which is on sub2; selectCmDeviceExt looks at that one only.\nQ4 status sub2: Its status on sub2 is Registered, and UnRegistered is asked for."},
		{q{Protocol: cluster.SCCP}, "SEP2", "Q6 protocol sub1: Its protocol is SIP, and SCCP is asked for."},
		{q{Download: cluster.Failed}, "SEP2", "Q6 download sub1: Its download status on sub1 is Any, and Failed is asked for."},
		{q{Nothing: true}, "SEP2", "Q4 nothing sub1: The query asks for a class or a status that does not exist, which nothing has."},
		{q{Items: []string{"ATA*"}}, "SEP2", `W1 items sub1: Item "ATA*" does not match its name.`},
		{q{Items: []string{"ATA*", "x"}}, "SEP2", `W1 items sub1: None of the items matches its name.`},
		{q{Items: []string{"SEP*"}, Newest: true, Literal: true}, "SEP2", `W1 items sub1: Item "SEP*" does not match its name.` + "\nW5 items sub1: An item would match if * stood for any text, which it does not in selectCmDeviceExt."},
		{q{By: cluster.ByDescription, Items: []string{"x"}}, "SEP2", `W1 items sub1: Item "x" does not match its description, "Second".`},
		{q{By: cluster.ByDirNumber, Items: []string{"9"}}, "SEP1", `W7 items sub1: Item "9" does not match its directory numbers on sub1, 1001.` + "\n" + `W7 items sub2: Item "9" does not match its directory numbers on sub2, 1001, 1002.`},
		{q{By: cluster.ByDirNumber, Items: []string{"9"}}, "SEP2", `W7 items sub1: Item "9" does not match a directory number: it has no line on sub1.`},
		{q{By: cluster.ByIPv4, Items: []string{"10.9.9.9"}}, "SEP2", `W7 items sub1: Item "10.9.9.9" does not match its IPv4 address on sub1, 10.1.1.1.`},
		{q{By: cluster.ByIPv6, Items: []string{"::1"}}, "SEP2", `W7 items sub1: Item "::1" does not match an IPv6 address: it has none on sub1.`},
		{q{Limit: 1}, "SEP2", "Q2 max sub1: Its record on sub1 matches, and was cut off: it is number 2 of the 3 that match."},
		{q{Since: w.marks}, "SEP2", "N4 stateInfo: Nothing that the query is about has changed since its StateInfo, so the answer holds no devices at all."},
	} {
		require.Equal(t, c.want, explained(w.snap.Explain(c.q, c.name)), "%+v", c.q)
	}
	require.NoError(t, w.store.Apply(start, cluster.SetNodeState{Node: "sub1", State: cluster.Down}, cluster.SetNodeState{Node: "sub2", State: cluster.Broken}))
	require.Equal(t, "R5 sub1: It has a record on sub1, which does not respond: it is down.\nR5 sub2: It has a record on sub2, whose RIS is broken: the node answers InternalError.",
		explained(w.store.Snapshot().Explain(q{}, "SEP1")))

	w = newExplained(t)
	type cq = cluster.CtiQuery
	type of = cluster.CtiSubject
	for _, c := range []struct {
		q    cq
		s    of
		want string
	}{
		{cq{}, of{App: "jtapi"}, "found: sub1 1 (1)"},
		{cq{Class: cluster.CtiLines}, of{Line: "+1"}, "found: sub1 1 (1)"},
		{cq{}, of{App: "nobody"}, `C1: No application "nobody" is known on any node.`},
		{cq{}, of{Device: "SEP1"}, "C1 class: CtiMgrClass Provider lists connections of applications, without the devices and lines that they have opened."},
		{cq{Class: cluster.CtiDevices}, of{Line: "1"}, "C1 class: CtiMgrClass Device lists devices that applications have opened, without their lines."},
		{cq{Class: cluster.CtiDevices}, of{Device: "SEP2"}, "C1: No application has opened that: device SEP2."},
		{cq{Class: cluster.CtiDevices}, of{App: "jtapi", Device: "SEP2"}, "C1 sub1: Application jtapi-10.5.0.1-1 on sub1 has not opened device SEP2."},
		{cq{Class: cluster.CtiDevices}, of{App: "idle"}, "C1 sub2: Application idle-10.5.0.2-1 on sub2 has not opened any device or line."},
		{cq{Node: "pub"}, of{App: "jtapi"}, "Q8 node sub1: Application jtapi-10.5.0.1-1 is a matter of sub1, which the query does not ask: NodeName is pub."},
		{cq{Node: "sub7"}, of{App: "jtapi"}, `Q8 node: NodeName "sub7" is no node of the cluster.`},
		{cq{By: cluster.ByUserID, Apps: []string{"x"}, Status: cluster.Closed}, of{App: "jtapi"}, "C3 items sub1: No AppItem matches application jtapi-10.5.0.1-1 by UserId.\nC5 status sub1: The status of application jtapi-10.5.0.1-1 is Open, and Closed is asked for."},
		{cq{Class: cluster.CtiLines, DevNames: []string{"x"}, Numbers: []string{"9"}}, of{Device: "SEP1"}, "C3 devices sub1: No DevName matches application jtapi-10.5.0.1-1, device SEP1.\nC3 numbers sub1: No DirNumber matches application jtapi-10.5.0.1-1, device SEP1."},
		{cq{Nothing: true}, of{App: "jtapi"}, "C5 nothing sub1: The query asks for what does not exist."},
		{cq{Limit: 1}, of{App: "idle"}, "Q2 max sub2: Application idle-10.5.0.2-1 matches on sub2, and was cut off: it is number 2 of the 2 items that match."},
		{cq{Class: cluster.CtiLines, Numbers: []string{"1001"}, Status: cluster.Open}, of{Device: "SEP1"}, "Q10 sub1: Of the items of application jtapi-10.5.0.1-1, device SEP1 some do not match one criterion, and the others another one."},
		{cq{Since: w.ctiMarks}, of{App: "jtapi"}, "N4 stateInfo: Nothing that the query is about has changed since its StateInfo, so the answer holds no items at all."},
	} {
		require.Equal(t, c.want, explained(w.snap.ExplainCti(c.q, c.s)), "%+v %v", c.q, c.s)
	}
	require.NoError(t, w.store.Apply(start, cluster.SetNodeState{Node: "sub1", State: cluster.Isolated}, cluster.SetNodeState{Node: "sub2", State: cluster.Broken}))
	require.Equal(t, "R5 sub1: Application jtapi-10.5.0.1-1 is a matter of sub1, which does not respond: it is isolated.", explained(w.store.Snapshot().ExplainCti(cq{}, of{App: "jtapi"})))
	require.Equal(t, "R5 sub2: Application idle-10.5.0.2-1 is a matter of sub2, whose RIS is broken: the node answers InternalError.", explained(w.store.Snapshot().ExplainCti(cq{}, of{App: "idle"})))
}

type explainedCluster struct {
	store           *cluster.Store
	snap            *cluster.Snapshot
	marks, ctiMarks []cluster.Mark // of the whole
}

// newExplained has SEP1, which moved from sub1 to sub2, SEP2 on sub1, SEP9 nowhere, and two applications.
func newExplained(t *testing.T) explainedCluster {
	t.Helper()
	phone := func(name cluster.DeviceName, description string) cluster.Device {
		return cluster.Device{Name: name, Description: description, Class: cluster.Phone, Model: 7, Protocol: cluster.SIP}
	}
	line := func(number string, s cluster.Status) cluster.Line { return cluster.Line{Number: number, Status: s} }
	s, err := cluster.New(start, cluster.Config{
		Nodes:   []cluster.Node{{Name: "pub", Publisher: true}, {Name: "sub1"}, {Name: "sub2"}},
		Devices: []cluster.Device{phone("SEP1", "First"), phone("SEP2", "Second"), phone("SEP9", "")},
		Registrations: []cluster.Registration{
			{Device: "SEP1", Node: "sub1", Record: cluster.Record{Status: cluster.UnRegistered, Reason: cluster.ConnectivityError, TimeStamp: start.Unix() - 5, Lines: []cluster.Line{line("1001", cluster.UnRegistered)}}},
			{Device: "SEP1", Node: "sub2", Record: cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - 4, Lines: []cluster.Line{line("1001", cluster.Registered), line("1002", cluster.Registered)}}},
			{Device: "SEP2", Node: "sub1", Record: cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - 4, IPv4: netAddr("10.1.1.1")}},
		},
		Applications: []cluster.Application{
			{Name: "jtapi", Instance: 1, Address: netAddr("10.5.0.1"), User: "jt", Node: "sub1", Status: cluster.Open, TimeStamp: start.Unix(), Devices: []cluster.CtiDevice{
				{Name: "SEP1", Status: cluster.Open, TimeStamp: start.Unix(), Lines: []cluster.CtiLine{
					{Number: `\+1`, Status: cluster.Open, TimeStamp: start.Unix()}, {Number: "1001", Status: cluster.Closed, TimeStamp: start.Unix()}}}}},
			{Name: "idle", Instance: 1, Address: netAddr("10.5.0.2"), Node: "sub2", Status: cluster.Closed, TimeStamp: start.Unix()},
		},
	})
	require.NoError(t, err)
	snap := s.Snapshot()
	return explainedCluster{s, snap,
		marksOf(snap.Select(cluster.DeviceQuery{}).Nodes, func(n cluster.NodeDevices) cluster.NodeAnswer { return n.NodeAnswer }),
		marksOf(snap.SelectCti(cluster.CtiQuery{}).Nodes, func(n cluster.NodeCti) cluster.NodeAnswer { return n.NodeAnswer })}
}

// explained is an explanation in a line for each place or reason.
func explained(e cluster.Explanation) string {
	var places []string
	for _, p := range e.Places {
		places = append(places, fmt.Sprintf("%s %d (%d)", p.Node, p.Position, p.Overall))
	}
	if e.Found {
		return "found: " + strings.Join(places, ", ")
	}
	var out []string
	for _, w := range e.Reasons {
		head := strings.Join(slices.DeleteFunc([]string{w.Rule, w.Criterion, string(w.Node)}, func(s string) bool { return s == "" }), " ")
		out = append(out, head+": "+w.Text)
	}
	return strings.Join(out, "\n")
}

func netAddr(text string) netip.Addr { return netip.MustParseAddr(text) }

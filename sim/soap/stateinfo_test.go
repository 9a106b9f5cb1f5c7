package soap

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// N1: the exact string.
func TestAppendStateInfo_N1(t *testing.T) {
	marks := []cluster.Mark{{Node: "cucm3", Started: 1411513436, StateID: 84, Found: 2, Returned: 1}, {Node: `a&"<b`, Started: 1, StateID: 18446744073709551615}}
	assert.Equal(t, `<StateInfo ClusterWide="1"><Node Name="cucm3" SubsystemStartTime="1411513436" StateId="84" TotalItemsFound="2" TotalItemsReturned="1"/>`+
		`<Node Name="a&amp;&quot;&lt;b" SubsystemStartTime="1" StateId="18446744073709551615" TotalItemsFound="0" TotalItemsReturned="0"/></StateInfo>`,
		string(appendStateInfo(nil, marks, true, false)))
	assert.Equal(t, `<StateInfo><Node Name="cucm3" SubsystemStartTime="1411513436" StateId="84" TotalItemsFound="2" TotalItemsReturned="1"/></StateInfo>`,
		string(appendStateInfo(nil, marks[:1], false, false)))
	assert.Empty(t, appendStateInfo(nil, nil, true, false), "no node answered")
}

// N4: what is printed is read back as it was.
func TestParseStateInfo_N4_ReadsWhatWasPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var marks []cluster.Mark
		for range rapid.IntRange(1, 4).Draw(t, "nodes") {
			marks = append(marks, cluster.Mark{
				Node:    cluster.NodeName(carried(rapid.StringMatching(`(.|\n|[&<>"'])+`).Draw(t, "name"))),
				Started: rapid.Int64().Draw(t, "started"), StateID: rapid.Uint64().Draw(t, "id"),
				Found: rapid.IntRange(0, 1<<31-1).Draw(t, "found"), Returned: rapid.IntRange(0, 1<<31-1).Draw(t, "returned"),
			})
		}
		for _, wide := range []bool{false, true} {
			text := appendStateInfo(nil, marks, wide, false)
			require.Equal(t, string(appendText(nil, text)), string(appendStateInfo(nil, marks, wide, true)), "X4: the string is the XML, escaped")
			got, err := parseStateInfo(string(text))
			require.NoError(t, err)
			require.Equal(t, marks, got)
		}
	})
}

// N6: what cannot be read, and why.
func TestParseStateInfo_N6_Unreadable(t *testing.T) {
	const node = `<Node Name="a" SubsystemStartTime="1" StateId="2" TotalItemsFound="3" TotalItemsReturned="4"/>`
	for text, want := range map[string]string{
		"":    "",
		" \n": "",
		"\n <StateInfo>\n" + node + "\n</StateInfo> ":                           "",
		`<StateInfo ClusterWide='1' Extra="x">` + node + `<Other/></StateInfo>`: "",
		"nonsense":                  "it is not XML: EOF",
		"<StateInfo>":               "it is not XML: XML syntax error on line 1: unexpected EOF",
		"<Info>" + node + "</Info>": `its element is "Info", not StateInfo`,
		"<StateInfo/>":              "it has no Node",
		"<StateInfo>" + node + "</StateInfo><StateInfo/>":                                                                                                       "there is more after its end",
		`<StateInfo><Node SubsystemStartTime="1" StateId="2" TotalItemsFound="3" TotalItemsReturned="4"/></StateInfo>`:                                          "its Node 1 lacks a name or a number",
		`<StateInfo>` + node + `<Node Name="a" StateId="2" TotalItemsFound="3" TotalItemsReturned="4"/></StateInfo>`:                                            "its Node 2 lacks a name or a number",
		`<StateInfo><Node Name="a" SubsystemStartTime="1" StateId="-2" TotalItemsFound="3" TotalItemsReturned="4"/></StateInfo>`:                                "its Node 1 lacks a name or a number",
		`<StateInfo><Node Name="a" SubsystemStartTime="1" StateId="2" TotalItemsFound="99999999999" TotalItemsReturned="4"/></StateInfo>`:                       "its Node 1 lacks a name or a number",
		`<StateInfo><Node Name="a" SubsystemStartTime="x" StateId="2" TotalItemsFound="3" TotalItemsReturned="4"/></StateInfo>`:                                 "its Node 1 lacks a name or a number",
		`<StateInfo><Node Name="a" SubsystemStartTime="1" StateId="2" TotalItemsFound="3" TotalItemsReturned=""/></StateInfo>`:                                  "its Node 1 lacks a name or a number",
		`<!DOCTYPE x [<!ENTITY e "x">]><StateInfo><Node Name="&e;" SubsystemStartTime="1" StateId="2" TotalItemsFound="3" TotalItemsReturned="4"/></StateInfo>`: "it is not XML: XML syntax error on line 1: invalid character entity &e;",
	} {
		marks, err := parseStateInfo(text)
		if want == "" {
			assert.NoError(t, err, text)
		} else {
			assert.EqualError(t, err, want, text)
			assert.Nil(t, marks, text)
		}
	}
}

// N1: ClusterWide only when NodeName was empty; the knob clusterWide.
func TestStateInfo_N1_ClusterWide(t *testing.T) {
	for _, c := range []struct {
		knob, node string
		want       bool
	}{
		{"node-empty", "", true}, {"node-empty", "cucm-sub1", false},
		{"always", "", true}, {"always", "cucm-sub1", true},
		{"never", "", false}, {"never", "cucm-sub1", false},
	} {
		r := newRig(t, knob{"clusterWide", c.knob})
		for _, answer := range []string{
			r.ask(device("selectCmDevice", "", everything, tag{"NodeName", c.node})),
			r.ask(cti("", everything, nil, nil, tag{"NodeName", c.node})),
		} {
			want := "<StateInfo>"
			if c.want {
				want = `<StateInfo ClusterWide="1">`
			}
			assert.Contains(t, stateOf(t, answer), want, "%+v", c)
		}
	}
}

// N2: devices and CTI have their own StateIds and start times.
func TestStateInfo_N2_TwoSubsystems(t *testing.T) {
	r := newRig(t)
	devices, items := stateOf(t, r.ask(device("selectCmDevice", "", everything))), stateOf(t, r.ask(cti("", everything, nil, nil)))
	a, err := parseStateInfo(devices)
	require.NoError(t, err)
	b, err := parseStateInfo(items)
	require.NoError(t, err)
	require.Len(t, a, 3)
	require.Len(t, b, 3)
	for i := range a {
		assert.Equal(t, a[i].Node, b[i].Node)
		assert.NotEqual(t, a[i].Started, b[i].Started)
	}
	r.apply(cluster.DropRecord{Device: "MOH_2", Node: "cucm-sub1"})
	assert.NotEqual(t, devices, stateOf(t, r.ask(device("selectCmDevice", "", everything))))
	assert.Equal(t, items, stateOf(t, r.ask(cti("", everything, nil, nil))))
}

// N4, N5 for CTI; R3: NoChange on a NotFound node of a full answer goes by the profile, of an unchanged answer it is true.
func TestNoChange_N4_Cti(t *testing.T) {
	for _, profile := range Profiles() {
		r := newRig(t, knob{"profile", profile})
		query := func(state string) string {
			return r.ask(cti(state, []string{"console-*"}, nil, nil, tag{"CtiMgrClass", "Provider"}))
		}
		first := query("")
		notFound := "false"
		if profile != "documented" {
			notFound = "true"
		}
		root := parseTree(t, first)
		assert.Equal(t, []string{"NotFound", "Ok", "NotFound"}, root.texts(ctiNodePath+"ReturnCode"))
		assert.Equal(t, []string{notFound, "false", notFound}, root.texts(ctiNodePath+"NoChange"), profile)

		second := query(stateOf(t, first))
		root = parseTree(t, second)
		assert.Equal(t, stateOf(t, first), stateOf(t, second), "N4: the same string")
		assert.Equal(t, "0", root.one(t, ctiPath+"TotalItemsFound"))
		assert.Equal(t, []string{"NotFound", "Ok", "NotFound"}, root.texts(ctiNodePath+"ReturnCode"))
		assert.Equal(t, []string{"true", "true", "true"}, root.texts(ctiNodePath+"NoChange"))
		assert.Equal(t, []string{"nil", "nil", "nil"}, root.texts(ctiNodePath+"CtiItems"))

		r.apply(cluster.DropApplication{Node: "cucm-sub1", ID: "console-10.10.30.5-17"})
		assert.Equal(t, cluster.Unchanged, r.last().Verdict)
		root = parseTree(t, query(stateOf(t, first)))
		assert.Equal(t, []string{"nil"}, root.texts(ctiPath+"CtiNodes"), "N5, R4: what matched is gone")
		assert.Equal(t, cluster.Changed, r.last().Verdict)
	}
}

// X4, X6: however a client sends the StateInfo back, it is the same one.
func TestStateInfo_X6_EscapedOrNested(t *testing.T) {
	r := newRig(t)
	state := stateOf(t, r.ask(device("selectCmDevice", "", []string{"MOH_2"})))
	escaped := device("selectCmDevice", state, []string{"MOH_2"})
	r.ask(escaped)
	assert.Equal(t, cluster.Unchanged, r.last().Verdict)
	assert.Equal(t, state, r.last().StateIn)

	nested := device("selectCmDevice", "", []string{"MOH_2"})
	for _, form := range []string{state, "<![CDATA[" + state + "]]>"} {
		i := len("<a:StateInfo>") + indexOf(t, nested, "<a:StateInfo>")
		r.ask(nested[:i] + form + nested[i:])
		assert.Equal(t, cluster.Unchanged, r.last().Verdict, form)
		assert.Equal(t, state, r.last().StateOut)
	}
}

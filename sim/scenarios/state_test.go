package scenarios

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// drawState draws what a cluster may be like, whether or not it makes sense: that is for the cluster to say.
func drawState(t *rapid.T) cluster.State {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "cucm-pub", "a: b", "- {", "\"", "\\+49", "äöü😀", "\u2028", "<&>", "0012", "yes"}), rapid.String())
	optional := rapid.Custom(func(t *rapid.T) cluster.Uint {
		if rapid.Bool().Draw(t, "absent") {
			return cluster.Uint{}
		}
		return cluster.Some(rapid.Uint32().Draw(t, "n"))
	})
	addr := rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::1")})
	draw := func(name string) string { return text.Draw(t, name) }
	small := func(most int) int { return rapid.IntRange(0, most).Draw(t, "small") }
	number := func() uint64 { return rapid.Uint64().Draw(t, "number") }
	reasons := []cluster.Reason{cluster.NoReason, cluster.KeepAliveTimeout, cluster.ReasonNumber(4711), cluster.AuthenticationError}
	st := cluster.State{Version: 1, Now: int64(small(1 << 33)), History: 1 + small(100)}
	for range small(2) {
		st.Nodes = append(st.Nodes, cluster.NodeInState{State: cluster.NodeState(small(3)), StateID: number(), CtiStateID: number(), Node: cluster.Node{
			Name: cluster.NodeName(draw("node")), Publisher: rapid.Bool().Draw(t, "publisher"), Address: addr.Draw(t, "4"), Address6: addr.Draw(t, "6"),
			Started: int64(small(9)), CtiStarted: int64(small(9))}})
	}
	for i := range small(3) {
		d := cluster.Device{Name: cluster.DeviceName(draw("device") + strings.Repeat("x", i)), Description: draw("description"), Class: cluster.Class(small(int(cluster.UnknownClass))),
			Protocol: cluster.Protocol(small(int(cluster.UnknownProtocol))), Httpd: cluster.Httpd(small(int(cluster.HttpdUnknown))),
			Attribute: cluster.Attribute(small(int(cluster.AdministrativeAndSignaling))), IsCtiControllable: rapid.Bool().Draw(t, "cti"), Model: uint32(small(1 << 30)),
			Product: optional.Draw(t, "product"), BoxProduct: optional.Draw(t, "box"), PerfMonObject: optional.Draw(t, "object"), DChannel: optional.Draw(t, "d"), Group: draw("group")}
		if rapid.Bool().Draw(t, "h323") {
			d.H323 = &cluster.H323Trunk{ConfigName: draw("config"), RasAddr: draw("ras")}
		}
		for range small(2) {
			d.Lines, d.Homes = append(d.Lines, draw("line")), append(d.Homes, cluster.NodeName(draw("home")))
		}
		st.Devices = append(st.Devices, d)
		for range small(2) {
			r := cluster.Record{Status: cluster.Status(small(int(cluster.UnknownStatus))), Reason: rapid.SampledFrom(reasons).Draw(t, "reason"), TimeStamp: int64(small(99)),
				Attempts: optional.Draw(t, "attempts"), LoginUser: draw("user"), IPv4: addr.Draw(t, "v4"), IPv6: addr.Draw(t, "v6"), ActiveLoad: draw("load"),
				InactiveLoad: draw("other"), Download: cluster.Download(small(int(cluster.UnknownDownload))), DownloadFailure: draw("failure"), DownloadServer: draw("server"), StateID: number()}
			for range small(2) {
				r.Lines = append(r.Lines, cluster.Line{Number: draw("number"), Status: cluster.Status(small(int(cluster.UnknownStatus)))})
			}
			st.Registrations = append(st.Registrations, cluster.Registration{Device: d.Name, Node: cluster.NodeName(draw("on")), Record: r})
		}
	}
	for range small(2) {
		a := cluster.Application{Name: draw("app"), Instance: uint32(small(9)), Address: addr.Draw(t, "a4"), User: draw("as"), Node: cluster.NodeName(draw("at")),
			Status: cluster.CtiStatus(small(int(cluster.OpenFailed))), Reason: uint32(small(9)), TimeStamp: int64(small(9)), StateID: number()}
		for range small(2) {
			a.Devices = append(a.Devices, cluster.CtiDevice{Name: cluster.DeviceName(draw("opened")), ControlsMedia: rapid.Bool().Draw(t, "media"), StateID: number(),
				Lines: []cluster.CtiLine{{Number: draw("dn"), Status: cluster.Open, Reason: 3, TimeStamp: 4, StateID: number()}}})
		}
		st.Applications = append(st.Applications, a)
	}
	return st
}

var sameState = cmp.Options{cmpopts.EquateComparable(cluster.Uint{}, netip.Addr{}), cmpopts.IgnoreUnexported(cluster.Device{}), cmpopts.EquateEmpty()}

// A snapshot is a scenario: what is written is read back as the same, and written again as the same text.
func TestState_IsReadBackAsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		st := drawState(t)
		var first, second bytes.Buffer
		first.WriteString("scenario: s\nseed: 3\n")
		require.NoError(t, WriteState(&first, &st))
		prog, err := Load("s.yaml", first.Bytes(), Options{})
		require.NoError(t, err, first.String())
		require.Equal(t, uint64(3), prog.Seed)
		require.Empty(t, cmp.Diff(st, *prog.State, sameState), first.String())
		second.WriteString("scenario: s\nseed: 3\n")
		require.NoError(t, WriteState(&second, prog.State))
		require.Equal(t, first.String(), second.String())
	})
}

// The section is YAML, so that other programs read it too.
func TestState_IsYAML(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		st := drawState(t)
		var b bytes.Buffer
		require.NoError(t, WriteState(&b, &st))
		p := &problems{file: "s.yaml"}
		root := document(p, b.Bytes(), "empty")
		require.Empty(t, p.list, b.String())
		require.Len(t, root.Content[1].Content, 1+len(st.Nodes)+len(st.Devices)+len(st.Applications))
	})
}

func TestState_TellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	const head = "scenario: s\n"
	for _, c := range []struct{ text, want string }{
		{head + "state:\n", `s.yaml:3:1: state has no entry "cluster"`},
		{head + "state: {}\n", `s.yaml:2:1: unknown section "state"`},
		{head + "cluster: branch\nstate:\n  - {\"cluster\": {\"now\": \"2026-03-02T08:00:00Z\", \"history\": 9}}\n", "s.yaml:3:1: the file has the sections cluster and state; expected one or the other"},
		{head + "state:\n  - {\"cluster\": {\"now\": \"2026-03-02T08:00:00Z\", \"history\": 9}}\n  - {\"device\": {\"name\": \"A\", \"class\": \"Fone\", \"statu\": 1}}\n" +
			"  - {\"device\": {\"name\": \"B\", \"class\": \"Fone\"}}\n  - {\"node\": {\"name\": \"n\", \"state\": \"asleep\"}}\n  - {}\n  name: x\nseed: 3\n",
			`s.yaml:4:3: unknown field "statu"
s.yaml:5:3: unknown class "Fone"; did you mean "Phone"?
s.yaml:6:3: unknown state "asleep"; there are up, down, isolated, broken
s.yaml:7:3: an entry of state is one of cluster, node, device and application
s.yaml:8:1: an entry of state is one line of JSON that begins with - {
s.yaml:9:1: a section stands after state, which is the last one`},
		{head + "state:\n  - {\"cluster\": {\"now\": \"noon\"}}\n", `s.yaml:3:3: parsing time "noon"`},
		{head + "state:\n  - {\"cluster\": {\"now\": \"2026-03-02T08:00:00Z\"}} {}\n", `s.yaml:3:3: more follows after the entry`},
		{head + "state:\n  - {\"device\": {\"name\": \"A\", \"records\": [{\"node\": \"n\", \"reason\": \"Bored\"}]}}\n", `s.yaml:3:3: reason "Bored" is neither`},
	} {
		_, err := Load("s.yaml", []byte(c.text), Options{})
		require.ErrorContains(t, err, c.want, c.text)
	}
	large := head + "state:\n" + strings.Repeat(" ", MaxState+1)
	_, err := Load("s.yaml", []byte(large), Options{})
	assert.ErrorContains(t, err, "and at most 268435456 are read")
}

package soap

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// Whatever devices an answer has, and in whatever order, those that are cut out by a stencil read as if they had been written
// element by element.
func TestStencils_SayWhatElementsSay(t *testing.T) {
	var mem scratch // of all answers, as in a service
	cut := 0
	rapid.Check(t, func(t *rapid.T) {
		c := cluster.Config{Nodes: []cluster.Node{{Name: "pub"}, {Name: "sub"}}}
		some := func(name string) bool { return rapid.IntRange(0, 5).Draw(t, name) > 0 }
		for i := range rapid.IntRange(1, 40).Draw(t, "devices") {
			d := cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP%012X", i)), Class: cluster.Phone, Protocol: cluster.SIP,
				Model: rapid.SampledFrom([]uint32{36224, 437}).Draw(t, "model"), Httpd: rapid.SampledFrom([]cluster.Httpd{cluster.HttpdYes, cluster.HttpdNo}).Draw(t, "httpd")}
			if some("named in upper case") {
				d.Name = cluster.DeviceName(fmt.Sprintf("Tom & <%d>", i))
			}
			if some("described") {
				d.Description = rapid.SampledFrom([]string{"desk", "Tom & \"Jerry\" <lab>", "Büro 3 €", "a\rb\x01c"}).Draw(t, "description")
			}
			if !some("phone") {
				d.Class, d.H323 = cluster.H323, &cluster.H323Trunk{Zone: "z"}
			}
			r := cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - int64(rapid.SampledFrom([]int{1, 5, 1_000_000_000, 1_700_000_000}).Draw(t, "age")),
				ActiveLoad: rapid.SampledFrom([]string{"", "sip.1", "sip.2"}).Draw(t, "load"), Download: cluster.UnknownDownload}
			for k := range rapid.IntRange(0, 3).Draw(t, "lines") {
				number := fmt.Sprintf(`\+4930%d%d`, i, k)
				d.Lines = append(d.Lines, number)
				r.Lines = append(r.Lines, cluster.Line{Number: number, Status: cluster.Registered})
			}
			if !some("own lines") && len(d.Lines) > 0 {
				r.Lines = r.Lines[1:]
			}
			if some("attempts") {
				r.Attempts = cluster.Some(uint32(rapid.IntRange(0, 1).Draw(t, "attempts")))
			}
			if !some("nobody") {
				r.LoginUser = "em"
			}
			if some("v4") {
				r.IPv4 = netip.AddrFrom4([4]byte{10, 0, byte(i), byte(rapid.IntRange(1, 254).Draw(t, "host"))})
			}
			if !some("no v6") {
				r.IPv6 = netip.MustParseAddr("2001:db8::1")
			}
			if !some("registered") {
				r.Status, r.Reason = cluster.Rejected, cluster.AuthenticationError
				r.Lines = nil
			}
			c.Devices = append(c.Devices, d)
			for _, node := range c.Nodes[:rapid.IntRange(1, 2).Draw(t, "nodes")] {
				c.Registrations = append(c.Registrations, cluster.Registration{Device: d.Name, Node: node.Name, Record: r})
			}
		}
		store, err := cluster.New(start, c)
		require.NoError(t, err)
		res := store.Snapshot().Select(cluster.DeviceQuery{})

		made := map[stencilKey]bool{}
		mem.out = append(mem.out[:0], "what stands before"...)
		for _, n := range res.Nodes {
			for _, d := range n.Devices {
				var v cluster.View
				d.Read(&v)
				reasons := cluster.ReasonTable(rapid.IntRange(0, 1).Draw(t, "reasons"))
				want := string(appendDevice(nil, &v.Device, &v.Record, reasons, new(seams)))
				from := len(mem.out)
				mem.out = mem.appendItem(mem.out, d, reasons)
				require.Equal(t, want, string(mem.out[from:]))
				key := stencilKey{d.Kind(), v.Record.Attempts, len(v.Record.Lines), reasons}
				if made[key] {
					cut++
				}
				made[key] = true
			}
		}
	})
	require.Greater(t, cut, 50, "devices of a kind that had come before")
}

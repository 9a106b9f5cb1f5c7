package soap

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
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

// Two devices that differ in one field only, whatever field that is, are told apart: the second one is not cut out by the stencil of the
// first where that would say something else.
func TestStencils_HeedEveryField(t *testing.T) {
	base := func() (cluster.Device, cluster.Record) {
		return cluster.Device{Name: "SEP1", Description: "desk", Class: cluster.Phone, Model: 684, Lines: []string{"1001"}},
			cluster.Record{Status: cluster.Registered, TimeStamp: 1_700_000_000, Lines: []cluster.Line{{Number: "1001", Status: cluster.Registered}}, IPv4: netip.MustParseAddr("10.0.0.1")}
	}
	// others are values that a field may have besides its own.
	others := func(field reflect.Type) []any {
		switch field {
		case reflect.TypeFor[cluster.DeviceName]():
			return []any{cluster.DeviceName("SEP22"), cluster.DeviceName("a&b")}
		case reflect.TypeFor[string]():
			return []any{"", "other", "<&>\r"}
		case reflect.TypeFor[bool]():
			return []any{true}
		case reflect.TypeFor[uint32]():
			return []any{uint32(0), uint32(7)}
		case reflect.TypeFor[int64]():
			return []any{int64(-1), int64(0), int64(7), int64(math.MaxUint32), int64(math.MaxUint32 + 1)}
		case reflect.TypeFor[uint64]():
			return []any{uint64(7)}
		case reflect.TypeFor[cluster.Uint]():
			return []any{cluster.Some(0), cluster.Some(64), cluster.Some(math.MaxUint32)}
		case reflect.TypeFor[[]string]():
			return []any{[]string(nil), []string{}, []string{"1001", "1002"}, []string{"2"}}
		case reflect.TypeFor[[]cluster.NodeName]():
			return []any{[]cluster.NodeName{"n"}}
		case reflect.TypeFor[*cluster.H323Trunk]():
			return []any{&cluster.H323Trunk{}, &cluster.H323Trunk{ConfigName: "c"}, &cluster.H323Trunk{RasAddr: "r"}, &cluster.H323Trunk{RasAddr: "s"}}
		case reflect.TypeFor[cluster.Class]():
			return []any{cluster.Gateway}
		case reflect.TypeFor[cluster.Protocol]():
			return []any{cluster.SIP, cluster.SCCP}
		case reflect.TypeFor[cluster.Httpd]():
			return []any{cluster.HttpdYes, cluster.HttpdNo}
		case reflect.TypeFor[cluster.Attribute]():
			return []any{cluster.Attribute(1), cluster.Attribute(2)}
		case reflect.TypeFor[cluster.Status]():
			return []any{cluster.UnRegistered, cluster.Rejected}
		case reflect.TypeFor[cluster.Reason]():
			return []any{cluster.ConnectivityError, cluster.ReasonNumber(9)}
		case reflect.TypeFor[[]cluster.Line]():
			up, down := cluster.Registered, cluster.UnRegistered
			return []any{[]cluster.Line(nil), []cluster.Line{{Number: "1001", Status: down}}, []cluster.Line{{Number: "1001", Status: 0}}, []cluster.Line{{Number: "", Status: up}}, []cluster.Line{{Number: "1001", Status: up}, {Number: "1002", Status: down}}}
		case reflect.TypeFor[netip.Addr]():
			return []any{netip.Addr{}, netip.MustParseAddr("10.100.100.100"), netip.MustParseAddr("2001:db8::1")}
		case reflect.TypeFor[cluster.Download]():
			return []any{cluster.Failed, cluster.UnknownDownload}
		}
		t.Fatalf("nothing is known of fields of type %s", field)
		return nil
	}
	type item struct {
		d cluster.Device
		r cluster.Record
	}
	var items []item
	d, r := base()
	items = append(items, item{d, r})
	for _, typ := range []reflect.Type{reflect.TypeFor[cluster.Device](), reflect.TypeFor[cluster.Record]()} {
		for i := range typ.NumField() {
			if !typ.Field(i).IsExported() {
				continue
			}
			for _, value := range others(typ.Field(i).Type) {
				d, r := base()
				in := reflect.ValueOf(&d).Elem()
				if typ == reflect.TypeFor[cluster.Record]() {
					in = reflect.ValueOf(&r).Elem()
				}
				in.Field(i).Set(reflect.ValueOf(value))
				items = append(items, item{d, r})
			}
		}
	}
	// All of them in one cluster, so that what is the same in two is kept once, and in one answer of each order of two.
	c := cluster.Config{Nodes: []cluster.Node{{Name: "pub"}, {Name: "n"}}}
	var records []cluster.DeviceRecord
	for i := range items {
		records = append(records, cluster.NewDeviceRecord(items[i].d, items[i].r)) // also such as no cluster would take
		d := items[i].d
		d.Name += cluster.DeviceName(fmt.Sprintf("-%d", i))
		c.Devices = append(c.Devices, d)
		if _, err := cluster.New(start, cluster.Config{Nodes: c.Nodes, Devices: []cluster.Device{d}, Registrations: []cluster.Registration{{Device: d.Name, Node: "pub", Record: items[i].r}}}); err == nil {
			c.Registrations = append(c.Registrations, cluster.Registration{Device: d.Name, Node: "pub", Record: items[i].r})
		}
	}
	store, err := cluster.New(start, c)
	require.NoError(t, err)
	records = append(records, store.Snapshot().Select(cluster.DeviceQuery{}).Nodes[0].Devices...)
	require.Greater(t, len(records), len(items)*3/2)

	whole := func(d cluster.DeviceRecord, reasons cluster.ReasonTable) string {
		return string(appendDevice(nil, d.Device(), d.Record(), reasons, new(seams)))
	}
	for _, first := range records {
		for _, second := range records {
			var mem scratch
			mem.appendItem(nil, first, cluster.DocumentedReasons)
			for _, reasons := range []cluster.ReasonTable{cluster.DocumentedReasons, cluster.FieldReasons} {
				if got := string(mem.appendItem(nil, second, reasons)); got != whole(second, reasons) {
					t.Fatalf("after %s\n%s\nreads\n%s", whole(first, reasons), whole(second, reasons), got)
				}
			}
		}
	}
}

package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// exactly compares what is exported, an empty list being another thing than none.
var exactly = cmp.Options{cmpopts.EquateComparable(cluster.Uint{}, netip.Addr{}), cmpopts.IgnoreUnexported(cluster.Device{})}

// oddTexts are what names, numbers and texts may be, as far as the cluster is concerned.
var oddTexts = []string{"", "a", "A", "\x00", "a\x00b", "\xff\xfe", "ß", "ſ", "İ", "\u2028", "Tom & \"Jerry\" <lab>", strings.Repeat("x", 127), strings.Repeat("é", 64), strings.Repeat("y", 20_000), "1001", `\+49`}

// drawField sets a field of a device or a record, whatever field that is: one that a later edition adds is drawn too, or the test fails.
func drawField(t *rapid.T, name string, f reflect.Value) {
	switch p := f.Addr().Interface().(type) {
	case *string:
		*p = pick(t, name, oddTexts)
	case *bool:
		*p = rapid.Bool().Draw(t, name)
	case *uint32:
		*p = rapid.Uint32().Draw(t, name)
	case *int64:
		*p = rapid.SampledFrom([]int64{1, start.Unix() - 1, start.Unix()}).Draw(t, name)
	case *cluster.Uint:
		if rapid.Bool().Draw(t, name+"?") {
			*p = cluster.Some(rapid.Uint32().Draw(t, name))
		}
	case *[]string:
		*p = rapid.SampledFrom([][]string{nil, {}, {""}, {"1001"}, {"1001", "1001"}, {"a\x00b", "\xff", `\+49`}}).Draw(t, name)
	case *[]cluster.NodeName:
		*p = rapid.SampledFrom([][]cluster.NodeName{nil, {}, {"n0"}, {"n1", "n0"}, {"n0", "n1"}}).Draw(t, name)
	case **cluster.H323Trunk:
		if rapid.Bool().Draw(t, name) {
			*p = new(cluster.H323Trunk)
			drawFields(t, reflect.ValueOf(*p).Elem())
		}
	case *cluster.Class:
		*p = cluster.Class(rapid.IntRange(1, int(cluster.UnknownClass)).Draw(t, name))
	case *cluster.Protocol:
		*p = cluster.Protocol(rapid.IntRange(0, 3).Draw(t, name))
	case *cluster.Httpd:
		*p = cluster.Httpd(rapid.IntRange(0, 3).Draw(t, name))
	case *cluster.Attribute:
		*p = cluster.Attribute(rapid.IntRange(0, 4).Draw(t, name))
	case *cluster.Download:
		*p = cluster.Download(rapid.IntRange(0, 4).Draw(t, name))
	case *cluster.Reason, *cluster.Status, *[]cluster.Line, *netip.Addr, *uint64, *cluster.DeviceName: // see drawAnyRecord
	default:
		t.Fatalf("nothing is known of %s, a %s", name, f.Type())
	}
}

func drawFields(t *rapid.T, v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			drawField(t, f.Name, v.Field(i))
		}
	}
}

func drawAnyDevice(t *rapid.T, name string) cluster.Device {
	var d cluster.Device
	drawFields(t, reflect.ValueOf(&d).Elem())
	d.Name = cluster.DeviceName(name)
	return d
}

func drawAnyRecord(t *rapid.T, d *cluster.Device) cluster.Record {
	var r cluster.Record
	drawFields(t, reflect.ValueOf(&r).Elem())
	r.Status = rapid.SampledFrom([]cluster.Status{cluster.Registered, cluster.UnRegistered, cluster.Rejected, cluster.UnknownStatus}).Draw(t, "status")
	if r.Status != cluster.Registered {
		r.Reason = cluster.ReasonNumber(uint16(rapid.IntRange(0, 40).Draw(t, "reason")))
	}
	for _, n := range rapid.SampledFrom([][]string{nil, d.Lines, {"1001"}, {""}, {"1001", "1001"}}).Draw(t, "lines") {
		status := r.Status
		if rapid.IntRange(0, 5).Draw(t, "line status") == 0 && r.Status != cluster.Registered {
			status = cluster.UnknownStatus
		}
		r.Lines = append(r.Lines, cluster.Line{Number: n, Status: status})
	}
	if rapid.Bool().Draw(t, "v4?") {
		r.IPv4 = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
	}
	if rapid.Bool().Draw(t, "v6?") {
		r.IPv6 = netip.MustParseAddr(pick(t, "v6", append(v6s, "::")))
	}
	return r
}

// What goes into a cluster comes out of it, whichever way it is looked at: packed at the beginning or by changes, written together
// anew, and after it was made of a State.
func TestStore_KeepsEveryField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c cluster.Config
		for i := range rapid.SampledFrom([]int{1, 2, 9}).Draw(t, "nodes") + 1 {
			c.Nodes = append(c.Nodes, cluster.Node{Name: cluster.NodeName(fmt.Sprintf("n%d", i))})
		}
		type key struct {
			device cluster.DeviceName
			node   cluster.NodeName
		}
		devices, records := map[cluster.DeviceName]cluster.Device{}, map[key]cluster.Record{}
		put := func(d cluster.Device) (out []cluster.Registration) {
			devices[d.Name] = d
			for _, n := range c.Nodes {
				if rapid.Bool().Draw(t, "record?") {
					r := drawAnyRecord(t, &d)
					records[key{d.Name, n.Name}] = r
					out = append(out, cluster.Registration{Device: d.Name, Node: n.Name, Record: r})
				}
			}
			return out
		}
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "B", "a\x00", "\x00", "\xff", "ß1", "SEP1", "sep2", "é", strings.Repeat("n", 200), "1", "*"}), 2, 12, rapid.ID[string]).Draw(t, "names")
		some := rapid.IntRange(1, len(names)).Draw(t, "at first")
		for _, name := range names[:some] {
			d := drawAnyDevice(t, name)
			c.Devices, c.Registrations = append(c.Devices, d), append(c.Registrations, put(d)...)
		}
		store, err := cluster.New(start, c)
		require.NoError(t, err)

		check := func(s *cluster.Snapshot) {
			require.NoError(t, s.Check())
			require.Equal(t, len(devices), s.Len())
			noID := cmpopts.IgnoreFields(cluster.Record{}, "StateID")
			for name, want := range devices {
				got, ok := s.Device(name)
				require.True(t, ok)
				require.Empty(t, cmp.Diff(&want, got, exactly))
				var have int
				for _, n := range s.Records(name) {
					require.Empty(t, cmp.Diff(records[key{name, n.Node}], *n.Record, exactly, noID, cmpopts.EquateEmpty()))
					have++
				}
				for _, n := range c.Nodes {
					if _, ok := records[key{name, n.Name}]; ok {
						have--
					}
				}
				require.Zero(t, have, "records of %q", name)
			}
			// An answer, read at one go and by its parts.
			var v cluster.View
			var o cluster.Own
			n := 0
			res := s.Select(cluster.DeviceQuery{})
			for i := range res.Nodes {
				for _, d := range res.Nodes[i].Devices {
					d.Read(&v)
					d.ReadOwn(&o)
					n++
					want, record := devices[v.Device.Name], records[key{v.Device.Name, res.Nodes[i].Node}]
					require.Empty(t, cmp.Diff(want, v.Device, exactly))
					require.Empty(t, cmp.Diff(record, v.Record, exactly, noID, cmpopts.EquateEmpty()))
					own := cluster.Own{Name: want.Name, Description: want.Description, TimeStamp: record.TimeStamp,
						Attempts: record.Attempts, LoginUser: record.LoginUser, Lines: record.Lines, IPv4: record.IPv4, IPv6: record.IPv6}
					require.Empty(t, cmp.Diff(own, o, exactly, cmpopts.IgnoreUnexported(cluster.Own{}), cmpopts.EquateEmpty()))
				}
			}
			require.Equal(t, len(records), n)
		}
		check(store.Snapshot())
		for step := range rapid.IntRange(1, 4).Draw(t, "steps") {
			before, then := store.Snapshot(), store.Snapshot().State()
			var change []cluster.Change
			switch name := pick(t, "whose", names); rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if _, known := devices[cluster.DeviceName(name)]; !known {
					d := drawAnyDevice(t, name)
					change = append(change, cluster.AddDevices{Devices: []cluster.Device{d}, Registrations: put(d)})
				}
			case 1:
				if _, known := devices[cluster.DeviceName(name)]; known {
					d := drawAnyDevice(t, name)
					devices[d.Name] = d
					change = append(change, cluster.Configure{Device: d})
				}
			case 2:
				if d, known := devices[cluster.DeviceName(name)]; known {
					node := pick(t, "node", c.Nodes).Name
					r := drawAnyRecord(t, &d)
					r.TimeStamp = start.Unix() + int64(step) // which never goes back
					records[key{d.Name, node}] = r
					change = append(change, cluster.SetRecord{Registration: cluster.Registration{Device: d.Name, Node: node, Record: r}})
				}
			default:
				if d, known := devices[cluster.DeviceName(name)]; known {
					delete(devices, d.Name)
					for _, n := range c.Nodes {
						delete(records, key{d.Name, n.Name})
					}
					change = append(change, cluster.RemoveDevices{Names: []cluster.DeviceName{d.Name}})
				}
			}
			if len(change) > 0 {
				require.NoError(t, store.Apply(start.Add(3600e9), change...))
			}
			require.Empty(t, cmp.Diff(then, before.State(), exactly), "an earlier snapshot has changed")
			check(store.Snapshot())
		}
		again, err := cluster.FromState(store.Snapshot().State())
		require.NoError(t, err)
		check(again.Snapshot())
	})
}

// A cluster that lives long comes by more conditions, places and makes than are remembered. What is forgotten is written down anew.
func TestStore_ForgetsWhatManyHaveInCommon(t *testing.T) {
	const devices, batch = 300, 9_000
	c := cluster.Config{Nodes: []cluster.Node{{Name: "pub"}}}
	for i := range devices {
		c.Devices = append(c.Devices, cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP%03d", i)), Class: cluster.Phone, Group: "g"})
	}
	store, err := cluster.New(start, c)
	require.NoError(t, err)
	n := 0
	for range 9 {
		var changes []cluster.Change
		for range batch {
			i := n % devices
			load := fmt.Sprintf("load.%d", n)
			n++
			if i == 0 { // who has the same condition all the time
				load = "load"
			}
			changes = append(changes, cluster.SetRecord{Registration: cluster.Registration{Device: c.Devices[i].Name, Node: "pub",
				Record: cluster.Record{Status: cluster.Registered, ActiveLoad: load}}})
		}
		d := c.Devices[1]
		d.Description = fmt.Sprint(n)
		require.NoError(t, store.Apply(start, append(changes, cluster.Configure{Device: d})...))
		s := store.Snapshot()
		for i := range devices {
			want := fmt.Sprintf("load.%d", n-devices+i)
			if i == 0 {
				want = "load"
			}
			require.Equal(t, want, s.Records(c.Devices[i].Name)[0].Record.ActiveLoad)
		}
		got, _ := s.Device(d.Name)
		require.Empty(t, cmp.Diff(&d, got, exactly))
	}
	require.Greater(t, n, 1<<16)
}

// As many records as a block can have, each with a condition and a user of its own, and more changes than it has room for: the
// numbers within a block are of 16 bits.
func TestStore_BlockOfManyRecords(t *testing.T) {
	const devices, nodes = 256, 255
	var c cluster.Config
	for i := range nodes {
		c.Nodes = append(c.Nodes, cluster.Node{Name: cluster.NodeName(fmt.Sprintf("n%03d", i))})
	}
	record := func(what string, i int) cluster.Record {
		return cluster.Record{Status: cluster.Registered, TimeStamp: 1, ActiveLoad: fmt.Sprint(what, i), LoginUser: fmt.Sprint(what, i)}
	}
	for d := range devices {
		c.Devices = append(c.Devices, cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP%03d", d)), Class: cluster.Phone})
		for n := range nodes {
			c.Registrations = append(c.Registrations, cluster.Registration{Device: c.Devices[d].Name, Node: c.Nodes[n].Name, Record: record("old", d*nodes+n)})
		}
	}
	store, err := cluster.New(start, c)
	require.NoError(t, err)
	// Each count of changes leaves another number as the highest one; the last count is one that makes room again.
	for _, changed := range []int{254, 255, 256, 257, 300} {
		base := store.Snapshot()
		var changes []cluster.Change
		for i := range changed {
			r := c.Registrations[i]
			r.Record = record("new", i)
			changes = append(changes, cluster.SetRecord{Registration: r})
		}
		require.NoError(t, store.Apply(start, changes...))
		s := store.Snapshot()
		require.NoError(t, s.Check())
		for d := range devices {
			for n, r := range s.Records(c.Devices[d].Name) {
				what := "old"
				if i := d*nodes + n; i < changed {
					what = "new"
				}
				want := fmt.Sprint(what, d*nodes+n)
				require.Equal(t, [2]string{want, want}, [2]string{r.Record.ActiveLoad, r.Record.LoginUser}, "%d changed, device %d, node %d", changed, d, n)
			}
		}
		store.Restore(base)
	}

	c.Nodes = append(c.Nodes, cluster.Node{Name: "one more"})
	_, err = cluster.New(start, c)
	require.EqualError(t, err, "256 nodes; a cluster has at most 255")
}

// Texts that look like the end of others are no others.
func TestStore_PlacesOfOddNames(t *testing.T) {
	c := cluster.Config{Nodes: []cluster.Node{{Name: "a"}, {Name: "b"}, {Name: "\x01x"}}}
	for i, d := range []cluster.Device{
		{Homes: nil, Group: "g"},
		{Homes: []cluster.NodeName{}, Group: "\x01g"},
		{Homes: []cluster.NodeName{}, Group: "g"},
		{Homes: []cluster.NodeName{"a", "b"}, Group: "g"},
		{Homes: []cluster.NodeName{"a"}, Group: "b\x00g"},
		{Homes: nil, Group: "x\x00g"},
		{Homes: []cluster.NodeName{"\x01x"}, Group: "g"},
	} {
		d.Name, d.Class = cluster.DeviceName(fmt.Sprint(i)), cluster.Phone
		c.Devices = append(c.Devices, d)
	}
	store, err := cluster.New(start, c)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(c.Devices, store.Snapshot().State().Devices, exactly))
}

// An index is made of one snapshot, whichever asks first, and what an earlier or an undone one answers stays as it was.
func TestSnapshot_AnswersTheSameWhateverCameLater(t *testing.T) {
	c := cluster.Config{Nodes: []cluster.Node{{Name: "pub"}}}
	for i := range 9 {
		c.Devices = append(c.Devices, cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP%d", i)), Class: cluster.Phone})
	}
	line := func(number string) cluster.Record {
		return cluster.Record{Status: cluster.Registered, Lines: []cluster.Line{{Number: number, Status: cluster.Registered}}}
	}
	c.Registrations = []cluster.Registration{{Device: "SEP8", Node: "pub", Record: line("1008")}}
	found := func(s *cluster.Snapshot, number string) (names []string) {
		for _, d := range s.Select(cluster.DeviceQuery{By: cluster.ByDirNumber, Items: []string{number}}).Nodes[0].Devices {
			names = append(names, string(d.Name()))
		}
		return names
	}
	for _, indexed := range []bool{false, true} {
		store, err := cluster.New(start, c)
		require.NoError(t, err)
		if indexed {
			found(store.Snapshot(), "1")
		}
		give := func(i int, number string) *cluster.Snapshot {
			require.NoError(t, store.Apply(start, cluster.SetRecord{Registration: cluster.Registration{Device: c.Devices[i].Name, Node: "pub", Record: line(number)}}))
			return store.Snapshot()
		}
		give(0, "1000")
		give(1, "1001")
		base := give(2, "1002") // after three of each, lists have room for one more
		marks := []cluster.Mark{base.Select(cluster.DeviceQuery{}).Nodes[0].Mark}
		first := give(3, "2003")
		store.Restore(base)
		second := give(4, "2004")
		give(2, "9002")
		last := give(8, "9008")

		require.Equal(t, []string{"SEP2"}, found(last, "9002"))
		require.Empty(t, found(last, "1002"))
		require.Empty(t, found(last, "2003"))
		require.Equal(t, []string{"SEP2"}, found(base, "1002"))
		require.Equal(t, []string{"SEP8"}, found(base, "1008"))
		require.Empty(t, found(base, "9002"))
		require.Equal(t, []string{"SEP3"}, found(first, "2003"))
		require.Empty(t, found(first, "2004"))
		require.Equal(t, []string{"SEP4"}, found(second, "2004"))
		require.Equal(t, cluster.Changed, first.Select(cluster.DeviceQuery{Items: []string{"SEP3"}, Since: marks}).Since)
		require.Equal(t, cluster.Unchanged, first.Select(cluster.DeviceQuery{Items: []string{"SEP4"}, Since: marks}).Since)
		require.Equal(t, cluster.Changed, second.Select(cluster.DeviceQuery{Items: []string{"SEP4"}, Since: marks}).Since)
	}
}

// Names that are the same for longer than the order of blocks looks at, and texts of few or of odd bytes, are found like any other.
func TestSelect_NamesThatAreHardToTellApart(t *testing.T) {
	c := cluster.Config{Nodes: []cluster.Node{{Name: "pub"}}}
	for i := range 1500 {
		c.Devices = append(c.Devices, cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SAME-FOR-16-BYTES-%04d", i)), Class: cluster.Phone})
	}
	for _, name := range []string{"A", "A\x00", "A\x00\x00", "\x00", "\x00\x00\x00\x00B", "\x00\x00C", "D\x00\x00E", "ABCD", "BCD", "CD"} {
		c.Devices = append(c.Devices, cluster.Device{Name: cluster.DeviceName(name), Class: cluster.Phone})
	}
	for i := range c.Devices {
		c.Registrations = append(c.Registrations, cluster.Registration{Device: c.Devices[i].Name, Node: "pub", Record: cluster.Record{Status: cluster.Registered}})
	}
	store, err := cluster.New(start, c)
	require.NoError(t, err)
	s := store.Snapshot()
	for _, d := range c.Devices {
		got, ok := s.Device(d.Name)
		require.True(t, ok, "%q", d.Name)
		require.Equal(t, d.Name, got.Name)
	}
	for _, items := range [][]string{
		{"*\x00\x00*", "*\x00\x00\x00B*", "*0\x00*", "*\x00C", "*\x00\x00E"}, {"*BCD", "*CDx*", "*\x00B", "*0099", "*16*"},
		{"*\x00*"}, {"*A*\x00"}, {"A\x00*"}, {"SAME-FOR-16-BYTES-0*"}, {"SAME-FOR-16-BYTES-1255", "SAME-FOR-16-BYTES-12*"},
	} {
		checkSelect(t, s, cluster.DeviceQuery{Items: items})
	}
}

// Readers find in their snapshot what is in it, whoever makes its index and counts its devices, while the next ones come (for the race
// detector too).
func TestSelect_WhileOthersApply(t *testing.T) {
	r := large{rand.New(rand.NewPCG(11, 0))}
	devices, registrations := r.some(600)
	store, err := cluster.New(start, cluster.Config{Nodes: []cluster.Node{{Name: "pub"}, {Name: "sub1"}, {Name: "sub2"}}, Devices: devices, Registrations: registrations})
	require.NoError(t, err)
	var done atomic.Bool
	var readers sync.WaitGroup
	for seed := range uint64(3) {
		readers.Go(func() {
			r := large{rand.New(rand.NewPCG(seed, 1))}
			for n := 0; n < 5 || !done.Load(); n++ {
				s := store.Snapshot()
				if s.Len() > 0 {
					s.At(r.IntN(s.Len()))
				}
				q := r.query()
				q.By = []cluster.SelectBy{cluster.ByDirNumber, cluster.ByIPv4, q.By}[n%3]
				if q.By == cluster.ByIPv4 {
					q.Items = []string{fmt.Sprintf("10.0.%d.%d", r.IntN(4), r.IntN(256))}
				}
				checkSelect(assert{t}, s, q)
			}
		})
	}
	for step := range 12 {
		if changes := r.change(store.Snapshot()); len(changes) > 0 {
			require.NoError(t, store.Apply(start.Add(time.Duration(step)*time.Second), changes...))
		}
	}
	done.Store(true)
	readers.Wait()
}

// assert is a test for goroutines other than its own, which must not end it.
type assert struct{ *testing.T }

func (a assert) FailNow() { a.Fail() }

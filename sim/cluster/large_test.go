package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

// large draws devices whose names are spread evenly, so that a change meets any part of a cluster.
type large struct{ *rand.Rand }

func (r large) name() cluster.DeviceName {
	if r.IntN(10) == 0 {
		return cluster.DeviceName(fmt.Sprintf("csf%03d", r.IntN(1000)))
	}
	return cluster.DeviceName(fmt.Sprintf("SEP%04X", r.IntN(4000)))
}

func (r large) device(name cluster.DeviceName) cluster.Device {
	d := cluster.Device{
		Name: name, Class: cluster.Class(1 + r.IntN(3)), Model: uint32(600 + r.IntN(4)), Protocol: cluster.Protocol(1 + r.IntN(2)),
		Description: []string{"", "Anna Berg, Toledo", "Émile, Toledo", "Room 5.12"}[r.IntN(4)], Homes: []cluster.NodeName{"sub1", "sub2"},
		Group: []string{"hq", "lab"}[r.IntN(2)],
	}
	for range r.IntN(3) {
		d.Lines = append(d.Lines, []string{fmt.Sprint(1000 + r.IntN(3000)), fmt.Sprintf(`\+1408%04d`, r.IntN(3000)), fmt.Sprintf("no %d", r.IntN(9))}[r.IntN(3)])
	}
	if r.IntN(20) == 0 {
		d.H323 = &cluster.H323Trunk{Zone: string(name)}
	}
	return d
}

func (r large) registrations(d *cluster.Device) (out []cluster.Registration) {
	for _, node := range []cluster.NodeName{"pub", "sub1", "sub2"} {
		if r.IntN(2) == 0 {
			continue
		}
		rec := cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - int64(r.IntN(3)), Download: cluster.Download(r.IntN(3)), ActiveLoad: fmt.Sprint("load.", r.IntN(5))}
		if r.IntN(3) == 0 {
			rec.Status, rec.Reason = cluster.UnRegistered, cluster.ReasonNumber(uint16(r.IntN(20)))
		}
		for _, n := range d.Lines {
			rec.Lines = append(rec.Lines, cluster.Line{Number: n, Status: rec.Status})
		}
		if r.IntN(2) == 0 {
			rec.IPv4 = netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(4)), byte(r.IntN(256))})
		}
		if r.IntN(10) == 0 {
			rec.IPv6, rec.LoginUser, rec.Attempts = netip.AddrFrom16([16]byte{0xfd, 15: byte(r.IntN(256))}), "anna", cluster.Some(3)
		}
		out = append(out, cluster.Registration{Device: d.Name, Node: node, Record: rec})
	}
	return out
}

func (r large) some(n int) ([]cluster.Device, []cluster.Registration) {
	devices, registrations := []cluster.Device{}, []cluster.Registration{}
	seen := map[cluster.DeviceName]bool{}
	for len(devices) < n {
		if name := r.name(); !seen[name] {
			seen[name] = true
			devices = append(devices, r.device(name))
			registrations = append(registrations, r.registrations(&devices[len(devices)-1])...)
		}
	}
	return devices, registrations
}

// parts is a population of lists, in parts of some devices each.
type parts struct {
	devices       []cluster.Device
	registrations []cluster.Registration
	size          int
}

func (p parts) Parts() int { return (len(p.devices) + p.size - 1) / p.size }

func (p parts) Part(i int, add func(*cluster.Device, []cluster.Registration)) {
	for k := i * p.size; k < min(len(p.devices), (i+1)*p.size); k++ {
		d := p.devices[k]
		var own []cluster.Registration
		for _, r := range p.registrations {
			if r.Device == d.Name {
				r.Device = ""
				own = append(own, r)
			}
		}
		add(&d, own)
		d = cluster.Device{Name: "written over"}
	}
}

// What is asked of a large cluster: by every key, in every way that is planned differently.
func (r large) query() cluster.DeviceQuery {
	q := cluster.DeviceQuery{By: cluster.SelectBy(r.IntN(5)), Newest: r.IntN(3) == 0, CountAll: r.IntN(2) == 0, Limit: []int{0, 7, 300}[r.IntN(3)]}
	item := func() string {
		name := string(r.name())
		switch q.By {
		case cluster.ByName:
			return []string{name, name[:4] + "*", name[:5] + "*", "*" + name[4:6] + "*", "s*" + name[5:], "*" + name[6:]}[r.IntN(6)]
		case cluster.ByDescription:
			return []string{"room*", "*toledo", "*émile*", "anna berg, toledo"}[r.IntN(4)]
		case cluster.ByDirNumber:
			return []string{fmt.Sprint(1000 + r.IntN(3000)), fmt.Sprintf("1%d*", r.IntN(10)), fmt.Sprintf("+1408%03d*", r.IntN(300)), "*7*5", "no 3", "no*"}[r.IntN(6)]
		case cluster.ByIPv4:
			return []string{fmt.Sprintf("10.0.%d.%d", r.IntN(4), r.IntN(256)), "10.0.1.*"}[r.IntN(2)]
		}
		return fmt.Sprintf("fd00::%x", r.IntN(256))
	}
	for range []int{1, 1, 1, 3, 40}[r.IntN(5)] {
		q.Items = append(q.Items, item())
	}
	if r.IntN(2) == 0 {
		q.Model, q.Class, q.Status = uint32(600+r.IntN(4)), cluster.Class(r.IntN(3)), cluster.Status(r.IntN(3))
	}
	return q
}

func (r large) change(s *cluster.Snapshot) []cluster.Change {
	var present []cluster.DeviceName
	for d := range s.Devices() {
		present = append(present, d.Name)
	}
	one := func() cluster.DeviceName { return present[r.IntN(len(present))] }
	var out []cluster.Change
	switch r.IntN(6) {
	case 0: // many new ones, all over the place
		devices, registrations := r.some(200)
		known := func(n cluster.DeviceName) bool { _, ok := s.Device(n); return ok }
		devices = slices.DeleteFunc(devices, func(d cluster.Device) bool { return known(d.Name) })
		registrations = slices.DeleteFunc(registrations, func(r cluster.Registration) bool { return known(r.Device) })
		out = append(out, cluster.AddDevices{Devices: devices, Registrations: registrations})
	case 1: // all of a region go
		from := r.IntN(len(present))
		out = append(out, cluster.RemoveDevices{Names: present[from:min(len(present), from+r.IntN(300))]})
	case 2:
		for range 30 {
			out = append(out, cluster.Configure{Device: r.device(one())})
		}
	case 3:
		out = append(out, cluster.RestartRIS{Node: "sub1"})
	}
	for range r.IntN(200) {
		switch d := one(); r.IntN(4) {
		case 0:
			out = append(out, cluster.SetRecord{Registration: cluster.Registration{Device: d, Node: "pub", Record: cluster.Record{Status: cluster.UnRegistered, LoginUser: "bert",
				Lines: []cluster.Line{{Number: "4711", Status: cluster.UnRegistered}}}}})
		case 1:
			out = append(out, cluster.SetRecord{Registration: cluster.Registration{Device: d, Node: "sub1", Record: cluster.Record{Status: cluster.Registered, IPv4: netip.AddrFrom4([4]byte{10, 0, 1, byte(r.IntN(256))})}}})
		default:
			out = append(out, cluster.Register{Device: d, Node: "sub2"})
		}
	}
	if _, removes := out[0].(cluster.RemoveDevices); removes {
		return out[:1]
	}
	return out
}

// Q9 W2 W3 W4 W7 R2: a cluster of many blocks answers as a plain scan does, also while many devices come, go and change, and
// nothing that happens changes an earlier snapshot.
func TestLarge_AgreesWithPlainScan(t *testing.T) {
	for seed := range uint64(2) {
		r := large{rand.New(rand.NewPCG(seed, 0))}
		devices, registrations := r.some(900)
		c := cluster.Config{Nodes: []cluster.Node{{Name: "pub", Publisher: true}, {Name: "sub1"}, {Name: "sub2"}}, Devices: devices, Registrations: registrations}
		store, err := cluster.New(start, c)
		require.NoError(t, err)
		var snaps []*cluster.Snapshot
		var states []cluster.State
		for step := range 9 {
			s := store.Snapshot()
			require.NoError(t, s.Check())
			for range 5 {
				checkSelect(t, s, r.query())
			}
			snaps, states = append(snaps, s), append(states, s.State())
			for i := 0; i < s.Len(); i += 97 {
				require.Equal(t, states[step].Devices[i].Name, s.At(i).Name)
			}
			if changes := r.change(s); len(changes) > 0 {
				require.NoError(t, store.Apply(start.Add(time.Duration(step)*time.Second), changes...))
			}
		}
		for i, s := range snaps {
			require.Empty(t, cmp.Diff(states[i], s.State(), sameState))
		}
	}
}

// The same population in other parts, or as lists in any order, is the same cluster.
func TestNew_PopulationInParts(t *testing.T) {
	r := large{rand.New(rand.NewPCG(7, 0))}
	c := cluster.Config{Nodes: []cluster.Node{{Name: "pub", Publisher: true}, {Name: "sub1"}, {Name: "sub2"}}}
	c.Devices, c.Registrations = r.some(1500)
	state := func(c cluster.Config) cluster.State {
		s, err := cluster.New(start, c)
		require.NoError(t, err)
		require.NoError(t, s.Snapshot().Check())
		return s.Snapshot().State()
	}
	want := state(c)
	for _, size := range []int{2000, 400, 37} {
		got := state(cluster.Config{Nodes: c.Nodes, Population: parts{c.Devices, c.Registrations, size}})
		require.Empty(t, cmp.Diff(want, got, sameState), "parts of %d", size)
	}
	shuffled := c
	shuffled.Devices, shuffled.Registrations = slices.Clone(c.Devices), slices.Clone(c.Registrations)
	r.Shuffle(len(shuffled.Devices), func(i, j int) {
		shuffled.Devices[i], shuffled.Devices[j] = shuffled.Devices[j], shuffled.Devices[i]
	})
	r.Shuffle(len(shuffled.Registrations), func(i, j int) {
		shuffled.Registrations[i], shuffled.Registrations[j] = shuffled.Registrations[j], shuffled.Registrations[i]
	})
	require.Empty(t, cmp.Diff(want, state(shuffled), sameState))

	// So many that their order is found in ranges.
	var many cluster.Config
	many.Nodes = c.Nodes
	var names []cluster.DeviceName
	for i := range 50_000 {
		names = append(names, cluster.DeviceName(fmt.Sprintf("%c-same-for-16-bytes-%06d", 'A'+i%2, i)))
	}
	for _, i := range r.Perm(len(names)) {
		many.Devices = append(many.Devices, cluster.Device{Name: names[i], Class: cluster.Phone})
	}
	slices.Sort(names)
	for i, d := range state(many).Devices {
		require.Equal(t, names[i], d.Name)
	}

	c.Devices[1400].Name = cluster.DeviceName(string(c.Devices[3].Name))
	_, err := cluster.New(start, cluster.Config{Nodes: c.Nodes, Population: parts{c.Devices, c.Registrations, 100}})
	require.ErrorContains(t, err, fmt.Sprintf("device %q: there is already a device of this name", c.Devices[3].Name))
	_, err = cluster.New(start, cluster.Config{Nodes: c.Nodes, Devices: c.Devices[:1], Population: parts{c.Devices, nil, 100}})
	require.EqualError(t, err, "a population and lists of devices or registrations; expected one or the other")
}

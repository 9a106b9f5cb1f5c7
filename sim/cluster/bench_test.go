package cluster_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// many is a cluster of n phones on two subscribers.
func many(n int) *cluster.Store {
	c := cluster.Config{Nodes: []cluster.Node{{Name: "pub", Publisher: true}, {Name: "sub1"}, {Name: "sub2"}}}
	for i := range n {
		name := cluster.DeviceName(fmt.Sprintf("SEP%012X", uint64(i)*2654435761&0xffffffffffff))
		dn := fmt.Sprint(1000000 + i)
		node := c.Nodes[1+i%2].Name
		c.Devices = append(c.Devices, cluster.Device{Name: name, Class: cluster.Phone, Model: uint32(600 + i%9), Lines: []string{dn}, Description: "phone", Homes: []cluster.NodeName{node}})
		c.Registrations = append(c.Registrations, cluster.Registration{Device: name, Node: node, Record: cluster.Record{
			Status: cluster.Registered, TimeStamp: start.Unix() - 1, Lines: []cluster.Line{{Number: dn, Status: cluster.Registered}},
			IPv4: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
		}})
	}
	s, err := cluster.New(start, c)
	if err != nil {
		panic(err)
	}
	return s
}

var sizes = []int{1_000, 100_000}

func BenchmarkSelect(b *testing.B) {
	for _, n := range sizes {
		store := many(n)
		s := store.Snapshot()
		mid := string(s.Select(cluster.DeviceQuery{Limit: n/2 + 1}).Nodes[1].Devices[0].Name())
		for _, q := range []struct {
			name string
			cluster.DeviceQuery
		}{
			{"name", cluster.DeviceQuery{Items: []string{mid}}},
			{"number", cluster.DeviceQuery{By: cluster.ByDirNumber, Items: []string{"1000500"}}},
			{"address", cluster.DeviceQuery{By: cluster.ByIPv4, Items: []string{"10.0.1.7"}}},
			{"prefix", cluster.DeviceQuery{Items: []string{mid[:6] + "*"}, Limit: 1000}},
			{"infix", cluster.DeviceQuery{Items: []string{"*AB12*"}, Limit: 1000}},
			{"all", cluster.DeviceQuery{Limit: 1000}},
			{"filter", cluster.DeviceQuery{Class: cluster.Phone, Model: 604, Status: cluster.Rejected, Limit: 1000}},
		} {
			b.Run(fmt.Sprintf("%s/%d", q.name, n), func(b *testing.B) {
				b.ReportAllocs()
				s.Select(q.DeviceQuery)
				for b.Loop() {
					s.Select(q.DeviceQuery)
				}
			})
		}
	}
}

func BenchmarkNoChange(b *testing.B) {
	for _, n := range sizes {
		for _, changes := range []int{0, 100} {
			b.Run(fmt.Sprintf("%d/%d changes", n, changes), func(b *testing.B) {
				store := many(n)
				q := cluster.DeviceQuery{Status: cluster.Rejected, Limit: 1000}
				for _, node := range store.Snapshot().Select(q).Nodes {
					q.Since = append(q.Since, node.Mark)
				}
				i := 0
				for d := range store.Snapshot().Devices() {
					if i++; i > changes {
						break
					}
					if err := store.Apply(start, cluster.Unregister{Device: d.Name}); err != nil {
						b.Fatal(err)
					}
				}
				s := store.Snapshot()
				b.ReportAllocs()
				for b.Loop() {
					if s.Select(q).Since != cluster.Unchanged {
						b.Fatal("changed")
					}
				}
			})
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range sizes {
		for _, batch := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%d/%d changes", n, batch), func(b *testing.B) {
				store := many(n)
				var names []cluster.DeviceName
				for d := range store.Snapshot().Devices() {
					names = append(names, d.Name)
				}
				now, i := start, 0
				b.ReportAllocs()
				for b.Loop() {
					changes := make([]cluster.Change, batch)
					for k := range changes {
						changes[k] = cluster.Unregister{Device: names[i*7919%len(names)]}
						i++
					}
					now = now.Add(time.Second)
					if err := store.Apply(now, changes...); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				many(n)
			}
		})
	}
}

package cluster_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// crowd is a population of n phones on two subscribers, as varied as real ones: names without order, a person's name and a
// city in each description, several models, firmwares and sites, some that are not registered, some with two lines, a user
// or an IPv6 address. One in ten has been registered with the other subscriber before.
type crowd int

var (
	firstNames = strings.Fields("Anna Bert Clara Dmitri Emilia Farid Greta Hanna Ivan Jonas Kira Lukas Mira Nadia Oskar Paula Quentin Rosa Samir Tilda Ulla Viktor Wanda Xaver Yusuf Zoe")
	lastNames  = strings.Fields("Abel Berger Castillo Dahl Eriksson Fontana Gruber Hansen Ivanov Jensen Keller Lindqvist Moreau Novak Olsen Petrov Quist Rossi Schmidt Tanaka Ulrich Vogel Weber Xu Yilmaz Zeman")
	crowdLoads = strings.Fields("sip88xx.14-2-1-0001-60 sip88xx.14-1-1-0001-60 sip78xx.14-2-1-0001-60 SCCP45.9-4-2SR3-1S sip8845_65.14-2-1")
	subs       = [][]cluster.NodeName{{"sub1", "sub2", "pub"}, {"sub2", "sub1", "pub"}}
)

const crowdPart = 1 << 14

func (n crowd) Parts() int { return (int(n) + crowdPart - 1) / crowdPart }

func (n crowd) Part(part int, add func(*cluster.Device, []cluster.Registration)) {
	var d cluster.Device
	var rs [2]cluster.Registration
	var lines [2]string
	var states [2][2]cluster.Line
	for i := part * crowdPart; i < min(int(n), (part+1)*crowdPart); i++ {
		h := uint64(i) * 0x9e3779b97f4a7c15
		h ^= h >> 29
		lines[0] = strconv.Itoa(1_000_000 + i)
		lines[1] = strconv.Itoa(3_000_000 + i)
		own := lines[:1+h>>40%5/4]
		d = cluster.Device{
			Name:  crowdName(i),
			Class: cluster.Phone, Protocol: cluster.SIP, Httpd: cluster.HttpdYes, Attribute: cluster.AttributeUnknown, IsCtiControllable: true,
			Model: uint32(600 + h>>8%27), Product: cluster.Some(uint32(h >> 8 % 27)), BoxProduct: cluster.Some(0), PerfMonObject: cluster.Some(2),
			Description: firstNames[h>>12%26] + " " + lastNames[h>>20%26] + strconv.Itoa(i%100) + ", Springfield",
			Lines:       own, Homes: subs[i%2], Group: [...]string{"hq", "branch-1", "branch-2", "branch-3"}[h>>30%4],
		}
		r := cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - 60 - int64(h>>16%100000), Attempts: cluster.Some(0), Download: cluster.UnknownDownload,
			IPv4: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), ActiveLoad: crowdLoads[h>>10%5]}
		switch {
		case h>>50%100 < 5:
			r.Status, r.Reason = cluster.UnRegistered, []cluster.Reason{cluster.KeepAliveTimeout, cluster.DeviceUnregistered, cluster.ConnectivityError}[i%3]
		case h>>50%100 == 5:
			r.Status, r.Reason = cluster.Rejected, cluster.NoEntryInDatabase
		case h>>50%100 < 10:
			r.LoginUser = fmt.Sprint("user", i)
		case h>>50%100 < 16:
			r.IPv6 = netip.AddrFrom16([16]byte{0xfd, 12: byte(i >> 24), 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		}
		withLines := func(r *cluster.Record, room []cluster.Line) {
			for k, l := range own {
				room[k] = cluster.Line{Number: l, Status: r.Status}
			}
			r.Lines = room[:len(own)]
		}
		withLines(&r, states[0][:])
		rs[0] = cluster.Registration{Node: subs[i%2][0], Record: r}
		old := r
		old.Status, old.Reason, old.TimeStamp = cluster.UnRegistered, cluster.KeepAliveTimeout, r.TimeStamp-60
		withLines(&old, states[1][:])
		rs[1] = cluster.Registration{Node: subs[i%2][1], Record: old}
		add(&d, rs[:1+(i%10)/9])
	}
}

func crowdName(i int) cluster.DeviceName {
	const digits = "0123456789ABCDEF"
	name := [15]byte{'S', 'E', 'P'}
	for k, mac := 14, uint64(i)*2654435761*97; k > 2; k, mac = k-1, mac>>4 {
		name[k] = digits[mac&15]
	}
	return cluster.DeviceName(name[:])
}

func many(n int) *cluster.Store {
	s, err := cluster.New(start, cluster.Config{Nodes: []cluster.Node{{Name: "pub", Publisher: true}, {Name: "sub1"}, {Name: "sub2"}}, Population: crowd(n)})
	if err != nil {
		panic(err)
	}
	return s
}

var sizes = []int{1_000, 10_000, 100_000, 1_000_000}

// eachSize benchmarks something at each size, with a cluster of its own.
func eachSize(b *testing.B, bench func(b *testing.B, n int, store *cluster.Store)) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) { bench(b, n, many(n)) })
	}
}

func BenchmarkSelect(b *testing.B) {
	eachSize(b, func(b *testing.B, n int, store *cluster.Store) {
		s := store.Snapshot()
		name := func(i int) string { return string(crowdName(i % n)) }
		var names, infixes []string
		for i := range 1000 {
			names, infixes = append(names, name(i*7919)), append(infixes, "*"+name(i * 7919)[8:]+"*")
		}
		for _, q := range []struct {
			name string
			cluster.DeviceQuery
		}{
			{"name", cluster.DeviceQuery{Items: []string{name(n / 2)}}},
			{"number", cluster.DeviceQuery{By: cluster.ByDirNumber, Items: []string{"1000500"}}},
			{"address", cluster.DeviceQuery{By: cluster.ByIPv4, Items: []string{"10.0.1.7"}}},
			{"prefix", cluster.DeviceQuery{Items: []string{name(n / 2)[:5] + "*"}, Limit: 1000}},
			{"infix", cluster.DeviceQuery{Items: []string{"*AB12*"}}},
			{"suffix", cluster.DeviceQuery{Items: []string{"*AB12"}}},
			{"description", cluster.DeviceQuery{By: cluster.ByDescription, Items: []string{"*ulrich77*"}}},
			{"all", cluster.DeviceQuery{Limit: 1000}},
			{"collated", cluster.DeviceQuery{Limit: 1000, Newest: true}},
			{"filter", cluster.DeviceQuery{Class: cluster.Phone, Model: 604, Status: cluster.Rejected, Limit: 1000}},
			{"status", cluster.DeviceQuery{Status: cluster.Rejected}},
			{"1000 names", cluster.DeviceQuery{Items: names}},
			{"1000 infixes", cluster.DeviceQuery{Items: infixes}},
		} {
			b.Run(q.name, func(b *testing.B) {
				b.ReportAllocs()
				found := s.Select(q.DeviceQuery).Found
				for b.Loop() {
					s.Select(q.DeviceQuery)
				}
				b.ReportMetric(float64(found), "found")
			})
		}
	})
}

func BenchmarkRead(b *testing.B) {
	res := many(100_000).Snapshot().Select(cluster.DeviceQuery{Limit: 1000})
	var v cluster.View
	b.ReportAllocs()
	for b.Loop() {
		for _, n := range res.Nodes {
			for _, d := range n.Devices {
				d.Read(&v)
			}
		}
	}
}

func BenchmarkNoChange(b *testing.B) {
	eachSize(b, func(b *testing.B, n int, store *cluster.Store) {
		for _, c := range []struct {
			name    string
			query   cluster.DeviceQuery
			changes int
		}{
			{"all", cluster.DeviceQuery{Limit: 1000}, 0},
			{"100 unrelated changes", cluster.DeviceQuery{Status: cluster.Rejected, Limit: 1000}, 100},
			{"100 unrelated changes, collated", cluster.DeviceQuery{Status: cluster.Rejected, Limit: 1000, Newest: true}, 100},
		} {
			b.Run(c.name, func(b *testing.B) {
				q := c.query
				for _, node := range store.Snapshot().Select(q).Nodes {
					q.Since = append(q.Since, node.Mark)
				}
				for i, done := 0, 0; done < c.changes; i++ {
					name := crowdName(i * 7919 % n)
					if store.Snapshot().Records(name)[0].Record.Status == cluster.Rejected {
						continue
					}
					if err := store.Apply(start, cluster.Unregister{Device: name}); err != nil {
						b.Fatal(err)
					}
					done++
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
	})
}

func BenchmarkApply(b *testing.B) {
	eachSize(b, func(b *testing.B, n int, store *cluster.Store) {
		now, i := start, 0
		for _, batch := range []int{1, 10_000} {
			b.Run(fmt.Sprintf("%d changes", batch), func(b *testing.B) {
				b.ReportAllocs()
				changes := make([]cluster.Change, batch)
				for b.Loop() {
					for k := range changes {
						i++
						if name := crowdName(i * 7919 % n); i%2 == 0 {
							changes[k] = cluster.Unregister{Device: name}
						} else {
							changes[k] = cluster.Register{Device: name}
						}
					}
					now = now.Add(time.Second)
					if err := store.Apply(now, changes...); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run("add and remove", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i++
				d := cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP%012XX", uint64(i)*2654435761&0xffffffffffff)), Class: cluster.Phone}
				if err := store.Apply(now, cluster.AddDevices{Devices: []cluster.Device{d}}); err != nil {
					b.Fatal(err)
				}
				if err := store.Apply(now, cluster.RemoveDevices{Names: []cluster.DeviceName{d.Name}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkReadersWhileApplying counts the queries of one reader while nothing happens, and while another goroutine applies
// a change every 10 ms.
func BenchmarkReadersWhileApplying(b *testing.B) {
	store := many(1_000_000)
	for _, changing := range []bool{false, true} {
		b.Run(fmt.Sprintf("changing=%v", changing), func(b *testing.B) {
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for i := 0; changing; i++ {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
						if err := store.Apply(start, cluster.Unregister{Device: crowdName(i * 7919 % 1_000_000)}); err != nil {
							panic(err)
						}
					}
				}
			}()
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				store.Snapshot().Select(cluster.DeviceQuery{Items: []string{string(crowdName(i * 7919 % 1_000_000))}})
			}
			close(stop)
			<-stopped
		})
	}
}

// BenchmarkNew includes drawing the population.
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

// BenchmarkMemory tells what a device takes of it: as made; with the index of numbers and addresses; and with histories that
// are full.
func BenchmarkMemory(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				store := many(n)
				b.ReportMetric(float64(heap()-before)/float64(n), "B/device")
				store.Snapshot().Select(cluster.DeviceQuery{By: cluster.ByDirNumber, Items: []string{"1000500"}})
				b.ReportMetric(float64(heap()-before)/float64(n), "B/device-indexed")
				for i := 0; i < 2*65536 && n >= 100_000; i += 4096 {
					changes := make([]cluster.Change, 4096)
					for k := range changes {
						changes[k] = cluster.Unregister{Device: crowdName((i + k) * 7919 % n)}
					}
					if err := store.Apply(start, changes...); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(heap()-before)/float64(n), "B/device-full")
				runtime.KeepAlive(store)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

package sim_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/risim/risim/sim"
)

// What a test pays for a simulator of its own: the default cluster, a CA, a listener, and the way back.
func BenchmarkForTest(b *testing.B) {
	for b.Loop() {
		tb := &fakeTB{}
		sim.ForTest(tb, sim.Options{})
		tb.end()
	}
}

// How long it takes until a cluster answers, by its size.
func BenchmarkStart(b *testing.B) {
	for _, devices := range []int{1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(devices), func(b *testing.B) {
			for b.Loop() {
				ris, err := sim.Start(b.Context(), sim.Options{Devices: devices, Manual: true})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := ris.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// Many clusters in a process, each with its own journal and listener: what each takes, and a query that goes round among them.
func BenchmarkClusters(b *testing.B) {
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for _, clusters := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(clusters), func(b *testing.B) {
			before, began := heap(), time.Now()
			var all []*sim.Simulator
			for range clusters {
				all = append(all, sim.ForTest(b, sim.Options{Plain: true, Set: []string{"rateLimit=0"}}))
			}
			started, used := time.Since(began), heap()-before
			next := 0
			for b.Loop() {
				ris := all[next%clusters]
				next++
				if got := ask(b, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=ANN_2"); got.total != "1" {
					b.Fatalf("total = %q", got.total)
				}
			}
			b.ReportMetric(float64(started.Microseconds())/1000/float64(clusters), "start-ms/cluster")
			b.ReportMetric(used/1024/float64(clusters), "KiB/cluster")
		})
	}
}

// One device by name, through client, TLS, router, service and journal, one request after the other.
func BenchmarkQuery_OneDevice(b *testing.B) {
	for _, way := range []struct {
		name string
		o    sim.Options
	}{{"loopback", sim.Options{}}, {"plain", sim.Options{Plain: true}}, {"memory", sim.Options{InMemory: true}}} {
		b.Run(way.name, func(b *testing.B) {
			way.o.Set = []string{"rateLimit=0"}
			ris := sim.ForTest(b, way.o)
			for b.Loop() {
				if got := ask(b, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=ANN_2"); got.total != "1" {
					b.Fatalf("total = %q", got.total)
				}
			}
		})
	}
}

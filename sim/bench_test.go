package sim_test

import (
	"testing"

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

// How long it takes until a cluster of 1,000 devices answers.
func BenchmarkStart_1000Devices(b *testing.B) {
	for b.Loop() {
		ris, err := sim.Start(b.Context(), sim.Options{Devices: 1000, Manual: true})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := ris.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
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

package clock

import (
	"math/rand/v2"
	"testing"
	"time"
)

func BenchmarkNow(b *testing.B) {
	clocks := map[string]Clock{"Virtual": NewVirtual(time.Time{}), "Real": newReal(b, time.Time{}, 60)}
	for name, c := range clocks {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.Now()
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c.Now()
				}
			})
		})
	}
}

// BenchmarkMillion registers a million callbacks at random times and runs them
// all. The time of one callback, registered and run, is its ns/event.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	rng := rand.New(rand.NewPCG(1, 2))
	offsets := make([]time.Duration, n)
	for i := range offsets {
		offsets[i] = time.Duration(rng.Int64N(int64(time.Hour)))
	}
	b.ReportAllocs()
	for b.Loop() {
		v := NewVirtual(time.Time{})
		start, ran := v.Now(), 0
		for _, d := range offsets {
			v.At(start.Add(d), "event", func(time.Time) { ran++ })
		}
		v.Advance(time.Hour)
		if ran != n {
			b.Fatalf("ran %d of %d", ran, n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// BenchmarkStep is the cost of moving the clock once for one callback.
func BenchmarkStep(b *testing.B) {
	v := NewVirtual(time.Time{})
	f := func(time.Time) {}
	b.ReportAllocs()
	for b.Loop() {
		v.After(time.Second, "event", f)
		v.Step()
	}
}

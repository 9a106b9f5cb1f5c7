package control

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/risim/risim/sim/soap"
)

func exchange() *soap.Exchange {
	return &soap.Exchange{Operation: soap.SelectCmDevice, HTTPStatus: 500, Fault: &soap.Fault{Name: soap.FaultRateLimit}, Took: 80 * time.Microsecond,
		Advice: []soap.Advice{{ID: soap.AdviceDuplicates}}}
}

// Counting is on the way of every request.
func TestStats_CountWithoutMemory(t *testing.T) {
	s, x := &stats{}, exchange()
	s.observe(x)
	assert.Zero(t, testing.AllocsPerRun(100, func() { s.observe(x) }))
}

func TestStats_CountEverything(t *testing.T) {
	t.Parallel()
	s := &stats{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 1000 {
				x := exchange()
				x.HTTPStatus = 200 + i%5
				s.observe(x)
			}
		})
	}
	all.Wait()
	sum := 0.0
	for _, n := range s.answers.all {
		assert.Equal(t, 1600.0, n)
		sum += n
	}
	assert.Equal(t, 8000.0, sum)
	for id, n := range s.advice.all {
		assert.Equal(t, soap.AdviceDuplicates, id)
		assert.Equal(t, 8000.0, n)
	}
}

func BenchmarkStats_Observe(b *testing.B) {
	s, x := &stats{}, exchange()
	for b.Loop() {
		s.observe(x)
	}
}

// What a test pays for a cluster of its own.
func BenchmarkHost_CreateAndRemove(b *testing.B) {
	h := NewHost(HostOptions{})
	for b.Loop() {
		spec := ClusterSpec{Ready: "single", Clock: "manual", Lease: new(Duration)}
		c, err := h.create(b.Context(), spec)
		if err != nil {
			b.Fatal(err)
		}
		if err := h.remove(c.name); err != nil {
			b.Fatal(err)
		}
	}
}

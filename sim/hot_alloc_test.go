//go:build !race

// The race detector lets pools of memory forget at random, so that nothing could be counted.

package sim

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an answer leaves to the garbage collector: the texts of the request, of the length and of the cookie, with the lists of
// one that headers want. Nothing for each device; nothing for the journal.
func TestAnswer_Allocations(t *testing.T) {
	h := newHotPath(t, 3000, true) // time stands still, so that nobody else allocates
	for _, w := range h.workloads(t) {
		h.send(t, w.q)
		require.Equal(t, w.found, bytes.Count(w.q.out.body, []byte("<ns1:DeviceClass>")), w.name)
		most := 5.0
		if w.found > 1 {
			most = 20 // advice that says what it is about, and the memory of a thousand names
		}
		for range 20 { // the journal is full then
			h.send(t, w.q)
		}
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { h.send(t, w.q) }), most, w.name)
	}
}

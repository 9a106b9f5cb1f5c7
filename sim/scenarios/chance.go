package scenarios

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strconv"
)

// chance is where all draws come from. A draw is a function of the seed, the step, what is drawn, the device and which
// occurrence of the step it is, and of nothing else: there is no stream that a new step or device could shift.
type chance uint64

// draw is at least 0 and below 1. A named step is known by its name, another one by what it says.
func (c chance) draw(step, use, device string, occurrence int) float64 {
	return float64(c.bits(step, use, device, occurrence)>>11) / (1 << 53)
}

func (c chance) bits(step, use, device string, occurrence int) uint64 {
	h := fnv.New64a()
	for _, part := range []string{step, use, device, strconv.Itoa(occurrence)} {
		_, _ = io.WriteString(h, part) // which cannot fail
		_, _ = h.Write([]byte{0})
	}
	return rand.NewPCG(uint64(c), h.Sum64()).Uint64()
}

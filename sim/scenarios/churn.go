package scenarios

import (
	"fmt"
	"math"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// churn begins a steady random rate: the time to the next device is exponential, and the device is drawn from all that
// match and to which it can be done, each as likely as the other.
func (r *Running) churn(f *firing, due, at time.Duration, e Event) {
	do, end := f.step.do, f.step.end(due)
	e.Last = max(at, end)
	r.world.Log(e)
	f.pending++ // the churn itself
	f.entry.ongoing = f
	c := chance(r.prog.Seed)
	var pot lots
	var next func(k int, at time.Duration)
	next = func(k int, at time.Duration) {
		use := fmt.Sprintf("churn %d", k)
		gap := -math.Log1p(-c.draw(f.step.key, use, "", f.occurrence)) * float64(do.every)
		due := at + time.Duration(min(gap, float64(maxDuration))).Round(time.Millisecond)
		if due > end {
			r.push(item{at: e.Last, entry: f.entry, role: toGoOn, run: f, do: func(at time.Duration) { r.over(f, at) }})
			return
		}
		r.push(item{at: due, entry: f.entry, role: toGoOn, run: f, do: func(at time.Duration) {
			s := r.world.Snapshot()
			pot.refill(s, do.where)
			device := pot.draw(s, c.bits(f.step.key, use, "device", f.occurrence), func(d *cluster.Device) bool {
				m := r.moment(f, s, d)
				return do.where.doing(m.latest) && do.able(m)
			})
			if device != nil {
				// Its own firing: a device that goes twice is away for two different times, and the churn does not wait for it.
				own := &firing{entry: f.entry, step: f.step, occurrence: f.occurrence*MaxEvents + k + 1, pending: 2}
				r.devices(at, []*item{{at: at, entry: f.entry, device: device.Name, run: own}})
			}
			next(k+1, at)
		}})
	}
	next(0, at)
}

// lots are the devices from which churn draws, one at a time, many times. Every draw is fair, and depends on names and not
// on places: a device more or less takes its part of the draws and leaves all others as they were. To give each device a
// number anew and take the lowest would do, and is what a draw comes to; but a lab has a million devices and draws a
// hundred times a second. So devices stand in cells, by a hash of their names. A draw first finds the cell with the
// lowest number, weighted by how many are in it, and then the device with the lowest one there.
type lots struct {
	roster cluster.Roster
	cells  [][]lot // lotCells of them; nil: not filled yet
}

// lot is a device: its place in the roster, and what of the hash of its name does not say the cell.
type lot struct{ place, hash uint32 }

// lotCells never changes: with the number of devices, draws would.
const lotCells = 1024

// redraws is how often a draw is made again because nothing can be done to the device that was drawn. It takes that many
// when nine of ten devices cannot, and one in a thousand draws even then goes through all devices instead.
const redraws = 64

// refill puts in whom the configuration lets w select. It costs time only when that may have changed.
func (l *lots) refill(s *cluster.Snapshot, w *where) {
	if l.cells != nil && l.roster == s.Roster() {
		return
	}
	l.roster, l.cells = s.Roster(), make([][]lot, lotCells)
	place := uint32(0)
	for d := range s.Devices() {
		if w.configured(d) {
			h := nameHash(fold(string(d.Name)))
			cell := &l.cells[h%lotCells]
			*cell = append(*cell, lot{place, uint32(h >> 32)})
		}
		place++
	}
}

// draw gives a device to which it can be done, by the random bits; nil when there is none.
func (l *lots) draw(s *cluster.Snapshot, bits uint64, able func(*cluster.Device) bool) *cluster.Device {
	for range redraws {
		cell, bits1 := l.cell(bits), mix(bits)
		if cell == nil {
			return nil
		}
		first, least := cell[0], uint64(math.MaxUint64)
		for _, lot := range cell {
			if n := mix(bits1 ^ uint64(lot.hash)); n < least {
				first, least = lot, n
			}
		}
		if d := s.At(int(first.place)); able(d) {
			return d
		}
		bits = mix(bits1)
	}
	// Few or none can: the lowest number of those that can.
	var best *cluster.Device
	least := uint64(math.MaxUint64)
	for c, cell := range l.cells {
		for _, lot := range cell {
			if n := mix(bits ^ mix(uint64(lot.hash)<<32|uint64(c))); n < least {
				if d := s.At(int(lot.place)); able(d) {
					best, least = d, n
				}
			}
		}
	}
	return best
}

// cell draws one, each as likely as there are devices in it: the one whose exponential clock rings first. nil when all are
// empty.
func (l *lots) cell(bits uint64) []lot {
	best, least := -1, math.Inf(1)
	for c, cell := range l.cells {
		if len(cell) == 0 {
			continue
		}
		u := (float64(mix(bits^uint64(c))>>11) + 0.5) / (1 << 53)
		if rings := -math.Log(u) / float64(len(cell)); rings < least {
			best, least = c, rings
		}
	}
	if best < 0 {
		return nil
	}
	return l.cells[best]
}

// nameHash is FNV-1a, mixed once more for the sake of its lower bits.
func nameHash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(name); i++ {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return mix(h)
}

// mix gives other bits for each number: the step of the generator SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

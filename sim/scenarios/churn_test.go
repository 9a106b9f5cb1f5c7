package scenarios

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

// phones is a cluster of n phones, SEP000000000000 and up.
func phones(t *testing.T, n int) *cluster.Store {
	t.Helper()
	c := cluster.Config{Nodes: []cluster.Node{{Name: "pub"}}}
	for i := range n {
		c.Devices = append(c.Devices, cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP%012X", i)), Class: cluster.Phone})
	}
	store, err := cluster.New(time.Unix(1_800_000_000, 0), c)
	require.NoError(t, err)
	return store
}

func drawn(t *testing.T, l *lots, s *cluster.Snapshot, times int, able func(*cluster.Device) bool) (names []cluster.DeviceName) {
	t.Helper()
	l.refill(s, &where{})
	for i := range times {
		d := l.draw(s, mix(uint64(i)), able)
		require.NotNil(t, d)
		names = append(names, d.Name)
	}
	return names
}

func anyone(*cluster.Device) bool { return true }

// Each device is drawn as often as the others: the sum of squared deviations is what chance alone gives, in a cluster with
// far fewer devices than cells and in one with more.
func TestLots_Fair(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 7, 300, 5000} {
		s := phones(t, n).Snapshot()
		const each = 20
		counts := map[cluster.DeviceName]float64{}
		for _, name := range drawn(t, new(lots), s, n*each, anyone) {
			counts[name]++
		}
		chi := 0.0
		for d := range s.Devices() {
			chi += (counts[d.Name] - each) * (counts[d.Name] - each) / each
		}
		require.InDelta(t, n-1, chi, 4*math.Sqrt(2*float64(n)), "%d devices", n)
	}
}

// A device that comes takes its part of the draws, and one that goes leaves its own to the others; nobody else's change.
func TestLots_OthersDrawsStay(t *testing.T) {
	t.Parallel()
	store := phones(t, 2000)
	var l lots
	const times = 4000
	before := drawn(t, &l, store.Snapshot(), times, anyone)
	added := cluster.DeviceName("SEP00000000000A5B")
	require.NoError(t, store.Apply(time.Time{}, cluster.AddDevices{Devices: []cluster.Device{{Name: added, Class: cluster.Phone}}}))
	with := drawn(t, &l, store.Snapshot(), times, anyone)
	other := 0
	for i := range with {
		if with[i] != before[i] && with[i] != added {
			other++ // the new one's cell came first, and its lowest number is another's
		}
	}
	require.Less(t, other, 12)
	require.Contains(t, drawn(t, &l, store.Snapshot(), 20*times, anyone), added, "the lots were filled anew")

	require.NoError(t, store.Apply(time.Time{}, cluster.RemoveDevices{Names: []cluster.DeviceName{added}}))
	require.Equal(t, before, drawn(t, &l, store.Snapshot(), times, anyone))
}

// Only those are drawn to which it can be done, each as likely, however few they are.
func TestLots_Able(t *testing.T) {
	t.Parallel()
	s := phones(t, 3000).Snapshot()
	for _, few := range []map[cluster.DeviceName]bool{
		{"SEP000000000005": true},
		{"SEP000000000005": true, "SEP000000000105": true, "SEP000000000B05": true},
	} {
		counts := map[cluster.DeviceName]int{}
		for _, name := range drawn(t, new(lots), s, 300, func(d *cluster.Device) bool { return few[d.Name] }) {
			counts[name]++
		}
		require.Len(t, counts, len(few))
		for name, n := range counts {
			require.InDelta(t, 300/len(few), n, 40, name)
		}
	}
	var l lots
	l.refill(s, &where{})
	require.Nil(t, l.draw(s, 1, func(*cluster.Device) bool { return false }))
	var none lots
	none.refill(s, &where{classes: []cluster.Class{cluster.Gateway}})
	require.Nil(t, none.draw(s, 1, anyone))
}

package scenarios

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"0s": 0, "250ms": 250 * time.Millisecond, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1.5h": 90 * time.Minute} {
		got, err := parseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "5", "s", "-5m", "+5m", "5 m", "5min", "1e3s", "1..5s", "NaNs", "1h30", "9999999999999999999h"} {
		_, err := parseDuration(text)
		require.Error(t, err, text)
	}
}

func TestParsePercentRateCount(t *testing.T) {
	t.Parallel()
	p, err := parsePercent("12.5%")
	require.NoError(t, err)
	require.InDelta(t, 0.125, p, 1e-12)
	for _, text := range []string{"", "%", "0%", "101%", "5", "-5%", "1e1%"} {
		_, err := parsePercent(text)
		require.Error(t, err, text)
	}
	r, err := parseRate("15/min")
	require.NoError(t, err)
	require.Equal(t, 4*time.Second, r)
	for _, text := range []string{"", "15", "15/", "0/min", "15/m", "/min", "-1/s", "0.0000000001/h"} {
		_, err := parseRate(text)
		require.Error(t, err, text)
	}
	for text, holds := range map[string][]int{"3": {3}, "= 3": {3}, ">= 3": {3, 4, 5}, "> 3": {4, 5}, "<= 1": {0, 1}, "<1": {0}, "!= 2": {0, 1, 3, 4, 5}, "1..2": {1, 2}} {
		c, err := parseCount(text)
		require.NoError(t, err, text)
		var got []int
		for n := range 6 {
			if c.holds(n) {
				got = append(got, n)
			}
		}
		require.Equal(t, holds, got, text)
	}
	for _, text := range []string{"", "many", "=> 3", "3..", "..3", "5..3", "< 0", "-1", "3 4", "99999999999"} {
		_, err := parseCount(text)
		require.Error(t, err, text)
	}
}

// The draws of a distribution are where its percentiles say.
func TestSpread(t *testing.T) {
	t.Parallel()
	draws := func(s *spread) []time.Duration {
		var out []time.Duration
		for i := range 20_000 {
			out = append(out, s.at(chance(3).draw("step", "over", "device", i)))
		}
		slices.Sort(out)
		return out
	}
	d := draws(&spread{p50: 20 * time.Second, p99: 80 * time.Second, max: 2 * time.Minute})
	require.InDelta(t, 20, d[10_000].Seconds(), 0.6)
	require.InDelta(t, 80, d[19_800].Seconds(), 8)
	require.LessOrEqual(t, d[len(d)-1], 2*time.Minute)
	require.Positive(t, d[0])
	d = draws(&spread{lo: 10 * time.Second, hi: 40 * time.Second})
	require.InDelta(t, 25, d[10_000].Seconds(), 0.5)
	require.True(t, d[0] >= 10*time.Second && d[len(d)-1] <= 40*time.Second)
	d = draws(&spread{choice: []weighted[time.Duration]{{time.Second, 3}, {time.Minute, 1}, {time.Hour, 0}}})
	require.InDelta(t, 15_000, slices.Index(d, time.Minute), 300)
	require.Equal(t, time.Minute, d[len(d)-1])

	s := &spread{p50: 20 * time.Second, p99: 80 * time.Second}
	require.Equal(t, 20*time.Second, s.at(0.5))
	require.Equal(t, 80*time.Second, s.at(0.99))
	require.Equal(t, time.Minute, (&spread{p50: time.Minute, p99: time.Minute}).at(0.7))
	require.Less(t, s.at(math.Nextafter(1, 0)), time.Hour)
	require.GreaterOrEqual(t, s.at(0), time.Duration(0))
}

// Draws of neighbouring keys have nothing to do with each other.
func TestChance_IsEven(t *testing.T) {
	t.Parallel()
	for _, key := range []func(i int) float64{
		func(i int) float64 { return chance(1).draw("s", "u", "d", i) },
		func(i int) float64 { return chance(i+1).draw("s", "u", "d", 0) },
		func(i int) float64 { return chance(1).draw("s", "u", string(rune('A'+i%26))+string(rune('A'+i/26)), 0) },
	} {
		var buckets [10]int
		turns := 0
		last := 0.5
		for i := range 676 {
			u := key(i)
			require.True(t, u >= 0 && u < 1)
			buckets[int(u*10)]++
			if (u < 0.5) != (last < 0.5) {
				turns++
			}
			last = u
		}
		for _, n := range buckets {
			require.InDelta(t, 67, n, 35)
		}
		require.InDelta(t, 338, turns, 70)
	}
	require.NotEqual(t, chance(1).draw("ab", "c", "", 0), chance(1).draw("a", "bc", "", 0))
}

func TestWild(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{{"", "", true}, {"A", "A", true}, {"A", "AB", false}, {"A*", "AB", true}, {"*B", "AB", true}, {"*", "", true}, {"A*A", "A", false}, {"A*B*C", "AXXBYC", true}, {"A**C", "AC", true}, {"A?", "AB", false}} {
		require.Equal(t, tt.want, wild(tt.pattern, tt.text), "%s %s", tt.pattern, tt.text)
	}
}

func TestRenumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ addr, network, want string }{
		{"10.64.3.7", "10.99.0.0/16", "10.99.3.7"}, {"10.64.3.7", "192.168.8.0/21", "192.168.11.7"}, {"::ffff:10.64.3.7", "10.99.0.0/16", "10.99.3.7"},
		{"fd00::5", "fd11:2::/32", "fd11:2::5"}, {"10.64.3.7", "10.1.2.3/32", "10.1.2.3"}, {"10.64.3.7", "0.0.0.0/0", "10.64.3.7"},
	} {
		require.Equal(t, tt.want, renumber(netip.MustParseAddr(tt.addr), netip.MustParsePrefix(tt.network), 1).String())
	}
	require.Equal(t, "10.99.2.1", renumber(netip.Addr{}, netip.MustParsePrefix("10.99.0.0/16"), 0x01020304).String())
}

func TestRequests_Fires(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r    requests
		want []int
	}{
		{requests{from: 3, to: 5}, []int{3, 4, 5}}, {requests{from: 8}, []int{8, 9, 10, 11, 12}},
		{requests{from: 1, every: 5}, []int{5, 10}}, {requests{from: 7, every: 2, to: 11}, []int{7, 9, 11}}, {requests{from: 1, every: 1, to: 2}, []int{1, 2}},
	} {
		var got []int
		for n := 1; n <= 12; n++ {
			if tt.r.fires(n) {
				got = append(got, n)
			}
		}
		require.Equal(t, tt.want, got)
	}
}

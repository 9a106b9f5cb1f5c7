package scenarios

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// What texts mean: durations, rates, shares, counts, distributions, words with wildcards.

const maxDuration = 10 * 366 * 24 * time.Hour

var durationUnits = []struct {
	name string
	unit time.Duration
}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}

// ParseDuration reads a duration as the language writes it: 250ms, 90s, 5m, 1h30m or 2d.
func ParseDuration(text string) (time.Duration, error) { return parseDuration(text) }

// parseDuration reads 90s, 1h30m, 2d or 250ms.
func parseDuration(text string) (time.Duration, error) {
	rest, total := text, 0.0
	for rest != "" {
		digits := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if digits == 0 {
			return 0, fmt.Errorf("%q is not a duration, such as 250ms, 90s, 5m, 1h30m or 2d", text)
		}
		if digits < 0 {
			return 0, fmt.Errorf("%q has no unit; durations are written 250ms, 90s, 5m, 1h30m or 2d", text)
		}
		n, err := strconv.ParseFloat(rest[:digits], 64)
		rest = rest[digits:]
		end := strings.IndexAny(rest, "0123456789.")
		if end < 0 {
			end = len(rest)
		}
		i := slices.IndexFunc(durationUnits, func(u struct {
			name string
			unit time.Duration
		}) bool {
			return u.name == rest[:end]
		})
		if err != nil || i < 0 {
			return 0, fmt.Errorf("%q is not a duration, such as 250ms, 90s, 5m, 1h30m or 2d", text)
		}
		total += n * float64(durationUnits[i].unit)
		rest = rest[end:]
	}
	switch {
	case text == "":
		return 0, fmt.Errorf("%q is not a duration, such as 250ms, 90s, 5m, 1h30m or 2d", text)
	case total > float64(maxDuration):
		return 0, fmt.Errorf("%q is longer than ten years", text)
	}
	return time.Duration(math.Round(total)), nil
}

// parsePercent reads 30% as 0.3: above 0 and up to 100.
func parsePercent(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	n, err := parseDecimal(digits)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a share, such as 30%%", text)
	case !percent:
		return 0, fmt.Errorf("%q has no unit; shares are written 30%%", text)
	case n <= 0 || n > 100:
		return 0, fmt.Errorf("%q is not above 0%% and up to 100%%", text)
	}
	return n / 100, nil
}

// parseDecimal reads digits with at most one point: no sign, no exponent, no Inf.
func parseDecimal(text string) (float64, error) {
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return strconv.ParseFloat(text, 64)
}

// parseRate reads 15/min as the time between two.
func parseRate(text string) (time.Duration, error) {
	number, unit, _ := strings.Cut(text, "/")
	per := map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour}[unit]
	n, err := parseDecimal(number)
	if err != nil || per == 0 || n <= 0 || n > 1_000_000 || float64(per)/n > float64(maxDuration) {
		return 0, fmt.Errorf("%q is not a rate, such as 2/s, 15/min or 100/h", text)
	}
	return max(1, time.Duration(float64(per)/n)), nil
}

// spread is a distribution of durations.
type spread struct {
	p50, p99, max time.Duration // lognormal when p99 > 0; a max of 0 is none
	lo, hi        time.Duration // uniform otherwise; fixed when equal
	choice        []weighted[time.Duration]
}

type weighted[T any] struct {
	value  T
	weight float64
}

func fixed(d time.Duration) *spread { return &spread{lo: d, hi: d} }

// z99 is how many standard deviations the 99th percentile of a normal distribution is above its median.
const z99 = 2.3263478740408408

// at is the duration below which the part u of all draws lie; u is from 0 to below 1. The one with p50 and p99 is
// lognormal through these two; what would be longer than max is max. Durations are whole milliseconds, so that the last
// bits of floating-point arithmetic, which differ between machines, do not show.
func (s *spread) at(u float64) time.Duration {
	d := float64(s.lo)
	switch {
	case len(s.choice) > 0:
		return draw(s.choice, u)
	case s.p99 > 0:
		sigma := math.Log(float64(s.p99)/float64(s.p50)) / z99
		d = float64(s.p50) * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*max(u, 1e-12)-1))
	case s.hi > s.lo:
		d += u * float64(s.hi-s.lo)
	default:
		return s.lo
	}
	most := maxDuration
	if s.max > 0 {
		most = s.max
	}
	return min(most, time.Duration(math.Min(d, float64(maxDuration))).Round(time.Millisecond))
}

// draw picks by weight.
func draw[T any](from []weighted[T], u float64) T {
	total := 0.0
	for _, w := range from {
		total += w.weight
	}
	u *= total
	for _, w := range from {
		if u < w.weight {
			return w.value
		}
		u -= w.weight
	}
	return from[len(from)-1].value
}

// count is how many: from lo to hi, with except one number left out.
type count struct {
	lo, hi int
	not    int // -1: none is left out
	text   string
}

func parseCount(text string) (count, error) {
	c := count{0, math.MaxInt, -1, text}
	trimmed := strings.TrimSpace(text)
	number := func(digits string) (int, bool) {
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31)
		return int(n), err == nil
	}
	if from, to, ok := strings.Cut(trimmed, ".."); ok {
		lo, ok1 := number(from)
		hi, ok2 := number(to)
		if ok1 && ok2 && lo <= hi {
			c.lo, c.hi = lo, hi
			return c, nil
		}
	} else {
		op := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "<>=!"))]
		if n, ok := number(trimmed[len(op):]); ok {
			switch op {
			case "", "=", "==":
				c.lo, c.hi = n, n
				return c, nil
			case ">=":
				c.lo = n
				return c, nil
			case ">":
				c.lo = n + 1
				return c, nil
			case "<=":
				c.hi = n
				return c, nil
			case "<":
				if n > 0 {
					c.hi = n - 1
					return c, nil
				}
			case "!=":
				c.not = n
				return c, nil
			}
		}
	}
	return c, fmt.Errorf("count %q is not a number, alone or after one of >= <= > < !=, or two such as 5..10", text)
}

func (c count) holds(n int) bool { return n >= c.lo && n <= c.hi && n != c.not }

// Count is how many of something are expected, as files write it: 3, ">= 2", "!= 0" or 5..10.
type Count struct{ count }

// ParseCount reads a count.
func ParseCount(text string) (Count, error) {
	c, err := parseCount(text)
	return Count{c}, err
}

// Holds says whether so many are as many as expected.
func (c Count) Holds(n int) bool { return c.holds(n) }

// Most is the number from which on one more is too many, for ever.
func (c Count) Most() int { return c.hi }

// Among judges a number of which only bounds are known: Inconclusive when some numbers between them would hold and others not.
func (c Count) Among(least, most int) Outcome {
	switch {
	case most < c.lo || least > c.hi || least == most && !c.holds(least):
		return Fail
	case least >= c.lo && most <= c.hi && (c.not < least || c.not > most):
		return Pass
	}
	return Inconclusive
}

// String is the count as it was written.
func (c Count) String() string { return c.text }

// words reads the spellings of an enumeration of package cluster, from its second value to its last.
func words[T interface {
	~uint8
	fmt.Stringer
}](last T) []string {
	var out []string
	for v := T(1); v <= last; v++ {
		out = append(out, v.String())
	}
	return out
}

// fold is the form in which texts that differ only in case are equal.
func fold(text string) string {
	for i := range len(text) {
		if c := text[i]; c >= 0x80 || 'a' <= c && c <= 'z' {
			return strings.ToUpper(strings.ToLower(text))
		}
	}
	return text // as most names of devices are
}

// wild compares a text with a pattern in which * stands for any text, also none (rule W1); both are folded.
func wild(pattern, text string) bool {
	prefix, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, prefix)
	for ok {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		_, text, ok = strings.Cut(text, part)
		rest = after
	}
	return false
}

// patterns are alternatives with wildcards, folded; none means any text. Texts without a * are looked up, so that a list of
// thousands of names costs no more than one.
type patterns struct {
	exact map[string]bool
	wild  []string
}

// maxWild is how many texts with a * one key of a selector may have: each of them is compared with every device.
const maxWild = 1000

func newPatterns(ts Texts) patterns {
	var p patterns
	for _, t := range ts {
		if text := fold(t.Text); strings.Contains(text, "*") {
			p.wild = append(p.wild, text)
		} else {
			if p.exact == nil {
				p.exact = make(map[string]bool, len(ts))
			}
			p.exact[text] = true
		}
	}
	return p
}

func (p patterns) empty() bool { return len(p.exact)+len(p.wild) == 0 }

func (p patterns) match(text string) bool { return p.empty() || p.any(text) }

func (p patterns) any(text string) bool {
	text = fold(text)
	return p.exact[text] || slices.ContainsFunc(p.wild, func(one string) bool { return wild(one, text) })
}

// where is a selector made ready. The zero value selects every device.
type where struct {
	groups, names, numbers, descriptions, loads patterns
	nodes                                       []string // folded
	classes                                     []cluster.Class
	models                                      []uint32
	protocols                                   []cluster.Protocol
	statuses                                    []cluster.Status
	downloads                                   []cluster.Download
	src                                         *Where // nil: not written
}

// String is what is selected, as written: class Phone, group hq or lab. It is empty for every device.
func (w *where) String() string {
	if w.src == nil {
		return ""
	}
	return saidTexts(w.src)
}

// saidTexts is the keys of a struct of written.go that hold texts, with their values.
func saidTexts(written any) string {
	var said []string
	for _, key := range keysGiven(written) {
		f, _ := field(reflect.Indirect(reflect.ValueOf(written)), key)
		switch x := f.Interface().(type) {
		case Text:
			said = append(said, key+" "+x.Text)
		case Texts:
			text := strings.Join(plain(x[:min(3, len(x))]), " or ")
			if more := len(x) - 3; more > 0 {
				text += fmt.Sprintf(" or %d more", more)
			}
			said = append(said, key+" "+text)
		}
	}
	return strings.Join(said, ", ")
}

// configured compares what the configuration knows of a device.
func (w *where) configured(d *cluster.Device) bool {
	return among(w.classes, d.Class) && among(w.models, d.Model) && among(w.protocols, d.Protocol) &&
		w.groups.match(d.Group) && w.names.match(string(d.Name)) && w.descriptions.match(d.Description) && w.hasNumber(d.Lines)
}

func (w *where) hasNumber(lines []string) bool {
	return w.numbers.empty() || slices.ContainsFunc(lines, func(dn string) bool {
		return w.numbers.any(strings.ReplaceAll(dn, `\+`, "+"))
	})
}

// volatile says that something in the selector depends on how a device is doing.
func (w *where) volatile() bool {
	return len(w.nodes)+len(w.statuses)+len(w.downloads) > 0 || !w.loads.empty()
}

// doing compares the latest record of a device; one without records has none that matches.
func (w *where) doing(r cluster.NodeRecord) bool {
	if !w.volatile() {
		return true
	}
	return r.Record != nil && among(w.nodes, fold(string(r.Node))) && among(w.statuses, r.Record.Status) &&
		among(w.downloads, r.Record.Download) && w.loads.match(r.Record.ActiveLoad)
}

func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// Latest is a device's record of its latest registration, whether or not its node answers; the zero value when there is
// none. On a tie Registered wins, then node order (rule R2).
func Latest(s *cluster.Snapshot, name cluster.DeviceName) cluster.NodeRecord {
	var best cluster.NodeRecord
	for _, r := range s.Records(name) {
		b := best.Record
		if b == nil || r.Record.TimeStamp > b.TimeStamp || r.Record.TimeStamp == b.TimeStamp && r.Record.Status == cluster.Registered && b.Status != cluster.Registered {
			best = r
		}
	}
	return best
}

// renumber moves an address into a network: the network's bits, and the address's own for the rest. An address of the
// other kind, or none, takes the rest from bits.
func renumber(a netip.Addr, network netip.Prefix, bits uint64) netip.Addr {
	host := network.Addr().AsSlice()
	if a = a.Unmap(); a.IsValid() && a.Is4() == network.Addr().Is4() {
		host = a.AsSlice()
	} else {
		for i := range host {
			host[i] = byte(bits >> (8 * (i % 8)))
		}
	}
	net := network.Masked().Addr().AsSlice()
	for i := range net {
		mask := byte(0xff)
		if covered := network.Bits() - 8*i; covered <= 0 {
			mask = 0
		} else if covered < 8 {
			mask = ^byte(0xff >> covered)
		}
		net[i] = net[i]&mask | host[i]&^mask
	}
	out, _ := netip.AddrFromSlice(net)
	return out
}

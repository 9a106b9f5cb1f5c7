package soap

import (
	"strconv"
	"sync"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// throttle counts requests for the limit of so many a minute (section T of the rules). Time is the simulator's: a
// minute that is stepped over is over. It is safe for concurrent use and exact: of any number of requests at one
// moment no more than the limit get through.
type throttle struct {
	mu     sync.Mutex
	counts map[cluster.NodeName]*count // the key is "" for a scope of the whole cluster
}

// count is what has been let through so far. Both windows are kept, so that the knob can change at any time; but for
// limits that only a load lab has, for which the log of a sliding window would have millions of entries that a fixed one
// has no use for.
type count struct {
	last   time.Time   // the latest time it was asked at
	n      int         // requests in the whole minute of last
	recent []time.Time // of the last requests, as many as the limit at the most, oldest first
}

// alwaysLogged is the highest limit up to which recent is kept although the window is fixed.
const alwaysLogged = 1000

func (t *throttle) at(node cluster.NodeName, set *Settings) *count {
	if set.rateScope == "cluster" {
		node = ""
	}
	if t.counts == nil {
		t.counts = map[cluster.NodeName]*count{}
	}
	c := t.counts[node]
	if c == nil {
		c = &count{}
		t.counts[node] = c
	}
	return c
}

func (t *throttle) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts = nil
}

// allow says whether one more request may pass now, and counts it when it may, or when refused requests count too.
func (t *throttle) allow(now time.Time, node cluster.NodeName, set *Settings) bool {
	if set.rateLimit == 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.at(node, set)
	now = c.advance(now)
	used := c.n
	if set.window == "sliding" {
		used = len(c.recent)
	}
	ok := used < set.rateLimit
	if ok || set.countRefused {
		c.add(now, set)
	}
	return ok
}

// charge counts a request that was refused for another reason.
func (t *throttle) charge(now time.Time, node cluster.NodeName, set *Settings) {
	if set.rateLimit == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.at(node, set)
	c.add(c.advance(now), set)
}

// use tells how many requests count at present, by node; by "" for a scope of the whole cluster.
func (t *throttle) use(now time.Time, set *Settings) map[cluster.NodeName]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[cluster.NodeName]int{}
	for node, c := range t.counts {
		if (node == "") != (set.rateScope == "cluster") {
			continue // counted under another scope
		}
		c.advance(now)
		if out[node] = c.n; set.window == "sliding" {
			out[node] = len(c.recent)
		}
	}
	return out
}

// advance drops what lies a minute back or more, and gives the time that counts as now. Requests at nearly the same
// time may come here in the wrong order, so a little earlier is now; a minute earlier or more means that the clock was
// set back, and counting begins anew.
func (c *count) advance(now time.Time) time.Time {
	if back := c.last.Sub(now); back >= time.Minute {
		*c = count{}
	} else if back > 0 {
		now = c.last
	}
	if minuteOf(now) != minuteOf(c.last) {
		c.n = 0
	}
	c.last = now
	first := 0
	for first < len(c.recent) && now.Sub(c.recent[first]) >= time.Minute {
		first++
	}
	c.recent = c.recent[first:]
	return now
}

// minuteOf numbers the whole minutes of the clock.
func minuteOf(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		s -= 59
	}
	return s / 60
}

func (c *count) add(now time.Time, set *Settings) {
	c.n++
	if set.window == "fixed" && set.rateLimit > alwaysLogged {
		c.recent = nil
		return
	}
	c.recent = append(c.recent, now)
	if extra := len(c.recent) - set.rateLimit; extra > 0 {
		c.recent = c.recent[extra:]
	}
}

// rateFault is the fault of rule T4, in either of its forms. node is the one that received the request.
func rateFault(set *Settings, node cluster.NodeName, soapAction string) *Fault {
	text := "Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is " +
		strconv.Itoa(set.rateLimit) + " requests per minute."
	if set.rateFault == "axis1" {
		text = "AxisFault: " + text + soapAction
	} else {
		text += "RISService70"
	}
	host := appendText(nil, string(node))
	return &Fault{
		Name:   FaultRateLimit,
		Code:   "ns1:Server.RateControl",
		CodeNS: axisNS,
		String: text,
		Detail: `<ns2:hostname xmlns:ns2="` + axisNS + `">` + string(host) + `</ns2:hostname>`,
	}
}

const axisNS = "http://xml.apache.org/axis/"

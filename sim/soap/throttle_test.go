package soap

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// T1: 200 requests at once, of all operations and two users: exactly as many as the limit get through.
func TestThrottle_T1_ExactUnderConcurrency(t *testing.T) {
	for _, c := range []struct {
		limit  int
		knobs  []knob
		window string
	}{
		{15, nil, "fixed"},
		{15, nil, "sliding"},
		{18, []knob{{"profile", "cucm-14"}, {"rateLimit", "18/min"}}, "fixed"},
		{150, []knob{{"unbounded", "true"}, {"rateLimit", "150"}}, "sliding"},
		{200, []knob{{"rateLimit", "0"}}, "fixed"},
	} {
		r := newRig(t, append(c.knobs, knob{"window", c.window})...)
		for minute := range 2 {
			bodies := []string{device("selectCmDevice", "", everything), device("selectCmDeviceExt", "", nil), cti("", everything, nil, nil)}
			var answered, refused atomic.Int32
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					user := header{"Authorization", basic("poller", "right")}
					if i%2 == 0 {
						user = header{"Authorization", basic("reader", "other")}
					}
					switch r.do(request(bodies[i%3], user)).Code {
					case http.StatusOK:
						answered.Add(1)
					case http.StatusInternalServerError:
						refused.Add(1)
					}
				})
			}
			wg.Wait()
			assert.Equal(t, int32(c.limit), answered.Load(), "%+v in minute %d", c, minute)
			assert.Equal(t, int32(200-c.limit), refused.Load(), "%+v in minute %d", c, minute)
			r.advance(time.Minute)
		}
	}
}

func TestThrottle_T1_Scope(t *testing.T) {
	for scope, want := range map[string]int{"cluster": 2, "node": 4} {
		r := newRig(t, knob{"rateLimit", "2"}, knob{"rateScope", scope})
		answered := 0
		for _, node := range []cluster.NodeName{"", "cucm-pub", "cucm-sub1", "cucm-sub1", "cucm-sub1", "cucm-pub"} {
			rec := newRecorder()
			r.Handler(node).ServeHTTP(rec, request(device("selectCmDevice", "", everything)))
			if rec.Code == http.StatusOK {
				answered++
			}
		}
		assert.Equal(t, want, answered, scope)
	}
}

// T2: the two windows, by when requests come and which are answered.
func TestThrottle_T2_Windows(t *testing.T) {
	for _, c := range []struct {
		window string
		at     []string
		want   []bool
	}{
		// Three a minute. A fixed window is the clock's minute: at its turn there is a full allowance again.
		{"fixed", []string{"0s", "58s", "59s", "59.9s", "60s", "61s", "62s", "119s", "120s"}, []bool{true, true, true, false, true, true, true, false, true}},
		{"sliding", []string{"0s", "58s", "59s", "59.9s", "60s", "61s", "117.9s", "118s", "119s"}, []bool{true, true, true, false, true, false, false, true, true}},
	} {
		set := settingsOf(t, knob{"rateLimit", "3"}, knob{"window", c.window})
		var th throttle
		for i, at := range c.at {
			d, err := time.ParseDuration(at)
			require.NoError(t, err)
			assert.Equal(t, c.want[i], th.allow(start.Add(d), "", &set), "%s window, at %s", c.window, at)
		}
	}
}

// T2: whatever comes when, no minute of a fixed window and no sixty seconds of a sliding one ever has more than the
// limit, and a request is refused only when it would.
func TestThrottle_T2_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.SampledFrom([]string{"fixed", "sliding"}).Draw(t, "window")
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		var set Settings
		require.NoError(t, set.Set("window", window))
		require.NoError(t, set.Set("rateLimit", strconv.Itoa(limit)))
		var th throttle
		var passed []time.Time
		now := start
		for range 60 {
			now = now.Add(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "milliseconds")) * time.Millisecond)
			used := 0
			for _, p := range passed {
				if window == "fixed" && p.Truncate(time.Minute).Equal(now.Truncate(time.Minute)) || window == "sliding" && now.Sub(p) < time.Minute {
					used++
				}
			}
			if ok := th.allow(now, "", &set); ok != (used < limit) {
				t.Fatalf("%s window, limit %d, at %s with %d used: allowed %t", window, limit, now.Sub(start), used, ok)
			} else if ok {
				passed = append(passed, now)
			}
		}
	})
}

// Requests at nearly the same time may be counted in the wrong order; a clock that is set back starts anew.
func TestThrottle_TimesOutOfOrder(t *testing.T) {
	for _, window := range []string{"fixed", "sliding"} {
		set := settingsOf(t, knob{"rateLimit", "2"}, knob{"window", window})
		var th throttle
		at := func(d time.Duration) bool { return th.allow(start.Add(d), "", &set) }
		assert.True(t, at(60*time.Second))
		assert.True(t, at(59999*time.Millisecond), "it counts in the minute that has begun")
		assert.False(t, at(60*time.Second), window)
		assert.False(t, at(59*time.Second), window)
		assert.True(t, at(-time.Hour), "set back")
		assert.True(t, at(-time.Hour))
		assert.False(t, at(-time.Hour))
	}
}

// T3: what does not count, unless countRefused says so. 401, 403 and reads of the contract never count.
func TestThrottle_T3_Refused(t *testing.T) {
	good := device("selectCmDevice", "", everything)
	for name, c := range map[string]struct {
		request func() *http.Request
		charged bool // with countRefused
	}{
		"401":       {func() *http.Request { return request(good, header{"Authorization", ""}) }, false},
		"403":       {func() *http.Request { return request(good, header{"Authorization", basic("guest", "guest")}) }, false},
		"405":       {func() *http.Request { r := request(good); r.Method = "PUT"; return r }, false},
		"contract":  {func() *http.Request { r := request(good); r.Method = "GET"; r.URL.RawQuery = "wsdl"; return r }, false},
		"malformed": {func() *http.Request { return request("nonsense") }, true},
		"bad value": {func() *http.Request {
			return request(device("selectCmDevice", "", everything, tag{"Protocol", "MGCP"}))
		}, true},
		"too long": {func() *http.Request { return request(good + string(make([]byte, 2000))) }, true},
	} {
		for _, counted := range []bool{false, true} {
			r := newRig(t, knob{"rateLimit", "3"}, knob{"countRefused", strconv.FormatBool(counted)}, knob{"maxBody", "1KiB"})
			for range 3 {
				rec := r.do(c.request())
				require.NotEqual(t, FaultRateLimit, faultName(r), "%s %s", name, rec.Body)
			}
			code := r.do(request(good)).Code
			if counted && c.charged {
				assert.Equal(t, http.StatusInternalServerError, code, "%s counts", name)
				assert.Equal(t, FaultRateLimit, faultName(r))
			} else {
				assert.Equal(t, http.StatusOK, code, "%s does not count", name)
			}
		}
	}
}

func faultName(r *rig) string {
	if f := r.last().Fault; f != nil {
		return f.Name
	}
	return ""
}

// T3: a request that the limit refused counts only with countRefused; in a sliding window that keeps a hasty client out.
func TestThrottle_T3_RefusedByTheLimit(t *testing.T) {
	for counted, want := range map[string]bool{"false": true, "true": false} {
		set := settingsOf(t, knob{"rateLimit", "2"}, knob{"window", "sliding"}, knob{"countRefused", counted})
		var th throttle
		for range 2 {
			require.True(t, th.allow(start, "", &set))
		}
		for i := range 5 {
			require.False(t, th.allow(start.Add(time.Duration(i+1)*10*time.Second), "", &set))
		}
		assert.Equal(t, want, th.allow(start.Add(61*time.Second), "", &set), "countRefused %s", counted)
	}
}

// T1: a limit that changes counts with what has been let through before; so does another window.
func TestThrottle_T1_ChangedSettings(t *testing.T) {
	r := newRig(t, knob{"rateLimit", "3"})
	set := func(k, v string) {
		s := r.Settings()
		require.NoError(t, s.Set(k, v))
		require.NoError(t, r.SetSettings(s))
	}
	ok := func() bool { return r.do(request(device("selectCmDevice", "", everything))).Code == http.StatusOK }
	assert.True(t, ok() && ok() && ok())
	assert.False(t, ok())
	set("rateLimit", "4")
	assert.True(t, ok())
	assert.False(t, ok())
	set("window", "sliding")
	assert.False(t, ok())
	set("rateLimit", "2")
	r.advance(time.Minute)
	assert.True(t, ok() && ok())
	assert.False(t, ok())
	set("rateLimit", "0")
	assert.True(t, ok() && ok() && ok())
}

// T4: both forms of the fault, letter by letter, with SOAPActions in every shape.
func TestRateFault_T4(t *testing.T) {
	const reference = "AxisFault: Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 15 requests per minute."
	for _, c := range []struct{ profile, action, want string }{
		{"documented", `"selectCmDevice"`, reference + "selectCmDevice"},
		{"documented", "http://schemas.cisco.com/ast/soap/action/#RisPort#SelectCmDevice", reference + "http://schemas.cisco.com/ast/soap/action/#RisPort#SelectCmDevice"},
		{"documented", `""`, reference},
		{"documented", "", reference},
		{"cucm-12.5", `"selectCmDevice"`, "Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 15 requests per minute.RISService70"},
		{"cucm-14", "", "Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 15 requests per minute.RISService70"},
		{"cucm-15", "x", "Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 15 requests per minute.RISService70"},
	} {
		r := newRig(t, knob{"profile", c.profile})
		for range 15 {
			r.ask(device("selectCmDevice", "", []string{"MOH_2"}))
		}
		rec := newRecorder()
		r.Handler("cucm-sub2").ServeHTTP(rec, request(device("selectCmDevice", "", everything), header{"SOAPAction", c.action}))
		assert.Equal(t, http.StatusInternalServerError, rec.Code)
		fault := parseTree(t, rec.Body.String()).all("Body/Fault")
		require.Len(t, fault, 1)
		assert.Equal(t, "ns1:Server.RateControl", fault[0].one(t, "faultcode"))
		assert.Contains(t, rec.Body.String(), `<faultcode xmlns:ns1="http://xml.apache.org/axis/">ns1:Server.RateControl</faultcode>`)
		assert.Equal(t, c.want, fault[0].one(t, "faultstring"), "%+v", c)
		assert.Equal(t, "cucm-sub2", fault[0].one(t, "detail/hostname"))
	}
}

// Counting what is refused needs no more memory than the limit.
func TestThrottle_IsBounded(t *testing.T) {
	set := settingsOf(t, knob{"rateLimit", "5"}, knob{"countRefused", "true"})
	var th throttle
	for i := range 1000 {
		th.allow(start.Add(time.Duration(i)*time.Millisecond), "", &set)
		th.charge(start.Add(time.Duration(i)*time.Millisecond), "", &set)
		require.LessOrEqual(t, len(th.counts[""].recent), 5)
	}
	lab := settingsOf(t, knob{"unbounded", "true"}, knob{"rateLimit", "3000"})
	var busy throttle
	passed := 0
	for range 4000 {
		if busy.allow(start, "", &lab) {
			passed++
		}
	}
	assert.Equal(t, 3000, passed)
	assert.Empty(t, busy.counts[""].recent, "a log for which a fixed window has no use")
	off := settingsOf(t, knob{"rateLimit", "0"})
	var idle throttle
	idle.allow(start, "", &off)
	idle.charge(start, "", &off)
	assert.Empty(t, idle.counts)
}

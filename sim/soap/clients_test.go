package soap

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// dialog is a client that talks with a rig for a while, politely unless it is told otherwise: it brings its cookie back.
type dialog struct {
	*rig
	cookie string // of its session; empty before it has one
}

const dev, ext = "selectCmDevice", "selectCmDeviceExt"

// send sends a body and gives the StateInfo of the answer, which may be a refusal.
func (d *dialog) send(body string, headers ...header) (state string) {
	d.t.Helper()
	if d.cookie != "" {
		headers = append([]header{{"Authorization", ""}, {"Cookie", d.cookie}}, headers...)
	}
	rec := d.do(request(body, headers...))
	if c := rec.Header().Get("Set-Cookie"); c != "" {
		d.cookie = c
	}
	return d.last().StateOut
}

// get reads the contract.
func (d *dialog) get() {
	d.do(httptest.NewRequest(http.MethodGet, Path+"?wsdl", nil))
}

// newDialog has a limit that no conversation here meets by chance.
func newDialog(t *testing.T, knobs ...knob) *dialog {
	return &dialog{rig: newRig(t, append([]knob{{"rateLimit", "0"}}, knobs...)...)}
}

// cut is a query whose answer is cut off, and names no device twice.
func cut(state string, criteria ...tag) string {
	return device(dev, state, everything, append([]tag{{"NodeName", "cucm-sub1"}, {"MaxReturnedDevices", "2"}}, criteria...)...)
}

// What several exchanges show. earns ends with an exchange that has the advice and nothing else; spared is nearly the same, and none of its
// exchanges has any.
var conversations = map[string]struct {
	knobs         []knob
	earns, spared func(d *dialog)
	want          string
}{
	AdviceAtLimit: {
		earns: func(d *dialog) {
			d.send(cut(""))
			d.advance(time.Minute)
			d.send(device(dev, "", []string{"MOH_2"})) // something else between the two
			d.send(cut(""))
		},
		spared: func(d *dialog) {
			d.send(cut(""))
			d.send(cut("", tag{"Status", "Registered"})) // narrower, and cut off
			d.send(device(dev, "", []string{"SEP*"}, tag{"NodeName", "cucm-sub1"}, tag{"Status", "Registered"}))
			d.advance(time.Minute)
			d.send(cut("")) // the next poll
			d.send(cut("", tag{"MaxReturnedDevices", "100"}))
		},
		want: "An answer held exactly as many results as its limit of 2 allows, and was taken as complete: no narrower query followed.",
	},
	AdviceStateInfoCursor: {
		earns: func(d *dialog) { d.send(cut(d.send(cut("")))) },
		spared: func(d *dialog) {
			state := d.send(cut("", tag{"MaxReturnedDevices", "100"}))
			d.send(cut(state, tag{"MaxReturnedDevices", "100"})) // whole
			state = d.send(cut(""))
			d.send(cut("", tag{"DeviceClass", "Phone"}, tag{"MaxReturnedDevices", "100"}))
			d.advance(nextPage)
			d.send(cut(state)) // a poll for changes
		},
		want: "The StateInfo of an answer that was cut off came back at once with the same query, as if it led to the next page.",
	},
	AdviceStateInfoStale: {
		earns: func(d *dialog) {
			old := d.send(device(dev, "", everything, tag{"NodeName", "cucm-sub1"}))
			for range staleStates + 1 {
				d.bounce()
				d.send(device(dev, old, everything, tag{"NodeName", "cucm-sub1"}))
			}
		},
		spared: func(d *dialog) {
			state := d.send(device(dev, "", everything, tag{"NodeName", "cucm-sub1"}))
			for range 5 {
				d.bounce()
				state = d.send(device(dev, state, everything, tag{"NodeName", "cucm-sub1"}))
				state = d.send(device(dev, state, everything, tag{"NodeName", "cucm-sub1"}))
			}
		},
		want: "An old StateInfo came again and again although each answer had a newer one, so NoChange cannot come.",
	},
	AdvicePollWhole: {
		earns: func(d *dialog) {
			for range samePolls - 1 {
				d.send(device(dev, "", []string{"MOH*"}))
				d.send(device(dev, "", []string{"ICT*"}))
				d.advance(time.Minute)
			}
			d.send(device(dev, "", []string{"MOH*"}))
		},
		spared: func(d *dialog) {
			for range 4 {
				for range samePolls - 1 {
					d.send(device(dev, "", []string{"SEP*1"}))
					d.send(device(dev, "", []string{"NOBODY*"})) // an answer without StateInfo
				}
				d.bounce() // of SEP0C0000000001
			}
			state := d.send(device(dev, "", []string{"SEP*1"}))
			for range 5 {
				state = d.send(device(dev, state, []string{"SEP*1"}))
			}
		},
		want: "The same query came without StateInfo three times or more, and nothing had changed.",
	},
	AdvicePollTooFast: {
		knobs: []knob{{"rateLimit", "2"}},
		earns: func(d *dialog) {
			for range 2 {
				for range 3 {
					d.send(device(dev, "", []string{"NOBODY"}))
				}
				d.advance(time.Minute)
			}
		},
		spared: func(d *dialog) {
			for range 5 {
				for range 2 {
					d.send(device(dev, "", []string{"NOBODY"}))
				}
				d.advance(time.Minute)
			}
			d.crowd(2) // others use up the limit
			d.send(device(dev, "", []string{"NOBODY"}))
			d.advance(time.Minute)
			d.crowd(1)
			d.send(device(dev, "", []string{"NOBODY"}))
			d.send(device(dev, "", []string{"NOBODY"}))
			d.advance(time.Minute)
			for range 3 {
				d.send(device(dev, "", []string{"NOBODY"})) // once is no habit
			}
		},
		want: "The client used up the limit of 2 queries a minute alone, and was refused, in two minutes one after the other.",
	},
	AdvicePollAfterFault: {
		knobs: []knob{{"rateLimit", "6"}},
		earns: func(d *dialog) {
			d.crowd(6)
			d.send(device(dev, "", []string{"NOBODY"}))
			d.advance(9 * time.Second)
			d.send(device(dev, "", []string{"NOBODY"}))
		},
		spared: func(d *dialog) {
			d.crowd(6)
			d.send(device(dev, "", []string{"NOBODY"}))
			d.get() // counts towards nothing
			d.advance(10 * time.Second)
			d.send(device(dev, "", []string{"NOBODY"}))
			d.advance(time.Minute)
			d.send(device(dev, "", []string{"NOBODY"}))
			d.send(device(dev, "", []string{"NOBODY"}))
		},
		want: "A query came sooner after the rate fault than the limit allows anybody to go on.",
	},
	AdviceOneName: {
		earns: func(d *dialog) {
			for i := range singleNames {
				d.advance(time.Second)
				d.send(device(ext, "", []string{fmt.Sprint("NOBODY", i)}))
			}
		},
		spared: func(d *dialog) {
			for i := range 3 * singleNames {
				d.advance(7 * time.Second) // fewer in a minute
				d.send(device(dev, "", []string{fmt.Sprint("NOBODY", i)}))
			}
			for i := range 3 * singleNames {
				d.send(device(dev, "", []string{fmt.Sprint("NOBODY", i%2), "NOBODY"})) // two names
			}
			for range 3 * singleNames {
				d.send(device(dev, "", []string{"NOBODY"})) // watches one device
			}
			for i := range 3 * singleNames {
				d.send(device(dev, "", []string{fmt.Sprint("NOBODY", i, "*")})) // wildcards
				d.send(device(dev, "", []string{fmt.Sprint(i)}, tag{"SelectBy", "DirNumber"}))
			}
		},
		want: "Ten queries or more in a row asked for one device each, within a minute.",
	},
	AdviceSessionUnused: {
		earns: func(d *dialog) {
			for range unusedCookies + 1 {
				d.cookie = ""
				d.send(device(dev, "", []string{"NOBODY"}))
			}
		},
		spared: func(d *dialog) {
			for range 5 {
				d.cookie = ""
				for range 2 {
					d.send(device(dev, "", []string{"NOBODY"}))
				}
			}
		},
		want: "Credentials came with every query, and none of the session cookies that they were answered with came back.",
	},
	AdviceDeadSession: {
		earns: func(d *dialog) {
			d.send(device(dev, "", []string{"NOBODY"}))
			d.ExpireSessions("")
			for range deadSessions {
				d.send(device(dev, "", []string{"NOBODY"}))
			}
		},
		spared: func(d *dialog) {
			for range 4 {
				d.send(device(dev, "", []string{"NOBODY"}))
				d.send(device(dev, "", []string{"NOBODY"}))
				d.ExpireSessions("")
				for range deadSessions - 1 {
					d.send(device(dev, "", []string{"NOBODY"}))
				}
				d.cookie = ""
			}
		},
		want: "Requests came in a session that has ended, three times or more in a row.",
	},
	AdviceBadLoginAgain: {
		earns: func(d *dialog) {
			for range badLogins {
				d.send(device(dev, "", []string{"NOBODY"}), header{"Authorization", "Basic cG9sbGVyOndyb25n"})
			}
		},
		spared: func(d *dialog) {
			for range 4 {
				for range badLogins - 1 {
					d.send(device(dev, "", []string{"NOBODY"}), header{"Authorization", "Basic cG9sbGVyOndyb25n"})
				}
				d.send(device(dev, "", []string{"NOBODY"})) // the right ones
			}
			for range 3 * badLogins {
				d.send(device(dev, "", []string{"NOBODY"}), header{"Authorization", ""}, header{"Cookie", ""}) // waits to be asked
			}
		},
		want: "Credentials that are wrong came three times or more in a row, by which a real Unified CM may lock the account.",
	},
	AdviceFaultAgain: {
		earns: func(d *dialog) {
			d.send(device(dev, "", []string{"NOBODY"}, tag{"Protocol", "Smoke"}))
			d.send(device(dev, "", []string{"NOBODY"}, tag{"Protocol", "Smoke"}))
		},
		spared: func(d *dialog) {
			d.send(device(dev, "", []string{"NOBODY"}, tag{"Protocol", "Smoke"}))
			d.send(device(dev, "", []string{"NOBODY"}, tag{"Protocol", "Mirrors"}))
			d.send("nonsense")
			d.send(device(dev, "", []string{"NOBODY"}))
			d.send("nonsense")
		},
		want: "The same request came again after a fault that no repetition mends.",
	},
	AdviceContractAgain: {
		earns: func(d *dialog) {
			for range contracts {
				d.get()
				d.advance(10 * time.Second)
			}
		},
		spared: func(d *dialog) {
			for range 4 {
				for range contracts - 1 {
					d.get()
				}
				d.advance(time.Minute)
			}
		},
		want: "The contract was read five times or more within a minute.",
	},
}

// bounce lets something happen to SEP0C0000000001 on cucm-sub1.
func (d *dialog) bounce() {
	d.advance(5 * time.Second)
	d.apply(cluster.Unregister{Device: "SEP0C0000000001", Reason: cluster.ConnectivityError})
	d.apply(cluster.Register{Device: "SEP0C0000000001", Node: "cucm-sub1"})
}

// crowd lets somebody else ask n times.
func (d *dialog) crowd(n int) {
	for i := range n {
		d.do(request(device(dev, "", []string{"NOBODY"}), header{"User-Agent", fmt.Sprint("one of the crowd ", i)}))
	}
}

// J: what several exchanges show together, to the sentence; and that it is not said of what only looks like it.
func TestConversations_J(t *testing.T) {
	for id, c := range conversations {
		t.Run(id, func(t *testing.T) {
			d := newDialog(t, c.knobs...)
			c.earns(d)
			last := d.last().Advice
			if id == AdvicePollTooFast {
				last = slices.DeleteFunc(slices.Clone(last), func(a Advice) bool { return a.ID == AdvicePollAfterFault })
			}
			require.Equal(t, []string{id}, idsOf(last))
			assert.Equal(t, c.want, last[0].Text)
			for _, x := range d.seen[:len(d.seen)-1] {
				assert.NotContains(t, idsOf(x.Advice), id, "only the last one shows it")
			}
			list, forgotten := d.Advised()
			assert.Zero(t, forgotten)
			i := slices.IndexFunc(list, func(a ClientAdvice) bool { return a.ID == id })
			require.GreaterOrEqual(t, i, 0)
			assert.Equal(t, 1+btoi(list[i].Pending), list[i].Count)
			assert.Equal(t, d.last().Started, list[i].LastAt)

			d = newDialog(t, c.knobs...)
			c.spared(d)
			for i, x := range d.seen {
				assert.Empty(t, idsOf(x.Advice), "exchange %d: %s", i, x.RequestBody)
			}
			list, _ = d.Advised()
			assert.Empty(t, list)
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Q2: an answer that was cut off is a matter of the sums as long as nothing follows, wherever its client is asked about.
func TestAdvised_Q2_Pending(t *testing.T) {
	d := newDialog(t)
	d.cfg.Observe = numbered(d.cfg.Observe)
	d.send(device(dev, "", []string{"NOBODY"}))
	d.send(cut(""))
	require.True(t, d.last().Truncated)
	require.Empty(t, d.last().Advice)
	list, _ := d.Advised()
	want := ClientAdvice{
		User: "poller", Address: "192.0.2.1", ID: AdviceAtLimit, Rule: "Q2", Count: 1, First: 2, Last: 2, FirstAt: start, LastAt: start, Pending: true,
		Text: "An answer held exactly as many results as its limit of … allows, and was taken as complete: no narrower query followed.",
		Fix:  "Take such an answer as cut off, which nothing in it tells, and ask again by narrower items.",
	}
	require.Equal(t, []ClientAdvice{want}, list)

	d.send(cut(""))
	require.Equal(t, []string{AdviceAtLimit}, d.adviceIDs())
	list, _ = d.Advised()
	want.Count, want.First, want.Last = 2, 3, 3 // the exchange that showed it, and is cut off again
	require.Equal(t, []ClientAdvice{want}, list)

	d.send(device(dev, "", []string{"SEP*"}, tag{"NodeName", "cucm-sub1"}))
	list, _ = d.Advised()
	want.Count, want.Pending = 1, false
	require.Equal(t, []ClientAdvice{want}, list)

	reveals := newDialog(t, knob{"revealTruncation", "true"})
	for range 2 {
		reveals.send(cut(""))
		reveals.bounce()
	}
	list, _ = reveals.Advised()
	require.Empty(t, list, "the totals tell")
}

// numbered gives exchanges numbers, as a journal does.
func numbered(observe func(*Exchange)) func(*Exchange) {
	seq := uint64(0)
	return func(x *Exchange) {
		seq++
		x.Seq = seq
		observe(x)
	}
}

// Clients are told apart by user, address and User-Agent, whatever their port; and are forgotten when there are too many.
func TestAdvised_Clients(t *testing.T) {
	d := newDialog(t)
	for i, c := range []struct{ address, agent, auth string }{
		{"192.0.2.7:1000", "a", "poller"}, {"192.0.2.7:2000", "a", "poller"}, {"192.0.2.8:1000", "a", "poller"}, {"[2001:db8::1]:1000", "a", "poller"},
		{"192.0.2.7:1000", "b", "poller"}, {"192.0.2.7:1000", "a", "reader"},
	} {
		req := request(device(dev, "", []string{"SEP0C0000000001,SEP0C0000000002"}), header{"User-Agent", c.agent})
		req.RemoteAddr = c.address
		if c.auth == "reader" {
			req.SetBasicAuth("reader", "other")
		}
		require.Equal(t, http.StatusOK, d.do(req).Code, i)
	}
	list, _ := d.Advised()
	var got []string
	for _, a := range list {
		assert.Equal(t, AdviceComma, a.ID)
		got = append(got, fmt.Sprintf("%s %s %s %d", a.User, a.Address, a.UserAgent, a.Count))
	}
	slices.Sort(got)
	require.Equal(t, []string{"poller 192.0.2.7 a 2", "poller 192.0.2.7 b 1", "poller 192.0.2.8 a 1", "poller 2001:db8::1 a 1", "reader 192.0.2.7 a 1"}, got)

	for i := range keptClients + 10 {
		d.do(request("", header{"Authorization", ""}, header{"User-Agent", fmt.Sprint(i, strings.Repeat("x", 5000))}))
	}
	list, forgotten := d.Advised()
	require.Empty(t, list)
	require.Equal(t, 15, forgotten)
	require.Len(t, d.clients.byKey, keptClients)
	require.Equal(t, keptClients, d.clients.recent.Len())

	d.Forget()
	list, forgotten = d.Advised()
	require.Empty(t, list)
	require.Zero(t, forgotten)
	d.ask(device(dev, "", []string{"NOBODY,ATALL"}))
	list, _ = d.Advised()
	require.Len(t, list, 1)
}

// Q2: what is narrower than a query, and so follows it up.
func TestExtent_Within(t *testing.T) {
	of := func(body string) *query {
		req, fault := Decode([]byte(body), "", Limits{})
		require.Nil(t, fault)
		set := settingsOf(t)
		tr := translator{req: req, set: &set}
		q := tr.translate()
		return &q
	}
	many := make([]string, keptItems+1)
	for i := range many {
		many[i] = fmt.Sprint("SEP", i)
	}
	for _, c := range []struct {
		wide, narrow string
		want         bool
	}{
		{device(dev, "", everything), device(dev, "", everything), false},
		{device(dev, "", everything), device(dev, "", everything, tag{"MaxReturnedDevices", "10"}), false},
		{device(dev, "", everything), device(dev, "", nil), false},
		{device(dev, "", everything), device(dev, "", []string{"SEP*"}), true},
		{device(dev, "", everything), device(dev, "", []string{"4*"}, tag{"SelectBy", "DirNumber"}), true},
		{device(dev, "", everything), device(ext, "", []string{"SEP1", "SEP2"}), true},
		{device(dev, "", everything), device(dev, "", everything, tag{"DeviceClass", "Phone"}), true},
		{device(dev, "", everything), device(dev, "", everything, tag{"NodeName", "cucm-sub1"}), true},
		{device(dev, "", everything), cti("", nil, nil, nil), false},
		{device(dev, "", []string{"SEP*"}), device(dev, "", everything), false},
		{device(dev, "", []string{"SEP*"}), device(dev, "", []string{"ATA*"}), false},
		{device(dev, "", []string{"SEP*"}), device(dev, "", []string{"sep0*", "SEP1*"}), true},
		{device(dev, "", []string{"SEP*"}), device(dev, "", []string{"SEP0*", "ATA1*"}), false},
		{device(dev, "", []string{"SEP*"}), device(dev, "", []string{"4*"}, tag{"SelectBy", "DirNumber"}), false},
		{device(dev, "", []string{"*5X7"}), device(dev, "", []string{"SEP*5X7"}), true},
		{device(dev, "", many), device(dev, "", many[1:]), true},
		{device(dev, "", many[1:]), device(dev, "", many), false},
		{device(dev, "", everything, tag{"DeviceClass", "Phone"}), device(dev, "", everything, tag{"DeviceClass", "Gateway"}), false},
		{device(dev, "", everything, tag{"DeviceClass", "Phone"}), device(dev, "", everything, tag{"Status", "Registered"}), false},
		{device(dev, "", everything, tag{"NodeName", "cucm-sub1"}), device(dev, "", everything, tag{"NodeName", "cucm-sub2"}), false},
		{cti("", nil, nil, nil), cti("", []string{"console*"}, nil, nil), true},
		{cti("", nil, nil, nil), cti("", nil, []string{"SEP*"}, nil), true},
		{cti("", nil, nil, nil), cti("", nil, nil, []string{"4*"}), true},
		{cti("", nil, nil, nil), cti("", nil, nil, nil, tag{"Status", "Open"}), true},
		{cti("", nil, nil, nil), cti("", nil, nil, nil, tag{"CtiMgrClass", "Provider"}), false},
	} {
		wide := extentOf(of(c.wide)).kept()
		narrow := extentOf(of(c.narrow))
		less, ok := narrow.within(&wide)
		assert.Equal(t, c.want, ok && less, "%s\n%s", c.wide, c.narrow)
	}
	assert.True(t, (&cutOff{limit: 2, extent: extentOf(of(cut(""))).kept()}).followedBy(of(cut("", tag{"MaxReturnedDevices", "3"}))), "a higher limit")
}

// Whatever comes in whatever order: nothing breaks, memory is bounded, and the sums are those of the exchanges.
func TestClients_AnyConversation(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := newDialog(t, knob{"rateLimit", "5"})
		state := ""
		for range rapid.IntRange(1, 40).Draw(r, "exchanges") {
			switch rapid.IntRange(0, 7).Draw(r, "what") {
			case 0:
				d.cookie = ""
			case 1:
				d.advance(time.Duration(rapid.IntRange(0, 70).Draw(r, "seconds")) * time.Second)
			case 2:
				d.get()
			case 3:
				d.send("nonsense")
			case 4:
				d.bounce()
			default:
				items := rapid.SliceOfN(rapid.SampledFrom([]string{"*", "SEP*", "MOH_2", "", "x,y"}), 0, 2).Draw(r, "items")
				in := rapid.SampledFrom([]string{"", state, "?"}).Draw(r, "state")
				state = d.send(device(dev, in, items, tag{"MaxReturnedDevices", rapid.SampledFrom([]string{"1", "2", "0"}).Draw(r, "max")}))
			}
		}
		counts := map[string]int{}
		for _, x := range d.seen {
			for _, a := range x.Advice {
				counts[a.ID]++
			}
		}
		list, _ := d.Advised()
		for _, a := range list {
			counts[a.ID] -= a.Count
		}
		for id, n := range counts {
			if n != 0 && !(id == AdviceAtLimit && n < 0 && n >= -2*keptCutOff) { // those that are pending
				r.Fatalf("advice %s: the sums are off by %d", id, n)
			}
		}
		for _, e := range d.clients.byKey {
			require.LessOrEqual(t, len(e.Value.(*client).cutOff), keptCutOff)
		}
	})
}

// What a client costs that is watched: one that polls one query, and one that asks for one device after the other.
func BenchmarkClients(b *testing.B) {
	for _, name := range []string{"poll", "names"} {
		b.Run(name, func(b *testing.B) {
			c := newClients()
			set, _ := Profile("")
			x := &Exchange{
				HTTP: httptest.NewRequest(http.MethodPost, Path, nil), Operation: SelectCmDevice, Client: "127.0.0.1:4711", User: "administrator", UserAgent: "probe/1",
				SnapshotVersion: 1, StateOut: strings.Repeat("x", 300), InSession: true, Advice: make([]Advice, 0, 4), HTTPStatus: 200,
			}
			q := &query{op: SelectCmDevice, device: cluster.DeviceQuery{Items: []string{"SEP000102030405"}}}
			names := make([][]string, 64)
			for i := range names {
				names[i] = []string{fmt.Sprint("SEP", i)}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x.asked, x.Advice = 1, x.Advice[:0]
				if name == "names" {
					q.device.Items, x.asked = names[i%64], uint64(i%64)
				}
				c.watch(x, q, &set)
				c.note(x)
			}
		})
	}
}

package scenarios_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/clock"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// site is a publisher, two subscribers, n phones of group hq that are registered with sub1, two trunks and an
// application.
func site(t testing.TB, n int) *cluster.Store {
	t.Helper()
	cfg := cluster.Config{Nodes: []cluster.Node{{Name: "cucm-pub", Publisher: true}, {Name: "cucm-sub1"}, {Name: "cucm-sub2"}}}
	add := func(d cluster.Device, ip string) {
		r := cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - 3600, Attempts: cluster.Some(0), IPv4: netip.MustParseAddr(ip),
			ActiveLoad: "sip.1", Download: cluster.UnknownDownload}
		for _, l := range d.Lines {
			r.Lines = append(r.Lines, cluster.Line{Number: l, Status: cluster.Registered})
		}
		cfg.Devices = append(cfg.Devices, d)
		cfg.Registrations = append(cfg.Registrations, cluster.Registration{Device: d.Name, Node: "cucm-sub1", Record: r})
	}
	homes := []cluster.NodeName{"cucm-sub1", "cucm-sub2"}
	for i := range n {
		lines := []string{fmt.Sprint(4000 + i)}
		if i%5 == 0 {
			lines = append(lines, fmt.Sprint(8000+i))
		}
		add(cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP%012X", i)), Class: cluster.Phone, Protocol: cluster.SIP, Model: 36224, Group: "hq", Lines: lines, Homes: homes},
			fmt.Sprintf("10.64.%d.%d", i/250, i%250+1))
	}
	for i, name := range []cluster.DeviceName{"TRUNK-CUC", "TRUNK-PSTN"} {
		add(cluster.Device{Name: name, Class: cluster.SIPTrunk, Protocol: cluster.SIP, Model: 131, Group: "trunks", Homes: homes[:1]}, fmt.Sprintf("10.10.40.%d", i+1))
	}
	cfg.Applications = []cluster.Application{{Name: "cucmuser", Instance: 1, User: "cucmuser", Address: netip.MustParseAddr("10.10.30.5"), Node: "cucm-sub1", Status: cluster.Open, TimeStamp: start.Unix() - 60}}
	store, err := cluster.New(start, cfg)
	require.NoError(t, err)
	return store
}

func load(t testing.TB, name, text string) *scenarios.Program {
	t.Helper()
	prog, err := scenarios.Load(name, []byte(text), options())
	require.NoError(t, err)
	return prog
}

// world is a cluster and what happened to it.
type world struct {
	*cluster.Store
	clock    *clock.Virtual
	mu       sync.Mutex
	events   []scenarios.Event
	applied  []string
	settings []string
	troubles scenarios.Troubles
}

func newWorld(t testing.TB, n int) *world {
	return &world{Store: site(t, n), clock: clock.NewVirtual(start)}
}

func (w *world) Apply(c scenarios.Cause, changes ...cluster.Change) error {
	err := w.Store.Apply(w.clock.Now(), changes...)
	for _, one := range changes {
		w.applied = append(w.applied, fmt.Sprintf("%s %s %T%+v %v", w.clock.Now().Sub(start), c, one, one, err == nil))
	}
	return err
}

func (w *world) Set(c scenarios.Cause, knobs []scenarios.Setting) error {
	for _, k := range knobs {
		w.settings = append(w.settings, fmt.Sprintf("%s %s", c, k))
	}
	return nil
}
func (w *world) SetUser(c scenarios.Cause, u *scenarios.User) error {
	w.settings = append(w.settings, fmt.Sprintf("%s user %s %q %v", c, u.Name, u.Password, u.Roles))
	return nil
}
func (w *world) RemoveUser(c scenarios.Cause, name string) error {
	w.settings = append(w.settings, fmt.Sprintf("%s no user %s", c, name))
	return nil
}
func (w *world) Impair(_ scenarios.Cause, i *scenarios.Impairment) { w.troubles.Add(i) }
func (w *world) Lift(_ scenarios.Cause, id string)                 { w.troubles.Lift(id) }
func (w *world) Renew(i *scenarios.Impairment)                     { w.troubles.Renew(i) }
func (w *world) Log(e scenarios.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// count counts the devices whose newest record on a node that answers is of a status.
func (w *world) count(s cluster.Status, node cluster.NodeName) int {
	return w.Snapshot().Select(cluster.DeviceQuery{Newest: true, Status: s, Node: string(node)}).Found
}

func TestTimeline_Goldens(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/timelines/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			prog := load(t, filepath.Base(file), string(data))
			n := 3000
			if prog.Name == "a-bit-of-everything" {
				n = 60
			}
			s := site(t, n).Snapshot()
			require.NoError(t, prog.Check(s))
			events, ends, err := prog.Timeline(s)
			require.NoError(t, err)
			require.NoError(t, ends.Check())
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", scenarios.FormatTimeline(events))
			again, _, err := prog.Timeline(s)
			require.NoError(t, err)
			require.Equal(t, scenarios.FormatTimeline(events), scenarios.FormatTimeline(again))
		})
	}
}

func TestCheck_UnfitForTheCluster(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/unfit/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			err = load(t, filepath.Base(file), string(data)).Check(site(t, 100).Snapshot())
			require.Error(t, err)
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

// run runs a scenario on virtual time to its end.
func run(t testing.TB, w *world, text string) *scenarios.Running {
	t.Helper()
	prog := load(t, "x.yaml", text)
	require.NoError(t, prog.Check(w.Snapshot()))
	r := scenarios.Run(prog, w, w.clock)
	for w.clock.Step() {
	}
	require.NoError(t, w.Snapshot().Check())
	require.True(t, r.Done())
	return r
}

const mixed = `
seed: 5
timeline:
  - {id: gone, at: 1m, over: {p50: 20s, p99: 80s, max: 2m}, do: {devices.unregister: {where: {group: hq}, share: 30%}}}
  - {at: 2m, over: {uniform: [0s, 50s]}, do: {devices.bounce: {where: {group: hq}, share: 25%, away: {choice: {10s: 1, 70s: 2}}}}}
  - {every: 10m, times: 3, do: {firmware.upgrade: {where: {group: hq}, share: 20%, load: sip.9, takes: {p50: 1m, p99: 3m}, outcome: {choice: {Successful: 80, Failed: 20}}}}}
  - {at: 50m, for: 20m, do: {churn: {where: {group: hq}, rate: 12/min, away: 5s}}}
`

func TestRun_TwiceTheSame(t *testing.T) {
	t.Parallel()
	one, two := newWorld(t, 200), newWorld(t, 200)
	run(t, one, mixed)
	run(t, two, mixed)
	require.Greater(t, len(one.applied), 500)
	require.Equal(t, one.applied, two.applied)
	require.Equal(t, one.events, two.events)

	other := newWorld(t, 200)
	run(t, other, strings.Replace(mixed, "seed: 5", "seed: 6", 1))
	require.NotEqual(t, one.applied, other.applied)
}

// Inserting steps and a device moves nothing else: not what is drawn for named steps, nor for unnamed ones.
func TestRun_ChanceIsKeyed(t *testing.T) {
	t.Parallel()
	before, after := newWorld(t, 200), newWorld(t, 200)
	run(t, before, mixed)
	require.NoError(t, after.Store.Apply(start, cluster.AddDevices{
		Devices:       []cluster.Device{{Name: "SEP00000000000A0", Class: cluster.Phone, Group: "hq", Homes: []cluster.NodeName{"cucm-sub1"}}},
		Registrations: []cluster.Registration{{Device: "SEP00000000000A0", Node: "cucm-sub1", Record: cluster.Record{Status: cluster.Registered}}},
	}))
	run(t, after, strings.Replace(mixed, "timeline:\n", "timeline:\n  - {at: 30s, do: {log: inserted}}\n  - {at: 5m, do: {devices.readdress: {where: {group: trunks}, share: 50%, to: 10.1.0.0/16}}}\n", 1))

	// All but the new device, the new step, line numbers, and the numbers in ids of unnamed steps; and but the churn, whose
	// rate is that of the group, so that a new device takes a part of it.
	clean := func(w *world) []string {
		var out []string
		for _, line := range w.applied {
			if strings.Contains(line, "SEP00000000000A0") || strings.Contains(line, "Readdress") {
				continue
			}
			at, rest, _ := strings.Cut(line, " ")
			_, rest, _ = strings.Cut(rest, " ") // file and line
			_, rest, _ = strings.Cut(rest, " ") // id
			if d, err := time.ParseDuration(at); err == nil && d < 50*time.Minute {
				out = append(out, at+" "+rest)
			}
		}
		return out
	}
	require.Greater(t, len(clean(before)), 300)
	require.Equal(t, clean(before), clean(after))
}

// What falls on one instant runs in document order, then in device order, however it came to fall there.
func TestRun_TotalOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	run(t, w, `
timeline:
  - {after: z, do: {log: last but written first}}
  - {every: 30s, times: 4, do: {log: tick}}
  - {at: 0s, over: 60s, do: {devices.unregister: {where: {group: hq}}}}
  - {at: 60s, do: {log: sixty}}
  - {id: z, at: 30s, over: 30s, do: {devices.logout: {}}}
`)
	var got []string
	for _, e := range w.events {
		got = append(got, e.String())
	}
	require.Equal(t, []string{
		"00:00:00  x.yaml:5  devices.unregister  3 devices  where group hq, until 00:01:00",
		"00:00:30  x.yaml:4  log  tick",
		"00:00:30  x.yaml:7  devices.logout  0 devices",
		"00:00:30  x.yaml:3  log  last but written first",
		"00:01:00  x.yaml:4  log  tick",
		"00:01:00  x.yaml:6  log  sixty",
		"00:01:30  x.yaml:4  log  tick",
		"00:02:00  x.yaml:4  log  tick",
	}, got)
	require.Equal(t, "1m0s x.yaml:5 timeline[2] cluster.Unregister{Device:SEP000000000000 Node: Reason:0} true", w.applied[0])
	require.Len(t, w.applied, 3)
}

func TestRun_LoopsEnd(t *testing.T) {
	t.Parallel()
	for trigger, want := range map[string]string{
		"every: 15m, from: 30m, times: 4":           "30m 45m 60m 75m",
		"every: 15m, until: 1h":                     "15m 30m 45m 60m",
		"every: 10m, from: 0s, until: 25m":          "0m 10m 20m",
		"every: 10m, from: 5m, until: 1h, times: 2": "5m 15m",
		"at: 7m":              "7m",
		"after: a":            "1m",
		"after: a, delay: 9m": "10m",
		"after: loop":         "2m 4m",
	} {
		w := newWorld(t, 1)
		run(t, w, "timeline:\n- {id: a, at: 1m, do: {log: a}}\n- {id: loop, every: 2m, times: 2, do: {log: a}}\n- {"+trigger+", do: {log: it}}\n")
		var got []string
		for _, e := range w.events {
			if e.Detail == "it" {
				got = append(got, fmt.Sprintf("%.0fm", e.At.Minutes()))
			}
		}
		require.Equal(t, want, strings.Join(got, " "), trigger)
	}
}

// after waits for the last device of a step.
func TestRun_AfterTheLastDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 50)
	run(t, w, `
timeline:
  - {id: up, at: 1m, do: {firmware.upgrade: {where: {group: hq}, load: sip.9, takes: {uniform: [1m, 9m]}, away: 1m}}}
  - {after: up, do: {log: all done}}
`)
	last := w.events[len(w.events)-1]
	require.Equal(t, "all done", last.Detail)
	require.Greater(t, last.At, 8*time.Minute)
	require.Contains(t, w.applied[len(w.applied)-1], "ActivateLoad")
	require.True(t, strings.HasPrefix(w.applied[len(w.applied)-1], last.At.String()+" "))
	require.Equal(t, 52, w.count(cluster.Registered, ""))
	for d := range w.Snapshot().Devices() {
		if d.Group == "hq" {
			r := w.Snapshot().Records(d.Name)[0].Record
			require.Equal(t, []string{"sip.9", "sip.1"}, []string{r.ActiveLoad, r.InactiveLoad}) // V3
		}
	}
}

// A failed download keeps the load (rule V3).
func TestRun_UpgradeFails_V3(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 400)
	run(t, w, "timeline: [{at: 0s, do: {firmware.upgrade: {where: {group: hq}, load: sip.9, failure: no room, outcome: {choice: {Successful: 75%, Failed: 25%}}}}}]")
	failed := 0
	for d := range w.Snapshot().Devices() {
		if r := w.Snapshot().Records(d.Name)[0].Record; r.Download == cluster.Failed {
			failed++
			require.Equal(t, []string{"sip.1", "no room"}, []string{r.ActiveLoad, r.DownloadFailure})
		}
	}
	require.InDelta(t, 100, failed, 30)
}

func TestRun_Failover_V2(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 20)
	run(t, w, `
timeline:
  - {id: dies, at: 5m, do: {node.stop: cucm-sub1}}
  - {after: dies, over: {p50: 20s, p99: 80s, max: 2m}, do: {devices.failover: {from: cucm-sub1}}}
`)
	require.Equal(t, 20, w.count(cluster.Registered, "cucm-sub2"))
	for _, r := range w.Snapshot().Records("SEP000000000003") {
		if r.Node == "cucm-sub1" {
			require.Equal(t, cluster.UnRegistered, r.Record.Status)
			require.Equal(t, cluster.KeepAliveTimeout, r.Record.Reason)
		}
	}
	last := w.events[len(w.events)-1]
	require.Equal(t, 2, last.Skipped) // the trunks have no other home
	require.ErrorContains(t, last.Err, `device "TRUNK-`)
}

func TestRun_RequestsTrigger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	r := scenarios.Run(load(t, "x.yaml", `
timeline:
  - {requests: {match: {operation: selectCtiItem}, from: 3, to: 3}, do: {cti.close: {application: cucmuser}}}
  - {requests: {every: 2, to: 6}, do: {log: every second}}
  - {requests: {match: {user: pol*}}, times: 2, from: 1m, until: 2m, do: {log: in time}}
  - {requests: {match: {xpath: "//*[local-name()='Status']='Registered'"}, to: 1}, do: {log: asks for Registered}}
`), w, w.clock)
	n := uint64(0)
	ask := func(operation, user, body string) {
		n++
		r.Request(scenarios.Request{Number: n, At: w.clock.Now(), Operation: operation, User: user, Body: scenarios.NewBody(func() string { return body })})
	}
	ask("selectCtiItem", "poller", "<a/>")
	ask("selectCtiItem", "", "<not xml")
	require.Equal(t, cluster.Open, w.Snapshot().Applications()[0].Status)
	w.clock.Advance(90 * time.Second)
	ask("selectCtiItem", "poller", "<s:a xmlns:s='x'><s:Status>Registered</s:Status></s:a>")
	require.Equal(t, cluster.Closed, w.Snapshot().Applications()[0].Status) // without moving the clock
	for range 6 {
		ask("selectCmDevice", "POLLER", "")
	}
	ask("selectCtiItem", "", "<a><Status>Registered</Status></a>")
	var got []string
	for _, e := range w.events {
		got = append(got, e.At.String()+" "+e.Action+" "+e.Detail)
	}
	require.Equal(t, []string{"0s log every second", "1m30s cti.close application cucmuser", "1m30s log in time", "1m30s log asks for Registered",
		"1m30s log every second", "1m30s log in time", "1m30s log every second"}, got)
}

func TestTroubles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	r := scenarios.Run(load(t, "x.yaml", `
impairments:
  - {id: slow, chance: 25%, latency: {p50: 80ms, p99: 900ms, max: 2s}}
  - {id: cut, requests: {match: {operation: selectCmDeviceExt}, from: 20, to: 22}, reset: {afterBytes: 4096}}
  - {id: later, at: 5m, for: 1m, fault: rateLimit}
  - {id: asked, match: {user: poller, node: cucm-sub*, xpath: "//Status"}, fault: {code: "soapenv:Server", text: "no"}}
  - {id: again, every: 10m, for: 2m, times: 2, refuse: true}
timeline:
  - {at: 3m, do: {lift: slow}}
  - {id: mine, at: 4m, until: 7m, do: {impair: {tls: expired, dribble: {bytes: 10, every: 50ms}}}}
`), w, w.clock)
	ids := func(q scenarios.Request) string {
		var out []string
		for _, h := range w.troubles.Hits(q) {
			out = append(out, h.ID)
		}
		return strings.Join(out, " ")
	}
	slow, cut := 0, []int{}
	for i := 1; i <= 1000; i++ {
		for _, h := range w.troubles.Hits(scenarios.Request{Number: uint64(i), Operation: "selectCmDeviceExt"}) {
			switch h.ID {
			case "slow":
				slow++
				require.True(t, h.Latency > 0 && h.Latency <= 2*time.Second)
			case "cut":
				cut = append(cut, i)
				require.Equal(t, 4096, h.Reset)
			}
		}
	}
	require.InDelta(t, 250, slow, 50)
	require.Equal(t, []int{20, 21, 22}, cut)
	w.clock.Advance(3 * time.Minute)
	body := scenarios.NewBody(func() string { return "<a><Status/></a>" })
	require.Equal(t, "asked", ids(scenarios.Request{User: "poller", Node: "cucm-sub2", Body: body}))
	require.Empty(t, ids(scenarios.Request{User: "poller", Node: "cucm-pub", Body: body}))
	require.Empty(t, ids(scenarios.Request{User: "poller", Node: "cucm-sub2"}))
	w.clock.Advance(time.Minute)
	require.Equal(t, "mine", ids(scenarios.Request{}))
	w.clock.Advance(time.Minute)
	require.Equal(t, "later mine", ids(scenarios.Request{}))
	w.clock.Advance(2 * time.Minute)
	require.Empty(t, ids(scenarios.Request{}))
	var on []string
	for range 30 {
		w.clock.Advance(time.Minute)
		require.Empty(t, ids(scenarios.Request{}), "a refused connection makes no request")
		if i := w.troubles.Connection(1, "cucm-pub"); i != nil && i.ID == "again" {
			on = append(on, w.clock.Now().Format("15:04"))
		}
	}
	require.Equal(t, []string{"08:10", "08:11", "08:20", "08:21"}, on)
	require.True(t, r.Done())
	require.Equal(t, `{requests: {match: {operation: selectCmDeviceExt}, from: 20, to: 22}, reset: {afterBytes: 4096}}`, w.troubles.Active()[0].Written)
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	r := scenarios.Run(load(t, "x.yaml", `
timeline:
  - {id: gone, at: 5m, over: {uniform: [10s, 90s]}, do: {devices.unregister: {where: {group: hq}}}}
  - {id: never, requests: {match: {user: nobody}, to: 1}, do: {log: x}}
  - {id: looked, at: 10m, do: {check: {devices: {where: {status: UnRegistered}, count: 10}}}}
  - {id: looked-at-requests, at: 10m, do: {check: {requests: {count: 7}}}}
expect:
  - {id: at-pass, at: 4m, devices: {where: {group: hq, status: Registered}, count: 10}}
  - {id: at-fail, at: 8m, devices: {where: {group: hq, status: Registered}, count: ">= 1"}}
  - {id: within-pass, after: gone, within: 1m, devices: {where: {group: hq, status: UnRegistered}, count: 10}}
  - {id: within-fail, within: 5m, devices: {where: {group: hq, status: UnRegistered}, count: 10}}
  - {id: for-pass, at: 1m, for: 3m, devices: {where: {group: hq, status: Registered}, count: 10}}
  - {id: until-fail, from: 1m, until: 9m, devices: {where: {group: hq, status: Registered}, count: 10}}
  - {id: at-end, devices: {where: {group: trunks, status: Registered}, count: 2}}
  - {id: too-late, at: 2h, devices: {count: 12}}
  - {id: not-over, from: 1m, until: 2h, devices: {where: {group: trunks}, count: 2}}
  - {id: never-began, after: never, devices: {count: 12}}
  - {id: polite, requests: {fault: rateLimit, count: 0}}
  - {id: rude, requests: {fault: rateLimit, match: {operation: selectCtiItem}, count: 0}}
  - {id: vacuous, requests: {fault: rateLimit, match: {user: nobody}, count: 0}}
  - {id: asks, requests: {match: {operation: selectCmDevice}, count: ">= 3"}}
  - {id: asks-much, at: 10m, requests: {match: {operation: selectCmDevice}, count: ">= 30"}}
  - {id: session, faults: {none: [session], some: [rate*]}}
  - {id: few-faults, faults: {count: "<= 1"}}
  - {id: advised, after: gone, advice: {none: [poll-*]}}
  - {id: advised-early, until: 4m, advice: {none: [poll-*]}}
  - {id: open, from: 1h, requests: {count: 0}}
`), w, w.clock)
	answer := func(operation, fault string, advice ...string) {
		r.Answered(scenarios.Answer{Request: scenarios.Request{At: w.clock.Now(), Operation: operation, User: "poller"}, Status: 200, Fault: fault, Advice: advice})
	}
	w.clock.Advance(2 * time.Minute)
	for range 4 {
		answer("selectCmDevice", "")
	}
	w.clock.Advance(3 * time.Minute)
	answer("selectCtiItem", "", "poll-after-rate-fault")
	w.clock.Advance(2 * time.Minute)
	answer("selectCtiItem", "rateLimit", "poll-after-rate-fault")
	answer("selectCmDevice", "")
	w.clock.Advance(10 * time.Minute)
	var got []string
	for _, v := range r.Finish() {
		got = append(got, fmt.Sprintf("%s %s %s: %s", v.Outcome, v.ID, v.At, v.Why))
	}
	require.Equal(t, []string{
		"pass looked 10m0s: 10 devices",
		"pass looked-at-requests 10m0s: 7 of 7 requests",
		"pass at-pass 4m0s: 10 devices",
		"fail at-fail 8m0s: 0 devices",
	}, got[:4])
	golden(t, "testdata/verdicts.txt", strings.Join(got, "\n")+"\n")
	require.True(t, r.Done())
	require.Equal(t, len(got), len(r.Finish()))
}

// What falls on one instant runs in device order, also for a count, which takes the lowest draws.
func TestRun_CountInDeviceOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 60)
	run(t, w, "timeline: [{at: 1m, do: {devices.unregister: {where: {group: hq}, count: 20}}}]")
	require.Len(t, w.applied, 20)
	require.True(t, slices.IsSorted(w.applied), strings.Join(w.applied, "\n"))
}

// A window over requests counts those in it, and is judged as soon as no more of them could change the outcome.
func TestVerdicts_RequestsInAWindow(t *testing.T) {
	t.Parallel()
	for n, want := range []string{
		"fail w 5m0s, fail least 5m0s, inconclusive f 5m0s",
		"fail w 5m0s, fail least 5m0s, pass f 5m0s",
		"pass w 5m0s, pass least 1m0s, pass f 5m0s",
		"fail w 1m0s, pass least 1m0s, fail f 1m0s",
	} {
		w := newWorld(t, 3)
		r := scenarios.Run(load(t, "x.yaml", `
expect:
  - {id: w, within: 5m, requests: {count: 2}}
  - {id: least, within: 5m, requests: {count: ">= 2"}}
  - {id: f, from: 0s, for: 5m, requests: {count: 0..2}}
`), w, w.clock)
		w.clock.Advance(time.Minute)
		for i := range n {
			answer(r, w, uint64(i+1))
		}
		w.clock.Advance(10 * time.Minute)
		var got []string
		for _, v := range r.Finish() {
			got = append(got, fmt.Sprint(v.Outcome, " ", v.ID, " ", v.At))
		}
		require.Equal(t, want, strings.Join(got, ", "), "%d requests", n)
	}
}

// Someone else changes the cluster, and an expectation is looked at.
func TestChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	r := scenarios.Run(load(t, "x.yaml", "expect: [{from: 0s, until: 1h, devices: {where: {status: Registered}, count: 5}}]"), w, w.clock)
	w.clock.Advance(time.Minute)
	require.NoError(t, w.Store.Apply(w.clock.Now(), cluster.Unregister{Device: "SEP000000000001"}))
	r.Changed()
	w.clock.Advance(time.Minute)
	require.NoError(t, w.Store.Apply(w.clock.Now(), cluster.Register{Device: "SEP000000000001"}))
	require.Equal(t, "fail  x.yaml:1  expect[0]  devices (status Registered) 5 for 1h: 4 devices", r.Verdicts()[0].String())
}

func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	r := scenarios.Run(load(t, "x.yaml", "timeline: [{at: 1m, do: {log: one}}, {at: 3m, do: {log: two}}]"), w, w.clock)
	w.clock.Advance(2 * time.Minute)
	r.Stop()
	w.clock.Advance(2 * time.Minute)
	require.Len(t, w.events, 1)
}

// Real time and many goroutines; for the race detector.
func TestRun_OnARealClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 50)
	real, err := clock.NewReal(start, 10_000)
	require.NoError(t, err)
	defer real.Close()
	r := scenarios.Run(load(t, "x.yaml", mixed+`
  - {requests: {to: 100}, do: {devices.unregister: {where: {group: hq}, share: 5%}}}
expect: [{within: 1h, devices: {count: 1}}, {requests: {count: 400}}]
`), w, real)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				q := scenarios.Request{At: real.Now()}
				r.Request(q)
				r.Answered(scenarios.Answer{Request: q})
				w.troubles.Hits(q)
				r.Verdicts()
			}
		})
	}
	wg.Wait()
	require.Equal(t, scenarios.Pass, r.Finish()[1].Outcome)
}

// Devices whose turn comes at one instant go in order of their names, whatever put them there.
func TestRun_DeviceOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 100)
	run(t, w, "timeline: [{at: 0s, over: {choice: {0s: 1, 1s: 1}}, do: {devices.bounce: {where: {group: hq}, away: {choice: {9s: 1, 10s: 1}}}}}]")
	at := map[string][]string{}
	for _, line := range w.applied {
		if when, change, ok := strings.Cut(line, " x.yaml:1 timeline[0] cluster.Register{Device:"); ok {
			at[when] = append(at[when], change[:15])
		}
	}
	require.Len(t, at, 3)
	require.Greater(t, len(at["10s"]), 20)
	require.IsIncreasing(t, at["10s"])
}

// A device that is no longer there, or no longer as it was, when its turn comes is skipped.
func TestRun_SkipsWhatHasChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	run(t, w, `
timeline:
  - {at: 0s, over: {uniform: [1m, 2m]}, do: {devices.unregister: {where: {group: hq}}}}
  - {at: 10s, do: {devices.remove: {where: {number: "4001"}}}}
  - {at: 10s, do: {devices.unregister: {where: {number: "4002"}, reason: LowBattery}}}
`)
	last := w.events[len(w.events)-1]
	require.Equal(t, 2, last.Skipped)
	require.Error(t, last.Err)
	require.Equal(t, cluster.LowBattery, w.Snapshot().Records("SEP000000000002")[0].Record.Reason)
}

// Of for and until, what comes first ends trouble.
func TestRun_TroubleEnds(t *testing.T) {
	t.Parallel()
	for trigger, want := range map[string]time.Duration{"at: 1m, for: 5m": 6 * time.Minute, "at: 1m, for: 5m, until: 3m": 3 * time.Minute, "at: 1m, for: 1m, until: 3m": 2 * time.Minute,
		"after: a, delay: 1m, until: 5m": 5 * time.Minute} {
		w := newWorld(t, 1)
		run(t, w, "timeline: [{id: a, at: 1m, do: {log: a}}, {"+trigger+", do: {impair: {status: 503}}}]")
		last := w.events[len(w.events)-1]
		require.Equal(t, "lift", last.Action)
		require.Equal(t, want, last.At, trigger)
		require.Empty(t, w.troubles.Active())
	}
}

// A loop draws anew each time.
func TestRun_EachOccurrenceDraws(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 100)
	run(t, w, "timeline: [{every: 1m, times: 5, do: {devices.bounce: {where: {group: hq}, share: 20%, away: 1s}}}]")
	picked := map[string]string{}
	for _, line := range w.applied {
		if when, change, ok := strings.Cut(line, " x.yaml:1 timeline[0] cluster.Unregister{Device:"); ok {
			picked[when] += change[:15] + " "
		}
	}
	require.Len(t, picked, 5)
	different := map[string]bool{}
	for _, devices := range picked {
		different[devices] = true
	}
	require.Len(t, different, 5)
}

// A steady rate is steady: near the number expected, spread over the whole time, and everyone comes back.
func TestRun_Churn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 300)
	run(t, w, "timeline: [{at: 1m, for: 1h, do: {churn: {where: {group: hq}, rate: 10/min, away: 5s}}}]")
	var quarters [4]int
	names := map[string]bool{}
	for _, line := range w.applied {
		if when, change, ok := strings.Cut(line, " x.yaml:1 timeline[0] cluster.Unregister{Device:"); ok {
			d, err := time.ParseDuration(when)
			require.NoError(t, err)
			quarters[int((d-time.Minute)/(15*time.Minute))]++
			names[change[:15]] = true
		}
	}
	for _, n := range quarters {
		require.InDelta(t, 150, n, 45)
	}
	require.Greater(t, len(names), 200)
	require.Equal(t, 302, w.count(cluster.Registered, ""))
}

// Users change as steps say; what is told of them is never a password.
func TestRun_Users(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	run(t, w, `
timeline:
  - {at: 1m, do: {user.set: {name: poller, password: n3w, roles: [serviceability, AXL]}}}
  - {at: 2m, do: {user.remove: poller}}
`)
	require.Equal(t, []string{`x.yaml:3 timeline[0] user poller "n3w" [serviceability AXL]`, "x.yaml:4 timeline[1] no user poller"}, w.settings)
	require.Equal(t, "00:01:00  x.yaml:3  user.set  poller: password, roles\n00:02:00  x.yaml:4  user.remove  poller\n", scenarios.FormatTimeline(w.events))
}

// Verdicts together: one that failed makes all fail, and what is not decided has not passed.
func TestSum(t *testing.T) {
	t.Parallel()
	const p, f, i = scenarios.Pass, scenarios.Fail, scenarios.Inconclusive
	for _, tt := range []struct {
		of   []scenarios.Outcome
		want scenarios.Outcome
	}{{nil, p}, {[]scenarios.Outcome{p, p}, p}, {[]scenarios.Outcome{p, i, p}, i}, {[]scenarios.Outcome{i, f, p}, f}, {[]scenarios.Outcome{f}, f}} {
		var verdicts []scenarios.Verdict
		for _, o := range tt.of {
			verdicts = append(verdicts, scenarios.Verdict{Outcome: o})
		}
		require.Equal(t, tt.want, scenarios.Sum(verdicts), "%v", tt.of)
	}
}

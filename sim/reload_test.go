package sim_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

var update = flag.Bool("update", false, "write the golden files")

// editFS is the folder of a scenario, before an edit or after it: all files of an archive but those of the other one.
func editFS(ar *txtar.Archive, when string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, f := range ar.Files {
		dir, name, ok := strings.Cut(f.Name, "/")
		if ok && dir == when {
			files[name] = &fstest.MapFile{Data: f.Data}
		}
	}
	return files
}

// Each edit of a scenario that runs: its plan, or all that is wrong, and what the journal tells of it. In do are steps that happen
// before, one in a line.
func TestReload_Edits(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/edits/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(file)
			require.NoError(t, err)
			folder := editFS(ar, "before")
			ris := sim.ForTest(t, sim.Options{Scenario: "s.yaml", ScenarioFS: folder, Manual: true, InMemory: true})
			require.NoError(t, ris.Advance(10*time.Second))
			out := &txtar.Archive{Comment: ar.Comment}
			for _, f := range ar.Files {
				if f.Name != "plan" && f.Name != "journal" && f.Name != "problems" {
					out.Files = append(out.Files, f)
				}
				if f.Name == "do" {
					for line := range strings.Lines(string(f.Data)) {
						_, err := ris.Do(sim.Step{Text: line})
						require.NoError(t, err)
					}
				}
			}
			clear(folder)
			for name, f := range editFS(ar, "after") {
				folder[name] = f
			}
			before, entries := fmt.Sprintf("%+v", ris.Snapshot().State()), len(ris.Journal())
			plan, err := ris.PlanReload(nil)
			require.Equal(t, before, fmt.Sprintf("%+v", ris.Snapshot().State()), "planning does nothing")
			if err != nil {
				_, again := ris.Reload(nil)
				require.EqualError(t, again, err.Error())
				require.Equal(t, before, fmt.Sprintf("%+v", ris.Snapshot().State()), "nothing is half done")
				out.Files = append(out.Files, txtar.File{Name: "problems", Data: []byte(err.Error() + "\n")})
			} else {
				version := ris.Snapshot().Version
				require.NoError(t, plan.Apply())
				require.NoError(t, ris.Snapshot().Check())
				require.LessOrEqual(t, ris.Snapshot().Version, version+1, "all changes are one step")
				out.Files = append(out.Files, txtar.File{Name: "plan", Data: []byte(plan.String())})
				if journal := ris.Journal()[entries:].String(); journal != "" {
					out.Files = append(out.Files, txtar.File{Name: "journal", Data: []byte(journal)})
				}
				again, err := ris.PlanReload(nil)
				require.NoError(t, err)
				require.Empty(t, again.Differences)
			}
			got := string(txtar.Format(out))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			require.Equal(t, string(txtar.Format(ar)), got, "run with -update, and read what it wrote")
		})
	}
}

// drawCluster draws the sections of a cluster that has what a cluster may have.
func drawCluster(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("cluster:\n  nodes: [{name: pub}, {name: sub1}, {name: sub2}]\n  devices:\n")
	groups := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 4, rapid.ID).Draw(t, "groups")
	pick := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
	for _, g := range groups {
		lines, status := pick("per", "1", "2"), pick("status", "Registered", "UnRegistered", "{choice: {Registered: 1, Rejected: 1}}", "PartiallyRegistered")
		if status == "PartiallyRegistered" {
			lines = "2"
		}
		fmt.Fprintf(&b, "    - {group: %s, count: %d, model: %s, macs: {from: 02000000%02X00}, addresses: {from: 10.1.%d.1}, lines: {from: \"%s\", perDevice: %s}, "+
			"homes: [%s], status: %s, load: %s%s}\n",
			g, rapid.IntRange(1, 5).Draw(t, "count"), pick("model", "Cisco 8845", "Cisco 7841"), g[0], g[0], pick("lines", "4000", "5000"), lines,
			pick("homes", "sub1, sub2", "sub2, sub1", "pub"), status, pick("load", "load.1", "load.2"),
			pick("description", "", ", description: \"{person}\"", ", description: \"{number}\""))
	}
	b.WriteString("  applications:\n")
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "z"}), 1, 2, rapid.ID).Draw(t, "applications") {
		fmt.Fprintf(&b, "    - {name: %s, node: %s, address: 10.9.9.1, user: %s, status: %s, opens: {group: %s, lines: %s}}\n", name, pick("node", "pub", "sub1"), pick("user", "u", "v"),
			pick("app status", "Open", "Closed"), groups[0], pick("app lines", "true", "false"))
	}
	return b.String()
}

// shape is a cluster without what depends on when something happened and how it came about: of each device its configuration
// and where it was last, how.
func shape(s *cluster.Snapshot) string {
	var b strings.Builder
	for d := range s.Devices() {
		latest := scenarios.Latest(s, d.Name)
		fmt.Fprintf(&b, "%s %q %v %v %v %v %v %v", d.Name, d.Description, d.Group, d.Class, d.Model, d.Protocol, d.Lines, d.Homes)
		if r := latest.Record; r != nil {
			fmt.Fprintf(&b, " on %s: %s %s %v %v %v", latest.Node, r.Status, r.Reason, r.Lines, r.IPv4, r.ActiveLoad)
		}
		b.WriteByte('\n')
	}
	for _, a := range s.Applications() {
		fmt.Fprintln(&b, a.ID(), a.Node, a.User, a.Status, a.Reason)
		for _, d := range a.Devices {
			fmt.Fprint(&b, "  ", d.Name, d.Status, d.Reason)
			for _, l := range d.Lines {
				fmt.Fprint(&b, " ", l.Number, l.Status, l.Reason)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// A cluster in which nothing has happened becomes by an edit what it would be if it began with the edited file, and devices that
// both files have alike keep their StateIds.
func TestReload_BecomesTheEditedCluster(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		was, is := drawCluster(t), drawCluster(t)
		start := func(text string) *sim.Simulator {
			ris, err := sim.Start(t.Context(), sim.Options{Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(text)}}, Manual: true, InMemory: true, Plain: true})
			require.NoError(t, err, text)
			return ris
		}
		ris, fresh := start(was), start(is)
		defer ris.Close()
		defer fresh.Close()
		before := ris.Snapshot()
		_, err := ris.Reload([]byte(is))
		require.NoError(t, err)
		require.NoError(t, ris.Snapshot().Check())
		require.Equal(t, shape(fresh.Snapshot()), shape(ris.Snapshot()), "%s\n%s", was, is)
		again := start(was)
		defer again.Close()
		same := strings.Split(shape(again.Snapshot()), "\n")
		for _, line := range strings.Split(shape(fresh.Snapshot()), "\n") {
			name, _, _ := strings.Cut(line, " ")
			if contains(same, line) && strings.HasPrefix(name, "SEP") {
				require.Equal(t, before.Records(cluster.DeviceName(name)), ris.Snapshot().Records(cluster.DeviceName(name)))
			}
		}
		_, err = ris.Reload([]byte(was))
		require.NoError(t, err)
		require.Equal(t, shape(again.Snapshot()), shape(ris.Snapshot()), "and back again")
	})
}

func contains(lines []string, line string) bool {
	for _, l := range lines {
		if l == line {
			return true
		}
	}
	return false
}

// lived is a scenario with two groups, of which one is edited.
const lived = `cluster:
  nodes: [{name: pub}, {name: sub1}, {name: sub2}]
  devices:
    - {group: a, count: 3, model: Cisco 8845, macs: {from: 0200000000A0}, homes: [sub1, sub2]}
    - {group: b, count: 3, model: Cisco 8845, macs: {from: 0200000000B0}, homes: [sub1, sub2], load: load.1}
`

// N3: who polls for devices that an edit leaves as they are is told that nothing has changed, and what has become of them
// stays.
func TestReload_N3_UnchangedDevicesStayUnchanged(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(lived)}}, InMemory: true, Manual: true, Set: []string{"rateLimit=0"}})
	require.NoError(t, ris.Apply(sim.Failover("SEP0200000000A1", "sub2"), sim.Failover("SEP0200000000B1", "sub2")))
	poll := func(items, state string) answer {
		return ask(t, ris, ris.URL, "selectCmDevice", "Item="+items, "SelectBy=Name", "StateInfo="+state)
	}
	a, b := poll("SEP0200000000A*", ""), poll("SEP0200000000B*", "")
	require.Equal(t, "4", a.total)

	plan, err := ris.Reload([]byte(strings.Replace(lived, "load.1", "load.2", 1)))
	require.NoError(t, err)
	require.Equal(t, "~ group b: 3 devices change load\n", plan.String())
	require.Equal(t, "0", poll("SEP0200000000A*", a.state).total, "no change")
	require.Equal(t, "4", poll("SEP0200000000B*", b.state).total)
	moved := ris.Snapshot().Records("SEP0200000000B1")
	require.Len(t, moved, 2)
	require.Equal(t, cluster.UnRegistered, moved[0].Record.Status)
	require.Equal(t, cluster.Registered, moved[1].Record.Status)
	require.Equal(t, "load.2", moved[0].Record.ActiveLoad, "the record that the file began with")
}

// Devices go to the home that the file gives them, unless they have left the old one.
func TestReload_OtherHomes(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(lived)}}, InMemory: true, Manual: true})
	require.NoError(t, ris.Apply(sim.Failover("SEP0200000000B1", "pub"), sim.Unregister("SEP0200000000B2", cluster.KeepAliveTimeout)))
	plan, err := ris.Reload([]byte(strings.Replace(lived, "[sub1, sub2], load", "[sub2, sub1], load", 1)))
	require.NoError(t, err)
	require.Equal(t, "~ group b: 3 devices change homes\n", plan.String())
	at := func(device cluster.DeviceName) string {
		latest := scenarios.Latest(ris.Snapshot(), device)
		return fmt.Sprint(latest.Node, " ", latest.Record.Status)
	}
	require.Equal(t, "sub2 Registered", at("SEP0200000000B0"))
	require.Equal(t, "pub Registered", at("SEP0200000000B1"))
	require.Equal(t, "sub1 UnRegistered", at("SEP0200000000B2"))
	left := ris.Snapshot().Records("SEP0200000000B0")[0].Record
	require.Equal(t, cluster.UnRegistered, left.Status)
	require.Equal(t, cluster.CallManagerApplyConfig, left.Reason)
	require.NoError(t, ris.Apply(sim.Register("SEP0200000000B2", "")))
	require.Equal(t, "sub2 Registered", at("SEP0200000000B2"))
}

// Of a device that is elsewhere meanwhile an edited status leaves the old record as it is. A new device stands as it begins since the edit.
func TestReload_StatusOfThoseThatMoved(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(lived)}}, InMemory: true, Manual: true})
	require.NoError(t, ris.Apply(sim.Failover("SEP0200000000B1", "sub2")))
	require.NoError(t, ris.Advance(time.Minute))
	_, err := ris.Reload([]byte(strings.Replace(lived, "load: load.1}", "load: load.1, status: Rejected}\n"+
		"    - {group: c, names: [SEP0200000000C0], model: Cisco 8845, homes: [sub1]}", 1)))
	require.NoError(t, err)
	stands := func(device cluster.DeviceName) (out []string) {
		for _, r := range ris.Snapshot().Records(device) {
			out = append(out, fmt.Sprint(r.Node, " ", r.Record.Status, " ", ris.Now().Unix()-r.Record.TimeStamp))
		}
		return out
	}
	require.Equal(t, []string{"sub1 Rejected 0"}, stands("SEP0200000000B0"))
	require.Equal(t, []string{"sub1 UnRegistered 60", "sub2 Registered 59"}, stands("SEP0200000000B1"))
	require.Equal(t, []string{"sub1 Registered 0"}, stands("SEP0200000000C0"))
}

// The clock of a running simulator goes on as it does; neither its mode nor its speed can be edited.
func TestReload_AnotherClockNeedsARestart(t *testing.T) {
	t.Parallel()
	file := fstest.MapFS{"s.yaml": {Data: []byte("clock: {speed: 10}\n" + lived)}}
	ris, err := sim.Start(t.Context(), sim.Options{Scenario: "s.yaml", ScenarioFS: file, InMemory: true, Plain: true})
	require.NoError(t, err)
	defer ris.Close()
	for text, want := range map[string]string{
		"clock: {speed: 20}\n":               "s.yaml:1:8: the clock runs at speed 10, not 20; another needs a restart",
		"":                                   "s.yaml:1:1: the clock runs at speed 10, not 1; another needs a restart",
		"clock: {speed: 10, mode: manual}\n": "s.yaml:1:8: the clock's mode is real, not manual; another needs a restart",
	} {
		_, err := ris.PlanReload([]byte(text + lived))
		require.ErrorContains(t, err, want)
	}
	plan, err := ris.PlanReload([]byte("clock: {mode: real, speed: 10.0}\n" + lived))
	require.NoError(t, err)
	require.Empty(t, plan.Differences)
}

// A simulator without a scenario gets one, whose time begins then.
func TestReload_AScenarioForWhoeverHasNone(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Manual: true})
	_, err := ris.Reload(nil)
	require.ErrorContains(t, err, "there is no scenario whose file could be read again")
	require.Nil(t, ris.Scenario())
	require.NoError(t, ris.Advance(time.Hour))
	plan, err := ris.Reload([]byte("service: {rateLimit: 3/min}\ntimeline:\n  - {at: 0s, do: {node.stop: sub1}}\n  - {at: 5m, do: {node.start: sub1}}\n"))
	require.NoError(t, err)
	require.Equal(t, "~ service: rateLimit 15 -> 3\n+ step timeline[0]: node.stop sub1, at 00:00:00\n+ step timeline[1]: node.start sub1, at 00:05:00\n", plan.String())
	require.NotNil(t, ris.Scenario())
	require.Equal(t, cluster.Down, ris.Snapshot().Nodes()[1].State)
	require.NoError(t, ris.Advance(5*time.Minute))
	require.Equal(t, cluster.Up, ris.Snapshot().Nodes()[1].State)
	_, err = ris.Reload([]byte("cluster: ./site.yaml\n"))
	require.ErrorContains(t, err, "scenario.yaml:1:10: the scenario has a cluster, and the options have another one")
	ris.Finish()
	_, err = ris.Reload([]byte("timeline: [{at: 1m, do: {log: x}}]"))
	require.ErrorContains(t, err, "the scenario has ended")
}

// An impairment that stays counts on, and has its turn where it now stands.
func TestReload_ImpairmentsThatStay(t *testing.T) {
	t.Parallel()
	const text = "impairments:\n  - {id: third, requests: {from: 3, to: 3}, status: 503}\n"
	ris := sim.ForTest(t, sim.Options{Config: small(), Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(text)}}, InMemory: true, Manual: true, Set: []string{"rateLimit=0"}})
	status := func() int { return askAs(t, ris, ris.User, ris.Password) }
	require.Equal(t, []int{200, 200}, []int{status(), status()})
	_, err := ris.Reload([]byte("impairments:\n  - {id: first, requests: {from: 2}, status: 502}\n" + text[len("impairments:\n"):]))
	require.NoError(t, err)
	require.Equal(t, "first", ris.Impairments()[0].ID)
	require.Equal(t, "third", ris.Impairments()[1].ID)
	require.Equal(t, []int{503, 502, 502}, []int{status(), status(), status()}, "the third of all, and from the second on since the edit")
}

// Clients ask on while a scenario is edited.
func TestReload_WhileClientsAsk(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(lived)}}, InMemory: true, Plain: true, Set: []string{"rateLimit=0"}})
	other := strings.Replace(lived, "count: 3", "count: 9", 1) +
		"timeline: [{requests: {every: 3}, times: 1000, do: {devices.bounce: {where: {group: b}, away: 0s}}}]\nexpect: [{requests: {count: 1..100000}}]\n"
	var clients sync.WaitGroup
	defer clients.Wait()
	for range 3 {
		clients.Go(func() {
			for range 40 {
				if got, err := tryAsk(ris, ris.URL, "selectCmDevice", "Item=*"); err != nil || got.status != 200 {
					t.Errorf("status %d, %v", got.status, err)
				}
			}
		})
	}
	for i := range 20 {
		_, err := ris.Reload([]byte([]string{other, lived}[i%2]))
		require.NoError(t, err)
	}
	clients.Wait()
	require.NoError(t, ris.Snapshot().Check())
	require.Equal(t, 6, ris.Snapshot().Len())
}

// A plan is for the scenario that ran when it was made.
func TestReload_APlanThatComesTooLate(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Manual: true})
	plan, err := ris.PlanReload([]byte("timeline: [{at: 1m, do: {log: x}}]"))
	require.NoError(t, err)
	require.NoError(t, plan.Apply())
	require.ErrorContains(t, plan.Apply(), "the plan is of a scenario that runs no more")
}

// What the timeline and clients have set stays, unless the author has edited just that.
func TestReload_KeepsWhatWasSetMeanwhile(t *testing.T) {
	t.Parallel()
	const text = "service:\n  rateLimit: 10/min\n  maxReturned: 100\n  users: [{name: a, password: p}, {name: b, password: p}]\n"
	ris := sim.ForTest(t, sim.Options{Config: small(), Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(text)}}, InMemory: true, Manual: true})
	require.NoError(t, ris.Set("rateLimit", "2"))
	_, err := ris.Do(sim.Step{Text: "user.set: {name: a, password: live}"})
	require.NoError(t, err)
	plan, err := ris.Reload([]byte(strings.NewReplacer("100", "200", "{name: b, password: p}", "{name: c, password: s3cret}").Replace(text)))
	require.NoError(t, err)
	require.Equal(t, "~ service: maxReturned 100 -> 200\n+ service: user c\n- service: user b\n", plan.String())
	rate, err := ris.Settings().Get("rateLimit")
	require.NoError(t, err)
	require.Equal(t, "2", rate)
	require.Equal(t, 200, askAs(t, ris, "a", "live"))
	require.Equal(t, 200, askAs(t, ris, "c", "s3cret"))
	require.Equal(t, 401, askAs(t, ris, "b", "p"))
	require.NotContains(t, ris.Journal().String(), "s3cret")
}

// Whatever has become of a cluster, an edit fits it, and leaves alone what it is not about.
func TestReload_FitsWhateverHasBecomeOfACluster(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		was, is := drawCluster(t), drawCluster(t)
		ris, err := sim.Start(t.Context(), sim.Options{Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(was)}}, Manual: true, InMemory: true, Plain: true})
		require.NoError(t, err)
		defer ris.Close()
		fresh, err := sim.Start(t.Context(), sim.Options{Scenario: "s.yaml", ScenarioFS: fstest.MapFS{"s.yaml": {Data: []byte(is)}}, Manual: true, InMemory: true, Plain: true})
		require.NoError(t, err)
		defer fresh.Close()
		began, begins := shape(ris.Snapshot()), shape(fresh.Snapshot())

		var names []cluster.DeviceName
		for d := range ris.Snapshot().Devices() {
			names = append(names, d.Name)
		}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			device := rapid.SampledFrom(names).Draw(t, "device")
			node := rapid.SampledFrom([]cluster.NodeName{"pub", "sub1", "sub2"}).Draw(t, "node")
			change := rapid.SampledFrom([]cluster.Change{
				sim.Failover(device, ""), sim.Register(device, node), sim.Unregister(device, cluster.KeepAliveTimeout), sim.Reject(device, node, cluster.DatabaseTimeout),
				sim.PartiallyRegister(device), sim.Login(device, "em", "7001", "7002"), sim.Logout(device), cluster.RemoveDevices{Names: []cluster.DeviceName{device}},
				sim.StopNode(node), sim.RestartRIS(node), cluster.CloseApplication{Name: "x"}, cluster.OpenDevices{Name: "x", Devices: []cluster.DeviceName{device}},
			}).Draw(t, "change")
			_ = ris.Apply(change) // which may not be possible
		}
		before := ris.Snapshot()
		plan, err := ris.Reload([]byte(is))
		require.NoError(t, err, "%s\n%s", was, is)
		require.NoError(t, ris.Snapshot().Check())
		require.LessOrEqual(t, ris.Snapshot().Version, before.Version+1)
		same := strings.Split(began, "\n")
		for _, line := range strings.Split(begins, "\n") {
			name, _, _ := strings.Cut(line, " ")
			if strings.HasPrefix(name, "SEP") && contains(same, line) {
				require.Equal(t, before.Records(cluster.DeviceName(name)), ris.Snapshot().Records(cluster.DeviceName(name)), "%s\n%s", name, plan)
			}
		}
		again, err := ris.PlanReload([]byte(is + "# the same\n"))
		require.NoError(t, err)
		require.Empty(t, again.Differences)
	})
}

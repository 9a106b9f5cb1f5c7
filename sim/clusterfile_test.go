package sim_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
)

var fileStart = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// asBuilt is the cluster of a layout; asRead the one that the file of it makes.
func asBuilt(l fixtures.Layout, seed uint64) (cluster.State, error) {
	config, err := fixtures.Build(l, fixtures.Spec{Seed: seed, Start: fileStart})
	if err != nil {
		return cluster.State{}, err
	}
	store, err := cluster.New(fileStart, config)
	if err != nil {
		return cluster.State{}, err
	}
	state := store.Snapshot().State()
	state.Version = 0 // how often it was changed on the way
	return state, nil
}

func asRead(t interface{ Fatalf(string, ...any) }, l fixtures.Layout, seed uint64) cluster.State {
	text, err := sim.ClusterFile(l, "Made here.\nFor a test.")
	if err != nil {
		t.Fatalf("%v", err)
	}
	files := fstest.MapFS{"s.yaml": {Data: []byte("cluster: ./site.yaml\n")}, "site.yaml": {Data: text}}
	ris, err := sim.Start(context.Background(), sim.Options{Scenario: "s.yaml", ScenarioFS: files, Seed: seed, Start: fileStart, Manual: true, InMemory: true, Plain: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer ris.Close()
	state := ris.Snapshot().State()
	state.Version = 0
	return state
}

// What is written of a ready cluster's shape is read back to the same cluster.
func TestClusterFile_OfReadyClusters(t *testing.T) {
	t.Parallel()
	for _, ready := range fixtures.ReadyClusters() {
		t.Run(ready.Name, func(t *testing.T) {
			t.Parallel()
			spec := fixtures.Spec{Seed: 5}
			if ready.Devices > 1000 {
				spec.Devices = 1000
			}
			config, err := fixtures.Ready(ready.Name, spec)
			require.NoError(t, err)
			l := fixtures.Shape(config)
			want, err := asBuilt(l, 5)
			require.NoError(t, err)
			require.Equal(t, want, asRead(t, l, 5))
		})
	}
}

// So is any layout, whatever texts are in it.
func TestClusterFile_ReadsBack(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.SampledFrom([]string{"on", "No", "null", "~", "0012", "1e3", "a: b", "a, b", "{x", "# c", "- d", "it's", `"q" \ `, " x ", "é😀", "10.1.2.3", "*", "&a", "!t", "\u0085\u2028 x", "\t\x01"}),
		rapid.StringMatching(`[ -~]{1,12}`))
	word := rapid.Custom(func(t *rapid.T) string { return text.Draw(t, "text") + rapid.StringMatching(`[a-z]{2}`).Draw(t, "end") })
	percent := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(1, 100).Draw(t, "percent")) / 100 })
	rapid.Check(t, func(t *rapid.T) {
		var l fixtures.Layout
		nodes := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9.-]{0,9}`), 1, 3, rapid.ID).Draw(t, "nodes")
		for i, n := range nodes {
			l.Nodes = append(l.Nodes, fixtures.Node{Name: n, Role: []string{"publisher", "", "subscriber"}[i], Address6: rapid.SampledFrom([]string{"", "fd00::" + string(rune('a'+i))}).Draw(t, "address")})
		}
		names := rapid.SliceOfNDistinct(word, 1, 3, strings.ToUpper).Draw(t, "groups")
		for i, name := range names {
			g := fixtures.Group{Name: name, Model: rapid.SampledFrom([]string{"Cisco 8845", "36224", "SIP Trunk", ""}).Draw(t, "model"), Count: rapid.IntRange(0, 5).Draw(t, "count")}
			if g.Model != "SIP Trunk" {
				g.Lines = rapid.SampledFrom([]fixtures.Lines{{}, {From: "0012"}, {From: `\\+14085550100`, PerDevice: 2}, {List: [][]string{{"4000", "001"}}}}).Draw(t, "lines")
			}
			if rapid.Bool().Draw(t, "named") {
				g.Count, g.Names = 0, []string{word.Draw(t, "name") + string(rune('0'+i))}
			} else if g.Model == "Cisco 8845" {
				g.MACs = rapid.SampledFrom([]string{"", "00:11:22:33:" + string(rune('0'+i)) + "4:55"}).Draw(t, "macs")
			}
			g.Description = strings.NewReplacer("{", "{{", "}", "}}").Replace(word.Draw(t, "description")) + " {person}"
			g.Homes = rapid.SampledFrom([][]string{nil, nodes}).Draw(t, "homes")
			g.Status = rapid.SampledFrom([][]fixtures.Share{nil, {{Status: "UnRegistered", Weight: 1}}, {{Status: "Rejected", Weight: 2.5}, {Status: "Registered", Weight: 1}}}).Draw(t, "status")
			g.Reason = rapid.SampledFrom([]string{"", "13"}).Draw(t, "reason")
			g.Addresses = rapid.SampledFrom([]string{"", "10.99.0.1"}).Draw(t, "addresses")
			l.Groups = append(l.Groups, g)
		}
		app := fixtures.Application{Name: word.Draw(t, "application"), Node: nodes[0], User: rapid.SampledFrom([]string{"", "u: 1"}).Draw(t, "user"), Status: rapid.SampledFrom([]string{"", "Closed"}).Draw(t, "app status")}
		if l.Groups[0].Model != "SIP Trunk" && rapid.Bool().Draw(t, "opens") { // which an application can control
			app.Opens = []fixtures.Opening{{Group: names[0], Share: percent.Draw(t, "share"), Lines: rapid.Bool().Draw(t, "with lines")}}
		}
		l.Applications = append(l.Applications, app)

		want, err := asBuilt(l, 3)
		if err != nil {
			t.Fatal(err)
		}
		require.Equal(t, want, asRead(t, l, 3))
	})
}

// What a file cannot say is told.
func TestClusterFile_Refuses(t *testing.T) {
	t.Parallel()
	_, err := sim.ClusterFile(fixtures.Layout{
		Groups: []fixtures.Group{
			{Name: "a", Naming: "SEP{mac}"}, {Name: "b", Lines: fixtures.Lines{List: [][]string{{"1"}, {"2"}}}}, {Name: "c", Addresses: "10.0.0.0/8"},
			{Name: "d", Addresses: "10.0.0.1", Addresses6: "fd00::1"},
		},
		Applications: []fixtures.Application{{Name: "x", Opens: []fixtures.Opening{{Group: "a", ControlsMedia: true}, {Group: "b"}}}},
	}, "")
	require.EqualError(t, err, `group "a": a file cannot say how devices are named
group "b": a file cannot say the lines of each device
group "c": a file cannot say networks, nor IPv4 and IPv6 addresses together
group "d": a file cannot say networks, nor IPv4 and IPv6 addresses together
application "x": a file has to say its node
application "x": a file can say once what it has open
application "x": a file cannot say that it controls media`)
}

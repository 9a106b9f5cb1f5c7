package sim_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

func registeredDevices(ris *sim.Simulator) int {
	n := 0
	for _, node := range ris.Snapshot().Nodes() {
		n += node.Registered
	}
	return n
}

func TestDo_HappensNowAndSaysSo(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Cluster: "branch", InMemory: true})
	before := registeredDevices(ris)
	done, err := ris.Do(sim.Step{Text: "devices.unregister: {where: {class: Phone, status: Registered}, count: 7, reason: KeepAliveTimeout}"})
	require.NoError(t, err)
	assert.Equal(t, before-7, registeredDevices(ris))
	assert.Equal(t, "step-1", done.ID)
	assert.Equal(t, ris.Now(), done.At)
	assert.Equal(t, ris.Snapshot().Version, done.Version)
	require.Len(t, done.Events, 1)
	assert.Equal(t, 7, done.Events[0].Devices)
	assert.False(t, done.Ahead)
	require.Len(t, done.Seqs, 2, "the change, and the step")
	entries := ris.Journal()
	assert.NotNil(t, entries[len(entries)-2].Event)
	assert.Equal(t, []uint64{entries[len(entries)-2].Seq, entries[len(entries)-1].Seq}, done.Seqs)
}

func TestDo_WhatIsPutOffComesWithTime(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Cluster: "branch", InMemory: true})
	before := registeredDevices(ris)
	done, err := ris.Do(sim.Step{Text: `{"do": {"devices.bounce": {"where": {"class": "Phone"}, "count": 3, "away": "30s"}}, "id": "blink"}`})
	require.NoError(t, err)
	assert.Equal(t, "blink", done.ID)
	assert.True(t, done.Ahead)
	assert.Equal(t, before-3, registeredDevices(ris))
	require.NoError(t, ris.Advance(30*time.Second))
	assert.Equal(t, before, registeredDevices(ris))
}

func TestDo_DrawsAnewEachTime(t *testing.T) {
	t.Parallel()
	run := func() string {
		ris := sim.ForTest(t, sim.Options{Cluster: "branch", InMemory: true})
		var gone []string
		for range 2 {
			_, err := ris.Do(sim.Step{Text: "devices.unregister: {where: {class: Phone}, count: 1}"})
			require.NoError(t, err)
		}
		for d := range ris.Snapshot().Devices() {
			for _, r := range ris.Snapshot().Records(d.Name) {
				if r.Record.TimeStamp == ris.Now().Unix() {
					gone = append(gone, string(d.Name))
				}
			}
		}
		assert.Len(t, gone, 2, "each call has draws of its own")
		return ris.Journal().String()
	}
	first := run()
	second := run()
	assert.Equal(t, first, second, "the same calls give the same journal")
}

func TestDo_DryRunChangesNothing(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Cluster: "branch", InMemory: true})
	before := ris.Snapshot()
	done, err := ris.Do(sim.Step{Text: "devices.bounce: {where: {class: Phone}, count: 3}", DryRun: true})
	require.NoError(t, err)
	assert.Same(t, before, ris.Snapshot())
	assert.Empty(t, ris.Journal())
	assert.Empty(t, done.Seqs)
	require.NotEmpty(t, done.Events)
	assert.Equal(t, 3, done.Events[0].Devices)
}

// Some knobs go together only, whatever their order.
func TestDo_SetsKnobsTogether(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Cluster: "single", InMemory: true})
	_, err := ris.Do(sim.Step{Text: "service.set: {rateLimit: 100, unbounded: true}"})
	require.NoError(t, err)
	limit, err := ris.Settings().Get("rateLimit")
	require.NoError(t, err)
	assert.Equal(t, "100", limit)

	done, err := ris.Do(sim.Step{Text: "service.set: {window: sliding, unbounded: false}"})
	require.NoError(t, err)
	require.ErrorContains(t, done.Events[0].Err, "rateLimit 100 is above 15")
	window, err := ris.Settings().Get("window")
	require.NoError(t, err)
	assert.Equal(t, "fixed", window, "all or none")
}

func TestDo_IfVersion(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Cluster: "branch", InMemory: true})
	version := ris.Snapshot().Version
	done, err := ris.Do(sim.Step{Text: "node.stop: cucm-pub", IfVersion: version})
	require.NoError(t, err)
	for _, dry := range []bool{false, true} {
		_, err = ris.Do(sim.Step{Text: "node.start: cucm-pub", IfVersion: version, DryRun: dry})
		var changed *sim.VersionError
		require.ErrorAs(t, err, &changed)
		assert.Equal(t, sim.VersionError{Want: version, Have: done.Version}, *changed)
	}
	assert.Equal(t, cluster.Down, ris.Snapshot().Nodes()[0].State)
}

func TestDo_TellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Cluster: "branch", InMemory: true})
	for _, c := range []struct{ text, want string }{
		{"", "step:1:1: there is nothing to do: expected an action, such as node.stop: cucm-sub1"},
		{"devices.unregster: {}", `step:1:1: unknown action "devices.unregster"; did you mean "devices.unregister"?`},
		{"node.stop: cucm-sub9", `step:1:12: unknown node "cucm-sub9"; did you mean`},
		{"devices.unregister: {where: {group: nowhere}}", `has the group "nowhere"`},
		{"devices.unregister: {share: 10, reason: Bored}", `"10" has no unit`},
		{"devices.unregister: {share: 10, reason: Bored}", `reason "Bored"`},
		{"{do: {node.stop: cucm-pub}, after: dies}", "there is no other step"},
		{"{do: {node.stop: cucm-pub}, requests: {to: 3}}", "only a step of a scenario can wait for requests"},
		{"{node.stop: cucm-pub, node.start: cucm-pub}", "one step has one action"},
	} {
		_, err := ris.Do(sim.Step{Text: c.text})
		require.ErrorContains(t, err, c.want, c.text)
		assert.True(t, errors.As(err, new(scenarios.Problems)), c.text)
	}
	assert.Empty(t, ris.Journal())
	assert.Equal(t, uint64(1), ris.Snapshot().Version)
}

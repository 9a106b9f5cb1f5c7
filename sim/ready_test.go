package sim_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
)

// A name is one thing: a file, a ready scenario or a ready cluster.
func TestNamed(t *testing.T) {
	t.Parallel()
	for _, c := range fixtures.ReadyNames() {
		require.NotContains(t, fixtures.ScenarioNames(), c)
		require.False(t, sim.IsScenarioFile(c))
		o, err := sim.Options{Seed: 3}.Named(c)
		require.NoError(t, err)
		require.Equal(t, sim.Options{Seed: 3, Cluster: c}, o)
	}
	for _, s := range fixtures.ScenarioNames() {
		require.False(t, sim.IsScenarioFile(s))
		o, err := sim.Options{Seed: 3}.Named(s)
		require.NoError(t, err)
		require.Equal(t, sim.Options{Seed: 3, Scenario: s}, o)
	}
	for _, file := range []string{"a.yaml", "a.yml", "./branch", "x/branch", `x\branch`} {
		o, err := sim.Options{}.Named(file)
		require.NoError(t, err)
		require.Equal(t, sim.Options{Scenario: file}, o)
	}
	for name, want := range map[string]string{
		"brnch":             `no ready scenario or cluster is called "brnch"; did you mean "branch"?`,
		"subscriber_outage": `no ready scenario or cluster is called "subscriber_outage"; did you mean "subscriber-outage"?`,
	} {
		_, err := sim.Options{}.Named(name)
		require.EqualError(t, err, want)
	}
	for name, want := range map[string]string{
		"branch":   `"branch" is a ready cluster, and not a scenario`,
		"moonbase": `no ready scenario is called "moonbase", and a file's name ends in .yaml or has a slash (scenarios: `,
	} {
		_, err := sim.Start(context.Background(), sim.Options{Scenario: name})
		require.ErrorContains(t, err, want)
	}
}

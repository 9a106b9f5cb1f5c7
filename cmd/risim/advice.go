package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// newHelpAdvice is the topic of `risim help advice`.
func newHelpAdvice() *cobra.Command {
	return &cobra.Command{
		Use:   "advice",
		Short: "What clients do that works here and will hurt elsewhere: every advice, and what to do instead",
		Long:  adviceTopic(),
	}
}

// adviceTopic is the table of advice as text.
func adviceTopic() string {
	var b strings.Builder
	b.WriteString(`An advice is a remark on what a client did: something that works here, or may work, and will hurt
with a real Unified CM or with more devices. It never changes an answer. The journal has it beside the
exchange that shows it; expectations of scenarios may name it, and risim run --strict-client fails on any:

  expect:
    - {id: careful, advice: {none: [result-at-limit, poll-after-rate-fault]}}

Some only show in several exchanges of one client, which is who comes from one address, as one user, with
one User-Agent. They come last here.
`)
	for _, a := range soap.Advices() {
		fmt.Fprintf(&b, "\n%s  (%s)\n  %s\n  %s\n", a.ID, a.Rule, a.Text, a.Fix)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// strictClient stands in a verdict in place of a scenario's file.
const strictClient = "--strict-client"

// strictVerdicts are those of --strict-client: one for each advice of each client, or one that there is none.
func strictVerdicts(ris *sim.Simulator) []scenarios.Verdict {
	verdict := func(id string, o scenarios.Outcome, why string) scenarios.Verdict {
		return scenarios.Verdict{ID: id, File: strictClient, Outcome: o, Want: "no advice", Why: why, At: ris.Now().Sub(ris.Started())}
	}
	var out []scenarios.Verdict
	for _, a := range ris.Advice().Advice {
		v := verdict(a.ID, scenarios.Fail, a.Client()+fmt.Sprintf(", %s: %s %s", a.Times(), a.Text, a.Fix))
		v.At = a.LastAt.Sub(ris.Started())
		out = append(out, v)
	}
	if out != nil {
		return out
	}
	seen, err := ris.Verify(sim.Expected{})
	if err != nil || seen.Count == 0 && seen.Missing == 0 {
		return []scenarios.Verdict{verdict("advice", scenarios.Inconclusive, "no request was made")}
	}
	return []scenarios.Verdict{verdict("advice", scenarios.Pass, plural(seen.Count+int(seen.Missing), "request"))}
}

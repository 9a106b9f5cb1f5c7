package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
)

// newCheck is `risim check`.
func newCheck(stdout, stderr io.Writer) *cobra.Command {
	timeline, schema, o := false, false, sim.Options{}
	cmd := &cobra.Command{
		Use:   "check [FILE.yaml | NAME]...",
		Short: "Tell what is wrong with scenario files, without running them",
		Long: `Check reads scenario files, files of clusters among them, or ready scenarios by name, and tells of everything
that is wrong with them and with how they fit their clusters: file:line:column: what, and the line below it.

With --timeline it prints what the scenario does, one event a line, on virtual time and without a service.
With --schema it prints a JSON Schema, by which editors complete, explain and check what is typed.`,
		Example: `  risim check outage.yaml
  risim check --timeline outage.yaml
  risim check --timeline subscriber-outage          what a ready scenario does
  risim check --schema >risim.schema.json           then, in a scenario: # yaml-language-server: $schema=risim.schema.json`,
		ValidArgsFunction: complete(fixtures.ScenarioNames()),
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case schema && (len(args) > 0 || timeline):
				return hint(errors.New("check --schema checks nothing: it goes alone"), "risim check --schema >risim.schema.json")
			case schema:
				return nil
			case len(args) == 0:
				return hint(errors.New("check needs a scenario file"), "risim check FILE...")
			case timeline && len(args) > 1:
				return hint(fmt.Errorf("check --timeline prints one scenario, not %d: %q", len(args), args), "risim check --timeline FILE")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, files []string) error {
			if schema {
				text, err := sim.ScenarioSchema()
				if err == nil {
					_, err = stdout.Write(text)
				}
				return err
			}
			broken := 0
			for _, file := range files {
				o.Scenario = file
				err := o.CheckScenario()
				if err == nil && timeline {
					var text string
					if text, err = o.Timeline(); err == nil {
						_, err := io.WriteString(stdout, text)
						return err
					}
				}
				if err != nil {
					broken++
					fmt.Fprintln(stderr, err)
				} else {
					fmt.Fprintf(stdout, "%s: no problems\n", file)
				}
			}
			if broken > 0 {
				return ended(2)
			}
			return nil
		},
	}
	cmd.Flags().SortFlags = false
	allowOutside(cmd.Flags(), &o)
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of scenario files")
	cmd.Flags().BoolVar(&timeline, "timeline", false, "print the events of the scenario")
	return cmd
}

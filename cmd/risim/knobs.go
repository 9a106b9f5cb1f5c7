package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/risim/risim/sim/soap"
)

// newHelpKnobs is the topic of `risim help knobs`.
func newHelpKnobs() *cobra.Command {
	return &cobra.Command{
		Use:   "knobs",
		Short: "What --set changes: every knob, its values and its defaults",
		Long:  knobsTopic(),
	}
}

// knobsTopic is the table of knobs as text.
func knobsTopic() string {
	var b strings.Builder
	fmt.Fprintf(&b, `Where evidence about the real service conflicts or is missing, a knob decides. A profile is a set of
values for all of them: --profile chooses it, --set KNOB=VALUE changes one, as often as wanted.

The profiles are %s. Each knob says its rule, and what its values
rest on: documented by Cisco, seen on a real Unified CM or relied on by clients that work, or the
simulator's own choice.
`, strings.Join(soap.Profiles(), ", "))
	for _, k := range soap.Knobs() {
		fmt.Fprintf(&b, "\n%s  (%s, %s)\n  %s\n  values: %s\n  default: %s\n", k.Name, k.Rule, grade(k.Grade), k.Doc, values(k), defaults(k))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func grade(g string) string {
	if g == "choice" {
		return "simulator's choice"
	}
	return g
}

// values says what a knob takes.
func values(k soap.Knob) string {
	switch k.Kind {
	case "boolean":
		return "true, false"
	case "choice":
		return strings.Join(k.Values, ", ")
	case "rate":
		return "requests per minute, such as 15 or 15/min"
	case "size":
		return "bytes, such as 65536, 64KiB or 4MiB"
	case "duration":
		return "a duration, such as 90s or 5m"
	case "count":
		return "a number"
	}
	return "text"
}

// defaults is one value, or where profiles differ what each has.
func defaults(k soap.Knob) string {
	first := k.Default("")
	var others []string
	for _, p := range soap.Profiles()[1:] {
		if v := k.Default(p); v != first {
			others = append(others, v+" in "+p)
		}
	}
	return strings.Join(slices.Concat([]string{first}, others), "; ")
}

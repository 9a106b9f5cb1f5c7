package main

import (
	"fmt"
	"go/doc/comment"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

// newHelp is `risim help`, which refuses what it has nothing to say of.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Help about a command, and the guides",
		RunE: func(cmd *cobra.Command, args []string) error {
			found := cmd.Root()
			for _, word := range args {
				i := slices.IndexFunc(found.Commands(), func(c *cobra.Command) bool { return c.Name() == word })
				if i < 0 {
					return noSuchTopic(found, word)
				}
				found = found.Commands()[i]
			}
			found.InitDefaultHelpFlag() // so that it is listed
			return found.Help()
		},
	}
}

func noSuchTopic(of *cobra.Command, word string) error {
	var names []string
	for _, c := range of.Commands() {
		names = append(names, c.Name())
	}
	err := fmt.Errorf("there is no help about %q", strings.TrimPrefix(of.CommandPath()+" "+word, "risim "))
	if near := cluster.Near(word, names); near != "" {
		return hint(err, "did you mean %s?", strings.Replace(of.CommandPath(), "risim", "risim help", 1)+" "+near)
	}
	return hint(err, "risim help lists what there is")
}

// newHelpScenarios is the topic of `risim help scenarios`. The guide is rendered when it is asked for.
func newHelpScenarios() *cobra.Command {
	topic := &cobra.Command{
		Use:   "scenarios",
		Short: "The language of scenario files: a guide with examples",
	}
	topic.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(cmd.OutOrStdout(), scenariosTopic()) })
	return topic
}

// scenariosTopic is the guide of package scenarios as text for a terminal.
func scenariosTopic() string {
	text := strings.TrimPrefix(scenarios.Guide(), "Package scenarios reads scenario files and runs them. ")
	p := &comment.Printer{TextWidth: 110, TextCodePrefix: "    "}
	return string(p.Text(new(comment.Parser).Parse(text)))
}

// sticky is an output whose first error is told at the end: a help that nobody got is no success.
type sticky struct {
	io.Writer
	err error
}

// Write never fails, so that nobody else complains.
func (s *sticky) Write(p []byte) (int, error) {
	if s.err == nil {
		_, s.err = s.Writer.Write(p)
	}
	return len(p), nil
}

// lost is what could not be written; nil when all was.
func (s *sticky) lost() error {
	if s.err == nil {
		return nil
	}
	return fmt.Errorf("not all was written to stdout: %w", s.err)
}

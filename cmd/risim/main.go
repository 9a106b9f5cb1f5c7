// Command risim runs a simulator of Cisco's RisPort70 service.
//
//	risim serve                    the default cluster, until interrupted; prints a curl command that works
//	risim serve outage.yaml        a scenario: its cluster, and what happens to it
//	risim run outage.yaml -- CMD   a command against a fresh simulator, and whether what the scenario expects has come
//	risim check outage.yaml        what is wrong with a scenario, without running it
//	risim gen -o site.yaml         a cluster file to change
//	risim serve --help             the flags
//	risim help scenarios           the language of scenario files
//	risim ctl state                how a cluster stands that runs already, and all else that its control API can do
//	risim help knobs               everything about the service that can be changed
//
// It maps the outside world, which is arguments, signals, files and streams, to [sim.Options] and back. Results go to
// stdout; messages go to stderr as "risim: ...", lower case, and hints say what to type next. Exit status: 0 it did what
// was asked and all is well, 1 what was expected of a run is not so, 2 it could not do it; risim run gives that of its command.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the command without its process.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "risim",
		Short:         "A simulator of Cisco's RisPort70 service",
		Long:          "risim answers RisPort70 queries as a Unified CM cluster would, from a cluster that it simulates.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	out := &sticky{Writer: stdout} // serve has to know at once when nobody is told that it is ready, and run gives stdout away
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	root.AddCommand(new(serveFlags).command(stdout, stderr), new(runFlags).command(stdin, stdout, stderr), newCheck(out, stderr), newGen(out),
		newCtl(stdin, out, stderr), newVersion(out), newHelpKnobs(), newHelpAdvice(), newHelpLoad(), newHelpScenarios())
	root.SetHelpCommand(newHelp())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hint(err, "%s --help lists the flags", cmd.CommandPath())
	})
	err := cmp.Or(root.Execute(), out.lost())
	if status := ended(0); errors.As(err, &status) {
		return int(status)
	}
	if err != nil {
		complain(stderr, err)
		return 2
	}
	return 0
}

// ended is a status to end with, of which everything has been said already.
type ended int

// Error is for whoever forgets that.
func (e ended) Error() string { return fmt.Sprintf("status %d", int(e)) }

// noSuchCommand is told of the words that no command of risim took.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return hint(err, "did you mean %s %s?", cmd.CommandPath(), near[0])
	}
	return hint(err, "%s --help lists the commands", cmd.CommandPath())
}

// hinted is an error with something to type next.
type hinted struct {
	error
	hint string
}

// Unwrap is the error itself.
func (h hinted) Unwrap() error { return h.error }

func hint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// complain writes each problem on a line of its own, and then the hint.
func complain(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		say(w, "%s", strings.TrimSuffix(line, "\n"))
	}
	if h := (hinted{}); errors.As(err, &h) {
		say(w, "hint: %s", h.hint)
	}
}

func say(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "risim: "+format+"\n", args...)
}

func newVersion(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(stdout, version())
			return err
		},
	}
}

// version says what the binary was built from, as far as the builder has noted it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "risim, built without module information"
	}
	text := "risim " + info.Main.Version + " " + info.GoVersion
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// runFlags are the flags of run.
type runFlags struct {
	simFlags
	timeout     time.Duration // of the wall; 0: none
	wait        bool
	strict      bool   // any advice fails the run
	junit, json string // files; empty: none
}

// command is `risim run` with these flags.
func (f *runFlags) command(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [FILE.yaml | NAME] [-- COMMAND ARG...]",
		Short: "Run a command against a fresh simulator, and judge a scenario's expectations",
		Long: `Run starts a simulator on a free port, runs the COMMAND, and ends the simulator. Then it judges what the
scenario expects: each expectation has passed, has failed, or is inconclusive because it never came to be
decided. The verdicts and the seed go to stderr, with the end of the journal when not all is well.

The COMMAND has stdin, stdout and stderr to itself, and in its environment

  RISIM_URL                    the service
  RISIM_USER, RISIM_PASSWORD   who may log in
  RISIM_CA_FILE                the certificate to trust, in a file that is removed at the end; empty with --plain
  RISIM_NODES                  a line NAME=URL for each node, whose addresses differ with --per-node
  RISIM_SEED                   the number from which all chance follows
  RISIM_CONTROL_URL            the control API, on a free port of this machine; the cluster is called main

SIGINT, SIGTERM and SIGHUP are passed on to the COMMAND and what it has started; when another comes they are
killed. So they are at the end of --timeout, after five seconds to end by themselves.

Time. When the COMMAND has ended, a clock that stands still (clock: {mode: manual}, --manual-clock) is
moved to the end of all that the scenario says, so that every expectation with a time is decided. A clock
that runs is not: what lies ahead is inconclusive, unless --wait lets the scenario come to its end (--speed
makes that short). Without a COMMAND no port is opened, the clock always stands still, and the scenario is
played to its end at once: that tests the scenario itself.

The exit status is the first of these that is so:

  1   an expectation has failed, whatever became of the COMMAND; with --strict-client, any advice (risim help advice)
  2   risim itself could not do what was asked: a wrong flag or file, a COMMAND that cannot be started, a
      COMMAND that was ended by --timeout, a report that cannot be written
  N   the COMMAND's own status, when that is not 0; 128 and the signal's number when one has ended it
  2   an expectation is inconclusive
  0   all is well`,
		Example: `  risim run outage.yaml -- pytest tests/
  risim run outage.yaml --junit report.xml --timeout 5m -- ./poller --once
  risim run outage.yaml --speed 60 --wait -- ./poller
  risim run --strict-client -- ./poller --once      no scenario: what does the poller do wrong?
  risim run --rate-limit 0 branch -- sh -c 'curl --cacert "$RISIM_CA_FILE" "$RISIM_URL?wsdl"'
  risim run outage.yaml                             the scenario alone`,
		ValidArgsFunction: complete(fixtures.ReadyNames(), fixtures.ScenarioNames()),
		Args: func(cmd *cobra.Command, args []string) error {
			names := args
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				if names = args[:dash]; dash == len(args) {
					return hint(errors.New("there is no COMMAND after --"), "risim run --help says more")
				}
			}
			if len(names) > 1 {
				return hint(fmt.Errorf("run takes one scenario, not %d: %q", len(names), names), "a COMMAND comes after --: risim run %s -- %s",
					names[0], strings.Join(names[1:], " "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			names, argv := args, []string(nil)
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				names, argv = args[:dash], args[dash:]
			}
			if len(names) > 0 {
				f.choose(cmd, names[0])
			}
			if argv == nil {
				f.alone(cmd.Flags())
			}
			return f.run(argv, stdin, stdout, stderr)
		},
	}
	flags := cmd.Flags()
	f.define(flags, "127.0.0.1:0", "default is one for this run only")
	f.checked(flags, "timeout", "D", "end the COMMAND after D of the wall's time, such as 90s (default none)", "a duration above 0, such as 90s or 5m",
		func(text string) bool {
			d, err := time.ParseDuration(text)
			f.timeout = d
			return err == nil && d > 0
		})
	flags.BoolVar(&f.wait, "wait", false, "after the COMMAND let the scenario come to its end, at the speed of its clock")
	flags.BoolVar(&f.strict, "strict-client", false, "fail when a client earns any advice, see risim help advice")
	flags.StringVar(&f.junit, "junit", "", "write the verdicts to `FILE` as JUnit's XML")
	flags.StringVar(&f.json, "json", "", "write the verdicts to `FILE` as JSON")
	return cmd
}

// alone settles what a run without a command is, and tells of flags that mean nothing then.
func (f *runFlags) alone(flags *pflag.FlagSet) {
	o := &f.options
	if o.Scenario == "" {
		f.problems = append(f.problems, hint(errors.New("there is nothing to run: neither a scenario nor a COMMAND"),
			"risim run FILE.yaml, risim run [NAME] -- COMMAND"))
	}
	for _, name := range []string{"listen", "plain", "per-node", "ca-dir", "speed", "timeout", "wait", "strict-client"} {
		if flags.Changed(name) {
			f.problems = append(f.problems, fmt.Errorf("--%s goes with a COMMAND only: without one nobody connects, and no time passes", name))
		}
	}
	o.InMemory, o.Plain, o.Manual = true, true, true
	o.Listen, o.PerNode, o.Speed = "", false, 0
}

// reportProblems tells of reports that would take the place of each other, or of the scenario.
func (f *runFlags) reportProblems() (problems []error) {
	if f.junit != "" && f.json != "" && filepath.Clean(f.junit) == filepath.Clean(f.json) {
		problems = append(problems, fmt.Errorf("--junit and --json are both %q: each report needs a file of its own", f.json))
	}
	scenario, err := os.Stat(f.options.Scenario)
	if err != nil { // which is told when it is read; a ready one has no file
		return problems
	}
	for _, x := range [][2]string{{"--junit", f.junit}, {"--json", f.json}} {
		if file, err := os.Stat(x[1]); err == nil && os.SameFile(file, scenario) {
			problems = append(problems, fmt.Errorf("%s %q is the scenario: a report needs a file of its own", x[0], x[1]))
		}
	}
	return problems
}

// run does it all, and tells what became of it as an [ended].
func (f *runFlags) run(argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	signals := catch()
	defer signals.release()
	if err := f.settle(f.reportProblems()...); err != nil {
		return withHint("run", err)
	}
	f.options.Logger = newLog(stderr, slog.LevelWarn)
	reports, err := prepareReports(f.junit, f.json)
	if err != nil {
		return err
	}
	defer reports.drop()
	var op *operator
	if argv != nil {
		if op, err = newOperator(&f.options, f.options.Logger); err != nil {
			return err
		}
		defer op.close()
	}
	ris, err := sim.Start(context.Background(), f.options) // which ends with Close only: a command that is told to end may still ask
	if err != nil {
		return withHint("run", err)
	}
	defer ris.Close()
	r := &report{seed: ris.Seed(), start: ris.Started()}
	prog := ris.Scenario()
	if prog != nil {
		r.scenario = cmp.Or(prog.Name, f.options.Scenario)
	}
	if argv != nil {
		warnIfOpen(stderr, ris)
		if err := op.start(ris, controlFlags{listen: "127.0.0.1:0", chosen: true}, f.options.Logger); err != nil {
			return err
		}
		env, remove, err := environment(ris, op)
		if err != nil {
			return err
		}
		defer remove()
		c := &command{argv: argv, env: env, stdin: stdin, stdout: stdout, stderr: stderr, timeout: f.timeout, grace: grace}
		r.command, err = c.run(signals)
		if err != nil {
			return err
		}
	}
	if prog != nil && (f.wait || ris.Manual()) {
		ctx, cancel := signals.context()
		if ris.PlayOut(ctx) != nil {
			r.problem = errors.New("interrupted before the scenario came to its end")
		}
		cancel()
	}
	r.verdicts, r.end, r.journal = ris.Finish(), ris.Now(), ris.Journal().Tail(20)
	if f.strict {
		r.verdicts = append(r.verdicts, strictVerdicts(ris)...)
	}
	r.problem = errors.Join(r.problem, ris.Close(), op.close())
	r.problem = errors.Join(r.problem, reports.put(r))
	r.say(stderr)
	if r.problem != nil {
		complain(stderr, r.problem)
	}
	if status := r.status(); status != 0 {
		return ended(status)
	}
	return nil
}

// environment is what the command finds of the simulator in its environment, and a func that removes what was made for it.
func environment(ris *sim.Simulator, op *operator) (env []string, remove func(), err error) {
	remove = func() {}
	ca := ris.CAFile()
	if pem := ris.CAPEM(); ca == "" && pem != nil {
		dir, err := os.MkdirTemp("", "risim-run-*")
		if err != nil {
			return nil, nil, fmt.Errorf("making a place for the CA's certificate: %w", err)
		}
		remove = func() { os.RemoveAll(dir) }
		ca = filepath.Join(dir, "ca.pem")
		if err := os.WriteFile(ca, pem, 0o644); err != nil {
			remove()
			return nil, nil, fmt.Errorf("writing the CA's certificate: %w", err)
		}
	}
	var nodes []string
	for _, n := range ris.Snapshot().Nodes() {
		nodes = append(nodes, string(n.Name)+"="+ris.NodeURL(n.Name))
	}
	return append(os.Environ(), // of which what comes later goes first
		"RISIM_URL="+ris.URL, "RISIM_USER="+ris.User, "RISIM_PASSWORD="+ris.Password, "RISIM_CA_FILE="+ca,
		"RISIM_NODES="+strings.Join(nodes, "\n"), "RISIM_SEED="+strconv.FormatUint(ris.Seed(), 10),
		"RISIM_CONTROL_URL="+op.url(),
	), remove, nil
}

// interrupts are the signals that ask for an end.
type interrupts chan os.Signal

// catch collects them until release. A pipe that nobody reads ends nothing, neither here nor, by inheritance, in a command.
func catch() interrupts {
	c := make(interrupts, 8)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as nohup has it
			signal.Notify(c, s)
		}
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return c
}

func (c interrupts) release() { signal.Stop(c) }

// context ends with the next interrupt.
func (c interrupts) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-c:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// grace is how long a command has to end by itself when its time is up.
const grace = 5 * time.Second

// command is a command line to run.
type command struct {
	argv, env      []string
	stdin          io.Reader
	stdout, stderr io.Writer
	timeout, grace time.Duration
}

// commandEnd is what became of a command.
type commandEnd struct {
	name     string
	status   int // 128 and more: the signal that ended it
	timedOut bool
}

// run runs it to its end, and passes on the signals that come.
func (c *command) run(signals interrupts) (*commandEnd, error) {
	p, err := startProcess(c)
	if err != nil {
		return nil, fmt.Errorf("the command cannot be started: %w", err)
	}
	end := &commandEnd{name: filepath.Base(c.argv[0])}
	var late, kill <-chan time.Time
	if c.timeout > 0 {
		late = time.After(c.timeout)
	}
	done := make(chan struct{})
	go func() {
		end.status = p.wait()
		close(done)
	}()
	for told := false; ; {
		select {
		case <-done:
			if end.timedOut {
				p.kill() // what it has started and left
			}
			return end, nil
		case s := <-signals:
			if told {
				p.kill()
			} else {
				p.signal(s)
			}
			told = true
		case <-late:
			end.timedOut, told = true, true
			p.signal(syscall.SIGTERM)
			kill = time.After(c.grace)
		case <-kill:
			p.kill()
		}
	}
}

// status is the exit status of the whole run; see the help of run.
func (r *report) status() int {
	sum := scenarios.Sum(r.verdicts)
	switch {
	case sum == scenarios.Fail:
		return 1
	case r.problem != nil || r.command != nil && r.command.timedOut:
		return 2
	case r.command != nil && r.command.status != 0:
		return r.command.status
	case sum == scenarios.Inconclusive:
		return 2
	}
	return 0
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	simFlags
	control   controlFlags
	readyFile string
}

// command is `risim serve` with these flags.
func (f *serveFlags) command(stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [NAME | FILE.yaml]",
		Short: "Run a simulated cluster until interrupted",
		Long: `Serve runs a ready cluster until it is interrupted. When it is ready it prints where the service is,
who may log in, and a curl command that works. Another interrupt, while it lets running requests
finish, ends it at once.

With a scenario, a ready one or a FILE, it runs the scenario's cluster and users, and what it says that
happens. Flags that are given go before what it says.

A FILE may be edited meanwhile: what you change in it changes in the cluster, and nothing else. What that
is, and what is wrong with an edit, which then changes nothing, is written to stderr. SIGHUP has
the file read again too.

The ready clusters, of which it takes the first unless you name another:
` + readyClusters() + `

The ready scenarios:
` + readyScenarios(),
		Example: `  risim serve
  risim serve --listen :8443 --password s3cret      reachable from other machines
  risim serve subscriber-outage --speed 10          a ready scenario, ten times as fast
  risim serve outage.yaml                           a scenario; risim check tells what is wrong with one
  risim serve --per-node --devices 20000 --load     a lab: an address for each node, no rate limit
  risim serve --profile cucm-14 --set extWildcard=fault`,
		ValidArgsFunction: complete(fixtures.ReadyNames(), fixtures.ScenarioNames()),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return hint(fmt.Errorf("serve runs one cluster, not %d: %q", len(args), args), "risim serve --help says more")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.choose(cmd, args[0])
			}
			f.control.chosen = cmd.Flags().Changed("control")
			return f.serve(stdout, stderr)
		},
	}
	f.define(cmd.Flags(), "127.0.0.1:8443", "default is risim in the user's configuration")
	cmd.Flags().StringVar(&f.readyFile, "ready-file", "", "write `FILE` (JSON) once the service answers, and remove it at the end")
	f.control.define(cmd)
	return cmd
}

// settle turns the flags into options.
func (f *serveFlags) settle() error {
	o := &f.options
	if o.CADir != "" || o.Plain {
		return f.simFlags.settle()
	}
	dir, err := sim.DefaultCADir()
	if err != nil {
		return f.simFlags.settle(hint(err, "--ca-dir DIR says where to keep it, --plain does without"))
	}
	o.CADir = dir
	return f.simFlags.settle()
}

// serve runs the simulator until a signal comes.
func (f *serveFlags) serve(stdout, stderr io.Writer) error {
	signal.Ignore(syscall.SIGPIPE) // whoever read the log may go away; the service stays
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	if err := f.settle(); err != nil {
		return withHint("serve", err)
	}
	f.options.Logger = newLog(stderr, slog.LevelInfo)
	ready, err := prepareReadyFile(f.readyFile)
	if err != nil {
		return err
	}
	defer ready.remove()
	var op *operator
	if f.control.listen != "" {
		if op, err = newOperator(&f.options, f.options.Logger); err != nil {
			return err
		}
		defer op.close()
	}
	ris, err := sim.Start(ctx, f.options)
	if err != nil {
		if ctx.Err() != nil { // told to stop while it started
			return nil
		}
		return withHint("serve", err)
	}
	defer ris.Close()
	if ctx.Err() != nil { // told to stop while it started: nothing is announced
		return ris.Close()
	}
	if op != nil {
		if err := op.start(ris, f.control, f.options.Logger); err != nil {
			return errors.Join(err, ris.Close())
		}
	}
	warnIfOpen(stderr, ris)
	op.warn(stderr)
	if err := printReady(stdout, ris, op); err != nil {
		return errors.Join(fmt.Errorf("saying that the service is ready: %w", err), ris.Close())
	}
	if err := ready.write(ris, op); err != nil { // last: whoever waits for the file finds everything else done
		return errors.Join(err, ris.Close())
	}

	watch(ctx, ris, stderr)
	debug.FreeOSMemory() // what it took to make a large cluster is more than the cluster takes
	<-ctx.Done()
	restore() // from here on another signal ends the process at once
	ready.remove()
	if err := errors.Join(ris.Close(), op.close()); err != nil {
		say(stderr, "%v", err)
	}
	return nil
}

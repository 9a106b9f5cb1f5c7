package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/soap"
)

// loadJournal is how many entries the journal keeps in a load lab, where it would only cost memory.
const loadJournal = 100

// serveFlags are the flags of serve that are not fields of sim.Options.
type serveFlags struct {
	options        sim.Options
	user, password string
	rateLimit      string // empty: not given
	load           bool
	readyFile      string
	usersOfFile    bool // neither --user nor --password is given, so that those of a scenario may log in

	problems []error // with values, so that all are told at once
}

// command is `risim serve` with these flags.
func (f *serveFlags) command(stdout, stderr io.Writer) *cobra.Command {
	o := &f.options
	cmd := &cobra.Command{
		Use:   "serve [NAME | FILE.yaml]",
		Short: "Run a simulated cluster until interrupted",
		Long: `Serve runs a ready cluster until it is interrupted. When it is ready it prints where the service is,
who may log in, and a curl command that works. Another interrupt, while it lets running requests
finish, ends it at once.

With a FILE it runs a scenario: the file's cluster and users, and what it says that happens. Flags that
are given go before what the file says.

The ready clusters, of which it takes the first unless you name another:
` + readyClusters(),
		Example: `  risim serve
  risim serve --listen :8443 --password s3cret      reachable from other machines
  risim serve outage.yaml                           a scenario; risim check tells what is wrong with one
  risim serve --per-node --devices 20000 --load     a lab: an address for each node, no rate limit
  risim serve --profile cucm-14 --set extWildcard=fault`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return hint(fmt.Errorf("serve runs one cluster, not %d: %q", len(args), args), "risim serve --help says more")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && isFile(args[0]):
				o.Scenario = args[0]
				if !cmd.Flags().Changed("profile") {
					o.Profile = ""
				}
				f.usersOfFile = !cmd.Flags().Changed("user") && !cmd.Flags().Changed("password")
			case len(args) == 1:
				o.Cluster = args[0]
			}
			return f.serve(stdout, stderr)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8443", "`ADDR` of the service, HOST:PORT; port 0 picks a free one")
	flags.BoolVar(&o.Plain, "plain", false, "serve HTTP instead of HTTPS")
	flags.BoolVar(&o.PerNode, "per-node", false, "give each node its own loopback address, with the same port")
	flags.StringVar(&f.user, "user", sim.DefaultUser, "`NAME` of the user who may log in")
	flags.StringVar(&f.password, "password", sim.DefaultPassword, "`PASSWORD` of that user")
	flags.StringVar(&o.Profile, "profile", soap.Profiles()[0], "`NAME` of the settings to start from: "+strings.Join(soap.Profiles(), ", "))
	f.checked(flags, "rate-limit", "N", "allow N requests per minute, 0 any number (default 15)", "a number of requests from 0",
		func(text string) bool {
			_, err := strconv.ParseUint(text, 10, 31)
			if err == nil {
				f.rateLimit = text
			}
			return err == nil
		})
	flags.StringArrayVar(&o.Set, "set", nil, "change a knob, `KNOB=VALUE`; repeatable, see risim help knobs")
	f.checked(flags, "devices", "N", "scale the cluster to about N devices (default as many as it has by itself)", "a number of devices from 1",
		func(text string) bool {
			n, err := strconv.ParseUint(text, 10, 31)
			o.Devices = int(n)
			return err == nil && n > 0
		})
	f.checked(flags, "seed", "N", "decide all chance by N: the population and, with --manual-clock, the session ids (default 1)", "a number from 1",
		func(text string) bool {
			n, err := strconv.ParseUint(text, 10, 64)
			o.Seed = n
			return err == nil && n > 0
		})
	f.checked(flags, "speed", "X", "let simulated time pass X times as fast (default 1)", "a positive number",
		func(text string) bool {
			x, err := strconv.ParseFloat(text, 64)
			ok := err == nil && x > 0 && x <= math.MaxFloat64
			if ok {
				o.Speed = x
			}
			return ok
		})
	flags.BoolVar(&o.Manual, "manual-clock", false, "let simulated time stand still, and with it the minute of the rate limit")
	flags.BoolVar(&f.load, "load", false, "settings for load labs: no rate limit unless --rate-limit is given, short journal")
	flags.StringVar(&f.readyFile, "ready-file", "", "write `FILE` (JSON) once the service answers, and remove it at the end")
	flags.StringVar(&o.CADir, "ca-dir", "",
		"`DIR` of the certificate authority, made on first use (default is risim in the user's configuration)")
	return cmd
}

// isFile tells the name of a scenario file from that of a ready cluster.
func isFile(arg string) bool {
	return strings.ContainsAny(arg, `/\`) || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml")
}

// readyClusters lists the ready clusters for the help.
func readyClusters() string {
	var b strings.Builder
	for _, c := range fixtures.ReadyClusters() {
		fmt.Fprintf(&b, "\n  %-12s%s", c.Name, c.Summary)
	}
	return b.String()
}

// checked defines a flag whose value is looked at when it is parsed, but complained about together with all others.
func (f *serveFlags) checked(flags *pflag.FlagSet, name, placeholder, usage, expected string, set func(text string) bool) {
	flags.Var(&checkedValue{placeholder: placeholder, set: func(text string) {
		if !set(text) {
			f.problems = append(f.problems, fmt.Errorf("--%s %q is not %s", name, text, expected))
		}
	}}, name, usage)
}

// checkedValue is the flag's [pflag.Value].
type checkedValue struct {
	placeholder, text string
	set               func(text string)
}

// Set never fails: see checked.
func (v *checkedValue) Set(text string) error {
	v.text = text
	v.set(text)
	return nil
}

// String is the value as given.
func (v *checkedValue) String() string { return v.text }

// Type stands in the help.
func (v *checkedValue) Type() string { return v.placeholder }

// settle turns the flags into options.
func (f *serveFlags) settle() error {
	o := &f.options
	if !f.usersOfFile {
		o.Users = []soap.User{{Name: f.user, Password: f.password}}
	}
	if f.load {
		o.JournalSize = loadJournal
	}
	o.Set = append(f.rateKnobs(), o.Set...) // a knob that is set by name wins
	if o.CADir == "" && !o.Plain {
		dir, err := sim.DefaultCADir()
		if err != nil {
			return hint(err, "--ca-dir DIR says where to keep it, --plain does without")
		}
		o.CADir = dir
	}
	return nil
}

// rateKnobs are --rate-limit and --load as settings. Whoever asks for a rate above the profile's maximum means it.
func (f *serveFlags) rateKnobs() []string {
	rate := f.rateLimit
	if rate == "" && f.load {
		rate = "0"
	}
	if rate == "" {
		return nil
	}
	knobs := []string{"rateLimit=" + rate}
	set, err := soap.Profile(f.options.Profile)
	if err == nil && set.Set("rateLimit", rate) == nil && set.Validate() != nil {
		knobs = append(knobs, "unbounded=true")
	}
	return knobs
}

// serve runs the simulator until a signal comes.
func (f *serveFlags) serve(stdout, stderr io.Writer) error {
	signal.Ignore(syscall.SIGPIPE) // whoever read the log may go away; the service stays
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	if err := f.settle(); err != nil || len(f.problems) > 0 {
		if err := errors.Join(errors.Join(f.problems...), err, f.options.Validate()); err != nil {
			return withHint(err)
		}
	}
	f.options.Logger = slog.New(slog.NewTextHandler(prefixed{stderr}, nil))
	ready, err := prepareReadyFile(f.readyFile)
	if err != nil {
		return err
	}
	defer ready.remove()
	ris, err := sim.Start(ctx, f.options)
	if err != nil {
		if ctx.Err() != nil { // told to stop while it started
			return nil
		}
		return withHint(err)
	}
	defer ris.Close()
	if ctx.Err() != nil { // told to stop while it started: nothing is announced
		return ris.Close()
	}
	if !ris.OnlyLoopback() {
		say(stderr, "WARNING: other machines can reach this simulator, and whoever knows the password of %q can use it "+
			"(--listen 127.0.0.1:8443 keeps it to this one)", ris.User)
	}
	if err := printReady(stdout, ris); err != nil {
		return errors.Join(fmt.Errorf("saying that the service is ready: %w", err), ris.Close())
	}
	if err := ready.write(ris); err != nil { // last: whoever waits for the file finds everything else done
		return errors.Join(err, ris.Close())
	}

	<-ctx.Done()
	restore() // from here on another signal ends the process at once
	ready.remove()
	if err := ris.Close(); err != nil {
		say(stderr, "%v", err)
	}
	return nil
}

// withHint adds what to type next, where that is known.
func withHint(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hint(err, "--listen 127.0.0.1:0 picks a free port")
	case errors.As(err, new(hinted)):
		return err
	}
	return hint(err, "risim serve --help lists the flags, risim help knobs what --set changes")
}

// prefixed marks each line of the log as this command's.
type prefixed struct{ w io.Writer }

// Write takes one line of a handler.
func (p prefixed) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte("risim: "), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

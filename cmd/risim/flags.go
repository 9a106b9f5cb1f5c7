package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/soap"
)

// loadJournal is how many entries the journal keeps in a load lab, where they last for milliseconds: enough to see that
// requests come, and what the last ones were.
const loadJournal = 100

// simFlags are the flags of the commands that run a simulator, as far as they are not fields of sim.Options.
type simFlags struct {
	options        sim.Options
	user, password string
	rateLimit      string // empty: not given
	load           bool
	usersOfFile    bool // neither --user nor --password is given, so that those of a scenario may log in

	problems []error // with values, so that all are told at once
}

// define adds the flags to a command. listen is the address unless another is given; what becomes of the certificate
// authority without --ca-dir, the command says.
func (f *simFlags) define(flags *pflag.FlagSet, listen, withoutCADir string) {
	o := &f.options
	flags.SortFlags = false
	flags.StringVar(&o.Listen, "listen", listen, "`ADDR` of the service, HOST:PORT; port 0 picks a free one")
	flags.BoolVar(&o.Plain, "plain", false, "serve HTTP instead of HTTPS")
	flags.BoolVar(&o.RSA, "rsa", false, "use RSA keys, for clients that offer no cipher for elliptic curves")
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
	flags.BoolVar(&f.load, "load", false, "settings for load labs: no rate limit unless --rate-limit is given, a short journal without bodies; see risim help load")
	allowOutside(flags, o)
	flags.StringVar(&o.CADir, "ca-dir", "", "`DIR` of the certificate authority, made on first use ("+withoutCADir+")")
}

// allowOutside defines the flag of that name.
func allowOutside(flags *pflag.FlagSet, o *sim.Options) {
	flags.BoolVar(&o.AllowOutside, "allow-outside", false, "let a scenario name the file of a cluster that is not in its folder or below")
}

// checked defines a flag whose value is looked at when it is parsed, but complained about together with all others.
func (f *simFlags) checked(flags *pflag.FlagSet, name, placeholder, usage, expected string, set func(text string) bool) {
	checked(&f.problems, flags, name, placeholder, usage, expected, set)
}

func checked(problems *[]error, flags *pflag.FlagSet, name, placeholder, usage, expected string, set func(text string) bool) {
	flags.Var(&checkedValue{placeholder: placeholder, set: func(text string) {
		if !set(text) {
			*problems = append(*problems, fmt.Errorf("--%s %q is not %s", name, text, expected))
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

// choose takes what is to run, a file or a name; "" is the first of the ready clusters. A name that nothing has is told with
// everything else that is wrong with the flags.
func (f *simFlags) choose(cmd *cobra.Command, what string) {
	if what == "" {
		return
	}
	o, err := f.options.Named(what)
	if err != nil {
		f.problems = append(f.problems, err)
	}
	if f.options = o; o.Scenario == "" {
		return
	}
	if !cmd.Flags().Changed("profile") {
		f.options.Profile = ""
	}
	f.usersOfFile = !cmd.Flags().Changed("user") && !cmd.Flags().Changed("password")
}

// complete offers names and leaves files to the shell.
func complete(names ...[]string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return slices.Concat(names...), cobra.ShellCompDirectiveDefault
	}
}

// readyClusters lists the ready clusters for the help.
func readyClusters() string {
	var b strings.Builder
	for _, c := range fixtures.ReadyClusters() {
		fmt.Fprintf(&b, "\n  %-12s%s", c.Name, c.Summary)
	}
	return b.String()
}

// readyScenarios lists the ready scenarios for the help.
func readyScenarios() string {
	var b strings.Builder
	for _, s := range fixtures.ReadyScenarios() {
		fmt.Fprintf(&b, "\n  %-22s%s", s.Name, s.Summary)
	}
	return b.String()
}

// settle turns the flags into options. When something is wrong with the flags, or more is, it tells of that and of everything
// that is wrong with the options as well.
func (f *simFlags) settle(more ...error) error {
	o := &f.options
	if !f.usersOfFile {
		o.Users = []soap.User{{Name: f.user, Password: f.password}}
	}
	if f.load {
		o.JournalSize, o.JournalRaw = loadJournal, -1
	}
	o.Set = append(f.rateKnobs(), o.Set...) // a knob that is set by name wins
	if err := errors.Join(append(f.problems, more...)...); err != nil {
		return errors.Join(err, o.Validate())
	}
	return nil
}

// rateKnobs are --rate-limit and --load as settings. Whoever asks for a rate above the profile's maximum means it.
func (f *simFlags) rateKnobs() []string {
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

// warnIfOpen tells when other machines can reach the service.
func warnIfOpen(stderr io.Writer, ris *sim.Simulator) {
	if !ris.OnlyLoopback() {
		say(stderr, "WARNING: other machines can reach this simulator, and whoever knows the password of %q can use it "+
			"(--listen 127.0.0.1:8443 keeps it to this one)", ris.User)
	}
}

// withHint adds what to type next, where that is known.
func withHint(command string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hint(err, "--listen 127.0.0.1:0 picks a free port")
	case errors.As(err, new(hinted)):
		return err
	}
	return hint(err, "risim %s --help lists the flags, risim help knobs what --set changes", command)
}

// newLog is a log for an operator, each line marked as this command's.
func newLog(stderr io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(prefixed{stderr}, &slog.HandlerOptions{Level: level}))
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

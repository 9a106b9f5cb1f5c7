package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/clock"
	"github.com/risim/risim/sim/control"
)

const (
	// mainCluster is what the control API calls the cluster of serve and run, beside those that it makes itself.
	mainCluster    = "main"
	defaultControl = "127.0.0.1:8480"
)

// controlFlags say how the control API is served.
type controlFlags struct {
	listen string // empty: not at all
	chosen bool   // listen was given
	token  string
	pprof  bool
}

func (f *controlFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "control", defaultControl, "`ADDR` of the control API, HOST:PORT; \"\" does without; when the default is taken, a free port")
	flags.StringVar(&f.token, "control-token", "", "`TOKEN` that requests to the control API must bring (default none on this machine, a drawn one elsewhere)")
	flags.BoolVar(&f.pprof, "pprof", false, "serve the profiles of this process with the control API, below /debug/pprof/")
}

// operator is the control API of a command, and the clusters that are made with it. Nil is none.
type operator struct {
	host   *control.Host
	server *control.Server // nil until start
	wall   *clock.Real
	note   string // what to say of the address; usually nothing
}

// newOperator makes a host whose clusters share an authority with the simulator that is made of o, which is to be taken in.
func newOperator(o *sim.Options, log *slog.Logger) (*operator, error) {
	wall, err := clock.NewReal(time.Time{}, 1)
	if err != nil {
		return nil, err
	}
	dir := o.CADir
	authority := func() (*sim.CA, error) { return sim.NewCA(dir) } // which reads the same files again
	if dir == "" && !o.Plain {
		ca, err := sim.NewCA("")
		if err != nil {
			return nil, err
		}
		o.CA, authority = ca, func() (*sim.CA, error) { return ca, nil }
	}
	host := control.NewHost(control.HostOptions{Wall: wall, CA: authority, Logger: log})
	o.Observe = host.Observer(mainCluster)
	return &operator{wall: wall, host: host}, nil
}

// start takes a running simulator in, and serves the API.
func (o *operator) start(ris *sim.Simulator, f controlFlags, log *slog.Logger) error {
	if err := o.host.Add(mainCluster, ris); err != nil {
		return err
	}
	options := control.Options{Listen: f.listen, Token: f.token, Pprof: f.pprof, Logger: log}
	server, err := control.Start(o.host, options)
	if errors.Is(err, syscall.EADDRINUSE) && !f.chosen {
		o.note = f.listen + " is taken"
		options.Listen = "127.0.0.1:0"
		server, err = control.Start(o.host, options)
	}
	if err != nil {
		return hint(err, "--control 127.0.0.1:0 picks a free port, --control \"\" does without")
	}
	o.server = server
	return nil
}

// close ends the API, and then all clusters, the simulator that was taken in too.
func (o *operator) close() error {
	if o == nil {
		return nil
	}
	var errs []error
	if o.server != nil {
		errs = append(errs, o.server.Close())
	}
	errs = append(errs, o.host.Close())
	o.wall.Close()
	return errors.Join(errs...)
}

// url is where the API is; "" when there is none.
func (o *operator) url() string {
	if o == nil || o.server == nil {
		return ""
	}
	return o.server.URL
}

// token is what requests to it must bring; "" when they need none.
func (o *operator) token() string {
	if o == nil || o.server == nil {
		return ""
	}
	return o.server.Token
}

// warn tells when other machines can reach the API.
func (o *operator) warn(stderr io.Writer) {
	if o != nil && !o.server.OnlyLoopback {
		say(stderr, "WARNING: other machines can reach the control API, and whoever has its token can change and end every cluster of this process "+
			"(--control %s keeps it to this one)", defaultControl)
	}
}

// line is what the ready text says of it.
func (o *operator) line() string {
	if o == nil {
		return ""
	}
	text := "control:  " + o.url()
	if o.note != "" {
		text += " (" + o.note + ")"
	}
	if o.server.Drawn {
		text += fmt.Sprintf("\ntoken:    %s", o.token())
	}
	return text + "\n"
}

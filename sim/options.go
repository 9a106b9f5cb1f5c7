package sim

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
)

// The user who may log in when Options.Users names none.
const (
	DefaultUser     = "administrator"
	DefaultPassword = "risim"
)

// Options says what to run. The zero value runs the default cluster over HTTPS on a free port of 127.0.0.1, as Cisco's
// reference describes it, in real time.
type Options struct {
	// Cluster names a ready cluster. "" means "default".
	Cluster string

	// Config is a cluster of one's own, instead of a ready one; it goes with neither Cluster nor Devices. nil means the
	// ready cluster.
	Config *cluster.Config

	// Scenario names a ready scenario, or the file of one when it has a slash or ends in .yaml or .yml (see package scenarios):
	// its cluster, its users, and what happens when. What is set here goes before what it says, but a cluster there can be
	// only one of. "" means that nothing happens by itself.
	Scenario string

	// ScenarioFS holds the file of Scenario, and files of clusters beside or below it. nil means the machine's files.
	ScenarioFS fs.FS

	// AllowOutside lets a scenario name the file of a cluster that is not in its folder or below. false means that such a file
	// is refused: a scenario of somebody else reads only what came with it.
	AllowOutside bool

	// ScenarioText is the text of a scenario that is in no file; Scenario is then only what messages call it. It can name no other
	// file. "" means that Scenario is read.
	ScenarioText string

	// Devices is about how many devices the ready cluster has. 0 means as many as it has by itself.
	Devices int

	// Seed decides all chance: the population and, with Manual, the session ids. 0 means 1: runs repeat unless you ask otherwise.
	Seed uint64

	// Start is the simulated time at which the cluster starts. The zero Time means now, and with Manual 2026-03-02
	// 08:00 UTC.
	Start time.Time

	// Manual makes simulated time stand still but for Advance. false means that it runs by itself.
	Manual bool

	// Speed is how many simulated seconds pass in a second; it goes not with Manual. 0 means 1.
	Speed float64

	// Listen is the address of the service, HOST:PORT; port 0 picks a free one, no host means every address of the
	// machine. "" means 127.0.0.1:0, and with InMemory no socket at all.
	Listen string

	// Plain serves HTTP. false means HTTPS with a certificate of the simulator's own CA.
	Plain bool

	// RSA makes the keys of the listeners RSA ones of 2,048 bits, for clients that offer no cipher for elliptic curves; the CA's
	// key stays what it is. A new connection costs four times as much then. false means ECDSA with P-256.
	RSA bool

	// PerNode gives each node its own address, counting up from the one in Listen, and the same port. false means that
	// one address answers for the cluster, as its publisher.
	PerNode bool

	// InMemory lets Client connect without the network, through the same server. Unless Listen is set, nothing is bound
	// and only Client reaches the service. false means sockets only.
	InMemory bool

	// Profile names a set of knobs: documented, cucm-12.5, cucm-14 or cucm-15. "" means documented.
	Profile string

	// Set changes knobs of the profile: each is KNOB=VALUE, later ones win. nil changes none.
	Set []string

	// Users may log in. None means DefaultUser with DefaultPassword. The first is User and Password of the Simulator.
	Users []soap.User

	// CADir is where the certificate authority lives, in ca.pem and ca-key.pem; it is made on first use and used again
	// afterwards. "" means one in memory, for this run only. See DefaultCADir.
	CADir string

	// CA is a certificate authority that several simulators share, instead of CADir. nil means one of its own, or CADir's.
	CA *CA

	// JournalSize is how many entries the journal keeps. 0 means 1,000; a negative one means none.
	JournalSize int

	// JournalBytes is how much memory they and JournalRaw take at the most. 0 means 16 MiB; less than 64 KiB counts as that.
	JournalBytes int

	// JournalRaw is of how many exchanges, the newest, the journal keeps what was sent too: headers and the first 20 KiB of each body.
	// 0 means 100; a negative one means none.
	JournalRaw int

	// Observe is told of every exchange when its answer is ready, on the goroutine that serves it; it must be quick, and must not
	// keep the exchange. nil means that nobody is told.
	Observe func(*soap.Exchange)

	// Logger is told what an operator may want to know. nil discards; ForTest logs through the test.
	Logger *slog.Logger

	// files notes what is read of Scenario. nil means that nobody wants to know.
	files *scenarioFiles
}

// defaultStart is when manual time starts.
var defaultStart = time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)

// settled is o with its zeros replaced by what they mean.
func (o Options) settled(now time.Time) Options {
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Start.IsZero() {
		o.Start = now.UTC()
		if o.Manual {
			o.Start = defaultStart
		}
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if len(o.Users) == 0 {
		o.Users = []soap.User{{Name: DefaultUser, Password: DefaultPassword}}
	}
	if o.JournalSize == 0 {
		o.JournalSize = 1000
	}
	if o.JournalBytes == 0 {
		o.JournalBytes = 16 << 20
	}
	o.JournalBytes = max(o.JournalBytes, 64<<10)
	if o.JournalRaw == 0 {
		o.JournalRaw = 100
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// check reports what is wrong with o by itself, before anything is made from it.
func (o *Options) check() error {
	var errs []error
	if o.Config != nil && o.Cluster != "" {
		errs = append(errs, fmt.Errorf("there are a cluster of one's own and the name of a ready one, %q: choose one of them", o.Cluster))
	}
	if o.Config != nil && o.Devices != 0 {
		errs = append(errs, fmt.Errorf("%d devices cannot be had: only a ready cluster can be scaled, not one of one's own", o.Devices))
	}
	if o.CA != nil && o.CADir != "" {
		errs = append(errs, fmt.Errorf("there are a certificate authority and a directory of another, %s: choose one of them", o.CADir))
	}
	if o.ScenarioText != "" && o.ScenarioFS != nil {
		errs = append(errs, errors.New("there are the text of a scenario and files to read one from: choose one of them"))
	}
	if !(o.Speed >= 0) || math.IsInf(o.Speed, 1) {
		errs = append(errs, fmt.Errorf("speed %v is not a positive number", o.Speed))
	}
	if o.RSA && o.Plain {
		errs = append(errs, errors.New("RSA keys cannot be had: without TLS there are no keys"))
	}
	if o.Manual && o.Speed != 0 {
		errs = append(errs, fmt.Errorf("speed %v: a manual clock has no speed, it stands still until it is advanced", o.Speed))
	}
	return errors.Join(errs...)
}

// Validate tells of everything that is wrong with o, as Start would, and starts nothing. What depends on the machine, such
// as a port that is taken, only Start can tell.
func (o Options) Validate() error {
	_, _, err := prepare(o, time.Now())
	return err
}

// settings are the profile's with Set applied.
func (o *Options) settings() (soap.Settings, error) {
	set, err := soap.Profile(o.Profile)
	errs := []error{err}
	for _, text := range o.Set {
		knob, value, ok := strings.Cut(text, "=")
		if !ok {
			errs = append(errs, fmt.Errorf("setting %q is not KNOB=VALUE", text))
			continue
		}
		errs = append(errs, set.Set(strings.TrimSpace(knob), strings.TrimSpace(value)))
	}
	if err == nil {
		errs = append(errs, set.Validate())
	}
	return set, errors.Join(errs...)
}

// sessionSeed decides the session ids: by Seed where time is manual, so that runs repeat to the byte. A service that runs
// by itself draws it, for whoever knows the seed could guess the cookie of a user who has logged in.
func (o *Options) sessionSeed() uint64 {
	if o.Manual {
		return o.Seed
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// readyConfig is the cluster of Config, Cluster and Devices.
func (o *Options) readyConfig() (cluster.Config, error) {
	if o.Config != nil {
		return *o.Config, nil
	}
	return fixtures.Streamed(o.Cluster, fixtures.Spec{Seed: o.Seed, Devices: o.Devices, Start: o.Start})
}

// readyStore makes that cluster.
func (o *Options) readyStore() (*cluster.Store, error) {
	config, err := o.readyConfig()
	if err != nil {
		return nil, err
	}
	return cluster.New(o.Start, config)
}

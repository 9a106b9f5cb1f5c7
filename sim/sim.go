package sim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim/clock"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
	"github.com/risim/risim/wsdl"
)

// Simulator is one running cluster. Start and ForTest make it; Close ends it. All methods are safe for concurrent use.
type Simulator struct {
	URL      string // of the service; with Options.PerNode the publisher's
	User     string // who may log in, the first of Options.Users
	Password string // that user's, at the start

	options   Options // settled
	store     *cluster.Store
	service   *soap.Service
	clock     clock.Clock
	virtual   *clock.Virtual // the same clock, nil unless Options.Manual
	journal   journal
	given     Options                // as Start was given them
	source    atomic.Pointer[source] // what runs
	running   *scenarios.Running     // without Options.Scenario, of the zero Program; set before anything can ask for it
	heard     atomic.Uint64          // requests that the scenario or impairments were told of
	troubles  scenarios.Troubles     // in force
	connected atomic.Uint64          // connections
	endpoints []*endpoint
	ca        *authority // nil with Options.Plain
	client    *http.Client

	doing     doing
	moments   moments
	reloading sync.Mutex  // held while another scenario takes the place of one
	applying  sync.Mutex  // held over a change and its entry: the journal's order is the state's
	setting   sync.Mutex  // held while settings or users are read, changed and put back
	users     []soap.User // under setting; replaced, never changed

	cleanups []cleanup
	closing  sync.Once
	closeErr error
}

// cleanup is something to end, by name.
type cleanup struct {
	name string
	do   func() error
}

func (s *Simulator) onClose(name string, do func() error) {
	s.cleanups = append(s.cleanups, cleanup{name, do})
}

// Start runs a simulator until Close, or until ctx ends. When it returns, every listener is bound and the service
// answers. An error tells of everything that is wrong with o; nothing is left running, bound or on disk then, but for
// a certificate authority, which is made whole or not at all.
func Start(ctx context.Context, o Options) (*Simulator, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("starting a simulator: %w", err)
	}
	s, plan, err := prepare(o, time.Now())
	if err != nil {
		return nil, err
	}
	if err := s.run(ctx, plan); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	whole := make(chan struct{}) // closed when nothing is added to the cleanups any more
	stop := context.AfterFunc(ctx, func() {
		<-whole
		_ = s.Close() // whoever wants the error calls Close too
	})
	s.onClose("wait for the context", func() error { stop(); return nil })
	close(whole)
	return s, nil
}

// prepare makes everything that needs neither goroutines nor anything of the operating system, and finds all that is
// wrong with the options.
func prepare(o Options, now time.Time) (*Simulator, listenPlan, error) {
	problems, given := []error{o.check()}, o
	o.files = &scenarioFiles{}
	prog, scenarioErr := o.program()
	o = o.merged(prog).settled(now)
	s := &Simulator{User: o.Users[0].Name, Password: o.Users[0].Password, options: o, journal: newJournal(&o), given: given,
		users: slices.Clone(o.Users)}

	settings, err := o.settings()
	problems = append(problems, err, scenarioErr)
	switch {
	case prog != nil:
		s.store, err = o.scenarioStore(prog)
	case scenarioErr == nil:
		s.store, err = o.readyStore()
	}
	problems = append(problems, err)
	var nodes []cluster.NodeName
	if s.store != nil {
		nodes = s.nodes()
	}
	s.source.Store(&source{o, prog})
	plan, err := planListen(&o, nodes)
	problems = append(problems, err)
	if prog != nil && len(plan.nodes) > 0 {
		problems = append(problems, prog.CheckEndpoints(nodes, plan.nodes, !o.Plain))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, plan, err
	}
	s.service, err = soap.New(soap.Config{
		Store:    s.store,
		Settings: settings,
		Users:    o.Users,
		WSDL:     wsdl.WithAddress,
		Now:      s.Now,
		Wait:     func(ctx context.Context, d time.Duration) error { return s.clock.Wait(ctx, d) },
		Seed:     o.sessionSeed(),
		Elapsed:  func() time.Duration { return time.Since(now) },
		Impair:   s.befall,
		Observe:  s.observe,
		Send:     sendWhole,
		KnownModel: func(number uint32) bool {
			_, known := fixtures.ModelName(number)
			return known
		},
	})
	return s, plan, err
}

// run starts the clock and the listeners. What it started is in the list of cleanups, also when it fails.
func (s *Simulator) run(ctx context.Context, plan listenPlan) error {
	s.onClose("journal", s.journal.close)
	if s.options.Manual {
		s.virtual = clock.NewVirtual(s.options.Start)
		s.clock = s.virtual
	} else {
		real, err := clock.NewReal(s.options.Start, s.options.Speed)
		if err != nil {
			return err
		}
		s.clock = real
		s.onClose("clock", func() error { real.Close(); return nil })
	}

	var err error
	if s.endpoints, err = plan.bind(ctx); err != nil {
		return err
	}
	s.onClose("listeners", func() error { closeListeners(s.endpoints); return nil })
	for _, e := range s.endpoints {
		for i, l := range e.listeners {
			e.listeners[i] = &gate{l, s, e.node}
		}
	}
	if err := s.secure(); err != nil { // not before the listeners: a port that is taken leaves no authority behind
		return err
	}

	scheme, handlers := "https", map[*endpoint]http.Handler{}
	if s.options.Plain {
		scheme = "http"
	}
	for _, e := range s.endpoints {
		e.url = scheme + "://" + e.addr.String() + soap.Path
		handlers[e] = newHandler(s.service, e.node)
	}
	s.URL = s.endpoints[0].url
	prog := s.Scenario()
	if prog == nil {
		prog = &scenarios.Program{}
	}
	s.keepMoment(0, 0)
	s.running = scenarios.Run(prog, world{s}, s.clock)
	s.onClose("scenario", func() error { s.running.Stop(); return nil })
	s.onClose("steps", func() error { s.stopPlays(); return nil })
	server := newServer(s.options.Logger, handlers)
	s.onClose("service", server.close)
	for _, e := range s.endpoints {
		for _, l := range e.listeners {
			server.serve(l)
		}
	}
	s.connect()
	return nil
}

// secure wraps every listener in TLS, each endpoint with its own certificate.
func (s *Simulator) secure() (err error) {
	if s.options.Plain {
		return nil
	}
	now := time.Now() // see tls.go: not simulated
	ca := s.options.CA
	if ca == nil {
		if ca, err = NewCA(s.options.CADir); err != nil {
			return err
		}
	}
	s.ca = ca.authority
	addrs, keys := addresses(s.endpoints), ellipticKey
	if s.options.RSA {
		keys = rsaKey
	}
	for _, e := range s.endpoints {
		names, addrs := []string{"localhost"}, addrs
		for _, n := range s.store.Snapshot().Nodes() {
			if n.Name == e.node || !s.options.PerNode { // one endpoint for all answers to all names
				names = append(names, string(n.Name))
				addrs = append(slices.Clip(addrs), n.Address, n.Address6)
			}
		}
		cert, err := s.ca.leaf(keys, string(e.node), names, addrs, now)
		if err != nil {
			return err
		}
		config := s.certificates(e, serverTLS(cert), map[string]func() (tls.Certificate, error){
			troubleExpired: func() (tls.Certificate, error) {
				return s.ca.leaf(keys, string(e.node), names, addrs, time.Now().Add(-leafLife-24*time.Hour))
			},
			troubleWrongName: func() (tls.Certificate, error) {
				return s.ca.leaf(keys, wrongName, []string{wrongName}, nil, time.Now())
			},
		})
		for i, l := range e.listeners {
			e.listeners[i] = tls.NewListener(l, config)
		}
	}
	return nil
}

// connect makes the client of this simulator.
func (s *Simulator) connect() {
	transport := &http.Transport{
		DialContext:         dialer(s.endpoints),
		MaxIdleConnsPerHost: 100,
		IdleConnTimeout:     idleTimeout,
	}
	if s.ca != nil {
		pool := x509.NewCertPool()
		pool.AddCert(s.ca.cert)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	s.client = &http.Client{Transport: transport}
	s.onClose("client", func() error { transport.CloseIdleConnections(); return nil })
}

// Close ends the simulator: it stops accepting, lets running requests finish, and cuts off what then remains. It takes
// two seconds at the most and tells what did not end well. Another call waits for the first and gives its answer.
func (s *Simulator) Close() error {
	s.closing.Do(func() {
		var errs []error
		for _, c := range slices.Backward(s.cleanups) {
			if err := c.do(); err != nil {
				errs = append(errs, fmt.Errorf("closing the %s: %w", c.name, err))
			}
		}
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}

// NodeURL is where a node answers: its own address with Options.PerNode, otherwise URL. Names are compared ignoring
// case; "" means that there is no such node.
func (s *Simulator) NodeURL(node cluster.NodeName) string {
	if !s.options.PerNode {
		for _, n := range s.Snapshot().Nodes() {
			if strings.EqualFold(string(n.Name), string(node)) {
				return s.URL
			}
		}
		return ""
	}
	for _, e := range s.endpoints {
		if strings.EqualFold(string(e.node), string(node)) {
			return e.url
		}
	}
	return ""
}

// Client reaches this simulator and trusts its certificate. It is always the same one, without credentials and without
// cookies; Close closes its idle connections.
func (s *Simulator) Client() *http.Client { return s.client }

// CAPEM is the certificate of the simulator's CA, for clients of one's own; nil with Options.Plain. The caller must not
// change it.
func (s *Simulator) CAPEM() []byte {
	if s.ca == nil {
		return nil
	}
	return s.ca.pem
}

// CAFile is the absolute name of the file that holds the certificate of the CA; "" with Options.Plain and without
// Options.CADir.
func (s *Simulator) CAFile() string {
	if s.ca == nil {
		return ""
	}
	return s.ca.file
}

// Seed is what all chance of this run comes from.
func (s *Simulator) Seed() uint64 { return s.options.Seed }

// OnlyLoopback tells whether no other machine can reach the service.
func (s *Simulator) OnlyLoopback() bool {
	return !slices.ContainsFunc(s.endpoints, func(e *endpoint) bool { return !e.bound.IsLoopback() })
}

// Now is the simulated time.
func (s *Simulator) Now() time.Time { return s.clock.Now() }

// Snapshot is the cluster as it is now.
func (s *Simulator) Snapshot() *cluster.Snapshot { return s.store.Snapshot() }

// Apply makes changes to the cluster at the present simulated time, all of them or, with an error that says why, none.
func (s *Simulator) Apply(changes ...cluster.Change) error {
	if err := s.apply(scenarios.Cause{}, changes); err != nil {
		return err
	}
	s.running.Changed()
	return nil
}

func (s *Simulator) apply(cause scenarios.Cause, changes []cluster.Change) error {
	_, err := s.applyIf(0, cause, changes)
	return err
}

// applyIf is apply when the snapshot has a version, or whichever it has if that is 0. It gives the number of the entry.
func (s *Simulator) applyIf(version uint64, cause scenarios.Cause, changes []cluster.Change) (seq uint64, err error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	return s.applyLocked(version, cause, changes)
}

func (s *Simulator) applyLocked(version uint64, cause scenarios.Cause, changes []cluster.Change) (seq uint64, err error) {
	if have := s.store.Snapshot().Version; version != 0 && have != version {
		return 0, &VersionError{version, have}
	}
	now := s.Now()
	if err := s.store.Apply(now, changes...); err != nil {
		return 0, err
	}
	seq = s.journal.event(now, &Event{Version: s.store.Snapshot().Version, Changes: slices.Clone(changes), Cause: cause})
	s.keepMoment(seq, len(changes))
	return seq, nil
}

// Settings is how the service behaves now.
func (s *Simulator) Settings() soap.Settings { return s.service.Settings() }

// SetSettings makes the service behave otherwise from the next request on. It fails, and changes nothing, when knobs do
// not go together.
func (s *Simulator) SetSettings(set soap.Settings) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	return s.put(set)
}

// put makes settings take effect; it is called with setting held.
func (s *Simulator) put(set soap.Settings) error {
	if err := s.service.SetSettings(set); err != nil {
		return err
	}
	s.keepMoment(s.JournalStats().Last+1, 0) // whoever changes settings tells of it in the next entry
	return nil
}

// Set changes one knob: see [soap.Settings.Set].
func (s *Simulator) Set(knob, value string) error {
	return s.SetKnobs(scenarios.Setting{Knob: knob, Value: value})
}

// SetKnobs changes several knobs at once, for some go together only. The error tells of all that is wrong; then none is changed.
func (s *Simulator) SetKnobs(knobs ...scenarios.Setting) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	set := s.service.Settings()
	var errs []error
	for _, k := range knobs {
		errs = append(errs, set.Set(k.Knob, k.Value))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.put(set)
}

// Users lists who may log in now, with passwords. The caller may change the list.
func (s *Simulator) Users() []soap.User {
	s.setting.Lock()
	defer s.setting.Unlock()
	return slices.Clone(s.users)
}

// SetUsers says who may log in from the next request on. Sessions go on, whatever has become of the password by which they
// began, but end with their user (simulator's choice). It fails, and changes nothing, when the list is empty or names
// somebody wrongly or twice.
func (s *Simulator) SetUsers(list []soap.User) error {
	return s.changeUsers(func([]soap.User) ([]soap.User, error) { return slices.Clone(list), nil })
}

// changeUsers puts another list in force; change may alter the one that it is given.
func (s *Simulator) changeUsers(change func([]soap.User) ([]soap.User, error)) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	list, err := change(slices.Clone(s.users))
	if err == nil {
		err = s.service.SetUsers(list)
	}
	if err == nil {
		s.users = list
	}
	return err
}

// Scenario is the program that runs; nil without Options.Scenario, until Reload brings one.
func (s *Simulator) Scenario() *scenarios.Program { return s.source.Load().program }

// Manual says that time stands still but for Advance and PlayOut.
func (s *Simulator) Manual() bool { return s.virtual != nil }

// Started is the simulated time at which the simulator started, from which a scenario counts.
func (s *Simulator) Started() time.Time { return s.options.Start }

// PlayOut lets the scenario go on until nothing more happens by itself: every step, and every time that an expectation names,
// has come. With Options.Manual it advances time and takes none; otherwise it waits. It returns early with ctx.Err() when ctx
// ends. Without Options.Scenario it does nothing.
func (s *Simulator) PlayOut(ctx context.Context) error {
	for {
		next, more := s.running.Next()
		switch {
		case !more:
			return nil
		case s.virtual == nil:
			if err := s.clock.Wait(ctx, next.Sub(s.Now())); err != nil {
				return err
			}
			s.running.Changed() // and so does what is due: the clock's own goroutine may be late
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			s.virtual.AdvanceTo(next)
		}
	}
}

// Finish ends the scenario and tells what became of its expectations, in the order of the file; nil without
// Options.Scenario. What has not become decidable is Inconclusive. The service goes on. An answer that was cut off, and has not been followed
// by a narrower query up to now, has the advice result-at-limit then (rule Q2).
func (s *Simulator) Finish() []scenarios.Verdict {
	for _, c := range s.service.CutOffs() {
		s.running.Advise(scenarios.Request{At: c.At, Operation: c.Operation.String(), Node: string(c.Node), User: c.User}, soap.AdviceAtLimit)
	}
	if verdicts := s.running.Finish(); s.Scenario() != nil {
		return verdicts
	}
	return nil
}

// Journal is what happened, oldest first: the last requests and changes, as many as Options.JournalSize and JournalBytes leave room for.
func (s *Simulator) Journal() Journal { return s.journal.entries(0) }

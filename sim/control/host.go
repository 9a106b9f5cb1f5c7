package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/clock"
	"github.com/risim/risim/sim/soap"
)

// Host holds the clusters of a process: each is a simulator of its own, with its own service, store, clock and journal. What
// they share is the certificate authority. It is safe for concurrent use.
type Host struct {
	wall    clock.Clock
	ca      func() (*sim.CA, error) // made once
	log     *slog.Logger
	metrics *metrics

	mu       sync.Mutex
	clusters map[string]*hosted
	made     int  // clusters that were given a name here
	closed   bool // no more are made
	making   sync.WaitGroup
}

// HostOptions says what the clusters of a Host share.
type HostOptions struct {
	// Wall is the clock by which leases end. Required; it is not the simulated time of any cluster.
	Wall clock.Clock
	// CA gives the authority that signs the certificates of all clusters that the API makes; it is called when it is first needed.
	// Nil: one is made in memory.
	CA func() (*sim.CA, error)
	// Logger is told of clusters that come and go. Nil discards.
	Logger *slog.Logger
}

// Bounds of a Host.
const (
	MaxClusters  = 5000             // at a time
	DefaultLease = 10 * time.Minute // of a cluster that the API makes
	MaxLease     = 24 * time.Hour   //

	// What the journal of a cluster keeps that the API makes: a thousand of them fit into a gigabyte, however much they are asked.
	leasedJournal = 500 // entries
	leasedRaw     = 20  // of which what was sent is kept too
	leasedBytes   = 512 << 10

	maxJournal = 1_000_000 // entries that may be asked for, each with a KiB
)

// hosted is a cluster of a host.
type hosted struct {
	name    string
	sim     *sim.Simulator // nil while it is being made
	spec    ClusterSpec    // as asked for; of one that was added, what is known
	lease   time.Duration  // 0: for ever
	expires time.Time      // by the wall
	cancel  func()         // of the lease
	stats   *stats
	counts  counter

	changing sync.Mutex // held while a request changes it, from the look at If-Match on
}

// NewHost makes a host without clusters.
func NewHost(o HostOptions) *Host {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CA == nil {
		o.CA = func() (*sim.CA, error) { return sim.NewCA("") }
	}
	h := &Host{wall: o.Wall, ca: sync.OnceValues(o.CA), log: o.Logger, clusters: map[string]*hosted{}}
	h.metrics = newMetrics(h)
	return h
}

// Observer gives what a simulator must have as Options.Observe for its requests to be counted under a name, before it is
// added under that name.
func (h *Host) Observer(name string) func(*soap.Exchange) { return h.metrics.of(name).observe }

// Add takes a running simulator in under a name. It stays until Close, or until the API deletes it, which close it.
func (h *Host) Add(name string, s *sim.Simulator) error {
	if bad := badName(name); bad != nil {
		return wrong(ProblemInvalid, bad)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clusters[name] != nil {
		return refuse(ProblemConflict, "there is already a cluster %q", name)
	}
	h.clusters[name] = &hosted{name: name, sim: s, stats: h.metrics.of(name)}
	return nil
}

// isName tells whether a cluster can be called so: its name is a part of a path.
func isName(name string) bool {
	alnum := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }
	return name != "" && len(name) <= 63 && alnum(rune(name[0])) &&
		!strings.ContainsFunc(name, func(r rune) bool { return !alnum(r) && !strings.ContainsRune("._-", r) })
}

func badName(name string) []Wrong {
	if isName(name) {
		return nil
	}
	return []Wrong{{Pointer: "/name", Detail: fmt.Sprintf("%q is not a name of 1 to 63 letters, digits, dots, - and _ that begins with a letter or digit", clip(name))}}
}

// create makes and starts a cluster. The error is a *Problem.
func (h *Host) create(ctx context.Context, spec ClusterSpec) (*hosted, error) {
	o, bad := spec.options()
	if len(bad) > 0 {
		return nil, wrong(ProblemInvalid, bad)
	}
	c, err := h.reserve(spec)
	if err != nil {
		return nil, err
	}
	defer h.making.Done()
	s, err := h.start(ctx, c, o)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.forgetLocked(c.name)
		return nil, err
	}
	c.sim = s
	h.renewLocked(c, c.lease)
	h.log.Info("cluster made", "cluster", c.name, "service", s.URL, "lease", Duration(c.lease))
	return c, nil
}

// validate tells of everything that is wrong with a spec, and makes nothing.
func (h *Host) validate(spec ClusterSpec) error {
	o, bad := spec.options()
	if len(bad) > 0 {
		return wrong(ProblemInvalid, bad)
	}
	if err := o.Validate(); err != nil {
		return spec.unfit(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clusters[spec.Name] != nil {
		return refuse(ProblemConflict, "there is already a cluster %q", spec.Name)
	}
	return nil
}

// reserve takes the name of a cluster that is about to be made.
func (h *Host) reserve(spec ClusterSpec) (*hosted, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, refuse(ProblemUnavailable, "the process is ending")
	case len(h.clusters) >= MaxClusters:
		return nil, refuse(ProblemFull, "there are %d clusters, and no more are made; delete some, or let their leases end", len(h.clusters))
	case h.clusters[spec.Name] != nil:
		return nil, refuse(ProblemConflict, "there is already a cluster %q", spec.Name)
	}
	for spec.Name == "" || h.clusters[spec.Name] != nil {
		h.made++
		spec.Name = fmt.Sprintf("c%d", h.made)
	}
	c := &hosted{name: spec.Name, spec: spec, lease: DefaultLease, stats: h.metrics.of(spec.Name)}
	if spec.Lease != nil {
		c.lease = time.Duration(*spec.Lease)
	}
	h.clusters[c.name] = c
	h.making.Add(1)
	return c, nil
}

func (h *Host) start(ctx context.Context, c *hosted, o sim.Options) (*sim.Simulator, error) {
	if !o.Plain {
		ca, err := h.ca()
		if err != nil {
			return nil, err
		}
		o.CA = ca
	}
	o.Observe = c.stats.observe
	o.Logger = h.log.With("cluster", c.name)
	s, err := sim.Start(context.WithoutCancel(ctx), o)
	if err != nil {
		return nil, c.spec.unfit(err)
	}
	return s, nil
}

// renew lets a cluster's lease begin anew: as long as before when lease is nil; 0 means that it has none, and stays.
func (h *Host) renew(name string, lease *Duration) (*hosted, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, err := h.findLocked(name)
	if err != nil {
		return nil, err
	}
	d := c.lease
	if lease != nil {
		d = time.Duration(*lease)
	}
	h.renewLocked(c, d)
	return c, nil
}

func (h *Host) renewLocked(c *hosted, lease time.Duration) {
	if c.cancel != nil {
		c.cancel()
	}
	c.lease, c.expires, c.cancel = lease, time.Time{}, nil
	if lease > 0 {
		c.expires = h.wall.Now().Add(lease)
		c.cancel = h.wall.At(c.expires, "lease of "+c.name, func(time.Time) { h.expire(c) })
	}
}

func (h *Host) expire(c *hosted) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.clusters[c.name] != c || c.expires.IsZero() || h.wall.Now().Before(c.expires) { // Close ends it, or it was renewed or removed
		return
	}
	h.forgetLocked(c.name)
	h.log.Info("cluster removed: its lease has ended", "cluster", c.name)
	h.making.Go(func() { _ = h.end(c) }) // which is logged; closing takes its time, and other leases end too
}

// end closes a cluster that is no longer in the table.
func (h *Host) end(c *hosted) error {
	if c.cancel != nil {
		c.cancel()
	}
	err := c.sim.Close()
	if err != nil {
		h.log.Warn("cluster did not end well", "cluster", c.name, "error", err)
	}
	return err
}

// remove closes a cluster. The error is a *Problem when there is none of that name.
func (h *Host) remove(name string) error {
	h.mu.Lock()
	c, err := h.findLocked(name)
	if err == nil {
		h.forgetLocked(name)
	}
	h.mu.Unlock()
	if err != nil {
		return err
	}
	_ = h.end(c) // which is logged
	return nil
}

// forgetLocked takes a cluster out of the table, and its name out of the metrics: at once, for the next one of that name is counted anew.
func (h *Host) forgetLocked(name string) {
	delete(h.clusters, name)
	h.metrics.forget(name)
}

// find gives a cluster by name.
func (h *Host) find(name string) (*hosted, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.findLocked(name)
}

func (h *Host) findLocked(name string) (*hosted, error) {
	c := h.clusters[name]
	switch {
	case c == nil:
		return nil, refuse(ProblemNotFound, "there is no cluster %q%s", clip(name), there(name, slices.Sorted(maps.Keys(h.clusters))))
	case c.sim == nil:
		return nil, refuse(ProblemConflict, "cluster %q is being made", name)
	}
	return c, nil
}

// alone waits until no request changes the cluster, and keeps others from it until the function that it gives is called. A
// cluster that is not there is found missing by whoever looks next.
func (h *Host) alone(name string) func() {
	c, err := h.find(name)
	if err != nil {
		return func() {}
	}
	c.changing.Lock()
	return c.changing.Unlock
}

// list gives all clusters that run, by name.
func (h *Host) list() []*hosted {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*hosted
	for _, c := range h.clusters {
		if c.sim != nil {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *hosted) int { return cmp.Compare(a.name, b.name) })
	return out
}

// Close closes all clusters, together, and waits for them.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.making.Wait()
	h.mu.Lock()
	all := h.clusters
	h.clusters = map[string]*hosted{}
	h.mu.Unlock()
	var wait sync.WaitGroup
	errs := make([]error, len(all))
	i := 0
	for _, c := range all {
		at := i
		i++
		wait.Go(func() {
			if err := h.end(c); err != nil {
				errs[at] = fmt.Errorf("cluster %s: %w", c.name, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

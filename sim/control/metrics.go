package control

import (
	"maps"
	"net/http"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/risim/risim/sim/soap"
)

// Metrics are counted by atomic additions while requests are served, and put into words when somebody asks for them: nothing of
// the library is touched, nor a registry made, before that.

// maxLabelled is how many clusters have a label of their own; the others share one, so that no test run can fill a monitoring
// system with names.
const (
	maxLabelled = 100
	otherLabel  = "(others)" // which is no name of a cluster
)

// tookBounds are the upper bounds of the histogram's buckets.
var tookBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 10 * time.Second,
}

const operationCount = int(soap.SelectCtiItem) + 1

// stats is what is counted of the requests of one cluster, or of several that share it. It is safe for concurrent use.
type stats struct {
	took [operationCount]histogram
	sent atomic.Uint64 // bytes of answers

	answers counters[answerKey]
	advice  counters[string]
}

// counters counts by keys of which there are few, the same again and again. Counting one that is known takes neither lock nor memory.
type counters[K comparable] struct {
	known atomic.Pointer[map[K]*atomic.Uint64] // replaced, never changed
	mu    sync.Mutex                           // held while it is replaced
}

func (c *counters[K]) add(key K) {
	if known := c.known.Load(); known != nil {
		if n := (*known)[key]; n != nil {
			n.Add(1)
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[K]*atomic.Uint64{}
	if known := c.known.Load(); known != nil {
		maps.Copy(next, *known)
	}
	if next[key] == nil {
		next[key] = new(atomic.Uint64)
	}
	next[key].Add(1)
	c.known.Store(&next)
}

// all gives every count.
func (c *counters[K]) all(yield func(K, float64) bool) {
	known := c.known.Load()
	if known == nil {
		return
	}
	for key, n := range *known {
		if !yield(key, float64(n.Load())) {
			return
		}
	}
}

type histogram struct {
	buckets [len(tookBounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

type answerKey struct {
	operation soap.Operation
	status    int
	fault     string
}

// observe counts an exchange.
func (s *stats) observe(x *soap.Exchange) {
	key := answerKey{operation: x.Operation, status: x.HTTPStatus}
	if x.Fault != nil {
		key.fault = x.Fault.Name
	}
	s.answers.add(key)
	for i := range x.Advice {
		s.advice.add(x.Advice[i].ID)
	}
	h := &s.took[x.Operation]
	h.buckets[sort.Search(len(tookBounds), func(i int) bool { return x.Took <= tookBounds[i] })].Add(1)
	h.sum.Add(int64(x.Took))
	s.sent.Add(uint64(x.ResponseBytes))
}

// metrics is what is counted of all clusters of a host.
type metrics struct {
	host  *Host
	once  sync.Once
	descs *descs // from once on
	http  http.Handler

	mu     sync.Mutex
	labels map[string]*stats // by cluster; otherLabel for those without a label
}

func newMetrics(h *Host) *metrics { return &metrics{host: h, labels: map[string]*stats{}} }

// of gives the stats of a cluster; the shared one when there are too many.
func (m *metrics) of(name string) *stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.labels[name]; s != nil {
		return s
	}
	if shared := m.labels[otherLabel] != nil; len(m.labels)-btoi(shared) >= maxLabelled {
		name = otherLabel
	}
	if m.labels[name] == nil {
		m.labels[name] = &stats{}
	}
	return m.labels[name]
}

// forget frees the label of a cluster that is no more.
func (m *metrics) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name != otherLabel {
		delete(m.labels, name)
	}
}

// ServeHTTP answers in Prometheus' format.
func (m *metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.once.Do(func() {
		m.descs = newDescs()
		registry := prometheus.NewRegistry()
		// The same as of its package collectors, which brings database/sql along.
		registry.MustRegister(m, prometheus.NewGoCollector(), prometheus.NewProcessCollector(prometheus.ProcessCollectorOpts{}))
		m.http = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	})
	m.http.ServeHTTP(w, r)
}

// descs are what the metrics are called, made when they are first asked for.
type descs struct {
	requests, took, sent, advice, devices, version, rate, rateLimit, dropped, clusters *prometheus.Desc
}

func newDescs() *descs {
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("risim_"+name, help, labels, nil)
	}
	return &descs{
		requests:  of("requests_total", "Requests by operation, HTTP status and name of the SOAP fault.", "cluster", "operation", "status", "fault"),
		took:      of("request_duration_seconds", "Time from a request's arrival until its answer was ready.", "cluster", "operation"),
		sent:      of("response_bytes_total", "Bytes of the bodies of answers.", "cluster"),
		advice:    of("advice_total", "Advice on what clients did.", "cluster", "advice"),
		devices:   of("devices", "Records of devices by node and status.", "cluster", "node", "status"),
		version:   of("snapshot_version", "Version of the snapshot: how often the cluster has changed.", "cluster"),
		rate:      of("rate_window_requests", "Requests that count in the present window of the rate limit; node is empty when they count for all.", "cluster", "node"),
		rateLimit: of("rate_limit", "Requests that a window of the rate limit lets pass; 0 means any number.", "cluster"),
		dropped:   of("journal_dropped_total", "Entries that the journal does not hold any more.", "cluster"),
		clusters:  of("clusters", "Clusters in this process."),
	}
}

// Describe is for Prometheus.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	d := m.descs
	for _, one := range []*prometheus.Desc{d.requests, d.took, d.sent, d.advice, d.devices, d.version, d.rate, d.rateLimit, d.dropped, d.clusters} {
		out <- one
	}
}

// Collect is for Prometheus. What belongs to a cluster's state is given of those with a label of their own.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	labels := make(map[string]*stats, len(m.labels))
	for name, s := range m.labels {
		labels[name] = s
	}
	m.mu.Unlock()
	for name, s := range labels {
		m.collect(out, s, name)
	}
	all := m.host.list()
	out <- prometheus.MustNewConstMetric(m.descs.clusters, prometheus.GaugeValue, float64(len(all)))
	for _, c := range all {
		if labels[c.name] == nil {
			continue
		}
		gauge := func(d *prometheus.Desc, v float64, more ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{c.name}, more...)...)
		}
		snapshot := c.sim.Snapshot()
		n := c.counts.of(snapshot)
		for _, node := range snapshot.Nodes() {
			for status := range n.nodes[node.Name] {
				gauge(m.descs.devices, float64(n.nodes[node.Name][status]), string(node.Name), status.String())
			}
		}
		gauge(m.descs.version, float64(snapshot.Version))
		use := c.sim.RateUse()
		gauge(m.descs.rateLimit, float64(use.Limit))
		for node, used := range use.Used {
			gauge(m.descs.rate, float64(used), string(node))
		}
		out <- prometheus.MustNewConstMetric(m.descs.dropped, prometheus.CounterValue, float64(c.sim.JournalStats().Dropped), c.name)
	}
}

func (m *metrics) collect(out chan<- prometheus.Metric, s *stats, name string) {
	for key, n := range s.answers.all {
		out <- prometheus.MustNewConstMetric(m.descs.requests, prometheus.CounterValue, n, name, operationLabel(key.operation), strconv.Itoa(key.status), key.fault)
	}
	for id, n := range s.advice.all {
		out <- prometheus.MustNewConstMetric(m.descs.advice, prometheus.CounterValue, n, name, id)
	}
	out <- prometheus.MustNewConstMetric(m.descs.sent, prometheus.CounterValue, float64(s.sent.Load()), name)
	for op := range s.took {
		h := &s.took[op]
		buckets, total := map[float64]uint64{}, uint64(0)
		for i, bound := range tookBounds {
			total += h.buckets[i].Load()
			buckets[bound.Seconds()] = total
		}
		total += h.buckets[len(tookBounds)].Load()
		if total > 0 {
			out <- prometheus.MustNewConstHistogram(m.descs.took, total, time.Duration(h.sum.Load()).Seconds(), buckets, name, operationLabel(soap.Operation(op)))
		}
	}
}

func operationLabel(op soap.Operation) string {
	if op == soap.NoOperation {
		return "none"
	}
	return op.String()
}

var _ prometheus.Collector = (*metrics)(nil)

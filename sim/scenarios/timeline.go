package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/risim/risim/sim/clock"
	"github.com/risim/risim/sim/cluster"
)

// Timeline runs a program against a copy of a cluster on virtual time, without a service and without waiting, and gives
// what happened, in order. Steps that wait for requests do not happen; they come last, with the requests they wait for
// in their detail. The same program and cluster give the same events. ends is how things stand in the copy at the end.
func (p *Program) Timeline(s *cluster.Snapshot) (events []Event, ends *cluster.Snapshot, err error) {
	start := time.Unix(s.Now, 0).UTC()
	store, err := scratch(start, s)
	if err != nil {
		return nil, nil, fmt.Errorf("copying the cluster for a timeline: %w", err)
	}
	c := clock.NewVirtual(start)
	w := &dry{store: store, now: c.Now}
	r := Run(p, w, c)
	for c.Step() {
	}
	r.Stop()
	for _, st := range p.steps {
		if q := st.when.requests; st.expect == nil && st.when.kind == onRequest {
			w.events = append(w.events, Event{At: -1, Cause: r.cause(st), Action: st.do.verb, Devices: -1, Last: -1,
				Detail: strings.TrimSuffix(q.String()+", "+st.do.detail, ", ")})
		}
	}
	return w.events, store.Snapshot(), nil
}

// String is which requests, such as 3 to 3 of selectCtiItem.
func (q *requests) String() string {
	text := fmt.Sprintf("from %d", q.from)
	if q.to > 0 {
		text = fmt.Sprintf("%d to %d", q.from, q.to)
	}
	if q.every > 0 {
		text += fmt.Sprintf(", every %d", q.every)
	}
	if q.match != nil && len(q.match.operations) > 0 {
		text += " of " + strings.Join(q.match.operations, ", ")
	}
	return text
}

// FormatTimeline writes events as lines, one below the other: time, file:line, action, devices, details.
func FormatTimeline(events []Event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// scratch makes a cluster of its own that stands as a snapshot does.
func scratch(start time.Time, s *cluster.Snapshot) (*cluster.Store, error) {
	var cfg cluster.Config
	var states []cluster.Change
	for _, n := range s.Nodes() {
		cfg.Nodes = append(cfg.Nodes, n.Node)
		states = append(states, cluster.SetNodeState{Node: n.Name, State: n.State})
	}
	for d := range s.Devices() {
		own := *d
		own.Lines = slices.Clone(d.Lines)
		cfg.Devices = append(cfg.Devices, own)
		for _, r := range s.Records(d.Name) {
			cfg.Registrations = append(cfg.Registrations, cluster.Registration{Device: d.Name, Node: r.Node, Record: *r.Record})
		}
	}
	for _, a := range s.Applications() {
		cfg.Applications = append(cfg.Applications, *a)
	}
	store, err := cluster.New(start, cfg)
	if err != nil {
		return nil, err
	}
	return store, store.Apply(start, states...)
}

// dry is a world without a service.
type dry struct {
	store  *cluster.Store
	now    func() time.Time
	events []Event
}

func (w *dry) Snapshot() *cluster.Snapshot { return w.store.Snapshot() }
func (w *dry) Apply(_ Cause, changes ...cluster.Change) error {
	return w.store.Apply(w.now(), changes...)
}
func (w *dry) Set(Cause, []Setting) error     { return nil }
func (w *dry) SetUser(Cause, *User) error     { return nil }
func (w *dry) RemoveUser(Cause, string) error { return nil }
func (w *dry) Impair(Cause, *Impairment)      {}
func (w *dry) Lift(Cause, string)             {}
func (w *dry) Renew(*Impairment)              {}
func (w *dry) Log(e Event) {
	if e.Action != "verdict" { // requests are missing, so verdicts mean nothing here
		w.events = append(w.events, e)
	}
}

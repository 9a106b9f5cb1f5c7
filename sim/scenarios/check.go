package scenarios

import (
	"slices"
	"strings"

	"github.com/risim/risim/sim/cluster"
)

// Check compares a program with the cluster that it is to run on: nodes and applications that do not exist, selectors
// that can match nothing, devices added under names that are taken, too many events. Selectors are compared with what
// the configuration knows of devices; status, node, load and download change as the scenario goes on. The error is
// Problems, all of them.
func (p *Program) Check(s *cluster.Snapshot) error {
	c := checker{problems: &problems{file: p.file.name, lines: p.file.lines}, s: s}
	for _, n := range s.Nodes() {
		c.nodes = append(c.nodes, string(n.Name))
	}
	for _, a := range s.Applications() {
		c.apps = append(c.apps, a.Name, a.ID())
	}
	// What the scenario itself adds can be talked about, and must not be there yet.
	added := map[string]string{}
	for _, st := range p.steps {
		if st.do == nil {
			continue
		}
		if st.do.verb == "cti.open" && !st.do.app.Given() {
			c.apps = append(c.apps, strings.TrimPrefix(st.do.detail, "application "))
		}
		if st.do.adds == nil {
			continue
		}
		if st.firings() > 1 {
			c.add(st.mark.At, "%s adds the same devices more than once", st.id)
		}
		for i := range st.do.adds.Devices {
			d := &st.do.adds.Devices[i]
			if _, known := s.Device(d.Name); known {
				c.add(st.mark.At, "%s adds device %q, which the cluster has already", st.id, d.Name)
			}
			if other, twice := added[fold(string(d.Name))]; twice {
				c.add(st.mark.At, "%s adds device %q, which %s adds already", st.id, d.Name, other)
			}
			added[fold(string(d.Name))] = st.id
			c.added = append(c.added, d)
		}
	}
	for _, st := range p.steps {
		if len(c.list) == maxProblems {
			break // each selector that matches nothing takes a look at all devices, and no more is shown
		}
		c.step(st)
	}
	return c.err()
}

// CheckEndpoints compares a program with where clients reach the cluster: the nodes at which requests arrive, of all nodes, and
// whether they come over TLS. It tells of trouble, and of steps that wait for requests, where they can never come to pass; not of
// nodes that are unknown, of which Check tells. The error is Problems, all of them.
func (p *Program) CheckEndpoints(all, nodes []cluster.NodeName, secure bool) error {
	c := &problems{file: p.file.name, lines: p.file.lines}
	reached := func(m *match) {
		among := func(names []cluster.NodeName) bool {
			return slices.ContainsFunc(names, func(n cluster.NodeName) bool { return m.nodes.match(string(n)) })
		}
		if m == nil || among(nodes) || !among(all) {
			return
		}
		c.add(m.src.Node[0].At, "no request arrives at node %s: clients reach %s only; with an address per node they reach each", m.src.Node[0], nodes[0])
	}
	for _, s := range p.steps {
		if s.when.requests != nil {
			reached(s.when.requests.match)
		}
		if s.do == nil || s.do.impair == nil {
			continue
		}
		reached(s.do.impair.match)
		if r := s.do.impair.requests; r != nil && r != s.when.requests {
			reached(r.match)
		}
		if s.do.impair.TLS != "" && !secure {
			c.add(s.mark.At, "%s has trouble with certificates, and connections have no TLS here", s.id)
		}
	}
	return c.err()
}

type checker struct {
	*problems
	s           *cluster.Snapshot
	nodes, apps []string
	added       []*cluster.Device // by the scenario itself
	groups      []string          // of the devices; nil: not gathered yet
	events      float64
	tooMany     bool
}

// devices goes through all that there are, and then those that the scenario adds. Each is good until the next one comes.
func (c *checker) devices(yield func(*cluster.Device) bool) {
	for d := range c.s.Devices() {
		if !yield(d) {
			return
		}
	}
	for _, d := range c.added {
		if !yield(d) {
			return
		}
	}
}

func (c *checker) count() int { return c.s.Len() + len(c.added) }

func (c *checker) step(st *step) {
	if st.expect != nil {
		if st.expect.where != nil {
			c.where(st.expect.where, st.expect.count.holds(0))
		}
		c.match(st.expect.match)
		return
	}
	do := st.do
	for _, t := range do.needs {
		c.node(t)
	}
	if do.check != nil {
		if do.check.where != nil {
			c.where(do.check.where, do.check.count.holds(0))
		}
		c.match(do.check.match)
	}
	if do.impair != nil {
		c.match(do.impair.match)
		if do.impair.requests != nil && do.impair.requests != st.when.requests {
			c.match(do.impair.requests.match)
		}
	}
	if st.when.requests != nil {
		c.match(st.when.requests.match)
	}
	if do.app.Given() {
		known := false
		for _, a := range c.apps {
			known = known || a == do.app.Text
		}
		if !known {
			c.add(do.app.At, "unknown application %q; %s", do.app.Text, didYouMean(do.app.Text, unique(c.apps)))
		}
	}
	n := 1
	if do.where != nil {
		n = c.where(do.where, false)
	}
	if do.every > 0 {
		n = 1
	}
	per := float64(n) * do.part()
	if do.count > 0 {
		per = min(float64(n), float64(do.count))
	}
	c.events += st.events() * max(1, per) * float64(max(1, len(do.phases)))
	if c.events > MaxEvents && !c.tooMany {
		c.tooMany = true
		c.add(st.mark.At, "with %s the scenario comes to %s events in this cluster of %s devices, and at most %s are run",
			st.id, grouped(c.events), grouped(float64(c.s.Len())), grouped(MaxEvents))
	}
}

func (a *act) part() float64 {
	if a.share > 0 {
		return a.share
	}
	return 1
}

func (c *checker) node(t Text) {
	for _, n := range c.nodes {
		if fold(n) == fold(t.Text) {
			return
		}
	}
	c.add(t.At, "unknown node %q; %s", t.Text, didYouMean(t.Text, c.nodes))
}

func (c *checker) match(m *match) {
	if m == nil {
		return
	}
	for _, t := range m.src.Node {
		switch {
		case !strings.Contains(t.Text, "*"):
			c.node(t)
		case !slices.ContainsFunc(c.nodes, func(n string) bool { return wild(fold(t.Text), fold(n)) }):
			c.add(t.At, "no node matches %q; %s", t.Text, didYouMean(t.Text, c.nodes))
		}
	}
}

// where counts the devices that a selector can match, and complains when there is none, unless that may be what is
// expected.
func (c *checker) where(w *where, noneIsFine bool) int {
	if w.src == nil {
		return c.count()
	}
	for _, t := range w.src.Node {
		c.node(t)
	}
	n := 0
	for d := range c.devices {
		if w.configured(d) {
			n++
		}
	}
	if n > 0 || noneIsFine {
		return n
	}
	// Say which key it is, when one alone matches nothing.
	if c.groups == nil {
		for d := range c.devices {
			if len(c.groups) == 0 || c.groups[len(c.groups)-1] != d.Group {
				c.groups = append(c.groups, d.Group)
			}
		}
		c.groups = unique(c.groups)
	}
	alone := func(only where) bool {
		for d := range c.devices {
			if only.configured(d) {
				return false
			}
		}
		return true
	}
	src := w.src
	for _, k := range []struct {
		key   string
		ts    Texts
		only  where
		names []string
	}{
		{"group", src.Group, where{groups: w.groups}, c.groups},
		{"name", src.Name, where{names: w.names}, nil},
		{"class", src.Class, where{classes: w.classes}, nil},
		{"model", src.Model, where{models: w.models}, nil},
		{"protocol", src.Protocol, where{protocols: w.protocols}, nil},
		{"number", src.Number, where{numbers: w.numbers}, nil},
		{"description", src.Description, where{descriptions: w.descriptions}, nil},
	} {
		if len(k.ts) == 0 || !alone(k.only) {
			continue
		}
		hint := ""
		if k.names != nil {
			hint = "; " + didYouMean(k.ts[0].Text, k.names)
		}
		c.add(k.ts[0].At, "none of the %s devices has the %s %q%s", grouped(float64(c.count())), k.key, k.ts[0].Text, hint)
		return 0
	}
	c.add(src.At, "none of the %s devices matches all of this", grouped(float64(c.count())))
	return 0
}

// unique drops empty texts and repetitions.
func unique(texts []string) []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, t := range texts {
		if !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

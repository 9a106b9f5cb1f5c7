package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

// What an author has changed about a cluster, and what that comes to in one that has lived on since. Compared are the
// clusters as they are written, so that what clients and the timeline have done does not count; and of a device only
// what was edited is changed in whatever has become of it.

// clusterDifference is what one cluster has otherwise than another. The zero value is nothing.
type clusterDifference struct {
	restart []nodeProblem
	states  []stateEdit
	gone    []*cluster.Device
	fresh   []*deviceAsWritten
	edited  []deviceEdit

	goneApps, freshApps []*cluster.Application
	editedApps          []appEdit
}

// nodeProblem is a difference between nodes that only a restart can make.
type nodeProblem struct {
	node cluster.NodeName
	text string
}

type stateEdit struct {
	was cluster.NodeState
	is  cluster.SetNodeState
}

// deviceAsWritten is a device with the records that it begins with.
type deviceAsWritten struct {
	*cluster.Device
	records []*cluster.Registration
}

// record is the device's record on a node; nil when it begins without.
func (d *deviceAsWritten) record(node cluster.NodeName) *cluster.Record {
	for _, r := range d.records {
		if strings.EqualFold(string(r.Node), string(node)) {
			return &r.Record
		}
	}
	return nil
}

type deviceEdit struct{ was, is *deviceAsWritten }

type appEdit struct{ was, is *cluster.Application }

func compareClusters(was, is *made) *clusterDifference {
	d := &clusterDifference{}
	d.nodes(was, is)
	old, oldOrder := was.devices()
	now, order := is.devices()
	for _, key := range order {
		switch o, n := old[key], now[key]; {
		case o == nil:
			d.fresh = append(d.fresh, n)
		case !sameDevice(o, n):
			d.edited = append(d.edited, deviceEdit{o, n})
		}
	}
	for _, key := range oldOrder {
		if now[key] == nil {
			d.gone = append(d.gone, old[key].Device)
		}
	}
	d.applications(was, is)
	return d
}

// devices finds devices by name, ignoring case, and lists the names in configured order.
func (m *made) devices() (map[string]*deviceAsWritten, []string) {
	c := &m.config
	byName, order := make(map[string]*deviceAsWritten, len(c.Devices)), make([]string, 0, len(c.Devices))
	add := func(d *cluster.Device) *deviceAsWritten {
		key := strings.ToUpper(string(d.Name))
		byName[key] = &deviceAsWritten{Device: d}
		order = append(order, key)
		return byName[key]
	}
	for i := range c.Devices {
		add(&c.Devices[i])
	}
	for i := range c.Registrations {
		r := &c.Registrations[i]
		if d := byName[strings.ToUpper(string(r.Device))]; d != nil {
			d.records = append(d.records, r)
		}
	}
	if c.Population == nil {
		return byName, order
	}
	for i := range c.Population.Parts() {
		c.Population.Part(i, func(d *cluster.Device, records []cluster.Registration) {
			kept := *d // which is filled again
			kept.Lines, kept.Homes = slices.Clone(d.Lines), slices.Clone(d.Homes)
			if d.H323 != nil {
				trunk := *d.H323
				kept.H323 = &trunk
			}
			written := add(&kept)
			for _, r := range records {
				r.Device, r.Lines = d.Name, slices.Clone(r.Lines)
				written.records = append(written.records, &r)
			}
		})
	}
	return byName, order
}

// nodes compares what the nodes are and, where it is that only, how they stand.
func (d *clusterDifference) nodes(was, is *made) {
	find := func(m *made, name cluster.NodeName) int {
		return slices.IndexFunc(m.config.Nodes, func(n cluster.Node) bool { return n.Name == name })
	}
	wrong := func(n cluster.Node, format string, args ...any) {
		d.restart = append(d.restart, nodeProblem{n.Name, fmt.Sprintf(format, args...)})
	}
	state := func(m *made, name cluster.NodeName) cluster.NodeState {
		for _, s := range m.states {
			if strings.EqualFold(string(s.Node), string(name)) {
				return s.State
			}
		}
		return cluster.Up
	}
	before := -1
	for _, n := range is.config.Nodes {
		i := find(was, n.Name)
		if i < 0 {
			wrong(n, "node %q is new", n.Name)
			continue
		}
		switch o := was.config.Nodes[i]; {
		case o.Publisher != n.Publisher:
			wrong(n, "node %q has another role", n.Name)
		case o.Address != n.Address || o.Address6 != n.Address6:
			wrong(n, "node %q has another address", n.Name)
		case i < before:
			wrong(n, "node %q stands in another place", n.Name)
		}
		before = max(before, i)
		if o, s := state(was, n.Name), state(is, n.Name); o != s {
			d.states = append(d.states, stateEdit{o, cluster.SetNodeState{Node: n.Name, State: s}})
		}
	}
	for _, n := range was.config.Nodes {
		if find(is, n.Name) < 0 {
			wrong(n, "node %q is gone", n.Name)
		}
	}
}

// needsRestart tells of nodes, each where the section says it.
func (d *clusterDifference) needsRestart(home *scenarios.Program, spec *scenarios.ClusterSpec) error {
	var problems scenarios.Problems
	for _, p := range d.restart {
		at := scenarios.Pos{}
		if spec != nil {
			at = spec.At
			for _, n := range spec.Nodes {
				if n.Name.Text == string(p.node) {
					at = n.Name.At
				}
			}
		}
		problems = append(problems, home.Problem(at, "%s: nodes change with a restart only", p.text))
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// carry brings an edit of one value over, and says whether there is one.
func carry[T comparable](to *T, was, is T) bool {
	if was != is {
		*to = is
	}
	return was != is
}

func carryList[T comparable](to *[]T, was, is []T) bool {
	same := slices.Equal(was, is)
	if !same {
		*to = is
	}
	return !same
}

// carryDevice brings what was edited of a device over to another one, and says in words what that is.
func carryDevice(to, was, is *cluster.Device) []string {
	var said []string
	edit := func(what string, edited ...bool) {
		if slices.Contains(edited, true) {
			said = append(said, what)
		}
	}
	edit("name", carry(&to.Name, was.Name, is.Name))
	edit("group", carry(&to.Group, was.Group, is.Group))
	edit("model", carry(&to.Model, was.Model, is.Model))
	edit("class", carry(&to.Class, was.Class, is.Class))
	edit("protocol", carry(&to.Protocol, was.Protocol, is.Protocol))
	trunk := (was.H323 == nil) != (is.H323 == nil) || was.H323 != nil && *was.H323 != *is.H323
	if trunk {
		to.H323 = is.H323
	}
	edit("properties", carry(&to.Httpd, was.Httpd, is.Httpd), carry(&to.Attribute, was.Attribute, is.Attribute),
		carry(&to.IsCtiControllable, was.IsCtiControllable, is.IsCtiControllable), carry(&to.Product, was.Product, is.Product),
		carry(&to.BoxProduct, was.BoxProduct, is.BoxProduct), carry(&to.PerfMonObject, was.PerfMonObject, is.PerfMonObject),
		carry(&to.DChannel, was.DChannel, is.DChannel), trunk)
	edit("description", carry(&to.Description, was.Description, is.Description))
	edit("lines", carryList(&to.Lines, was.Lines, is.Lines))
	edit("homes", carryList(&to.Homes, was.Homes, is.Homes))
	return said
}

// carryRecord brings what was edited of a record over to another one, but for its status and its lines, and says in words what that is.
func carryRecord(to, was, is *cluster.Record) []string {
	var said []string
	edit := func(what string, edited ...bool) {
		if slices.Contains(edited, true) {
			said = append(said, what)
		}
	}
	edit("addresses", carry(&to.IPv4, was.IPv4, is.IPv4), carry(&to.IPv6, was.IPv6, is.IPv6))
	edit("load", carry(&to.ActiveLoad, was.ActiveLoad, is.ActiveLoad), carry(&to.InactiveLoad, was.InactiveLoad, is.InactiveLoad))
	edit("download", carry(&to.Download, was.Download, is.Download), carry(&to.DownloadServer, was.DownloadServer, is.DownloadServer),
		carry(&to.DownloadFailure, was.DownloadFailure, is.DownloadFailure))
	edit("user", carry(&to.LoginUser, was.LoginUser, is.LoginUser))
	edit("attempts", carry(&to.Attempts, was.Attempts, is.Attempts))
	return said
}

func sameStatus(was, is *cluster.Record) bool {
	return was.Status == is.Status && was.Reason == is.Reason
}

// edits says in words what is edited; none: nothing. Time stamps do not count, for nobody writes them.
func (e *deviceEdit) edits() []string {
	said := carryDevice(new(cluster.Device), e.was.Device, e.is.Device)
	add := func(what ...string) {
		for _, w := range what {
			if !slices.Contains(said, w) {
				said = append(said, w)
			}
		}
	}
	for _, r := range e.was.records {
		is := e.is.record(r.Node)
		if is == nil {
			if !slices.Contains(said, "homes") {
				add("node")
			}
			continue
		}
		add(carryRecord(new(cluster.Record), &r.Record, is)...)
		if !sameStatus(&r.Record, is) {
			add("status")
		} else if !slices.Equal(r.Lines, is.Lines) {
			add("lines")
		}
	}
	for _, r := range e.is.records {
		if e.was.record(r.Node) == nil && !slices.Contains(said, "homes") {
			add("node")
		}
	}
	return said
}

func sameDevice(was, is *deviceAsWritten) bool {
	e := deviceEdit{was, is}
	return len(e.edits()) == 0
}

// changes is what the difference comes to in a cluster that lives. What is gone from it already, and what there is already, is left
// out.
func (d *clusterDifference) changes(live *cluster.Snapshot) []cluster.Change {
	var out []cluster.Change
	up := map[cluster.NodeName]bool{}
	for _, n := range live.Nodes() {
		up[n.Name] = n.State == cluster.Up
	}
	for _, s := range d.states {
		out = append(out, s.is)
		up[s.is.Node] = s.is.State == cluster.Up
	}
	var gone cluster.RemoveDevices
	for _, dev := range d.gone {
		if _, there := live.Device(dev.Name); there {
			gone.Names = append(gone.Names, dev.Name)
		}
	}
	if len(gone.Names) > 0 {
		out = append(out, gone)
	}
	var fresh cluster.AddDevices
	for _, dev := range d.fresh {
		if have, there := live.Device(dev.Name); there { // by the timeline, or by hand
			if len(carryDevice(new(cluster.Device), have, dev.Device)) > 0 {
				out = append(out, cluster.Configure{Device: *dev.Device})
			}
			continue
		}
		fresh.Devices = append(fresh.Devices, *dev.Device)
		for _, r := range dev.records {
			now := *r
			now.TimeStamp = 0
			fresh.Registrations = append(fresh.Registrations, now)
		}
	}
	if len(fresh.Devices) > 0 {
		out = append(out, fresh)
	}
	for i := range d.edited {
		out = append(out, d.edited[i].changes(live, up)...)
	}
	return append(out, d.appChanges(live)...)
}

// changes is what an edit of a device comes to.
func (e *deviceEdit) changes(live *cluster.Snapshot, up map[cluster.NodeName]bool) []cluster.Change {
	have, there := live.Device(e.was.Name)
	if !there {
		return nil
	}
	var out []cluster.Change
	dev := *have
	carryDevice(&dev, e.was.Device, e.is.Device)
	if len(carryDevice(new(cluster.Device), have, &dev)) > 0 {
		out = append(out, cluster.Configure{Device: dev})
	}
	records := map[cluster.NodeName]*cluster.Record{}
	for _, r := range live.Records(e.was.Name) {
		records[r.Node] = r.Record
	}
	latest := scenarios.Latest(live, e.was.Name)
	put := func(node cluster.NodeName, r cluster.Record) {
		out = append(out, cluster.SetRecord{Registration: cluster.Registration{Device: e.was.Name, Node: node, Record: r}})
	}
	var left, joined []*cluster.Registration
	for _, was := range e.was.records {
		is := e.is.record(was.Node)
		if is == nil {
			left = append(left, was)
			continue
		}
		if have := records[was.Node]; have != nil {
			r := *have
			edited := len(carryRecord(&r, &was.Record, is)) > 0
			if !sameStatus(&was.Record, is) {
				// Of a device that is elsewhere meanwhile the old record stays what it is.
				edited = was.Node == latest.Node && stand(&r, is) || edited
			} else if !slices.Equal(was.Lines, is.Lines) && r.LoginUser == "" {
				if edited = true; slices.Equal(r.Lines, was.Lines) {
					r.Lines = is.Lines
				} else {
					relined(&r, is.Lines)
				}
			}
			if edited {
				r.TimeStamp = min(r.TimeStamp, live.Now) // which a move within one second takes ahead of it
				put(was.Node, r)
			}
		}
	}
	for _, is := range e.is.records {
		if e.was.record(is.Node) == nil {
			joined = append(joined, is)
		}
	}
	if len(left) == 0 && len(joined) == 0 || latest.Record != nil && !slices.ContainsFunc(e.was.records, func(r *cluster.Registration) bool { return r.Node == latest.Node }) {
		return out // the device is elsewhere meanwhile
	}
	if len(left) == 1 && len(joined) == 1 && connected(&joined[0].Record) {
		// The device has another home: it goes there, if it still is as it was where it began (simulator's choice).
		from, to := left[0], joined[0]
		if latest.Node != from.Node || !connected(latest.Record) && connected(&from.Record) || !up[to.Node] {
			return out
		}
		if to.Status == cluster.Registered {
			if r := *latest.Record; len(carryRecord(&r, &from.Record, &to.Record)) > 0 {
				r.TimeStamp = min(r.TimeStamp, live.Now)
				put(from.Node, r)
			}
			return append(out, cluster.Failover{Device: e.was.Name, To: to.Node, Reason: cluster.CallManagerApplyConfig})
		}
	}
	for _, r := range left {
		if records[r.Node] != nil {
			out = append(out, cluster.DropRecord{Device: e.was.Name, Node: r.Node})
		}
	}
	for _, r := range joined {
		now := r.Record
		now.TimeStamp = 0
		put(r.Node, now)
	}
	return out
}

func connected(r *cluster.Record) bool {
	return r != nil && (r.Status == cluster.Registered || r.Status == cluster.PartiallyRegistered)
}

// stand gives a record another status, from now on, with lines that agree. It fails for a user's lines that are to be
// registered in part, for nobody says which.
func stand(r *cluster.Record, is *cluster.Record) bool {
	lines := slices.Clone(is.Lines)
	if r.LoginUser != "" {
		if is.Status == cluster.PartiallyRegistered {
			return false
		}
		lines = slices.Clone(r.Lines)
		for i := range lines {
			lines[i].Status = lineStatus(is.Status)
		}
	}
	r.Status, r.Reason, r.Lines, r.TimeStamp = is.Status, is.Reason, lines, 0
	return true
}

func lineStatus(s cluster.Status) cluster.Status {
	switch s {
	case cluster.Registered, cluster.PartiallyRegistered:
		return cluster.Registered
	case cluster.Rejected:
		return cluster.Rejected
	}
	return cluster.UnRegistered
}

// relined gives a record other lines: those that it has had stand as they did, the others as the device does.
func relined(r *cluster.Record, lines []cluster.Line) {
	old := r.Lines
	r.Lines = make([]cluster.Line, len(lines))
	up, down := 0, 0
	for i, l := range lines {
		l.Status = lineStatus(r.Status)
		if k := slices.IndexFunc(old, func(o cluster.Line) bool { return o.Number == l.Number }); k >= 0 {
			l.Status = old[k].Status
		}
		if r.Lines[i] = l; l.Status == cluster.Registered {
			up++
		} else {
			down++
		}
	}
	if r.Status == cluster.PartiallyRegistered && down == 0 {
		r.Status, r.Reason = cluster.Registered, cluster.NoReason
	} else if r.Status == cluster.PartiallyRegistered && up == 0 {
		r.Lines[0].Status = cluster.Registered // which is one of at least one that are down
		if down == 1 {
			r.Status, r.Reason = cluster.Registered, cluster.NoReason
		}
	}
}

func (d *clusterDifference) applications(was, is *made) {
	find := func(m *made, a *cluster.Application) *cluster.Application {
		for i := range m.config.Applications {
			if b := &m.config.Applications[i]; b.Node == a.Node && b.ID() == a.ID() {
				return b
			}
		}
		return nil
	}
	for i := range is.config.Applications {
		a := &is.config.Applications[i]
		switch old := find(was, a); {
		case old == nil:
			d.freshApps = append(d.freshApps, a)
		case len((&appEdit{old, a}).carry(new(cluster.Application))) > 0:
			d.editedApps = append(d.editedApps, appEdit{old, a})
		}
	}
	for i := range was.config.Applications {
		if a := &was.config.Applications[i]; find(is, a) == nil {
			d.goneApps = append(d.goneApps, a)
		}
	}
}

// carry brings what was edited of an application over to another one, and says in words what that is.
func (e *appEdit) carry(to *cluster.Application) []string {
	var said []string
	if carry(&to.User, e.was.User, e.is.User) {
		said = append(said, "another user")
	}
	if carry(&to.Address6, e.was.Address6, e.is.Address6) {
		said = append(said, "another address")
	}
	if e.was.Status != e.is.Status || e.was.Reason != e.is.Reason {
		to.Status, to.Reason, to.TimeStamp = e.is.Status, e.is.Reason, 0
		said = append(said, "status "+e.is.Status.String())
	}
	old, now := opened(e.was), opened(e.is)
	to.Devices = slices.Clone(to.Devices)
	more, less, other := 0, 0, 0
	for i := range e.is.Devices {
		d := &e.is.Devices[i]
		was := old[d.Name]
		switch {
		case was == nil:
			more++
		case sameOpened(was, d):
			continue
		default:
			other++
		}
		fresh := *d
		fresh.TimeStamp = 0
		fresh.Lines = slices.Clone(d.Lines)
		for k := range fresh.Lines {
			fresh.Lines[k].TimeStamp = 0
		}
		if k := slices.IndexFunc(to.Devices, func(o cluster.CtiDevice) bool { return o.Name == d.Name }); k >= 0 {
			to.Devices[k] = fresh
		} else {
			to.Devices = append(to.Devices, fresh)
		}
	}
	for name := range old {
		if now[name] == nil {
			less++
		}
	}
	to.Devices = slices.DeleteFunc(to.Devices, func(d cluster.CtiDevice) bool { return old[d.Name] != nil && now[d.Name] == nil })
	for _, n := range []struct {
		count int
		what  string
	}{{more, "more"}, {less, "less"}, {other, "otherwise"}} {
		if n.count > 0 {
			said = append(said, countOf(n.count, "device")+" "+n.what)
		}
	}
	return said
}

func opened(a *cluster.Application) map[cluster.DeviceName]*cluster.CtiDevice {
	out := make(map[cluster.DeviceName]*cluster.CtiDevice, len(a.Devices))
	for i := range a.Devices {
		out[a.Devices[i].Name] = &a.Devices[i]
	}
	return out
}

func sameOpened(a, b *cluster.CtiDevice) bool {
	return a.ControlsMedia == b.ControlsMedia && a.Status == b.Status && a.Reason == b.Reason &&
		slices.EqualFunc(a.Lines, b.Lines, func(a, b cluster.CtiLine) bool {
			return a.Number == b.Number && a.Status == b.Status && a.Reason == b.Reason
		})
}

func (d *clusterDifference) appChanges(live *cluster.Snapshot) []cluster.Change {
	find := func(a *cluster.Application) *cluster.Application {
		for _, b := range live.Applications() {
			if b.Node == a.Node && b.ID() == a.ID() {
				return b
			}
		}
		return nil
	}
	var out []cluster.Change
	for _, a := range d.goneApps {
		if find(a) != nil {
			out = append(out, cluster.DropApplication{Node: a.Node, ID: a.ID()})
		}
	}
	for _, a := range d.freshApps {
		if find(a) == nil {
			whole := *a
			whole.Devices = nil
			whole.TimeStamp = 0
			(&appEdit{&cluster.Application{Status: a.Status, Reason: a.Reason}, a}).carry(&whole)
			out = append(out, cluster.SetApplication{Application: whole})
		}
	}
	for i := range d.editedApps {
		e := &d.editedApps[i]
		if have := find(e.is); have != nil {
			edited := *have
			e.carry(&edited)
			out = append(out, cluster.SetApplication{Application: edited})
		}
	}
	return out
}

// tell is the difference in words, as far as it comes to something in a cluster that lives.
func (d *clusterDifference) tell(live *cluster.Snapshot) []scenarios.Difference {
	var out []scenarios.Difference
	add := func(op, format string, args ...any) {
		out = append(out, scenarios.Difference{Op: op, Section: "cluster", Text: fmt.Sprintf(format, args...)})
	}
	for _, s := range d.states {
		add("~", "node %s: %s -> %s", s.is.Node, s.was, s.is.State)
	}
	there := func(name cluster.DeviceName) bool { _, ok := live.Device(name); return ok }
	var groups tallies
	for _, dev := range d.fresh {
		groups.of(dev.Group, "+", "").count(!there(dev.Name))
	}
	for i := range d.edited {
		e := &d.edited[i]
		groups.of(e.is.Group, "~", strings.Join(e.edits(), ", ")).count(there(e.is.Name))
	}
	for _, dev := range d.gone {
		groups.of(dev.Group, "-", "").count(there(dev.Name))
	}
	for _, t := range groups {
		text := countOf(t.n, "device")
		switch {
		case t.op == "~" && t.group == "":
			text += changed(t.n) + t.what
		case t.op == "~":
			text = "group " + t.group + ": " + text + changed(t.n) + t.what
		case t.group != "":
			text += " in group " + t.group
		}
		if t.late > 0 {
			text += fmt.Sprintf(", %d of them %s already", t.late, map[string]string{"+": "there", "~": "gone", "-": "gone"}[t.op])
		}
		add(t.op, "%s", text)
	}
	for _, a := range d.freshApps {
		add("+", "application %s on node %s", a.ID(), a.Node)
	}
	for i := range d.editedApps {
		e := &d.editedApps[i]
		add("~", "application %s on node %s: %s", e.is.ID(), e.is.Node, strings.Join(e.carry(new(cluster.Application)), ", "))
	}
	for _, a := range d.goneApps {
		add("-", "application %s on node %s", a.ID(), a.Node)
	}
	return out
}

func changed(n int) string {
	if n == 1 {
		return " changes "
	}
	return " change "
}

func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// tally counts the devices of a group of which one thing is told.
type tally struct {
	op, group, what string
	n, late         int
}

type tallies []*tally

func (ts *tallies) of(group, op, what string) *tally {
	for _, t := range *ts {
		if t.group == group && t.op == op && t.what == what {
			return t
		}
	}
	t := &tally{op: op, group: group, what: what}
	*ts = append(*ts, t)
	return t
}

// count counts a device; one to which there is nothing to do any more is late.
func (t *tally) count(inTime bool) {
	if t.n++; !inTime {
		t.late++
	}
}

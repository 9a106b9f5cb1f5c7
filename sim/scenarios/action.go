package scenarios

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// act is an action made ready. What it does is in exactly one of: whole, phases, knobs, user, noUser, impair, lift, log and check.
type act struct {
	verb   string
	detail string // for journal and timeline

	whole  func(devices []cluster.DeviceName) []cluster.Change // of nodes, applications, devices.add; see cti for devices
	cti    bool                                                // whole wants the devices picked
	needs  []Text                                              // nodes that it names
	app    Text                                                // application that must be known
	adds   *cluster.AddDevices
	knobs  []Setting
	user   *User
	noUser string // name of the user who goes
	impair *Impairment
	lift   string
	log    string
	check  *expectation

	// On devices: which, which of these it can be done to, and what happens to each, with waits between.
	devices bool
	where   *where
	share   float64 // 1: all
	count   int     // 0: all
	able    func(m *moment) bool
	phases  []phase
	every   time.Duration // churn: mean time between two
}

// moment is a device at the time when something happens to it.
type moment struct {
	snapshot *cluster.Snapshot
	device   *cluster.Device
	latest   cluster.NodeRecord       // Record is nil when no node knows the device
	draw     func(use string) float64 // of this step, device and occurrence
	bits     func(use string) uint64  //
}

// phase is one thing that happens to a device: the changes, and how long until the next phase; below 0, no more happens.
type phase func(m *moment) (changes []cluster.Change, next time.Duration)

func once(f func(m *moment) cluster.Change) []phase {
	return []phase{func(m *moment) ([]cluster.Change, time.Duration) { return []cluster.Change{f(m)}, -1 }}
}

func (m *moment) connected() bool {
	return m.latest.Record != nil && (m.latest.Record.Status == cluster.Registered || m.latest.Record.Status == cluster.PartiallyRegistered)
}

func anyDevice(*moment) bool { return true }

func known(m *moment) bool { return m.latest.Record != nil }

func (c *compiler) timeline(i int, st *Step) {
	s := c.name(st.ID, "timeline", i, st.Mark, st)
	s.do = &act{}
	if st.Do == nil {
		if !st.broken {
			c.add(st.At, "%s does nothing: it has no do", s.id)
		}
	} else {
		c.action(s, st.Do)
	}
	verb := s.do.verb
	lasting := verb == "impair" || verb == "churn"
	c.trigger(s, &st.Trigger, lasting || verb == "", s.do.devices && verb != "churn" || verb == "", false)
	if verb == "churn" && s.when.until < 0 && s.when.lasts == 0 && !s.mark.broken {
		c.add(s.mark.At, "%s goes on for ever: churn needs for or until", s.id)
	}
	if verb == "impair" && s.when.kind == everyTime && s.when.lasts == 0 {
		c.add(s.mark.At, "%s impairs again and again without an end: every needs for", s.id)
	}
}

// action compiles the one action of a step.
func (c *compiler) action(s *step, a *Action) {
	given := keysGiven(a)
	switch {
	case len(given) > 1:
		c.add(a.At, "%s does %s; one step has one action", s.id, strings.Join(given, " and "))
		return
	case len(given) == 0:
		if !a.broken {
			c.add(a.At, "%s does nothing: do is empty", s.id)
		}
		return
	}
	do := s.do
	do.verb = given[0]
	written, _ := field(reflect.ValueOf(a).Elem(), do.verb)
	switch x := written.Interface().(type) {
	case *NodeAction:
		c.nodeAction(do, x)
	case *DevicesAction:
		c.devicesAction(s, do, x)
	case *CtiAction:
		c.ctiAction(do, x)
	case *DeviceGroup:
		c.devicesAdd(do, x)
	case *Pairs:
		var said []string
		for _, p := range *x {
			k := c.knob(p)
			do.knobs = append(do.knobs, k)
			said = append(said, k.String())
		}
		if len(do.knobs) == 0 && !a.broken {
			c.add(a.At, "service.set sets nothing")
		}
		do.detail = strings.Join(said, ", ")
	case *User:
		c.userSet(do, x)
	case *UserAction:
		if c.need(&x.Mark, x.Name, do.verb, "name") {
			c.userNames = append(c.userNames, x.Name)
		}
		do.noUser, do.detail = x.Name.Text, x.Name.Text
	case *Impair:
		var counted *requests
		if x.Requests != nil {
			counted = c.requests(x.Requests)
		}
		do.impair = c.ails(s, &x.Ails, x.Requests, counted)
		do.impair.Written = flow(x, keysOf(reflect.TypeOf(*x))...)
		do.detail = x.Ails.summary()
	case *Lift:
		if c.need(&x.Mark, x.ID, "lift", "id") {
			c.lifts = append(c.lifts, x.ID)
		}
		do.lift, do.detail = x.ID.Text, x.ID.Text
	case *LogAction:
		c.need(&x.Mark, x.Text, "log", "text")
		do.log, do.detail = x.Text.Text, x.Text.Text
	case *Check:
		do.check = c.clauses(&x.Mark, "check", &x.Clauses)
		do.detail = do.check.String()
	}
}

// userSet compiles user.set. Details name what it sets, and never a password.
func (c *compiler) userSet(do *act, u *User) {
	c.user(u, do.verb)
	said := keysGiven(u)
	if len(said) == 1 && u.Name.Given() && !u.broken {
		c.add(u.At, "user.set sets nothing: neither password nor roles")
	}
	if !u.Password.Given() {
		c.userNames = append(c.userNames, u.Name)
	}
	do.user, do.detail = u, fmt.Sprintf("%s: %s", u.Name, strings.Join(said[min(1, len(said)):], ", "))
}

func (c *compiler) nodeAction(do *act, x *NodeAction) {
	if !c.need(&x.Mark, x.Node, do.verb, "node") {
		return
	}
	node := cluster.NodeName(x.Node.Text)
	var change cluster.Change
	switch do.verb {
	case "node.stop":
		change = cluster.SetNodeState{Node: node, State: cluster.Down}
	case "node.start":
		change = cluster.SetNodeState{Node: node}
	case "node.isolate":
		change = cluster.SetNodeState{Node: node, State: cluster.Isolated}
	case "node.breakRis":
		change = cluster.SetNodeState{Node: node, State: cluster.Broken}
	default:
		change = cluster.RestartRIS{Node: node}
	}
	do.needs, do.detail = []Text{x.Node}, x.Node.Text
	do.whole = func([]cluster.DeviceName) []cluster.Change { return []cluster.Change{change} }
}

// takes is which keys an action on devices or on applications has; nil for any other.
func takes(verb string) []string {
	own := map[string][]string{
		"devices.register": {"node"}, "devices.unregister": {"reason"}, "devices.reject": {"node", "reason"},
		"devices.partiallyRegister": {"node", "without"}, "devices.failover": {"from", "to", "reason"}, "devices.fallback": {"reason"},
		"devices.bounce": {"reason", "away"}, "devices.readdress": {"to"}, "devices.login": {"user", "lines"}, "devices.logout": {},
		"devices.set": {"description", "lines", "homes", "load"}, "devices.remove": {}, "churn": {"rate", "away", "reason"},
		"firmware.upgrade": {"load", "server", "takes", "away", "outcome", "failure"},
		"cti.openDevices":  {"application", "node"}, "cti.closeDevices": {"application", "node", "reason"},
	}[verb]
	if own != nil {
		return append([]string{"where", "share", "count"}, own...)
	}
	return map[string][]string{
		"cti.open": {"application", "node", "user", "address", "instance"}, "cti.close": {"application", "node", "reason"}, "cti.fail": {"application", "node", "reason"},
	}[verb]
}

// needs is which of these keys it cannot do without.
func needs(verb string) []string {
	return map[string][]string{
		"devices.readdress": {"to"}, "devices.login": {"user"}, "churn": {"rate"}, "firmware.upgrade": {"load"},
		"cti.open": {"application"}, "cti.close": {"application"}, "cti.fail": {"application"}, "cti.openDevices": {"application"},
		"cti.closeDevices": {"application"},
	}[verb]
}

// onlyTakes complains of keys that an action has not, and of those that it lacks.
func (c *compiler) onlyTakes(do *act, m *Mark, written any) {
	for _, key := range needs(do.verb) {
		f, ok := field(reflect.ValueOf(written).Elem(), key)
		if !ok {
			f, _ = field(reflect.ValueOf(written).Elem(), ",scalar")
		}
		c.need(m, f.Interface().(Text), do.verb, key)
	}
	allowed := takes(do.verb)
	for _, key := range append(keysGiven(written), scalarGiven(written)...) {
		if !slices.Contains(allowed, key) {
			f, _ := field(reflect.ValueOf(written).Elem(), key)
			place := m.At
			switch x := f.Interface().(type) {
			case Text:
				place = x.At
			case Texts:
				place = x[0].At
			}
			c.add(place, "%s has no %s; it takes %s", do.verb, key, list(allowed))
		}
	}
}

func scalarGiven(written any) []string {
	if a, ok := written.(*CtiAction); ok && a.Application.Given() {
		return []string{"application"}
	}
	return nil
}

func (c *compiler) pick(do *act, p *Pick) {
	do.where = c.where(p.Where)
	do.share = c.percent(p.Share)
	do.count = c.whole(p.Count, "count", 1, 1<<31, 0)
	if p.Share.Given() && p.Count.Given() {
		c.add(p.Count.At, "share and count are both given; expected one of them")
	}
}

// picks is which devices an action is about, in words.
func picks(do *act, p *Pick) []string {
	var said []string
	if do.where.src != nil {
		said = append(said, "where "+do.where.String())
	}
	if p.Share.Given() {
		said = append(said, "share "+p.Share.Text)
	}
	if p.Count.Given() {
		said = append(said, "count "+p.Count.Text)
	}
	return said
}

func (c *compiler) reason(t Text) cluster.Reason {
	if !t.Given() {
		return cluster.NoReason
	}
	r, err := cluster.ParseReason(t.Text)
	if err != nil {
		var names []string
		for r := cluster.ReasonUnknown; r <= cluster.AddressingModeMismatch; r++ {
			names = append(names, r.String())
		}
		if near := cluster.Near(t.Text, names); near != "" {
			err = fmt.Errorf("unknown reason %q; did you mean %q?", t.Text, near)
		}
		c.add(t.At, "%v", err)
	}
	return r
}

// reasonFits complains of a cause that answers cannot have after an action: there is one table of reasons for Rejected, and
// another for the rest (rule R8). A plain number always fits.
func (c *compiler) reasonFits(t Text, r cluster.Reason, verb string) {
	number := func(s cluster.Status) uint32 {
		return max(cluster.DocumentedReasons.Number(s, r), cluster.FieldReasons.Number(s, r)) // 1 where a table has it not
	}
	gone, rejected := number(cluster.UnRegistered), number(cluster.Rejected)
	switch {
	case verb == "devices.reject" && rejected == 1 && gone > 1:
		c.add(t.At, "reason %s is of devices that are UnRegistered; one that is Rejected cannot have it", r)
	case verb != "devices.reject" && gone == 1 && rejected > 1:
		c.add(t.At, "reason %s is of devices that are Rejected (devices.reject); one that is UnRegistered cannot have it", r)
	}
}

// fill puts a device's name and first number into a text.
func fill(text string, d *cluster.Device) string {
	number := ""
	if len(d.Lines) > 0 {
		number = d.Lines[0]
	}
	return strings.NewReplacer("{device}", string(d.Name), "{name}", string(d.Name), "{number}", number).Replace(text)
}

func (c *compiler) devicesAction(s *step, do *act, x *DevicesAction) {
	do.devices = true
	c.onlyTakes(do, &x.Mark, x)
	c.pick(do, &x.Pick)
	picked := picks(do, &x.Pick)
	said := slices.Clone(picked)
	note := func(key string, t Text) {
		if t.Given() {
			said = append(said, key+" "+t.Text)
		}
	}
	node := func(t Text) cluster.NodeName {
		if t.Given() {
			do.needs = append(do.needs, t)
		}
		return cluster.NodeName(t.Text)
	}
	reason := c.reason(x.Reason)
	c.reasonFits(x.Reason, reason, do.verb)
	note("reason", x.Reason)
	away := c.spread(x.Away)
	if away == nil {
		away = fixed(40 * time.Second)
	}
	comeBack := func(m *moment) ([]cluster.Change, time.Duration) {
		return []cluster.Change{cluster.Register{Device: m.device.Name}}, -1
	}
	do.able = (*moment).connected
	switch do.verb {
	case "devices.register":
		to := node(x.Node)
		note("node", x.Node)
		do.able = func(m *moment) bool {
			return !m.connected() || m.latest.Record.Status != cluster.Registered || to != "" && fold(string(m.latest.Node)) != fold(string(to))
		}
		do.phases = once(func(m *moment) cluster.Change { return cluster.Register{Device: m.device.Name, Node: to} })
	case "devices.unregister":
		do.phases = once(func(m *moment) cluster.Change { return cluster.Unregister{Device: m.device.Name, Reason: reason} })
	case "devices.reject":
		to := node(x.Node)
		note("node", x.Node)
		do.able = anyDevice
		do.phases = once(func(m *moment) cluster.Change {
			return cluster.Reject{Device: m.device.Name, Node: to, Reason: reason}
		})
	case "devices.partiallyRegister":
		to, down := node(x.Node), plain(x.Without)
		note("node", x.Node)
		do.able = func(m *moment) bool { return len(m.device.Lines) > 1 }
		do.phases = once(func(m *moment) cluster.Change {
			return cluster.PartiallyRegister{Device: m.device.Name, Node: to, Down: down}
		})
	case "devices.failover":
		from, to := node(x.From), node(x.To)
		note("from", x.From)
		note("to", x.To)
		do.able = func(m *moment) bool {
			return m.connected() && (from == "" || fold(string(m.latest.Node)) == fold(string(from))) && (to == "" || fold(string(m.latest.Node)) != fold(string(to)))
		}
		do.phases = once(func(m *moment) cluster.Change {
			return cluster.Failover{Device: m.device.Name, To: to, Reason: reason}
		})
	case "devices.fallback":
		do.able = func(m *moment) bool {
			return m.latest.Record != nil && len(m.device.Homes) > 0 && (!m.connected() || fold(string(m.latest.Node)) != fold(string(m.device.Homes[0])))
		}
		do.phases = once(func(m *moment) cluster.Change { return cluster.Fallback{Device: m.device.Name, Reason: reason} })
	case "devices.bounce", "churn":
		do.phases = []phase{func(m *moment) ([]cluster.Change, time.Duration) {
			return []cluster.Change{cluster.Unregister{Device: m.device.Name, Reason: reason}}, away.at(m.draw("away"))
		}, comeBack}
		if do.verb == "churn" {
			note("rate", x.Rate)
			if x.Rate.Text != "" {
				every, err := parseRate(x.Rate.Text)
				if err != nil {
					c.add(x.Rate.At, "%v", err)
				}
				do.every = every
			}
		}
	case "devices.readdress":
		note("to", x.To)
		if x.To.Text == "" {
			return
		}
		network, err := netip.ParsePrefix(x.To.Text)
		if err != nil {
			c.add(x.To.At, "%q is not a network, such as 10.99.0.0/16", x.To.Text)
			return
		}
		do.phases = once(func(m *moment) cluster.Change {
			if network.Addr().Is4() {
				return cluster.Readdress{Device: m.device.Name, IPv4: renumber(m.latest.Record.IPv4, network, m.bits("address"))}
			}
			return cluster.Readdress{Device: m.device.Name, IPv6: renumber(m.latest.Record.IPv6, network, m.bits("address"))}
		})
	case "devices.login":
		note("user", x.User)
		if x.User.Text == "" {
			return
		}
		do.phases = once(func(m *moment) cluster.Change {
			lines := make([]string, len(x.Lines))
			for i, l := range x.Lines {
				lines[i] = fill(l.Text, m.device)
			}
			return cluster.Login{Device: m.device.Name, User: fill(x.User.Text, m.device), Lines: lines}
		})
	case "devices.logout":
		do.able = func(m *moment) bool { return m.connected() && m.latest.Record.LoginUser != "" }
		do.phases = once(func(m *moment) cluster.Change { return cluster.Logout{Device: m.device.Name} })
	case "devices.set":
		c.devicesSet(do, x)
		said = slices.DeleteFunc(keysGiven(x), func(k string) bool { return k == "where" || k == "share" || k == "count" })
		said = append(picked, said...)
	case "devices.remove":
		do.able = anyDevice
		do.phases = once(func(m *moment) cluster.Change {
			return cluster.RemoveDevices{Names: []cluster.DeviceName{m.device.Name}}
		})
	case "firmware.upgrade":
		c.upgrade(do, x, away)
		note("load", x.Load)
	}
	do.detail = strings.Join(said, ", ")
}

func plain(ts Texts) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.Text)
	}
	return out
}

func (c *compiler) devicesSet(do *act, x *DevicesAction) {
	lines := plain(x.Lines)
	var homes []cluster.NodeName
	for _, h := range x.Homes {
		do.needs = append(do.needs, h)
		homes = append(homes, cluster.NodeName(h.Text))
	}
	configures := x.Description.Given() || lines != nil || homes != nil
	if !configures && !x.Load.Given() && !x.broken {
		c.add(x.At, "devices.set sets nothing: none of %s", list(takes(do.verb)[3:]))
	}
	do.able = anyDevice
	if x.Load.Given() {
		do.able = known
	}
	do.phases = []phase{func(m *moment) ([]cluster.Change, time.Duration) {
		var changes []cluster.Change
		if configures {
			d := *m.device
			if x.Description.Given() {
				d.Description = fill(x.Description.Text, m.device)
			}
			if lines != nil {
				d.Lines = lines
			}
			if homes != nil {
				d.Homes = homes
			}
			changes = append(changes, cluster.Configure{Device: d})
		}
		if x.Load.Given() {
			r := *m.latest.Record
			r.ActiveLoad = x.Load.Text
			changes = append(changes, cluster.SetRecord{Registration: cluster.Registration{Device: m.device.Name, Node: m.latest.Node, Record: r}})
		}
		return changes, -1
	}}
}

// upgrade is the life of a firmware download (rule V3): Upgrading; after its time Successful and gone for the reset, or
// Failed; after the reset registered with the new load.
func (c *compiler) upgrade(do *act, x *DevicesAction, away *spread) {
	takes := c.spread(x.Takes)
	if takes == nil {
		takes = fixed(4 * time.Minute)
	}
	outcome := c.choice(x.Outcome, "outcome", []string{"Successful", "Failed"})
	if outcome == nil {
		outcome = []weighted[string]{{"Successful", 1}}
	}
	failure := "download failed"
	if x.Failure.Given() {
		failure = x.Failure.Text
	}
	do.able = func(m *moment) bool { return m.connected() && m.latest.Record.Download != cluster.Upgrading }
	do.phases = []phase{
		func(m *moment) ([]cluster.Change, time.Duration) {
			return []cluster.Change{cluster.BeginDownload{Device: m.device.Name, Load: x.Load.Text, Server: x.Server.Text}}, takes.at(m.draw("takes"))
		},
		func(m *moment) ([]cluster.Change, time.Duration) {
			if draw(outcome, m.draw("outcome")) == "Failed" {
				return []cluster.Change{cluster.EndDownload{Device: m.device.Name, Failure: failure}}, -1
			}
			return []cluster.Change{cluster.EndDownload{Device: m.device.Name}, cluster.Unregister{Device: m.device.Name, Reason: cluster.CallManagerReset}}, away.at(m.draw("away"))
		},
		func(m *moment) ([]cluster.Change, time.Duration) {
			return []cluster.Change{cluster.ActivateLoad{Device: m.device.Name}}, -1
		},
	}
}

func (c *compiler) devicesAdd(do *act, g *DeviceGroup) {
	do.detail = "group " + g.Group.Text
	c.group(g, nil)
	c.macs(g)
	if g.broken || len(c.list) > 0 {
		return
	}
	if c.Expand == nil {
		c.add(g.At, "devices.add: nothing here can make devices")
		return
	}
	adds, err := c.Expand(g, c.seed)
	if err != nil {
		c.add(g.At, "devices.add: %v", err)
		return
	}
	do.adds = &adds
	do.needs = append(do.needs, g.Homes...)
	do.whole = func([]cluster.DeviceName) []cluster.Change { return []cluster.Change{adds} }
}

func (c *compiler) ctiAction(do *act, x *CtiAction) {
	c.onlyTakes(do, &x.Mark, x)
	if x.Node.Given() {
		do.needs = append(do.needs, x.Node)
	}
	reason := uint32(0)
	if x.Reason.Given() {
		n, err := strconv.ParseUint(x.Reason.Text, 10, 32)
		if err != nil {
			c.add(x.Reason.At, "reason %q of an application is not a whole number", x.Reason.Text)
		}
		reason = uint32(n)
	}
	node, name := cluster.NodeName(x.Node.Text), x.Application.Text
	do.app, do.detail = x.Application, "application "+name
	var change func(devices []cluster.DeviceName) cluster.Change
	switch do.verb {
	case "cti.open":
		change = func([]cluster.DeviceName) cluster.Change { return cluster.OpenApplication{Node: node, Name: name} }
		if x.User.Given() || x.Address.Given() || x.Instance.Given() {
			do.app = Text{}
			a := cluster.Application{Name: name, User: x.User.Text, Node: node, Status: cluster.Open, Instance: uint32(c.whole(x.Instance, "instance", 0, 1<<32-1, 1))}
			if addr := c.addr(x.Address); addr.Is6() {
				a.Address6 = addr
			} else {
				a.Address = addr
			}
			c.need(&x.Mark, x.Node, "a new connection", "node")
			c.need(&x.Mark, x.Address, "a new connection", "address")
			change = func([]cluster.DeviceName) cluster.Change { return cluster.SetApplication{Application: a} }
		}
	case "cti.close":
		change = func([]cluster.DeviceName) cluster.Change {
			return cluster.CloseApplication{Node: node, Name: name, Reason: reason}
		}
	case "cti.fail":
		change = func([]cluster.DeviceName) cluster.Change {
			return cluster.FailApplication{Node: node, Name: name, Reason: reason}
		}
	case "cti.openDevices":
		do.cti = true
		change = func(ds []cluster.DeviceName) cluster.Change {
			return cluster.OpenDevices{Node: node, Name: name, Devices: ds}
		}
	default:
		do.cti = x.Where != nil || x.Share.Given() || x.Count.Given()
		change = func(ds []cluster.DeviceName) cluster.Change {
			return cluster.CloseDevices{Node: node, Name: name, Devices: ds, Reason: reason}
		}
	}
	if do.cti {
		c.pick(do, &x.Pick)
		do.able = anyDevice
	}
	do.whole = func(ds []cluster.DeviceName) []cluster.Change { return []cluster.Change{change(ds)} }
}

package scenarios

import (
	"strconv"
	"strings"

	"github.com/risim/risim/sim/cluster"
)

// What can be wrong with the cluster section, before there is a cluster.

type macRange struct {
	from, to uint64
	at       Pos
	text     string
}

func (c *compiler) cluster(x *ClusterSpec) {
	if x.Ready.Given() {
		if x.Ready.Text == "" {
			c.add(x.Ready.At, "cluster is empty; expected the name of a ready cluster, a file such as ./site.yaml, or nodes and devices")
		}
		if len(x.Nodes)+len(x.Devices)+len(x.Applications) > 0 {
			c.add(x.At, "cluster has a name and nodes, devices or applications; expected one or the other")
		}
		return
	}
	if len(x.Nodes) == 0 && !x.broken {
		c.add(x.At, "cluster has no nodes")
	}
	nodes := c.nodes(x.Nodes)
	if len(x.Nodes) == 0 {
		nodes = nil // which is told already
	}
	names := map[string]Pos{}
	groups := []string{}
	var macs []macRange
	for _, g := range x.Devices {
		c.group(g, nodes)
		for _, n := range g.Names {
			if first, twice := names[fold(n.Text)]; twice {
				c.add(n.At, "device %q is named twice, first in line %d", n.Text, first.Line)
			}
			names[fold(n.Text)] = n.At
		}
		if r, ok := c.macs(g); ok {
			for _, other := range macs {
				if r.from <= other.to && other.from <= r.to {
					c.add(r.at, "MAC addresses %s to %012X overlap those of line %d", r.text, r.to, other.at.Line)
				}
			}
			macs = append(macs, r)
		}
		if g.Group.Given() {
			groups = append(groups, g.Group.Text)
		}
	}
	for _, a := range x.Applications {
		if !c.need(&a.Mark, a.Name, "an application", "name") {
			continue
		}
		c.addr(a.Address)
		c.whole(a.Instance, "instance", 0, 1<<32-1, 1)
		if c.need(&a.Mark, a.Node, "application "+a.Name.Text, "node") {
			c.nodeOf(a.Node, nodes)
		}
		enum(c, textsOf(a.Status), "status", cluster.OpenFailed)
		if o := a.Opens; o != nil {
			c.percent(o.Share)
			c.truth(o.Lines, "lines")
			if o.Group.Given() {
				c.word(o.Group, "group", groups)
			} else if o.Names == nil && !o.broken {
				c.add(o.At, "opens says neither group nor names")
			}
		}
	}
}

func textsOf(t Text) Texts {
	if !t.Given() {
		return nil
	}
	return Texts{t}
}

// nodes checks the nodes and lists their names.
func (c *compiler) nodes(list []*NodeSpec) []string {
	out := []string{}
	seen := map[string]int{}
	publisher := 0
	for _, n := range list {
		if c.need(&n.Mark, n.Name, "a node", "name") {
			if first := seen[fold(n.Name.Text)]; first > 0 {
				c.add(n.Name.At, "node %q is named twice, first in line %d", n.Name.Text, first)
			}
			seen[fold(n.Name.Text)] = n.Name.At.Line
			out = append(out, n.Name.Text)
		}
		if c.word(n.Role, "role", []string{"publisher", "subscriber"}) == "publisher" {
			if publisher > 0 {
				c.add(n.Role.At, "a second publisher; the first is in line %d", publisher)
			}
			publisher = n.Role.At.Line
		}
		if a := c.addr(n.Address); a.Is6() {
			c.add(n.Address.At, "%q is an IPv6 address; write it as address6", n.Address.Text)
		}
		c.addr(n.Address6)
		c.word(n.State, "state", []string{"up", "down", "isolated", "broken"})
	}
	return out
}

func (c *compiler) nodeOf(t Text, nodes []string) {
	for _, n := range nodes {
		if fold(n) == fold(t.Text) {
			return
		}
	}
	if nodes != nil {
		c.add(t.At, "unknown node %q; %s", t.Text, didYouMean(t.Text, nodes))
	}
}

const maxGroup = 1_000_000

// group checks a device group. nodes are the names that homes may have; nil: not known yet.
func (c *compiler) group(g *DeviceGroup, nodes []string) {
	n := c.whole(g.Count, "count", 1, maxGroup, 0)
	switch {
	case g.Count.Given() && g.Names != nil && n != len(g.Names):
		c.add(g.Count.At, "count %d, but %d names; names are counted by themselves", n, len(g.Names))
	case !g.Count.Given() && g.Names == nil && !g.broken:
		c.add(g.At, "a device group has neither count nor names")
	case g.Names != nil && g.Macs != nil:
		c.add(g.Macs.At, "names and macs are both given; expected one of them")
	}
	enum(c, textsOf(g.Class), "class", cluster.UnknownClass)
	enum(c, textsOf(g.Protocol), "protocol", cluster.UnknownProtocol)
	c.model(g.Model)
	if !g.Model.Given() && !g.Class.Given() && !g.broken {
		c.add(g.At, "a device group has neither model nor class")
	}
	if l := g.Lines; l != nil {
		c.whole(l.PerDevice, "perDevice", 1, 100, 1)
		if l.From.Given() == (l.Numbers != nil) && !l.broken {
			c.add(l.At, `lines is one of {from: "4000"} and a list of numbers`)
		}
		if l.From.Given() && (strings.Trim(strings.TrimLeft(l.From.Text, `\+`), "0123456789") != "" || strings.TrimLeft(l.From.Text, `\+`) == "") {
			c.add(l.From.At, "%q is not a directory number to count up from", l.From.Text)
		}
	}
	for _, h := range g.Homes {
		c.nodeOf(h, nodes)
	}
	c.choice(g.Status, "status", words(cluster.UnknownStatus))
	c.reason(g.Reason)
	if g.Addresses != nil && c.need(&g.Addresses.Mark, g.Addresses.From, "addresses", "from") {
		c.addr(g.Addresses.From)
	}
}

// macs gives the range of a group's MAC addresses; false when it has none or they are wrong.
func (c *compiler) macs(g *DeviceGroup) (macRange, bool) {
	if g.Macs == nil || !c.need(&g.Macs.Mark, g.Macs.From, "macs", "from") {
		return macRange{}, false
	}
	t := g.Macs.From
	digits := strings.NewReplacer(":", "", "-", "", ".", "").Replace(t.Text)
	from, err := strconv.ParseUint(digits, 16, 64)
	n, _ := strconv.ParseUint(g.Count.Text, 10, 32)
	if err != nil || len(digits) != 12 {
		c.add(t.At, "%q is not a MAC address of twelve hexadecimal digits", t.Text)
		return macRange{}, false
	}
	r := macRange{from, from + max(n, 1) - 1, t.At, strings.ToUpper(digits)}
	if r.to >= 1<<48 {
		c.add(t.At, "counting %d up from %q leaves the range of MAC addresses", n, t.Text)
		return macRange{}, false
	}
	return r, true
}

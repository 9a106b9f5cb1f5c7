package cluster

import (
	"fmt"
	"strings"
)

// Explain asks the planner's own predicates, one criterion at a time: what it says of an answer is what keeps a record out of
// it, and not what a second reading of the rules would.

// Explanation is why something is, or is not, in the answer to a query.
type Explanation struct {
	Found   bool    `json:"found" doc:"Whether it is in the answer."`
	Places  []Place `json:"places,omitempty" doc:"Where it stands in the answer."`
	Reasons []Why   `json:"reasons,omitempty" doc:"Why it is not there: each keeps out what it speaks of; none when it is found."`
}

// Place is where something stands in an answer.
type Place struct {
	Node     NodeName `json:"node" doc:"Node that answers it."`
	Position int      `json:"position" doc:"Place in what the node answers, from 1."`
	Overall  int      `json:"overall" doc:"Place in the whole answer, from 1."`
}

// Why is one thing that keeps a record, or a CTI item, out of an answer.
type Why struct {
	Rule      string   `json:"rule" doc:"Rule of behaviour."`
	Criterion string   `json:"criterion,omitempty" doc:"The part of the query that it comes from, such as class."`
	Node      NodeName `json:"node,omitempty" doc:"Node whose record it is about; not there when it is about all of them."`
	Text      string   `json:"text" doc:"One sentence."`
}

// criterion is one part of a query alone, and what is to be said of a record that it keeps out.
type criterion struct {
	name, rule string
	q          DeviceQuery
	say        func(n NodeName, d *Device, r *Record) string
}

// criteria takes a query apart: who passes each of the parts passes the whole (rule Q10).
func (q *DeviceQuery) criteria() []criterion {
	var out []criterion
	add := func(name, rule string, part DeviceQuery, say func(n NodeName, d *Device, r *Record) string) {
		out = append(out, criterion{name, rule, part, say})
	}
	if q.Nothing {
		add("nothing", "Q4", DeviceQuery{Nothing: true}, func(NodeName, *Device, *Record) string {
			return "The query asks for a class or a status that does not exist, which nothing has."
		})
	}
	if q.Class != AnyClass {
		add("class", "Q4", DeviceQuery{Class: q.Class}, func(_ NodeName, d *Device, _ *Record) string {
			return fmt.Sprintf("Its class is %v, and %v is asked for.", d.Class, q.Class)
		})
	}
	if q.Model != 0 && q.Model != AnyModel {
		add("model", "Q5", DeviceQuery{Model: q.Model}, func(_ NodeName, d *Device, _ *Record) string {
			return fmt.Sprintf("Its model is %d, and %d is asked for.", d.Model, q.Model)
		})
	}
	if q.Status != AnyStatus {
		add("status", "Q4", DeviceQuery{Status: q.Status}, func(n NodeName, _ *Device, r *Record) string {
			return fmt.Sprintf("Its status on %s is %v, and %v is asked for.", n, r.Status, q.Status)
		})
	}
	if q.Protocol != AnyProtocol {
		add("protocol", "Q6", DeviceQuery{Protocol: q.Protocol}, func(_ NodeName, d *Device, _ *Record) string {
			return fmt.Sprintf("Its protocol is %v, and %v is asked for.", d.Protocol, q.Protocol)
		})
	}
	if q.Download != AnyDownload {
		add("download", "Q6", DeviceQuery{Download: q.Download}, func(n NodeName, _ *Device, r *Record) string {
			return fmt.Sprintf("Its download status on %s is %v, and %v is asked for.", n, r.Download, q.Download)
		})
	}
	if len(q.Items) > 0 {
		rule := map[SelectBy]string{ByDirNumber: "W7", ByIPv4: "W7", ByIPv6: "W7"}[q.By]
		if rule == "" {
			rule = "W1"
		}
		add("items", rule, DeviceQuery{By: q.By, Items: q.Items, Literal: q.Literal}, func(n NodeName, d *Device, r *Record) string {
			return q.missed(n, d, r)
		})
	}
	return out
}

// missed says what the items of a query were compared with.
func (q *DeviceQuery) missed(n NodeName, d *Device, r *Record) string {
	items := "None of the items matches"
	if len(q.Items) == 1 {
		items = fmt.Sprintf("Item %q does not match", q.Items[0])
	}
	addr := func(what string, a []byte) string {
		if len(a) == 0 {
			return fmt.Sprintf("%s an %s address: it has none on %s.", items, what, n)
		}
		return fmt.Sprintf("%s its %s address on %s, %s.", items, what, n, a)
	}
	switch q.By {
	case ByDescription:
		return fmt.Sprintf("%s its description, %q.", items, d.Description)
	case ByIPv4:
		return addr("IPv4", AppendAddr(nil, r.IPv4))
	case ByIPv6:
		return addr("IPv6", AppendAddr(nil, r.IPv6))
	case ByDirNumber:
		var numbers []string
		for _, l := range r.Lines {
			numbers = append(numbers, l.Number)
		}
		if len(numbers) == 0 {
			return fmt.Sprintf("%s a directory number: it has no line on %s.", items, n)
		}
		return fmt.Sprintf("%s its directory numbers on %s, %s.", items, n, strings.Join(numbers, ", "))
	}
	return items + " its name."
}

// Explain tells whether a device is in the answer to a query, where it stands there, and if it is not, all that keeps each of
// its records out. The name is compared ignoring case. It goes through the whole answer, and through the whole cluster when the
// device is cut off: it is not for the way of a request.
func (s *Snapshot) Explain(q DeviceQuery, name DeviceName) Explanation {
	res := s.Select(q)
	if places := placesOf(&res, name); len(places) > 0 {
		return Explanation{Found: true, Places: places}
	}
	var out Explanation
	say := func(rule, criterion string, node NodeName, format string, args ...any) {
		out.Reasons = append(out.Reasons, Why{rule, criterion, node, fmt.Sprintf(format, args...)})
	}
	asked, unknown := s.asked(nil, q.Node)
	if unknown {
		say("Q8", "node", "", "NodeName %q is no node of the cluster.", q.Node)
		return out
	}
	records := s.Records(name)
	d, known := s.Device(name)
	switch {
	case !known:
		say("R6", "", "", "There is no device %q in the cluster.", name)
		return out
	case len(records) == 0:
		say("R6", "", "", "No node has a record of it: it has not registered since RIS started there.")
		return out
	}
	if res.Since == Unchanged {
		say("N4", "stateInfo", "", "Nothing that the query is about has changed since its StateInfo, so the answer holds no devices at all.")
		q.Since = nil
		if again := s.Explain(q, name); !again.Found {
			out.Reasons = append(out.Reasons, again.Reasons...)
		}
		return out
	}
	slot, _ := s.find(fold(string(name)))
	at, chain := s.deviceAt(slot), s.chain(slot)
	newest := s.newest(chain)
	type part struct {
		criterion
		f *deviceFilter
	}
	var parts []part
	for _, c := range q.criteria() {
		f := new(deviceFilter)
		f.init(s, c.q)
		parts = append(parts, part{c, f})
	}
	b, i := s.at(slot)
	wild := new(deviceFilter) // the items, if * stood for any text
	wild.init(s, DeviceQuery{By: q.By, Items: q.Items})
	for k := range chain {
		rec := &chain[k]
		n, r := &s.nodes[rec.node], records[k].Record
		before := len(out.Reasons)
		place := -1
		for i, node := range asked {
			if node == int(rec.node) {
				place = i
			}
		}
		if place < 0 {
			say("Q8", "node", n.Name, "It has a record on %s, which the query does not ask: NodeName is %s.", n.Name, q.Node)
		}
		switch {
		case n.state == Broken:
			say("R5", "", n.Name, "It has a record on %s, whose RIS is broken: the node answers %v.", n.Name, InternalError)
		case n.state != Up:
			say("R5", "", n.Name, "It has a record on %s, which does not respond: it is %v.", n.Name, n.state)
		case q.Newest && k != newest:
			say("R2", "", n.Name, "Its record on %s is not that of its latest registration, which is on %s; selectCmDeviceExt looks at that one only.",
				n.Name, s.nodes[chain[newest].node].Name)
		case place >= 0 && res.Nodes[place].NoChange:
			say("N5", "stateInfo", n.Name, "Nothing that the query is about has changed on %s since its StateInfo, so %s answers without devices.", n.Name, n.Name)
		}
		for _, p := range parts {
			if p.f.device(at) && p.f.recordAt(b, i, rec) {
				continue
			}
			say(p.rule, p.name, n.Name, "%s", p.say(n.Name, d, r))
			if p.name == "items" && q.Literal && wild.device(at) && wild.recordAt(b, i, rec) {
				say("W5", "items", n.Name, "An item would match if * stood for any text, which it does not in selectCmDeviceExt.")
			}
		}
		if len(out.Reasons) == before {
			q.Limit, q.CountAll, q.Since = 0, true, nil
			all := s.Select(q)
			for _, p := range placesOf(&all, name) {
				if p.Node == n.Name {
					say("Q2", "max", n.Name, "Its record on %s matches, and was cut off: it is number %d of the %d that match.", n.Name, p.Overall, all.Found)
				}
			}
		}
	}
	return out
}

// placesOf finds a device in an answer.
func placesOf(res *DeviceResult, name DeviceName) []Place {
	var out []Place
	key, overall := fold(string(name)), 0
	for i := range res.Nodes {
		for k, r := range res.Nodes[i].Devices {
			overall++
			if fold(string(r.Name())) == key {
				out = append(out, Place{res.Nodes[i].Node, k + 1, overall})
			}
		}
	}
	return out
}

// CtiSubject is what an explanation of a CTI query is about: an application's connection, a device or a line that it has
// opened. What is empty may be any.
type CtiSubject struct {
	App    string // the application's name or its AppId
	Device DeviceName
	Line   string // directory number
}

// fits says that an item is about the subject. Names are compared ignoring case, and \+ is + as in rule W7.
func (c *CtiSubject) fits(it CtiItem) bool {
	return c.fitsApp(it.App) &&
		(c.Device == "" || it.Device != nil && fold(string(it.Device.Name)) == fold(string(c.Device))) &&
		(c.Line == "" || it.Line != nil && number(it.Line.Number) == number(c.Line))
}

func (c *CtiSubject) fitsApp(a *Application) bool {
	return c.App == "" || fold(a.ID()) == fold(c.App) || fold(a.Name) == fold(c.App)
}

// String names what is given.
func (c CtiSubject) String() string {
	var parts []string
	if c.App != "" {
		parts = append(parts, "application "+c.App)
	}
	if c.Device != "" {
		parts = append(parts, "device "+string(c.Device))
	}
	if c.Line != "" {
		parts = append(parts, "line "+c.Line)
	}
	return strings.Join(parts, ", ")
}

// ExplainCti is Explain for a CTI query: whether any item about the subject is in the answer.
func (s *Snapshot) ExplainCti(q CtiQuery, subject CtiSubject) Explanation {
	res := s.SelectCti(q)
	if places := placesOfCti(&res, &subject); len(places) > 0 {
		return Explanation{Found: true, Places: places}
	}
	var out Explanation
	say := func(rule, criterion string, node NodeName, format string, args ...any) {
		out.Reasons = append(out.Reasons, Why{rule, criterion, node, fmt.Sprintf(format, args...)})
	}
	asked, unknown := s.asked(nil, q.Node)
	switch {
	case unknown:
		say("Q8", "node", "", "NodeName %q is no node of the cluster.", q.Node)
		return out
	case q.Class == Provider && (subject.Device != "" || subject.Line != ""):
		say("C1", "class", "", "CtiMgrClass %v lists connections of applications, without the devices and lines that they have opened.", q.Class)
		return out
	case q.Class == CtiDevices && subject.Line != "":
		say("C1", "class", "", "CtiMgrClass %v lists devices that applications have opened, without their lines.", q.Class)
		return out
	}
	if res.Since == Unchanged {
		say("N4", "stateInfo", "", "Nothing that the query is about has changed since its StateInfo, so the answer holds no items at all.")
		q.Since = nil
		if again := s.ExplainCti(q, subject); !again.Found {
			out.Reasons = append(out.Reasons, again.Reasons...)
		}
		return out
	}
	known := false
	for node := range s.nodes {
		for _, app := range s.nodes[node].apps {
			if !subject.fitsApp(app) {
				continue
			}
			known = true
			place := -1
			for i, n := range asked {
				if n == node {
					place = i
				}
			}
			var a *NodeAnswer
			if place >= 0 {
				a = &res.Nodes[place].NodeAnswer
			}
			out.Reasons = append(out.Reasons, s.explainApp(&q, &subject, node, app, a)...)
		}
	}
	switch {
	case !known && subject.App != "":
		say("C1", "", "", "No application %q is known on any node.", subject.App)
	case len(out.Reasons) == 0:
		say("C1", "", "", "No application has opened that: %v.", subject)
	}
	return out
}

// explainApp tells what keeps the items of one connection out that are about the subject; nothing when it has none and others
// may have. a is what its node answered, nil when it was not asked.
func (s *Snapshot) explainApp(q *CtiQuery, subject *CtiSubject, node int, app *Application, a *NodeAnswer) (reasons []Why) {
	n := &s.nodes[node]
	say := func(rule, criterion, format string, args ...any) {
		reasons = append(reasons, Why{rule, criterion, n.Name, fmt.Sprintf(format, args...)})
	}
	with := func(part CtiQuery) []CtiItem {
		part.Class = q.Class
		return newCtiFilter(&part).items(nil, app)
	}
	has := func(items []CtiItem, it CtiItem) bool {
		for _, x := range items {
			if x == it {
				return true
			}
		}
		return false
	}
	var about []CtiItem
	for _, it := range with(CtiQuery{}) {
		if subject.fits(it) {
			about = append(about, it)
		}
	}
	if len(about) == 0 {
		if subject.App != "" {
			opened := "any device or line"
			if subject.Device != "" || subject.Line != "" {
				opened = CtiSubject{Device: subject.Device, Line: subject.Line}.String()
			}
			say("C1", "", "Application %s on %s has not opened %s.", app.ID(), n.Name, opened)
		}
		return reasons
	}
	what := CtiSubject{App: app.ID(), Device: subject.Device, Line: subject.Line}
	if a == nil {
		say("Q8", "node", "%v is a matter of %s, which the query does not ask: NodeName is %s.", capital(what), n.Name, q.Node)
	}
	switch {
	case n.state == Broken:
		say("R5", "", "%v is a matter of %s, whose RIS is broken: the node answers %v.", capital(what), n.Name, InternalError)
	case n.state != Up:
		say("R5", "", "%v is a matter of %s, which does not respond: it is %v.", capital(what), n.Name, n.state)
	case a != nil && a.NoChange:
		say("N5", "stateInfo", "Nothing that the query is about has changed on %s since its StateInfo, so %s answers without items.", n.Name, n.Name)
	}
	statuses := func() string {
		var out []string
		for _, it := range about {
			status := it.App.Status
			switch {
			case it.Line != nil:
				status = it.Line.Status
			case it.Device != nil:
				status = it.Device.Status
			}
			if len(out) == 0 || out[len(out)-1] != status.String() {
				out = append(out, status.String())
			}
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct {
		given      bool
		name, rule string
		part       CtiQuery
		text       func() string
	}{
		{q.Nothing, "nothing", "C5", CtiQuery{Nothing: true}, func() string { return "The query asks for what does not exist." }},
		{len(q.Apps) > 0, "items", "C3", CtiQuery{By: q.By, Apps: q.Apps}, func() string {
			return fmt.Sprintf("No AppItem matches application %s by %v.", app.ID(), q.By)
		}},
		{len(q.DevNames) > 0, "devices", "C3", CtiQuery{DevNames: q.DevNames}, func() string {
			return fmt.Sprintf("No DevName matches %v.", what)
		}},
		{len(q.Numbers) > 0, "numbers", "C3", CtiQuery{Numbers: q.Numbers}, func() string {
			return fmt.Sprintf("No DirNumber matches %v.", what)
		}},
		{q.Status != AnyCtiStatus, "status", "C5", CtiQuery{Status: q.Status}, func() string {
			return fmt.Sprintf("The status of %v is %s, and %v is asked for.", what, statuses(), q.Status)
		}},
	} {
		if !c.given {
			continue
		}
		passed := with(c.part)
		kept := false
		for _, it := range about {
			kept = kept || has(passed, it)
		}
		if !kept {
			say(c.rule, c.name, "%s", c.text())
		}
	}
	if len(reasons) > 0 {
		return reasons
	}
	// No one criterion keeps all of them out: either two do together, or they were cut off.
	all := *q
	all.Limit, all.CountAll, all.Since = 0, true, nil
	res := s.SelectCti(all)
	places := placesOfCti(&res, &CtiSubject{App: app.ID(), Device: subject.Device, Line: subject.Line})
	for _, p := range places {
		if p.Node == n.Name {
			say("Q2", "max", "%v matches on %s, and was cut off: it is number %d of the %d items that match.", capital(what), n.Name, p.Overall, res.Found)
			return reasons
		}
	}
	say("Q10", "", "Of the items of %v some do not match one criterion, and the others another one.", what)
	return reasons
}

func capital(c CtiSubject) string {
	text := c.String()
	return strings.ToUpper(text[:1]) + text[1:]
}

// placesOfCti finds items about a subject in an answer.
func placesOfCti(res *CtiResult, subject *CtiSubject) []Place {
	var out []Place
	overall := 0
	for i := range res.Nodes {
		for k, it := range res.Nodes[i].Items {
			overall++
			if subject.fits(it) {
				out = append(out, Place{res.Nodes[i].Node, k + 1, overall})
			}
		}
	}
	return out
}

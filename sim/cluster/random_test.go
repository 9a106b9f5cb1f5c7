package cluster_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

// Random clusters and queries from small alphabets, so that things collide, and a plain reading of the rules that
// goes through everything with regular expressions. The planner must agree with it (rules Q3-Q5, Q8-Q10, W1-W7,
// R1-R3), and NoChange with full copies of every earlier answer (rules N3-N6).

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

var (
	names    = []string{"SEPA1", "SEPA2", "SEPB1", "sepc9", "SEP*", "CSFANNA", "CSFÉMILE", "IPCMRAEU5UCM5X7", "IPCXYZAU4UCM4X3", "TRUNK-1", "AN0001", "MOH_2", "A", "AB", "ABA"}
	texts    = []string{"", "Anna Ångström", "anna berg", "LOBBY <1> & 2", "Desk 5X7", "desk*"}
	dns      = []string{"1001", "1002", "10011", "2001", `\+14085550123`, "+14085550123", `\+1408`}
	v4s      = []string{"10.1.1.1", "10.1.1.10", "10.1.11.1", "192.168.1.7"}
	v6s      = []string{"2001:db8::1", "2001:db8::10", "fd00:1:2:3::a"}
	nodes    = []cluster.Node{{Name: "cucm-sub1", Address: netip.MustParseAddr("10.0.0.2")}, {Name: "cucm-pub", Publisher: true, Address: netip.MustParseAddr("10.0.0.1")}, {Name: "CUCM-SUB2.example.net", Address6: netip.MustParseAddr("fd00::3")}}
	statuses = []cluster.Status{cluster.Registered, cluster.UnRegistered, cluster.Rejected, cluster.PartiallyRegistered, cluster.UnknownStatus}
)

func pick[T any](t *rapid.T, label string, from []T) T { return rapid.SampledFrom(from).Draw(t, label) }

func drawDevice(t *rapid.T, name string) cluster.Device {
	return cluster.Device{
		Name: cluster.DeviceName(name), Description: pick(t, "description", texts),
		Class:    cluster.Class(rapid.IntRange(1, 3).Draw(t, "class")),
		Model:    pick(t, "model", []uint32{7, 131, 36224}),
		Protocol: cluster.Protocol(rapid.IntRange(0, 3).Draw(t, "protocol")),
		Lines:    rapid.SliceOfNDistinct(rapid.SampledFrom(dns), 0, 3, rapid.ID).Draw(t, "configured lines"),
		Homes:    []cluster.NodeName{nodes[0].Name, nodes[2].Name},
	}
}

func drawRecord(t *rapid.T, now int64) cluster.Record {
	r := cluster.Record{
		Status:    pick(t, "status", statuses),
		TimeStamp: now - int64(rapid.IntRange(0, 3).Draw(t, "age")),
		Download:  cluster.Download(rapid.IntRange(0, 4).Draw(t, "download")),
	}
	if r.Status != cluster.Registered {
		r.Reason = cluster.ConnectivityError
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "lines") {
		status := cluster.Registered
		if r.Status != cluster.Registered && (i > 0 || r.Status != cluster.PartiallyRegistered) {
			status = cluster.UnRegistered
		}
		r.Lines = append(r.Lines, cluster.Line{Number: pick(t, "dn", dns), Status: status})
	}
	if r.Status == cluster.PartiallyRegistered && len(r.Lines) < 2 {
		r.Lines = []cluster.Line{{Number: "1001", Status: cluster.Registered}, {Number: "1002", Status: cluster.UnRegistered}}
	}
	if rapid.Bool().Draw(t, "v4?") {
		r.IPv4 = netip.MustParseAddr(pick(t, "v4", v4s))
	}
	if rapid.Bool().Draw(t, "v6?") {
		r.IPv6 = netip.MustParseAddr(pick(t, "v6", v6s))
	}
	return r
}

func drawApplication(t *rapid.T, now int64) cluster.Application {
	a := cluster.Application{
		Name: pick(t, "app", []string{"jtapi", "UCCX", "cucmuser"}), Instance: uint32(rapid.IntRange(1, 2).Draw(t, "instance")),
		Address: netip.MustParseAddr(pick(t, "app v4", v4s)), User: pick(t, "user", []string{"uccx", "Jtapi"}),
		Node: pick(t, "app node", nodes).Name, Status: cluster.CtiStatus(rapid.IntRange(1, 4).Draw(t, "app status")), TimeStamp: now,
	}
	for _, d := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"SEPA1", "sepc9", "AN0001"}), 0, 3, rapid.ID).Draw(t, "opened") {
		dev := cluster.CtiDevice{Name: cluster.DeviceName(d), Status: cluster.CtiStatus(rapid.IntRange(1, 4).Draw(t, "dev status")), TimeStamp: now}
		for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1001", `\+1408`}), 0, 2, rapid.ID).Draw(t, "opened lines") {
			dev.Lines = append(dev.Lines, cluster.CtiLine{Number: n, Status: cluster.CtiStatus(rapid.IntRange(1, 4).Draw(t, "line status")), TimeStamp: now})
		}
		a.Devices = append(a.Devices, dev)
	}
	return a
}

func drawCluster(t *rapid.T, history int) *cluster.Store {
	c := cluster.Config{Nodes: nodes, History: history}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, len(names), rapid.ID).Draw(t, "names") {
		c.Devices = append(c.Devices, drawDevice(t, name))
		for _, n := range nodes {
			if rapid.Bool().Draw(t, "record?") {
				c.Registrations = append(c.Registrations, cluster.Registration{Device: cluster.DeviceName(name), Node: n.Name, Record: drawRecord(t, start.Unix())})
			}
		}
	}
	apps := map[string]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "apps") {
		a := drawApplication(t, start.Unix())
		if key := string(a.Node) + a.ID(); !apps[key] {
			apps[key] = true
			c.Applications = append(c.Applications, a)
		}
	}
	s, err := cluster.New(start, c)
	require.NoError(t, err)
	require.NoError(t, s.Snapshot().Check())
	return s
}

func drawItem(t *rapid.T, from []string) string {
	return strings.ToValidUTF8(drawBytes(t, from), "") // a cut may have gone through a letter
}

func drawBytes(t *rapid.T, from []string) string {
	item := pick(t, "item", from)
	switch rapid.IntRange(0, 7).Draw(t, "shape") {
	case 0:
		return "*"
	case 1, 2:
		cut := rapid.IntRange(0, len(item)).Draw(t, "cut")
		return item[:cut] + "*"
	case 3:
		cut := rapid.IntRange(0, len(item)).Draw(t, "cut")
		return "*" + item[cut:]
	case 4:
		a := rapid.IntRange(0, len(item)).Draw(t, "from")
		b := rapid.IntRange(a, len(item)).Draw(t, "to")
		return item[:a] + "*" + item[b:]
	case 5:
		return strings.ToLower(item)
	case 6:
		return item + "**" + pick(t, "item", from)
	}
	return item
}

func drawDeviceQuery(t *rapid.T) cluster.DeviceQuery {
	q := cluster.DeviceQuery{
		Limit:    rapid.SampledFrom([]int{0, 0, 1, 2, 5, 1000}).Draw(t, "limit"),
		CountAll: rapid.Bool().Draw(t, "count all"),
		Class:    cluster.Class(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "class")),
		Model:    rapid.SampledFrom([]uint32{0, 255, 255, 7, 131}).Draw(t, "model"),
		Status:   cluster.Status(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "status")),
		Protocol: cluster.Protocol(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "protocol")),
		Download: cluster.Download(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "download")),
		Node:     rapid.SampledFrom([]string{"", "", "", "CUCM-sub1", "10.0.0.1", "fd00:0::3", "nowhere"}).Draw(t, "node"),
		By:       cluster.SelectBy(rapid.IntRange(0, 4).Draw(t, "by")),
		Newest:   rapid.Bool().Draw(t, "newest"),
	}
	q.Literal = q.Newest && rapid.Bool().Draw(t, "literal")
	from := [][]string{names, v4s, v6s, dns, texts}[q.By]
	for range rapid.IntRange(0, 3).Draw(t, "items") {
		q.Items = append(q.Items, drawItem(t, from))
	}
	return q
}

var likeItems sync.Map // of what likeItem gave

// likeItem reads an Item as a regular expression.
func likeItem(item string, literal bool) *regexp.Regexp {
	type key struct {
		item    string
		literal bool
	}
	if known, ok := likeItems.Load(key{item, literal}); ok {
		return known.(*regexp.Regexp)
	}
	parts := []string{regexp.QuoteMeta(item)}
	if !literal {
		parts = parts[:0]
		for _, p := range strings.Split(item, "*") {
			parts = append(parts, regexp.QuoteMeta(p))
		}
	}
	like := regexp.MustCompile(`(?is)^` + strings.Join(parts, ".*") + `$`)
	likeItems.Store(key{item, literal}, like)
	return like
}

func plainText(q cluster.DeviceQuery, d *cluster.Device, r *cluster.Record) []string {
	switch q.By {
	case cluster.ByName:
		return []string{string(d.Name)}
	case cluster.ByDescription:
		return []string{d.Description}
	case cluster.ByIPv4:
		return []string{string(cluster.AppendAddr(nil, r.IPv4))}
	case cluster.ByIPv6:
		return []string{string(cluster.AppendAddr(nil, r.IPv6))}
	}
	var out []string
	for _, l := range r.Lines {
		out = append(out, strings.Replace(l.Number, `\+`, "+", 1))
	}
	return out
}

func plainMatch(q cluster.DeviceQuery, d *cluster.Device, r *cluster.Record) bool {
	if q.Nothing || q.Class != 0 && q.Class != d.Class || q.Model != 0 && q.Model != cluster.AnyModel && q.Model != d.Model ||
		q.Status != 0 && q.Status != r.Status || q.Protocol != 0 && q.Protocol != d.Protocol || q.Download != 0 && q.Download != r.Download {
		return false
	}
	if len(q.Items) == 0 || slices.Contains(q.Items, "") {
		return true
	}
	for _, item := range q.Items {
		if !q.Literal && strings.Trim(item, "*") == "" {
			return true
		}
		if q.By == cluster.ByDirNumber {
			item = strings.Replace(item, `\+`, "+", 1)
		}
		for _, text := range plainText(q, d, r) {
			if text == "" && (q.By == cluster.ByIPv4 || q.By == cluster.ByIPv6) {
				continue
			}
			if a, err := netip.ParseAddr(item); err == nil && (q.By == cluster.ByIPv4 || q.By == cluster.ByIPv6) {
				if b, err := netip.ParseAddr(text); err == nil && a == b {
					return true
				}
			} else if likeItem(item, q.Literal).MatchString(text) {
				return true
			}
		}
	}
	return false
}

type found struct {
	node   cluster.NodeName
	device string
	id     uint64
	text   string
}

// plainSelect lists all matches, node by node, by going through everything.
func plainSelect(s *cluster.Snapshot, q cluster.DeviceQuery) []found {
	var out []found
	up := map[cluster.NodeName]bool{}
	for _, n := range s.Nodes() {
		up[n.Name] = n.State == cluster.Up
	}
	type known struct {
		device  cluster.Device
		records []cluster.NodeRecord
	}
	var all []known
	for d := range s.Devices() {
		all = append(all, known{*d, s.Records(d.Name)})
	}
	for _, n := range s.Nodes() {
		named := q.Node == "" || strings.EqualFold(q.Node, string(n.Name))
		if a, err := netip.ParseAddr(q.Node); err == nil {
			named = a == n.Address || a == n.Address6
		}
		if !named || !up[n.Name] {
			continue
		}
		for i := range all {
			d := &all[i].device
			var mine, newest *cluster.Record
			for _, r := range all[i].records {
				if !up[r.Node] {
					continue
				}
				if r.Node == n.Name {
					mine = r.Record
				}
				if newest == nil || r.Record.TimeStamp > newest.TimeStamp ||
					r.Record.TimeStamp == newest.TimeStamp && r.Record.Status == cluster.Registered && newest.Status != cluster.Registered {
					newest = r.Record
				}
			}
			if mine != nil && (!q.Newest || mine == newest) && plainMatch(q, d, mine) {
				out = append(out, found{n.Name, string(d.Name), mine.StateID, fmt.Sprint(*mine, d.Description)})
			}
		}
	}
	return out
}

// flat lists what a result returns, in order.
func flat(res cluster.DeviceResult) []found {
	var out []found
	for _, n := range res.Nodes {
		for _, d := range n.Devices {
			out = append(out, found{n.Node, string(d.Name()), d.Record().StateID, fmt.Sprint(*d.Record(), d.Device().Description)})
		}
	}
	return out
}

// Q3 Q4 Q5 Q8 Q9 Q10 W1 W2 W3 W4 W5 W6 W7 R1 R2 R3 C1 C2 C3 C4 C5: the planner and a plain scan agree over random clusters and queries,
// also after changes that its index does not know.
func TestSelect_PlannerAgreesWithPlainScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := drawCluster(t, 0)
		for step := range rapid.IntRange(1, 6).Draw(t, "steps") {
			s := store.Snapshot()
			for range 3 {
				checkSelect(t, s, drawDeviceQuery(t))
				checkSelectCti(t, s, drawCtiQuery(t))
			}
			// Always what the index is for, so that it exists when the next change comes.
			for _, dn := range dns {
				checkSelect(t, s, cluster.DeviceQuery{By: cluster.ByDirNumber, Items: []string{dn}})
			}
			checkSelect(t, s, cluster.DeviceQuery{By: cluster.ByIPv4, Items: v4s[:2]})
			checkSelect(t, s, cluster.DeviceQuery{By: cluster.ByIPv6, Items: v6s[:2]})
			if err := store.Apply(start.Add(time.Duration(step)*time.Second), drawChange(t, s)...); err == nil {
				require.NoError(t, store.Snapshot().Check())
			}
		}
	})
}

func checkSelect(t require.TestingT, s *cluster.Snapshot, q cluster.DeviceQuery) {
	res, want := s.Select(q), plainSelect(s, q)
	if q.Node == "nowhere" {
		require.Equal(t, []cluster.NodeDevices{{NodeAnswer: cluster.NodeAnswer{Mark: cluster.Mark{Node: "nowhere"}, Code: cluster.InvalidNodeName}}}, res.Nodes)
		return
	}
	total := len(want)
	if q.Limit > 0 && len(want) > q.Limit {
		want = want[:q.Limit]
	}
	if !q.CountAll {
		total = len(want)
	}
	require.Equal(t, want, flat(res), "query %+v", q)
	require.Equal(t, total, res.Found, "query %+v", q)
	for i, n := range res.Nodes {
		require.Equal(t, len(n.Devices), n.Returned)
		switch info := s.Nodes()[nodeIndex(s, n.Node)]; {
		case info.State == cluster.Broken:
			require.Equal(t, cluster.InternalError, n.Code)
		case info.State != cluster.Up:
			require.Equal(t, cluster.NodeNotResponding, n.Code)
		default:
			require.Equal(t, n.Found > 0, n.Code == cluster.Ok, "node %d of %+v", i, res)
			require.Equal(t, n.Found == 0, n.Code == cluster.NotFound)
		}
	}
}

// checkSelectCti compares with a plain reading of rules C1-C5.
func checkSelectCti(t require.TestingT, s *cluster.Snapshot, q cluster.CtiQuery) {
	like := func(items, texts []string) bool {
		for _, item := range items {
			for _, text := range texts {
				a, errA := netip.ParseAddr(item)
				b, errB := netip.ParseAddr(text)
				if item == "" || errA == nil && errB == nil && a == b || text != "" && likeItem(strings.ReplaceAll(item, `\+`, "+"), false).MatchString(strings.ReplaceAll(text, `\+`, "+")) ||
					strings.Trim(item, "*") == "" {
					return true
				}
			}
		}
		return len(items) == 0
	}
	var want []string
	for _, n := range s.Nodes() {
		if n.State != cluster.Up || q.Node != "" && q.Node != string(n.Name) {
			continue
		}
		for _, a := range s.Applications() {
			text := map[cluster.SelectAppBy]string{cluster.ByAppID: a.ID(), cluster.ByUserID: a.User,
				cluster.ByAppIPv4: string(cluster.AppendAddr(nil, a.Address)), cluster.ByAppIPv6: string(cluster.AppendAddr(nil, a.Address6))}[q.By]
			if a.Node != n.Name || !like(q.Apps, []string{text}) {
				continue
			}
			status := func(s cluster.CtiStatus) bool { return q.Status == cluster.AnyCtiStatus || q.Status == s }
			if q.Class == cluster.Provider && status(a.Status) {
				want = append(want, fmt.Sprint(n.Name, a.ID()))
			}
			for _, d := range a.Devices {
				if q.Class == cluster.Provider || !like(q.DevNames, []string{string(d.Name)}) {
					continue
				}
				if q.Class == cluster.CtiDevices && status(d.Status) {
					want = append(want, fmt.Sprint(n.Name, a.ID(), d.Name))
				}
				for _, l := range d.Lines {
					if q.Class == cluster.CtiLines && status(l.Status) && like(q.Numbers, []string{l.Number}) {
						want = append(want, fmt.Sprint(n.Name, a.ID(), d.Name, l.Number))
					}
				}
			}
		}
	}
	total := len(want)
	if q.Limit > 0 && len(want) > q.Limit {
		want = want[:q.Limit]
	}
	if !q.CountAll {
		total = len(want)
	}
	res := s.SelectCti(q)
	var got []string
	for _, n := range res.Nodes {
		require.Len(t, n.Items, n.Returned)
		for _, it := range n.Items {
			text := fmt.Sprint(n.Node, it.App.ID())
			if it.Device != nil {
				text += fmt.Sprint(it.Device.Name)
			}
			if it.Line != nil {
				text = fmt.Sprint(n.Node, it.App.ID(), it.Device.Name, it.Line.Number)
			}
			got = append(got, text)
		}
	}
	require.Equal(t, want, got, "query %+v", q)
	require.Equal(t, total, res.Found, "query %+v", q)
}

func nodeIndex(s *cluster.Snapshot, name cluster.NodeName) int {
	return slices.IndexFunc(s.Nodes(), func(n cluster.NodeInfo) bool { return n.Name == name })
}

// drawChange draws what may happen to a cluster; some of it is impossible and must then change nothing.
func drawChange(t *rapid.T, s *cluster.Snapshot) []cluster.Change {
	var out []cluster.Change
	states := 0 // a node that goes and comes back in one Apply is a change that the model cannot see
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		name := cluster.DeviceName(pick(t, "device", names))
		node := pick(t, "node", nodes).Name
		what := rapid.IntRange(0, 35).Draw(t, "what")
		if what == 4 {
			if states++; states > 1 {
				continue
			}
		}
		switch what {
		case 0:
			d := drawDevice(t, string(name))
			out = append(out, cluster.AddDevices{Devices: []cluster.Device{d}, Registrations: []cluster.Registration{{Device: name, Node: node, Record: drawRecord(t, s.Now)}}})
		case 1:
			out = append(out, cluster.RemoveDevices{Names: []cluster.DeviceName{name}})
		case 2:
			out = append(out, cluster.Configure{Device: drawDevice(t, string(name))})
		case 3:
			out = append(out, cluster.DropRecord{Device: name, Node: node})
		case 4:
			out = append(out, cluster.SetNodeState{Node: node, State: cluster.NodeState(rapid.IntRange(0, 3).Draw(t, "state"))})
		case 5:
			out = append(out, cluster.RestartRIS{Node: node})
		case 6, 7, 8, 9:
			out = append(out, cluster.SetApplication{Application: drawApplication(t, s.Now)})
		case 10:
			if apps := s.Applications(); len(apps) > 0 {
				a := pick(t, "drop", apps)
				out = append(out, cluster.DropApplication{Node: a.Node, ID: a.ID()})
			}
		case 11:
			out = append(out, cluster.CloseApplication{Name: "jtapi", Reason: 2})
		case 12:
			out = append(out, cluster.OpenApplication{Name: "jtapi", Node: node})
		case 13:
			out = append(out, cluster.FailApplication{Name: "UCCX", Reason: 3})
		case 14:
			out = append(out, cluster.OpenDevices{Name: "jtapi", Devices: []cluster.DeviceName{name}})
		case 15:
			out = append(out, cluster.CloseDevices{Name: "jtapi", Reason: 1})
		case 16, 17:
			out = append(out, cluster.Register{Device: name, Node: node})
		case 18, 19:
			out = append(out, cluster.Unregister{Device: name})
		case 20:
			out = append(out, cluster.Reject{Device: name, Node: node, Reason: cluster.AuthenticationError})
		case 21:
			out = append(out, cluster.PartiallyRegister{Device: name, Node: node})
		case 22, 23:
			out = append(out, cluster.Failover{Device: name, To: node})
		case 24:
			out = append(out, cluster.Fallback{Device: name})
		case 25:
			out = append(out, cluster.Readdress{Device: name, IPv4: netip.MustParseAddr(pick(t, "v4", v4s))})
		case 26:
			out = append(out, cluster.Login{Device: name, User: "anna", Lines: []string{"2001"}})
		case 27:
			out = append(out, cluster.Logout{Device: name})
		case 28:
			out = append(out, cluster.BeginDownload{Device: name, Load: "sip.2"})
		case 29:
			out = append(out, cluster.EndDownload{Device: name})
		case 30:
			out = append(out, cluster.ActivateLoad{Device: name, Node: node})
		default:
			out = append(out, cluster.SetRecord{Registration: cluster.Registration{Device: name, Node: node, Record: drawRecord(t, s.Now)}})
		}
	}
	return out
}

// poll is an answer that a client keeps: the query, the marks, and a full copy of what was found.
type poll struct {
	device *cluster.DeviceQuery
	cti    *cluster.CtiQuery
	marks  []cluster.Mark
	copied any
	states string // how the nodes stood, with their start times
	epoch  int    // how often a node had come, gone or restarted
}

// nodeStates says how the nodes stand: as far as who asks can see, and altogether.
func nodeStates(s *cluster.Snapshot, asked string) (mine, all string) {
	for _, n := range s.Nodes() {
		text := fmt.Sprint(n.Name, "does not answer")
		if n.State == cluster.Up {
			text = fmt.Sprint(n.Name, n.Started, n.CtiStarted)
		}
		all += fmt.Sprint(n.Name, n.State == cluster.Up, n.Started)
		a, err := netip.ParseAddr(asked)
		if asked == "" || strings.EqualFold(asked, string(n.Name)) || err == nil && (a == n.Address || a == n.Address6) {
			mine += text
		}
	}
	return mine, all
}

func marksOf[N any](nodes []N, answer func(N) cluster.NodeAnswer) []cluster.Mark {
	var out []cluster.Mark
	for _, n := range nodes {
		if a := answer(n); a.Code == cluster.Ok || a.Code == cluster.NotFound {
			out = append(out, a.Mark)
		}
	}
	return out
}

func ctiCopy(s *cluster.Snapshot, q cluster.CtiQuery) []string {
	q.Since = nil
	q.Limit = 0
	var out []string
	for _, n := range s.SelectCti(q).Nodes {
		for _, it := range n.Items {
			text := fmt.Sprint(n.Node, it.App.ID(), it.App.StateID)
			if it.Device != nil {
				text += fmt.Sprint(it.Device.Name, it.Device.StateID)
			}
			if it.Line != nil {
				text += fmt.Sprint(it.Line.Number, it.Line.StateID)
			}
			out = append(out, text)
		}
	}
	return out
}

func take(s *cluster.Snapshot, p poll) (poll, cluster.Verdict, any) {
	var verdict cluster.Verdict
	var answer any
	if p.device != nil {
		q := *p.device
		q.Since = p.marks
		res := s.Select(q)
		p.marks = marksOf(res.Nodes, func(n cluster.NodeDevices) cluster.NodeAnswer { return n.NodeAnswer })
		p.copied, verdict, answer = plainSelect(s, *p.device), res.Since, res
		p.states, _ = nodeStates(s, q.Node)
	} else {
		q := *p.cti
		q.Since = p.marks
		res := s.SelectCti(q)
		p.marks = marksOf(res.Nodes, func(n cluster.NodeCti) cluster.NodeAnswer { return n.NodeAnswer })
		p.copied, verdict, answer = ctiCopy(s, *p.cti), res.Since, res
		p.states, _ = nodeStates(s, q.Node)
	}
	return p, verdict, answer
}

// N3 N4 N5 N6: random clusters, changes and polls; NoChange is said exactly when a full copy of the earlier answer says so.
func TestNoChange_AgreesWithFullCopies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "history")
		store := drawCluster(t, history)
		var polls []poll
		epoch := 0
		for step := range rapid.IntRange(4, 24).Draw(t, "steps") {
			s := store.Snapshot()
			switch rapid.IntRange(0, 3).Draw(t, "act") {
			case 0:
				q := drawDeviceQuery(t)
				p := poll{device: &q}
				if q.Node == "nowhere" {
					continue
				}
				p, verdict, _ := take(s, p)
				require.Equal(t, cluster.NoMarks, verdict)
				p.epoch = epoch
				polls = append(polls, p)
			case 1:
				q := drawCtiQuery(t)
				p, verdict, _ := take(s, poll{cti: &q})
				require.Equal(t, cluster.NoMarks, verdict)
				p.epoch = epoch
				polls = append(polls, p)
			default:
				before := store.Snapshot()
				if err := store.Apply(start.Add(time.Duration(step)*time.Second), drawChange(t, s)...); err != nil {
					require.Same(t, before, store.Snapshot(), "a refused change left something behind")
				}
				require.NoError(t, store.Snapshot().Check())
				_, was := nodeStates(before, "")
				if _, is := nodeStates(store.Snapshot(), ""); is != was {
					epoch++
				}
			}
			if len(polls) == 0 {
				continue
			}
			i := rapid.IntRange(0, len(polls)-1).Draw(t, "poll")
			was := polls[i]
			if len(was.marks) == 0 {
				continue
			}
			s = store.Snapshot()
			p, verdict, answer := take(s, was)
			p.epoch = epoch
			if verdict == cluster.RolledOver {
				require.True(t, rolledOver(s, was, history), "history of %d does not reach back to %+v", history, was.marks)
				polls[i] = p
				continue
			}
			same := was.states == p.states && fmt.Sprint(was.copied) == fmt.Sprint(p.copied)
			if was.device != nil && was.device.Newest && was.epoch != epoch {
				same = false // a node came, went or restarted: collating began anew (rule N5)
			}
			require.Equal(t, same, verdict == cluster.Unchanged, "query %+v %+v\nthen %v %v\nnow  %v %v\nmarks %+v", was.device, was.cti, was.states, was.copied, p.states, p.copied, was.marks)
			if verdict == cluster.Unchanged {
				checkUnchanged(t, was, p, answer)
			} else if was.device != nil {
				checkSelect(t, s, *was.device)
			}
			polls[i] = p
		}
	})
}

func rolledOver(s *cluster.Snapshot, was poll, history int) bool {
	for _, m := range was.marks {
		n := s.Nodes()[nodeIndex(s, m.Node)]
		id := n.StateID
		if was.cti != nil {
			id = n.CtiStateID
		}
		if id >= m.StateID+uint64(history) {
			return true
		}
	}
	return false
}

// checkUnchanged verifies rule N4 of a short answer: nothing listed, codes and counts as the full answer had them.
func checkUnchanged(t *rapid.T, was, p poll, answer any) {
	answers := []cluster.NodeAnswer{}
	switch res := answer.(type) {
	case cluster.DeviceResult:
		require.Zero(t, res.Found)
		for _, n := range res.Nodes {
			require.Empty(t, n.Devices)
			answers = append(answers, n.NodeAnswer)
		}
	case cluster.CtiResult:
		require.Zero(t, res.Found)
		for _, n := range res.Nodes {
			require.Empty(t, n.Items)
			answers = append(answers, n.NodeAnswer)
		}
	}
	i := 0
	for _, a := range answers {
		if a.Code == cluster.NodeNotResponding || a.Code == cluster.InternalError {
			require.False(t, a.NoChange)
			continue
		}
		require.True(t, a.NoChange)
		require.Equal(t, was.marks[i].Found > 0, a.Code == cluster.Ok)
		require.Equal(t, was.marks[i].Found, a.Found)
		require.Equal(t, was.marks[i].Returned, a.Returned)
		require.GreaterOrEqual(t, a.StateID, was.marks[i].StateID)
		i++
	}
	require.Len(t, p.marks, i)
}

func drawCtiQuery(t *rapid.T) cluster.CtiQuery {
	q := cluster.CtiQuery{
		Limit:    rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "limit"),
		CountAll: rapid.Bool().Draw(t, "count all"),
		Class:    cluster.CtiClass(rapid.IntRange(0, 2).Draw(t, "class")),
		Status:   cluster.CtiStatus(rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "status")),
		Node:     rapid.SampledFrom([]string{"", "", "cucm-pub"}).Draw(t, "node"),
		By:       cluster.SelectAppBy(rapid.IntRange(0, 3).Draw(t, "by")),
	}
	from := [][]string{{"jtapi-10.1.1.1-1", "UCCX-*"}, v4s, v6s, {"uccx", "JTAPI"}}[q.By]
	for range rapid.IntRange(0, 2).Draw(t, "apps") {
		q.Apps = append(q.Apps, drawItem(t, from))
	}
	for range rapid.IntRange(0, 1).Draw(t, "devs") {
		q.DevNames = append(q.DevNames, drawItem(t, []string{"SEPA1", "SEPC9"}))
	}
	for range rapid.IntRange(0, 1).Draw(t, "numbers") {
		q.Numbers = append(q.Numbers, drawItem(t, []string{"1001", "+1408"}))
	}
	return q
}

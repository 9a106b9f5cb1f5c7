package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim/cluster"
)

// Time is a simulated time: RFC 3339 in UTC, with milliseconds if there are any.
type Time struct{ time.Time }

// MarshalText writes it.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.text()), nil }

func (t Time) text() string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// UnmarshalText reads RFC 3339.
func (t *Time) UnmarshalText(text []byte) (err error) {
	if t.Time, err = time.Parse(time.RFC3339Nano, string(text)); err != nil {
		return fmt.Errorf("%q is not a time, such as 2026-03-02T08:00:00Z", text)
	}
	return nil
}

// epoch is a time stamp of the cluster; the zero Time, which JSON leaves out, for 0.
func epoch(seconds int64) Time {
	if seconds == 0 {
		return Time{}
	}
	return Time{time.Unix(seconds, 0).UTC()}
}

// State is how a cluster stands.
type State struct {
	Version      uint64         `json:"version" doc:"Version of the snapshot: it rises with every change."`
	Time         Time           `json:"time" doc:"Simulated time."`
	Changed      Time           `json:"changed" doc:"Simulated time of the last change."`
	Profile      string         `json:"profile" doc:"Profile of the service."`
	Devices      int            `json:"devices" doc:"How many devices are configured."`
	Status       map[string]int `json:"status" doc:"How many of them have which status in their latest record; Unknown, also for those that no node knows."`
	Nodes        []Node         `json:"nodes" doc:"The nodes, publisher first."`
	Applications int            `json:"applications" doc:"How many connections of CTI applications there are."`
}

// Node is a node and how it stands.
type Node struct {
	Name         string         `json:"name" doc:"Name."`
	Publisher    bool           `json:"publisher" doc:"Whether it is the publisher."`
	State        string         `json:"state" enum:"up,down,isolated,broken" doc:"Whether it answers."`
	URL          string         `json:"url" doc:"Where it answers."`
	Address      string         `json:"address,omitempty" doc:"Its IPv4 address in the cluster."`
	Address6     string         `json:"address6,omitempty" doc:"Its IPv6 address in the cluster."`
	Started      Time           `json:"started" doc:"SubsystemStartTime of the devices."`
	CtiStarted   Time           `json:"ctiStarted" doc:"SubsystemStartTime of CTI."`
	StateID      uint64         `json:"stateId" doc:"StateId of the devices."`
	CtiStateID   uint64         `json:"ctiStateId" doc:"StateId of CTI."`
	Records      int            `json:"records" doc:"How many devices it has a record of."`
	Status       map[string]int `json:"status" doc:"How many of these records have which status."`
	Applications int            `json:"applications" doc:"How many applications are connected with it."`
}

// counts is how many records of which status there are, of one snapshot.
type counts struct {
	version uint64
	latest  map[cluster.Status]int
	nodes   map[cluster.NodeName]map[cluster.Status]int
}

// counter counts a cluster's devices, once for each version of the snapshot. It is safe for concurrent use.
type counter struct {
	mu   sync.Mutex
	last counts
}

func (c *counter) of(s *cluster.Snapshot) counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.version == s.Version {
		return c.last
	}
	n := counts{s.Version, map[cluster.Status]int{}, map[cluster.NodeName]map[cluster.Status]int{}}
	for _, node := range s.Nodes() {
		n.nodes[node.Name] = map[cluster.Status]int{}
	}
	for d := range s.Devices() {
		records := s.Records(d.Name)
		for _, r := range records {
			n.nodes[r.Node][r.Record.Status]++
		}
		if r := newest(records); r != nil {
			n.latest[r.Record.Status]++
		} else {
			n.latest[cluster.UnknownStatus]++
		}
	}
	c.last = n
	return n
}

// newest is the record of the latest registration, whether or not its node answers; nil when there is none.
func newest(records []cluster.NodeRecord) *cluster.NodeRecord {
	var best *cluster.NodeRecord
	for i := range records {
		r := &records[i]
		if best == nil || r.Record.TimeStamp > best.Record.TimeStamp ||
			r.Record.TimeStamp == best.Record.TimeStamp && r.Record.Status == cluster.Registered && best.Record.Status != cluster.Registered {
			best = r
		}
	}
	return best
}

func words(n map[cluster.Status]int) map[string]int {
	out := map[string]int{}
	for status, count := range n {
		out[status.String()] += count
	}
	return out
}

func getState(c *call, in *inCluster) (State, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return State{}, err
	}
	s, snapshot := one.sim, one.sim.Snapshot()
	n := one.counts.of(snapshot)
	out := State{Version: snapshot.Version, Time: Time{s.Now()}, Changed: epoch(snapshot.Now), Profile: s.Settings().Profile(), Devices: snapshot.Len(),
		Status: words(n.latest), Applications: len(snapshot.Applications()), Nodes: []Node{}}
	for _, node := range snapshot.Nodes() {
		out.Nodes = append(out.Nodes, Node{
			Name: string(node.Name), Publisher: node.Publisher, State: node.State.String(), URL: s.NodeURL(node.Name),
			Address: address(node.Address), Address6: address(node.Address6), Started: epoch(node.Started), CtiStarted: epoch(node.CtiStarted),
			StateID: node.StateID, CtiStateID: node.CtiStateID, Records: node.Records, Status: words(n.nodes[node.Name]), Applications: node.Applications,
		})
	}
	c.etag(snapshot.Version)
	return out, nil
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Device is a device as the cluster is configured, and what its nodes know of it.
type Device struct {
	Name        string   `json:"name" doc:"Name."`
	Description string   `json:"description,omitempty" doc:"Description."`
	Class       string   `json:"class" doc:"Device class."`
	Model       uint32   `json:"model" doc:"Number of the model."`
	ModelName   string   `json:"modelName,omitempty" doc:"Name of the model, where it is known."`
	Protocol    string   `json:"protocol" doc:"Protocol."`
	Group       string   `json:"group,omitempty" doc:"Group under which selectors find it."`
	Lines       []string `json:"lines,omitempty" doc:"Configured directory numbers, in button order."`
	Homes       []string `json:"homes,omitempty" doc:"Nodes with which it registers, best first."`
	Status      string   `json:"status" doc:"Status of the latest record; Unknown when no node knows it."`
	Node        string   `json:"node,omitempty" doc:"Node of the latest record."`
	Records     []Record `json:"records,omitempty" doc:"What each node knows of it, in node order."`
}

// Record is what a node knows of a device.
type Record struct {
	Node            string  `json:"node" doc:"The node."`
	Status          string  `json:"status" doc:"Status."`
	Reason          string  `json:"reason,omitempty" doc:"StatusReason, by name where it has one."`
	TimeStamp       Time    `json:"timeStamp" doc:"When the status changed last."`
	Attempts        *uint32 `json:"attempts,omitempty" doc:"RegistrationAttempts."`
	IPv4            string  `json:"ipv4,omitempty" doc:"IPv4 address."`
	IPv6            string  `json:"ipv6,omitempty" doc:"IPv6 address."`
	LoginUser       string  `json:"loginUser,omitempty" doc:"Extension Mobility user."`
	Lines           []Line  `json:"lines,omitempty" doc:"The lines."`
	ActiveLoad      string  `json:"activeLoad,omitempty" doc:"ActiveLoadID."`
	InactiveLoad    string  `json:"inactiveLoad,omitempty" doc:"InactiveLoadID."`
	Download        string  `json:"download" doc:"State of the firmware download."`
	DownloadFailure string  `json:"downloadFailure,omitempty" doc:"Why it failed."`
	DownloadServer  string  `json:"downloadServer,omitempty" doc:"Where the load comes from."`
	StateID         uint64  `json:"stateId" doc:"The node's StateId at the last change of the record."`
}

// Line is a line of a record.
type Line struct {
	Number string `json:"number" doc:"Directory number."`
	Status string `json:"status" doc:"Status."`
}

func deviceOf(s *cluster.Snapshot, d *cluster.Device, withRecords bool) Device {
	out := Device{Name: string(d.Name), Description: d.Description, Class: d.Class.String(), Model: d.Model, Protocol: d.Protocol.String(), Group: d.Group,
		Lines: slices.Clone(d.Lines), Status: cluster.UnknownStatus.String()}
	out.ModelName, _ = fixtures.ModelName(d.Model)
	for _, h := range d.Homes {
		out.Homes = append(out.Homes, string(h))
	}
	records := s.Records(d.Name)
	if r := newest(records); r != nil {
		out.Status, out.Node = r.Record.Status.String(), string(r.Node)
	}
	if !withRecords {
		return out
	}
	for _, r := range records {
		out.Records = append(out.Records, recordOf(r))
	}
	return out
}

func recordOf(n cluster.NodeRecord) Record {
	r := n.Record
	out := Record{Node: string(n.Node), Status: r.Status.String(), TimeStamp: epoch(r.TimeStamp), IPv4: address(r.IPv4), IPv6: address(r.IPv6),
		LoginUser: r.LoginUser, ActiveLoad: r.ActiveLoad, InactiveLoad: r.InactiveLoad, Download: r.Download.String(),
		DownloadFailure: r.DownloadFailure, DownloadServer: r.DownloadServer, StateID: r.StateID}
	if r.Reason != cluster.NoReason {
		out.Reason = r.Reason.String()
	}
	if n, ok := r.Attempts.Get(); ok {
		out.Attempts = &n
	}
	for _, l := range r.Lines {
		out.Lines = append(out.Lines, Line{l.Number, l.Status.String()})
	}
	return out
}

// Devices is a page of a cluster's devices.
type Devices struct {
	Version uint64   `json:"version" doc:"Version of the snapshot that the page is of."`
	Devices []Device `json:"devices" doc:"The devices, in name order."`
	Matched int      `json:"matched" doc:"How many devices are selected in all, also on other pages."`
	Next    string   `json:"next,omitempty" doc:"Cursor of the next page; not there on the last one."`
}

const (
	defaultPage = 100
	maxPage     = 1000
)

type devicesIn struct {
	inCluster
	Limit   int    `query:"limit" doc:"How many devices at the most, up to 1000; 100 when it is left out."`
	Cursor  string `query:"cursor" doc:"Cursor of the page, from the answer with the one before."`
	Records bool   `query:"records" doc:"true: with what each node knows of the device."`
	Where   params `query:"*"`
}

// page checks a limit and gives it.
func page(limit int) (int, error) {
	if limit > maxPage {
		return 0, wrong(ProblemInvalid, []Wrong{{Parameter: "limit", Detail: fmt.Sprintf("%d is above %d, the most on a page", limit, maxPage)}})
	}
	if limit == 0 {
		limit = defaultPage
	}
	return limit, nil
}

func listDevices(c *call, in *devicesIn) (Devices, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Devices{}, err
	}
	limit, err := page(in.Limit)
	if err != nil {
		return Devices{}, err
	}
	var bad []Wrong
	for _, key := range sortedNames(in.Where) {
		if _, err := one.sim.Selector(params{key: in.Where[key]}); err != nil {
			for line := range strings.Lines(err.Error()) {
				bad = append(bad, Wrong{Parameter: key, Detail: strings.TrimSuffix(line, "\n")})
			}
		}
	}
	if len(bad) > 0 {
		return Devices{}, wrong(ProblemInvalid, bad)
	}
	selector, err := one.sim.Selector(in.Where)
	if err != nil {
		return Devices{}, err
	}
	snapshot := one.sim.Snapshot()
	out := Devices{Version: snapshot.Version, Devices: []Device{}}
	after := fold(in.Cursor)
	for d := range snapshot.Devices() {
		if !selector.Matches(snapshot, d) {
			continue
		}
		out.Matched++
		switch {
		case in.Cursor != "" && fold(string(d.Name)) <= after:
		case len(out.Devices) < limit:
			out.Devices = append(out.Devices, deviceOf(snapshot, d, in.Records))
		case out.Next == "":
			out.Next = out.Devices[limit-1].Name
		}
	}
	c.etag(snapshot.Version)
	return out, nil
}

// fold is how the cluster compares names.
func fold(name string) string { return strings.ToUpper(strings.ToLower(name)) }

type deviceIn struct {
	inCluster
	Device string `path:"device" doc:"Name of the device; case does not matter."`
}

func getDevice(c *call, in *deviceIn) (Device, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Device{}, err
	}
	snapshot := one.sim.Snapshot()
	d, ok := snapshot.Device(cluster.DeviceName(in.Device))
	if !ok {
		return Device{}, refuse(ProblemNotFound, "there is no device %q", clip(in.Device))
	}
	c.etag(snapshot.Version)
	return deviceOf(snapshot, d, true), nil
}

// Applications is the CTI applications of a cluster.
type Applications struct {
	Version      uint64        `json:"version" doc:"Version of the snapshot."`
	Applications []Application `json:"applications" doc:"Their connections: in node order, then by AppId."`
	Next         string        `json:"next,omitempty" doc:"Cursor of the next page; not there on the last one."`
}

// Application is one connection of a CTI application.
type Application struct {
	ID        string `json:"id" doc:"AppId."`
	Name      string `json:"name" doc:"Name."`
	User      string `json:"user" doc:"The user that it logs in as."`
	Node      string `json:"node" doc:"The node."`
	Status    string `json:"status" doc:"Status of the connection."`
	Reason    uint32 `json:"reason" doc:"Reason, as a number."`
	TimeStamp Time   `json:"timeStamp" doc:"When the status changed last."`
	Devices   int    `json:"devices" doc:"How many devices it has opened, or tried to."`
	Lines     int    `json:"lines" doc:"How many lines of these."`
}

type applicationsIn struct {
	inCluster
	Limit  int    `query:"limit" doc:"How many at the most, up to 1000; 100 when it is left out."`
	Cursor string `query:"cursor" doc:"Cursor of the page, from the answer with the one before."`
}

func listApplications(c *call, in *applicationsIn) (Applications, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Applications{}, err
	}
	limit, err := page(in.Limit)
	if err != nil {
		return Applications{}, err
	}
	snapshot := one.sim.Snapshot()
	out := Applications{Version: snapshot.Version, Applications: []Application{}}
	all := snapshot.Applications()
	from := 0
	if in.Cursor != "" {
		from = 1 + slices.IndexFunc(all, func(a *cluster.Application) bool { return string(a.Node)+"/"+a.ID() == in.Cursor })
		if from == 0 {
			return out, wrong(ProblemInvalid, []Wrong{{Parameter: "cursor", Detail: fmt.Sprintf("%q is not the cursor of a page: that application is no longer there", clip(in.Cursor))}})
		}
	}
	for i, a := range all[from:] {
		if i == limit {
			before := all[from+i-1]
			out.Next = string(before.Node) + "/" + before.ID()
			break
		}
		lines := 0
		for _, d := range a.Devices {
			lines += len(d.Lines)
		}
		out.Applications = append(out.Applications, Application{ID: a.ID(), Name: a.Name, User: a.User, Node: string(a.Node), Status: a.Status.String(),
			Reason: a.Reason, TimeStamp: epoch(a.TimeStamp), Devices: len(a.Devices), Lines: lines})
	}
	c.etag(snapshot.Version)
	return out, nil
}

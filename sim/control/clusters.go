package control

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// ClusterSpec says what cluster to make. The zero value is the ready cluster "default".
type ClusterSpec struct {
	Name     string            `json:"name,omitempty" doc:"Name of the cluster; one is given when it is left out."`
	Ready    string            `json:"ready,omitempty" doc:"Name of a ready cluster or a ready scenario; default when neither this nor yaml is given."`
	YAML     string            `json:"yaml,omitempty" doc:"A scenario as text, instead of a ready one: its cluster, its users, and what happens when. It can also be a snapshot."`
	Devices  int               `json:"devices,omitempty" doc:"About how many devices a ready cluster is to have."`
	Seed     uint64            `json:"seed,omitempty" doc:"What all chance comes from; 1, or the scenario's, when it is left out."`
	Clock    string            `json:"clock,omitempty" enum:"real,manual" doc:"real: time runs by itself. manual: it stands still until it is advanced. What the scenario says, or real, when it is left out."`
	Start    *time.Time        `json:"start,omitempty" doc:"Simulated time of the start."`
	Speed    float64           `json:"speed,omitempty" doc:"How many simulated seconds pass in a second, for a real clock."`
	Profile  string            `json:"profile,omitempty" doc:"Profile of the service, such as cucm-14."`
	Settings map[string]string `json:"settings,omitempty" doc:"Knobs of the service and their values."`
	Users    []User            `json:"users,omitempty" doc:"Who may log in; the scenario's, or administrator with the password risim, when it is left out."`
	Plain    bool              `json:"plain,omitempty" doc:"true: HTTP instead of HTTPS."`
	PerNode  bool              `json:"perNode,omitempty" doc:"true: each node has its own loopback address, with the same port."`
	Listen   string            `json:"listen,omitempty" doc:"Address of the service, HOST:PORT; a free port of 127.0.0.1 when it is left out."`
	Journal  int               `json:"journal,omitempty" doc:"How many entries the journal keeps, up to 1000000; 500 when it is left out."`
	Lease    *Duration         `json:"lease,omitempty" doc:"How long the cluster lives unless the lease is renewed, by the wall, at most 24h; 0s: until it is deleted. 10m when it is left out."`
}

// User is somebody who may log in. Passwords go in and never come out.
type User struct {
	Name     string   `json:"name" doc:"Name, without a colon."`
	Password string   `json:"password,omitempty" doc:"Password. It is never in an answer."`
	Roles    []string `json:"roles,omitempty" doc:"What the user may do; everything when it is left out. The service asks for serviceability."`
}

// Cluster is a cluster of this process.
type Cluster struct {
	Name     string    `json:"name" doc:"Name, which stands in the paths of everything about it."`
	URL      string    `json:"url" doc:"Where the SOAP service is."`
	Nodes    []NodeURL `json:"nodes" doc:"Where each node answers."`
	User     string    `json:"user" doc:"Who may log in, the first of the users at the start."`
	CA       string    `json:"ca,omitempty" doc:"Certificate of the authority that signed the service's, in PEM; not there for HTTP, nor in a list of clusters."`
	CAFile   string    `json:"caFile,omitempty" doc:"File of the same on the machine of the simulator, when there is one."`
	Scenario string    `json:"scenario,omitempty" doc:"Name of the scenario that runs."`
	Seed     uint64    `json:"seed" doc:"What all chance comes from."`
	Devices  int       `json:"devices" doc:"How many devices are configured."`
	Clock    Clock     `json:"clock" doc:"Simulated time."`
	Version  uint64    `json:"version" doc:"Version of the snapshot."`
	Lease    *Lease    `json:"lease,omitempty" doc:"When it ends unless it is renewed; not there when it never does."`
}

// NodeURL is where a node answers.
type NodeURL struct {
	Name string `json:"name" doc:"Name of the node."`
	URL  string `json:"url" doc:"Where it answers."`
}

// Lease is how long a cluster lives.
type Lease struct {
	Duration Duration  `json:"duration" doc:"How long it is."`
	Expires  time.Time `json:"expires" doc:"When it ends, by the wall."`
}

// Clusters is a list of clusters.
type Clusters struct {
	Clusters []Cluster `json:"clusters" doc:"The clusters, by name."`
}

// options makes simulator options, and tells what is wrong by itself.
func (s *ClusterSpec) options() (sim.Options, []Wrong) {
	o := sim.Options{
		Devices: s.Devices, Seed: s.Seed, Manual: s.Clock == "manual", Speed: s.Speed, Listen: s.Listen, Plain: s.Plain, PerNode: s.PerNode,
		Profile: s.Profile, ScenarioText: s.YAML, JournalSize: leasedJournal, JournalRaw: leasedRaw, JournalBytes: leasedBytes,
	}
	var bad []Wrong
	complain := func(pointer, format string, args ...any) {
		bad = append(bad, Wrong{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	}
	if s.Name != "" {
		bad = badName(s.Name)
	}
	if s.Clock == "real" && s.Speed == 0 {
		o.Speed = 1 // so that the scenario has no say
	}
	switch {
	case s.Ready != "" && s.YAML != "":
		complain("/ready", "there are a ready one, %q, and yaml: choose one of them", s.Ready)
	case s.Ready != "" && sim.IsScenarioFile(s.Ready):
		complain("/ready", "%q is the name of a file, which only its text can stand for: give that as yaml", s.Ready)
	case s.Ready != "":
		named, err := o.Named(s.Ready)
		if err != nil {
			complain("/ready", "%v", err)
		}
		o = named
	}
	if s.Speed < 0 {
		complain("/speed", "%v is not a number above 0", s.Speed)
	}
	if s.Start != nil {
		o.Start = *s.Start
	}
	if s.Journal > maxJournal {
		complain("/journal", "%d is more than the %d entries that a journal may be asked to keep", s.Journal, maxJournal)
	} else if s.Journal > 0 {
		o.JournalSize, o.JournalBytes = s.Journal, max(leasedBytes, s.Journal<<10)
	}
	bad = append(bad, tooLong(s.Lease)...)
	bad = append(bad, wrongSettings(s.Profile, s.Settings)...)
	for _, knob := range sortedNames(s.Settings) {
		o.Set = append(o.Set, knob+"="+s.Settings[knob])
	}
	for i, u := range s.Users {
		if u.Password == "" {
			complain(fmt.Sprintf("/users/%d", i), "user %q has no password", u.Name)
		}
		o.Users = append(o.Users, soap.User(u))
	}
	return o, bad
}

func tooLong(lease *Duration) []Wrong {
	if lease == nil || time.Duration(*lease) <= MaxLease {
		return nil
	}
	return []Wrong{{Pointer: "/lease", Detail: fmt.Sprintf("%q is longer than %s", lease, Duration(MaxLease))}}
}

// wrongSettings tells of a profile and knobs that do not exist, and of values that they do not take.
func wrongSettings(profile string, settings map[string]string) []Wrong {
	set, err := soap.Profile(profile)
	if err != nil {
		return []Wrong{{Pointer: "/profile", Detail: err.Error()}}
	}
	var bad []Wrong
	for _, knob := range sortedNames(settings) {
		if err := set.Set(knob, settings[knob]); err != nil {
			bad = append(bad, Wrong{Pointer: "/settings/" + pointerEscape.Replace(knob), Detail: err.Error()})
		}
	}
	if err := set.Validate(); err != nil && len(bad) == 0 {
		bad = append(bad, Wrong{Pointer: "/settings", Detail: err.Error()})
	}
	return bad
}

// unfit says where in the spec an error of the simulator comes from.
func (s *ClusterSpec) unfit(err error) error {
	var many scenarios.Problems
	if errors.As(err, &many) {
		var list []Wrong
		for _, p := range many {
			list = append(list, Wrong{Pointer: "/yaml", Detail: fmt.Sprintf("line %d, column %d: %s", p.At.Line, p.At.Column, p.Message)})
		}
		return wrong(ProblemUnfit, list)
	}
	return problemOf(err, nil)
}

// same tells whether a cluster that is there is what somebody asks for.
func (s ClusterSpec) same(other ClusterSpec) bool {
	s.Lease, other.Lease = nil, nil
	return reflect.DeepEqual(s, other)
}

func sortedNames[V any](m map[string]V) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// describe is a cluster as the API shows it.
func (a *api) describe(c *hosted) Cluster {
	s, snapshot := c.sim, c.sim.Snapshot()
	out := Cluster{Name: c.name, URL: s.URL, User: s.User, CA: string(s.CAPEM()), CAFile: s.CAFile(), Seed: s.Seed(), Devices: snapshot.Len(),
		Clock: clockOf(s), Version: snapshot.Version, Nodes: []NodeURL{}}
	for _, n := range snapshot.Nodes() {
		out.Nodes = append(out.Nodes, NodeURL{string(n.Name), s.NodeURL(n.Name)})
	}
	if p := s.Scenario(); p != nil {
		out.Scenario = p.Name
	}
	a.host.mu.Lock()
	defer a.host.mu.Unlock()
	if c.lease > 0 {
		out.Lease = &Lease{Duration(c.lease), c.expires}
	}
	return out
}

func listClusters(c *call, _ *struct{}) (Clusters, error) {
	out := Clusters{Clusters: []Cluster{}}
	for _, one := range c.api.host.list() {
		d := c.api.describe(one)
		d.CA = "" // the same for all, and most of what a thousand of them would have to say
		out.Clusters = append(out.Clusters, d)
	}
	return out, nil
}

type createIn struct {
	DryRun bool         `query:"dryRun" doc:"true: only tell what is wrong with it; the answer is 200 with the name."`
	Body   *ClusterSpec `body:"json"`
}

// createCluster makes one; without a body, the default.
func createCluster(c *call, in *createIn) (Cluster, *Checked, error) {
	if in.Body == nil {
		in.Body = &ClusterSpec{}
	}
	return c.create(*in.Body, in.DryRun)
}

// Checked is the answer to a dry run that makes something.
type Checked struct {
	Name   string `json:"name,omitempty" doc:"Name that it would have; not there when one would be given."`
	DryRun bool   `json:"dryRun" doc:"true."`
}

func (c *call) create(spec ClusterSpec, dryRun bool) (Cluster, *Checked, error) {
	if dryRun {
		c.status = http.StatusOK
		return Cluster{}, &Checked{spec.Name, true}, c.api.host.validate(spec)
	}
	made, err := c.api.host.create(c.r.Context(), spec)
	if err != nil {
		return Cluster{}, nil, err
	}
	c.w.Header().Set("Location", Base+"/clusters/"+made.name)
	c.etag(made.sim.Snapshot().Version)
	return c.api.describe(made), nil, nil
}

type putClusterIn struct {
	inCluster
	DryRun bool         `query:"dryRun" doc:"true: only tell what is wrong with it."`
	Body   *ClusterSpec `body:"json"`
}

// putCluster makes a cluster of a name or, when it is there and was made of the same spec, renews its lease.
func putCluster(c *call, in *putClusterIn) (Cluster, *Checked, error) {
	if in.Body == nil {
		in.Body = &ClusterSpec{}
	}
	spec := *in.Body
	if spec.Name != "" && spec.Name != in.Cluster {
		return Cluster{}, nil, wrong(ProblemInvalid, []Wrong{{Pointer: "/name", Detail: fmt.Sprintf("%q is not the name in the path, %q", spec.Name, in.Cluster)}})
	}
	spec.Name = in.Cluster
	have, err := c.api.host.find(in.Cluster)
	if err != nil {
		var p *Problem
		if errors.As(err, &p) && p.Type != ProblemNotFound {
			return Cluster{}, nil, err
		}
		return c.create(spec, in.DryRun)
	}
	if !have.spec.same(spec) {
		return Cluster{}, nil, refuse(ProblemConflict, "there is a cluster %q, which was made of something else; delete it first", in.Cluster)
	}
	c.status = http.StatusOK
	if !in.DryRun {
		if have, err = c.api.host.renew(in.Cluster, spec.Lease); err != nil {
			return Cluster{}, nil, err
		}
	}
	return c.api.describe(have), nil, nil
}

func getCluster(c *call, in *inCluster) (Cluster, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Cluster{}, err
	}
	c.etag(one.sim.Snapshot().Version)
	return c.api.describe(one), nil
}

type deleteClusterIn struct {
	inCluster
	DryRun bool `query:"dryRun" doc:"true: only tell whether there is such a cluster."`
}

// Deleted says what was deleted.
type Deleted struct {
	Name string `json:"name" doc:"What is no longer there."`
}

func deleteCluster(c *call, in *deleteClusterIn) (Deleted, error) {
	if _, err := c.api.host.find(in.Cluster); err != nil {
		return Deleted{}, err
	}
	if in.DryRun {
		return Deleted{in.Cluster}, nil
	}
	return Deleted{in.Cluster}, c.api.host.remove(in.Cluster)
}

type renewIn struct {
	inCluster
	DryRun bool   `query:"dryRun" doc:"true: only tell whether it could be done."`
	Body   *Renew `body:"json"`
}

// Renew is how long a lease is to be.
type Renew struct {
	Lease *Duration `json:"lease,omitempty" doc:"How long the cluster lives from now on; as long as before when it is left out; 0s: until it is deleted."`
}

func renewCluster(c *call, in *renewIn) (Cluster, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Cluster{}, err
	}
	if in.Body == nil {
		in.Body = &Renew{}
	}
	if bad := tooLong(in.Body.Lease); bad != nil {
		return Cluster{}, wrong(ProblemInvalid, bad)
	}
	if !in.DryRun {
		if one, err = c.api.host.renew(in.Cluster, in.Body.Lease); err != nil {
			return Cluster{}, err
		}
	}
	return c.api.describe(one), nil
}

// Ready is what can be had by name.
type Ready struct {
	Clusters  []ReadyOne `json:"clusters" doc:"Ready clusters."`
	Scenarios []ReadyOne `json:"scenarios" doc:"Ready scenarios."`
}

// ReadyOne is a ready cluster or scenario.
type ReadyOne struct {
	Name    string `json:"name" doc:"Name."`
	Summary string `json:"summary" doc:"One sentence."`
}

func listReady(*call, *struct{}) (Ready, error) {
	out := Ready{Clusters: []ReadyOne{}, Scenarios: []ReadyOne{}}
	for _, r := range fixtures.ReadyClusters() {
		out.Clusters = append(out.Clusters, ReadyOne{r.Name, r.Summary})
	}
	for _, r := range fixtures.ReadyScenarios() {
		out.Scenarios = append(out.Scenarios, ReadyOne{r.Name, strings.TrimSpace(r.Summary)})
	}
	return out, nil
}

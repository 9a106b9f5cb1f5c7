package sim

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// CheckScenario tells of everything that is wrong with o.Scenario and with how it fits its cluster, and starts nothing.
// What is wrong with the files is in errors of type [scenarios.Problems], each with its place.
func (o Options) CheckScenario() error {
	_, _, err := o.scenario()
	return err
}

// Timeline is what o.Scenario does, one event a line, without a service and without waiting: steps that wait for requests
// do not happen, and come last. The error is that of CheckScenario.
func (o Options) Timeline() (string, error) {
	prog, store, err := o.scenario()
	if err != nil {
		return "", err
	}
	events, _, err := prog.Timeline(store.Snapshot())
	if err != nil {
		return "", err
	}
	return scenarios.FormatTimeline(events), nil
}

// scenario makes o.Scenario's program and its cluster, as at the start.
func (o Options) scenario() (*scenarios.Program, *cluster.Store, error) {
	problems := []error{o.check()}
	if o.Scenario == "" && o.ScenarioText == "" {
		problems = append(problems, errors.New("there is no scenario"))
	}
	prog, err := o.program()
	problems = append(problems, err)
	var store *cluster.Store
	if prog != nil {
		o = o.merged(prog).settled(defaultStart)
		store, err = o.scenarioStore(prog)
		problems = append(problems, err)
	}
	return prog, store, errors.Join(problems...)
}

// IsScenarioFile tells the name of a scenario's file, which has a slash or ends in .yaml or .yml, from that of a ready one.
func IsScenarioFile(name string) bool {
	return strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// Named is o with what a person calls name: the file of a scenario (see IsScenarioFile), else a ready scenario, else a ready
// cluster. An error names what there is of that, and what was meant when it was nearly right.
func (o Options) Named(name string) (Options, error) {
	switch {
	case IsScenarioFile(name), slices.Contains(fixtures.ScenarioNames(), name):
		o.Scenario = name
	case slices.Contains(fixtures.ReadyNames(), name):
		o.Cluster = name
	default:
		return o, unknownName(name, "scenario or cluster")
	}
	return o, nil
}

// unknownName tells what is ready, as something else was asked for.
func unknownName(name, what string) error {
	known, ready := fixtures.ScenarioNames(), fixtures.ReadyNames()
	if slices.Contains(ready, name) {
		return fmt.Errorf("%q is a ready cluster, and not a %s", name, what)
	}
	var near []string
	for _, names := range [][]string{known, ready} {
		if n := cluster.Near(name, names); n != "" {
			near = append(near, strconv.Quote(n))
		}
	}
	if len(near) > 0 {
		return fmt.Errorf("no ready %s is called %q; did you mean %s?", what, name, strings.Join(near, " or "))
	}
	return fmt.Errorf("no ready %s is called %q, and a file's name ends in .yaml or has a slash (scenarios: %s; clusters: %s)",
		what, name, strings.Join(known, ", "), strings.Join(ready, ", "))
}

// program reads o.Scenario; nil when there is none. For a ready one, its file takes the place of its name.
func (o *Options) program() (*scenarios.Program, error) {
	switch {
	case o.ScenarioText != "":
		o.Scenario = cmp.Or(o.Scenario, "scenario.yaml")
	case o.Scenario == "":
		return nil, nil
	case IsScenarioFile(o.Scenario):
	case !slices.Contains(fixtures.ScenarioNames(), o.Scenario):
		return nil, unknownName(o.Scenario, "scenario")
	default:
		o.Scenario, o.ScenarioFS = o.Scenario+".yaml", fixtures.ScenarioFS()
	}
	data, err := o.readBeside("")
	if err != nil {
		return nil, err
	}
	known, err := o.words()
	if err != nil {
		return nil, err
	}
	prog, err := scenarios.Load(o.Scenario, data, known)
	if err != nil {
		return nil, o.withCluster(err, data, known)
	}
	if section := prog.Written().Service; section != nil {
		err = fitService(prog, section)
	}
	return prog, err
}

// words is what the words of a scenario are looked up with.
func (o *Options) words() (scenarios.Options, error) {
	known := scenarios.Options{
		Seed:     o.Seed,
		Model:    fixtures.ModelNumber,
		Profiles: soap.Profiles(),
		Faults:   faults(),
		Roles:    []string{soap.RoleServiceability},
		Expand:   expandGroup,
	}
	settings, err := soap.Profile("")
	if err != nil {
		return known, err
	}
	known.Knob = func(name, value string) error { s := settings; return s.Set(name, value) }
	for _, a := range soap.Advices() {
		known.Advice = append(known.Advice, a.ID)
	}
	return known, nil
}

// ScenarioSchema is the JSON Schema (2020-12) of scenario files, for editors: see [scenarios.Schema].
func ScenarioSchema() ([]byte, error) {
	words, err := (&Options{}).words()
	if err != nil {
		return nil, err
	}
	var knobs []scenarios.KnobWords
	for _, k := range soap.Knobs() {
		one := scenarios.KnobWords{Name: k.Name, Doc: k.Doc, Values: k.Values}
		if k.Kind == "boolean" {
			one.Values = []string{"true", "false"}
		}
		knobs = append(knobs, one)
	}
	return scenarios.Schema(words, knobs), nil
}

// withCluster adds to what is wrong with a file what is wrong with its cluster, as far as that part can be understood.
func (o *Options) withCluster(err error, data []byte, known scenarios.Options) error {
	prog, problems := scenarios.LoadCluster(o.Scenario, data, known), (scenarios.Problems)(nil)
	if prog == nil || !errors.As(err, &problems) {
		return err
	}
	settled := o.merged(prog).settled(defaultStart)
	_, wrong := settled.scenarioCluster(prog)
	if more := (scenarios.Problems)(nil); errors.As(wrong, &more) {
		problems = slices.Concat(problems, more)
		if more[0].File == o.Scenario { // and not in the file of the cluster, which comes last
			slices.SortStableFunc(problems, func(a, b scenarios.Problem) int {
				return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
			})
		}
	}
	return problems
}

// fitService tells what is wrong with the service section as a whole.
func fitService(prog *scenarios.Program, section *scenarios.Service) error {
	whole := Options{Profile: prog.Profile}
	for _, k := range prog.Knobs {
		whole.Set = append(whole.Set, k.String())
	}
	if _, err := whole.settings(); err != nil {
		return scenarios.Problems{prog.Problem(section.At, "service: %v", err)}
	}
	return nil
}

// merged is o with what the scenario says, where o does not say it. nil changes nothing.
func (o Options) merged(prog *scenarios.Program) Options {
	if prog == nil {
		return o
	}
	o.Seed = prog.Seed // which is o's when that is given
	if o.Start.IsZero() {
		o.Start = prog.Start
	}
	if o.Speed == 0 && !o.Manual {
		o.Manual, o.Speed = prog.Manual, prog.Speed
	}
	if o.Manual {
		o.Speed = 0
	}
	if o.Profile == "" {
		o.Profile = prog.Profile
	}
	var knobs []string
	for _, k := range prog.Knobs {
		knobs = append(knobs, k.String())
	}
	o.Set = append(knobs, o.Set...)
	if len(o.Users) == 0 {
		for _, u := range prog.Users {
			o.Users = append(o.Users, soap.User{Name: u.Name.Text, Password: u.Password.Text, Roles: textsOf(u.Roles)})
		}
	}
	return o
}

// scenarioStore makes the cluster of a scenario, and checks the one against the other.
func (o *Options) scenarioStore(prog *scenarios.Program) (*cluster.Store, error) {
	store, err := o.scenarioCluster(prog)
	if err != nil {
		return nil, err
	}
	return store, prog.Check(store.Snapshot())
}

// scenarioCluster makes the cluster of a scenario.
func (o *Options) scenarioCluster(prog *scenarios.Program) (*cluster.Store, error) {
	m, err := o.scenarioConfig(prog, prog.Cluster)
	if err != nil {
		return nil, err
	}
	return m.store(prog, o.Start)
}

// made is a cluster before it starts: what there is, and the changes that nodes begin with.
type made struct {
	config cluster.Config
	states []cluster.SetNodeState
	state  *cluster.State // instead of both: how everything stands
}

// store starts the cluster. What is wrong with it stands in prog, as far as anybody knows where.
func (m *made) store(prog *scenarios.Program, start time.Time) (*cluster.Store, error) {
	if m.state != nil {
		store, err := cluster.FromState(*m.state)
		if err != nil {
			return nil, scenarios.Problems{prog.Problem(prog.StateAt(), "state: %s", strings.ReplaceAll(err.Error(), "\n", "; "))}
		}
		return store, nil
	}
	store, err := cluster.New(start, m.config)
	if err == nil && len(m.states) > 0 {
		changes := make([]cluster.Change, len(m.states))
		for i, s := range m.states {
			changes[i] = s
		}
		err = store.Apply(start, changes...)
	}
	if err != nil && prog.Cluster != nil {
		return nil, scenarios.Problems{prog.Problem(prog.Cluster.At, "%v", err)}
	}
	return store, err
}

// scenarioConfig is the cluster that spec says, which stands in the file of prog.
func (o *Options) scenarioConfig(prog *scenarios.Program, spec *scenarios.ClusterSpec) (m made, err error) {
	wrong := func(at scenarios.Pos, format string, args ...any) (made, error) {
		return made{}, scenarios.Problems{prog.Problem(at, format, args...)}
	}
	switch {
	case prog.State != nil && (o.Cluster != "" || o.Config != nil || o.Devices != 0):
		return wrong(prog.StateAt(), "the scenario says how a cluster stands, and the options have another one, or another size: choose one of them")
	case prog.State != nil:
		return made{state: prog.State}, nil
	case spec == nil:
		m.config, err = o.readyConfig()
		return m, err
	case o.Cluster != "" || o.Config != nil:
		return wrong(spec.At, "the scenario has a cluster, and the options have another one: choose one of them")
	case spec.IsFile():
		site, err := o.clusterFile(prog, spec)
		if err != nil {
			return made{}, err
		}
		return o.scenarioConfig(site, site.Cluster)
	case spec.Ready.Given():
		ready := *o
		ready.Cluster = spec.Ready.Text
		if m.config, err = ready.readyConfig(); err != nil {
			return wrong(spec.Ready.At, "%v", err)
		}
		return m, nil
	case o.Devices != 0:
		return wrong(spec.At, "%d devices cannot be had: only a ready cluster can be scaled, not one that a scenario describes", o.Devices)
	}
	layout, from := layoutOf(spec), fixtures.Spec{Seed: o.Seed, Start: o.Start}
	openMatching(&layout, from)
	m.config, err = fixtures.Build(layout, from)
	if list := (fixtures.Problems)(nil); errors.As(err, &list) {
		var problems scenarios.Problems
		for _, p := range list {
			problems = append(problems, prog.Problem(placeOf(spec, p), "%v", p))
		}
		return made{}, problems
	} else if err != nil {
		return wrong(spec.At, "%v", err)
	}
	m.states = nodeStates(spec)
	return m, nil
}

// clusterFile reads the file that holds the cluster of another one: its only section, besides name and summary, is cluster.
func (o *Options) clusterFile(prog *scenarios.Program, spec *scenarios.ClusterSpec) (*scenarios.Program, error) {
	data, err := o.readBeside(spec.Ready.Text)
	if err != nil {
		return nil, scenarios.Problems{prog.Problem(spec.Ready.At, "cluster file: %v", err)}
	}
	name := path.Join(path.Dir(filepath.ToSlash(o.Scenario)), filepath.ToSlash(spec.Ready.Text))
	site, err := scenarios.Load(name, data, scenarios.Options{Seed: o.Seed, Model: fixtures.ModelNumber, Expand: expandGroup})
	if err != nil {
		return nil, err
	}
	switch file := site.Written(); {
	case file.Cluster == nil:
		return nil, scenarios.Problems{site.Problem(file.At, "a file that is used as a cluster has no section cluster")}
	case file.Seed.Given() || file.Clock != nil || file.Service != nil || file.Impairments != nil || file.Timeline != nil || file.Expect != nil:
		return nil, scenarios.Problems{site.Problem(file.At, "a file that is used as a cluster has scenario, summary and cluster only")}
	case file.Cluster.IsFile():
		at := file.Cluster.Ready
		return nil, scenarios.Problems{site.Problem(at.At, "a file that is used as a cluster cannot name another file, %q", at.Text)}
	}
	if o.files != nil {
		o.files.site = site
	}
	return site, nil
}

// scenarioFiles is what was read of a scenario and of the file that it names.
type scenarioFiles struct {
	text []byte             // the scenario, in place of its file; nil: that is read
	site *scenarios.Program // the file with the cluster; nil: the scenario names none
	sums map[string][sha256.Size]byte
}

// readBeside reads a file in the folder of o.Scenario or below it, or with o.AllowOutside elsewhere; "" is o.Scenario itself.
func (o *Options) readBeside(name string) ([]byte, error) {
	if o.files == nil {
		return o.readFile(name)
	}
	data := o.files.text
	if name != "" || data == nil {
		var err error
		if data, err = o.readFile(name); err != nil {
			return nil, err
		}
	}
	if o.files.sums == nil {
		o.files.sums = map[string][sha256.Size]byte{}
	}
	o.files.sums[name] = sha256.Sum256(data)
	return data, nil
}

func (o *Options) readFile(name string) ([]byte, error) {
	called := cmp.Or(name, o.Scenario)
	if o.ScenarioText != "" {
		if name != "" {
			return nil, fmt.Errorf("%s cannot be read: a scenario that is given as text has no folder", called)
		}
		return []byte(o.ScenarioText), nil
	}
	files, base := o.ScenarioFS, path.Join(path.Dir(o.Scenario), filepath.ToSlash(name))
	switch local := filepath.IsLocal(filepath.FromSlash(cmp.Or(name, "."))); {
	case !local && !o.AllowOutside:
		return nil, fmt.Errorf("%q is outside of the scenario's folder; --allow-outside (Options.AllowOutside) lets it be read", called)
	case files != nil && name == "":
		base = o.Scenario
	case files != nil:
	case name == "" || o.AllowOutside: // links are followed
		whole := filepath.FromSlash(called)
		if name != "" && !filepath.IsAbs(whole) {
			whole = filepath.Join(filepath.Dir(o.Scenario), whole)
		}
		files, base = os.DirFS(filepath.Dir(whole)), filepath.Base(whole)
	default:
		root, err := os.OpenRoot(filepath.Dir(o.Scenario)) // which no link leaves either
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read: %w", called, reasonOf(err))
		}
		defer root.Close()
		files, base = root.FS(), path.Clean(filepath.ToSlash(name))
	}
	if !fs.ValidPath(base) {
		return nil, fmt.Errorf("%q is not the name of a file in ScenarioFS", called)
	}
	info, err := fs.Stat(files, base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", called, reasonOf(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s cannot be read: it is not a regular file", called)
	case info.Size() > scenarios.MaxSize+scenarios.MaxState: // each of which has its own bound
		return nil, fmt.Errorf("%s has %d bytes, and at most %d are read", called, info.Size(), scenarios.MaxSize+scenarios.MaxState)
	}
	data, err := fs.ReadFile(files, base)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", called, reasonOf(err))
	}
	return data, nil
}

// reasonOf is why, without the name of the file, which is said already.
func reasonOf(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// layoutOf is a cluster section in the words of fixtures.
func layoutOf(spec *scenarios.ClusterSpec) fixtures.Layout {
	var l fixtures.Layout
	for _, n := range spec.Nodes {
		l.Nodes = append(l.Nodes, fixtures.Node{Name: n.Name.Text, Role: n.Role.Text, Address: n.Address.Text, Address6: n.Address6.Text})
	}
	for _, g := range spec.Devices {
		l.Groups = append(l.Groups, groupOf(g))
	}
	for _, a := range spec.Applications {
		app := fixtures.Application{Name: a.Name.Text, User: a.User.Text, Instance: uint32(number(a.Instance)), Address: a.Address.Text,
			Node: a.Node.Text, Status: a.Status.Text}
		if p := a.Opens; p != nil {
			share, _ := strconv.ParseFloat(strings.TrimSuffix(p.Share.Text, "%"), 64) // checked when the file was read
			app.Opens = []fixtures.Opening{{Group: p.Group.Text, Names: textsOf(p.Names), Share: share / 100, Lines: p.Lines.Text == "true"}}
		}
		l.Applications = append(l.Applications, app)
	}
	return l
}

func groupOf(g *scenarios.DeviceGroup) fixtures.Group {
	out := fixtures.Group{
		Name: g.Group.Text, Count: number(g.Count), Model: g.Model.Text, Class: g.Class.Text, Protocol: g.Protocol.Text, Names: textsOf(g.Names),
		Description: g.Description.Text, Homes: textsOf(g.Homes), Reason: g.Reason.Text, Load: g.Load.Text,
	}
	if g.Macs != nil {
		out.MACs = strings.NewReplacer(":", "", "-", "", ".", "").Replace(g.Macs.From.Text)
	}
	if g.Addresses != nil {
		out.Addresses = g.Addresses.From.Text
		if strings.Contains(out.Addresses, ":") {
			out.Addresses, out.Addresses6 = "", out.Addresses
		}
	}
	if l := g.Lines; l != nil {
		out.Lines = fixtures.Lines{From: l.From.Text, PerDevice: number(l.PerDevice)}
		if l.Numbers != nil {
			out.Lines.List = [][]string{textsOf(l.Numbers)}
		}
	}
	if c := g.Status; c != nil {
		if c.Fixed.Given() {
			out.Status = []fixtures.Share{{Status: c.Fixed.Text, Weight: 1}}
		}
		for _, p := range c.Choice {
			weight, _ := strconv.ParseFloat(p.Value.Text, 64) // checked when the file was read
			out.Status = append(out.Status, fixtures.Share{Status: p.Key.Text, Weight: weight})
		}
	}
	return out
}

// number is a count that was checked when the file was read; 0 when it is not given.
func number(t scenarios.Text) int {
	n, _ := strconv.ParseUint(t.Text, 10, 32)
	return int(n)
}

func textsOf(list scenarios.Texts) []string {
	var out []string
	for _, t := range list {
		out = append(out, t.Text)
	}
	return out
}

// openMatching puts names of devices in the place of those with a *, among what applications open: the devices that match
// and that applications can control. A text that matches none stays, for Build to tell.
func openMatching(l *fixtures.Layout, made fixtures.Spec) {
	star := func(name string) bool { return strings.Contains(name, "*") }
	if !slices.ContainsFunc(l.Applications, func(a fixtures.Application) bool {
		return len(a.Opens) > 0 && slices.ContainsFunc(a.Opens[0].Names, star)
	}) {
		return
	}
	config, err := fixtures.Build(fixtures.Layout{Nodes: l.Nodes, Groups: l.Groups}, made)
	if err != nil {
		return // Build tells again
	}
	for _, a := range l.Applications {
		for i, o := range a.Opens {
			var names []string
			for _, name := range o.Names {
				before := len(names)
				for k := range config.Devices {
					d := &config.Devices[k]
					if star(name) && d.IsCtiControllable && (scenarios.Text{Text: name}).Matches(string(d.Name)) {
						names = append(names, string(d.Name))
					}
				}
				if len(names) == before {
					names = append(names, name)
				}
			}
			a.Opens[i].Names = names
		}
	}
}

// nodeStates are the changes that put nodes in their states at the start.
func nodeStates(spec *scenarios.ClusterSpec) []cluster.SetNodeState {
	states := map[string]cluster.NodeState{"down": cluster.Down, "isolated": cluster.Isolated, "broken": cluster.Broken}
	var out []cluster.SetNodeState
	for _, n := range spec.Nodes {
		if state, ok := states[strings.ToLower(n.State.Text)]; ok {
			out = append(out, cluster.SetNodeState{Node: cluster.NodeName(n.Name.Text), State: state})
		}
	}
	return out
}

// placeOf is where in a cluster section a problem of fixtures stands.
func placeOf(spec *scenarios.ClusterSpec, p fixtures.Problem) scenarios.Pos {
	field, rest, _ := strings.Cut(p.Field, ".")
	field, index, _ := strings.Cut(field, "[")
	if field == "opens" {
		field, index, _ = strings.Cut(rest, "[")
		field = "opens." + field
	}
	i, _ := strconv.Atoi(strings.TrimSuffix(index, "]"))
	nth := func(ts scenarios.Texts) scenarios.Text {
		if i < len(ts) {
			return ts[i]
		}
		return scenarios.Text{}
	}
	first := func(mark scenarios.Mark, texts ...scenarios.Text) scenarios.Pos {
		for _, t := range texts {
			if t.Given() {
				return t.At
			}
		}
		return mark.At
	}
	switch {
	case p.Section == "nodes" && p.Index < len(spec.Nodes):
		n := spec.Nodes[p.Index]
		return first(n.Mark, map[string]scenarios.Text{"role": n.Role, "address": n.Address, "address6": n.Address6}[field], n.Name)
	case p.Section == "groups" && p.Index < len(spec.Devices):
		g := spec.Devices[p.Index]
		switch {
		case field == "macs" && g.Macs != nil:
			return first(g.Macs.Mark, g.Macs.From)
		case (field == "addresses" || field == "addresses6") && g.Addresses != nil:
			return first(g.Addresses.Mark, g.Addresses.From)
		case field == "lines" && g.Lines != nil:
			if rest == "perDevice" && g.Lines.PerDevice.Given() {
				return g.Lines.PerDevice.At
			}
			return first(g.Lines.Mark, append(scenarios.Texts{g.Lines.From}, g.Lines.Numbers...)...)
		case field == "status" && g.Status != nil:
			return first(g.Status.Mark, g.Status.Fixed)
		}
		return first(g.Mark, map[string]scenarios.Text{"count": g.Count, "model": g.Model, "class": g.Class, "protocol": g.Protocol,
			"names": nth(g.Names), "description": g.Description, "homes": nth(g.Homes), "reason": g.Reason, "load": g.Load}[field], g.Group)
	case p.Section == "applications" && p.Index < len(spec.Applications):
		a := spec.Applications[p.Index]
		if o := a.Opens; o != nil && strings.HasPrefix(field, "opens") {
			return first(o.Mark, map[string]scenarios.Text{"opens.group": o.Group, "opens.names": nth(o.Names), "opens.share": o.Share}[field])
		}
		return first(a.Mark, map[string]scenarios.Text{"user": a.User, "instance": a.Instance, "address": a.Address, "node": a.Node,
			"status": a.Status}[field], a.Name)
	}
	return spec.At
}

// expandGroup makes the devices of a group that a scenario adds. They have no records until they register.
func expandGroup(g *scenarios.DeviceGroup, seed uint64) (cluster.AddDevices, error) {
	group := groupOf(g)
	if len(group.Homes) == 0 {
		return cluster.AddDevices{}, errors.New("the group has no homes, with which its devices could register")
	}
	l := fixtures.Layout{Groups: []fixtures.Group{group}}
	for _, h := range group.Homes {
		if !slices.ContainsFunc(l.Nodes, func(n fixtures.Node) bool { return strings.EqualFold(n.Name, h) }) {
			l.Nodes = append(l.Nodes, fixtures.Node{Name: h})
		}
	}
	config, err := fixtures.Build(l, fixtures.Spec{Seed: seed, Start: defaultStart})
	if err != nil {
		return cluster.AddDevices{}, errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return cluster.AddDevices{Devices: config.Devices}, nil
}

// world is what a scenario that runs may touch of the simulator.
type world struct{ *Simulator }

// Apply changes the cluster and notes the step in the journal.
func (w world) Apply(cause scenarios.Cause, changes ...cluster.Change) error {
	return w.apply(cause, changes)
}

// Set changes knobs.
func (w world) Set(_ scenarios.Cause, knobs []scenarios.Setting) error { return w.SetKnobs(knobs...) }

// SetUser changes one user, or adds one.
func (w world) SetUser(_ scenarios.Cause, u *scenarios.User) error {
	return w.changeUsers(func(list []soap.User) ([]soap.User, error) {
		i := slices.IndexFunc(list, func(have soap.User) bool { return have.Name == u.Name.Text })
		if i < 0 {
			if !u.Password.Given() {
				return nil, fmt.Errorf("there is no user %q, and a new one needs a password", u.Name)
			}
			i, list = len(list), append(list, soap.User{Name: u.Name.Text})
		}
		if u.Password.Given() {
			list[i].Password = u.Password.Text
		}
		if u.Roles != nil {
			list[i].Roles = textsOf(u.Roles)
		}
		return list, nil
	})
}

// RemoveUser takes a user out of the table.
func (w world) RemoveUser(_ scenarios.Cause, name string) error {
	return w.changeUsers(func(list []soap.User) ([]soap.User, error) {
		left := slices.DeleteFunc(list, func(u soap.User) bool { return u.Name == name })
		if len(left) == len(list) {
			return nil, fmt.Errorf("there is no user %q", name)
		}
		return left, nil
	})
}

// Impair puts an impairment in force.
func (w world) Impair(_ scenarios.Cause, i *scenarios.Impairment) { w.troubles.Add(i) }

// Lift ends one.
func (w world) Lift(_ scenarios.Cause, id string) { w.troubles.Lift(id) }

// Renew says where one stands now.
func (w world) Renew(i *scenarios.Impairment) { w.troubles.Renew(i) }

// Log notes what a step did.
func (w world) Log(e scenarios.Event) { w.log(e) }

// log notes a step and gives the number of its entry.
func (w *Simulator) log(e scenarios.Event) (seq uint64) {
	seq = w.journal.step(w.Now(), &e)
	if e.Err != nil {
		w.options.Logger.Warn("a step of the scenario could not be done in full", "step", e.Cause.String(), "skipped", e.Skipped, "error", e.Err)
	}
	return seq
}

// hear tells the scenario of an exchange, when its answer is ready: what a request sets off counts from the next one on. A
// fetch of the contract is none of its requests.
func (s *Simulator) hear(x *soap.Exchange) {
	if x.Contract {
		return
	}
	if x.Number == 0 {
		x.Number = s.heard.Add(1)
	}
	if !s.running.Listens() {
		return
	}
	a := scenarios.Answer{Status: x.HTTPStatus, Request: s.request(x)}
	if x.Fault != nil {
		a.Fault = x.Fault.Name
	}
	for _, advice := range x.Advice {
		a.Advice = append(a.Advice, advice.ID)
	}
	s.running.Request(a.Request)
	s.running.Answered(a)
}

var _ scenarios.World = world{}

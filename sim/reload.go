package sim

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// source is a scenario that runs, and the options that it runs with: settled, with what it says itself.
type source struct {
	options Options
	program *scenarios.Program // nil: nothing happens by itself
}

// Plan is what becomes of a running simulator when it goes on with an edited scenario. It stands for the moment when it was made: as
// time goes on, steps come and pass.
type Plan struct {
	File        string                 `json:"file"`        // as messages call it
	Differences []scenarios.Difference `json:"differences"` // in the order of the sections; none: the scenario says what it said before

	sim      *Simulator
	from, to *source // to is nil when not even the text is another one
	clusters *clusterDifference
	settings []scenarios.Setting
	profile  string // "": the same
	users    userDifference
}

// String is one line for each difference, or one that says that there are none.
func (p *Plan) String() string {
	if len(p.Differences) == 0 {
		return "nothing changes\n"
	}
	var b strings.Builder
	for _, d := range p.Differences {
		b.WriteString(d.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Reload goes on with the scenario as its file, and the file of a cluster that it names, say now; or, with a text that is not
// nil, as that says. It changes what the author has changed, and nothing else: devices that the old and the new
// scenario have alike keep their records and StateIds, whatever has become of them meanwhile, so that a NoChange poll of them
// finds no change. A device that is new is added, with the records that it begins with; one that is gone is removed; of one that is changed
// that much is changed. So it goes with applications, users, and knobs of the service, all in one step; for impairments, timeline and
// expectations see package scenarios. A simulator without a scenario gets one, whose time begins now.
// Simulator.User and Password stay those of the start.
//
// Other nodes, another seed or another clock need a restart. That, and whatever is wrong with the scenario, is told
// all together in the error, in which problems of files are [scenarios.Problems]; then nothing is changed at all.
func (s *Simulator) Reload(text []byte) (*Plan, error) {
	p, err := s.PlanReload(text)
	if err != nil {
		return nil, err
	}
	return p, p.Apply()
}

// PlanReload tells what Reload would do, and changes nothing. The error is that of Reload.
func (s *Simulator) PlanReload(text []byte) (*Plan, error) {
	from, o := s.source.Load(), s.given
	o.files = &scenarioFiles{}
	switch file := o.Scenario != "" && o.ScenarioText == ""; {
	case text == nil && !file:
		return nil, errors.New("there is no scenario whose file could be read again")
	case text != nil && file: // beside which there may be the file of a cluster
		o.files.text = text
	case text != nil:
		o.ScenarioText = cmp.Or(string(text), "\n")
		o.Scenario = cmp.Or(o.Scenario, "scenario.yaml")
	}
	p := &Plan{File: o.Scenario, sim: s, from: from}
	if o.asBefore(from) {
		return p, nil
	}
	prog, err := o.program()
	if prog == nil {
		return nil, err
	}
	problems := []error{err, restarts(prog, &s.given, from), prog.CheckEndpoints(s.nodes(), s.receivers(), !s.options.Plain)}
	o = o.merged(prog)
	if o.Start.IsZero() {
		o.Start = s.options.Start
	}
	p.to = &source{o.settled(s.options.Start), prog}
	problems = append(problems, p.planCluster())
	if err == nil { // otherwise it may have told of the settings
		problems = append(problems, p.planService())
	}
	if err := together(problems); err != nil {
		return nil, err
	}
	p.Differences = append(p.Differences, p.clusters.tell(s.Snapshot())...)
	p.Differences = append(p.Differences, s.running.Differences(prog)...)
	return p, nil
}

// together joins errors, those that have a place in order of their places.
func together(errs []error) error {
	var placed scenarios.Problems
	var files []string
	others := slices.DeleteFunc(errs, func(err error) bool {
		list, ok := err.(scenarios.Problems)
		for _, p := range list {
			if !slices.Contains(files, p.File) {
				files = append(files, p.File)
			}
		}
		placed = append(placed, list...)
		return ok
	})
	slices.SortStableFunc(placed, func(a, b scenarios.Problem) int {
		return cmp.Or(cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
	})
	if len(placed) > 0 {
		others = append([]error{placed}, others...)
	}
	return errors.Join(others...)
}

// asBefore tells whether all files have the content that they had.
func (o *Options) asBefore(from *source) bool {
	sums := from.options.files.sums
	for name, sum := range sums {
		data, err := o.readBeside(name)
		if err != nil || sha256.Sum256(data) != sum {
			return false
		}
	}
	return len(sums) > 0
}

// ScenarioFiles names the machine's files that the scenario was read from, as Options.Scenario calls them: its own first. None
// without a scenario, and with one that is ready or in a ScenarioFS.
func (s *Simulator) ScenarioFiles() []string {
	o := s.source.Load().options
	if o.Scenario == "" || o.ScenarioFS != nil || o.ScenarioText != "" {
		return nil
	}
	out := []string{o.Scenario}
	for name := range o.files.sums {
		if name != "" {
			out = append(out, filepath.Join(filepath.Dir(o.Scenario), name))
		}
	}
	return out
}

// restarts tells what a running simulator cannot change.
func restarts(prog *scenarios.Program, given *Options, from *source) error {
	var problems scenarios.Problems
	wrong := func(at scenarios.Pos, format string, args ...any) {
		problems = append(problems, prog.Problem(at, format+"; another needs a restart", args...))
	}
	file := prog.Written()
	if have := from.options.Seed; prog.Seed != have {
		wrong(file.Seed.At, "the simulator runs with seed %d, not %d", have, prog.Seed)
	}
	at := file.At
	if file.Clock != nil {
		at = file.Clock.At
	}
	was, is := given.merged(from.program), given.merged(prog)
	if have := from.options.Start; !was.Start.Equal(is.Start) && !have.Equal(is.Start) {
		start := "now"
		if !is.Start.IsZero() {
			start = is.Start.Format(time.RFC3339)
		}
		wrong(at, "the clock began at %s, not %s", have.Format(time.RFC3339), start)
	}
	if mode := map[bool]string{false: "real", true: "manual"}; was.Manual != is.Manual {
		wrong(at, "the clock's mode is %s, not %s", mode[was.Manual], mode[is.Manual])
	} else if cmp.Or(was.Speed, 1) != cmp.Or(is.Speed, 1) {
		wrong(at, "the clock runs at speed %v, not %v", cmp.Or(was.Speed, 1), cmp.Or(is.Speed, 1))
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// planCluster compares the clusters, and the new one with the new scenario.
func (p *Plan) planCluster() error {
	from, to := p.from, p.to
	m, err := to.options.scenarioConfig(to.program, to.program.Cluster)
	if err != nil {
		return err
	}
	store, err := m.store(to.program, to.options.Start)
	if err != nil {
		return err
	}
	err = to.program.Check(store.Snapshot())
	_, was := from.cluster()
	home, is := to.cluster()
	if !reflect.DeepEqual(from.state(), to.state()) {
		at := scenarios.Pos{}
		if to.program.State != nil {
			at = to.program.StateAt()
		}
		return errors.Join(err, scenarios.Problems{to.program.Problem(at, "state: how the cluster stood at the start was another; another one needs a restart")})
	}
	if was.Same(is) || to.program.State != nil {
		p.clusters = &clusterDifference{}
		return err
	}
	old, gone := from.options.clusterAsWritten(from)
	if gone != nil { // which it was not when it started
		return errors.Join(err, fmt.Errorf("making the cluster of before anew: %w", gone))
	}
	p.clusters = compareClusters(&old, &m)
	return together([]error{err, p.clusters.needsRestart(home, is)})
}

// state is how everything stood at the start, when the scenario says it.
func (s *source) state() *cluster.State {
	if s.program == nil {
		return nil
	}
	return s.program.State
}

// cluster is where the cluster is written: the file, and the section in it; nil when no file says it.
func (s *source) cluster() (*scenarios.Program, *scenarios.ClusterSpec) {
	home := s.program
	if site := s.options.files.site; site != nil {
		home = site
	}
	if home == nil {
		return nil, nil
	}
	return home, home.Cluster
}

// clusterAsWritten makes the cluster of a source anew, from what was read then.
func (o Options) clusterAsWritten(s *source) (made, error) {
	home, spec := s.cluster()
	return o.scenarioConfig(home, spec)
}

// planService compares the settings and the users.
func (p *Plan) planService() error {
	tell := func(op, format string, args ...any) {
		p.Differences = append(p.Differences, scenarios.Difference{Op: op, Section: "service", Text: "service: " + fmt.Sprintf(format, args...)})
	}
	was, err1 := p.from.options.settings()
	is, err2 := p.to.options.settings()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if was.Profile() != is.Profile() {
		p.profile = is.Profile()
		tell("~", "profile %s -> %s", was.Profile(), is.Profile())
	}
	now := p.sim.Settings()
	for _, k := range soap.Knobs() {
		before, _ := was.Get(k.Name) // which all exist
		after, _ := is.Get(k.Name)
		if before == after {
			continue
		}
		p.settings = append(p.settings, scenarios.Setting{Knob: k.Name, Value: after})
		if present, _ := now.Get(k.Name); present != before {
			before += " (" + present + " at present)"
		}
		tell("~", "%s %s -> %s", k.Name, before, after)
	}
	p.users = compareUsers(p.from.options.Users, p.to.options.Users)
	for _, u := range p.users.set {
		switch i := slices.IndexFunc(p.from.options.Users, func(old soap.User) bool { return old.Name == u.Name }); {
		case i < 0:
			tell("+", "user %s", u.Name)
		case p.from.options.Users[i].Password == u.Password:
			tell("~", "user %s: roles", u.Name)
		case slices.Equal(p.from.options.Users[i].Roles, u.Roles):
			tell("~", "user %s: password", u.Name)
		default:
			tell("~", "user %s: password and roles", u.Name)
		}
	}
	for _, name := range p.users.gone {
		tell("-", "user %s", name)
	}
	_, err := p.newSettings(now)
	if len(p.users.on(p.sim.Users())) == 0 {
		err = errors.Join(err, errors.New("service: nobody could log in any more"))
	}
	return err
}

// newSettings are the present ones with what the author has changed.
func (p *Plan) newSettings(now soap.Settings) (soap.Settings, error) {
	set := now
	if p.profile != "" {
		var err error
		if set, err = soap.Profile(p.profile); err != nil {
			return set, err
		}
		for _, k := range soap.Knobs() {
			value, _ := now.Get(k.Name)
			if err := set.Set(k.Name, value); err != nil {
				return set, err
			}
		}
	}
	for _, s := range p.settings {
		if err := set.Set(s.Knob, s.Value); err != nil {
			return set, err
		}
	}
	if err := set.Validate(); err != nil {
		return set, fmt.Errorf("service, with the settings at present: %w", err)
	}
	return set, nil
}

// userDifference is what has become of a list of users.
type userDifference struct {
	set  []soap.User // new, or with another password or other roles
	gone []string
}

func compareUsers(was, is []soap.User) userDifference {
	var d userDifference
	for _, u := range is {
		if !slices.ContainsFunc(was, func(o soap.User) bool {
			return o.Name == u.Name && o.Password == u.Password && slices.Equal(o.Roles, u.Roles)
		}) {
			d.set = append(d.set, u)
		}
	}
	for _, u := range was {
		if !slices.ContainsFunc(is, func(o soap.User) bool { return o.Name == u.Name }) {
			d.gone = append(d.gone, u.Name)
		}
	}
	return d
}

// on is another list with the same changes.
func (d *userDifference) on(list []soap.User) []soap.User {
	list = slices.DeleteFunc(slices.Clone(list), func(u soap.User) bool { return slices.Contains(d.gone, u.Name) })
	for _, u := range d.set {
		if i := slices.IndexFunc(list, func(o soap.User) bool { return o.Name == u.Name }); i >= 0 {
			list[i] = u
		} else {
			list = append(list, u)
		}
	}
	return list
}

// Apply does what the plan says, in one step, and notes it in the journal. It fails, and changes nothing, when another scenario
// has taken the place of the one that the plan was made for, and when the scenario has been finished.
func (p *Plan) Apply() error {
	s := p.sim
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if s.source.Load() != p.from {
		return fmt.Errorf("%s: the plan is of a scenario that runs no more", p.File)
	}
	if p.to == nil {
		return nil
	}
	if err := s.running.Replace(p.to.program, p.reconfigure); err != nil {
		return fmt.Errorf("%s: %w", p.File, err)
	}
	s.source.Store(p.to)
	return nil
}

// reconfigure changes all but the timeline.
func (p *Plan) reconfigure(at time.Duration) error {
	if len(p.Differences) == 0 {
		return nil
	}
	s := p.sim
	s.setting.Lock()
	defer s.setting.Unlock()
	set, err := p.newSettings(s.service.Settings())
	if err != nil {
		return err
	}
	users := p.users.on(s.users)
	if err := s.service.SetUsers(users); err != nil {
		return err
	}
	cause := scenarios.Cause{File: p.File, Line: 1, Step: "reload"}
	s.applying.Lock()
	defer s.applying.Unlock()
	if changes := p.clusters.changes(s.Snapshot()); len(changes) > 0 {
		if _, err := s.applyLocked(0, cause, changes); err != nil {
			return errors.Join(err, s.service.SetUsers(s.users))
		}
	}
	s.users = users
	if err := s.put(set); err != nil { // never: they are valid
		return err
	}
	said := make([]string, 0, 4)
	for i, d := range p.Differences {
		if i == 3 {
			said = append(said, fmt.Sprintf("and %d more", len(p.Differences)-i))
			break
		}
		said = append(said, d.String())
	}
	world{s}.Log(scenarios.Event{At: at, Last: at, Cause: cause, Action: "reload", Devices: -1, Detail: strings.Join(said, "; ")})
	return nil
}

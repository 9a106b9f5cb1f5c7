package control

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// Scenario is the scenario of a cluster, and how far it has come.
type Scenario struct {
	Name     string    `json:"name,omitempty" doc:"Its name; not there when it has none, or there is no scenario."`
	Summary  string    `json:"summary,omitempty" doc:"What it shows."`
	Steps    []string  `json:"steps" doc:"Ids of its impairments, steps and expectations, in their order."`
	Next     *Time     `json:"next,omitempty" doc:"When it does something next; not there when it does nothing more."`
	Verdicts []Verdict `json:"verdicts" doc:"What has become of its expectations; what is not decided yet is inconclusive."`
}

// Verdict is what has become of an expectation.
type Verdict struct {
	ID      string `json:"id" doc:"Id of the expectation."`
	Line    int    `json:"line" doc:"Where it stands in the file."`
	Outcome string `json:"outcome" enum:"pass,fail,inconclusive" doc:"What has become of it."`
	Want    string `json:"want" doc:"What was expected."`
	Why     string `json:"why" doc:"What was seen."`
}

func scenarioOf(s *sim.Simulator) Scenario {
	out := Scenario{Steps: []string{}, Verdicts: []Verdict{}}
	if p := s.Scenario(); p != nil {
		out.Name, out.Summary, out.Steps = p.Name, p.Summary, append(out.Steps, p.Steps()...)
	}
	for _, v := range s.Verdicts() {
		out.Verdicts = append(out.Verdicts, Verdict{v.ID, v.Line, v.Outcome.String(), v.Want, v.Why})
	}
	if next, ok := s.ScenarioNext(); ok {
		out.Next = &Time{next}
	}
	return out
}

func getScenario(c *call, in *inCluster) (Scenario, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Scenario{}, err
	}
	return scenarioOf(one.sim), nil
}

type loadIn struct {
	inCluster
	guarded
	Body []byte `body:"text" doc:"The scenario."`
}

// ScenarioChange is the answer to a change of a scenario.
type ScenarioChange struct {
	Change
	Differences []scenarios.Difference `json:"differences,omitempty" doc:"What is otherwise than before; of a dry run, what would be."`
	Scenario    Scenario               `json:"scenario" doc:"The scenario afterwards; of a dry run, as it is."`
}

// loadScenario goes on with a scenario by difference.
func loadScenario(c *call, in *loadIn) (ScenarioChange, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return ScenarioChange{}, err
	}
	if err := in.match(one.sim); err != nil {
		return ScenarioChange{}, err
	}
	before := one.sim.JournalStats().Last
	plan, err := one.sim.PlanReload(nonNil(in.Body))
	if err == nil && !in.DryRun {
		err = plan.Apply()
	}
	if err != nil {
		return ScenarioChange{}, inText(err)
	}
	return ScenarioChange{c.changed(one.sim, in.DryRun, eventsAfter(one.sim, before)...), plan.Differences, scenarioOf(one.sim)}, nil
}

// nonNil is a text that was given, though it may be empty.
func nonNil(text []byte) []byte {
	if text == nil {
		return []byte{}
	}
	return text
}

// inText is what is wrong with a text that is YAML, each with its line.
func inText(err error) error {
	var many scenarios.Problems
	if !errors.As(err, &many) {
		return problemOf(err, nil)
	}
	return wrong(ProblemUnfit, StepText{}.wrong(many))
}

// eventsAfter lists the numbers of entries after one that are not of requests: what has happened to the cluster.
func eventsAfter(s *sim.Simulator, seq uint64) []uint64 {
	const most = 1000
	var out []uint64
	for _, kind := range []string{sim.KindChange, sim.KindStep} {
		entries, _ := s.Query(sim.JournalFilter{Kind: kind, Limit: most, Window: sim.Window{After: seq}}) // which can match something
		for _, e := range entries {
			out = append(out, e.Seq)
		}
	}
	slices.Sort(out)
	return out[:min(most, len(out))]
}

type changeNothingIn struct {
	inCluster
	guarded
}

func restartScenario(c *call, in *changeNothingIn) (ScenarioChange, error) {
	return c.onScenario(in, func(s *sim.Simulator) error { return s.RestartScenario() })
}

func stopScenario(c *call, in *changeNothingIn) (ScenarioChange, error) {
	return c.onScenario(in, func(s *sim.Simulator) error { s.Finish(); return nil })
}

func (c *call) onScenario(in *changeNothingIn, do func(*sim.Simulator) error) (ScenarioChange, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return ScenarioChange{}, err
	}
	if err := in.match(one.sim); err != nil {
		return ScenarioChange{}, err
	}
	if one.sim.Scenario() == nil {
		return ScenarioChange{}, refuse(ProblemConflict, "the cluster has no scenario")
	}
	before := one.sim.JournalStats().Last
	if !in.DryRun {
		if err := do(one.sim); err != nil {
			return ScenarioChange{}, problemOf(err, nil)
		}
	}
	return ScenarioChange{Change: c.changed(one.sim, in.DryRun, eventsAfter(one.sim, before)...), Scenario: scenarioOf(one.sim)}, nil
}

// Impairments is the trouble that is in force.
type Impairments struct {
	Impairments []Impairment `json:"impairments" doc:"The impairments in force, in the order in which one goes before the next."`
}

// Impairment is trouble that is in force.
type Impairment struct {
	ID      string `json:"id" doc:"Id, by which it is lifted."`
	Written string `json:"written" doc:"What it is, in the words of the scenario language."`
}

func listImpairments(c *call, in *inCluster) (Impairments, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Impairments{}, err
	}
	out := Impairments{Impairments: []Impairment{}}
	for _, i := range one.sim.Impairments() {
		out.Impairments = append(out.Impairments, Impairment{i.ID, i.Written})
	}
	return out, nil
}

type impairIn struct {
	inCluster
	guarded
	Body StepText `body:"impairment"`
}

type putImpairmentIn struct {
	inCluster
	guarded
	ID   string   `path:"id" doc:"Id of the impairment."`
	Body StepText `body:"impairment"`
}

func addImpairment(c *call, in *impairIn) (StepDone, error) {
	return c.impair(in.Cluster, "", in.guarded, in.Body)
}

func putImpairment(c *call, in *putImpairmentIn) (StepDone, error) {
	return c.impair(in.Cluster, in.ID, in.guarded, in.Body)
}

func (c *call) impair(cluster, id string, g guarded, text StepText) (StepDone, error) {
	one, err := c.api.host.find(cluster)
	if err != nil {
		return StepDone{}, err
	}
	step := sim.Step{ID: id, Name: "request", IfVersion: uint64(g.IfMatch)}
	if id != "" { // before anything happens: does the text say another id?
		step.DryRun = true
		done, err := c.perform(one.sim.DoImpair, step, text)
		if err != nil {
			return StepDone{}, err
		}
		if done.ID != id {
			return StepDone{}, wrong(ProblemInvalid, []Wrong{{Pointer: "/id", Detail: fmt.Sprintf("%q is not the id in the path, %q", done.ID, id)}})
		}
	}
	step.DryRun = g.DryRun
	return c.perform(one.sim.DoImpair, step, text)
}

type liftIn struct {
	inCluster
	guarded
	ID string `path:"id" doc:"Id of the impairment."`
}

func liftImpairment(c *call, in *liftIn) (Change, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Change{}, err
	}
	var ids []string
	for _, i := range one.sim.Impairments() {
		ids = append(ids, i.ID)
	}
	if !slices.Contains(ids, in.ID) {
		return Change{}, refuse(ProblemNotFound, "no impairment %q is in force%s", clip(in.ID), there(in.ID, ids))
	}
	done, err := c.do(one.sim, in.guarded, step("lift", in.ID))
	return c.changedBy(done, in.DryRun), err
}

func getSnapshot(c *call, in *inCluster) error {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return err
	}
	c.etag(one.sim.Snapshot().Version)
	var b bytes.Buffer // so that a failure can be told
	if err := one.sim.WriteSnapshot(&b); err != nil {
		return err
	}
	_, err = b.WriteTo(c.stream("application/yaml"))
	return err
}

func putSnapshot(c *call, in *loadIn) (Change, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Change{}, err
	}
	if err := in.match(one.sim); err != nil {
		return Change{}, err
	}
	if in.DryRun {
		if err := one.sim.CheckSnapshot(in.Body); err != nil {
			return Change{}, inText(err)
		}
		return c.changed(one.sim, true), nil
	}
	seq, err := one.sim.RestoreSnapshot(in.Body)
	if err != nil {
		return Change{}, inText(err)
	}
	return c.changed(one.sim, false, seq), nil
}

// Moments is the moments that one can go back to.
type Moments struct {
	Moments []Moment `json:"moments" doc:"The moments that are kept, oldest first."`
}

// Moment is how things stood after a change.
type Moment struct {
	Event   uint64 `json:"event" doc:"Number of the journal's entry that made it; 0: the start."`
	Version uint64 `json:"version" doc:"Version of the snapshot."`
	Time    Time   `json:"time" doc:"Simulated time."`
}

func listMoments(c *call, in *inCluster) (Moments, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Moments{}, err
	}
	out := Moments{Moments: []Moment{}}
	for _, m := range one.sim.Moments() {
		out.Moments = append(out.Moments, Moment{m.Seq, m.Version, Time{m.At}})
	}
	return out, nil
}

// Back says which moment is meant: exactly one of its fields is given.
type Back struct {
	Event   *uint64 `json:"event,omitempty" doc:"How things stood after this entry of the journal."`
	Version *uint64 `json:"version,omitempty" doc:"When the snapshot had this version."`
	Time    *Time   `json:"time,omitempty" doc:"At this simulated time."`
}

// BackDone is the answer to going back.
type BackDone struct {
	Change
	Moment Moment `json:"moment" doc:"The moment that was gone back to."`
}

type backIn struct {
	inCluster
	guarded
	Body Back `body:"json"`
}

func goBack(c *call, in *backIn) (BackDone, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return BackDone{}, err
	}
	b := in.Body
	given := 0
	for _, is := range []bool{b.Event != nil, b.Version != nil, b.Time != nil} {
		given += btoi(is)
	}
	if given != 1 {
		return BackDone{}, wrong(ProblemInvalid, []Wrong{{Detail: fmt.Sprintf("%d of event, version and time are given; expected one of them", given)}})
	}
	if last, now := one.sim.JournalStats().Last, one.sim.Now(); b.Event != nil && *b.Event > last {
		return BackDone{}, wrong(ProblemInvalid, []Wrong{{Pointer: "/event", Detail: fmt.Sprintf("there is no entry %d yet: the last one is %d", *b.Event, last)}})
	} else if b.Time != nil && b.Time.After(now) {
		return BackDone{}, wrong(ProblemInvalid, []Wrong{{Pointer: "/time", Detail: fmt.Sprintf("%s has not come yet: it is %s", b.Time.text(), Time{now}.text())}})
	}
	if err := in.match(one.sim); err != nil {
		return BackDone{}, err
	}
	kept := one.sim.Moments()
	var to *sim.Moment
	for i := range kept { // the last one that is not after what is meant
		m := &kept[i]
		if b.Event != nil && m.Seq <= *b.Event || b.Version != nil && m.Version == *b.Version || b.Time != nil && !m.At.After(b.Time.Time) {
			to = m
		}
	}
	if to == nil {
		return BackDone{}, refuse(ProblemConflict, "that moment is not kept; those from entry %d (version %d, %s) on are", kept[0].Seq, kept[0].Version, Time{kept[0].At}.text())
	}
	out := BackDone{Moment: Moment{to.Seq, to.Version, Time{to.At}}}
	var events []uint64
	if !in.DryRun {
		seq, err := one.sim.GoBack(*to)
		if err != nil {
			return out, refuse(ProblemConflict, "%v", err)
		}
		events = append(events, seq)
	}
	out.Change = c.changed(one.sim, in.DryRun, events...)
	return out, nil
}

func reset(c *call, in *changeNothingIn) (Change, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return Change{}, err
	}
	if err := in.match(one.sim); err != nil {
		return Change{}, err
	}
	if in.DryRun {
		return c.changed(one.sim, true), nil
	}
	before := one.sim.JournalStats().Last
	if _, err := one.sim.Reset(); err != nil {
		return Change{}, inText(err)
	}
	return c.changed(one.sim, false, eventsAfter(one.sim, before)...), nil
}

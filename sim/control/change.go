package control

import (
	"errors"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// StepDone is what a step did.
type StepDone struct {
	Change
	ID    string      `json:"id" doc:"What the journal calls the step; of an impairment, what lifts it."`
	Steps []StepEvent `json:"steps" doc:"What happened; of a dry run, also what would happen later."`
	Ahead bool        `json:"ahead" doc:"true: more happens by itself as time goes on."`
}

// StepEvent is one thing that a step did.
type StepEvent struct {
	After   Duration `json:"after" doc:"How long after the step began."`
	Action  string   `json:"action" doc:"The action, such as devices.unregister."`
	Devices *int     `json:"devices,omitempty" doc:"How many devices it is about; not there when it is about none."`
	Skipped int      `json:"skipped,omitempty" doc:"Devices to which it could not be done."`
	Detail  string   `json:"detail,omitempty" doc:"More, in words."`
	Error   string   `json:"error,omitempty" doc:"Why it could not be done, or not to those that were skipped."`
}

func stepEvent(e scenarios.Event) StepEvent {
	out := StepEvent{After: Duration(e.At), Action: e.Action, Skipped: e.Skipped, Detail: e.Detail}
	if e.Devices >= 0 {
		out.Devices = &e.Devices
	}
	if e.Err != nil {
		out.Error = e.Err.Error()
	}
	return out
}

type changeIn struct {
	inCluster
	guarded
	Body StepText `body:"step"`
}

func change(c *call, in *changeIn) (StepDone, error) {
	one, err := c.api.host.find(in.Cluster)
	if err != nil {
		return StepDone{}, err
	}
	return c.perform(one.sim.Do, sim.Step{Name: "request", IfVersion: uint64(in.IfMatch), DryRun: in.DryRun}, in.Body)
}

// perform does a step with the text of a request.
func (c *call) perform(do func(sim.Step) (sim.Done, error), step sim.Step, text StepText) (StepDone, error) {
	if bad := text.valid(); len(bad) > 0 {
		return StepDone{}, wrong(ProblemInvalid, bad)
	}
	step.Text = string(text.language())
	done, err := do(step)
	var many scenarios.Problems
	if errors.As(err, &many) {
		return StepDone{}, wrong(ProblemUnfit, text.wrong(many))
	} else if err != nil {
		return StepDone{}, problemOf(err, nil)
	}
	if len(done.Seqs) > 0 && len(done.Events) == 1 && done.Events[0].Err != nil && done.Events[0].Skipped == 0 {
		return StepDone{}, problemOf(done.Events[0].Err, nil) // nothing at all could be done
	}
	c.etag(done.Version)
	out := StepDone{Change: c.changedBy(done, step.DryRun), ID: done.ID, Steps: []StepEvent{}, Ahead: done.Ahead}
	for _, e := range done.Events {
		out.Steps = append(out.Steps, stepEvent(e))
	}
	return out, nil
}

package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

// WriteSnapshot writes how everything stands as a scenario: a file that Start reads back to the same state (Options.Scenario), and that
// RestoreSnapshot takes back. It has the cluster with all records and StateIds, and the settings of the service; its clock starts at the
// last change. It has no users, as it would have their passwords, nor impairments, nor what a scenario has ahead. Of the same state
// it is the same, byte for byte.
func (s *Simulator) WriteSnapshot(w io.Writer) error {
	st := s.Snapshot().State()
	var b strings.Builder
	b.WriteString("# A snapshot of a simulated cluster: how everything stands. Users, impairments and the timeline of a scenario are not in it.\n")
	if p := s.Scenario(); p != nil && p.Name != "" {
		fmt.Fprintf(&b, "scenario: %s\n", quoted(p.Name))
	}
	fmt.Fprintf(&b, "seed: %d\nclock: {start: %s, mode: %s", s.Seed(), time.Unix(st.Now, 0).UTC().Format(time.RFC3339), map[bool]string{false: "real", true: "manual"}[s.Manual()])
	if k := s.Clock(); k.Speed != 0 && k.Speed != 1 {
		fmt.Fprintf(&b, ", speed: %s", strings.TrimSuffix(fmt.Sprintf("%.3f", k.Speed), ".000"))
	}
	b.WriteString("}\nservice:\n")
	set := s.Settings()
	fmt.Fprintf(&b, "  profile: %s\n", set.Profile())
	for _, k := range soap.Knobs() {
		if value, _ := set.Get(k.Name); value != k.Default(set.Profile()) { // every knob can be got
			fmt.Fprintf(&b, "  %s: %s\n", k.Name, quoted(value))
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	return scenarios.WriteState(w, &st)
}

// quoted is a text as YAML and JSON write it.
func quoted(text string) string {
	out, _ := json.Marshal(text) // of a text
	return string(out)
}

// RestoreSnapshot puts back what WriteSnapshot wrote, of this cluster or of another one with the same nodes: see GoBack, with which it
// has all else in common. Time goes on, also when it was later in the snapshot. When users stand in the text, these may log in from then
// on. It gives the number of its entry in the journal. The error is that of CheckSnapshot, and then nothing has changed.
func (s *Simulator) RestoreSnapshot(text []byte) (seq uint64, err error) {
	snapshot, o, err := s.readSnapshot(text)
	if err != nil {
		return 0, err
	}
	settings, err := o.settings()
	if err != nil {
		return 0, err
	}
	return s.restore(snapshot, &settings, o.Users, "to a snapshot of "+time.Unix(snapshot.Now, 0).UTC().Format(time.RFC3339), snapshot.Len())
}

// CheckSnapshot tells of everything because of which a text cannot be restored: [scenarios.Problems], each with its place.
func (s *Simulator) CheckSnapshot(text []byte) error {
	_, _, err := s.readSnapshot(text)
	return err
}

func (s *Simulator) readSnapshot(text []byte) (*cluster.Snapshot, Options, error) {
	o := Options{Scenario: "snapshot.yaml", ScenarioText: cmp.Or(string(text), "\n"), Seed: s.Seed()}
	prog, err := o.program()
	if err != nil {
		return nil, o, err
	}
	file := prog.Written()
	var problems scenarios.Problems
	if prog.State == nil {
		problems = append(problems, prog.Problem(file.At, "there is no section state, so this is not a snapshot"))
	}
	if file.Impairments != nil || file.Timeline != nil || file.Expect != nil {
		problems = append(problems, prog.Problem(file.At, "a snapshot has no impairments, timeline or expect: Reload goes on with those of a scenario"))
	}
	if len(problems) > 0 {
		return nil, o, problems
	}
	m := made{state: prog.State}
	store, err := m.store(prog, time.Time{})
	if err != nil {
		return nil, o, err
	}
	if have, want := nodeNames(s.Snapshot()), nodeNames(store.Snapshot()); !slices.Equal(have, want) {
		return nil, o, scenarios.Problems{prog.Problem(prog.StateAt(), "state: its nodes are %v, and the cluster's are %v; other nodes need another simulator", want, have)}
	}
	return store.Snapshot(), o.merged(prog), nil
}

func nodeNames(s *cluster.Snapshot) []cluster.NodeName {
	var out []cluster.NodeName
	for _, n := range s.Nodes() {
		out = append(out, n.Name)
	}
	return out
}

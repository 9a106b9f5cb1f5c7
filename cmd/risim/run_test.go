package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/scenarios"
)

// Whatever stands in a report, a parser of XML reads it back; what XML cannot hold is replaced.
func TestReport_JUnitEscapes(t *testing.T) {
	t.Parallel()
	const odd = "a]]>b & <c> \"d\" 'e'\n\tf é 😀"
	r := &report{scenario: odd, seed: 1<<64 - 1, command: &commandEnd{name: odd, status: 130}, verdicts: []scenarios.Verdict{
		{ID: "good", File: "x.yaml", Line: 3, Outcome: scenarios.Pass},
		{ID: "bad", File: odd, Line: 4, Outcome: scenarios.Fail, Want: odd, Why: odd},
		{ID: "open", File: "x.yaml", Line: 5, Why: "\x00\x1b[31m\ufffe"},
	}}
	var back junitSuites
	dec := xml.NewDecoder(bytes.NewReader(r.asJUnit()))
	require.NoError(t, dec.Decode(&back))
	_, err := dec.Token()
	require.NoError(t, err, "the newline at the end")
	_, err = dec.Token()
	require.ErrorIs(t, err, io.EOF)

	s := back.Suite
	require.Equal(t, odd, s.Name)
	require.Equal(t, []int{4, 2, 1, 0}, []int{s.Tests, s.Failures, s.Errors, s.Skipped})
	require.Equal(t, junitProperty{"seed", "18446744073709551615"}, s.Properties[0])
	require.Equal(t, junitCase{Class: odd, Name: "good", File: "x.yaml", Line: 3}, s.Cases[0])
	require.Equal(t, junitCase{Class: odd, Name: "bad", File: odd, Line: 4,
		Failure: &junitTrouble{Type: "fail", Message: odd, Text: odd + ":4: expected " + odd + ": " + odd}}, s.Cases[1])
	require.Equal(t, "\ufffd\ufffd[31m\ufffd", s.Cases[2].Error.Message)
	require.Nil(t, s.Cases[2].Failure)
	require.Equal(t, "command "+odd, s.Cases[3].Name)
	require.Contains(t, s.Cases[3].Failure.Message, "status 130 (signal 2)")
}

// The table in the help of run.
func TestReport_Status(t *testing.T) {
	t.Parallel()
	verdicts := func(outcomes ...scenarios.Outcome) (out []scenarios.Verdict) {
		for _, o := range outcomes {
			out = append(out, scenarios.Verdict{Outcome: o})
		}
		return out
	}
	pass, open, fail := verdicts(scenarios.Pass), verdicts(scenarios.Pass, scenarios.Inconclusive), verdicts(scenarios.Inconclusive, scenarios.Fail, scenarios.Pass)
	good, bad, late := &commandEnd{}, &commandEnd{status: 3}, &commandEnd{status: 143, timedOut: true}
	for _, tt := range []struct {
		name     string
		verdicts []scenarios.Verdict
		command  *commandEnd
		broken   bool
		want     int
	}{
		{"pass", pass, good, false, 0},
		{"pass without a command", pass, nil, false, 0},
		{"nothing to judge", nil, good, false, 0},
		{"nothing to judge, command failed", nil, bad, false, 3},
		{"pass, command failed", pass, bad, false, 3},
		{"pass, timed out", pass, late, false, 2},
		{"pass, no report", pass, bad, true, 2},
		{"inconclusive", open, good, false, 2},
		{"inconclusive, command failed", open, bad, false, 3},
		{"fail", fail, good, false, 1},
		{"fail, command failed", fail, bad, false, 1},
		{"fail, timed out, no report", fail, late, true, 1},
	} {
		r := &report{verdicts: tt.verdicts, command: tt.command}
		if tt.broken {
			r.problem = errors.New("it could not be written")
		}
		require.Equal(t, tt.want, r.status(), tt.name)
	}
}

// What ended a run too soon is in its reports: whoever reads them alone takes it for no success.
func TestReport_TellsOfProblems(t *testing.T) {
	t.Parallel()
	r := &report{scenario: "s", command: &commandEnd{name: "true"}, problem: errors.New("interrupted")}
	var doc map[string]any
	require.NoError(t, json.Unmarshal(r.asJSON(), &doc))
	require.Equal(t, []any{2.0, "interrupted"}, []any{doc["status"], doc["problem"]})
	var suites junitSuites
	require.NoError(t, xml.Unmarshal(r.asJUnit(), &suites))
	require.Equal(t, []int{2, 0, 1}, []int{suites.Suite.Tests, suites.Suite.Failures, suites.Suite.Errors})
	require.Equal(t, junitCase{Class: "s", Name: "risim", Error: &junitTrouble{Type: "risim", Message: "interrupted", Text: "interrupted"}}, suites.Suite.Cases[1])
}

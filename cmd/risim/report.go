package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// report is what became of a run.
type report struct {
	scenario string // its name or, without one, its file; empty without a scenario
	seed     uint64
	start    time.Time // simulated
	end      time.Time
	command  *commandEnd // nil: there was none
	verdicts []scenarios.Verdict
	journal  sim.Journal // its end
	problem  error       // what of the run itself could not be done; nil: nothing
}

// String is what became of the command.
func (c *commandEnd) String() string {
	switch {
	case c.timedOut:
		return c.name + " was ended by --timeout"
	case c.status > 128:
		return fmt.Sprintf("%s ended with status %d (signal %d)", c.name, c.status, c.status-128)
	}
	return fmt.Sprintf("%s ended with status %d", c.name, c.status)
}

func (c *commandEnd) failed() bool { return c != nil && (c.timedOut || c.status != 0) }

// say writes the report for people: the verdicts and, when not all is well, the end of the journal.
func (r *report) say(w io.Writer) {
	parts := []string{fmt.Sprintf("seed %d", r.seed), fmt.Sprintf("%v of simulated time", r.end.Sub(r.start).Round(time.Millisecond))}
	if r.scenario != "" {
		parts = append([]string{"scenario " + r.scenario}, parts...)
	}
	if r.command != nil {
		parts = append(parts, r.command.String())
	}
	counts := map[scenarios.Outcome]int{}
	var lines []string
	for _, v := range r.verdicts {
		counts[v.Outcome]++
		lines = append(lines, v.String())
	}
	if r.scenario != "" || len(r.verdicts) > 0 {
		lines = append(lines, fmt.Sprintf("%s: %d passed, %d failed, %d inconclusive", plural(len(r.verdicts), "expectation"),
			counts[scenarios.Pass], counts[scenarios.Fail], counts[scenarios.Inconclusive]))
	}
	if len(r.journal) > 0 && (r.command.failed() || scenarios.Sum(r.verdicts) != scenarios.Pass) {
		lines = append(lines, "the journal ends")
		for line := range strings.Lines(r.journal.String()) {
			lines = append(lines, "  "+strings.TrimSuffix(line, "\n"))
		}
	}
	for _, line := range append([]string{strings.Join(parts, ", ")}, lines...) {
		say(w, "%s", line)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// reports are the files of --junit and --json; nil: not wanted.
type reports struct{ junit, json *newFile }

// prepareReports finds out whether the files can be written, before the command runs. It removes those of a run before, so
// that nobody takes them for this one's.
func prepareReports(junit, json string) (*reports, error) {
	r := &reports{}
	var errs []error
	for _, x := range []struct {
		name, flag string
		file       **newFile
	}{{junit, "--junit", &r.junit}, {json, "--json", &r.json}} {
		if x.name == "" {
			continue
		}
		f, err := prepareFile("the report of "+x.flag, x.flag, x.name)
		if *x.file = f; err == nil {
			err = f.clear()
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		r.drop()
		return nil, err
	}
	return r, nil
}

// put writes the files that are wanted.
func (r *reports) put(x *report) error {
	var errs []error
	if r.junit != nil {
		errs = append(errs, r.junit.put(x.asJUnit(), 0o644))
	}
	if r.json != nil {
		errs = append(errs, r.json.put(x.asJSON(), 0o644))
	}
	return errors.Join(errs...)
}

func (r *reports) drop() {
	for _, f := range []*newFile{r.junit, r.json} {
		if f != nil {
			f.drop()
		}
	}
}

// jsonReport is the file of --json. Scripts hold on to these names.
type jsonReport struct {
	Scenario         string        `json:"scenario"`
	Seed             uint64        `json:"seed"`
	Start            time.Time     `json:"start"` // simulated, as all times are
	SimulatedSeconds float64       `json:"simulatedSeconds"`
	Outcome          string        `json:"outcome"`           // of all verdicts: pass, fail or inconclusive
	Status           int           `json:"status"`            // the exit status of risim
	Problem          string        `json:"problem,omitempty"` // what risim itself could not do; a report that could not be written is in none
	Command          *jsonCommand  `json:"command"`           // null: there was none
	Verdicts         []jsonVerdict `json:"verdicts"`
}

type jsonCommand struct {
	Name     string `json:"name"`
	Status   int    `json:"status"`
	TimedOut bool   `json:"timedOut"`
}

type jsonVerdict struct {
	ID      string  `json:"id"`
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Outcome string  `json:"outcome"`
	Want    string  `json:"want"`
	Why     string  `json:"why"`
	Seconds float64 `json:"seconds"` // from the start, when it was decided
}

func (r *report) asJSON() []byte {
	out := jsonReport{Scenario: r.scenario, Seed: r.seed, Start: r.start, SimulatedSeconds: r.end.Sub(r.start).Seconds(),
		Outcome: scenarios.Sum(r.verdicts).String(), Status: r.status(), Verdicts: []jsonVerdict{}}
	if c := r.command; c != nil {
		out.Command = &jsonCommand{c.name, c.status, c.timedOut}
	}
	if r.problem != nil {
		out.Problem = r.problem.Error()
	}
	for _, v := range r.verdicts {
		out.Verdicts = append(out.Verdicts, jsonVerdict{v.ID, v.File, v.Line, v.Outcome.String(), v.Want, v.Why, v.At.Seconds()})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it is for no web page
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		panic("risim: a report is not JSON: " + err.Error()) // it holds texts and finite numbers
	}
	return b.Bytes()
}

// The file of --junit: a suite for the scenario, a case for each expectation and one for the command; one more when risim itself
// could not do what was asked. Failed is a failure, inconclusive an error. There is no time in it, for that of the scenario is not the wall's.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
		Output     string          `xml:"system-out,omitempty"` // the end of the journal, when not all is well
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitTrouble `xml:"failure"`
		Error   *junitTrouble `xml:"error"`
	}
	junitTrouble struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func (r *report) asJUnit() []byte {
	s := junitSuite{Name: cmp.Or(r.scenario, "risim"), Properties: []junitProperty{
		{"seed", fmt.Sprint(r.seed)}, {"simulatedStart", r.start.UTC().Format(time.RFC3339Nano)}, {"simulatedSeconds", fmt.Sprint(r.end.Sub(r.start).Seconds())},
	}}
	for _, v := range r.verdicts {
		c := junitCase{Class: s.Name, Name: v.ID, File: v.File, Line: v.Line}
		if v.File == strictClient {
			c.File = ""
		}
		trouble := &junitTrouble{Type: v.Outcome.String(), Message: v.Why, Text: fmt.Sprintf("%s: expected %s: %s", v.Place(), v.Want, v.Why)}
		switch v.Outcome {
		case scenarios.Fail:
			c.Failure = trouble
			s.Failures++
		case scenarios.Inconclusive:
			c.Error = trouble
			s.Errors++
		}
		s.Cases = append(s.Cases, c)
	}
	if r.command != nil {
		c := junitCase{Class: s.Name, Name: "command " + r.command.name}
		if r.command.failed() {
			c.Failure = &junitTrouble{Type: "command", Message: r.command.String(), Text: r.command.String()}
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
	}
	if r.problem != nil {
		s.Cases = append(s.Cases, junitCase{Class: s.Name, Name: "risim", Error: &junitTrouble{Type: "risim", Message: r.problem.Error(), Text: r.problem.Error()}})
		s.Errors++
	}
	if s.Tests = len(s.Cases); s.Failures+s.Errors > 0 {
		s.Output = r.journal.String()
	}
	data, err := xml.MarshalIndent(junitSuites{Suite: s}, "", "  ")
	if err != nil {
		panic("risim: a report is not XML: " + err.Error()) // what XML cannot hold is replaced
	}
	return append([]byte(xml.Header), append(data, '\n')...)
}

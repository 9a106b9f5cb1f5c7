package scenarios_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

func nothing(time.Duration) error { return nil }

// Each edit of a running scenario: what Differences tells of it, and what then happens. The comment of a file ends in the
// time of the edit.
func TestReplace_Edits(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/edits/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(file)
			require.NoError(t, err)
			text := map[string]string{}
			for _, f := range ar.Files {
				text[f.Name] = string(f.Data)
			}
			words := strings.Fields(string(ar.Comment))
			at, err := time.ParseDuration(words[len(words)-1])
			require.NoError(t, err)

			w := newWorld(t, 60)
			r := scenarios.Run(load(t, "s.yaml", text["before"]), w, w.clock)
			w.clock.Advance(at)
			for i := range 3 { // requests, for what waits for them
				answer(r, w, uint64(i+1))
			}
			seen := len(w.events)
			next := load(t, "s.yaml", text["after"])
			require.NoError(t, next.Check(site(t, 60).Snapshot()))
			var plan strings.Builder
			version := w.Snapshot().Version
			for _, d := range r.Differences(next) {
				fmt.Fprintln(&plan, d)
			}
			require.Len(t, w.events, seen, "to tell of differences does nothing")
			require.Equal(t, version, w.Snapshot().Version)

			require.NoError(t, r.Replace(next, nothing))
			require.Empty(t, r.Differences(next))
			answer(r, w, 4)
			for w.clock.Step() {
			}
			require.NoError(t, w.Snapshot().Check())
			verdicts := r.Finish()
			out := "-- before --\n" + text["before"] + "-- after --\n" + text["after"] + "-- plan --\n" + plan.String() +
				"-- then --\n" + scenarios.FormatTimeline(w.events[seen:])
			if len(verdicts) > 0 {
				out += "-- verdicts --\n"
			}
			for _, v := range verdicts {
				out += v.String() + "\n"
			}
			out += fmt.Sprintf("-- end --\n%d of 62 devices are registered, impairments in force: %d\n", w.count(cluster.Registered, ""), len(w.troubles.Active()))
			golden(t, file, string(ar.Comment)+out)
		})
	}
}

func answer(r *scenarios.Running, w *world, number uint64) {
	a := scenarios.Answer{Status: 200, Request: scenarios.Request{Number: number, At: w.clock.Now(), Operation: "selectCmDevice", Node: "cucm-pub"}}
	r.Request(a.Request)
	r.Answered(a)
}

// play runs a scenario over 45 minutes and calls edit every so often.
func play(t testing.TB, text string, every time.Duration, edit func(r *scenarios.Running, w *world)) (*world, []scenarios.Verdict) {
	w := newWorld(t, 60)
	r := scenarios.Run(load(t, "s.yaml", text), w, w.clock)
	for at := time.Duration(0); at < 45*time.Minute; at += every {
		edit(r, w)
		w.clock.Advance(every)
	}
	return w, r.Finish()
}

var place = regexp.MustCompile(`s\.yaml:\d+`)

// A file that says the same changes nothing, however often and whenever it is read again and however it is laid out.
func TestReplace_TheSameChangesNothing(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"a-bit-of-everything", "subscriber-outage"} {
		data, err := os.ReadFile("testdata/timelines/" + file + ".yaml")
		require.NoError(t, err)
		text := string(data)
		want, verdicts := play(t, text, 45*time.Minute, func(*scenarios.Running, *world) {})
		require.NotEmpty(t, want.events)
		laidOut := "# a line more\n" + strings.ReplaceAll(text, "\n  - {", "\n\n  -   {")
		for i, every := range []time.Duration{9 * time.Minute, 100 * time.Second, 2700 * time.Second / 64} {
			got, again := play(t, text, every, func(r *scenarios.Running, w *world) {
				next, version := load(t, "s.yaml", []string{text, laidOut}[i%2]), w.Snapshot().Version
				require.Empty(t, r.Differences(next))
				require.NoError(t, r.Replace(next, nothing))
				require.Equal(t, version, w.Snapshot().Version)
			})
			require.Equal(t, place.ReplaceAllString(scenarios.FormatTimeline(want.events), "s.yaml"), place.ReplaceAllString(scenarios.FormatTimeline(got.events), "s.yaml"))
			require.Equal(t, state(want.Snapshot()), state(got.Snapshot()))
			require.Len(t, again, len(verdicts))
			for k := range verdicts {
				require.Equal(t, verdicts[k].Outcome, again[k].Outcome)
			}
		}
	}
}

// A step that is added before its time does what it does in a run that had it from the start.
func TestReplace_AStepAddedInTime(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/timelines/a-bit-of-everything.yaml")
	require.NoError(t, err)
	lines := strings.SplitAfter(string(data), "\n")
	whole, _ := play(t, string(data), 45*time.Minute, func(*scenarios.Running, *world) {})
	step := regexp.MustCompile(`^  - \{(?:id: \w+, )?at: (\d+m)`)
	tried := 0
	for i, line := range lines {
		m := step.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		at, err := time.ParseDuration(m[1])
		require.NoError(t, err)
		prog, err := scenarios.Load("s.yaml", []byte(strings.Join(lines[:i], "")+"\n"+strings.Join(lines[i+1:], "")), options())
		if err != nil || at == 0 {
			continue // something comes after it, or it is too late at once
		}
		tried++
		w := newWorld(t, 60)
		r := scenarios.Run(prog, w, w.clock)
		w.clock.Advance(at - 1)
		seen := len(w.events)
		require.NoError(t, r.Replace(load(t, "s.yaml", string(data)), nothing))
		w.clock.Advance(45*time.Minute - at + 1)
		require.Equal(t, scenarios.FormatTimeline(whole.events[seen:]), scenarios.FormatTimeline(w.events[seen:]), line)
		require.Equal(t, state(whole.Snapshot()), state(w.Snapshot()), line)
	}
	require.Greater(t, tried, 20)
}

// state is what the nodes keep of every device.
func state(s *cluster.Snapshot) string {
	var b strings.Builder
	for d := range s.Devices() {
		for _, r := range s.Records(d.Name) {
			rec := *r.Record
			rec.StateID = 0
			fmt.Fprintln(&b, d.Name, r.Node, rec)
		}
	}
	return b.String()
}

func TestReplace_NothingWhenItIsNotPrepared(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	r := scenarios.Run(load(t, "s.yaml", "timeline: [{id: a, at: 1m, do: {log: old}}]"), w, w.clock)
	other := load(t, "s.yaml", "timeline: [{id: a, at: 1m, do: {log: new}}]")
	require.ErrorIs(t, r.Replace(other, func(time.Duration) error { return os.ErrInvalid }), os.ErrInvalid)
	w.clock.Advance(time.Minute)
	require.Equal(t, "old", w.events[0].Detail)

	r.Finish()
	require.ErrorContains(t, r.Replace(other, nothing), "the scenario has ended")
}

// A run of the zero Program does nothing until it gets a program, whose time begins then.
func TestReplace_TheZeroProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	r := scenarios.Run(&scenarios.Program{}, w, w.clock)
	w.clock.Advance(time.Hour)
	require.Empty(t, w.events)
	require.Empty(t, r.Verdicts())
	require.NoError(t, r.Replace(load(t, "s.yaml", "timeline:\n  - {at: 0s, do: {log: at once}}\n  - {at: 1m, do: {log: later}}\n"), nothing))
	require.Len(t, w.events, 1)
	w.clock.Advance(time.Minute)
	require.Equal(t, "00:01:00  s.yaml:3  log  later", w.events[1].String())
}

package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/risim/risim/sim/scenarios"
)

// Expected says how often which requests are expected to have come.
//
//	sim.Expected{
//		RequestFilter: sim.RequestFilter{Operation: "selectCmDevice", Criteria: sim.Criteria{Items: []string{"SEP*"}}},
//		Window:        sim.Window{From: outage},
//		Count:         ">= 2",
//	}
//
// Texts match as in a RequestFilter: an item SEP* is expected of a request that sent SEP* or SEP000102030405.
type Expected struct {
	RequestFilter
	Window
	Count string `json:"count,omitempty" doc:"How many: 2, >= 1, <= 3, 1..3 or != 0; >= 1 when it is left out."`
}

// Verification is what became of an Expected.
type Verification struct {
	Outcome scenarios.Outcome `json:"outcome"` // Inconclusive when the journal has dropped requests on which it depends
	Want    string            `json:"want"`    // what was expected, in words
	Why     string            `json:"why"`     // what was seen
	At      time.Time         `json:"at"`      // simulated time of this judgement

	Count   int      `json:"count"`             // requests in the journal that match
	Missing uint64   `json:"missing,omitempty"` // requests that could have matched, at the most, and are not in the journal any more
	Matches []uint64 `json:"matches,omitempty"` // numbers of the entries that match, the last 100 of them

	// Nearest are the requests that match least badly, when too few match: those with the fewest differences, the newest first.
	Nearest []NearMiss `json:"nearest,omitempty"`
}

// NearMiss is a request that was not quite what was expected.
type NearMiss struct {
	Seq     uint64   `json:"seq" doc:"Number of its entry."`
	Text    string   `json:"text" doc:"The entry as a person reads it."`
	Differs []string `json:"differs" doc:"A sentence for each thing in which it differs."`
}

const (
	keptMatches = 100
	nearMisses  = 3
)

// Err is nil when the outcome is Pass; otherwise it tells all that the verification has to say.
func (v Verification) Err() error {
	if v.Outcome == scenarios.Pass {
		return nil
	}
	return errors.New(v.String())
}

// String is one line, and one below it for each near miss.
func (v Verification) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", v.Outcome, v.Want, v.Why)
	for _, n := range v.Nearest {
		fmt.Fprintf(&b, "\n  near miss, entry %d: %s\n    %s", n.Seq, n.Text, strings.Join(n.Differs, "; "))
	}
	return b.String()
}

// Verify judges now whether so many requests have come as are expected. It fails when e itself is wrong, and tells of all that is.
//
// It never guesses: when requests that might match have been dropped from the journal, and the outcome depends on them, it is
// Inconclusive. Options.JournalSize and JournalBytes say how much is kept.
func (s *Simulator) Verify(e Expected) (Verification, error) {
	w, err := s.newWatch(e)
	if err != nil {
		return Verification{}, err
	}
	w.look()
	return w.judge(), nil
}

// VerifyWithin waits until as many requests have come as are expected, for d of simulated time at the most, or with 0 for as long as ctx
// lasts. It returns as soon as the outcome is Pass, or can only be Fail: too many have come, or the window is over. With Options.Manual
// it looks at every new entry, and whenever time is advanced. When time is up, or ctx ends, the answer is that of Verify. What more
// requests can spoil, such as a count of "<= 3", is best verified at the end.
func (s *Simulator) VerifyWithin(ctx context.Context, e Expected, d time.Duration) (Verification, error) {
	w, err := s.newWatch(e)
	if err != nil {
		return Verification{}, err
	}
	if d < 0 {
		return Verification{}, fmt.Errorf("waiting for %v is not possible: time never goes back", d)
	}
	var up time.Time // when it is over
	if d > 0 {
		up = s.Now().Add(d)
	}
	if !e.Until.IsZero() && (up.IsZero() || e.Until.Before(up)) {
		up = e.Until.Add(1) // what comes at Until still counts
	}
	over := make(chan struct{})
	if !up.IsZero() {
		cancel := s.clock.At(up, "verify", func(time.Time) { close(over) })
		defer cancel()
	}
	for {
		changed := s.journal.next()
		w.look()
		v := w.judge()
		if v.Outcome == scenarios.Pass || w.count > w.want.Most() {
			return v, nil
		}
		select {
		case <-changed:
			if s.journal.ended() {
				return v, nil
			}
		case <-over:
			w.look()
			return w.judge(), nil
		case <-ctx.Done():
			return v, nil
		}
	}
}

// next is closed at the next entry, and when the journal ends.
func (j *journal) next() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.changed == nil {
		j.changed = make(chan struct{})
		if j.closed {
			close(j.changed)
		}
	}
	return j.changed
}

func (j *journal) ended() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closed
}

// watch counts the requests that match, and goes on from where it was.
type watch struct {
	s    *Simulator
	e    Expected
	want scenarios.Count

	seq     uint64 // the last entry that was looked at, or is not there to be looked at
	count   int
	missing uint64
	matches []uint64
	nearest []NearMiss
	seen    int // requests
}

func (s *Simulator) newWatch(e Expected) (*watch, error) {
	problems := append(e.RequestFilter.check(), e.Window.check()...)
	text := e.Count
	if text == "" {
		text = ">= 1"
	}
	want, err := scenarios.ParseCount(text)
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	return &watch{s: s, e: e, want: want, seq: e.After}, nil
}

// look counts what has come since the last look.
func (w *watch) look() {
	entries, lost, gone := w.s.journal.since(w.seq, w.e.From)
	w.missing += lost
	w.seq = max(w.seq, gone)
	for i := range entries {
		e := &entries[i]
		w.seq = e.Seq
		if e.Exchange == nil {
			continue
		}
		w.seen++
		differs := append(w.e.RequestFilter.differs(e), w.e.Window.differs(e)...)
		if len(differs) > 0 {
			w.miss(e, differs)
			continue
		}
		w.count++
		if w.matches = append(w.matches, e.Seq); len(w.matches) > keptMatches {
			w.matches = slices.Delete(w.matches, 0, 1)
		}
	}
}

// miss keeps a near miss, if it is one of the nearest.
func (w *watch) miss(e *Entry, differs []string) {
	at := slices.IndexFunc(w.nearest, func(n NearMiss) bool { return len(n.Differs) >= len(differs) })
	if at < 0 {
		at = len(w.nearest)
	}
	if at == nearMisses {
		return
	}
	w.nearest = slices.Insert(w.nearest, at, NearMiss{Seq: e.Seq, Text: e.String(), Differs: differs})
	w.nearest = w.nearest[:min(len(w.nearest), nearMisses)]
}

// judge says how it stands.
func (w *watch) judge() Verification {
	v := Verification{Want: w.e.String(), At: w.s.Now(), Count: w.count, Missing: w.missing, Matches: slices.Clone(w.matches)}
	most := w.count + int(min(w.missing, math.MaxInt32))
	v.Outcome = w.want.Among(w.count, most)
	v.Why = fmt.Sprintf("%d of %d requests match", w.count, w.seen)
	if w.missing > 0 {
		v.Why += fmt.Sprintf(", and %d more were dropped from the journal", w.missing)
		if v.Outcome == scenarios.Inconclusive {
			v.Why += ", so that it cannot be told"
		}
	}
	if v.Outcome != scenarios.Pass && w.count <= w.want.Most() {
		v.Nearest = slices.Clone(w.nearest)
	}
	return v
}

// since gives the entries after a number; how many requests, at the most, came after it and not before from, and are not kept any more; and
// the number of the last entry that is not.
func (j *journal) since(after uint64, from time.Time) (kept Journal, lost, gone uint64) {
	j.mu.Lock()
	gone = j.first - 1
	if gone > after && (from.IsZero() || !j.droppedUntil.Before(from)) {
		lost = min(gone-after, j.droppedRequests)
	}
	j.mu.Unlock()
	kept = j.entries(max(after, gone))
	if len(kept) > 0 && kept[0].Seq > max(after, gone)+1 { // more went meanwhile
		lost += kept[0].Seq - 1 - max(after, gone)
	}
	return kept, lost, gone
}

// String is what is expected, in words.
func (e Expected) String() string {
	said := []string{"requests"}
	if fields := saidFields(reflect.ValueOf(e.RequestFilter)); len(fields) > 0 {
		said = append(said, "with "+strings.Join(fields, ", "))
	}
	if e.After > 0 {
		said = append(said, fmt.Sprintf("after entry %d", e.After))
	}
	if !e.From.IsZero() {
		said = append(said, "from "+clockTime(e.From))
	}
	if !e.Until.IsZero() {
		said = append(said, "until "+clockTime(e.Until))
	}
	count := e.Count
	if count == "" {
		count = ">= 1"
	}
	return strings.Join(said, " ") + ": " + count
}

// saidFields are the fields that are given, by the names that they have in JSON.
func saidFields(v reflect.Value) []string {
	var out []string
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() {
			continue
		}
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		switch f.Kind() {
		case reflect.Struct:
			for _, said := range saidFields(f) {
				out = append(out, "asked "+said)
			}
		case reflect.Slice:
			out = append(out, name+" "+few(f.Interface().([]string)))
		default:
			out = append(out, fmt.Sprintf("%s %v", name, f.Interface()))
		}
	}
	return out
}

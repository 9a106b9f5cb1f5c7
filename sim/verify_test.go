package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// What is expected is judged, and said in words.
func TestVerify(t *testing.T) {
	t.Parallel()
	ris := talk(t, sim.Options{InMemory: true, Plain: true})
	start := ris.Started()
	items := func(count string, items ...string) sim.Expected {
		return sim.Expected{RequestFilter: sim.RequestFilter{Operation: "selectCmDevice", Criteria: sim.Criteria{Items: items}}, Count: count}
	}
	for _, c := range []struct {
		e    sim.Expected
		want string
	}{
		{sim.Expected{}, "pass: requests: >= 1: 5 of 5 requests match"},
		{sim.Expected{Count: "4"}, "fail: requests: 4: 5 of 5 requests match"},
		{items("2", "SEP*"), "pass: requests with operation selectCmDevice, asked items SEP*: 2: 2 of 5 requests match"},
		{items("", "SEP*", "ATA1"), "pass: requests with operation selectCmDevice, asked items SEP*, ATA1: >= 1: 1 of 5 requests match"},
		{items("0", "SEP*"), "fail: requests with operation selectCmDevice, asked items SEP*: 0: 2 of 5 requests match"},
		{items("!= 2", "SEP*"), `fail: requests with operation selectCmDevice, asked items SEP*: != 2: 2 of 5 requests match
  near miss, entry 6: 08:00:02.000  pub  POST  selectCmDevice  administrator  by=DirNumber items=2001  200  found 2 returned 2  advice several-records-of-one-device
    no item of it is SEP*: 2001
  near miss, entry 3: 08:00:02.000  pub  POST  selectCmDeviceExt  administrator  by=Name items=sep0200000000b2 since=StateInfo  200  no change  advice state-info-of-another-query
    its operation is selectCmDeviceExt, not selectCmDevice
  near miss, entry 5: 08:00:02.000  pub  GET  /realtimeservice2/services/RISService70/elsewhere  404
    it has no operation, and selectCmDevice was expected; its criteria are not known`},
		{sim.Expected{Window: sim.Window{From: start.Add(time.Second), Until: start.Add(3 * time.Second)}, Count: "4"},
			"pass: requests from 2026-03-02T08:00:01.000Z until 2026-03-02T08:00:03.000Z: 4: 4 of 5 requests match"},
		{sim.Expected{Window: sim.Window{After: 4}, Count: "2"}, "pass: requests after entry 4: 2: 2 of 2 requests match"},
		{sim.Expected{RequestFilter: sim.RequestFilter{Fault: "badValue"}, Window: sim.Window{Until: start}},
			`fail: requests with fault badValue until 2026-03-02T08:00:00.000Z: >= 1: 0 of 5 requests match
  near miss, entry 4: 08:00:02.000  pub  POST  selectCmDevice  administrator  by=Name items=SEP* protocol=Smoke  500  fault badValue: Protocol "Smoke" is not one of Any, SCCP, SIP, Unknown  advice criteria-out-of-order
    it came at 2026-03-02T08:00:02.000Z, after 2026-03-02T08:00:00.000Z
  near miss, entry 1: 08:00:00.000  pub  POST  selectCmDevice  administrator  max=5 class=Phone by=Name items=SEP*,ATA1  200  found 2 returned 2
    it got no fault, and badValue was expected
  near miss, entry 6: 08:00:02.000  pub  POST  selectCmDevice  administrator  by=DirNumber items=2001  200  found 2 returned 2  advice several-records-of-one-device
    it got no fault, and badValue was expected; it came at 2026-03-02T08:00:02.000Z, after 2026-03-02T08:00:00.000Z`},
	} {
		v, err := ris.Verify(c.e)
		require.NoError(t, err)
		require.Equal(t, c.want, v.String())
		require.Equal(t, v.Outcome == scenarios.Pass, v.Err() == nil)
		require.Equal(t, ris.Now(), v.At)
		if v.Count > 0 {
			require.Len(t, v.Matches, v.Count)
		}
	}
	v, err := ris.Verify(items("2", "SEP*"))
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 4}, v.Matches)
	data, err := json.Marshal(v)
	require.NoError(t, err)
	require.JSONEq(t, `{"outcome":"pass","want":"requests with operation selectCmDevice, asked items SEP*: 2","why":"2 of 5 requests match","at":"2026-03-02T08:00:02Z","count":2,"matches":[1,4]}`, string(data))
	var back sim.Verification
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, v, back)

	_, err = ris.Verify(sim.Expected{RequestFilter: sim.RequestFilter{Operation: "x", Status: 1}, Count: "many"})
	require.EqualError(t, err, `unknown operation "x"; expected one of selectCmDevice, selectCmDeviceExt, selectCtiItem
status 1 is not one of HTTP, which are 100 to 599
count "many" is not a number, alone or after one of >= <= > < !=, or two such as 5..10`)
}

// Whatever the journal still holds: what is said to have passed or failed is so, and when it cannot be told that is said.
func TestVerify_NeverGuesses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Plain: true, Set: []string{"rateLimit=0"}, JournalSize: rapid.SampledFrom([]int{-1, 1, 3, 100}).Draw(r, "size"), JournalRaw: -1})
		from, after, matching := time.Time{}, uint64(0), 0
		for range rapid.IntRange(0, 10).Draw(r, "entries") {
			switch rapid.IntRange(0, 4).Draw(r, "what") {
			case 0:
				require.NoError(r, ris.Apply())
			case 1:
				require.NoError(r, ris.Advance(time.Second))
				from, matching = ris.Now(), 0
			case 2:
				after, matching = ris.JournalStats().Last, 0
			case 3:
				ask(t, ris, ris.URL, "selectCmDeviceExt", "SelectBy=Name", "Item=SEP0200000000A1")
			default:
				ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=SEP0200000000A1")
				matching++
			}
		}
		text := rapid.SampledFrom([]string{"", "0", "1", ">= 2", "<= 2", "1..3", "!= 1", "> 3", "< 2"}).Draw(r, "count")
		v, err := ris.Verify(sim.Expected{RequestFilter: sim.RequestFilter{Operation: "selectCmDevice"}, Window: sim.Window{After: after, From: from}, Count: text})
		require.NoError(r, err)
		if text == "" {
			text = ">= 1"
		}
		want, err := scenarios.ParseCount(text)
		require.NoError(r, err)
		require.LessOrEqual(r, v.Count, matching)
		require.GreaterOrEqual(r, v.Count+int(v.Missing), matching)
		switch v.Outcome {
		case scenarios.Inconclusive:
			require.NotZero(r, v.Missing)
			require.Contains(r, v.Why, "cannot be told")
		default:
			require.Equal(r, want.Holds(matching), v.Outcome == scenarios.Pass, "%s of %d: %s", text, matching, v)
		}
		if v.Missing == 0 {
			require.NotEqual(r, scenarios.Inconclusive, v.Outcome)
		}
	})
}

// Waiting ends with the request that was missing, at once when there is nothing to wait for, when time is up or the context ends; and too
// many are too many for ever.
func TestVerifyWithin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Plain: true})
		defer ris.Close()
		wait := func(ctx context.Context, count string, w sim.Window, d time.Duration) <-chan sim.Verification {
			c := make(chan sim.Verification, 1)
			go func() {
				v, err := ris.VerifyWithin(ctx, sim.Expected{RequestFilter: sim.RequestFilter{Operation: "selectCmDevice"}, Window: w, Count: count}, d)
				if err != nil {
					t.Error(err)
				}
				c <- v
			}()
			synctest.Wait()
			return c
		}
		ended := func(c <-chan sim.Verification) (outcome string) {
			synctest.Wait()
			select {
			case v := <-c:
				return fmt.Sprintf("%v %d", v.Outcome, v.Count)
			default:
				return "waits"
			}
		}
		query := func() { ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=SEP*") }
		ctx, cancel := context.WithCancel(t.Context())

		two, gone := wait(ctx, ">= 2", sim.Window{}, 0), wait(ctx, "9", sim.Window{}, 0)
		late := wait(ctx, ">= 2", sim.Window{}, time.Minute)
		window := wait(ctx, ">= 1", sim.Window{From: ris.Now().Add(time.Second), Until: ris.Now().Add(30 * time.Second)}, 0)
		require.Equal(t, "waits", ended(two))
		query()
		require.Equal(t, "waits", ended(two))
		require.NoError(t, ris.Apply()) // is no request
		require.NoError(t, ris.Advance(30*time.Second))
		require.Equal(t, "waits", ended(window))
		require.Equal(t, "waits", ended(late))
		require.NoError(t, ris.Advance(time.Second))
		require.Equal(t, "fail 0", ended(window), "the window is over")
		require.NoError(t, ris.Advance(29*time.Second))
		require.Equal(t, "fail 1", ended(late), "time is up")
		require.Equal(t, "waits", ended(two))
		query()
		require.Equal(t, "pass 2", ended(two))
		require.Equal(t, "waits", ended(gone))
		cancel()
		require.Equal(t, "fail 2", ended(gone))

		require.Equal(t, "pass 2", ended(wait(t.Context(), ">= 1", sim.Window{}, 0)), "it holds already")
		require.Equal(t, "fail 2", ended(wait(t.Context(), "1", sim.Window{}, time.Hour)), "too many are too many")
		last := wait(t.Context(), "3", sim.Window{}, time.Hour)
		require.NoError(t, ris.Close())
		require.Equal(t, "fail 2", ended(last), "the simulator has gone")
		require.Equal(t, "fail 2", ended(wait(t.Context(), "3", sim.Window{}, time.Hour)))
	})
}

// A wait cannot be for a time that has gone, nor for nonsense.
func TestVerifyWithin_Problems(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true})
	_, err := ris.VerifyWithin(t.Context(), sim.Expected{}, -time.Second)
	require.EqualError(t, err, "waiting for -1s is not possible: time never goes back")
	_, err = ris.VerifyWithin(t.Context(), sim.Expected{Count: "x"}, 0)
	require.ErrorContains(t, err, `count "x"`)
}

// A count of which only bounds are known passes or fails when all numbers between them do.
func TestCount_Among(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"0", "3", ">= 2", "> 2", "<= 2", "< 2", "1..3", "!= 2"}).Draw(t, "count")
		c, err := scenarios.ParseCount(text)
		require.NoError(t, err)
		least := rapid.IntRange(0, 5).Draw(t, "least")
		most := least + rapid.IntRange(0, 5).Draw(t, "more")
		holds := 0
		for n := least; n <= most; n++ {
			if c.Holds(n) {
				holds++
			}
		}
		want := scenarios.Inconclusive
		switch holds {
		case 0:
			want = scenarios.Fail
		case most - least + 1:
			want = scenarios.Pass
		}
		require.Equal(t, want, c.Among(least, most), "%s in %d..%d", text, least, most)
	})
}

// An outcome is a word in JSON.
func TestOutcome_JSON(t *testing.T) {
	t.Parallel()
	for _, o := range []scenarios.Outcome{scenarios.Inconclusive, scenarios.Pass, scenarios.Fail} {
		data, err := json.Marshal(o)
		require.NoError(t, err)
		require.Equal(t, `"`+o.String()+`"`, string(data))
		var back scenarios.Outcome
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, o, back)
	}
	var o scenarios.Outcome
	err := json.Unmarshal([]byte(`"maybe"`), &o)
	require.True(t, err != nil && strings.Contains(err.Error(), `"maybe" is not one of inconclusive, pass, fail`), "%v", err)
}

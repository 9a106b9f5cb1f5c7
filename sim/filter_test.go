package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

// talk is a conversation of several kinds of entries, on a manual clock. Its journal, by number:
//
//	1  selectCmDevice     SEP* of class Phone            at 0 s
//	2  a failover of SEP0200000000A1
//	3  selectCmDeviceExt  SEP0200000000B2, with StateInfo  at 2 s
//	4  selectCmDevice     with a Protocol that is none: a fault
//	5  a path that is not there
//	6  selectCmDevice     by DirNumber 2001
func talk(t *testing.T, o sim.Options) *sim.Simulator {
	t.Helper()
	o.Config = small()
	ris := sim.ForTest(t, o)
	first := ask(t, ris, ris.URL, "selectCmDevice", "MaxReturnedDevices=5", "DeviceClass=Phone", "SelectBy=Name", "Item=SEP*", "Item=ATA1")
	require.NoError(t, ris.Advance(2*time.Second))
	require.NoError(t, ris.Apply(cluster.Failover{Device: "SEP0200000000A1", To: "sub2", Reason: cluster.ConnectivityError}))
	ask(t, ris, ris.URL, "selectCmDeviceExt", "SelectBy=Name", "Item=sep0200000000b2", "StateInfo="+first.state)
	ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=SEP*", "Protocol=Smoke")
	resp, err := ris.Client().Get(ris.URL + "/elsewhere")
	require.NoError(t, err)
	resp.Body.Close()
	ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=DirNumber", "Item=2001")
	require.Len(t, ris.Journal(), 6)
	return ris
}

// Each part of a filter leaves the entries of which it is true.
func TestQuery(t *testing.T) {
	t.Parallel()
	ris := talk(t, sim.Options{InMemory: true, Plain: true})
	start := ris.Journal()[0].At
	requests := func(f sim.RequestFilter) sim.JournalFilter { return sim.JournalFilter{RequestFilter: f} }
	criteria := func(c sim.Criteria) sim.JournalFilter { return requests(sim.RequestFilter{Criteria: c}) }
	for name, c := range map[string]struct {
		f    sim.JournalFilter
		want []uint64
	}{
		"all":              {sim.JournalFilter{}, []uint64{1, 2, 3, 4, 5, 6}},
		"limit":            {sim.JournalFilter{Limit: 2}, []uint64{1, 2}},
		"next page":        {sim.JournalFilter{Limit: 2, Window: sim.Window{After: 2}}, []uint64{3, 4}},
		"after the end":    {sim.JournalFilter{Window: sim.Window{After: 99}}, nil},
		"changes":          {sim.JournalFilter{Kind: "change"}, []uint64{2}},
		"requests":         {sim.JournalFilter{Kind: "request"}, []uint64{1, 3, 4, 5, 6}},
		"steps":            {sim.JournalFilter{Kind: "step"}, nil},
		"from":             {sim.JournalFilter{Window: sim.Window{From: start.Add(time.Second)}}, []uint64{2, 3, 4, 5, 6}},
		"until":            {sim.JournalFilter{Window: sim.Window{Until: start}}, []uint64{1}},
		"device":           {sim.JournalFilter{Device: "sep0200000000a1"}, []uint64{1, 2, 4}},
		"the other device": {sim.JournalFilter{Device: "SEP0200000000B2"}, []uint64{1, 3, 4}},
		"device, changes":  {sim.JournalFilter{Device: "SEP0200000000A1", Kind: "change"}, []uint64{2}},
		"operation":        {requests(sim.RequestFilter{Operation: "SELECTcmdevice"}), []uint64{1, 4, 6}},
		"operation, *":     {requests(sim.RequestFilter{Operation: "selectCmDevice*"}), []uint64{1, 3, 4, 6}},
		"user":             {requests(sim.RequestFilter{User: "admin*"}), []uint64{1, 3, 4, 6}},
		"node":             {requests(sim.RequestFilter{Node: "pub"}), []uint64{1, 3, 4, 5, 6}},
		"no node":          {requests(sim.RequestFilter{Node: "sub1"}), nil},
		"client":           {requests(sim.RequestFilter{Client: "127.*"}), []uint64{1, 3, 4, 5, 6}},
		"User-Agent":       {requests(sim.RequestFilter{UserAgent: "Go-http*"}), []uint64{1, 3, 4, 5, 6}},
		"path":             {requests(sim.RequestFilter{Path: "*/elsewhere"}), []uint64{5}},
		"status":           {requests(sim.RequestFilter{Status: 500}), []uint64{4}},
		"fault":            {requests(sim.RequestFilter{Fault: "badvalue"}), []uint64{4}},
		"any fault":        {requests(sim.RequestFilter{Fault: "*"}), []uint64{4}},
		"advice":           {requests(sim.RequestFilter{Advice: "state-info-of-*"}), []uint64{3}},
		"with StateInfo":   {requests(sim.RequestFilter{StateInfo: "sent"}), []uint64{3}},
		"without":          {requests(sim.RequestFilter{StateInfo: "none"}), []uint64{1, 4, 5, 6}},
		"max":              {criteria(sim.Criteria{Max: "5"}), []uint64{1}},
		"class":            {criteria(sim.Criteria{Class: "phone"}), []uint64{1}},
		"select by":        {criteria(sim.Criteria{SelectBy: "DirNumber", Items: []string{"2001"}}), []uint64{6}},
		"items":            {criteria(sim.Criteria{Items: []string{"ATA*", "SEP*"}}), []uint64{1}},
		"item as sent":     {criteria(sim.Criteria{Items: []string{"SEP*"}}), []uint64{1, 3, 4}},
		"protocol":         {criteria(sim.Criteria{Protocol: "*"}), []uint64{1, 3, 4, 6}},
		"two of them":      {requests(sim.RequestFilter{Operation: "selectCmDevice", Criteria: sim.Criteria{Items: []string{"SEP*"}}}), []uint64{1, 4}},
	} {
		got, err := ris.Query(c.f)
		require.NoError(t, err, name)
		var seqs []uint64
		for _, e := range got {
			seqs = append(seqs, e.Seq)
		}
		require.Equal(t, c.want, seqs, name)
	}
}

// All that can match nothing is told at once.
func TestQuery_Problems(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true})
	_, err := ris.Query(sim.JournalFilter{
		Kind: "chnge", Limit: -1,
		RequestFilter: sim.RequestFilter{Operation: "selectCmDevices", Fault: "rate", Advice: "ext-wildcards", Status: 42, StateInfo: "maybe"},
		Window:        sim.Window{From: ris.Now(), Until: ris.Now().Add(-time.Second)},
	})
	require.EqualError(t, err, `unknown operation "selectCmDevices"; did you mean "selectCmDevice"?
unknown fault "rate"; did you mean "rateLimit"?
unknown advice "ext-wildcards"; did you mean "ext-wildcard"?
unknown stateInfo "maybe"; expected one of sent, none
status 42 is not one of HTTP, which are 100 to 599
until 2026-03-02T07:59:59.000Z is before from 2026-03-02T08:00:00.000Z
unknown kind "chnge"; did you mean "change"?
limit -1 is negative
kind "chnge" goes with nothing that only requests have, such as operation or user`)
	_, err = ris.Query(sim.JournalFilter{Kind: "change", RequestFilter: sim.RequestFilter{User: "x"}})
	require.EqualError(t, err, `kind "change" goes with nothing that only requests have, such as operation or user`)
}

// A count is written as in scenario files.
func TestParseCount(t *testing.T) {
	t.Parallel()
	c, err := scenarios.ParseCount("2..3")
	require.NoError(t, err)
	require.Equal(t, []bool{false, true, true, false}, []bool{c.Holds(1), c.Holds(2), c.Holds(3), c.Holds(4)})
	require.Equal(t, 3, c.Most())
	require.Equal(t, "2..3", c.String())
	_, err = scenarios.ParseCount("some")
	require.ErrorContains(t, err, `count "some" is not a number`)
}

// What impairments did is found by their ids, and exported.
func TestQuery_Impaired(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Plain: true})
	_, err := ris.Impair(`{id: busy, requests: {to: 1}, status: 503}`)
	require.NoError(t, err)
	_, _ = tryAsk(ris, ris.URL, "selectCmDevice", "Item=SEP*") // an HTML page is no answer
	ask(t, ris, ris.URL, "selectCmDevice", "Item=SEP*")
	_, err = ris.Impair(`{id: away, refuse: true}`)
	require.NoError(t, err)
	ris.Client().CloseIdleConnections()
	_, err = tryAsk(ris, ris.URL, "selectCmDevice", "Item=SEP*")
	require.Error(t, err)

	got, err := ris.Query(sim.JournalFilter{RequestFilter: sim.RequestFilter{Impairment: "b*"}})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, []sim.ImpairedLine{{ID: "busy", Did: got[0].Exchange.Impaired[0].Did}}, got[0].Line().Request.Impaired)
	require.Equal(t, 503, got[0].Line().Request.Status)
	got, err = ris.Query(sim.JournalFilter{Kind: sim.KindTrouble})
	require.NoError(t, err)
	require.NotEmpty(t, got)
	line := got[0].Line()
	require.Equal(t, "trouble", line.Kind)
	require.Equal(t, "away", line.Trouble.ID)
	require.Equal(t, "pub", line.Trouble.Node)
	require.NotZero(t, line.Trouble.Connection)
}

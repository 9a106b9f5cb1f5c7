package sim_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
)

// What a journal looks like, and what its entries hold.
func TestJournal(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Set: []string{"rateLimit=2"}})
	first := ask(t, ris, ris.URL, "selectCmDevice", "MaxReturnedDevices=5", "DeviceClass=Phone", "Status=Any", "NodeName=sub1",
		"SelectBy=Name", "Item=SEP*", "Item=A", "Item=B", "Item=C", "Item=D")
	require.NoError(t, ris.Advance(1500*time.Millisecond))
	require.NoError(t, ris.Apply(
		cluster.Failover{Device: "SEP0200000000A1", To: "sub2", Reason: cluster.ConnectivityError},
		cluster.SetNodeState{Node: "sub1", State: cluster.Down}))
	require.NoError(t, ris.Apply())
	require.NoError(t, ris.Apply(cluster.RemoveDevices{Names: []cluster.DeviceName{"SEP0200000000B2"}}))
	require.NoError(t, ris.Apply(cluster.AddDevices{Devices: small().Devices[1:]}))
	require.NoError(t, ris.Apply(cluster.Configure{Device: small().Devices[1]}))
	ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=SEP*", "StateInfo="+first.state)
	ask(t, ris, ris.URL, "selectCmDevice", "SelectBy=Name", "Item=SEP*")
	resp, err := ris.Client().Get(strings.Replace(ris.URL, "RISService70", "RISService", 1))
	require.NoError(t, err)
	resp.Body.Close()

	want := `08:00:00.000  pub  POST  selectCmDevice  administrator  max=5 class=Phone status=Any node=sub1 by=Name items=SEP*,A,B+2  200  found 1 returned 1
08:00:01.500  version 2  Failover SEP0200000000A1 sub2 ConnectivityError and 1 more
08:00:01.500  version 3  nothing
08:00:01.500  version 4  RemoveDevices 1 DeviceName
08:00:01.500  version 5  AddDevices 1 Device
08:00:01.500  version 6  Configure SEP0200000000B2
08:00:01.500  pub  POST  selectCmDevice  administrator  by=Name items=SEP* since=StateInfo  200  found 1 returned 1  advice state-info-of-another-query
08:00:01.500  pub  POST  selectCmDevice  administrator  by=Name items=SEP*  500  fault rateLimit: AxisFault: Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 2 requests pe…
08:00:01.500  pub  GET  /realtimeservice2/services/RISService  404
`
	require.Equal(t, want, ris.Journal().String())
	journal := ris.Journal()
	for i, e := range journal {
		require.Equal(t, uint64(i+1), e.Seq)
		require.NotEqual(t, e.Event == nil, e.Exchange == nil, "entry %d is one of the two", i)
	}
	x := journal[0].Exchange
	require.Nil(t, x.HTTP)
	require.Equal(t, "SEP*", x.Request.Items[0].Value)
	require.Equal(t, "administrator", x.User)
	require.Equal(t, ris.Snapshot().Version, journal[6].Exchange.SnapshotVersion)
	require.IsType(t, cluster.Failover{}, journal[1].Event.Changes[0])
	require.Equal(t, journal[7:], journal.Tail(2))
	require.Equal(t, journal, journal.Tail(100))
}

// The ring keeps the last entries, and numbers tell how many went before.
func TestJournal_Ring(t *testing.T) {
	t.Parallel()
	for _, made := range []int{0, 2, 3, 4, 5, 6, 7, 100} {
		ris := sim.ForTest(t, sim.Options{Config: small(), JournalSize: 3, InMemory: true})
		for range made {
			require.NoError(t, ris.Apply())
		}
		journal := ris.Journal()
		require.Len(t, journal, min(made, 3))
		for i, e := range journal {
			require.Equal(t, uint64(made-len(journal)+i+1), e.Seq)
			require.Equal(t, e.Seq+1, e.Event.Version)
		}
	}
	none := sim.ForTest(t, sim.Options{Config: small(), JournalSize: -1, InMemory: true})
	require.NoError(t, none.Apply())
	require.Empty(t, none.Journal())
}

// What clients send cannot fill the memory: of a large request its numbers are kept, but not its text. A thousand
// items, the most that make sense, are kept.
func TestJournal_LargeRequests(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Set: []string{"rateLimit=0"}})
	for _, c := range []struct {
		items int
		kept  bool
	}{{900, true}, {3000, false}} {
		var body strings.Builder
		body.WriteString(`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><selectCmDevice><StateInfo/><CmSelectionCriteria><SelectItems>`)
		for i := range c.items {
			fmt.Fprintf(&body, "<item><Item>SEP02%010X</Item></item>", i)
		}
		body.WriteString(`</SelectItems></CmSelectionCriteria></selectCmDevice></e:Body></e:Envelope>`)
		req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(body.String()))
		require.NoError(t, err)
		req.SetBasicAuth(ris.User, ris.Password)
		resp, err := ris.Client().Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
		last := ris.Journal().Tail(1)[0].Exchange
		require.Equal(t, body.Len(), last.RequestBytes)
		require.Equal(t, c.kept, last.Request != nil, "%d bytes", body.Len())
		if c.kept {
			require.Len(t, last.Request.Items, c.items)
		}
		require.Contains(t, ris.Journal().String(), "selectCmDevice")
	}
}

// The journal's order is the order of states, whoever makes the changes.
func TestJournal_OrderIsStateOrder(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if err := ris.Apply(sim.Fallback("SEP0200000000A1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	journal := ris.Journal()
	require.Len(t, journal, 800)
	for i, e := range journal {
		require.Equal(t, uint64(i+2), e.Event.Version)
	}
}

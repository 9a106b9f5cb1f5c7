package cluster_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/risim/risim/sim/cluster"
)

var sameState = cmp.Options{cmpopts.EquateComparable(cluster.Uint{}, netip.Addr{}), cmpopts.IgnoreUnexported(cluster.Device{}), cmpopts.EquateEmpty()}

// A cluster that is made of a State is the same in every answer; N4: also in NoChange to what the State itself said. N6: of
// what was said before, nothing is remembered.
func TestState_MakesTheSameCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := drawCluster(t, 100)
		drawHistory(t, first)
		s := first.Snapshot()
		store, err := cluster.FromState(s.State())
		require.NoError(t, err)
		again := store.Snapshot()
		require.NoError(t, again.Check())
		require.Empty(t, cmp.Diff(s.State(), again.State(), sameState))
		for range 3 {
			q, c := drawDeviceQuery(t), drawCtiQuery(t)
			require.Equal(t, answerOf(s, &q, nil), answerOf(again, &q, nil))
			require.Equal(t, answerOf(s, nil, &c), answerOf(again, nil, &c))
			p, _, _ := take(s, poll{device: &q})
			if _, verdict, _ := take(again, p); len(p.marks) > 0 && q.Node != "nowhere" {
				require.Equal(t, cluster.Unchanged, verdict)
			}
		}
		// What comes next is the same too, but for what is remembered.
		changes := drawChange(t, s)
		now := start.Add(time.Hour)
		require.Equal(t, fmt.Sprint(first.Apply(now, changes...)), fmt.Sprint(store.Apply(now, changes...)))
		require.Empty(t, cmp.Diff(first.Snapshot().State(), store.Snapshot().State(), sameState))
	})
}

func TestFromState_ReportsAllThatIsWrong(t *testing.T) {
	st := newWorld(t).Snapshot().State()
	st.Version, st.History = 0, -1
	st.Nodes[1].State = 9
	st.Registrations[0].StateID = 99
	st.Registrations[1].StateID = 0
	st.Applications[0].Devices[0].StateID = 7
	_, err := cluster.FromState(st)
	require.EqualError(t, err, `node "sub1": 9 is not a node state
version 0 and a history of -1; expected at least 1 of both
registration of "SEP0011" on "sub1": StateId 99 is not from 1 to the node's 1
registration of "SEP0022" on "sub2": StateId 0 is not from 1 to the node's 1
application "uccx-10.9.9.9-7": StateId 7 is not from 1 to node "pub"'s 1`)
}

// N3: a store may be set back to any of its snapshots, again and again; its answers are then those of that snapshot, and no
// poll ever hears of NoChange wrongly, whatever it has seen of what is undone.
func TestRestore_SameAnswersAndNoWrongNoChange_N3(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := drawCluster(t, 100)
		snaps := []*cluster.Snapshot{store.Snapshot()}
		var polls []poll
		for step := range rapid.IntRange(3, 20).Draw(t, "steps") {
			before := store.Snapshot()
			switch rapid.IntRange(0, 4).Draw(t, "act") {
			case 0:
				old := snaps[rapid.IntRange(0, len(snaps)-1).Draw(t, "snapshot")]
				store.Restore(old)
				s := store.Snapshot()
				require.Equal(t, before.Version+1, s.Version)
				want, got := old.State(), s.State()
				for i := range got.Nodes {
					want.Nodes[i].Used, want.Nodes[i].UsedStart = got.Nodes[i].Used, got.Nodes[i].UsedStart
					want.Nodes[i].Back, want.Nodes[i].CtiBack = true, true
				}
				want.Version = got.Version
				require.Empty(t, cmp.Diff(want, got, sameState))
				q := drawDeviceQuery(t)
				require.Equal(t, answerOf(old, &q, nil), answerOf(s, &q, nil))
				p, _, _ := take(old, poll{device: &q})
				if _, verdict, _ := take(s, p); len(p.marks) > 0 && q.Node != "nowhere" {
					require.Equal(t, cluster.Unchanged, verdict, "what the snapshot said holds again")
				}
			case 1:
				q, c := drawDeviceQuery(t), drawCtiQuery(t)
				p, _, _ := take(before, poll{device: &q})
				o, _, _ := take(before, poll{cti: &c})
				polls = append(polls, p, o)
			default:
				_ = store.Apply(start.Add(time.Duration(step)*time.Second), drawChange(t, before)...)
				snaps = append(snaps, store.Snapshot())
			}
			s := store.Snapshot()
			require.NoError(t, s.Check())
			for _, was := range polls {
				if p, verdict, _ := take(s, was); verdict == cluster.Unchanged {
					require.Equal(t, was.states, p.states)
					require.Equal(t, fmt.Sprint(was.copied), fmt.Sprint(p.copied), "query %+v %+v, marks %+v", was.device, was.cti, was.marks)
				}
			}
		}
		for _, old := range snaps {
			require.NoError(t, old.Check(), "what is kept of old never changes")
		}
	})
}

// Two stores never see each other's changes though one has the other's snapshot.
func TestRestore_OfAnotherStore(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	a.does(cluster.Unregister{Device: phone})
	b.Restore(a.Snapshot())
	want := a.Snapshot().State().Registrations
	b.does(cluster.Failover{Device: "SEP0022", To: "pub"})
	a.does(cluster.Register{Device: phone})
	require.Equal(t, want[0], b.Snapshot().State().Registrations[0])
	require.Len(t, a.Snapshot().State().Registrations, 2)
	require.Len(t, b.Snapshot().State().Registrations, 3)
}

func drawHistory(t *rapid.T, store *cluster.Store) {
	for step := range rapid.IntRange(0, 8).Draw(t, "history") {
		_ = store.Apply(start.Add(time.Duration(step)*time.Second), drawChange(t, store.Snapshot())...)
	}
}

// answerOf is all that an answer says.
func answerOf(s *cluster.Snapshot, q *cluster.DeviceQuery, c *cluster.CtiQuery) string {
	if c != nil {
		res := s.SelectCti(*c)
		return fmt.Sprint(ctiCopy(s, *c), res.Found, res.Since, res.CaseOnly, marksOf(res.Nodes, func(n cluster.NodeCti) cluster.NodeAnswer { return n.NodeAnswer }))
	}
	res := s.Select(*q)
	return fmt.Sprint(flat(res), res.Found, res.Since, res.CaseOnly, marksOf(res.Nodes, func(n cluster.NodeDevices) cluster.NodeAnswer { return n.NodeAnswer }))
}

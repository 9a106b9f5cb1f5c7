package scenarios_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/clock"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// site is a publisher, two subscribers, n phones of group hq that are registered with sub1, two trunks and an
// application.
func site(t testing.TB, n int) *cluster.Store {
	t.Helper()
	cfg := cluster.Config{Nodes: []cluster.Node{{Name: "cucm-pub", Publisher: true}, {Name: "cucm-sub1"}, {Name: "cucm-sub2"}}}
	add := func(d cluster.Device, ip string) {
		r := cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - 3600, Attempts: cluster.Some(0), IPv4: netip.MustParseAddr(ip),
			ActiveLoad: "sip.1", Download: cluster.UnknownDownload}
		for _, l := range d.Lines {
			r.Lines = append(r.Lines, cluster.Line{Number: l, Status: cluster.Registered})
		}
		cfg.Devices = append(cfg.Devices, d)
		cfg.Registrations = append(cfg.Registrations, cluster.Registration{Device: d.Name, Node: "cucm-sub1", Record: r})
	}
	homes := []cluster.NodeName{"cucm-sub1", "cucm-sub2"}
	for i := range n {
		lines := []string{fmt.Sprint(4000 + i)}
		if i%5 == 0 {
			lines = append(lines, fmt.Sprint(8000+i))
		}
		add(cluster.Device{Name: cluster.DeviceName(fmt.Sprintf("SEP%012X", i)), Class: cluster.Phone, Protocol: cluster.SIP, Model: 36224, Group: "hq", Lines: lines, Homes: homes},
			fmt.Sprintf("10.64.%d.%d", i/250, i%250+1))
	}
	for i, name := range []cluster.DeviceName{"TRUNK-CUC", "TRUNK-PSTN"} {
		add(cluster.Device{Name: name, Class: cluster.SIPTrunk, Protocol: cluster.SIP, Model: 131, Group: "trunks", Homes: homes[:1]}, fmt.Sprintf("10.10.40.%d", i+1))
	}
	cfg.Applications = []cluster.Application{{Name: "cucmuser", Instance: 1, User: "cucmuser", Address: netip.MustParseAddr("10.10.30.5"), Node: "cucm-sub1", Status: cluster.Open, TimeStamp: start.Unix() - 60}}
	store, err := cluster.New(start, cfg)
	require.NoError(t, err)
	return store
}

func load(t testing.TB, name, text string) *scenarios.Program {
	t.Helper()
	prog, err := scenarios.Load(name, []byte(text), options())
	require.NoError(t, err)
	return prog
}

// world is a cluster and what happened to it.
type world struct {
	*cluster.Store
	clock    *clock.Virtual
	mu       sync.Mutex
	events   []scenarios.Event
	applied  []string
	settings []string
	troubles scenarios.Troubles
}

func newWorld(t testing.TB, n int) *world {
	return &world{Store: site(t, n), clock: clock.NewVirtual(start)}
}

func (w *world) Apply(c scenarios.Cause, changes ...cluster.Change) error {
	err := w.Store.Apply(w.clock.Now(), changes...)
	for _, one := range changes {
		w.applied = append(w.applied, fmt.Sprintf("%s %s %T%+v %v", w.clock.Now().Sub(start), c, one, one, err == nil))
	}
	return err
}

func (w *world) Set(c scenarios.Cause, knob, value string) error {
	w.settings = append(w.settings, fmt.Sprintf("%s %s=%s", c, knob, value))
	return nil
}
func (w *world) Impair(_ scenarios.Cause, i *scenarios.Impairment) { w.troubles.Add(i) }
func (w *world) Lift(_ scenarios.Cause, id string)                 { w.troubles.Remove(id) }
func (w *world) Log(e scenarios.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// count counts the devices whose newest record on a node that answers is of a status.
func (w *world) count(s cluster.Status, node cluster.NodeName) int {
	return w.Snapshot().Select(cluster.DeviceQuery{Newest: true, Status: s, Node: string(node)}).Found
}

func TestTimeline_Goldens(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/timelines/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			prog := load(t, filepath.Base(file), string(data))
			n := 3000
			if prog.Name == "a-bit-of-everything" {
				n = 60
			}
			s := site(t, n).Snapshot()
			require.NoError(t, prog.Check(s))
			events, ends, err := prog.Timeline(s)
			require.NoError(t, err)
			require.NoError(t, ends.Check())
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", scenarios.FormatTimeline(events))
			again, _, err := prog.Timeline(s)
			require.NoError(t, err)
			require.Equal(t, scenarios.FormatTimeline(events), scenarios.FormatTimeline(again))
		})
	}
}

func TestCheck_UnfitForTheCluster(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/unfit/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			err = load(t, filepath.Base(file), string(data)).Check(site(t, 100).Snapshot())
			require.Error(t, err)
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// Whatever loads and fits a cluster runs to its end, leaves the cluster whole, and does the same when it is run again.
func FuzzTimeline(f *testing.F) {
	seeds := 0
	for _, pattern := range []string{"testdata/timelines/*.yaml", "../../fixtures/scenarios/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			seeds++
		}
	}
	if seeds < 10 {
		f.Fatalf("%d seeds: the corpus has moved", seeds)
	}
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	cfg := cluster.Config{Nodes: []cluster.Node{{Name: "cucm-pub", Publisher: true}, {Name: "cucm-sub1"}, {Name: "cucm-sub2"}},
		Applications: []cluster.Application{{Name: "recorder", User: "recording", Node: "cucm-sub1", Status: cluster.Open, TimeStamp: start.Unix() - 60}}}
	for _, group := range []string{"hq", "lab", "desks", "harbour", "branch-1", "helpdesk"} {
		for _, letter := range "AB" {
			d := cluster.Device{Name: cluster.DeviceName("SEP-" + group + string(letter)), Class: cluster.Phone, Model: 36224, Group: group,
				Lines: []string{"40" + string(letter), "4700"}, Homes: []cluster.NodeName{"cucm-sub1", "cucm-sub2"}}
			cfg.Devices = append(cfg.Devices, d)
			cfg.Registrations = append(cfg.Registrations, cluster.Registration{Device: d.Name, Node: "cucm-sub1", Record: cluster.Record{Status: cluster.Registered, TimeStamp: start.Unix() - 60}})
		}
	}
	store, err := cluster.New(start, cfg)
	if err != nil {
		f.Fatal(err)
	}
	o := Options{
		Model: func(string) (uint32, error) { return 36224, nil },
		Expand: func(*DeviceGroup, uint64) (cluster.AddDevices, error) {
			return cluster.AddDevices{}, errors.New("none here")
		},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		prog, err := Load("x.yaml", data, o)
		if err != nil || prog.Check(store.Snapshot()) != nil {
			return
		}
		events := 0.0
		for _, s := range prog.steps {
			events += s.events()
		}
		if events > 1000 {
			return // which is allowed, and would only take its time
		}
		happened, ends, err := prog.Timeline(store.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := ends.Check(); err != nil {
			t.Error(err)
		}
		again, _, err := prog.Timeline(store.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		if one, two := FormatTimeline(happened), FormatTimeline(again); one != two {
			t.Errorf("two runs differ:\n%s\n%s", one, two)
		}
	})
}

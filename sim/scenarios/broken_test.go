package scenarios_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
	"github.com/risim/risim/sim/soap"
)

var update = flag.Bool("update", false, "write the golden files anew")

// options is what words are looked up with in these tests: the real models, knobs and profiles.
func options() scenarios.Options {
	settings, _ := soap.Profile("documented")
	return scenarios.Options{
		Model:    model,
		Knob:     func(name, value string) error { s := settings; return s.Set(name, value) },
		Profiles: soap.Profiles(),
		Roles:    []string{soap.RoleServiceability},
		Faults:   []string{"rateLimit", "session", "malformed"},
		Advice:   []string{"poll-after-rate-fault", "state-info-as-cursor", "case-only-match"},
		Expand: func(g *scenarios.DeviceGroup, _ uint64) (cluster.AddDevices, error) {
			var a cluster.AddDevices
			for _, n := range g.Names {
				d := cluster.Device{Name: cluster.DeviceName(n.Text), Class: cluster.Phone, Group: g.Group.Text}
				for _, h := range g.Homes {
					d.Homes = append(d.Homes, cluster.NodeName(h.Text))
				}
				a.Devices = append(a.Devices, d)
			}
			if len(a.Devices) == 0 {
				return a, errors.New("these tests make devices by name only")
			}
			return a, nil
		},
	}
}

// model knows a few models.
func model(text string) (uint32, error) {
	models := map[string]uint32{"Cisco 8845": 36224, "Cisco 8841": 683, "SIP Trunk": 131}
	if n, ok := models[text]; ok {
		return n, nil
	}
	return 0, fmt.Errorf("model %q is neither a model number nor the name of a model; did you mean %q?", text, cluster.Near(text, []string{"Cisco 8845", "Cisco 8841"}))
}

// golden compares a text with a file, or writes the file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update, and read what it wrote")
	require.Equal(t, string(want), got)
}

// Each broken file gives exactly the message beside it.
func TestLoad_BrokenFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/broken/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 50)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			prog, err := scenarios.Load(filepath.Base(file), data, options())
			require.Error(t, err)
			require.Nil(t, prog)
			var ps scenarios.Problems
			require.ErrorAs(t, err, &ps)
			for _, p := range ps {
				require.True(t, p.At.Line >= 1 && p.At.Column >= 1, "%v has no place", p)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

// What is too much is refused with a sentence, and soon.
func TestLoad_RefusesTooMuch(t *testing.T) {
	t.Parallel()
	bomb := "timeline:\n- {at: 1s, do: {devices.unregister: {where: {name: &names [x" + strings.Repeat(", x", 999) + "]}}}}\n" +
		strings.Repeat("- {at: 1s, do: {devices.unregister: {where: {name: *names}}}}\n", 20)
	for _, tt := range []struct{ name, data, want string }{
		{"10 MB", strings.Repeat("# nothing at all\n", 10<<20/17+1), "big.yaml:1:1: the file has 10485770 bytes, and at most 1048576 are read"},
		{"bomb", bomb, "aliases (*name) stand for more than 10000 values"},
		{"deep", "timeline: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "expected"},
		{"too deep", "timeline: " + strings.Repeat("[", 20000), "not YAML: exceeded max depth of 10000"},
		{"5 million events", "timeline: [{every: 1s, times: 5000001, do: {log: x}}]\n", "timeline[0] comes to 5,000,001 events, and at most 5,000,000 are run"},
		{"after a loop", "timeline:\n- {id: a, every: 1s, times: 5000001, do: {log: x}}\n- {after: a, do: {log: x}}", "a comes to 5,000,001 events"},
		{"wildcards", "timeline: [{at: 1s, do: {devices.bounce: {where: {name: [x*" + strings.Repeat(", x*", 1000) + "]}}}}]", "name has 1,001 texts with a *, and at most 1,000 are compared"},
		{"churn", "timeline: [{at: 0s, for: 100d, do: {churn: {rate: 1/s}}}]\n", "timeline[0] comes to 8,640,000 events"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := scenarios.Load("big.yaml", []byte(tt.data), options())
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// Names, MAC addresses and numbers are text, whatever YAML takes them for.
func TestParse_TextSurvives(t *testing.T) {
	t.Parallel()
	f, err := scenarios.Parse("x.yaml", []byte("scenario: 0012\nsummary: 001122334455\nseed: 1e3\ncluster: 2026-03-02\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"0012", "001122334455", "1e3", "2026-03-02"}, []string{f.Scenario.Text, f.Summary.Text, f.Seed.Text, f.Cluster.Ready.Text})
	require.Equal(t, scenarios.Pos{Line: 2, Column: 10}, f.Summary.At)
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	o := options()
	f.Fuzz(func(t *testing.T, data []byte) {
		prog, err := scenarios.Load("x.yaml", data, o)
		if (prog == nil) == (err == nil) {
			t.Errorf("Load gives %v and %v: want a program or an error", prog, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "x.yaml:") {
			t.Errorf("error without a place: %v", err)
		}
		if prog != nil {
			require.NoError(t, validate(t, ourSchema, data), "the schema is never stricter")
		}
	})
}

// Parse and Compile are Load in two steps.
func TestCompile_IsTheOtherHalfOfLoad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*/*.yaml")
	require.NoError(t, err)
	compiled := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		_, want := scenarios.Load("x.yaml", data, options())
		f, err := scenarios.Parse("x.yaml", data)
		if err != nil {
			require.Nil(t, f)
			require.Error(t, want)
			continue
		}
		compiled++
		prog, err := scenarios.Compile(f, options())
		require.Equal(t, want, err, file)
		require.Equal(t, err != nil, prog == nil)
	}
	require.Greater(t, compiled, 40)
}

// A file that is wrong all over does not fill the screen.
func TestLoad_ManyProblems(t *testing.T) {
	t.Parallel()
	_, err := scenarios.Load("x.yaml", []byte("timeline:\n"+strings.Repeat("  - {at: 5, do: {log: x}}\n", 250)), options())
	var ps scenarios.Problems
	require.ErrorAs(t, err, &ps)
	require.Len(t, ps, 101)
	require.Equal(t, `x.yaml:2:10: "5" has no unit; durations are written 250ms, 90s, 5m, 1h30m or 2d`, strings.Split(ps[0].Error(), "\n")[0])
	require.Equal(t, "x.yaml:101:10: and 150 more problems", ps[100].Error())
}

func TestCompile_Program(t *testing.T) {
	t.Parallel()
	for text, file := range map[string]bool{"branch": false, "./site.yaml": true, "../a/b.yml": true, "site.yaml": true} {
		prog := load(t, "x.yaml", "cluster: "+text)
		require.Equal(t, file, prog.Cluster.IsFile(), text)
	}
	prog := load(t, "x.yaml", "scenario: a\nsummary: b\nclock: {start: 2026-03-02T08:00:00Z, mode: manual, speed: 2.5}\nservice: {profile: cucm-14, rateLimit: 5/min, users: [{name: u, password: 0012}]}")
	require.Equal(t, []any{"a", "b", uint64(1), start, true, 2.5, "cucm-14", []scenarios.Setting{{Knob: "rateLimit", Value: "5/min"}}, "0012"},
		[]any{prog.Name, prog.Summary, prog.Seed, prog.Start, prog.Manual, prog.Speed, prog.Profile, prog.Knobs, prog.Users[0].Password.Text})
	o := options()
	o.Seed = 9
	prog, err := scenarios.Load("x.yaml", []byte("seed: 5"), o)
	require.NoError(t, err)
	require.Equal(t, uint64(9), prog.Seed)
}

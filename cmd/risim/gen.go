package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
)

// genFlags are the flags of gen.
type genFlags struct {
	spec        fixtures.Spec
	groups      []string // NAME=COUNT[,MODEL]
	out         string   // empty: stdout
	force, list bool

	problems []error
}

func newGen(stdout io.Writer) *cobra.Command {
	f := &genFlags{}
	cmd := &cobra.Command{
		Use:   "gen [NAME]",
		Short: "Write a cluster file, or a ready scenario's, to change and to use",
		Long: `Gen writes a file that describes a cluster: nodes, groups of devices, and applications. A scenario names it
(cluster: ./site.yaml), risim serve serves it as it is, and risim check checks it.

The cluster has the shape of a ready one, of the first unless you name another: as many devices of each
kind, standing as they do, in groups that are few enough to read. --devices and --subscribers scale it.
With --group it has those groups instead, each of one model and with numbers of its own.

With the NAME of a ready scenario it writes that scenario's file, which begins with what a client should
learn from it.`,
		Example: `  risim gen -o site.yaml                            the shape of the ready cluster "default"
  risim gen enterprise --devices 500 --subscribers 3 -o site.yaml
  risim gen --subscribers 2 --group hq=300 --group lab="20,Cisco 7841" --group trunks="2,SIP Trunk"
  risim gen wan-outage -o mine.yaml                 a ready scenario, to read or to change
  risim gen --list                                  what there is by name`,
		ValidArgsFunction: complete(fixtures.ReadyNames(), fixtures.ScenarioNames()),
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.list && (len(args) > 0 || cmd.Flags().NFlag() > 1):
				return hint(errors.New("gen --list writes nothing: it goes alone"), "risim gen --list")
			case len(args) > 1:
				return hint(fmt.Errorf("gen writes one cluster, not %d: %q", len(args), args), "risim gen --help says more")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if f.list {
				_, err := io.WriteString(stdout, ready())
				return err
			}
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			data, err := f.file(name)
			if err != nil {
				return hint(err, "risim gen --help lists the flags, risim gen --list what there is by name")
			}
			return f.write(stdout, data)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	number := func(name, usage, expected string, least, most uint64, set func(n uint64)) {
		checked(&f.problems, flags, name, "N", usage, expected, func(text string) bool {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil || n < least || n > most {
				return false
			}
			set(n)
			return true
		})
	}
	number("devices", "scale to about N devices (default as many as the ready cluster has)",
		fmt.Sprintf("a number of devices from 1 to %d", fixtures.MaxDevices), 1, fixtures.MaxDevices, func(n uint64) { f.spec.Devices = int(n) })
	number("subscribers", "have N nodes besides the publisher (default as many as the ready cluster has)",
		fmt.Sprintf("a number of nodes from 0 to %d", fixtures.MaxSubscribers), 0, fixtures.MaxSubscribers, func(n uint64) {
			if f.spec.Subscribers = int(n); n == 0 {
				f.spec.Subscribers = fixtures.NoSubscribers
			}
		})
	number("seed", "take the shape of the ready cluster with this seed (default 1)", "a number from 1", 1, math.MaxUint64, func(n uint64) { f.spec.Seed = n })
	flags.StringArrayVar(&f.groups, "group", nil, "have a group, `NAME=COUNT[,MODEL]`, of Cisco 8845 unless it says another; repeatable")
	flags.StringVarP(&f.out, "output", "o", "", "write to `FILE`, which must not be there (default to stdout)")
	flags.BoolVar(&f.force, "force", false, "write over a file that is there")
	flags.BoolVar(&f.list, "list", false, "list the ready clusters and the ready scenarios")
	return cmd
}

// ready lists what there is by name.
func ready() string {
	var b strings.Builder
	b.WriteString("Clusters, for risim serve, run and gen, and for cluster: in a scenario:\n")
	b.WriteString(readyClusters())
	b.WriteString("\n\nScenarios, for risim serve, run, check and gen:\n")
	for _, s := range fixtures.ReadyScenarios() {
		fmt.Fprintf(&b, "\n  %-21s %s", s.Name, s.Summary)
	}
	b.WriteString("\n")
	return b.String()
}

// file is the cluster file.
func (f *genFlags) file(name string) ([]byte, error) {
	if slices.Contains(fixtures.ScenarioNames(), name) {
		return f.scenario(name)
	}
	var l fixtures.Layout
	from := fmt.Sprintf("in the shape of the ready cluster %q with seed %d", cmp.Or(name, fixtures.ReadyNames()[0]), cmp.Or(f.spec.Seed, 1))
	if len(f.groups) > 0 {
		from = "as risim gen was told"
		if name != "" {
			f.problems = append(f.problems, fmt.Errorf("there are groups and the name of a ready cluster, %q: choose one of them", name))
		}
		if f.spec.Devices != 0 {
			f.problems = append(f.problems, errors.New("--devices scales a ready cluster; groups have as many devices as --group says"))
		}
		l = f.described()
	} else {
		if _, err := (sim.Options{}).Named(cmp.Or(name, fixtures.ReadyNames()[0])); err != nil {
			f.problems = append(f.problems, err)
		} else if config, err := fixtures.Ready(name, f.spec); err != nil {
			f.problems = append(f.problems, err)
		} else {
			l = fixtures.Shape(config)
		}
	}
	if err := errors.Join(f.problems...); err != nil {
		return nil, err
	}
	if _, err := fixtures.Build(l, fixtures.Spec{Seed: f.spec.Seed}); err != nil {
		return nil, err
	}
	devices := 0
	for _, g := range l.Groups {
		devices += max(g.Count, len(g.Names))
	}
	return sim.ClusterFile(l, fmt.Sprintf("A cluster of %s on %s, %s.\n"+
		"Names, addresses, descriptions and homes that are not written are drawn from the scenario's seed.\n", plural(devices, "device"), plural(len(l.Nodes), "node"), from))
}

// scenario is the file of a ready scenario, as it stands.
func (f *genFlags) scenario(name string) ([]byte, error) {
	if f.spec != (fixtures.Spec{}) || len(f.groups) > 0 {
		f.problems = append(f.problems, fmt.Errorf("%q is a ready scenario, which is written as it stands: only -o and --force go with it", name))
	}
	if err := errors.Join(f.problems...); err != nil {
		return nil, err
	}
	return fs.ReadFile(fixtures.ScenarioFS(), name+".yaml")
}

// described is the cluster of --group.
func (f *genFlags) described() fixtures.Layout {
	l := fixtures.Shape(fixtures.Generate(fixtures.Spec{Devices: 1, Subscribers: f.spec.Subscribers}))
	l.Groups, l.Applications = nil, nil
	for _, text := range f.groups {
		name, rest, ok := strings.Cut(text, "=")
		count, model, _ := strings.Cut(rest, ",")
		n, err := strconv.ParseUint(count, 10, 31)
		if !ok || name == "" || err != nil || n == 0 {
			f.problems = append(f.problems, fmt.Errorf("--group %q is not NAME=COUNT or NAME=COUNT,MODEL, such as hq=300 or lab=20,Cisco 7841", text))
			continue
		}
		number, err := fixtures.ModelNumber(cmp.Or(strings.TrimSpace(model), "Cisco 8845"))
		if err != nil {
			f.problems = append(f.problems, fmt.Errorf("--group %q: %w", text, err))
			continue
		}
		if _, known := fixtures.KindOf(number); !known {
			f.problems = append(f.problems, fmt.Errorf("--group %q: of model %d nothing is known; write it into the file, with its class", text, number))
			continue
		}
		if slices.ContainsFunc(l.Groups, func(g fixtures.Group) bool { return g.Name == name }) {
			f.problems = append(f.problems, fmt.Errorf("--group %q: there is already a group of this name", text))
			continue
		}
		full, _ := fixtures.ModelName(number)
		l.Groups = append(l.Groups, fixtures.Group{Name: name, Count: int(n), Model: full})
	}
	return fixtures.Furnish(l)
}

// write puts the file in its place, whole or not at all.
func (f *genFlags) write(stdout io.Writer, data []byte) error {
	if f.out == "" {
		_, err := stdout.Write(data)
		return err
	}
	file, err := prepareFile("the cluster file", "-o", f.out)
	if err != nil {
		return err
	}
	if f.force {
		return file.put(data, 0o644)
	}
	if err := file.putNew(data, 0o644); errors.Is(err, fs.ErrExist) {
		return hint(fmt.Errorf("%s is there already", f.out), "--force writes over it")
	} else if err != nil {
		return err
	}
	return nil
}

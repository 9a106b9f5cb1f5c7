//go:build linux

// Command bench measures risim from outside, as its users meet it. make bench runs it, from the root of the module:
//
//	go run ./cmd/risim/internal/bench               everything, in about eight minutes
//	go run ./cmd/risim/internal/bench -only start   one part of it; -help lists them
//	go run ./cmd/risim/internal/bench -at 127.0.0.1:8443 -tls -workload W2   load on a risim that runs already, to profile it
//
// Machines differ and are noisy, so that figures of one run are compared with each other only: what risim does stands
// beside a server of the same net/http that sends the same bytes without a thought, and everything is measured in three
// rounds of turns. A server has a core of its own, and the load generator another. Nothing is asserted. It listens on
// loopback only, ends by itself, and needs Go, Linux and two cores; nginx, wrk and the npm package soap take part where
// they are installed.
//
// It imports no package of this module: the servers that risim is compared with live in this binary, and how long an
// empty one takes to start is one of the figures.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			exit(role())
		}
	}
	exit(run())
}

// roles are what a copy of this process is started as.
var roles = map[string]func() error{"role-constant": serveConstant, "role-load": generateLoad}

func exit(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is one run.
type bench struct {
	risim   string // the command
	dir     string // for everything that is written
	devices int
	rounds  int
	window  time.Duration // of one measurement
	verbose bool
}

// parts are what a run consists of, in their order.
var parts = []struct {
	name, about string
	run         func(*bench) error
}{
	{"start", "exec to first good answer, and memory, by the number of devices", (*bench).start},
	{"growth", "the three workloads by the number of devices", (*bench).growth},
	{"load", "the three workloads against constant bytes and other servers", (*bench).load},
}

func run() error {
	b := bench{}
	only := flag.String("only", "", "run only these `PARTS`, separated by commas")
	flag.StringVar(&b.risim, "risim", "", "measure this `BINARY` instead of one built from ./cmd/risim")
	flag.IntVar(&b.devices, "devices", 40_000, "how many devices the cluster under load has")
	flag.IntVar(&b.rounds, "rounds", 3, "how many rounds of turns there are")
	flag.DurationVar(&b.window, "window", 1500*time.Millisecond, "how long one measurement lasts")
	at := flag.String("at", "", "put load on the risim at `ADDRESS`, and do nothing else")
	overTLS := flag.Bool("tls", false, "with -at: over TLS")
	pid := flag.Int("pid", 0, "with -at: `ID` of the process whose time is taken")
	workload := flag.String("workload", "W1", "with -at: `NAME` of the load")
	flag.BoolVar(&b.verbose, "v", false, "print every measurement")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "usage: go run ./cmd/risim/internal/bench [flags]\n\nparts:\n")
		for _, p := range parts {
			fmt.Fprintf(os.Stderr, "  %-8s %s\n", p.name, p.about)
		}
		fmt.Fprintln(os.Stderr, "\nflags:")
		flag.PrintDefaults()
	}
	flag.Parse()
	var chosen []string
	if *only != "" {
		chosen = strings.Split(*only, ",")
	}
	for _, name := range chosen {
		if !slices.ContainsFunc(parts, func(p struct {
			name, about string
			run         func(*bench) error
		}) bool {
			return p.name == name
		}) {
			return fmt.Errorf("unknown part %q; -help lists them", name)
		}
	}
	if serverCore < 0 {
		return errors.New("a server and its load need a core each, and this process may use one only")
	}
	if *at != "" {
		return b.attack(*at, *overTLS, *pid, *workload)
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "risim-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.risim == "" {
		b.risim = filepath.Join(b.dir, "risim")
		if out, err := exec.Command("go", "build", "-o", b.risim, "./cmd/risim").CombinedOutput(); err != nil {
			return fmt.Errorf("go build ./cmd/risim: %w\n%s", err, out)
		}
	}
	fmt.Println(machine())
	for _, p := range parts {
		if len(chosen) > 0 && !slices.Contains(chosen, p.name) {
			continue
		}
		if err := p.run(&b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// machine says what the figures were taken on.
func machine() string {
	cpu := "unknown processor"
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	commit, _ := exec.Command("git", "describe", "--always", "--dirty").Output()
	return fmt.Sprintf("%s, %d cores usable, Linux %s, %s, risim %s", cpu, len(cores), strings.TrimSpace(string(kernel)), goVersion(),
		strings.TrimSpace(string(commit)))
}

// input reads what a role is told.
func input(v any) error {
	if err := json.NewDecoder(os.Stdin).Decode(v); err != nil {
		return fmt.Errorf("reading stdin: %w", err)
	}
	return nil
}

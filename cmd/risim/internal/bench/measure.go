//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func goVersion() string { return runtime.Version() }

// workload is one of the questions that everything is measured with.
type workload struct {
	name, about string
	count       int  // devices by name; 0 is all
	session     bool // with the cookie of an earlier answer
	fresh       bool // a new connection for each request
	connections int
}

var workloads = []workload{
	{name: "W1", about: "one device by name", count: 1, connections: 16},
	{name: "W1s", about: "the same in a session: with the cookie of an earlier answer", count: 1, session: true, connections: 16},
	{name: "W2", about: "1,000 devices by name", count: 1000, connections: 8},
	{name: "W3", about: "* of which 1,000 devices are returned", connections: 8},
	{name: "W1n", about: "one device by name, on a new connection each time", count: 1, fresh: true, connections: 16},
}

// path is where a server of constant bytes has a workload's answer.
func (w *workload) path() string { return "/" + w.name }

// reach is what a workload shall reach against constant bytes: at most so many times the processor time, at least so
// much of the rate. 0 is nothing in particular.
var reach = map[string]struct{ cpu, rate float64 }{
	"W1": {1.3, 0.8}, "W1s": {1.3, 0.8}, "W2": {2.5, 0.6}, "W3": {1.6, 0.8}, "W1n": {0, 0.9},
}

// question is a workload as one server is asked it.
func (w *workload) body(names []string) string {
	if w.count == 0 {
		return deviceBody("*")
	}
	return deviceBody(names[:min(w.count, len(names))]...)
}

// contender is a server in the table of one workload.
type contender struct {
	name    string
	server  *server
	request []byte
	samples []sample
}

// measure puts load on a server for one window.
func (b *bench) measure(c *contender, w *workload) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := launch(loadCore, load{
		Address: c.server.address, TLS: c.server.tls, Fresh: w.fresh, Request: c.request, Connections: w.connections,
		Warm: b.window / 5, For: b.window, PID: c.server.pid,
	}, self, "role-load")
	if err != nil {
		return err
	}
	out, err := p.wait(b.window + time.Minute)
	if err != nil {
		return fmt.Errorf("load on %s: %w", c.name, err)
	}
	var s sample
	if err := json.Unmarshal(out, &s); err != nil {
		return fmt.Errorf("load on %s: %w: %s", c.name, err, out)
	}
	if s.Failures > 0 {
		return fmt.Errorf("%s: %d of %d requests failed: %s", c.name, s.Failures, s.Requests, s.Failure)
	}
	c.samples = append(c.samples, s)
	if b.verbose {
		fmt.Printf("  %-26s %-4s %s req/s, %s\n", c.name, w.name, thousands(s.rate()), duration(s.cpu()))
	}
	return nil
}

// compare measures contenders in turns and prints them beside the first.
func (b *bench) compare(title string, w *workload, contenders []*contender) error {
	for round := range b.rounds {
		for i := range contenders { // each round begins with another one
			if err := b.measure(contenders[(round+i)%len(contenders)], w); err != nil {
				return err
			}
		}
	}
	fmt.Printf("\n%s (%s), %d connections\n", title, w.about, w.connections)
	t := table{{"", "req/s", "MB/s", "CPU/req", "generator", "rate", "CPU"}}
	base := contenders[0]
	for i, c := range contenders {
		rate := median(c.samples, sample.rate)
		row := []string{
			c.name, thousands(rate), fmt.Sprintf("%.0f", median(c.samples, func(s sample) float64 { return float64(s.Bytes) / s.Elapsed.Seconds() / 1e6 })),
			duration(median(c.samples, sample.cpu)),
			fmt.Sprintf("%.0f %%", 100*median(c.samples, func(s sample) float64 { return s.GeneratorCPU.Seconds() / s.Elapsed.Seconds() })),
		}
		if i > 0 {
			// Of each round its own ratio: noise that lasts longer than a turn then cancels out.
			row = append(row, ratio(c, base, sample.rate), ratio(c, base, sample.cpu))
		}
		t = append(t, row)
	}
	t.print()
	if r := reach[w.name]; r.rate > 0 {
		goal := fmt.Sprintf("  to reach: rate at least %.1f", r.rate)
		if r.cpu > 0 {
			goal += fmt.Sprintf(", CPU at most %.1f", r.cpu)
		}
		fmt.Println(goal)
	}
	return nil
}

func ratio(c, base *contender, of func(sample) float64) string {
	var list []float64
	for i := range c.samples {
		list = append(list, of(c.samples[i])/of(base.samples[i]))
	}
	slices.Sort(list)
	return fmt.Sprintf("%.2f", list[len(list)/2])
}

func median[T any](list []T, of func(T) float64) float64 {
	var values []float64
	for _, v := range list {
		values = append(values, of(v))
	}
	slices.Sort(values)
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

// attack puts one load on a server that somebody else has started.
func (b *bench) attack(address string, overTLS bool, pid int, name string) error {
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
	if i < 0 {
		return fmt.Errorf("unknown workload %q", name)
	}
	w := &workloads[i]
	s := &server{address: address, tls: overTLS, pid: pid}
	names, err := s.names()
	if err != nil {
		return err
	}
	headers := credentials
	if w.session {
		answer, err := s.ask(deviceRequest(names[0]))
		if err != nil {
			return err
		}
		headers += "Cookie: " + string(sessionValue.Find(answer)) + "\r\n"
	}
	c := &contender{name: address, server: s, request: httpRequest(risPath, w.body(names), headers)}
	b.verbose = true
	return b.measure(c, w)
}

// load is the part that compares servers under load.
func (b *bench) load() error {
	fmt.Printf("\nLoad: server on core %d, generator on core %d; %s devices of which 1 %% go and come back every minute; medians of %d rounds of %v;\n"+
		"rate and CPU are ratios to constant bytes, generator is how busy that was.\n", serverCore, loadCore, thousands(float64(b.devices)), b.rounds, b.window)
	for _, overTLS := range []bool{false, true} {
		if err := b.loadOver(overTLS); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) loadOver(overTLS bool) error {
	ris, _, err := b.startRisim(serverCore, b.devices, overTLS, false)
	if err != nil {
		return err
	}
	defer ris.stop()
	names, err := ris.names()
	if err != nil {
		return err
	}
	answers := map[string][]byte{}
	questions := map[string]string{}
	var session string
	for i := range workloads {
		w := &workloads[i]
		questions[w.name] = w.body(names)
		answer, err := ris.ask(httpRequest(risPath, questions[w.name], credentials))
		if err != nil {
			return err
		}
		answers[w.path()] = body(answer)
		session = "Cookie: " + string(sessionValue.Find(answer)) + "\r\n"
	}
	constant, _, err := b.startConstant(serverCore, overTLS, answers)
	if err != nil {
		return err
	}
	defer constant.stop()
	lab, _, err := b.startRisim(serverCore, b.devices, overTLS, true)
	if err != nil {
		return err
	}
	defer lab.stop()
	labCookie, err := lab.ask(deviceRequest(names[0]))
	if err != nil {
		return err
	}
	var nginx, npm *server
	if !overTLS {
		if nginx, err = b.startNginx(serverCore, answers); err != nil {
			return err
		} else if nginx != nil {
			defer nginx.stop()
		}
		contract, err := ris.ask([]byte("GET " + risPath + "?wsdl HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		if err != nil {
			return err
		}
		if npm, err = b.startNPM(serverCore, b.devices, body(contract)); err != nil {
			return err
		} else if npm != nil {
			defer npm.stop()
		}
	}
	way := "HTTP"
	if overTLS {
		way = "TLS"
	}
	for i := range workloads {
		w := &workloads[i]
		if w.fresh && !overTLS {
			continue // what a new connection costs is the kernel's matter, and TLS's
		}
		headers, labHeaders := credentials, credentials
		if w.session {
			headers += session
			labHeaders += "Cookie: " + string(sessionValue.Find(labCookie)) + "\r\n"
		}
		question := questions[w.name]
		list := []*contender{
			{name: "constant bytes, net/http", server: constant, request: httpRequest(w.path(), question, headers)},
			{name: "risim", server: ris, request: httpRequest(risPath, question, headers)},
			{name: "risim --load", server: lab, request: httpRequest(risPath, question, labHeaders)},
		}
		if nginx != nil && !w.session {
			list = append(list, &contender{name: "constant file, nginx", server: nginx, request: httpRequest(w.path(), question, headers)})
		}
		if npm != nil && !w.session {
			var npmNames []string
			for n := range 1000 {
				npmNames = append(npmNames, fmt.Sprintf("SEP%012X", n))
			}
			list = append(list, &contender{name: "npm soap", server: npm, request: httpRequest(risPath, w.body(npmNames), headers)})
		}
		if err := b.compare(w.name+" over "+way, w, list); err != nil {
			return err
		}
		if w.name == "W1" && !overTLS {
			if err := b.wrk(list[:2]); err != nil {
				return err
			}
		}
	}
	return nil
}

// wrk lets a generator that others wrote put the same load on two servers, where it is installed. It is the limit of
// larger answers.
func (b *bench) wrk(contenders []*contender) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil
	}
	rates := make([][]float64, len(contenders))
	for range b.rounds {
		for i, c := range contenders {
			head, content, _ := strings.Cut(string(c.request), "\r\n\r\n")
			lines := strings.Split(head, "\r\n")
			var script strings.Builder
			fmt.Fprintf(&script, "wrk.method = \"POST\"\nwrk.body = %s\n", luaString(content))
			for _, line := range lines[1:] {
				name, value, _ := strings.Cut(line, ": ")
				if name = http.CanonicalHeaderKey(name); name != "Content-Length" && name != "Host" {
					fmt.Fprintf(&script, "wrk.headers[%s] = %s\n", luaString(name), luaString(value))
				}
			}
			file := filepath.Join(b.dir, "wrk.lua")
			if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
				return err
			}
			path := strings.Fields(lines[0])[1]
			p, err := launch(loadCore, nil, "wrk", "-t1", "-c16", "-d"+strconv.Itoa(max(1, int(b.window.Seconds()+0.5)))+"s", "-s", file,
				"http://"+c.server.address+path)
			if err != nil {
				return err
			}
			out, err := p.wait(time.Minute)
			if err != nil {
				return err
			}
			_, text, _ := strings.Cut(string(out), "Requests/sec:")
			rate, err := strconv.ParseFloat(strings.TrimSpace(strings.Split(text+"\n", "\n")[0]), 64)
			if err != nil || strings.Contains(string(out), "Non-2xx") {
				return fmt.Errorf("wrk on %s: %s", c.name, out)
			}
			rates[i] = append(rates[i], rate)
		}
	}
	fmt.Println("  the same by wrk:")
	for i, c := range contenders {
		rate := median(rates[i], func(r float64) float64 { return r })
		fmt.Printf("  %-26s %s req/s\n", c.name, thousands(rate))
	}
	return nil
}

// luaString is a text as a script of wrk says it. The spaces keep ]] of an index from ending it.
func luaString(s string) string { return " [==[\n" + s + "]==] " }

// sizes are the numbers of devices for which growth is shown.
var sizes = []int{1_000, 10_000, 100_000, 1_000_000}

// growth is the part that shows what the size of a cluster costs each request.
func (b *bench) growth() error {
	fmt.Printf("\nGrowth: processor time of risim for a request, over HTTP, by the number of devices.\n")
	t := table{{"devices", "W1", "W2", "W3", "resident after load"}}
	for _, devices := range sizes {
		row, err := b.growthOf(devices)
		if err != nil {
			return err
		}
		t = append(t, row)
	}
	t.print()
	return nil
}

func (b *bench) growthOf(devices int) ([]string, error) {
	ris, _, err := b.startRisim(serverCore, devices, false, false)
	if err != nil {
		return nil, err
	}
	defer ris.stop()
	names, err := ris.names()
	if err != nil {
		return nil, err
	}
	row := []string{thousands(float64(devices))}
	for _, name := range []string{"W1", "W2", "W3"} {
		w := &workloads[slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })]
		c := &contender{name: "risim", server: ris, request: httpRequest(risPath, w.body(names), credentials)}
		if err := b.measure(c, w); err != nil {
			return nil, err
		}
		row = append(row, duration(c.samples[0].cpu()))
	}
	bytes, err := ris.resident()
	return append(row, mebibytes(bytes)), err
}

// start is the part that shows how long a start takes, and what memory an idle process has.
func (b *bench) start() error {
	fmt.Printf("\nStart: from exec to the first good answer, on all cores; medians of %d.\n", 2*b.rounds-1)
	type kind struct {
		name    string
		devices int
		tls     bool
	}
	kinds := []kind{{"an empty Go server", 0, false}, {"risim, 1,000 devices, HTTPS", 1000, true}}
	for _, n := range sizes {
		kinds = append(kinds, kind{"risim, " + thousands(float64(n)) + " devices, HTTP", n, false})
	}
	times := make([][]float64, len(kinds))
	memory := make([][]float64, len(kinds))
	for round := range 2*b.rounds - 1 {
		for i, k := range kinds {
			if k.devices >= 1_000_000 && round >= b.rounds {
				continue
			}
			var s *server
			var answered time.Duration
			var err error
			if k.devices == 0 {
				s, answered, err = b.startConstant(-1, false, nil)
			} else {
				s, answered, err = b.startRisim(-1, k.devices, k.tls, false)
			}
			if err != nil {
				return err
			}
			if round == 0 { // idle, and not just started
				time.Sleep(time.Second)
			}
			bytes, err := s.resident()
			s.stop()
			if err != nil {
				return err
			}
			times[i] = append(times[i], answered.Seconds())
			memory[i] = append(memory[i], float64(bytes))
		}
	}
	t := table{{"", "first answer", "beyond empty", "resident", "a device"}}
	self := func(v float64) float64 { return v }
	empty := median(times[0], self)
	for i, k := range kinds {
		at := median(times[i], self)
		row := []string{k.name, duration(at), duration(at - empty), mebibytes(int64(median(memory[i], self))), ""}
		if k.devices > 10_000 {
			row[4] = fmt.Sprintf("%.0f B", (median(memory[i], self)-median(memory[0], self))/float64(k.devices))
		}
		t = append(t, row)
	}
	t.print()
	fmt.Println("  to reach, where an empty one takes 35 ms: 50 ms with 10,000 devices, 150 ms with 100,000, 1 s with 1,000,000; 25 MiB by default, 200 B a device")
	return nil
}

// table is rows of cells, the first row being the head.
type table [][]string

func (t table) print() {
	width := map[int]int{}
	for _, row := range t {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for _, row := range t {
		var b strings.Builder
		for i, cell := range row {
			gap := strings.Repeat(" ", width[i]-len([]rune(cell)))
			if i == 0 {
				b.WriteString("  " + cell + gap)
			} else {
				b.WriteString("  " + gap + cell)
			}
		}
		fmt.Println(strings.TrimRight(b.String(), " "))
	}
}

func duration(seconds float64) string {
	switch {
	case seconds < 100e-6:
		return fmt.Sprintf("%.1f µs", seconds*1e6)
	case seconds < 10e-3:
		return fmt.Sprintf("%.0f µs", seconds*1e6)
	}
	return fmt.Sprintf("%.0f ms", seconds*1e3)
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// thousands is a number as people read it.
func thousands(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

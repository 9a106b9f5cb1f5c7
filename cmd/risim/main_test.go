package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/antchfx/xmlquery"
	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary runs as risim where a script says so.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"risim": main, "ask": askOnce})
}

// askOnce is a client that risim run can start: ask ITEM asks for a device by name, once, and is polite.
func askOnce() {
	body := strings.Replace(tryQuery, "SEP*", os.Args[1], 1)
	req, err := http.NewRequest(http.MethodPost, os.Getenv("RISIM_URL"), strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.SetBasicAuth(os.Getenv("RISIM_USER"), os.Getenv("RISIM_PASSWORD"))
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("SOAPAction", "selectCmDevice")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
}

func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a race detector waits a second at the end otherwise, which is not ours
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await": await, "read": read, "sigterm": sigterm, "gone": gone, "query": query, "hang": hang, "stopwatch": stopwatch, "until": until,
		},
	})
}

// patience is how long a script waits for another process.
const patience = 20 * time.Second

// poll looks until something is so: there is nothing to wait on but the file of another process.
func poll(ts *testscript.TestScript, what string, so func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// await READYFILE waits for the file and sets URL, ADDR, CONTROL and PID.
func await(ts *testscript.TestScript, _ bool, args []string) {
	var info readyInfo
	poll(ts, args[0]+" is there", func() bool {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && json.Unmarshal(data, &info) == nil
	})
	u, err := url.Parse(info.URL)
	ts.Check(err)
	ts.Setenv("URL", info.URL)
	ts.Setenv("ADDR", u.Host)
	ts.Setenv("CONTROL", info.Control)
	ts.Setenv("PID", strconv.Itoa(info.PID))
}

// read VAR FILE waits until the file has a line, and sets VAR to it.
func read(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, args[1]+" has a line", func() bool {
		data, err := os.ReadFile(ts.MkAbs(args[1]))
		line, _, whole := strings.Cut(string(data), "\n")
		ts.Setenv(args[0], line)
		return err == nil && whole
	})
}

// sigterm PID does what the kill of testscript cannot: it knows INT and KILL only.
func sigterm(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	p, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(p.Signal(syscall.SIGTERM))
}

// until FILE REGEXP waits until the file has a line that matches.
func until(ts *testscript.TestScript, _ bool, args []string) {
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	poll(ts, args[0]+" has "+args[1], func() bool {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && re.Match(data)
	})
}

// gone FILE waits until the file is no more.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, args[0]+" is gone", func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return os.IsNotExist(err)
	})
}

// query READYFILE asks every node for ten devices and writes what each answer holds.
func query(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	var info readyInfo
	ts.Check(json.Unmarshal(data, &info))
	roots := x509.NewCertPool()
	if info.CAFile != "" {
		pem, err := os.ReadFile(info.CAFile)
		ts.Check(err)
		roots.AppendCertsFromPEM(pem)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	for _, n := range info.Nodes {
		req, err := http.NewRequest(http.MethodPost, n.URL, strings.NewReader(tryQuery))
		ts.Check(err)
		req.SetBasicAuth(info.User, info.Password)
		req.Header.Set("SOAPAction", "selectCmDevice")
		resp, err := transport.RoundTrip(req)
		ts.Check(err)
		doc, err := xmlquery.Parse(resp.Body)
		resp.Body.Close()
		ts.Check(err)
		devices := xmlquery.Find(doc, "//ns1:CmDevices/ns1:item/ns1:Name")
		fmt.Fprintf(ts.Stdout(), "%s at %s: %d, %d devices\n", n.Name, n.URL, resp.StatusCode, len(devices))
		if fault := xmlquery.FindOne(doc, "//faultstring"); fault != nil {
			fmt.Fprintf(ts.Stdout(), "fault: %s\n", fault.InnerText())
		}
	}
}

// hang URL begins a request over HTTP that does not end while the script runs, and returns when risim reads its body.
func hang(ts *testscript.TestScript, _ bool, args []string) {
	body, more := io.Pipe()
	ts.Defer(func() { more.Close() })
	reading := make(chan struct{})
	trace := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
	req, err := http.NewRequestWithContext(trace, http.MethodPost, args[0], body)
	ts.Check(err)
	req.SetBasicAuth("administrator", "risim")
	req.Header.Set("Expect", "100-continue")
	transport := &http.Transport{ExpectContinueTimeout: patience}
	ts.Defer(transport.CloseIdleConnections)
	ended := make(chan error, 1)
	go func() {
		_, err := transport.RoundTrip(req)
		ended <- err
	}()
	select {
	case <-reading:
	case err := <-ended:
		ts.Fatalf("the request has ended: %v", err)
	}
}

// stopwatch start, then stopwatch under DURATION.
func stopwatch(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] == "start" {
		ts.Setenv("STOPWATCH", time.Now().Format(time.RFC3339Nano))
		return
	}
	from, err := time.Parse(time.RFC3339Nano, ts.Getenv("STOPWATCH"))
	ts.Check(err)
	most, err := time.ParseDuration(args[1])
	ts.Check(err)
	if took := time.Since(from); took > most {
		ts.Fatalf("it took %v, more than %v", took, most)
	}
}

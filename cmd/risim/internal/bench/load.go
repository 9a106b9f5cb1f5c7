//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// load is what a load generator does: on each of its connections one request after the other, all the same.
type load struct {
	Address     string // HOST:PORT
	TLS         bool
	Fresh       bool // a new connection for each request
	Request     []byte
	Connections int
	Warm, For   time.Duration
	PID         int // of the server, whose processor time is taken over the same window; 0: it is not
}

// sample is what a load generator has seen in its window.
type sample struct {
	Requests     int64
	Bytes        int64 // of the answers, with their headers
	Elapsed      time.Duration
	ServerCPU    time.Duration
	GeneratorCPU time.Duration
	Failures     int64 // answers other than 200, and broken connections; counted as requests too
	Failure      string
}

func (s sample) rate() float64 { return float64(s.Requests) / s.Elapsed.Seconds() }
func (s sample) cpu() float64  { return s.ServerCPU.Seconds() / float64(s.Requests) }

// stalled is how long a window without any answer lasts at the most.
const stalled = 20 * time.Second

// readAtOnce is how much a connection reads in one call. Less would make the generator the limit of large answers.
const readAtOnce = 1 << 20

// generateLoad is the role of a load generator, which gets a process, and a core, of its own.
func generateLoad() error {
	var l load
	if err := input(&l); err != nil {
		return err
	}
	s, err := l.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

func (l *load) run() (sample, error) {
	var requests, received, failures atomic.Int64
	var failure atomic.Value
	var stop atomic.Bool
	fail := func(err error) {
		failures.Add(1)
		failure.CompareAndSwap(nil, err.Error())
		time.Sleep(time.Millisecond) // a server that refuses everything is no faster for it
	}
	client := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(l.Connections)}
	var workers sync.WaitGroup
	for range l.Connections {
		workers.Go(func() {
			room := make([]byte, readAtOnce)
			var conn net.Conn
			for !stop.Load() {
				if conn == nil {
					var err error
					if conn, err = l.dial(client); err != nil {
						requests.Add(1)
						fail(err)
						continue
					}
				}
				n, status, err := exchange(conn, l.Request, room)
				requests.Add(1)
				received.Add(int64(n))
				if err == nil && status != 200 {
					err = fmt.Errorf("status %d: %.300q", status, room[:min(n, len(room))])
				}
				if err != nil {
					fail(err)
				}
				if err != nil || l.Fresh {
					conn.Close()
					conn = nil
				}
			}
			if conn != nil {
				conn.Close()
			}
		})
	}
	defer workers.Wait()
	defer stop.Store(true)

	time.Sleep(l.Warm)
	var s sample
	began := time.Now()
	cpu, err := cpuTime(l.PID)
	if err != nil {
		return s, err
	}
	own, n, size, bad := ownCPU(), requests.Load(), received.Load(), failures.Load()
	time.Sleep(l.For)
	for requests.Load() == n && time.Since(began) < stalled { // on a machine that has other things to do
		time.Sleep(time.Millisecond)
	}
	s.Requests, s.Bytes, s.Failures = requests.Load()-n, received.Load()-size, failures.Load()-bad
	s.GeneratorCPU = ownCPU() - own
	after, err := cpuTime(l.PID)
	s.ServerCPU, s.Elapsed = after-cpu, time.Since(began)
	s.Failure, _ = failure.Load().(string)
	if err == nil && s.Requests == 0 {
		err = fmt.Errorf("%s did not answer once in %v: %s", l.Address, s.Elapsed, s.Failure)
	}
	return s, err
}

func (l *load) dial(client *tls.Config) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", l.Address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if l.Fresh { // end with a reset: a hundred thousand closed connections would use up the ports
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	if l.TLS {
		c := client.Clone()
		c.ServerName = "localhost"
		return tls.Client(conn, c), nil
	}
	return conn, nil
}

var headEnd, lengthHeader = []byte("\r\n\r\n"), []byte("\r\nContent-Length: ")

// exchange sends a request and reads the answer: its length with the headers, and its status. Of the answer, room keeps
// what its length allows.
func exchange(conn net.Conn, request, room []byte) (n, status int, err error) {
	if _, err := conn.Write(request); err != nil {
		return 0, 0, err
	}
	head := -1
	for head < 0 {
		m, err := conn.Read(room[n:])
		n += m
		if head = bytes.Index(room[:n], headEnd); head < 0 && err != nil {
			return n, 0, fmt.Errorf("after %d bytes of headers: %w", n, err)
		}
	}
	at := bytes.Index(room[:head+2], lengthHeader)
	if at < 0 || head < len("HTTP/1.1 200") {
		return n, 0, fmt.Errorf("an answer without a length: %.200q", room[:head])
	}
	digits := room[at+len(lengthHeader):]
	length, err := strconv.Atoi(string(digits[:bytes.IndexByte(digits, '\r')]))
	if err != nil {
		return n, 0, err
	}
	status, _ = strconv.Atoi(string(room[9:12]))
	for end := head + len(headEnd) + length; n < end; {
		from := min(n, len(room)/2) // what was read before is of no use any more, but for the beginning
		m, err := conn.Read(room[from:])
		n += m
		if err != nil && n < end {
			return n, status, fmt.Errorf("after %d of %d bytes: %w", n, end, err)
		}
	}
	return n, status, nil
}

// ownCPU is how long this process has used the processor.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// httpRequest is a POST as a SOAP client sends it. Each header ends with its line.
func httpRequest(path, body string, header ...string) []byte {
	return []byte("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n" +
		"Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"selectCmDevice\"\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n" +
		strings.Join(header, "") + "\r\n" + body)
}

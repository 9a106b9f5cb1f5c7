//go:build linux

package main

import (
	"bytes"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The generator reads answers to their end, small ones and those that do not fit where it reads them, and tells good ones from
// others.
func TestLoad(t *testing.T) {
	t.Parallel()
	c := constantServer{Answers: map[string][]byte{"/small": []byte("<a/>"), "/large": bytes.Repeat([]byte("x"), readAtOnce+readAtOnce/2)}}
	for _, overTLS := range []bool{false, true} {
		server := httptest.NewUnstartedServer(c.handler())
		if overTLS {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		for path, size := range map[string]int{"/small": 4, "/large": readAtOnce + readAtOnce/2} {
			for _, fresh := range []bool{false, true} {
				l := load{Address: server.Listener.Addr().String(), TLS: overTLS, Fresh: fresh, Request: httpRequest(path, "<question/>"),
					Connections: 2, For: 50 * time.Millisecond, PID: os.Getpid()}
				s, err := l.run()
				require.NoError(t, err)
				require.Positive(t, s.Requests)
				require.Zero(t, s.Failures, s.Failure)
				require.Greater(t, s.Bytes, (s.Requests-4)*int64(size), "%s in %d requests", path, s.Requests)
				require.GreaterOrEqual(t, s.Elapsed, l.For)
			}
		}
		l := load{Address: server.Listener.Addr().String(), TLS: overTLS, Request: []byte("nonsense\r\n\r\n"), Connections: 1, For: 20 * time.Millisecond}
		s, err := l.run()
		require.NoError(t, err)
		require.Equal(t, s.Requests, s.Failures)
		require.Contains(t, s.Failure, "400 Bad Request")
	}
}

// A server that never answers is a failure, not a rate of 0.
func TestLoad_NoAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	work := load{Address: l.Addr().String(), Request: httpRequest("/", ""), Connections: 1, For: 20 * time.Millisecond}
	s, err := work.run()
	require.NoError(t, err)
	require.Equal(t, s.Requests, s.Failures)
	require.NotEmpty(t, s.Failure)
}

func TestProcess(t *testing.T) {
	t.Parallel()
	p, err := launch(-1, map[string]string{"name": "value"}, "cat")
	require.NoError(t, err)
	out, err := p.wait(time.Minute)
	require.NoError(t, err)
	require.Equal(t, `{"name":"value"}`, string(out))

	p, err = launch(cores[0], nil, "sh", "-c", "grep Cpus_allowed_list /proc/self/status; exit 3")
	require.NoError(t, err)
	_, err = p.wait(time.Minute)
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "Cpus_allowed_list:\t0\n")

	p, err = launch(-1, nil, "sleep", "60")
	require.NoError(t, err)
	require.NoError(t, p.failed())
	size, err := p.resident()
	require.NoError(t, err)
	require.Positive(t, size)
	p.stop()
	require.ErrorContains(t, p.failed(), "killed")
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	names := []string{"A", "B", "C"}
	for _, w := range workloads {
		body := w.body(names)
		want := map[int]int{0: 1, 1: 1, 1000: 3}[w.count]
		require.Equal(t, want, strings.Count(body, "<soap:Item>"), w.name)
		if w.count == 0 {
			require.Contains(t, body, "<soap:Item>*</soap:Item>")
		}
		require.Contains(t, reach, w.name)
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1,234,567", thousands(1234567.4))
	require.Equal(t, "999", thousands(999))
	require.Equal(t, "8.5 µs", duration(8.5e-6))
	require.Equal(t, "560 µs", duration(560e-6))
	require.Equal(t, "62 ms", duration(0.0619))
	self := func(v float64) float64 { return v }
	require.Equal(t, 2.0, median([]float64{3, 1, 2}, self))
	base := &contender{samples: []sample{{Requests: 10, Elapsed: time.Second}, {Requests: 100, Elapsed: time.Second}, {Requests: 10, Elapsed: time.Second}}}
	other := &contender{samples: []sample{{Requests: 5, Elapsed: time.Second}, {Requests: 50, Elapsed: time.Second}, {Requests: 9, Elapsed: time.Second}}}
	require.Equal(t, "0.50", ratio(other, base, sample.rate), "of each round its own")
}

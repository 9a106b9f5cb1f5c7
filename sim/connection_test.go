package sim

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// counted is a connection that counts its writes, and fails them once it is told to.
type counted struct {
	net.Conn
	writes atomic.Int64
	broken atomic.Bool
}

func (c *counted) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.New("the cable is out")
	}
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// oneConnection is a listener that gives a single connection.
type oneConnection struct {
	conn net.Conn
	once sync.Once
	end  chan struct{}
}

func (l *oneConnection) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.end
	return nil, net.ErrClosed
}
func (l *oneConnection) Close() error   { l.once.Do(func() { close(l.end) }); return nil }
func (l *oneConnection) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// serveOne serves one connection of a client, over TLS if config is given, with answers of so many bytes as the path says.
func serveOne(t *testing.T, config *tls.Config) (client net.Conn, server *counted) {
	t.Helper()
	here, there := net.Pipe()
	server = &counted{Conn: there}
	var conn net.Conn = &connection{Conn: server}
	if config != nil {
		conn = tls.Server(conn, config)
	}
	l := &oneConnection{conn: conn, end: make(chan struct{})}
	s := &http.Server{ConnContext: withConnection, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		w.Header().Set("Content-Length", strconv.Itoa(n))
		sendWhole(w, r, bytes.Repeat([]byte("x"), n))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() {
		here.Close()
		_ = s.Shutdown(context.Background())
		<-done
	})
	return here, server
}

func TestSendWhole_FewPieces(t *testing.T) {
	t.Parallel()
	ca, err := newAuthority(time.Now())
	require.NoError(t, err)
	cert, err := ca.leaf(ellipticKey, "pub", []string{"localhost"}, nil, time.Now())
	require.NoError(t, err)
	for _, c := range []struct {
		name       string
		tls        bool
		body, most int
	}{
		{"small", false, 10, 1},
		{"one device", false, 4000, 1}, // with its header it is longer than the buffer of net/http
		{"ten devices", false, 30_000, 1},
		{"long", false, 1 << 20, 2},
		{"one device over TLS", true, 4000, 1},
		{"ten devices over TLS", true, 30_000, 1},
		{"long over TLS", true, 1 << 20, 1<<20/(3*16<<10) + 1}, // three records at a time
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var config *tls.Config
			if c.tls {
				config = serverTLS(cert)
			}
			conn, server := serveOne(t, config)
			client := &http.Client{Transport: &http.Transport{
				DialContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
				DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			}}
			defer client.CloseIdleConnections()
			if c.tls {
				secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
				require.NoError(t, secure.HandshakeContext(t.Context()))
				conn = secure
			}
			for range 2 { // the connection is good for another
				resp, err := client.Get("http://localhost/" + strconv.Itoa(c.body))
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Len(t, body, c.body)
				require.Equal(t, c.body, bytes.Count(body, []byte("x")))
			}
			before := server.writes.Load()
			resp, err := client.Get("http://localhost/" + strconv.Itoa(c.body))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.LessOrEqual(t, server.writes.Load()-before, int64(c.most))
		})
	}
}

// What was gathered cannot be sent: the connection ends, as it does when net/http finds that out itself.
func TestSendWhole_BrokenConnection(t *testing.T) {
	t.Parallel()
	conn, server := serveOne(t, nil)
	server.broken.Store(true)
	_, err := io.WriteString(conn, "GET /100 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	data, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Empty(t, data)
}

// A client that does not read its answer keeps nobody from closing, over TLS either.
func TestSendWhole_ClosesOnWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ca, err := newAuthority(time.Now())
			require.NoError(t, err)
			cert, err := ca.leaf(ellipticKey, "pub", []string{"localhost"}, nil, time.Now())
			require.NoError(t, err)
			here, there := net.Pipe()
			var client net.Conn = here
			var server net.Conn = &connection{Conn: there}
			if secure {
				server = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true})
				client = tls.Client(here, &tls.Config{InsecureSkipVerify: true})
			}
			l := &oneConnection{conn: server, end: make(chan struct{})}
			s := &http.Server{ConnContext: withConnection, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sendWhole(w, r, make([]byte, 30_000))
			})}
			done := make(chan struct{})
			go func() { defer close(done); _ = s.Serve(l) }()
			_, err = io.WriteString(client, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			require.NoError(t, err)
			synctest.Wait() // the answer is on its way, and nobody reads it
			before := time.Now()
			require.NoError(t, s.Close())
			require.Zero(t, time.Since(before), "secure: %v", secure)
			<-done
			here.Close()
			synctest.Wait()
		})
	}
}

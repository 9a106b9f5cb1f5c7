package sim

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connection is one connection of a client, below TLS.
type connection struct {
	net.Conn
	number     uint64 // from 1
	distrusted bool   // its handshake had trouble; only its own goroutine asks

	mu       sync.Mutex // of gathered, and held while it is written
	gathered *[]byte    // what is to leave in one piece; nil while everything leaves at once

	releasing atomic.Bool // what was gathered is being written
}

type connectionKey struct{}

// withConnection is [http.Server.ConnContext].
func withConnection(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

// connectionOf is the connection on which a request came; nil without a server of ours.
func connectionOf(r *http.Request) *connection {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	return c
}

// reset ends the connection without a goodbye: the client sees that it was reset. What the client has not received by
// then may be lost.
func (c *connection) reset() {
	if l, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0)
	}
	c.Close()
}

// An answer leaves in one piece. [net/http] has a buffer of 4 KiB, and would send what does not fit in two: the header with the
// beginning, then the rest; over TLS each record goes by itself. Every piece costs a system call, and on loopback the way
// through the whole network: for an answer of one device that is a third of all it costs.

// gatherings are where pieces are put together. What is longer is not copied.
var gatherings = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

// sendWhole writes the body of an answer whose header is set, and with it the header, in as few pieces as possible. It is
// [soap.Config.Send].
func sendWhole(w http.ResponseWriter, r *http.Request, body []byte) {
	c := connectionOf(r)
	if c == nil {
		_, _ = w.Write(body) // fails when the client has gone, and then there is nobody to tell
		return
	}
	c.gather()
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush() // so that nothing of it is left for after the release
	c.release()
}

// gather keeps what is written from now on together, until release.
func (c *connection) gather() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gathered == nil {
		c.gathered = gatherings.Get().(*[]byte)
	}
}

// release sends what was gathered.
func (c *connection) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.gathered; b != nil {
		if len(*b) > 0 {
			c.releasing.Store(true)
			_, err := c.Conn.Write(*b)
			c.releasing.Store(false)
			if err != nil {
				c.Close() // net/http did not hear of it, and must not wait for another request
			}
		}
		*b = (*b)[:0]
		gatherings.Put(b)
		c.gathered = nil
	}
}

// SetWriteDeadline is what TLS calls before its last word. It cuts off a write that it would close at once if it knew of
// it, instead of waiting seconds behind it for a client that does not read.
func (c *connection) SetWriteDeadline(t time.Time) error {
	if c.releasing.Load() {
		return c.Close()
	}
	return c.Conn.SetWriteDeadline(t)
}

// Write sends p, or gathers it.
func (c *connection) Write(p []byte) (int, error) {
	c.mu.Lock()
	b := c.gathered
	if b == nil {
		c.mu.Unlock()
		return c.Conn.Write(p)
	}
	defer c.mu.Unlock()
	if len(*b)+len(p) > cap(*b) {
		_, err := c.Conn.Write(*b)
		*b = (*b)[:0]
		if err != nil {
			return 0, err
		}
	}
	if len(p) > cap(*b) {
		return c.Conn.Write(p)
	}
	*b = append(*b, p...)
	return len(p), nil
}

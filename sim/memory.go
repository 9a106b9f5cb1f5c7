package sim

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// The network of Options.InMemory. It is like the kernel's loopback in what matters to HTTP and TLS: connections have
// buffers, so that two ends which say goodbye at once do not wait for each other, as they would with net.Pipe; and
// deadlines, which the HTTP server interrupts reads with.

// dialer connects the simulator's own client: through memory where an endpoint is there, by the network otherwise.
func dialer(endpoints []*endpoint) func(ctx context.Context, network, address string) (net.Conn, error) {
	memory := map[string]*memoryListener{}
	for _, e := range endpoints {
		if e.memory != nil {
			memory[e.addr.String()] = e.memory
		}
	}
	var d net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if m := memory[address]; m != nil {
			return m.dial(ctx)
		}
		return d.DialContext(ctx, network, address)
	}
}

// memoryListener accepts connections that never leave the process.
type memoryListener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemoryListener(addr netip.AddrPort) *memoryListener {
	return &memoryListener{addr: net.TCPAddrFromAddrPort(addr), conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for the next connection.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dial. Connections stay.
func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is the address that clients ask for.
func (l *memoryListener) Addr() net.Addr { return l.addr }

func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := memoryPipe(l.addr)
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.addr, Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// memoryConn is one end of a connection.
type memoryConn struct {
	in, out *stream
	addr    net.Addr
}

func memoryPipe(addr net.Addr) (a, b net.Conn) {
	to, from := newStream(), newStream()
	return &memoryConn{in: from, out: to, addr: addr}, &memoryConn{in: to, out: from, addr: addr}
}

// Read takes what the other end has written.
func (c *memoryConn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write waits only when the other end is far behind in reading.
func (c *memoryConn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close lets the other end read what was written, and then end of file.
func (c *memoryConn) Close() error {
	c.in.change(func(s *stream) { s.deaf = true })
	c.out.change(func(s *stream) { s.ended = true })
	return nil
}

// SetLinger makes Close tell the other end that the connection was reset, as a socket does when sec is 0.
func (c *memoryConn) SetLinger(sec int) error {
	c.out.change(func(s *stream) { s.reset = sec == 0 })
	return nil
}

// LocalAddr is the listener's address.
func (c *memoryConn) LocalAddr() net.Addr { return c.addr }

// RemoteAddr is the listener's address too: both ends are here.
func (c *memoryConn) RemoteAddr() net.Addr { return c.addr }

// SetDeadline ends reads and writes at t, those that wait already too. The zero Time never does.
func (c *memoryConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline is SetDeadline for reads.
func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.in.change(func(s *stream) { s.readBy = t })
	return nil
}

// SetWriteDeadline is SetDeadline for writes.
func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.out.change(func(s *stream) { s.writeBy = t })
	return nil
}

// streamBuffer is how far a writer may be ahead of the reader.
const streamBuffer = 256 << 10

// stream is one direction of a connection.
type stream struct {
	mu              sync.Mutex
	changed         chan struct{} // closed, and replaced, at every change
	buf             []byte        // written and not read yet
	ended           bool          // the writer has closed
	reset           bool          // by which the reader learns that
	deaf            bool          // the reader has closed
	readBy, writeBy time.Time
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) change(f func(*stream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
	s.tellLocked()
}

func (s *stream) tellLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// waitLocked waits for the next change, or until a deadline, with mu released.
func (s *stream) waitLocked(deadline time.Time) {
	changed := s.changed
	var timeout <-chan time.Time
	if !deadline.IsZero() {
		timeout = time.After(time.Until(deadline))
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
	case <-timeout:
	}
}

func passed(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.deaf:
			return 0, io.ErrClosedPipe
		case passed(s.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0 || len(b) == 0:
			n := copy(b, s.buf)
			if s.buf = s.buf[n:]; len(s.buf) == 0 {
				s.buf = nil
			}
			s.tellLocked()
			return n, nil
		case s.ended && s.reset:
			return 0, syscall.ECONNRESET
		case s.ended:
			return 0, io.EOF
		}
		s.waitLocked(s.readBy)
	}
}

func (s *stream) write(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.ended:
			return n, io.ErrClosedPipe
		case s.deaf:
			return n, syscall.EPIPE // as a socket says of an end that has gone
		case passed(s.writeBy):
			return n, os.ErrDeadlineExceeded
		}
		if space := min(streamBuffer-len(s.buf), len(b)-n); space > 0 {
			s.buf = append(s.buf, b[n:n+space]...)
			n += space
			s.tellLocked()
		}
		if n == len(b) {
			return n, nil
		}
		s.waitLocked(s.writeBy)
	}
}

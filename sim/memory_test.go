package sim

import (
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"
)

// The connections of Options.InMemory behave as every net.Conn must.
func TestMemoryConn(t *testing.T) {
	t.Parallel()
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		l := newMemoryListener(netip.MustParseAddrPort("127.0.0.1:8443"))
		accepted := make(chan net.Conn)
		go func() {
			c, err := l.Accept()
			require.NoError(t, err)
			accepted <- c
		}()
		c1, err = l.dial(t.Context())
		require.NoError(t, err)
		c2 = <-accepted
		return c1, c2, func() { c1.Close(); c2.Close(); l.Close() }, nil
	})
}

// An end that is reset, or has gone, is told apart from one's own, as with a socket: whichever of reading and writing meets it first.
func TestMemoryConn_TheOtherEndHasGone(t *testing.T) {
	t.Parallel()
	for _, linger := range []int{0, -1} {
		ours, theirs := memoryPipe(nil)
		require.NoError(t, theirs.(*memoryConn).SetLinger(linger))
		require.NoError(t, theirs.Close())
		_, err := ours.Write([]byte("x"))
		require.ErrorIs(t, err, syscall.EPIPE)
		_, err = ours.Read(make([]byte, 1))
		if want := map[int]error{0: syscall.ECONNRESET, -1: io.EOF}[linger]; err != want {
			t.Errorf("reading after SetLinger(%d) and Close = %v, want %v", linger, err, want)
		}
		_, err = theirs.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	}
}

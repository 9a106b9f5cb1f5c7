package sim

import (
	"net"
	"net/netip"
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

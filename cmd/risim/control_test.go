package main

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
)

// When the default address of the control API is taken, it is served elsewhere, and the ready text says so.
func TestOperator_DefaultAddressIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	log := slog.New(slog.DiscardHandler)
	start := func(chosen bool) (*operator, error) {
		o := sim.Options{Cluster: "single", Listen: "127.0.0.1:0", Plain: true}
		op, err := newOperator(&o, log)
		require.NoError(t, err)
		t.Cleanup(func() { op.close() })
		ris, err := sim.Start(context.Background(), o)
		require.NoError(t, err)
		return op, op.start(ris, controlFlags{listen: taken.Addr().String(), chosen: chosen}, log)
	}
	op, err := start(false)
	require.NoError(t, err)
	require.Regexp(t, `^control:  http://127\.0\.0\.1:\d+ \(`+taken.Addr().String()+` is taken\)\n$`, op.line())
	require.NotContains(t, op.url(), taken.Addr().String())
	_, err = start(true)
	require.ErrorContains(t, err, "address already in use")
}

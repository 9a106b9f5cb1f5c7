//go:build unix && !aix && !solaris

package main

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A command that does not listen is killed: at the end of its grace after the time-out, or with another signal.
func TestCommand_IsKilled(t *testing.T) {
	t.Parallel()
	deaf := []string{"sh", "-c", `trap "" TERM INT; echo ready; while :; do sleep 0.02; done`}
	t.Run("after the time-out", func(t *testing.T) {
		t.Parallel()
		c := &command{argv: deaf, stdout: io.Discard, stderr: io.Discard, timeout: 200 * time.Millisecond, grace: 50 * time.Millisecond}
		end, err := c.run(make(interrupts))
		require.NoError(t, err)
		require.Equal(t, &commandEnd{"sh", 128 + 9, true}, end)
	})
	t.Run("by another signal", func(t *testing.T) {
		t.Parallel()
		out, in := io.Pipe()
		signals := make(interrupts, 2)
		go func() {
			_, _ = out.Read(make([]byte, 10)) // it is deaf now
			signals <- os.Interrupt
			signals <- syscall.SIGTERM
			_, _ = io.Copy(io.Discard, out)
		}()
		c := &command{argv: deaf, stdout: in, stderr: io.Discard, grace: time.Minute}
		end, err := c.run(signals)
		require.NoError(t, err)
		require.Equal(t, &commandEnd{"sh", 128 + 9, false}, end)
		in.Close()
	})
}

// A signal ends the wait for the scenario's end.
func TestInterrupts_Context(t *testing.T) {
	t.Parallel()
	signals := make(interrupts, 1)
	ctx, cancel := signals.context()
	defer cancel()
	require.NoError(t, ctx.Err())
	signals <- syscall.SIGTERM
	<-ctx.Done()
	require.Error(t, ctx.Err())
}

//go:build judges

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
)

// The stacks poll a simulator that stands in this process, so that its cluster and its time can change between two questions of
// theirs: StateInfo there and back, the limit of fifteen questions a minute, the end of a session. A line "> ORDER" in a script's
// output asks for such a change; a line "done", or why not, is the reply on its input. See obey for the orders.
func TestJudges_Poll(t *testing.T) {
	var made []*verdict
	t.Run("the stacks", func(t *testing.T) {
		for _, profile := range []string{"documented", "cucm-14"} {
			for _, judge := range judges {
				v := &verdict{name: judge.name + ", " + profile}
				made = append(made, v)
				t.Run(v.name, func(t *testing.T) {
					t.Parallel()
					ris := sim.ForTest(t, sim.Options{Profile: profile, CADir: t.TempDir()})
					v.checks = converse(t, ris, judge.with("poll"), "RISIM_PROFILE="+profile)
				})
			}
		}
	})
	t.Run("the stacks make the same checks", func(t *testing.T) { sameChecks(t, made) })
}

// converse runs a script against the simulator, does what it orders, and returns the names of the checks it made.
func converse(t *testing.T, ris *sim.Simulator, argv []string, env ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := access{URL: ris.URL, User: ris.User, Password: ris.Password, CAFile: ris.CAFile()}.command(ctx, t, argv, env...)
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start(), "a tool that is missing is installed by make test")

	var said strings.Builder
	orders := 0
	for lines := bufio.NewReader(output); ; {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		if err != nil { // it has ended, or was ended; Wait knows why
			break
		}
		if order, ok := strings.CutPrefix(line, "> "); ok {
			orders++
			reply := "done"
			if err := obey(ris, strings.TrimSpace(order)); err != nil {
				reply = fmt.Sprintf("%q", err) // one line, whatever it says
			}
			_, _ = fmt.Fprintln(input, reply) // fails where nobody reads any more
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s%s", argv, err, said.String(), stderr.String())
	}
	require.NotZero(t, orders, "the script changed nothing, so it cannot have seen a change")
	return checkNames(said.String())
}

// obey does what a script orders:
//
//	next-minute          time goes on to the next whole minute, in which no question has been asked yet
//	advance DURATION     time goes on
//	unregister DEVICE    it is silent, and its node notices
//	failover DEVICE      it goes to the next of its nodes
//	close APPID          the application ends the connection
func obey(ris *sim.Simulator, order string) error {
	verb, what, _ := strings.Cut(order, " ")
	switch verb {
	case "next-minute":
		now := ris.Now()
		return ris.Advance(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
	case "advance":
		d, err := time.ParseDuration(what)
		if err != nil {
			return err
		}
		return ris.Advance(d)
	case "unregister":
		return ris.Apply(sim.Unregister(cluster.DeviceName(what), cluster.KeepAliveTimeout))
	case "failover":
		return ris.Apply(sim.Failover(cluster.DeviceName(what), ""))
	case "close":
		return ris.Apply(sim.CloseApplication(what, 0))
	}
	return fmt.Errorf("unknown order %q", order)
}

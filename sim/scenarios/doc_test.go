package scenarios_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/scenarios"
)

// snippets are the scenarios in the package comment, which is the guide.
func snippets(t *testing.T) []string {
	t.Helper()
	section := regexp.MustCompile(`^(scenario|summary|seed|clock|service|cluster|impairments|timeline|expect):`)
	var snippets []string
	block := ""
	for line := range strings.Lines(guide(t) + "\nend\n") {
		if code, ok := strings.CutPrefix(line, "\t"); ok {
			block += code
			continue
		}
		if section.MatchString(block) {
			snippets = append(snippets, block)
			block = ""
		}
		if strings.TrimSpace(line) != "" {
			block = ""
		}
	}
	require.GreaterOrEqual(t, len(snippets), 7)
	return snippets
}

func guide(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	require.NoError(t, err)
	return file.Doc.Text()
}

// Every scenario in the package comment loads, fits a cluster and runs.
func TestGuide_EverySnippetRuns(t *testing.T) {
	t.Parallel()
	s := site(t, 60).Snapshot()
	for i, text := range snippets(t) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			prog := load(t, "guide.yaml", text)
			require.NoError(t, prog.Check(s), text)
			events, ends, err := prog.Timeline(s)
			require.NoError(t, err)
			require.NoError(t, ends.Check())
			if strings.Contains(text, "timeline:") {
				require.NotEmpty(t, events)
			}
			for _, e := range events {
				require.NoError(t, e.Err, e.String())
			}
		})
	}
}

// The guide names every section, action, kind of trouble and key of where.
func TestGuide_NamesEverything(t *testing.T) {
	t.Parallel()
	guide := guide(t)
	words := scenarios.Vocabulary()
	require.Greater(t, len(words), 60)
	for _, word := range words {
		_, verb, dotted := strings.Cut(word, ".")
		if !strings.Contains(guide, word) && !(dotted && strings.Contains(guide, "."+verb)) {
			t.Errorf("the guide does not name %s", word)
		}
	}
}

package scenarios_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// snippets are the scenarios in the package comment, which is the guide.
func snippets(t *testing.T) []string {
	t.Helper()
	section := regexp.MustCompile(`^(#|scenario|summary|seed|clock|service|cluster|impairments|timeline|expect):`)
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

// Every scenario in the guide is right, in a running simulator, with the guide's cluster unless it has another.
func TestGuide_EverySnippetRuns(t *testing.T) {
	t.Parallel()
	all := snippets(t)
	i := slices.IndexFunc(all, func(text string) bool { return strings.HasPrefix(text, "cluster:") })
	require.GreaterOrEqual(t, i, 0, "the cluster of the examples")
	site := all[i]
	for i, text := range all {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(text, "cluster:") {
				text += site
			}
			o := sim.Options{Scenario: "guide.yaml", ScenarioFS: fstest.MapFS{"guide.yaml": {Data: []byte(text)}}, InMemory: true, Manual: true}
			_, err := o.Timeline()
			require.NoError(t, err, text)
			ris := sim.ForTest(t, o)
			require.NoError(t, ris.PlayOut(t.Context()))
			require.NoError(t, ris.Snapshot().Check())
			steps := 0
			for _, e := range ris.Journal() {
				if e.Step != nil {
					steps++
					require.NoError(t, e.Step.Err, e.String())
				}
			}
			require.Equal(t, strings.Contains(text, "timeline:"), steps > 0)
			for _, v := range ris.Finish() {
				if !strings.HasPrefix(v.Want, "requests") { // of which there were none
					require.NotEqual(t, scenarios.Fail, v.Outcome, v.String())
				}
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

package sim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/soap"
)

// sections says how many rules each section of the public page has, by the letter of their ids.
var sections = map[string]int{"H": 8, "X": 7, "Q": 10, "W": 7, "R": 10, "N": 8, "T": 4, "C": 5, "V": 6}

const rulesPage = "soap/RULES.md"

// pageTables reads the rows of the page's tables, by the name of their first column; a cell is without its quotes.
func pageTables(t *testing.T) map[string][][]string {
	t.Helper()
	page, err := os.ReadFile(rulesPage)
	require.NoError(t, err)
	tables := map[string][][]string{}
	first := "" // column of the table that the line is in
	for line := range strings.Lines(string(page)) {
		row, ok := strings.CutPrefix(strings.TrimSpace(line), "| ")
		switch {
		case !strings.HasPrefix(line, "|"):
			first = ""
		case strings.HasPrefix(line, "|---"):
		case ok:
			cells := strings.Split(strings.TrimSuffix(strings.TrimSuffix(row, "|"), " "), " | ")
			for i := range cells {
				cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), `\*`, "*")
			}
			if first == "" {
				first = cells[0]
				continue
			}
			tables[first] = append(tables[first], cells)
		}
	}
	return tables
}

func unquoted(cell string) string { return strings.Trim(cell, "`") }

// Every rule is on the page, says what it rests on, and is shown by tests that are there and name it.
func TestRules_EachIsShown(t *testing.T) {
	t.Parallel()
	rows := pageTables(t)["Rule"]
	var want, got []string
	for letter, n := range sections {
		for i := range n {
			want = append(want, fmt.Sprintf("%s%d", letter, i+1))
		}
	}
	link := regexp.MustCompile(`\[([^]]+)\]\(([^)]+)\)`)
	for _, row := range rows {
		require.Len(t, row, 5, "%v", row)
		id, text, grades, shown := row[0], row[1], row[2], row[4]
		got = append(got, id)
		if !strings.HasSuffix(text, ".") {
			t.Errorf("%s: rule %s has no sentence: %q", rulesPage, id, text)
		}
		for g := range strings.SplitSeq(grades, ", ") {
			if !slices.Contains([]string{"documented", "contract", "seen", "choice"}, g) {
				t.Errorf("%s: rule %s rests on %q; the page explains documented, contract, seen and choice", rulesPage, id, g)
			}
		}
		links := link.FindAllStringSubmatch(shown, -1)
		if len(links) == 0 {
			t.Errorf("%s: no test shows rule %s", rulesPage, id)
		}
		named := regexp.MustCompile(`(^|[^A-Za-z0-9])` + id + `([^A-Za-z0-9]|$)`)
		for _, l := range links {
			source, err := os.ReadFile(filepath.Join("soap", filepath.FromSlash(l[2])))
			if err != nil {
				t.Errorf("%s: rule %s: %v", rulesPage, id, err)
				continue
			}
			if test := strings.HasSuffix(l[2], "_test.go") || strings.HasSuffix(l[2], ".txtar"); !test || filepath.Base(l[2]) != l[1] {
				t.Errorf("%s: rule %s: link %s is not to a test of that name", rulesPage, id, l[0])
			}
			if !named.Match(source) {
				t.Errorf("%s: %s does not name rule %s, which it is said to show", rulesPage, l[2], id)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got, "the rules of %s", rulesPage)
}

// The page and the service have the same knobs, with the same values.
func TestRules_Knobs(t *testing.T) {
	t.Parallel()
	tables := pageTables(t)
	rules := map[string][]string{} // knobs by rule
	for _, row := range tables["Rule"] {
		if row[3] != "" {
			for k := range strings.SplitSeq(row[3], ", ") {
				rules[row[0]] = append(rules[row[0]], unquoted(k))
			}
		}
	}
	rows := map[string][]string{}
	for _, row := range tables["Knob"] {
		require.Len(t, row, 6, "%v", row)
		rows[unquoted(row[0])] = row
	}
	for _, k := range soap.Knobs() {
		row, ok := rows[k.Name]
		if !ok {
			t.Errorf("%s does not have knob %s", rulesPage, k.Name)
			continue
		}
		delete(rows, k.Name)
		if !slices.Contains(rules[k.Rule], k.Name) {
			t.Errorf("%s: the row of rule %s does not name its knob %s", rulesPage, k.Rule, k.Name)
		}
		rules[k.Rule] = slices.DeleteFunc(rules[k.Rule], func(name string) bool { return name == k.Name })
		var others []string
		for _, p := range soap.Profiles()[1:] {
			if v := k.Default(p); v != k.Default("") {
				others = append(others, "`"+v+"` in "+p)
			}
		}
		other := strings.Join(others, "; ")
		if len(others) == 3 {
			other = "`" + k.Default("cucm-15") + "` in all `cucm-*`"
		}
		want := []string{"`" + k.Name + "`", k.Rule, k.Grade, "`" + k.Default("") + "`", other}
		if !slices.Equal(row[:5], want) {
			t.Errorf("%s: knob %s has the row %q, want %q", rulesPage, k.Name, row[:5], want)
		}
		if !strings.HasPrefix(row[5], k.Doc+" Values: ") {
			t.Errorf("%s: knob %s: %q does not begin with %q", rulesPage, k.Name, row[5], k.Doc)
		}
		for _, v := range k.Values {
			if !strings.Contains(row[5], v) {
				t.Errorf("%s: knob %s: the value %s is missing", rulesPage, k.Name, v)
			}
		}
	}
	for name := range rows {
		t.Errorf("%s has a knob %s, which the service does not have", rulesPage, name)
	}
	for rule, left := range rules {
		if len(left) > 0 {
			t.Errorf("%s: the row of rule %s names knobs that are not its own: %v", rulesPage, rule, left)
		}
	}
}

// The page and the service have the same advice.
func TestRules_Advice(t *testing.T) {
	t.Parallel()
	rows := map[string][]string{}
	for _, row := range pageTables(t)["Advice"] {
		require.Len(t, row, 4, "%v", row)
		rows[unquoted(row[0])] = row
	}
	for _, a := range soap.Advices() {
		row, ok := rows[a.ID]
		if !ok {
			t.Errorf("%s does not have advice %s", rulesPage, a.ID)
			continue
		}
		delete(rows, a.ID)
		if row[1] != a.Rule || row[3] != a.Fix {
			t.Errorf("%s: advice %s has rule %s and remedy %q, want %s and %q", rulesPage, a.ID, row[1], row[3], a.Rule, a.Fix)
		}
	}
	for id := range rows {
		t.Errorf("%s has advice %s, which the service never gives", rulesPage, id)
	}
}

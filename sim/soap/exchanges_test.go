package soap

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

var update = flag.Bool("update", false, "rewrite the responses in testdata/exchanges")

// A file of testdata/exchanges is a conversation with the small cluster, as a txtar archive. Its comment names the
// rules shown and the provenance of the shape. The sections, in order:
//
//	settings     lines of "knob value"; "profile" chooses the profile
//	do ...       lines of what happens: advance 61s, set knob value, state node down, restart node, drop device node,
//	             unregister device node reason
//	request ...  an HTTP request: "POST path", headers, blank line, body. A polite client's headers are added; a header
//	             without a value takes one of them away. {state} stands for the StateInfo of the answer before
//	response ... what comes back, with a line break between any two tags, and then the advice
func TestExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/exchanges/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files, "testdata/exchanges is empty")
	s := contractSchema(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			comment, sections := splitArchive(string(data))
			require.Regexp(t, `(?m)^Rules?: ([A-Z]\d+,? ?)+$`, comment)
			require.Regexp(t, `(?m)^Provenance: .`, comment)
			c := conversation{t: t, schema: s}
			var rewritten strings.Builder
			rewritten.WriteString(comment)
			for _, section := range sections {
				kind, _, _ := strings.Cut(section.name, " ")
				switch kind {
				case "settings":
					c.rig = newRig(t, knobLines(t, section.text)...)
				case "do":
					c.start()
					for line := range strings.Lines(section.text) {
						c.do(strings.Fields(line))
					}
				case "request":
					c.start()
					c.request(section.text)
				case "response":
					require.NotEmpty(t, c.response, "%s without a request before it", section.name)
					if !*update {
						if diff := cmp.Diff(section.text, c.response); diff != "" {
							t.Errorf("%s of %s (-want +got):\n%s", section.name, file, diff)
						}
					}
					section.text, c.response = c.response, ""
				default:
					t.Fatalf("%s: unknown section %q", file, section.name)
				}
				fmt.Fprintf(&rewritten, "-- %s --\n%s", section.name, section.text)
			}
			require.Empty(t, c.response, "the last request has no response after it")
			require.Positive(t, c.count)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(rewritten.String()), 0o644))
			}
		})
	}
}

type section struct{ name, text string }

func splitArchive(data string) (comment string, sections []section) {
	for line := range strings.Lines(data) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "-- ")
		name, ok2 := strings.CutSuffix(name, " --")
		switch last := len(sections) - 1; {
		case ok && ok2:
			sections = append(sections, section{name: name})
		case last < 0:
			comment += line
		default:
			sections[last].text += line
		}
	}
	return comment, sections
}

func knobLines(t *testing.T, text string) []knob {
	var knobs []knob
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, "settings: %q", line)
		knobs = append(knobs, knob{name, value})
	}
	return knobs
}

type conversation struct {
	t        *testing.T
	schema   *schema
	rig      *rig
	state    string // StateInfo of the last good answer
	cookie   string // that was set last
	response string
	count    int
}

func (c *conversation) start() {
	if c.rig == nil {
		c.rig = newRig(c.t)
	}
}

func (c *conversation) do(words []string) {
	c.t.Helper()
	arg := func(i int) string {
		require.Greater(c.t, len(words), i, "%q lacks a word", words)
		return words[i]
	}
	node := func(i int) cluster.NodeName { return cluster.NodeName(arg(i)) }
	switch arg(0) {
	case "advance":
		d, err := time.ParseDuration(arg(1))
		require.NoError(c.t, err)
		c.rig.advance(d)
	case "set":
		set := c.rig.Settings()
		require.NoError(c.t, set.Set(arg(1), arg(2)))
		require.NoError(c.t, c.rig.SetSettings(set))
	case "state":
		state := map[string]cluster.NodeState{"up": cluster.Up, "down": cluster.Down, "broken": cluster.Broken}[arg(2)]
		c.rig.apply(cluster.SetNodeState{Node: node(1), State: state})
	case "restart":
		c.rig.apply(cluster.RestartRIS{Node: node(1)})
	case "drop":
		c.rig.apply(cluster.DropRecord{Device: cluster.DeviceName(arg(1)), Node: node(2)})
	case "unregister":
		reason, err := cluster.ParseReason(arg(3))
		require.NoError(c.t, err)
		records := c.rig.store.Snapshot().Records(cluster.DeviceName(arg(1)))
		for _, r := range records {
			if r.Node == node(2) {
				changed := *r.Record
				changed.Status, changed.Reason, changed.TimeStamp = cluster.UnRegistered, reason, 0
				changed.Lines = nil
				for _, l := range r.Record.Lines {
					changed.Lines = append(changed.Lines, cluster.Line{Number: l.Number, Status: cluster.UnRegistered})
				}
				c.rig.apply(cluster.SetRecord{Registration: cluster.Registration{Device: cluster.DeviceName(arg(1)), Node: r.Node, Record: changed}})
				return
			}
		}
		c.t.Fatalf("%v: no such record", words)
	default:
		c.t.Fatalf("unknown event %q", words)
	}
}

func (c *conversation) request(text string) {
	c.t.Helper()
	text = strings.ReplaceAll(text, "{state}", string(appendText(nil, c.state)))
	text = strings.ReplaceAll(text, "{cookie}", c.cookie)
	head, body, _ := strings.Cut(text, "\n\n")
	lines := bufio.NewScanner(strings.NewReader(head))
	require.True(c.t, lines.Scan())
	method, target, ok := strings.Cut(lines.Text(), " ")
	require.True(c.t, ok, "%q", lines.Text())
	if target == "RIS" || strings.HasPrefix(target, "RIS?") {
		target = Path + strings.TrimPrefix(target, "RIS")
	}
	var headers []header
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ":")
		require.True(c.t, ok, "%q", lines.Text())
		headers = append(headers, header{name, strings.TrimSpace(value)})
	}
	req := request(strings.TrimSuffix(body, "\n"), headers...)
	req.Method = method
	path, query, _ := strings.Cut(target, "?")
	req.URL.Path, req.URL.RawQuery = path, query

	rec := httptest.NewRecorder()
	if path == Path {
		c.rig.Handler("").ServeHTTP(rec, req)
	} else {
		c.rig.NotFound("").ServeHTTP(rec, req)
	}
	c.count++
	answer := rec.Body.String()
	if rec.Code == http.StatusOK && method == http.MethodPost {
		root := parseTree(c.t, answer)
		if form, _ := c.rig.Settings().Get("stateInfoForm"); form == "nested" {
			require.Error(c.t, c.schema.check(root.kids[0].kids[0]), "the nested form is known to break the contract")
			c.state = c.rig.last().StateOut
		} else {
			c.schema.checkAnswer(c.t, answer)
			c.state = stateOf(c.t, answer)
			require.Equal(c.t, c.state, c.rig.last().StateOut)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", rec.Code, http.StatusText(rec.Code))
	for _, name := range []string{"Content-Type", "Allow", "WWW-Authenticate", "Set-Cookie"} {
		if value := rec.Header().Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
			if name == "Set-Cookie" {
				c.cookie = value
			}
		}
	}
	b.WriteString("\n")
	b.WriteString(strings.ReplaceAll(answer, "><", ">\n<"))
	b.WriteString("\n")
	advice := slices.DeleteFunc(slices.Clone(c.rig.last().Advice), func(a Advice) bool {
		return a.ID == AdviceSessionUnused // a file shows exchanges, not a client
	})
	for _, a := range advice {
		fmt.Fprintf(&b, "\nadvice %s (%s): %s", a.ID, a.Rule, a.Text)
	}
	if len(advice) > 0 {
		b.WriteString("\n")
	}
	c.response = b.String()
}

package scenarios_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/risim/risim/fixtures"
	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// A schema, compiled by somebody else's validator, which also checks it against the schema of schemas: with the words of these
// tests, and with those of the service.
var (
	ourSchema  = sync.OnceValues(func() (*jsonschema.Schema, error) { return compiled(scenarios.Schema(options(), nil), nil) })
	realSchema = sync.OnceValues(func() (*jsonschema.Schema, error) { return compiled(sim.ScenarioSchema()) })
)

func compiled(text []byte, err error) (*jsonschema.Schema, error) {
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("risim.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("risim.json")
}

// validate tells what a schema says of a scenario.
func validate(t testing.TB, schema func() (*jsonschema.Schema, error), data []byte) error {
	t.Helper()
	s, err := schema()
	require.NoError(t, err)
	var n yaml.Node
	if err := yaml.Unmarshal(data, &n); err != nil || len(n.Content) == 0 {
		return fmt.Errorf("not YAML: %w", err)
	}
	value, err := asJSON(n.Content[0], 0)
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// asJSON is what an editor makes of YAML: its core schema, in which times are texts.
func asJSON(n *yaml.Node, depth int) (any, error) {
	if depth > 60 {
		return nil, fmt.Errorf("too deep")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return asJSON(n.Alias, depth+1)
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			v, err := asJSON(c, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := asJSON(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			if _, twice := out[n.Content[i].Value]; twice {
				return nil, fmt.Errorf("%q is given twice", n.Content[i].Value)
			}
			out[n.Content[i].Value] = v
		}
		return out, nil
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), nil
	case "!!int", "!!float":
		if regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$`).MatchString(n.Value) {
			return json.Number(n.Value), nil
		}
		return json.Number("1"), nil // 0012, 0x1f, .inf: some number
	}
	return n.Value, nil
}

// What Load takes, the schema takes.
func TestSchema_TakesWhatIsRight(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/timelines/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	texts, ready := []string(nil), snippets(t)
	err = fs.WalkDir(fixtures.ScenarioFS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fixtures.ScenarioFS(), name)
		ready = append(ready, string(data))
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, ready)
	for _, text := range ready {
		require.NoError(t, validate(t, realSchema, []byte(text)), text)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		texts = append(texts, string(data))
	}
	texts = append(texts,
		"seed: \"42\"\nclock: {start: 2026-03-02T08:00:00Z, mode: MANUAL, speed: 2.5}\nservice: {profile: CUCM-14, wsdlAuth: true, extWildcard: fault, users: [{name: 0012, password: 34, roles: serviceability}]}",
		"cluster: {nodes: [{name: pub, role: Publisher, state: DOWN}], devices: [{group: 7, count: 2, class: phone, macs: {from: 001122334455}, lines: [4000, \"0012\"], status: registered, reason: 13, addresses: {from: fd00::1}}, {group: a, names: x, class: SIPTrunk}]}",
		"timeline: [{at: 1s, do: {node.stop: {node: cucm-sub1}}}, {at: .5s, do: {devices.bounce: {away: {choice: {10s: 3, 1m: 25%}}}}}, {at: 0s, do: {log: 5}}]",
		"timeline: [{requests: {from: 3, every: 2}, times: 2, do: {log: {text: x}}}]\nexpect: [{devices: {count: \" > 3 \"}}, {at: 1m, faults: {none: rate*}}, {advice: {some: [\"*\"]}}, {within: 1h, devices: {where: {status: [registered, REJECTED], model: [Cisco 8845]}, count: 3 .. 5}}]",
	)
	for _, text := range texts {
		_, err := scenarios.Load("x.yaml", []byte(text), options())
		require.NoError(t, err, text)
		require.NoError(t, validate(t, ourSchema, []byte(text)), text)
	}
}

// Most of what is wrong with a file an editor sees.
func TestSchema_RefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/broken/*.yaml")
	require.NoError(t, err)
	seen := 0
	var missed []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		if validate(t, realSchema, data) != nil {
			seen++
			continue
		}
		missed = append(missed, strings.TrimSuffix(filepath.Base(file), ".yaml"))
	}
	t.Logf("%d of %d broken files are seen", seen, len(files))
	golden(t, "testdata/unseen.txt", strings.Join(missed, "\n")+"\n")
	require.Greater(t, seen, 2*len(missed))
}

// The schema is the same each time, describes every key and names nothing that Load refuses.
func TestSchema_Text(t *testing.T) {
	t.Parallel()
	text, err := sim.ScenarioSchema()
	require.NoError(t, err)
	again, err := sim.ScenarioSchema()
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
	var root struct {
		Schema string `json:"$schema"`
		Defs   map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
		Properties map[string]struct{ Description string }
	}
	require.NoError(t, json.Unmarshal(text, &root))
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", root.Schema)
	keys := 0
	for name, def := range root.Defs {
		for key, p := range def.Properties {
			keys++
			require.NotEmpty(t, p.Description, "%s.%s", name, key)
		}
	}
	require.Greater(t, keys, 100)
	for _, word := range scenarios.Vocabulary() {
		require.Contains(t, string(text), fmt.Sprintf("%q:", word))
	}
}

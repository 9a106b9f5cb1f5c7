package control

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/scenarios"
)

func TestPointerAt_IsWhatStandsThere(t *testing.T) {
	t.Parallel()
	const text = "{\n  \"do\": {\"devices.unregister\": {\"where\": {\"name\": [\"A\", \"B~/\"]}, \"a~b/c\": 1}},\n  \"for\" : \"9m\"\n}"
	for _, c := range []struct{ at, want string }{
		{`"do"`, "/do"}, {`{"devices`, "/do"}, {`"where"`, "/do/devices.unregister/where"}, {`"A"`, "/do/devices.unregister/where/name/0"},
		{`"B~/"`, "/do/devices.unregister/where/name/1"}, {`1}}`, "/do/devices.unregister/a~0b~1c"}, {`"9m"`, "/for"}, {"{\n", ""},
	} {
		before := text[:strings.Index(text, c.at)]
		line := 1 + strings.Count(before, "\n")
		at := scenarios.Pos{Line: line, Column: 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))}
		assert.Equal(t, c.want, pointerAt([]byte(text), at), "%s at %v", c.at, at)
	}
}

// Whatever is sent, it is read or refused; and what is read strictly, encoding/json reads to the same.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name": "a", "users": [{"name": "u", "roles": ["x"]}], "lease": "9m", "settings": {"a": "b"}}`, `{"name": null}`, `[`, `{"a":{"a":{}}}`,
		`{"start": "2026-03-02T08:00:00Z", "seed": 18446744073709551615}`, `{"speed": 1e400}`, `{"devices": -1}`, "\"\\ud800\""} {
		f.Add([]byte(seed), 1, 1)
	}
	f.Fuzz(func(t *testing.T, data []byte, line, column int) {
		var spec, plain ClusterSpec
		bad := decodeJSON(data, reflect.ValueOf(&spec).Elem())
		if len(bad) == 0 {
			require.NoError(t, json.Unmarshal(data, &plain))
			require.Equal(t, plain, spec)
		}
		for _, w := range bad {
			require.NotEmpty(t, w.Detail)
		}
		_ = pointerAt(data, scenarios.Pos{Line: line, Column: column})
		StepText{data, true}.valid()
	})
}

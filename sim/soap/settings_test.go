package soap

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One good value other than the default, and the bad values with their messages, of every knob.
var knobCases = map[string]struct {
	other string
	bad   map[string]string
}{
	"wsdlAuth": {"true", map[string]string{
		"yes": `wsdlAuth "yes" is not true or false`,
		"":    `wsdlAuth "" is not true or false`,
	}},
	"wsdlAddress": {"localhost", map[string]string{
		"host": `wsdlAddress "host" is not one of request, localhost`,
	}},
	"requireSOAPAction": {"true", map[string]string{"True": `requireSOAPAction "True" is not true or false`}},
	"realm": {"Cluster 7", map[string]string{
		"":                       `realm "" is not 1 to 100 printable ASCII characters without " and \`,
		`a"b`:                    `realm "a\"b" is not 1 to 100 printable ASCII characters without " and \`,
		"ä":                      `realm "ä" is not 1 to 100 printable ASCII characters without " and \`,
		strings.Repeat("x", 101): `realm "` + strings.Repeat("x", 101) + `" is not 1 to 100 printable ASCII characters without " and \`,
	}},
	"sessions": {"false", map[string]string{"1": `sessions "1" is not true or false`}},
	"sessionIdle": {"5m", map[string]string{
		"90":    `sessionIdle "90" is not a duration from 0s to 8760h, such as 90s or 5m`,
		"-1s":   `sessionIdle "-1s" is not a duration from 0s to 8760h, such as 90s or 5m`,
		"8761h": `sessionIdle "8761h" is not a duration from 0s to 8760h, such as 90s or 5m`,
	}},
	"maxBody": {"64KiB", map[string]string{
		"1000":                    `maxBody "1000" is not a size from 1KiB to 1GiB, such as 65536 or 4MiB`,
		"2GiB":                    `maxBody "2GiB" is not a size from 1KiB to 1GiB, such as 65536 or 4MiB`,
		"4MB":                     `maxBody "4MB" is not a size from 1KiB to 1GiB, such as 65536 or 4MiB`,
		"99999999999999999999GiB": `maxBody "99999999999999999999GiB" is not a size from 1KiB to 1GiB, such as 65536 or 4MiB`,
	}},
	"maxDepth": {"100", map[string]string{
		"9":     `maxDepth "9" is not a number from 10 to 10000`,
		"10001": `maxDepth "10001" is not a number from 10 to 10000`,
		"deep":  `maxDepth "deep" is not a number from 10 to 10000`,
	}},
	"maxReturned": {"200", map[string]string{
		"0":       `maxReturned "0" is not a number from 1 to 1000000`,
		"1000001": `maxReturned "1000001" is not a number from 1 to 1000000`,
		"1e3":     `maxReturned "1e3" is not a number from 1 to 1000000`,
	}},
	"revealTruncation": {"true", map[string]string{"never": `revealTruncation "never" is not true or false`}},
	"extWildcard":      {"accept", map[string]string{"allow": `extWildcard "allow" is not one of literal, fault, accept`}},
	"stateInfoForm":    {"nested", map[string]string{"raw": `stateInfoForm "raw" is not one of escaped, nested`}},
	"clusterWide":      {"never", map[string]string{"no": `clusterWide "no" is not one of node-empty, always, never`}},
	"noChange":         {"per-node", map[string]string{"node": `noChange "node" is not one of whole, per-node`}},
	"notFoundNoChange": {"true", map[string]string{"0": `notFoundNoChange "0" is not true or false`}},
	"emptyAnswer":      {"nodes", map[string]string{"list": `emptyAnswer "list" is not one of nil, nodes`}},
	"nodeTimeout": {"2s", map[string]string{
		"2": `nodeTimeout "2" is not a duration from 0s to 1h, such as 90s or 5m`,
	}},
	"reasonTable": {"field", map[string]string{"cisco": `reasonTable "cisco" is not one of documented, field`}},
	"rateLimit": {"12/min", map[string]string{
		"12/s":       `rateLimit "12/s" is not a number of requests per minute from 0 to 1000000000, such as 15 or 15/min`,
		"-1":         `rateLimit "-1" is not a number of requests per minute from 0 to 1000000000, such as 15 or 15/min`,
		"1e9":        `rateLimit "1e9" is not a number of requests per minute from 0 to 1000000000, such as 15 or 15/min`,
		"1000000001": `rateLimit "1000000001" is not a number of requests per minute from 0 to 1000000000, such as 15 or 15/min`,
	}},
	"unbounded":    {"true", map[string]string{"x": `unbounded "x" is not true or false`}},
	"rateScope":    {"node", map[string]string{"server": `rateScope "server" is not one of cluster, node`}},
	"window":       {"sliding", map[string]string{"rolling": `window "rolling" is not one of fixed, sliding`}},
	"countRefused": {"true", map[string]string{"all": `countRefused "all" is not true or false`}},
	"rateFault":    {"axis2", map[string]string{"axis": `rateFault "axis" is not one of axis1, axis2`}},
}

func TestKnobs_EachIsSettableAndRefusesNonsense(t *testing.T) {
	require.Len(t, knobCases, len(Knobs()), "every knob has a case, and every case a knob")
	for _, k := range Knobs() {
		t.Run(k.Name, func(t *testing.T) {
			c, ok := knobCases[k.Name]
			require.True(t, ok, "no case")
			set, err := Profile("")
			require.NoError(t, err)
			before, err := set.Get(k.Name)
			require.NoError(t, err)
			require.Equal(t, k.Default(""), before)

			require.NoError(t, set.Set(k.Name, c.other))
			after, err := set.Get(k.Name)
			require.NoError(t, err)
			assert.Equal(t, strings.TrimSuffix(c.other, "/min"), after)
			assert.NotEqual(t, before, after)
			for _, other := range Knobs() {
				if value, _ := set.Get(other.Name); other.Name != k.Name {
					assert.Equal(t, other.Default(""), value, "%s changed with %s", other.Name, k.Name)
				}
			}

			require.NotEmpty(t, c.bad)
			for value, message := range c.bad {
				untouched := set
				assert.EqualError(t, set.Set(k.Name, value), message)
				assert.Equal(t, untouched, set, "a refused value changed something")
			}
			assert.NotEmpty(t, k.Doc)
			assert.NotEmpty(t, k.Rule)
			assert.Contains(t, []string{"documented", "seen", "choice"}, k.Grade)
		})
	}
}

func TestSet_EveryWordOfAChoiceIsTaken(t *testing.T) {
	for _, k := range Knobs() {
		assert.Equal(t, k.Kind == choiceKnob, len(k.Values) > 1, k.Name)
		for _, word := range k.Values {
			var set Settings
			assert.NoError(t, set.Set(k.Name, word))
			got, err := set.Get(k.Name)
			assert.NoError(t, err)
			assert.Equal(t, word, got)
		}
	}
}

func TestSet_UnknownKnobNamesNearOnes(t *testing.T) {
	var set Settings
	assert.EqualError(t, set.Set("windw", "fixed"), `unknown knob "windw"; did you mean "window"?`)
	assert.EqualError(t, set.Set("RateLimit", "3"), `unknown knob "RateLimit"; did you mean "rateLimit"?`)
	assert.EqualError(t, set.Set("maxReturnd", "3"), `unknown knob "maxReturnd"; did you mean "maxReturned"?`)
	assert.EqualError(t, set.Set("profile", "cucm-14"), "profile is not a knob: choose the profile first and change its knobs then")
	err := set.Set("zzzzzzzz", "3")
	require.Error(t, err)
	for _, k := range Knobs() {
		assert.Contains(t, err.Error(), k.Name)
	}
	_, err = set.Get("windw")
	assert.EqualError(t, err, `unknown knob "windw"; did you mean "window"?`)
	assert.Equal(t, Settings{}, set)
}

// The values of the profiles are spelled out here once more: they are what the rules say, and a slip in the table must
// not go unseen.
func TestProfiles(t *testing.T) {
	want := map[string]map[string]string{
		"documented": {"maxReturned": "1000", "wsdlAddress": "request", "notFoundNoChange": "false", "reasonTable": "documented", "rateFault": "axis1"}, // Q2 H2 R3 R8 T4
		"cucm-12.5":  {"maxReturned": "1000", "wsdlAddress": "localhost", "notFoundNoChange": "true", "reasonTable": "field", "rateFault": "axis2"},     // Q2 H2 R3 R8 T4
		"cucm-14":    {"maxReturned": "1000", "wsdlAddress": "localhost", "notFoundNoChange": "true", "reasonTable": "field", "rateFault": "axis2"},     // Q2 H2 R3 R8 T4
		"cucm-15":    {"maxReturned": "2000", "wsdlAddress": "localhost", "notFoundNoChange": "true", "reasonTable": "field", "rateFault": "axis2"},     // Q2 H2 R3 R8 T4
		"":           {"maxReturned": "1000", "wsdlAddress": "request", "notFoundNoChange": "false", "reasonTable": "documented", "rateFault": "axis1"}, // documented is the default
		" ":          {},
	}
	common := map[string]string{
		"wsdlAuth": "false", "requireSOAPAction": "false", "sessions": "true", "sessionIdle": "30m", "maxBody": "4MiB", "maxDepth": "64", // H2 H3 H6 H8
		"revealTruncation": "false", "extWildcard": "literal", "stateInfoForm": "escaped", "clusterWide": "node-empty", "noChange": "whole", // Q2 W5 X4 N1 N5
		"emptyAnswer": "nil", "nodeTimeout": "10s", "rateLimit": "15", "unbounded": "false", "rateScope": "cluster", "window": "fixed", "countRefused": "false", // R4 R5 T1-T3
	}
	delete(want, " ")
	require.Equal(t, []string{"documented", "cucm-12.5", "cucm-14", "cucm-15"}, Profiles())
	for name, values := range want {
		set, err := Profile(name)
		require.NoError(t, err)
		assert.NoError(t, set.Validate(), name)
		if name != "" {
			assert.Equal(t, name, set.Profile())
		}
		for _, knobs := range []map[string]string{values, common} {
			for knob, value := range knobs {
				got, err := set.Get(knob)
				assert.NoError(t, err)
				assert.Equal(t, value, got, "%s of profile %q", knob, name)
			}
		}
	}
	_, err := Profile("cucm-13")
	assert.EqualError(t, err, `unknown profile "cucm-13"; did you mean "cucm-14"?`)
	_, err = Profile("lab")
	assert.EqualError(t, err, `unknown profile "lab"; the profiles are documented, cucm-12.5, cucm-14, cucm-15`)
}

func TestSettings_ZeroValueIsDocumented(t *testing.T) {
	documented, err := Profile("documented")
	require.NoError(t, err)
	var zero Settings
	assert.Equal(t, "documented", zero.Profile())
	assert.NoError(t, zero.Validate())
	for _, k := range Knobs() {
		a, _ := zero.Get(k.Name)
		b, _ := documented.Get(k.Name)
		assert.Equal(t, b, a, k.Name)
	}
	require.NoError(t, zero.Set("window", "sliding"))
	require.NoError(t, documented.Set("window", "sliding"))
	assert.Equal(t, documented, zero)
}

func TestValidate_T1_RateAboveTheProfilesMaximum(t *testing.T) {
	for profile, most := range map[string]int{"documented": 15, "cucm-12.5": 18, "cucm-14": 18, "cucm-15": 18} {
		set, err := Profile(profile)
		require.NoError(t, err)
		for limit := range most + 1 {
			require.NoError(t, set.Set("rateLimit", strconv.Itoa(limit)))
			assert.NoError(t, set.Validate())
		}
		above := strconv.Itoa(most + 1)
		require.NoError(t, set.Set("rateLimit", above+"/min"))
		assert.EqualError(t, set.Validate(), "rateLimit "+above+" is above "+strconv.Itoa(most)+", the most that profile "+profile+
			" allows; set unbounded to true to go beyond it")
		require.NoError(t, set.Set("unbounded", "true"))
		assert.NoError(t, set.Validate())
	}
}

func TestSizesAndDurationsPrintAsTheyAreWritten(t *testing.T) {
	for knob, values := range map[string][]string{
		"maxBody":     {"4MiB", "64KiB", "1GiB", "1025", "1536KiB"},
		"sessionIdle": {"30m", "90s", "1h", "1h30m", "0s", "1m30s", "1h0m1s"},
	} {
		for _, value := range values {
			var set Settings
			require.NoError(t, set.Set(knob, value))
			got, err := set.Get(knob)
			require.NoError(t, err)
			if value == "90s" {
				value = "1m30s"
			}
			assert.Equal(t, value, got)
			require.NoError(t, set.Set(knob, got), "what Get prints, Set reads")
		}
	}
}

package soap

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// Settings is how the service behaves where evidence about the real one conflicts or is missing: a value for every
// knob, taken from a profile and changed by Set. The zero value is the profile documented. Settings are plain values:
// copies share nothing.
type Settings struct {
	profile string // empty only in the zero value

	wsdlAuth          bool
	wsdlAddress       string
	requireSOAPAction bool
	realm             string
	maxBody           int
	maxDepth          int
	sessions          bool
	sessionIdle       time.Duration

	maxReturned      int
	revealTruncation bool
	extWildcard      string

	stateInfoForm    string
	clusterWide      string
	noChange         string
	notFoundNoChange bool
	emptyAnswer      string
	nodeTimeout      time.Duration
	reasonTable      string

	rateLimit    int
	unbounded    bool
	rateScope    string
	window       string
	countRefused bool
	rateFault    string
}

// What a knob's values look like.
const (
	boolKnob     = "boolean"  // true or false
	countKnob    = "count"    // a whole number
	rateKnob     = "rate"     // requests per minute: 15 or 15/min
	sizeKnob     = "size"     // bytes: 65536, 64KiB or 4MiB
	durationKnob = "duration" // 90s, 5m
	choiceKnob   = "choice"   // one of Values
	textKnob     = "text"     // printable ASCII
)

// Knob describes one setting.
type Knob struct {
	Name   string
	Kind   string   // boolean, count, rate, size, duration, choice or text
	Values []string // the words a choice allows; nil for the other kinds
	Rule   string   // the rule of behaviour that it belongs to
	Grade  string   // what the values rest on: documented, seen or choice (the simulator's own)
	Doc    string   // one sentence

	min, max int // of numbers and, in seconds, durations
	defaults [4]string
	at       func(*Settings) any // the field: *bool, *int, *string or *time.Duration
}

// Default is the knob's value in a profile ("" is documented), as Set reads it; empty for an unknown profile.
func (k Knob) Default(profile string) string {
	if i := profileIndex(profile); i >= 0 {
		return k.defaults[i]
	}
	return ""
}

// profiles are the columns of a knob's defaults. maxRate is the highest rate that the real service lets an
// administrator set (rule T1).
var profiles = []struct {
	name    string
	maxRate int
}{
	{"documented", 15}, // Cisco's reference read literally
	{"cucm-12.5", 18},  // the others: what captures and field experience show
	{"cucm-14", 18},
	{"cucm-15", 18},
}

func same(value string) [4]string { return [4]string{value, value, value, value} }

func differ(documented, cucm string) [4]string { return [4]string{documented, cucm, cucm, cucm} }

// The one table of knobs, in the order of the rules. Everything else about a knob follows from its row.
var knobs = []Knob{
	{Name: "wsdlAuth", Kind: boolKnob, Rule: "H2", Grade: "choice", defaults: same("false"),
		Doc: "Reading the contract needs credentials.",
		at:  func(s *Settings) any { return &s.wsdlAuth }},
	{Name: "wsdlAddress", Kind: choiceKnob, Values: []string{"request", "localhost"}, Rule: "H2", Grade: "seen", defaults: differ("request", "localhost"),
		Doc: "The service's address in the contract: the scheme, host and port of the request that reads it, or localhost as a real Unified CM says.",
		at:  func(s *Settings) any { return &s.wsdlAddress }},
	{Name: "requireSOAPAction", Kind: boolKnob, Rule: "H3", Grade: "choice", defaults: same("false"),
		Doc: "A request without a SOAPAction header gets a fault instead of an advice.",
		at:  func(s *Settings) any { return &s.requireSOAPAction }},
	{Name: "realm", Kind: textKnob, Rule: "H5", Grade: "choice", defaults: same("RisPort70"),
		Doc: "The realm of the Basic challenge.",
		at:  func(s *Settings) any { return &s.realm }},
	{Name: "sessions", Kind: boolKnob, Rule: "H6", Grade: "seen", defaults: same("true"),
		Doc: "Good answers set JSESSIONIDSSO, and the cookie authenticates; without, cookies are neither set nor read.",
		at:  func(s *Settings) any { return &s.sessions }},
	{Name: "sessionIdle", Kind: durationKnob, max: 365 * 86400, Rule: "H6", Grade: "choice", defaults: same("30m"),
		Doc: "A session that has not been used for longer than this gets the session fault; 0s: sessions last.",
		at:  func(s *Settings) any { return &s.sessionIdle }},
	{Name: "maxBody", Kind: sizeKnob, min: 1 << 10, max: 1 << 30, Rule: "H8", Grade: "choice", defaults: same("4MiB"),
		Doc: "The longest body that is read, after gzip is undone.",
		at:  func(s *Settings) any { return &s.maxBody }},
	{Name: "maxDepth", Kind: countKnob, min: 10, max: 10_000, Rule: "H8", Grade: "choice", defaults: same("64"),
		Doc: "The deepest nesting of elements that is read.",
		at:  func(s *Settings) any { return &s.maxDepth }},

	{Name: "maxReturned", Kind: countKnob, min: 1, max: 1_000_000, Rule: "Q2", Grade: "documented", defaults: [4]string{"1000", "1000", "1000", "2000"},
		Doc: "The most devices or CTI items in one answer, whatever the request asks for.",
		at:  func(s *Settings) any { return &s.maxReturned }},
	{Name: "revealTruncation", Kind: boolKnob, Rule: "Q2", Grade: "choice", defaults: same("false"),
		Doc: "The totals count everything that matches, also what the limit cut off.",
		at:  func(s *Settings) any { return &s.revealTruncation }},
	{Name: "extWildcard", Kind: choiceKnob, Values: []string{"literal", "fault", "accept"}, Rule: "W5", Grade: "choice", defaults: same("literal"),
		Doc: "What * in an Item of selectCmDeviceExt is: an ordinary character that matches nothing, a fault, or a wildcard.",
		at:  func(s *Settings) any { return &s.extWildcard }},

	{Name: "stateInfoForm", Kind: choiceKnob, Values: []string{"escaped", "nested"}, Rule: "X4", Grade: "seen", defaults: same("escaped"),
		Doc: "StateInfo of an answer as a string, which the contract says, or as the nested element that Cisco's reference prints.",
		at:  func(s *Settings) any { return &s.stateInfoForm }},
	{Name: "clusterWide", Kind: choiceKnob, Values: []string{"node-empty", "always", "never"}, Rule: "N1", Grade: "seen", defaults: same("node-empty"),
		Doc: "When StateInfo says ClusterWide=\"1\": when the query named no node, always, or never.",
		at:  func(s *Settings) any { return &s.clusterWide }},
	{Name: "noChange", Kind: choiceKnob, Values: []string{"whole", "per-node"}, Rule: "N5", Grade: "documented", defaults: same("whole"),
		Doc: "After a change on some nodes, the nodes without one answer in full like the others, or stay nil with NoChange true.",
		at:  func(s *Settings) any { return &s.noChange }},
	{Name: "notFoundNoChange", Kind: boolKnob, Rule: "R3", Grade: "seen", defaults: differ("false", "true"),
		Doc: "What a NotFound node of a full answer says in NoChange.",
		at:  func(s *Settings) any { return &s.notFoundNoChange }},
	{Name: "emptyAnswer", Kind: choiceKnob, Values: []string{"nil", "nodes"}, Rule: "R4", Grade: "seen", defaults: same("nil"),
		Doc: "When nothing matches on any node: nil nodes and an empty StateInfo, or a list of NotFound nodes.",
		at:  func(s *Settings) any { return &s.emptyAnswer }},
	{Name: "nodeTimeout", Kind: durationKnob, max: 3600, Rule: "R5", Grade: "choice", defaults: same("10s"),
		Doc: "How long an answer waits for a node that does not respond, in simulated time; 0s: not at all.",
		at:  func(s *Settings) any { return &s.nodeTimeout }},
	{Name: "reasonTable", Kind: choiceKnob, Values: []string{"documented", "field"}, Rule: "R8", Grade: "seen", defaults: differ("documented", "field"),
		Doc: "The numbers of named status reasons: as Cisco's reference prints them, or as captures show them.",
		at:  func(s *Settings) any { return &s.reasonTable }},

	{Name: "rateLimit", Kind: rateKnob, max: 1_000_000_000, Rule: "T1", Grade: "documented", defaults: same("15"),
		Doc: "Allowed Device Queries Per Minute, of all operations and users together; 0: no limit.",
		at:  func(s *Settings) any { return &s.rateLimit }},
	{Name: "unbounded", Kind: boolKnob, Rule: "T1", Grade: "choice", defaults: same("false"),
		Doc: "rateLimit may be higher than a real Unified CM lets an administrator set.",
		at:  func(s *Settings) any { return &s.unbounded }},
	{Name: "rateScope", Kind: choiceKnob, Values: []string{"cluster", "node"}, Rule: "T1", Grade: "choice", defaults: same("cluster"),
		Doc: "Requests are counted for the cluster, or for each node that receives them.",
		at:  func(s *Settings) any { return &s.rateScope }},
	{Name: "window", Kind: choiceKnob, Values: []string{"fixed", "sliding"}, Rule: "T2", Grade: "seen", defaults: same("fixed"),
		Doc: "The minute of rateLimit: each whole minute of the simulated clock, or the sixty seconds before the request.",
		at:  func(s *Settings) any { return &s.window }},
	{Name: "countRefused", Kind: boolKnob, Rule: "T3", Grade: "choice", defaults: same("false"),
		Doc: "Requests that get a SOAP fault count towards rateLimit too; 401, 403 and reads of the contract never do.",
		at:  func(s *Settings) any { return &s.countRefused }},
	{Name: "rateFault", Kind: choiceKnob, Values: []string{"axis1", "axis2"}, Rule: "T4", Grade: "seen", defaults: differ("axis1", "axis2"),
		Doc: "The rate fault's text: with \"AxisFault: \" before and the SOAPAction after it, or bare with RISService70 after it.",
		at:  func(s *Settings) any { return &s.rateFault }},
}

// Knobs lists all knobs, in the order of the rules.
func Knobs() []Knob { return slices.Clone(knobs) }

// Profiles lists the names of the profiles, documented first.
func Profiles() []string {
	names := make([]string, len(profiles))
	for i, p := range profiles {
		names[i] = p.name
	}
	return names
}

// Profile gives the settings of a profile: documented, which "" means too, cucm-12.5, cucm-14 or cucm-15.
func Profile(name string) (Settings, error) {
	i := profileIndex(name)
	if i < 0 {
		return Settings{}, fmt.Errorf("unknown profile %q; %s", name, hint(name, "the profiles are", Profiles()))
	}
	s := Settings{profile: profiles[i].name}
	for _, k := range knobs {
		if err := k.set(&s, k.defaults[i]); err != nil {
			panic(fmt.Sprintf("soap: the table of knobs: %v", err))
		}
	}
	return s, nil
}

func profileIndex(name string) int {
	if name == "" {
		return 0
	}
	for i, p := range profiles {
		if p.name == name {
			return i
		}
	}
	return -1
}

// orDefault turns the zero value into the profile that it stands for.
func (s Settings) orDefault() Settings {
	if s.profile == "" {
		s, _ = Profile("") // which exists
	}
	return s
}

// Profile is the name of the profile that the settings started from.
func (s Settings) Profile() string { return s.orDefault().profile }

// Set gives a knob another value, written as a person writes it: true, 15/min, 90s, 4MiB, sliding. An error names
// the knob, the value and what is allowed, and leaves s unchanged. Whether the knobs go together is Validate's matter.
func (s *Settings) Set(knob, value string) error {
	k, err := findKnob(knob)
	if err != nil {
		return err
	}
	changed := s.orDefault()
	if err := k.set(&changed, value); err != nil {
		return err
	}
	*s = changed
	return nil
}

// Get gives a knob's present value in the form that Set reads.
func (s Settings) Get(knob string) (string, error) {
	k, err := findKnob(knob)
	if err != nil {
		return "", err
	}
	s = s.orDefault()
	switch field := k.at(&s).(type) {
	case *bool:
		return strconv.FormatBool(*field), nil
	case *int:
		return k.formatInt(*field), nil
	case *time.Duration:
		return formatDuration(*field), nil
	default:
		return *field.(*string), nil
	}
}

// Validate reports the knobs that do not go together. Each alone is right: Set sees to that.
func (s Settings) Validate() error {
	s = s.orDefault()
	if most := profiles[profileIndex(s.profile)].maxRate; s.rateLimit > most && !s.unbounded {
		return fmt.Errorf("rateLimit %d is above %d, the most that profile %s allows; set unbounded to true to go beyond it", s.rateLimit, most, s.profile)
	}
	return nil
}

func findKnob(name string) (*Knob, error) {
	names := make([]string, len(knobs))
	for i := range knobs {
		if knobs[i].Name == name {
			return &knobs[i], nil
		}
		names[i] = knobs[i].Name
	}
	if strings.EqualFold(name, "profile") {
		return nil, errors.New("profile is not a knob: choose the profile first and change its knobs then")
	}
	return nil, fmt.Errorf("unknown knob %q; %s", name, hint(name, "the knobs are", names))
}

func (k *Knob) set(s *Settings, value string) error {
	switch field := k.at(s).(type) {
	case *bool:
		if value != "true" && value != "false" {
			return k.reject(value, "true or false")
		}
		*field = value == "true"
	case *int:
		n, ok := k.parseInt(value)
		if !ok || n < k.min || n > k.max {
			return k.reject(value, k.numbers())
		}
		*field = n
	case *time.Duration:
		d, err := time.ParseDuration(value)
		if most := time.Duration(k.max) * time.Second; err != nil || d < 0 || d > most {
			return k.reject(value, fmt.Sprintf("a duration from 0s to %s, such as 90s or 5m", formatDuration(most)))
		}
		*field = d
	case *string:
		if k.Kind == choiceKnob && !slices.Contains(k.Values, value) {
			return k.reject(value, "one of "+strings.Join(k.Values, ", "))
		}
		if k.Kind == textKnob && !isQuotable(value) {
			return k.reject(value, `1 to 100 printable ASCII characters without " and \`)
		}
		*field = value
	}
	return nil
}

func (k *Knob) reject(value, expected string) error {
	return fmt.Errorf("%s %q is not %s", k.Name, value, expected)
}

var sizeUnits = []struct {
	suffix string
	factor int
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}

func (k *Knob) parseInt(value string) (int, bool) {
	factor := 1
	switch k.Kind {
	case rateKnob:
		value = strings.TrimSuffix(value, "/min")
	case sizeKnob:
		for _, u := range sizeUnits {
			if digits, ok := strings.CutSuffix(value, u.suffix); ok {
				value, factor = digits, u.factor
			}
		}
	}
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n > math.MaxInt/uint64(factor) {
		return 0, false
	}
	return int(n) * factor, true
}

func (k *Knob) formatInt(n int) string {
	if k.Kind == sizeKnob {
		for _, u := range slices.Backward(sizeUnits) {
			if n >= u.factor && n%u.factor == 0 {
				return strconv.Itoa(n/u.factor) + u.suffix
			}
		}
	}
	return strconv.Itoa(n)
}

func (k *Knob) numbers() string {
	from, to := k.formatInt(k.min), k.formatInt(k.max)
	switch k.Kind {
	case rateKnob:
		return fmt.Sprintf("a number of requests per minute from %s to %s, such as 15 or 15/min", from, to)
	case sizeKnob:
		return fmt.Sprintf("a size from %s to %s, such as 65536 or 4MiB", from, to)
	}
	return fmt.Sprintf("a number from %s to %s", from, to)
}

// formatDuration writes 30m where the standard library writes 30m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if d != 0 {
		if short, ok := strings.CutSuffix(text, "m0s"); ok {
			text = short + "m"
		}
		if short, ok := strings.CutSuffix(text, "h0m"); ok {
			text = short + "h"
		}
	}
	return text
}

func isQuotable(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return text != "" && len(text) <= 100
}

// hint says which name was probably meant or, when none is near, which there are.
func hint(name, there string, names []string) string {
	if best := cluster.Near(name, names); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return there + " " + strings.Join(names, ", ")
}

package scenarios

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/antchfx/xpath"

	"github.com/risim/risim/sim/cluster"
)

// MaxEvents is the most events to which a scenario may expand: firings of steps, each times its devices.
const MaxEvents = 5_000_000

// Options is what a scenario's words are looked up with. The zero value takes every word that cannot be looked up.
type Options struct {
	// Seed takes the place of the file's; 0 means the file's, and 1 when it has none.
	Seed uint64
	// Model finds a model's number by name or number. Nil means that only numbers are known.
	Model func(nameOrNumber string) (uint32, error)
	// Knob checks a knob of the service and a value for it. Nil means that any will do.
	Knob func(name, value string) error
	// Profiles are the known profiles of the service. Nil means that any will do.
	Profiles []string
	// Faults are the known names of SOAP faults. Nil means that any will do.
	Faults []string
	// Roles are the roles that matter. Any other will do, unless it looks like one of these misspelled.
	Roles []string
	// Advice are the known ids of advice. Nil means that any will do.
	Advice []string
	// Expand makes the devices of a group for devices.add. Nil means that devices.add is refused.
	Expand func(group *DeviceGroup, seed uint64) (cluster.AddDevices, error)
}

// Program is a scenario ready to run. It never changes, and any number of runs may share it.
type Program struct {
	Name    string // "" when the file has none
	Summary string
	Seed    uint64
	Start   time.Time // the zero Time: the file does not say
	Manual  bool      // time is stepped by hand
	Speed   float64   // simulated seconds in a second of the wall; 0: the file does not say
	Profile string    // "" when the file does not say
	Knobs   []Setting // in the order written
	Users   []User
	Cluster *ClusterSpec // as written and checked; nil when the file has none

	// State is how everything stands at the start, in place of Cluster: the section state of a snapshot. Nil when the file has none.
	State *cluster.State

	file  *File
	steps []*step // impairments, timeline, expectations: the order at one instant
	lifts []Text  // ids
}

// Impairs is the id of the first impairment that the program puts in force; "" when it never does.
func (p *Program) Impairs() string {
	for _, s := range p.steps {
		if s.do != nil && s.do.impair != nil {
			return s.id
		}
	}
	return ""
}

// Written is the file that the program was made of. It must not be changed.
func (p *Program) Written() *File { return p.file }

// StateAt is where the section state stands.
func (p *Program) StateAt() Pos { return p.file.stateAt }

// Problem makes a problem of the program's file, with the line as written. The zero Pos is the file's beginning.
func (p *Program) Problem(at Pos, format string, args ...any) Problem {
	one := problems{file: p.file.name, lines: p.file.lines}
	one.add(at, format, args...)
	return one.list[0]
}

// Steps lists the ids of all entries of impairments, timeline and expect, in this order.
func (p *Program) Steps() []string {
	out := make([]string, len(p.steps))
	for i, s := range p.steps {
		out[i] = s.id
	}
	return out
}

// Setting is a knob of the service and a value for it.
type Setting struct{ Knob, Value string }

// String is knob=value.
func (s Setting) String() string { return s.Knob + "=" + s.Value }

// step is an entry of impairments, timeline or expect.
type step struct {
	id    string
	key   string // with which chance is drawn
	mark  Mark
	src   any // as written: *Trouble, *Step or *Expectation
	order int

	when    trigger
	do      *act         // nil for an expectation
	expect  *expectation // nil for anything else
	follows []*step      // whose trigger is after this
}

type triggerKind uint8

const (
	atTime triggerKind = iota
	everyTime
	afterStep
	onRequest
)

type trigger struct {
	kind     triggerKind
	at       time.Duration // at; first of every
	every    time.Duration
	after    *step
	delay    time.Duration
	requests *requests
	from     time.Duration
	until    time.Duration // below 0: no end
	lasts    time.Duration // for; 0: not given
	times    int           // 0: not given
	over     *spread       // nil: at once
}

type compiler struct {
	*problems
	Options
	file  *File
	seed  uint64
	steps []*step
	ids   map[string]*step
	keys  map[string]int
	after []pendingAfter
	lifts []Text

	userNames []Text // of users that must be there when a step comes
}

type pendingAfter struct {
	of *step
	id Text
}

// Compile makes a program of a file, and reports everything that is wrong with it together: the error is Problems.
func Compile(f *File, o Options) (*Program, error) {
	p := &problems{file: f.name, lines: f.lines}
	prog := compile(p, f, o)
	if err := p.err(); err != nil {
		return nil, err
	}
	return prog, nil
}

// Load is Parse and Compile in one, so that the problems of both are reported together.
func Load(name string, data []byte, o Options) (*Program, error) {
	p := &problems{file: name}
	f := parse(p, data)
	if f == nil {
		return nil, p.err()
	}
	prog := compile(p, f, o)
	if err := p.err(); err != nil {
		return nil, err
	}
	return prog, nil
}

// LoadCluster is Load for the cluster section alone, for telling what is wrong with that as well when Load has found problems
// elsewhere. It is nil when there is no such section, or when Load has told of problems in it already.
func LoadCluster(name string, data []byte, o Options) *Program {
	p := &problems{file: name}
	f := parse(p, data)
	if f == nil || f.Cluster == nil {
		return nil
	}
	for _, one := range p.list {
		if one.At.Line >= f.Cluster.At.Line && one.At.Line <= max(f.Cluster.At.Line, f.Cluster.Line) {
			return nil
		}
	}
	only := problems{file: name, lines: p.lines}
	prog := compile(&only, &File{Cluster: f.Cluster, name: name, lines: p.lines}, o)
	if len(only.list) > 0 {
		return nil
	}
	return prog
}

func compile(p *problems, f *File, o Options) *Program {
	c := &compiler{problems: p, Options: o, file: f, ids: map[string]*step{}, keys: map[string]int{}}
	prog := &Program{Name: f.Scenario.Text, Summary: f.Summary.Text, Seed: 1, file: f, Cluster: f.Cluster}
	if f.Seed.Given() {
		n, err := strconv.ParseUint(f.Seed.Text, 10, 64)
		if err != nil || n == 0 {
			c.add(f.Seed.At, "seed %q is not a whole number from 1", f.Seed.Text)
		}
		prog.Seed = n
	}
	if o.Seed != 0 {
		prog.Seed = o.Seed
	}
	c.seed = prog.Seed
	if f.Clock != nil {
		c.clock(prog, f.Clock)
	}
	if f.Service != nil {
		c.service(prog, f.Service)
	}
	if f.Cluster != nil {
		c.cluster(f.Cluster)
		if f.stateAt.Line > 0 {
			c.add(f.stateAt, "the file has the sections cluster and state; expected one or the other")
		}
	}
	prog.State = f.state
	for i, t := range f.Impairments {
		c.trouble(i, t)
	}
	for i, s := range f.Timeline {
		c.timeline(i, s)
	}
	for i, e := range f.Expect {
		c.expectation(i, e)
	}
	c.link()
	prog.steps, prog.lifts = c.steps, c.lifts
	return prog
}

func (c *compiler) clock(prog *Program, k *Clock) {
	if k.Start.Given() {
		t, err := time.Parse(time.RFC3339, k.Start.Text)
		if err != nil {
			c.add(k.Start.At, "start %q is not a time, such as 2026-03-02T08:00:00Z", k.Start.Text)
		}
		prog.Start = t
	}
	prog.Manual = c.word(k.Mode, "mode", []string{"real", "manual"}) == "manual"
	if k.Speed.Given() {
		n, err := parseDecimal(k.Speed.Text)
		if err != nil || n <= 0 || n > 1e6 {
			c.add(k.Speed.At, "speed %q is not a number above 0, such as 1 or 60", k.Speed.Text)
		}
		prog.Speed = n
	}
}

func (c *compiler) service(prog *Program, s *Service) {
	if s.Profile.Given() {
		prog.Profile = s.Profile.Text
		if c.Profiles != nil {
			c.word(s.Profile, "profile", c.Profiles)
		}
	}
	for _, p := range s.Knobs {
		prog.Knobs = append(prog.Knobs, c.knob(p))
	}
	names := map[string]bool{}
	for _, u := range s.Users {
		c.user(u, "a user")
		c.need(&u.Mark, u.Password, "a user", "password")
		if names[u.Name.Text] && u.Name.Given() {
			c.add(u.Name.At, "user %q is given twice", u.Name.Text)
		}
		names[u.Name.Text] = true
		prog.Users = append(prog.Users, *u)
	}
}

// user checks what is written of a user.
func (c *compiler) user(u *User, what string) {
	c.need(&u.Mark, u.Name, what, "name")
	if strings.Contains(u.Name.Text, ":") {
		c.add(u.Name.At, "user %q: a name with a colon cannot log in", u.Name)
	}
	for _, r := range u.Roles {
		if near := cluster.Near(r.Text, c.Roles); near != "" && near != r.Text {
			c.add(r.At, "unknown role %q; did you mean %q?", r, near)
		}
	}
}

func (c *compiler) knob(p Pair) Setting {
	if c.Knob != nil && p.Value.Given() {
		if err := c.Knob(p.Key.Text, p.Value.Text); err != nil {
			c.add(p.Key.At, "%v", err)
		}
	}
	return Setting{p.Key.Text, p.Value.Text}
}

// need complains when a key that must be there is not, unless that may be what was not understood.
func (c *compiler) need(m *Mark, t Text, what, key string) bool {
	if !t.Given() && !m.broken {
		c.add(m.At, "%s has no %s", what, key)
	}
	if t.Given() && t.Text == "" {
		c.add(t.At, "%s of %s is empty", key, what)
	}
	return t.Given() && t.Text != ""
}

// word checks a text against the words that it may be, ignoring case, and gives the word.
func (c *compiler) word(t Text, what string, words []string) string {
	if !t.Given() {
		return ""
	}
	for _, w := range words {
		if strings.EqualFold(w, t.Text) {
			return w
		}
	}
	c.add(t.At, "unknown %s %q; %s", what, t.Text, didYouMean(t.Text, words))
	return ""
}

func (c *compiler) duration(t Text) time.Duration {
	if !t.Given() {
		return 0
	}
	d, err := parseDuration(t.Text)
	if err != nil {
		c.add(t.At, "%v", err)
	}
	return d
}

// positive is duration for what must be above 0.
func (c *compiler) positive(t Text, key string) time.Duration {
	d, err := parseDuration(t.Text)
	switch {
	case !t.Given():
		return 0
	case err != nil:
		c.add(t.At, "%v", err)
	case d == 0:
		c.add(t.At, "%s %q must be more than nothing", key, t.Text)
	}
	return d
}

// whole reads a whole number from lo to hi; when it was not given, otherwise.
func (c *compiler) whole(t Text, key string, lo, hi, otherwise int) int {
	if !t.Given() {
		return otherwise
	}
	n, err := strconv.ParseUint(t.Text, 10, 62)
	if err != nil || int(n) < lo || int(n) > hi {
		c.add(t.At, "%s %q is not a whole number from %d to %d", key, t.Text, lo, hi)
		return otherwise
	}
	return int(n)
}

func (c *compiler) percent(t Text) float64 {
	if !t.Given() {
		return 1
	}
	n, err := parsePercent(t.Text)
	if err != nil {
		c.add(t.At, "%v", err)
	}
	return n
}

func (c *compiler) truth(t Text, key string) bool {
	if t.Given() && t.Text != "true" && t.Text != "false" {
		c.add(t.At, "%s %q is neither true nor false", key, t.Text)
	}
	return t.Text == "true"
}

func (c *compiler) addr(t Text) netip.Addr {
	if !t.Given() {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(t.Text)
	if err != nil {
		c.add(t.At, "%q is not an IP address", t.Text)
	}
	return a.Unmap()
}

// spread compiles a distribution; nil when it was not given or is wrong.
func (c *compiler) spread(s *Spread) *spread {
	if s == nil || s.broken {
		return nil
	}
	kinds := 0
	for _, given := range []bool{s.Fixed.Given(), s.P50.Given() || s.P99.Given() || s.Max.Given(), s.Uniform != nil, s.Choice != nil} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		c.add(s.At, "a distribution is one of 20s, {p50: 20s, p99: 80s, max: 2m}, {uniform: [10s, 40s]} and {choice: {10s: 3, 60s: 1}}")
		return nil
	}
	out := &spread{}
	before := len(c.list) + c.more
	switch {
	case s.Fixed.Given():
		out = fixed(c.duration(s.Fixed))
	case s.Uniform != nil:
		if len(s.Uniform) != 2 {
			c.add(s.Uniform[0].At, "uniform has %d durations; expected the least and the most", len(s.Uniform))
			return nil
		}
		out.lo, out.hi = c.duration(s.Uniform[0]), c.duration(s.Uniform[1])
		if out.lo > out.hi {
			c.add(s.Uniform[0].At, "uniform goes from %s to %s; the least comes first", s.Uniform[0], s.Uniform[1])
		}
	case s.Choice != nil:
		for _, p := range s.Choice {
			out.choice = append(out.choice, weighted[time.Duration]{c.duration(p.Key), c.weight(p)})
		}
		c.weights(s.At, s.Choice)
	default:
		if !s.P50.Given() || !s.P99.Given() {
			c.add(s.At, "a distribution by percentiles needs p50 and p99")
			return nil
		}
		out.p50, out.p99, out.max = c.positive(s.P50, "p50"), c.duration(s.P99), c.duration(s.Max)
		if out.p99 < out.p50 {
			c.add(s.P99.At, "p99 %s is less than p50 %s", s.P99, s.P50)
		}
		if s.Max.Given() && out.max < out.p99 {
			c.add(s.Max.At, "max %s is less than p99 %s", s.Max, s.P99)
		}
	}
	if len(c.list)+c.more > before {
		return nil
	}
	return out
}

func (c *compiler) weight(p Pair) float64 {
	n, err := parseDecimal(strings.TrimSuffix(p.Value.Text, "%"))
	if err != nil && p.Value.Given() {
		c.add(p.Value.At, "weight %q of %s is not a number", p.Value.Text, p.Key)
	}
	return n
}

func (c *compiler) weights(at Pos, ps Pairs) {
	for _, p := range ps {
		if n, err := parseDecimal(strings.TrimSuffix(p.Value.Text, "%")); err != nil || n > 0 {
			return
		}
	}
	if len(ps) == 0 {
		c.add(at, "choice is empty")
		return
	}
	c.add(at, "a choice needs something with a weight above 0")
}

// choice compiles words with weights; nil when not given.
func (c *compiler) choice(ch *Choice, what string, words []string) []weighted[string] {
	if ch == nil || ch.broken {
		return nil
	}
	if ch.Fixed.Given() {
		return []weighted[string]{{c.word(ch.Fixed, what, words), 1}}
	}
	if len(ch.Choice) == 0 {
		c.add(ch.At, "%s is empty; expected a word, or {choice: {a: 1, b: 2}}", what)
		return nil
	}
	var out []weighted[string]
	for _, p := range ch.Choice {
		out = append(out, weighted[string]{c.word(p.Key, what, words), c.weight(p)})
	}
	c.weights(ch.At, ch.Choice)
	return out
}

// name gives a step its id and its key.
func (c *compiler) name(id Text, section string, i int, m Mark, written any) *step {
	s := &step{id: fmt.Sprintf("%s[%d]", section, i), mark: m, src: written, order: len(c.steps)}
	if id.Given() {
		switch other, twice := c.ids[id.Text]; {
		case !idPattern.MatchString(id.Text):
			c.add(id.At, "id %q is not a word of letters, digits, - and _ that begins with a letter", id.Text)
		case twice:
			c.add(id.At, "id %q is taken by line %d", id.Text, other.mark.At.Line)
		default:
			c.ids[id.Text] = s
		}
		s.id, s.key = id.Text, id.Text
	} else {
		s.key = fmt.Sprintf("%s %s", section, m.text)
		c.keys[s.key]++
		s.key += fmt.Sprintf("#%d", c.keys[s.key])
	}
	c.steps = append(c.steps, s)
	return s
}

var idPattern = regexp.MustCompile(`^[A-Za-z][\w-]*$`)

// trigger compiles when a step fires. lasting says that what it does goes on, so that for makes sense; perDevice, that
// over does. standing is an impairment's: without a trigger it begins at the start.
func (c *compiler) trigger(s *step, t *Trigger, lasting, perDevice, standing bool) {
	w := &s.when
	w.until = -1
	var given []string
	for _, k := range []struct {
		key string
		ok  bool
	}{{"at", t.When.Given()}, {"every", t.Every.Given()}, {"after", t.After.Given()}, {"requests", t.Requests != nil}} {
		if k.ok {
			given = append(given, k.key)
		}
	}
	switch {
	case len(given) > 1:
		c.add(s.mark.At, "%s has the triggers %s; expected one of them", s.id, strings.Join(given, " and "))
		return
	case len(given) == 0 && !standing:
		if !s.mark.broken {
			c.add(s.mark.At, "%s never fires: it has none of at, every, after and requests", s.id)
		}
		return
	}
	kind := ""
	if len(given) == 1 {
		kind = given[0]
	}
	only := func(t Text, key string, ok bool, with string) bool {
		if t.Given() && !ok {
			c.add(t.At, "%s goes with %s only", key, with)
		}
		return t.Given() && ok
	}
	// An impairment that counts requests is in force, and counts, from from to until.
	counts := kind == "every" || kind == "requests"
	only(t.Delay, "delay", kind == "after", "after")
	only(t.Times, "times", kind == "every" || kind == "requests" && !standing, "every and requests")
	hasFrom := only(t.From, "from", counts || kind == "" && standing, "every and requests")
	hasUntil := only(t.Until, "until", counts || lasting, "every, requests, impair and churn")
	only(t.For, "for", lasting, "impairments, impair and churn")
	if t.Over != nil && !perDevice {
		c.add(t.Over.At, "over goes with actions on devices only, each of which draws its own delay")
	}
	before := len(c.list) + c.more
	w.delay = c.duration(t.Delay)
	w.from = c.duration(t.From)
	if hasUntil {
		w.until = c.duration(t.Until)
	}
	w.lasts = c.positive(t.For, "for")
	w.times = c.whole(t.Times, "times", 1, 1<<40, 0)
	w.over = c.spread(t.Over)
	switch kind {
	case "", "at":
		w.kind, w.at = atTime, c.duration(t.When)
		if kind == "" {
			w.at = w.from
		}
	case "every":
		w.kind, w.every = everyTime, c.positive(t.Every, "every")
		if w.at = w.every; hasFrom {
			w.at = w.from
		}
		if !t.Times.Given() && !t.Until.Given() {
			c.add(t.Every.At, "%s goes on for ever: every needs times or until", s.id)
		}
		if w.lasts > w.every {
			c.add(t.For.At, "for %s is longer than every %s: the next begins before the last has ended", t.For, t.Every)
		}
	case "after":
		w.kind = afterStep
		c.after = append(c.after, pendingAfter{s, t.After})
	case "requests":
		w.requests = c.requests(t.Requests)
		if standing {
			w.kind, w.at = atTime, w.from
			break
		}
		w.kind = onRequest
		if r := w.requests; r.to == 0 && w.times == 0 && w.until < 0 && !t.Requests.broken {
			c.add(t.Requests.At, "%s goes on for ever: requests needs to, times or until", s.id)
		}
	}
	if len(c.list)+c.more == before && w.until >= 0 && w.until < w.at {
		c.add(t.Until.At, "%s never fires: it begins at %s and ends at %s", s.id, offset(w.at), t.Until)
	}
}

func (c *compiler) requests(r *RequestCount) *requests {
	out := &requests{match: c.match(r.Match)}
	out.from = c.whole(r.From, "from", 1, 1<<40, 1)
	out.to = c.whole(r.To, "to", 1, 1<<40, 0)
	out.every = c.whole(r.Every, "every", 1, 1<<40, 0)
	if r.To.Given() && out.to > 0 && out.to < out.from {
		c.add(r.To.At, "requests go from %d to %d: that is none", out.from, out.to)
	}
	if r.Every.Given() && out.to > 0 && out.every > out.to {
		c.add(r.Every.At, "requests never fires: every %d, but only to %d", out.every, out.to)
	}
	return out
}

var operations = []string{"selectCmDevice", "selectCmDeviceExt", "selectCtiItem"}

func (c *compiler) match(m *RequestMatch) *match {
	if m == nil {
		return nil
	}
	out := &match{nodes: c.patterns(m.Node, "node"), users: c.patterns(m.User, "user"), src: m}
	for _, t := range m.Operation {
		out.operations = append(out.operations, c.word(t, "operation", operations))
	}
	if m.XPath.Given() {
		x, err := xpath.Compile(m.XPath.Text)
		if err != nil {
			c.add(m.XPath.At, "xpath %q cannot be read: %v", m.XPath.Text, err)
		}
		out.xpath = x
	}
	return out
}

// enum reads words of an enumeration.
func enum[T interface {
	~uint8
	fmt.Stringer
}](c *compiler, ts Texts, what string, last T) []T {
	var out []T
	all := words(last)
	for _, t := range ts {
		if w := c.word(t, what, all); w != "" {
			out = append(out, T(slices.Index(all, w)+1))
		}
	}
	return out
}

func (c *compiler) model(t Text) uint32 {
	if !t.Given() {
		return 0
	}
	if c.Model == nil {
		return uint32(c.whole(t, "model", 1, 1<<31, 0))
	}
	n, err := c.Model(t.Text)
	if err != nil {
		c.add(t.At, "%v", err)
	}
	return n
}

func (c *compiler) patterns(ts Texts, key string) patterns {
	p := newPatterns(ts)
	if n := len(p.wild); n > maxWild {
		c.add(ts[0].At, "%s has %s texts with a *, and at most %s are compared", key, grouped(float64(n)), grouped(maxWild))
	}
	return p
}

func (c *compiler) where(w *Where) *where {
	if w == nil {
		return &where{}
	}
	out := &where{
		groups: c.patterns(w.Group, "group"), names: c.patterns(w.Name, "name"), descriptions: c.patterns(w.Description, "description"), loads: c.patterns(w.Load, "load"),
		classes:   enum(c, w.Class, "class", cluster.UnknownClass),
		protocols: enum(c, w.Protocol, "protocol", cluster.UnknownProtocol),
		statuses:  enum(c, w.Status, "status", cluster.UnknownStatus),
		downloads: enum(c, w.Download, "download state", cluster.UnknownDownload),
		src:       w,
	}
	numbers := slices.Clone(w.Number)
	for i := range numbers {
		numbers[i].Text = strings.ReplaceAll(numbers[i].Text, `\+`, "+")
	}
	out.numbers = c.patterns(numbers, "number")
	for _, t := range w.Node {
		out.nodes = append(out.nodes, fold(t.Text))
	}
	for _, t := range w.Model {
		out.models = append(out.models, c.model(t))
	}
	if len(keysGiven(w)) == 0 && !w.broken {
		c.add(w.At, "where says nothing; leave it out for all devices")
	}
	return out
}

// keysGiven lists the keys of a struct of file.go that were written.
func keysGiven(written any) []string {
	v := reflect.Indirect(reflect.ValueOf(written))
	var out []string
	for _, key := range keysOf(v.Type()) {
		if f, ok := field(v, key); ok && !f.IsZero() {
			out = append(out, key)
		}
	}
	return out
}

func (c *compiler) trouble(i int, t *Trouble) {
	s := c.name(t.ID, "impairments", i, t.Mark, t)
	c.trigger(s, &t.Trigger, true, false, true)
	imp := c.ails(s, &t.Ails, t.Requests, s.when.requests)
	imp.Written = flow(t, append([]string{"requests"}, keysOf(reflect.TypeOf(t.Ails))...)...)
	if s.when.kind == everyTime && s.when.lasts == 0 && !t.broken {
		c.add(t.Every.At, "an impairment with every needs for: how long it lasts each time")
	}
	s.do = &act{verb: "impair", impair: imp, detail: t.Ails.summary()}
}

func (a *Ails) summary() string {
	var said []string
	for _, key := range keysGiven(a) {
		if key != "match" && key != "chance" {
			said = append(said, key)
		}
	}
	text := strings.Join(said, ", ")
	if a.Chance.Given() {
		text += " for " + a.Chance.Text
	}
	return text
}

// ails compiles an impairment, but for Written. counted is what it counts requests by, written and made ready; nil: it hits all.
func (c *compiler) ails(s *step, a *Ails, written *RequestCount, counted *requests) *Impairment {
	i := &Impairment{ID: s.id, requests: counted, key: s.key, at: s.mark.At, seed: chance(c.seed), Reset: -1, Truncate: -1}
	i.match = c.match(a.Match)
	if written != nil && written.Match != nil && a.Match != nil {
		c.add(a.Match.At, "match is given here and in requests; one of them is enough")
	}
	i.share = c.percent(a.Chance)
	i.latency = c.spread(a.Latency)
	if d := a.Dribble; d != nil {
		if c.need(&d.Mark, d.Bytes, "dribble", "bytes") && c.need(&d.Mark, d.Every, "dribble", "every") {
			i.Dribble = &SlowAnswer{c.whole(d.Bytes, "bytes", 1, 1<<30, 1), c.positive(d.Every, "every")}
		}
	}
	cut := func(k *Cut, what string) int {
		if k == nil || !c.need(&k.Mark, k.AfterBytes, what, "afterBytes") {
			return -1
		}
		return c.whole(k.AfterBytes, "afterBytes", 0, 1<<30, -1)
	}
	i.Reset, i.Truncate = cut(a.Reset, "reset"), cut(a.Truncate, "truncate")
	i.Status = c.whole(a.Status, "status", 200, 599, 0)
	if f := a.Fault; f != nil {
		switch {
		case f.Name.Given() && (f.Code.Given() || f.Text.Given()):
			c.add(f.At, "fault has a name and a code or text; expected one or the other")
		case f.Name.Given():
			i.FaultName = c.fault(f.Name)
		default:
			if c.need(&f.Mark, f.Code, "fault", "code") && c.need(&f.Mark, f.Text, "fault", "text") {
				i.FaultCode, i.FaultText = f.Code.Text, f.Text.Text
			}
		}
	}
	truth := func(t Text, key string) bool {
		if t.Text == "false" {
			c.add(t.At, "%s false is no trouble; leave it out", key)
		}
		return c.truth(t, key)
	}
	i.Malformed = truth(a.Malformed, "malformed")
	i.Stall = c.positive(a.Stall, "stall")
	i.Refuse = truth(a.Refuse, "refuse")
	i.TLS = c.word(a.TLS, "TLS trouble", []string{"expired", "wrongName"})
	i.ExpireSession = truth(a.ExpireSession, "expireSession")
	if i.ofConnections() && (!i.match.onlyNodes() || counted != nil) {
		c.add(s.mark.At, "%s refuses connections or breaks TLS, when there is no request yet: match can tell the node only, and there is nothing to count", s.id)
	}
	if i.Refuse && (a.Latency != nil || a.Dribble != nil) {
		c.add(s.mark.At, "%s refuses connections: there is no answer that could come later or slowly", s.id)
	}
	var ends, all []string
	for _, key := range keysGiven(a) {
		switch key {
		case "match", "chance":
		case "latency", "dribble":
			all = append(all, key)
		default:
			all, ends = append(all, key), append(ends, key)
		}
	}
	if len(ends) > 1 {
		c.add(s.mark.At, "%s has %s; an answer can have one of them, with latency and dribble", s.id, strings.Join(ends, " and "))
	}
	if len(all) == 0 && !s.mark.broken {
		c.add(s.mark.At, "%s has no trouble: none of %s", s.id, list(keysOf(reflect.TypeOf(Ails{}))[2:]))
	}
	return i
}

func (c *compiler) fault(t Text) string {
	if c.Faults == nil {
		return t.Text
	}
	return c.word(t, "fault", c.Faults)
}

// link resolves what refers to other steps, and refuses what never ends or is too much.
func (c *compiler) link() {
	known := make([]string, 0, len(c.ids))
	for _, s := range c.steps {
		if c.ids[s.id] == s {
			known = append(known, s.id)
		}
	}
	unknown := func(t Text) {
		hint := "no step has an id"
		if len(known) > 0 {
			hint = didYouMean(t.Text, known)
		}
		c.add(t.At, "unknown step %q; %s", t.Text, hint)
	}
	find := func(id string) *step {
		if s := c.ids[id]; s != nil {
			return s
		}
		for _, s := range c.steps {
			if s.id == id {
				return s
			}
		}
		return nil
	}
	for _, p := range c.after {
		switch s := find(p.id.Text); {
		case s == nil:
			unknown(p.id)
		case s.do == nil:
			c.add(p.id.At, "%q is an expectation, which nothing can come after", p.id.Text)
		default:
			p.of.when.after = s
			s.follows = append(s.follows, p.of)
		}
	}
	for _, t := range c.lifts {
		if c.file.byHand {
			break // see Program.CheckLift
		}
		if s := find(t.Text); s == nil {
			unknown(t)
		} else if s.do == nil || s.do.verb != "impair" {
			c.add(t.At, "%q is no impairment", t.Text)
		}
	}
	c.linkUsers()
	for _, p := range c.after {
		seen := 0
		for s := p.of; s != nil && s.when.kind == afterStep; s = s.when.after {
			if seen++; seen > len(c.steps) {
				c.add(p.id.At, "%s never fires: it comes after itself", p.of.id)
				p.of.when.after = nil
				break
			}
		}
	}
	if len(c.list) > 0 {
		return
	}
	for _, s := range c.steps {
		if n := s.events(); n > MaxEvents {
			c.add(s.mark.At, "%s comes to %s events, and at most %s are run", s.id, grouped(n), grouped(MaxEvents))
			return
		}
	}
}

// linkUsers finds names that no user can have when a step needs one. Without users in the file it is not known who there is.
func (c *compiler) linkUsers() {
	if c.file.Service == nil || len(c.file.Service.Users) == 0 {
		return
	}
	var known []string
	for _, u := range c.file.Service.Users {
		known = append(known, u.Name.Text)
	}
	for _, s := range c.steps {
		if s.do != nil && s.do.user != nil && (s.do.user.Password.Given() || s.do.user.broken) {
			known = append(known, s.do.user.Name.Text)
		}
	}
	for _, t := range c.userNames {
		if t.Given() && !slices.Contains(known, t.Text) {
			c.add(t.At, "unknown user %q; %s", t.Text, didYouMean(t.Text, unique(known)))
		}
	}
}

// firings is how often a step fires at the most.
func (s *step) firings() float64 {
	n := 1.0
	switch w := s.when; w.kind {
	case everyTime:
		if n = float64(w.times); w.until >= 0 && w.every > 0 {
			if by := float64((w.until-w.at)/w.every) + 1; n == 0 || by < n {
				n = by
			}
		}
	case afterStep:
		if w.after != nil {
			n = w.after.firings()
		}
	case onRequest:
		if w.requests.to > 0 {
			n = float64(w.requests.to - w.requests.from + 1)
		}
		if w.times > 0 && (w.requests.to == 0 || float64(w.times) < n) {
			n = float64(w.times)
		}
	}
	return n
}

// events is what all firings of a step come to, as far as the file tells: devices come on top of it.
func (s *step) events() float64 {
	n := s.firings()
	if s.do != nil && s.do.every > 0 {
		n *= max(1, float64(s.churns()/s.do.every))
	}
	return n
}

// end is when a firing that begins at the time from ends what it keeps going; below 0: never.
func (s *step) end(from time.Duration) time.Duration {
	w, end := &s.when, time.Duration(-1)
	if w.lasts > 0 {
		end = from + w.lasts
	}
	// With every, until bounds when trouble begins, and when churn is.
	if w.until >= 0 && (w.kind != everyTime || s.do.every > 0) && (end < 0 || w.until < end) {
		end = w.until
	}
	return end
}

// churns is how long the churn of one firing goes on at the most.
func (s *step) churns() time.Duration {
	w := &s.when
	if w.lasts == 0 {
		return max(0, w.until-w.at)
	}
	return w.lasts
}

// grouped writes 5,184,000.
func grouped(n float64) string {
	text := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// offset writes a time from the start as hours, minutes and seconds, with milliseconds if there are any.
func offset(d time.Duration) string {
	text := fmt.Sprintf("%02d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	if ms := d.Milliseconds() % 1000; ms != 0 {
		text += fmt.Sprintf(".%03d", ms)
	}
	return text
}

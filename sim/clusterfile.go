package sim

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/risim/risim/fixtures"
)

// ClusterFile writes a layout as a file that a scenario can name (cluster: ./site.yaml), and that is a scenario by itself. Read
// with the same seed it makes the cluster that [fixtures.Build] makes of the layout. comment is what stands at its top, a
// line or several. The error tells of what the language of scenarios has no words for.
func ClusterFile(l fixtures.Layout, comment string) ([]byte, error) {
	w := &clusterWriter{}
	for line := range strings.Lines(comment) {
		fmt.Fprintf(&w.b, "# %s\n", strings.TrimSuffix(line, "\n"))
	}
	w.b.WriteString("cluster:\n")
	w.section("nodes", len(l.Nodes), func(i int) {
		n := l.Nodes[i]
		w.text("name", n.Name)
		w.text("role", n.Role)
		w.text("address", n.Address)
		w.text("address6", n.Address6)
	})
	w.section("devices", len(l.Groups), func(i int) { w.group(l.Groups[i]) })
	w.section("applications", len(l.Applications), func(i int) { w.application(l.Applications[i]) })
	if len(w.problems) > 0 {
		return nil, errors.Join(w.problems...)
	}
	return []byte(w.b.String()), nil
}

// clusterWriter writes rows, each a mapping on one line.
type clusterWriter struct {
	b        strings.Builder
	row      []string // key: value
	problems []error
}

func (w *clusterWriter) section(name string, n int, row func(i int)) {
	if n > 0 {
		fmt.Fprintf(&w.b, "  %s:\n", name)
	}
	for i := range n {
		w.row = nil
		row(i)
		fmt.Fprintf(&w.b, "    - {%s}\n", strings.Join(w.row, ", "))
	}
}

// put writes a value as it is; text one that is a text, and texts a list of them. What is empty is left out.
func (w *clusterWriter) put(key, value string) { w.row = append(w.row, key+": "+value) }

func (w *clusterWriter) text(key, text string) {
	if text != "" {
		w.put(key, yamlText(text))
	}
}

func (w *clusterWriter) texts(key string, texts []string) {
	if len(texts) > 0 {
		w.put(key, yamlList(texts))
	}
}

func (w *clusterWriter) wrong(format string, args ...any) {
	w.problems = append(w.problems, fmt.Errorf(format, args...))
}

func (w *clusterWriter) group(g fixtures.Group) {
	w.text("group", g.Name)
	if g.Count != 0 || len(g.Names) == 0 {
		w.put("count", strconv.Itoa(max(1, g.Count))) // one is what 0 means
	}
	w.texts("names", g.Names)
	if g.MACs != "" {
		w.put("macs", "{from: "+yamlText(g.MACs)+"}")
	}
	w.text("class", g.Class)
	if g.Model == "" && g.Class == "" {
		w.put("class", "Phone") // likewise
	}
	w.text("model", g.Model)
	w.text("protocol", g.Protocol)
	switch l := g.Lines; {
	case len(l.List) == 1:
		w.put("lines", yamlList(l.List[0]))
	case len(l.List) > 1:
		w.wrong("group %q: a file cannot say the lines of each device", g.Name)
	case l.PerDevice > 1:
		w.put("lines", fmt.Sprintf("{from: %s, perDevice: %d}", yamlText(l.From), l.PerDevice))
	case l.From != "":
		w.put("lines", "{from: "+yamlText(l.From)+"}")
	}
	w.text("description", g.Description)
	w.texts("homes", g.Homes)
	if len(g.Status) == 1 {
		w.text("status", g.Status[0].Status)
	} else if len(g.Status) > 1 {
		var weights []string
		for _, s := range g.Status {
			weights = append(weights, yamlText(s.Status)+": "+strconv.FormatFloat(s.Weight, 'f', -1, 64))
		}
		w.put("status", "{choice: {"+strings.Join(weights, ", ")+"}}")
	}
	w.text("reason", g.Reason)
	w.text("load", g.Load)
	if a := g.Addresses + g.Addresses6; a != "" {
		if g.Addresses != "" && g.Addresses6 != "" || strings.Contains(a, "/") {
			w.wrong("group %q: a file cannot say networks, nor IPv4 and IPv6 addresses together", g.Name)
		}
		w.put("addresses", "{from: "+yamlText(a)+"}")
	}
	if g.Naming != "" {
		w.wrong("group %q: a file cannot say how devices are named", g.Name)
	}
}

func (w *clusterWriter) application(a fixtures.Application) {
	w.text("name", a.Name)
	w.text("user", a.User)
	w.text("address", a.Address)
	if a.Instance != 0 {
		w.put("instance", strconv.FormatUint(uint64(a.Instance), 10))
	}
	w.text("node", a.Node)
	if a.Node == "" {
		w.wrong("application %q: a file has to say its node", a.Name)
	}
	w.text("status", a.Status)
	if len(a.Opens) > 1 {
		w.wrong("application %q: a file can say once what it has open", a.Name)
	}
	for _, o := range a.Opens[:min(1, len(a.Opens))] {
		row := w.row
		w.row = nil
		w.text("group", o.Group)
		w.texts("names", o.Names)
		if o.Share > 0 {
			w.put("share", strconv.FormatFloat(math.Round(o.Share*1e6)/1e4, 'f', -1, 64)+"%")
		}
		if o.Lines {
			w.put("lines", "true")
		}
		if o.ControlsMedia {
			w.wrong("application %q: a file cannot say that it controls media", a.Name)
		}
		w.row = append(row, "opens: {"+strings.Join(w.row, ", ")+"}")
	}
}

// plainYAML is a text that every reader of YAML takes for that text, within braces too.
var plainYAML = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9 _./+-]*[A-Za-z0-9_./+-])?$`)

// yamlText is a text as YAML.
func yamlText(text string) string {
	words := []string{"true", "false", "null", "on", "off", "yes", "no", "y", "n"}
	if plainYAML.MatchString(text) && !slices.Contains(words, strings.ToLower(text)) || addressYAML.MatchString(text) {
		return text
	}
	return strconv.Quote(text) // whose escapes are YAML's too
}

// addressYAML is an IPv4 address, which looks like nothing else.
var addressYAML = regexp.MustCompile(`^[0-9]+(\.[0-9]+){3}$`)

func yamlList(texts []string) string {
	var out []string
	for _, t := range texts {
		out = append(out, yamlText(t))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

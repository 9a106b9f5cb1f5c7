package wsdl

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// X2: the answers can only be valid if the contract is the real one. This compares ours with the list of facts.
func TestRISService70_SaysTheFacts(t *testing.T) {
	if diff := cmp.Diff(wantFacts(t), facts(parse(t, RISService70()))); diff != "" {
		t.Errorf("RISService70.wsdl differs from testdata/schema-facts.txt (-want +got):\n%s", diff)
	}
}

// A comparison that overlooks a change is worth nothing. Every element is taken out, doubled and renamed, and every attribute
// is changed and taken out; each time the facts must come out different.
func TestFacts_NoticeEveryChange(t *testing.T) {
	want := wantFacts(t)
	root := parse(t, RISService70())
	tried := 0
	notice := func(what string) {
		tried++
		if facts(root) == want {
			t.Errorf("unnoticed: %s", what)
		}
	}
	var visit func(n *node)
	visit = func(n *node) {
		for i := range n.Attrs {
			a := n.Attrs[i]
			n.Attrs[i].Value = a.Value + "x"
			notice(fmt.Sprintf("%s %v %s=%q changed", n.XMLName.Local, n.Attrs, a.Name.Local, a.Value))
			n.Attrs[i] = a

			if a.Name.Space == "xmlns" {
				continue // the names are resolved already; TestSchema_StandsAlone looks at the declarations
			}
			attrs := n.Attrs
			n.Attrs = slices.Delete(slices.Clone(attrs), i, i+1)
			notice(fmt.Sprintf("%s %v without %s=%q", n.XMLName.Local, n.Attrs, a.Name.Local, a.Value))
			n.Attrs = attrs
		}
		n.Attrs = append(n.Attrs, xml.Attr{Name: xml.Name{Local: "extra"}, Value: "1"})
		notice(fmt.Sprintf("%s %v", n.XMLName.Local, n.Attrs))
		n.Attrs = n.Attrs[:len(n.Attrs)-1]

		text := n.Text
		n.Text += "stray"
		notice(fmt.Sprintf("%s %v with stray text", n.XMLName.Local, n.Attrs))
		n.Text = text

		name := n.XMLName
		n.XMLName.Space += "x"
		notice(fmt.Sprintf("%s %v in another namespace", n.XMLName.Local, n.Attrs))
		n.XMLName = name

		for i, child := range n.Nodes {
			nodes := n.Nodes
			n.Nodes = slices.Delete(slices.Clone(nodes), i, i+1)
			notice(fmt.Sprintf("%s %v gone", child.XMLName.Local, child.Attrs))
			n.Nodes = slices.Insert(slices.Clone(nodes), i, child)
			notice(fmt.Sprintf("%s %v doubled", child.XMLName.Local, child.Attrs))
			n.Nodes = nodes
			visit(child)
		}
	}
	visit(root)
	require.Greater(t, tried, 2000, "the document has hundreds of elements")
	require.Equal(t, want, facts(root), "the walk must leave the tree as it was")
}

// The facts hold the path of the service only; the rest of the address is this.
func TestRISService70_Address(t *testing.T) {
	require.Equal(t, "https://localhost:8443/realtimeservice2/services/RISService70", location(t, RISService70()))
}

func TestWithAddress(t *testing.T) {
	for _, address := range []string{
		"http://127.0.0.1:41234/realtimeservice2/services/RISService70",
		"https://[::1]:8443/realtimeservice2/services/RISService70",
		`https://host/a"b'c?d&e<f>g`,
	} {
		got := WithAddress(address)
		require.Equal(t, address, location(t, got), "location as a client reads it")
		require.NotContains(t, string(got), "localhost")
	}
	require.Equal(t, "https://localhost:8443/realtimeservice2/services/RISService70", location(t, RISService70()),
		"WithAddress must leave the document alone")

	changed := WithAddress("https://cucm-pub:8443/realtimeservice2/services/RISService70")
	require.Equal(t, wantFacts(t), facts(parse(t, changed)), "nothing but the host may change")
}

func TestSchema_StandsAlone(t *testing.T) {
	alone := parse(t, Schema())
	require.Equal(t, xml.Name{Space: nsXSD, Local: "schema"}, alone.XMLName)

	scope := prefixes(alone, nil)
	require.Equal(t, nsXSD, scope["xsd"])
	require.Equal(t, nsRIS, scope["tns"])

	inside := parse(t, RISService70()).child("types").child("schema")
	require.Equal(t, inside, alone, "the schema cut out must be the one inside")
	require.Len(t, alone.named("element"), 5)
}

// --- A document reduced to its facts.

const (
	nsWSDL = "http://schemas.xmlsoap.org/wsdl/"
	nsSOAP = "http://schemas.xmlsoap.org/wsdl/soap/"
	nsXSD  = "http://www.w3.org/2001/XMLSchema"
	nsRIS  = "http://schemas.cisco.com/ast/soap"
)

// shapes is every place an element may stand at, with the attributes it must have, and after the bar those it may have.
// Where it begins with a star the place may be taken more than once.
var shapes = readShapes(`
/definitions                                                  name targetNamespace
/definitions/types
/definitions/types/schema                                     targetNamespace elementFormDefault
/definitions/types/schema/element                             * name
/definitions/types/schema/element/complexType
/definitions/types/schema/element/complexType/sequence
/definitions/types/schema/element/complexType/sequence/element * name type | minOccurs maxOccurs nillable
/definitions/types/schema/complexType                         * name
/definitions/types/schema/complexType/sequence
/definitions/types/schema/complexType/sequence/element        * name type | minOccurs maxOccurs nillable
/definitions/types/schema/simpleType                          * name
/definitions/types/schema/simpleType/restriction              base
/definitions/types/schema/simpleType/restriction/enumeration  * value
/definitions/message                                          * name
/definitions/message/part                                     name element
/definitions/portType                                         name
/definitions/portType/operation                               * name
/definitions/portType/operation/input                         name message
/definitions/portType/operation/output                        name message
/definitions/binding                                          name type
/definitions/binding/soap:binding                             style transport
/definitions/binding/operation                                * name
/definitions/binding/operation/soap:operation                 soapAction style
/definitions/binding/operation/input                          name
/definitions/binding/operation/input/soap:body                use
/definitions/binding/operation/output                         name
/definitions/binding/operation/output/soap:body               use
/definitions/service                                          name
/definitions/service/port                                     name binding
/definitions/service/port/soap:address                        location
`)

type shape struct {
	many      bool
	must, may []string
}

func readShapes(table string) map[string]shape {
	shapes := map[string]shape{}
	for line := range strings.Lines(strings.TrimSpace(table)) {
		path, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest, many := strings.CutPrefix(strings.TrimSpace(rest), "*")
		must, may, _ := strings.Cut(rest, "|")
		shapes[path] = shape{many, strings.Fields(must), strings.Fields(may)}
	}
	return shapes
}

// step is how an element is written in a path of shapes. The schema's own elements stand below types and nowhere else.
func step(parent string, n *node) string {
	switch n.XMLName.Space {
	case nsSOAP:
		return parent + "/soap:" + n.XMLName.Local
	case nsXSD, nsWSDL:
		if (n.XMLName.Space == nsXSD) == strings.HasPrefix(parent, "/definitions/types") {
			return parent + "/" + n.XMLName.Local
		}
	}
	return parent + "/" + n.XMLName.Space + " " + n.XMLName.Local
}

type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Nodes   []*node    `xml:",any"`
	Text    string     `xml:",chardata"`
}

func (n *node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name == (xml.Name{Local: name}) {
			return a.Value
		}
	}
	return ""
}

func (n *node) named(local string) []*node {
	var found []*node
	for _, child := range n.Nodes {
		if child.XMLName.Local == local {
			found = append(found, child)
		}
	}
	return found
}

// child returns the first child of that name, or an empty node: what is missing shows as missing facts.
func (n *node) child(local string) *node {
	if found := n.named(local); len(found) > 0 {
		return found[0]
	}
	return &node{}
}

// reducer turns a contract into facts. What it does not understand becomes a line that begins with "?", which no fact does.
type reducer struct {
	lines    []string
	declared map[string]bool             // "type CmDevice", "message selectCmDeviceRequest"
	scopes   map[*node]map[string]string // the prefixes in force at an element
}

func facts(root *node) string {
	r := &reducer{declared: map[string]bool{}, scopes: map[*node]map[string]string{}}
	r.survey("", root, nil)

	schema := root.child("types").child("schema")
	r.linef("targetNamespace %s", root.attr("targetNamespace"))
	r.linef("schema %s elementFormDefault=%s", schema.attr("targetNamespace"), schema.attr("elementFormDefault"))
	for _, n := range sorted(schema.named("complexType")) {
		r.linef("complexType %s", n.attr("name"))
		r.fields(n)
	}
	for _, n := range sorted(schema.named("element")) {
		r.linef("element %s", n.attr("name"))
		r.fields(n.child("complexType"))
	}
	for _, n := range sorted(schema.named("simpleType")) {
		r.linef("simpleType %s %s", n.attr("name"), r.ref(n.child("restriction"), "base", "type"))
		for _, value := range n.child("restriction").Nodes {
			r.linef("  %s", value.attr("value"))
		}
	}
	for _, n := range sorted(root.named("message")) {
		part := n.child("part")
		r.linef("message %s part %s element %s", n.attr("name"), part.attr("name"), r.ref(part, "element", "element"))
	}

	port := root.child("portType")
	r.linef("portType %s", port.attr("name"))
	for _, op := range sorted(port.named("operation")) {
		in, out := op.child("input"), op.child("output")
		r.linef("  operation %s input %s %s output %s %s", op.attr("name"),
			in.attr("name"), r.ref(in, "message", "message"), out.attr("name"), r.ref(out, "message", "message"))
	}
	r.binding(root.child("binding"), port)

	service := root.child("service")
	address := service.child("port").child("address").attr("location")
	_, path, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://"), "/")
	r.linef("service %s port %s binding %s path %s", service.attr("name"), service.child("port").attr("name"),
		r.ref(service.child("port"), "binding", "binding"), path)
	if root.attr("name") != service.attr("name") {
		r.linef("? definitions are named %q, the service %q", root.attr("name"), service.attr("name"))
	}
	return strings.Join(r.lines, "\n") + "\n"
}

func (r *reducer) linef(format string, args ...any) {
	r.lines = append(r.lines, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// survey checks that every element stands where it may, with the attributes it may have, and notes what is declared.
func (r *reducer) survey(parent string, n *node, scope map[string]string) {
	scope = prefixes(n, scope)
	r.scopes[n] = scope
	path := step(parent, n)

	allowed, known := shapes[path]
	if !known {
		r.linef("? unexpected %s", path)
	}
	for _, name := range allowed.must {
		if n.attr(name) == "" {
			r.linef("? %s without %s", path, name)
		}
	}
	for _, a := range n.Attrs {
		declares := a.Name.Space == "xmlns" && slices.Contains([]string{nsWSDL, nsSOAP, nsXSD, nsRIS}, a.Value)
		knows := a.Name.Space == "" && (slices.Contains(allowed.must, a.Name.Local) || slices.Contains(allowed.may, a.Name.Local))
		if !declares && !knows {
			r.linef("? %s with %s=%q", path, a.Name.Local, a.Value)
		}
	}
	if text := strings.TrimSpace(n.Text); text != "" {
		r.linef("? %s with text %q", path, text)
	}
	seen := map[string]bool{}
	for _, child := range n.Nodes {
		at := step(path, child)
		if seen[at] && !shapes[at].many {
			r.linef("? more than one %s", at)
		}
		seen[at] = true
	}
	switch local := n.XMLName.Local; {
	case local == "complexType" || local == "simpleType":
		r.declared["type "+n.attr("name")] = true
	case parent == "" || local == "part":
	default:
		r.declared[local+" "+n.attr("name")] = true
	}
	for _, child := range n.Nodes {
		r.survey(path, child, scope)
	}
}

// ref reads a qualified name. It must lead to a type of XML Schema that the contract uses, or to something declared here.
func (r *reducer) ref(n *node, attr, kind string) string {
	prefix, local, _ := strings.Cut(n.attr(attr), ":")
	switch space := r.scopes[n][prefix]; {
	case space == nsXSD && kind == "type" && slices.Contains([]string{"string", "boolean", "unsignedInt"}, local):
	case space == nsRIS && r.declared[kind+" "+local]:
	default:
		r.linef("? %s %s=%q leads nowhere", n.XMLName.Local, attr, n.attr(attr))
	}
	return local
}

// fields lists the elements of a sequence in their order.
func (r *reducer) fields(complexType *node) {
	for _, n := range complexType.child("sequence").Nodes {
		least, most, nillable := n.attr("minOccurs"), n.attr("maxOccurs"), ""
		if least == "" {
			least = "1"
		}
		switch most {
		case "":
			most = "1"
		case "unbounded":
			most = "*"
		}
		switch n.attr("nillable") {
		case "", "false":
		case "true":
			nillable = " nillable"
		default:
			r.linef("? nillable=%q", n.attr("nillable"))
		}
		r.linef("  %s %s %s..%s%s", n.attr("name"), r.ref(n, "type", "type"), least, most, nillable)
	}
}

// binding lists how the operations travel, and checks what the facts leave out: that the binding repeats the names of the port
// type and says one style and one use throughout.
func (r *reducer) binding(n, port *node) {
	style := n.child("binding").attr("style")
	r.linef("binding %s type %s style %s transport %s", n.attr("name"), r.ref(n, "type", "portType"), style, n.child("binding").attr("transport"))
	for _, op := range sorted(n.named("operation")) {
		in, out, action := op.child("input"), op.child("output"), op.child("operation")
		use := in.child("body").attr("use")
		r.linef("  operation %s soapAction %s use %s", op.attr("name"), action.attr("soapAction"), use)

		same := slices.ContainsFunc(port.named("operation"), func(p *node) bool {
			return p.attr("name") == op.attr("name") && p.child("input").attr("name") == in.attr("name") &&
				p.child("output").attr("name") == out.attr("name")
		})
		if !same || out.child("body").attr("use") != use || action.attr("style") != style {
			r.linef("? binding of %s differs from the port type, or within itself", op.attr("name"))
		}
	}
}

func sorted(nodes []*node) []*node {
	return slices.SortedStableFunc(slices.Values(nodes), func(a, b *node) int {
		return strings.Compare(a.attr("name"), b.attr("name"))
	})
}

// prefixes returns the namespace prefixes in force inside n.
func prefixes(n *node, outer map[string]string) map[string]string {
	scope := outer
	for _, a := range n.Attrs {
		if a.Name.Space == "xmlns" {
			if scope = maps.Clone(scope); scope == nil {
				scope = map[string]string{}
			}
			scope[a.Name.Local] = a.Value
		}
	}
	return scope
}

func parse(t *testing.T, document []byte) *node {
	t.Helper()
	var root node
	require.NoError(t, xml.NewDecoder(bytes.NewReader(document)).Decode(&root))
	return &root
}

func location(t *testing.T, document []byte) string {
	t.Helper()
	return parse(t, document).child("service").child("port").child("address").attr("location")
}

func wantFacts(t *testing.T) string {
	t.Helper()
	want, err := os.ReadFile("testdata/schema-facts.txt")
	require.NoError(t, err)
	return string(want)
}

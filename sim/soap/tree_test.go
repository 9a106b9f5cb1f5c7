package soap

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/wsdl"
)

const contractNS = "http://schemas.cisco.com/ast/soap"

// tree is an element as a parser sees it.
type tree struct {
	name xml.Name
	attr map[xml.Name]string
	text string
	kids []*tree
}

func parseTree(t require.TestingT, text string) *tree {
	d := xml.NewDecoder(strings.NewReader(text))
	var stack []*tree
	var root *tree
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			require.NotNil(t, root, "no element in %q", text)
			return root
		}
		require.NoError(t, err, "%s", text)
		switch token := token.(type) {
		case xml.StartElement:
			e := &tree{name: token.Name, attr: map[xml.Name]string{}}
			for _, a := range token.Attr {
				e.attr[a.Name] = a.Value
			}
			if len(stack) == 0 {
				require.Nil(t, root, "two roots")
				root = e
			} else {
				up := stack[len(stack)-1]
				up.kids = append(up.kids, e)
			}
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(token)
			}
		}
	}
}

func (e *tree) isNil() bool { return e.attr[xml.Name{Space: xsiNS, Local: "nil"}] == "1" }

// all gives the elements under a path of local names; "item" steps fan out.
func (e *tree) all(path string) []*tree {
	found := []*tree{e}
	for _, step := range strings.Split(path, "/") {
		var next []*tree
		for _, f := range found {
			for _, k := range f.kids {
				if k.name.Local == step {
					next = append(next, k)
				}
			}
		}
		found = next
	}
	return found
}

// one gives the text under a path; nil for a nil element.
func (e *tree) one(t require.TestingT, path string) string {
	found := e.all(path)
	require.Len(t, found, 1, "elements under %s", path)
	if found[0].isNil() {
		return "nil"
	}
	return found[0].text
}

// texts gives all texts under a path.
func (e *tree) texts(path string) []string {
	list := []string{}
	for _, f := range e.all(path) {
		if f.isNil() {
			list = append(list, "nil")
		} else {
			list = append(list, f.text)
		}
	}
	return list
}

// outline writes an element's children one a line, deeper ones further in, with "nil" for nil and text in quotes.
func (e *tree) outline(b *strings.Builder, indent string) {
	for _, k := range e.kids {
		fmt.Fprintf(b, "%s%s", indent, k.name.Local)
		switch {
		case k.isNil():
			b.WriteString(" nil\n")
		case len(k.kids) == 0:
			fmt.Fprintf(b, " %q\n", k.text)
		default:
			b.WriteString("\n")
			k.outline(b, indent+"  ")
		}
	}
}

// Paths into answers, from the Envelope.
const (
	devicesPath = "Body/selectCmDeviceResponse/selectCmDeviceReturn/SelectCmDeviceResult/"
	nodePath    = devicesPath + "CmNodes/item/"
	devicePath  = nodePath + "CmDevices/item/"
	ctiPath     = "Body/selectCtiItemResponse/selectCtiItemReturn/SelectCtiItemResult/"
	ctiNodePath = ctiPath + "CtiNodes/item/"
	ctiItemPath = ctiNodePath + "CtiItems/item/"
)

func stateOf(t require.TestingT, answer string) string {
	root := parseTree(t, answer)
	for _, path := range []string{"Body/selectCmDeviceResponse/selectCmDeviceReturn/StateInfo", "Body/selectCtiItemResponse/selectCtiItemReturn/StateInfo"} {
		if found := root.all(path); len(found) == 1 {
			return found[0].text
		}
	}
	require.Fail(t, "no StateInfo in the answer", "%s", answer)
	return ""
}

// A validator for the subset of XML Schema that the contract is written in: sequences, occurrence, nillable,
// enumerations, and the built-in types string, unsignedInt and boolean.
type schema struct {
	elements map[string]*tree // global, by name
	types    map[string]*tree
}

func contractSchema(t require.TestingT) *schema {
	root := parseTree(t, string(wsdl.Schema()))
	s := &schema{elements: map[string]*tree{}, types: map[string]*tree{}}
	for _, k := range root.kids {
		name := k.at("name")
		if k.name.Local == "element" {
			s.elements[name] = k
		} else {
			s.types[name] = k
		}
	}
	require.Greater(t, len(s.types), 20)
	return s
}

func (e *tree) at(name string) string { return e.attr[xml.Name{Local: name}] }

// check says what is wrong with the element in a SOAP body.
func (s *schema) check(e *tree) error {
	decl := s.elements[e.name.Local]
	if decl == nil || e.name.Space != contractNS {
		return fmt.Errorf("%v is no element of the contract", e.name)
	}
	return s.content(e, decl.kids[0], e.name.Local)
}

func (s *schema) element(e, decl *tree, path string) error {
	path += "/" + e.name.Local
	if e.name.Space != contractNS {
		return fmt.Errorf("%s: namespace %q", path, e.name.Space)
	}
	if e.isNil() {
		if decl.at("nillable") != "true" {
			return fmt.Errorf("%s: nil, but not nillable", path)
		}
		if e.text != "" || len(e.kids) > 0 {
			return fmt.Errorf("%s: nil, but not empty", path)
		}
		return nil
	}
	typ := decl.at("type")
	if local, ok := strings.CutPrefix(typ, "xsd:"); ok {
		if len(e.kids) > 0 {
			return fmt.Errorf("%s: children in a %s", path, typ)
		}
		switch local {
		case "string":
		case "unsignedInt":
			if _, err := strconv.ParseUint(e.text, 10, 32); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		case "boolean":
			if e.text != "true" && e.text != "false" {
				return fmt.Errorf("%s: %q is no boolean", path, e.text)
			}
		default:
			return fmt.Errorf("%s: type %s is not known to this test", path, typ)
		}
		return nil
	}
	return s.content(e, s.types[strings.TrimPrefix(typ, "tns:")], path)
}

func (s *schema) content(e, typ *tree, path string) error {
	if typ == nil {
		return fmt.Errorf("%s: no type", path)
	}
	if typ.name.Local == "simpleType" {
		for _, value := range typ.all("restriction/enumeration") {
			if value.at("value") == e.text && len(e.kids) == 0 {
				return nil
			}
		}
		return fmt.Errorf("%s: %q is not in the enumeration", path, e.text)
	}
	if strings.TrimSpace(e.text) != "" {
		return fmt.Errorf("%s: stray text %q", path, e.text)
	}
	kids := e.kids
	for _, decl := range typ.all("sequence/element") {
		name, least, most := decl.at("name"), 1, 1
		if decl.at("minOccurs") == "0" {
			least = 0
		}
		if decl.at("maxOccurs") == "unbounded" {
			most = len(kids)
		}
		n := 0
		for ; n < most && len(kids) > 0 && kids[0].name.Local == name; n++ {
			if err := s.element(kids[0], decl, path); err != nil {
				return err
			}
			kids = kids[1:]
		}
		if n < least {
			return fmt.Errorf("%s: no %s where the contract has it", path, name)
		}
	}
	if len(kids) > 0 {
		return fmt.Errorf("%s: unexpected %s", path, kids[0].name.Local)
	}
	return nil
}

// checkAnswer verifies what rule X1 and X2 say of every good answer.
func (s *schema) checkAnswer(t require.TestingT, answer string) {
	require.True(t, strings.HasPrefix(answer, "<?xml version='1.0' encoding='utf-8'?><soapenv:Envelope "), "%.100q", answer)
	root := parseTree(t, answer)
	require.Len(t, root.kids, 1)
	require.Equal(t, "Body", root.kids[0].name.Local)
	require.Len(t, root.kids[0].kids, 1)
	require.NoError(t, s.check(root.kids[0].kids[0]), "%s", answer)
}

// The validator finds what is wrong: each answer here is a good one with one thing spoilt.
func TestSchema_NoticesSpoiltAnswers(t *testing.T) {
	s := contractSchema(t)
	good := newRig(t).ask(device("selectCmDevice", "", everything))
	s.checkAnswer(t, good)
	for old, spoilt := range map[string]string{
		"<ns1:Name>cucm-pub</ns1:Name>":                                     "",
		"<ns1:NoChange>false</ns1:NoChange>":                                "<ns1:NoChange>0.5</ns1:NoChange>",
		"<ns1:Protocol>SIP</ns1:Protocol>":                                  "<ns1:Protocol>H323</ns1:Protocol>",
		"<ns1:Model>36224</ns1:Model>":                                      "<ns1:Model>-1</ns1:Model>",
		"<ns1:IPAddress/>":                                                  "<ns1:IPAddress" + nilTail,
		"<ns1:ReturnCode>Ok</ns1:ReturnCode><ns1:Name>cucm-sub1</ns1:Name>": "<ns1:Name>cucm-sub1</ns1:Name><ns1:ReturnCode>Ok</ns1:ReturnCode>",
		"</ns1:IPAddress>":                                                  "</ns1:IPAddress><ns1:Extra/>",
		"<ns1:Httpd>Yes</ns1:Httpd>":                                        "<ns1:Httpd>yes</ns1:Httpd>",
		"selectCmDeviceResponse":                                            "selectCmDeviceExtResponse",
		"http://schemas.cisco.com/ast/soap":                                 "http://schemas.cisco.com/ast",
		"<ns1:DownloadStatus>Unknown</ns1:DownloadStatus>":                  "<ns1:DownloadStatus/>",
		"<ns1:IsCtiControllable>true</ns1:IsCtiControllable>":               "<ns1:IsCtiControllable" + nilTail,
	} {
		require.Contains(t, good, old)
		root := parseTree(t, strings.ReplaceAll(good, old, spoilt))
		assert.Error(t, s.check(root.kids[0].kids[0]), "%s instead of %s", spoilt, old)
	}
	kids := parseTree(t, good).all(devicePath + "H323Trunk")
	require.NotEmpty(t, kids)
	kids[0].kids = slices.Delete(kids[0].kids, 3, 4)
	assert.Error(t, s.element(kids[0], parseTree(t, `<element name="H323Trunk" type="tns:H323Trunk"/>`), ""))
}

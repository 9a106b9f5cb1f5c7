package soap

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"
)

// A dialect writes requests as some client might: at every turn it asks pick, which gives a number below n, how to go
// on. Number 0 is the plain way.
type dialect struct {
	pick func(n int) int
	b    strings.Builder

	line, indent string
	prefix, xsi  string // prefixes of the contract and of xsi; empty: the contract's is the default namespace
	unqualified  bool   // what is below the operation has no namespace
}

func plainly(int) int { return 0 }

// write gives the envelope of r and what Decode is to find in it, which differs from r by OutOfOrder alone.
func (d *dialect) write(r *Request) (text string, want *Request) {
	want = new(Request)
	*want = *r
	ns := soap11NS
	if r.SOAP12 {
		ns = soap12NS
	}
	d.line = [...]string{"", "\n", "\r\n", "\n  <!-- > & -- -->"[:8] + "-->"}[d.pick(4)]
	env := [...]string{"soapenv", "SOAP-ENV", "e", ""}[d.pick(4)]
	body := [...]string{env, "ns1"}[d.pick(2)]
	d.prefix = [...]string{"soap", "ns0", ""}[d.pick(3)]
	d.xsi = [...]string{"xsi", "i"}[d.pick(2)]
	d.unqualified = d.pick(2) == 1

	declaration := [...]string{"", `<?xml version="1.0"?>`, `<?xml version='1.0' encoding='utf-8'?>`, `<?xml version="1.0" standalone="no" ?>`}[d.pick(4)]
	d.b.WriteString(declaration + d.line)
	d.open(withColon(env)+"Envelope", xmlnsOf(env, ns), xmlnsOf("ns1", ns), xmlnsOf(d.xsi, xsiNS), xmlnsOf("r", "urn:x"))
	switch d.pick(3) {
	case 1:
		d.b.WriteString("<" + withColon(env) + "Header/>" + d.line)
	case 2:
		d.open(withColon(env) + "Header")
		d.b.WriteString("<r:Body><selectCmDevice a='&#60;'>&amp;</selectCmDevice ></r:Body>")
		d.close(withColon(env) + "Header")
	}
	d.open(withColon(body) + "Body")
	op := withColon(d.prefix) + r.Op.String()
	d.open(op, xmlnsOf(d.prefix, "http://schemas.cisco.com/ast/soap"))
	d.stateInfo(r.StateInfo)
	d.criteria(r, want)
	d.close(op)
	d.close(withColon(body) + "Body")
	d.close(withColon(env) + "Envelope")
	if d.pick(2) == 1 {
		d.b.WriteString("\n<!-- end --><?end ?>\n")
	}
	return d.b.String(), want
}

func withColon(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix + ":"
}

func xmlnsOf(prefix, uri string) string {
	if prefix == "" {
		return `xmlns="` + uri + `"`
	}
	return "xmlns:" + prefix + `='` + uri + `'`
}

// name is that of an element below the operation.
func (d *dialect) name(local string) string {
	if d.unqualified {
		return local
	}
	return withColon(d.prefix) + local
}

func (d *dialect) open(name string, attrs ...string) {
	d.b.WriteString("<" + name)
	for _, a := range attrs {
		d.b.WriteString([...]string{" ", "\n\t"}[d.pick(2)] + a)
	}
	d.b.WriteString(">" + d.line)
}

func (d *dialect) close(name string) {
	d.b.WriteString("</" + name + [...]string{"", " "}[d.pick(2)] + ">" + d.line)
}

func (d *dialect) criteria(r, want *Request) {
	type criterion struct {
		name string
		text *Text
		list []Text
		item string
	}
	criteria := []criterion{
		{"MaxReturnedDevices", &r.Max, nil, ""},
		{"DeviceClass", &r.Class, nil, ""},
		{"Model", &r.Model, nil, ""},
		{"Status", &r.Status, nil, ""},
		{"NodeName", &r.NodeName, nil, ""},
		{"SelectBy", &r.SelectBy, nil, ""},
		{"SelectItems", nil, r.Items, "Item"},
		{"Protocol", &r.Protocol, nil, ""},
		{"DownloadStatus", &r.DownloadStatus, nil, ""},
	}
	element := "CmSelectionCriteria"
	if r.Op == SelectCtiItem {
		element = "CtiSelectionCriteria"
		criteria = []criterion{
			{"MaxReturnedItems", &r.Max, nil, ""},
			{"CtiMgrClass", &r.Class, nil, ""},
			{"Status", &r.Status, nil, ""},
			{"NodeName", &r.NodeName, nil, ""},
			{"SelectAppBy", &r.SelectBy, nil, ""},
			{"AppItems", nil, r.Items, "AppItem"},
			{"DevNames", nil, r.DevNames, "DevName"},
			{"DirNumbers", nil, r.DirNumbers, "DirNumber"},
		}
	}
	d.open(d.name(element))
	order := make([]int, len(criteria))
	for i := range order {
		order[i] = i
	}
	if d.pick(4) == 1 {
		i, j := d.pick(len(order)), d.pick(len(order))
		order[i], order[j] = order[j], order[i]
	}
	last := -1
	for _, i := range order {
		c := criteria[i]
		switch {
		case c.text != nil && c.text.Presence != Absent:
			d.text(c.name, *c.text)
		case c.text == nil && len(c.list) > 0:
			d.open(d.name(c.name))
			for n, t := range c.list {
				if n > 0 && d.pick(4) == 1 {
					d.b.WriteString(",")
				}
				d.open(d.name("item"))
				if t.Presence != Absent {
					d.text(c.item, t)
				}
				d.close(d.name("item"))
			}
			d.close(d.name(c.name))
		case c.text == nil && d.pick(3) == 1:
			d.text(c.name, Text{Presence: Nil})
		case c.text == nil && d.pick(3) == 1:
			d.open(d.name(c.name))
			d.close(d.name(c.name))
		default:
			continue
		}
		if last > i && want.OutOfOrder == "" {
			want.OutOfOrder = c.name
		}
		last = max(last, i)
	}
	d.close(d.name(element))
}

func (d *dialect) text(local string, t Text) {
	name := d.name(local)
	d.b.WriteString("<" + name)
	switch t.Presence {
	case Nil:
		d.b.WriteString([...]string{
			" " + d.xsi + `:nil="true"/>`,
			" " + d.xsi + ":nil = '1' ></" + name + ">",
			` xmlns:z="` + xsiNS + `" z:nil="true">` + d.line + "</" + name + ">",
		}[d.pick(3)])
	case Empty:
		d.b.WriteString([...]string{"></" + name + ">", "/>", ` a="b" />`, "> \r\n</" + name + ">", "><!----></" + name + ">"}[d.pick(5)])
	default:
		d.b.WriteString([...]string{">", " " + d.xsi + `:type="xsd:string">`}[d.pick(2)])
		d.space()
		d.value(t.Value)
		d.space()
		d.b.WriteString("</" + name + ">")
	}
	d.b.WriteString(d.line)
}

func (d *dialect) space() { d.b.WriteString([...]string{"", "\n\t", "\r\n ", " <!--x--> "}[d.pick(4)]) }

// value writes a text in one of the forms that XML has for it.
func (d *dialect) value(v string) {
	if d.pick(8) == 1 && !strings.Contains(v, "]]>") && !strings.Contains(v, "\r") {
		d.b.WriteString("<![CDATA[" + strings.ReplaceAll(v, "\n", [...]string{"\n", "\r\n", "\r"}[d.pick(3)]) + "]]>")
		return
	}
	for _, r := range v {
		escape := [...]string{"&#" + fmt.Sprint(r) + ";", fmt.Sprintf("&#x%X;", r), fmt.Sprintf("&#x%06x;", r)}[d.pick(3)]
		switch r {
		case '<':
			d.b.WriteString([...]string{"&lt;", escape}[d.pick(2)])
		case '&':
			d.b.WriteString([...]string{"&amp;", escape}[d.pick(2)])
		case '>':
			d.b.WriteString([...]string{"&gt;", escape}[d.pick(2)])
		case '"':
			d.b.WriteString([...]string{`"`, "&quot;", escape}[d.pick(3)])
		case '\'':
			d.b.WriteString([...]string{"'", "&apos;", escape}[d.pick(3)])
		case '\r':
			d.b.WriteString(escape)
		case '\n':
			d.b.WriteString([...]string{"\n", "\r\n", "\r<!---->", escape}[d.pick(4)])
		default:
			switch d.pick(16) {
			case 1:
				d.b.WriteString(escape)
			case 2:
				d.b.WriteString(string(r) + "<!-- - -->")
			case 3:
				d.b.WriteString("<?p?>" + string(r))
			default:
				d.b.WriteRune(r)
			}
		}
	}
}

func (d *dialect) stateInfo(state string) {
	nested := strings.HasPrefix(state, "<StateInfo") && d.pick(2) == 1
	switch {
	case nested && d.prefix == "" && !d.unqualified:
		d.open("StateInfo")
		d.b.WriteString(strings.Replace(state, "<StateInfo", `<StateInfo xmlns=""`, 1))
		d.close("StateInfo")
	case nested:
		d.open(d.name("StateInfo"))
		d.b.WriteString(strings.ReplaceAll(state, "><", ">"+d.line+"<"))
		d.close(d.name("StateInfo"))
	case state != "":
		d.text("StateInfo", Text{Value: state, Presence: Given})
	default:
		switch d.pick(3) {
		case 0:
			d.text("StateInfo", Text{Presence: Empty})
		case 1:
			d.text("StateInfo", Text{Presence: Nil})
		}
	}
}

// drawRequest gives any request that a Decode could give.
func drawRequest(t *rapid.T) *Request {
	char := rapid.SampledFrom([]rune("ASEP0123456789*.-_:\\+,;%?[]()#/@ =é台😀\uFFFD<>&\"'\r\n\t"))
	value := rapid.Custom(func(t *rapid.T) Text {
		v := strings.Trim(string(rapid.SliceOfN(char, 1, 20).Draw(t, "runes")), " \t\r\n")
		if v == "" {
			v = "*"
		}
		return Text{Value: v, Presence: Given}
	})
	text := func(name string) Text {
		switch p := Presence(rapid.IntRange(0, 5).Draw(t, name+" presence")); p {
		case Absent, Nil, Empty:
			return Text{Presence: p}
		}
		return value.Draw(t, name)
	}
	texts := func(name string) []Text {
		var list []Text
		for range rapid.IntRange(0, 4).Draw(t, name+" number") {
			list = append(list, text(name))
		}
		return list
	}
	r := &Request{
		Op:     Operation(rapid.IntRange(int(SelectCmDevice), int(SelectCtiItem)).Draw(t, "Op")),
		SOAP12: rapid.Bool().Draw(t, "SOAP12"),
	}
	switch rapid.IntRange(0, 2).Draw(t, "StateInfo form") {
	case 1:
		r.StateInfo = `<StateInfo ClusterWide="1"><Node Name="pub" SubsystemStartTime="1500000001" StateId="7"/><Node Name="&lt;&amp;&quot;"/></StateInfo>`
	case 2:
		r.StateInfo = value.Draw(t, "StateInfo").Value
	}
	r.Max, r.Class, r.Status = text("Max"), text("Class"), text("Status")
	r.NodeName, r.SelectBy = text("NodeName"), text("SelectBy")
	r.Items = texts("Items")
	if r.Op == SelectCtiItem {
		r.DevNames, r.DirNumbers = texts("DevNames"), texts("DirNumbers")
	} else {
		r.Model, r.Protocol, r.DownloadStatus = text("Model"), text("Protocol"), text("DownloadStatus")
	}
	return r
}

// X6 and H4: whatever is asked, in whatever dialect and charset, is read as it was meant, and by the scanner.
func TestDecode_X6_AnyRequestInAnyDialect(t *testing.T) {
	charsets := []encoding.Encoding{
		nil,
		unicode.UTF8BOM,
		unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
		unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	}
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t)
		d := dialect{pick: func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "way") }}
		text, want := d.write(r)
		body := encoded(t, charsets[d.pick(len(charsets))], text)
		got, fault := Decode(body, "text/xml", Limits{})
		if fault != nil {
			t.Fatalf("Decode refuses: %v\n%q", fault, text)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("Decode (-want +got):\n%s\nof %q", cmp.Diff(want, got), text)
		}
		if _, _, mine := new(requestBuilder).scanRequest(text, Limits{}); !mine {
			t.Fatalf("the scanner gives up on %q", text)
		}
		if slow, fault := new(requestBuilder).parseRequest(text, Limits{}); fault != nil || !reflect.DeepEqual(want, slow) {
			t.Fatalf("encoding/xml: %v\n%s\nof %q", fault, cmp.Diff(want, slow), text)
		}
	})
}

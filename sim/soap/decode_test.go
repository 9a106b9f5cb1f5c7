package soap

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var updateDecode = flag.Bool("update-decode", false, "rewrite the want parts of testdata/decode")

// A shape is a request as some client sends it, and what is to be read from it: one txtar file of testdata/decode,
// with a comment that names the rules and the provenance.
type shape struct {
	name, contentType string
	request           []byte
	want              string
	file              string
	before            string // what stands in the file before want
}

func shapes(tb testing.TB) []shape {
	tb.Helper()
	files, err := filepath.Glob("testdata/decode/*.txtar")
	if err != nil || len(files) == 0 {
		tb.Fatalf("testdata/decode has no shapes: %v", err)
	}
	var all []shape
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		comment, rest, ok1 := strings.Cut(string(data), "-- request.xml --\n")
		request, want, ok2 := strings.Cut(rest, "\n-- want --\n")
		if !ok1 || !ok2 {
			tb.Fatalf("%s: has not the files request.xml and want", file)
		}
		if !strings.HasPrefix(comment, "Rule") || !strings.Contains(comment, "\nMade for this test") {
			tb.Fatalf("%s: its comment names no rule or no provenance", file)
		}
		s := shape{
			name:        strings.TrimSuffix(filepath.Base(file), ".txtar"),
			contentType: `text/xml; charset="utf-8"`,
			request:     []byte(request),
			want:        want,
			file:        file,
			before:      strings.TrimSuffix(string(data), want),
		}
		for line := range strings.Lines(comment) {
			line = strings.TrimSpace(line)
			if v, ok := strings.CutPrefix(line, "content-type: "); ok {
				s.contentType = v
			}
			if line == "lines: crlf" {
				s.request = bytes.ReplaceAll(s.request, []byte("\n"), []byte("\r\n"))
			}
		}
		all = append(all, s)
	}
	return all
}

// show prints a request, one line for each thing that came.
func show(r *Request) string {
	var b strings.Builder
	version := "1.1"
	if r.SOAP12 {
		version = "1.2"
	}
	fmt.Fprintf(&b, "%s in SOAP %s\n", r.Op, version)
	forms := [...]string{Absent: "absent", Nil: "nil", Empty: "empty", Given: "given"}
	text := func(name string, t Text) {
		switch {
		case t.Presence == Given:
			fmt.Fprintf(&b, "%s %q\n", name, t.Value)
		default:
			fmt.Fprintf(&b, "%s %s %s\n", name, forms[t.Presence], t.Value)
		}
	}
	for _, f := range []struct {
		name string
		text Text
	}{
		{"Max", r.Max},
		{"Class", r.Class},
		{"Model", r.Model},
		{"Status", r.Status},
		{"NodeName", r.NodeName},
		{"SelectBy", r.SelectBy},
		{"Protocol", r.Protocol},
		{"DownloadStatus", r.DownloadStatus},
	} {
		if f.text != (Text{}) {
			text(f.name, f.text)
		}
	}
	for _, f := range []struct {
		name  string
		texts []Text
	}{
		{"Items", r.Items},
		{"DevNames", r.DevNames},
		{"DirNumbers", r.DirNumbers},
	} {
		for i, t := range f.texts {
			text(fmt.Sprintf("%s[%d]", f.name, i), t)
		}
	}
	for _, f := range [][2]string{{"StateInfo", r.StateInfo}, {"OutOfOrder", r.OutOfOrder}, {"Unknown", r.Unknown}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s %q\n", f[0], f[1])
		}
	}
	return b.String()
}

// X6: requests in the shapes that clients send, by both decoders.
func TestDecode_X6_ClientShapes(t *testing.T) {
	for _, s := range shapes(t) {
		t.Run(s.name, func(t *testing.T) {
			req, fault := Decode(s.request, s.contentType, Limits{})
			if fault != nil {
				t.Fatalf("Decode refuses: %v\n%s", fault, s.request)
			}
			if *updateDecode {
				if err := os.WriteFile(s.file, []byte(s.before+show(req)), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(s.want, show(req)); diff != "" {
				t.Errorf("Decode (-want +got):\n%s\nof %s", diff, s.request)
			}
			// The scanner is there for just these: none of them may fall back.
			fast, fault, mine := new(requestBuilder).scanRequest(string(s.request), Limits{})
			if !mine || fault != nil {
				t.Fatalf("the scanner gives up: %v, %v", mine, fault)
			}
			slow, fault := new(requestBuilder).parseRequest(string(s.request), Limits{})
			if fault != nil {
				t.Fatalf("encoding/xml refuses what the scanner reads: %v", fault)
			}
			if diff := cmp.Diff(slow, fast); diff != "" {
				t.Errorf("encoding/xml and the scanner differ (-encoding/xml +scanner):\n%s", diff)
			}
		})
	}
}

const (
	testEnvelope    = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/">`
	testEnvelopeEnd = `</e:Envelope>`
)

// inTestBody is an envelope around the content of a Body.
func inTestBody(content string) string {
	return testEnvelope + `<e:Body>` + content + `</e:Body>` + testEnvelopeEnd
}

// refusals are requests that Decode refuses (rules X7 and H8), and the faultstring of each.
func refusals() []struct{ name, request, want string } {
	deep := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	attributes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ` a%d=""`, i)
		}
		return b.String()
	}
	namespaces := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ` xmlns:n%d="urn:%d"`, i, i)
		}
		return b.String()
	}
	const envelopeExpected = "expected Envelope in the namespace http://schemas.xmlsoap.org/soap/envelope/ (SOAP 1.1) or http://www.w3.org/2003/05/soap-envelope (SOAP 1.2)"
	return []struct{ name, request, want string }{
		// Not XML.
		{"empty", ``, "Not XML: the request body is empty; expected a SOAP envelope"},
		{"white space", " \r\n ", "Not XML: line 2: there is no element; expected a SOAP envelope"},
		{"only a comment", `<!-- hello -->`, "Not XML: line 1: there is no element; expected a SOAP envelope"},
		{"text", "selectCmDevice", `Not XML: line 1: found the text "selectCmDevice" outside of the Envelope; expected a SOAP envelope`},
		{"JSON", "\n{\"a\": 1}", `Not XML: line 1: found the text "{\"a\": 1}" outside of the Envelope; expected a SOAP envelope`},
		{"form", "a=1&b=2", "Not XML: line 1: invalid character entity &b (no semicolon); expected a SOAP envelope"},
		{"cut off in text", testEnvelope + "<e:Body>a", "Not XML: line 1: the text ends within <e:Body>; expected a SOAP envelope"},
		{"cut off in a tag", testEnvelope + "\n<e:Body\n", "Not XML: line 3: unexpected EOF; expected a SOAP envelope"},
		{"cut off after <!", testEnvelope + "<!", "Not XML: line 1: unexpected EOF; expected a SOAP envelope"},
		{"tags crossed", testEnvelope + "\n<e:Body>\n</e:Envelope></e:Body>", "Not XML: line 3: element <e:Body> is closed by </e:Envelope>; expected a SOAP envelope"},
		{"same name, other prefix", `<a:Envelope xmlns:a="http://schemas.xmlsoap.org/soap/envelope/" xmlns:b="http://schemas.xmlsoap.org/soap/envelope/"><a:Body></b:Body>`, "Not XML: line 1: element <a:Body> is closed by </b:Body>; expected a SOAP envelope"},
		{"end tag first", "</a>", "Not XML: line 1: found </a> outside of the Envelope; expected a SOAP envelope"},
		{"second document", inTestBody(`<selectCmDevice/>`) + "\n\n<more/>", "Not XML: line 3: found <more> after the end of the Envelope; expected a SOAP envelope"},
		{"end tag after the end", inTestBody(`<selectCmDevice/>`) + "</more>", "Not XML: line 1: found </more> outside of the Envelope; expected a SOAP envelope"},
		{"text after the end", inTestBody(`<selectCmDevice/>`) + "\n;\n", `Not XML: line 1: found the text ";" outside of the Envelope; expected a SOAP envelope`},
		{"undeclared prefix", inTestBody(`<ris:selectCmDevice/>`), `Not XML: line 1: the prefix "ris" is not declared; expected a SOAP envelope`},
		{"undeclared prefix of an attribute", inTestBody(`<selectCmDevice xsi:nil="true"/>`), `Not XML: line 1: the prefix "xsi" is not declared; expected a SOAP envelope`},
		{"prefix out of scope", inTestBody(`<r:selectCmDevice xmlns:r="urn:r"><r:StateInfo/></r:selectCmDevice><r:x/>`), `Not XML: line 1: the prefix "r" is not declared; expected a SOAP envelope`},
		{"prefix taken back", inTestBody(`<e:selectCmDevice xmlns:e=""/>`), `Not XML: line 1: the prefix "e" is not declared; expected a SOAP envelope`},
		{"attribute twice", inTestBody(`<selectCmDevice a="1" b="2" a="3"/>`), "Not XML: line 1: <selectCmDevice> has the attribute a twice; expected a SOAP envelope"},
		{"unquoted attribute", inTestBody(`<selectCmDevice a=1/>`), "Not XML: line 1: unquoted or missing attribute value in element; expected a SOAP envelope"},
		{"attribute without a value", inTestBody(`<selectCmDevice a/>`), "Not XML: line 1: attribute name without = in element; expected a SOAP envelope"},
		{"< in an attribute", inTestBody(`<selectCmDevice a="<"/>`), "Not XML: line 1: unescaped < inside quoted string; expected a SOAP envelope"},
		{"bare &", inTestBody(`<selectCmDevice>R&D</selectCmDevice>`), "Not XML: line 1: invalid character entity &D (no semicolon); expected a SOAP envelope"},
		{"HTML's entity", inTestBody("<selectCmDevice>\n&nbsp;</selectCmDevice>"), "Not XML: line 2: invalid character entity &nbsp;; expected a SOAP envelope"},
		{"NUL", inTestBody("<selectCmDevice>a\x00b</selectCmDevice>"), "Not XML: line 1: illegal character code U+0000; expected a SOAP envelope"},
		{"NUL as a reference", inTestBody("<selectCmDevice>&#0;</selectCmDevice>"), "Not XML: line 1: illegal character code U+0000; expected a SOAP envelope"},
		{"non-character", inTestBody("<selectCmDevice>\uFFFE</selectCmDevice>"), "Not XML: line 1: illegal character code U+FFFE; expected a SOAP envelope"},
		{"end of CDATA in text", inTestBody("<selectCmDevice>]]></selectCmDevice>"), "Not XML: line 1: unescaped ]]> not in CDATA section; expected a SOAP envelope"},
		{"CDATA outside", "<![CDATA[x]]>" + inTestBody("<selectCmDevice/>"), `Not XML: line 1: found the text "x" outside of the Envelope; expected a SOAP envelope`},
		{"NUL in CDATA", inTestBody("<selectCmDevice><![CDATA[\x00]]></selectCmDevice>"), "Not XML: line 1: illegal character code U+0000; expected a SOAP envelope"},
		{"non-character in CDATA", inTestBody("<selectCmDevice><![CDATA[\uFFFF]]></selectCmDevice>"), "Not XML: line 1: illegal character code U+FFFF; expected a SOAP envelope"},
		{"two colons", inTestBody("<e:selectCmDevice:x/>"), "Not XML: line 1: expected element name after <; expected a SOAP envelope"},
		{"reference to nothing", inTestBody("<selectCmDevice>&#;</selectCmDevice>"), "Not XML: line 1: invalid character entity &#;; expected a SOAP envelope"},
		{"reference to nothing in hexadecimal", inTestBody("<selectCmDevice>&#x;</selectCmDevice>"), "Not XML: line 1: invalid character entity &#x;; expected a SOAP envelope"},
		{"hyphens in a comment", inTestBody("<!-- a -- b --><selectCmDevice/>"), `Not XML: line 1: invalid sequence "--" not allowed in comments; expected a SOAP envelope`},
		{"not UTF-8", inTestBody("<selectCmDevice>\xE9</selectCmDevice>"), "Not XML: byte 89 of the text, 0xE9, is not UTF-8; expected UTF-8, or a charset named by the Content-Type header or the XML declaration"},
		{"not UTF-8 in a comment", inTestBody("<!--\xC3--><selectCmDevice/>"), "Not XML: byte 77 of the text, 0xC3, is not UTF-8; expected UTF-8, or a charset named by the Content-Type header or the XML declaration"},
		{"line break before the declaration", "\n<?xml version='1.0'?>" + inTestBody(`<selectCmDevice/>`), "Not XML: line 2: <?xml stands within the document, and may only stand at its very start; expected a SOAP envelope"},
		{"comment before the declaration", "<!-- --><?xml version='1.0'?>" + inTestBody(`<selectCmDevice/>`), "Not XML: line 1: <?xml stands within the document, and may only stand at its very start; expected a SOAP envelope"},
		{"declaration twice", "<?xml version='1.0'?><?xml version='1.0'?>" + inTestBody(`<selectCmDevice/>`), "Not XML: line 1: <?xml stands within the document, and may only stand at its very start; expected a SOAP envelope"},
		{"declaration in capitals", "<?XML version='1.0'?>" + inTestBody(`<selectCmDevice/>`), "Not XML: line 1: <?XML stands within the document, and may only stand at its very start; expected a SOAP envelope"},
		{"declaration without version", "<?xml encoding='utf-8'?>" + inTestBody(`<selectCmDevice/>`), `Not XML: line 1: the XML declaration is "encoding='utf-8'", not one like version="1.0" encoding="utf-8"; expected a SOAP envelope`},
		{"XML 1.1", "<?xml version='1.1'?>" + inTestBody(`<selectCmDevice/>`), `Not XML: line 1: unsupported version "1.1"; only version 1.0 is supported; expected a SOAP envelope`},

		// Not SOAP.
		{"HTML", "<html><body/></html>", `Not SOAP: found the element "html", ` + envelopeExpected},
		{"operation alone", `<selectCmDevice xmlns="http://schemas.cisco.com/ast/soap"/>`, `Not SOAP: found the element "selectCmDevice", ` + envelopeExpected},
		{"long name", "<" + strings.Repeat("a", 200) + "/>", `Not SOAP: found the element "` + strings.Repeat("a", 80) + `…", ` + envelopeExpected},
		{"long name that is not ASCII", "<" + strings.Repeat("é", 200) + "/>", `Not SOAP: found the element "` + strings.Repeat("é", 40) + `…", ` + envelopeExpected},
		{"long name cut within a character", "<a" + strings.Repeat("é", 200) + "/>", `Not SOAP: found the element "a` + strings.Repeat("é", 39) + `…", ` + envelopeExpected},
		{"no namespace", `<Envelope><Body><selectCmDevice/></Body></Envelope>`, `Not SOAP: found Envelope in the namespace "", expected http://schemas.xmlsoap.org/soap/envelope/ (SOAP 1.1) or http://www.w3.org/2003/05/soap-envelope (SOAP 1.2)`},
		{"wrong namespace", `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope"><e:Body/></e:Envelope>`, `Not SOAP: found Envelope in the namespace "http://schemas.xmlsoap.org/soap/envelope", expected http://schemas.xmlsoap.org/soap/envelope/ (SOAP 1.1) or http://www.w3.org/2003/05/soap-envelope (SOAP 1.2)`},
		{"empty Envelope", testEnvelope + testEnvelopeEnd, "Not SOAP: found no Body in the Envelope; expected one in the namespace http://schemas.xmlsoap.org/soap/envelope/"},
		{"Header alone", testEnvelope + `<e:Header><e:Body/></e:Header>` + testEnvelopeEnd, "Not SOAP: found no Body in the Envelope; expected one in the namespace http://schemas.xmlsoap.org/soap/envelope/"},
		{"operation without Body", testEnvelope + `<selectCmDevice/>` + testEnvelopeEnd, `Not SOAP: found no Body in the Envelope, but the element "selectCmDevice" in the namespace ""; expected one in the namespace http://schemas.xmlsoap.org/soap/envelope/`},
		{"Body of the other SOAP", testEnvelope + `<o:Body xmlns:o="http://www.w3.org/2003/05/soap-envelope"><selectCmDevice/></o:Body>` + testEnvelopeEnd, `Not SOAP: found no Body in the Envelope, but the element "Body" in the namespace "http://www.w3.org/2003/05/soap-envelope"; expected one in the namespace http://schemas.xmlsoap.org/soap/envelope/`},
		{"two Bodies", testEnvelope + `<e:Body><selectCmDevice/></e:Body><e:Body/>` + testEnvelopeEnd, "Not SOAP: found a second Body, expected one Envelope with one Body"},

		// Not one operation.
		{"empty Body", inTestBody(" <!-- nothing --> "), "No operation: found no element in the Body, expected selectCmDevice, selectCmDeviceExt or selectCtiItem"},
		{"text in the Body", inTestBody("selectCmDevice"), "No operation: found no element in the Body, expected selectCmDevice, selectCmDeviceExt or selectCtiItem"},
		{"unknown operation", inTestBody("<getServerInfo/>"), `Unknown operation: found "getServerInfo" in the Body, expected selectCmDevice, selectCmDeviceExt or selectCtiItem`},
		{"operation of the old service", inTestBody(`<o:SelectCmDevice xmlns:o="http://schemas.cisco.com/ast/soap/"/>`), `Unknown operation: found "SelectCmDevice" in the Body, expected selectCmDevice, selectCmDeviceExt or selectCtiItem`},
		{"two operations", inTestBody("<selectCmDevice/><selectCtiItem/>"), `More than one operation: found "selectCmDevice" and "selectCtiItem" in the Body, expected one`},
		{"operation twice", inTestBody("<selectCmDevice/>\n<selectCmDevice/>"), `More than one operation: found "selectCmDevice" and "selectCmDevice" in the Body, expected one`},
		{"operation and something", inTestBody("<selectCmDevice/><multiRef/>"), `More than one operation: found "selectCmDevice" and "multiRef" in the Body, expected one`},

		// H8: too much of something, and DTDs.
		{"H8 too deep", inTestBody("<selectCmDevice>" + deep(62) + "</selectCmDevice>"), "Too deep: line 1: elements nest more than 64 deep"},
		{"H8 too deep in the Header", testEnvelope + "<e:Header>\n" + deep(100000), "Too deep: line 2: elements nest more than 64 deep"},
		{"H8 too deep in StateInfo", inTestBody("<selectCmDevice><StateInfo>" + deep(61) + "</StateInfo></selectCmDevice>"), "Too deep: line 1: elements nest more than 64 deep"},
		{"H8 attributes", inTestBody("<selectCmDevice" + attributes(65) + "/>"), "Too many attributes: line 1: <selectCmDevice> has more than 64"},
		{"H8 namespaces", inTestBody("<selectCmDevice" + namespaces(64) + "><StateInfo" + namespaces(64) + "/></selectCmDevice>"), "Too many namespaces: line 1: more than 128 declarations are in scope"},
		{"H8 tag", inTestBody(`<selectCmDevice a="` + strings.Repeat("x", maxTagBytes) + `"/>`), "Too large: line 1: a tag is longer than 16384 bytes"},
		{"H8 DTD", "<?xml version='1.0'?>\n<!DOCTYPE Envelope SYSTEM 'http://example.invalid/a.dtd'>" + inTestBody("<selectCmDevice/>"), "DTD refused: line 2: found <!, the start of a document type declaration; expected an envelope without one"},
		{"H8 unfinished DTD", "<!DOCTYPE a [ <!ENTITY a '" + strings.Repeat("a", 1<<20), "DTD refused: line 1: found <!, the start of a document type declaration; expected an envelope without one"},
		{"H8 DTD within", inTestBody("<!ENTITY a 'b'><selectCmDevice/>"), "DTD refused: line 1: found <!, the start of a document type declaration; expected an envelope without one"},
		{"H8 billion laughs", billionLaughs, "DTD refused: line 2: found <!, the start of a document type declaration; expected an envelope without one"},
		{"H8 external entity", "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>" + inTestBody("<selectCmDevice>&x;</selectCmDevice>"), "DTD refused: line 1: found <!, the start of a document type declaration; expected an envelope without one"},
		{"H8 entity without DTD", inTestBody("<selectCmDevice>&lol9;</selectCmDevice>"), "Not XML: line 1: invalid character entity &lol9;; expected a SOAP envelope"},
	}
}

// X7 and H8: every refusal is a Client fault that says what was found and what was expected.
func TestDecode_X7_Refusals(t *testing.T) {
	for _, c := range refusals() {
		t.Run(c.name, func(t *testing.T) {
			req, fault := Decode([]byte(c.request), "text/xml", Limits{})
			if fault == nil {
				t.Fatalf("Decode gives\n%sfor %.200q, want the fault %q", show(req), c.request, c.want)
			}
			if req != nil {
				t.Errorf("Decode gives a request with the fault")
			}
			if fault.Code != "soapenv:Client" || fault.String != c.want {
				t.Errorf("Decode(%.200q)\n got %s %q\nwant soapenv:Client %q", c.request, fault.Code, fault.String, c.want)
			}
		})
	}
}

const billionLaughs = `<?xml version="1.0"?>
<!DOCTYPE lolz [
 <!ENTITY lol "lol">
 <!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
 <!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;">
 <!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">
]>
<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><selectCmDevice>&lol3;</selectCmDevice></e:Body></e:Envelope>`

// H8: what is just within the bounds is read.
func TestDecode_H8_WithinBounds(t *testing.T) {
	nest := func(n int) string {
		return inTestBody("<selectCmDevice>" + strings.Repeat("<a>", n) + strings.Repeat("</a>", n) + "</selectCmDevice>")
	}
	for _, c := range []struct {
		name, request string
		limits        Limits
	}{
		{"64 deep", nest(61), Limits{}},
		{"200 deep when that is allowed", nest(197), Limits{Depth: 200}},
		{"64 attributes", inTestBody("<selectCmDevice" + func() (s string) {
			for i := range 64 {
				s += fmt.Sprintf(" a%d=''", i)
			}
			return s
		}() + "/>"), Limits{}},
		{"16 KiB tag", inTestBody("<selectCmDevice a='" + strings.Repeat("x", maxTagBytes-len("<selectCmDevice a=''/>")) + "'/>"), Limits{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, fault := Decode([]byte(c.request), "", c.limits); fault != nil {
				t.Errorf("Decode refuses: %v", fault)
			}
			if _, fault := new(requestBuilder).parseRequest(c.request, c.limits); fault != nil {
				t.Errorf("parseRequest refuses: %v", fault)
			}
		})
	}
	if _, fault := Decode([]byte(nest(198)), "", Limits{Depth: 200}); fault == nil || fault.String != "Too deep: line 1: elements nest more than 200 deep" {
		t.Errorf("Decode of 201 elements in each other with a limit of 200: %v", fault)
	}
}

// X7: a request that was cut off anywhere is refused, and one byte more or less never makes Decode panic.
func TestDecode_X7_Truncated(t *testing.T) {
	for _, s := range shapes(t) {
		complete := bytes.LastIndexByte(s.request, '>') + 1
		for n := range s.request {
			req, fault := Decode(s.request[:n:n], s.contentType, Limits{})
			if (fault == nil) != (n >= complete) || (req == nil) != (fault != nil) {
				t.Errorf("%s: the first %d of %d bytes: %v, %v", s.name, n, len(s.request), req, fault)
			}
		}
		for n := range complete { // one byte missing: whatever it is, both decoders agree on it
			text := string(s.request[:n]) + string(s.request[n+1:])
			if !sameBothWays(t, text) {
				t.Errorf("%s: byte %d missing", s.name, n)
			}
		}
	}
}

// The Request is its own: the body may be used again.
func TestDecode_KeepsNothingOfTheBody(t *testing.T) {
	for _, s := range shapes(t) {
		body := bytes.Clone(s.request)
		req, fault := Decode(body, s.contentType, Limits{})
		if fault != nil {
			t.Fatal(fault)
		}
		for i := range body {
			body[i] = '#'
		}
		if got := show(req); got != s.want && !*updateDecode {
			t.Errorf("%s: after the body was overwritten:\n%s\nwant\n%s", s.name, got, s.want)
		}
	}
	// Neither is a fault, though it quotes.
	body := []byte("<html/>")
	_, fault := Decode(body, "", Limits{})
	clear(body)
	if !strings.Contains(fault.String, `"html"`) {
		t.Errorf("after the body was overwritten the fault is %q", fault.String)
	}
}

// sameBothWays decodes a UTF-8 text with the scanner and with encoding/xml and says whether they agree: on the
// request or on the fault. It also holds against encoding/xml's own judgement of the text.
func sameBothWays(tb testing.TB, text string) bool {
	tb.Helper()
	if !utf8.ValidString(text) {
		return true // bodyText refuses it
	}
	fast, fastFault, mine := new(requestBuilder).scanRequest(text, Limits{})
	slow, slowFault := new(requestBuilder).parseRequest(text, Limits{})
	if (slow == nil) != (slowFault != nil) {
		tb.Errorf("encoding/xml gives %v and %v for %q", slow, slowFault, text)
		return false
	}
	if slow != nil {
		dec := xml.NewDecoder(strings.NewReader(text))
		dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
		for {
			if _, err := dec.Token(); err == io.EOF {
				break
			} else if err != nil {
				tb.Errorf("accepted, and encoding/xml says %v: %q", err, text)
				return false
			}
		}
	}
	if !mine {
		return true
	}
	if !reflect.DeepEqual(slowFault, fastFault) || !reflect.DeepEqual(slow, fast) {
		tb.Errorf("encoding/xml gives %v and the scanner %v for %q\n%s", slowFault, fastFault, text, cmp.Diff(slow, fast))
		return false
	}
	return true
}

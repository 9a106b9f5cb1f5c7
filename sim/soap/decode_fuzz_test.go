package soap

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDecode holds the two decoders against each other, and Decode to what it promises of requests and faults.
// Finds stay in testdata/fuzz/FuzzDecode, whose other files are pieces of XML that are easily got wrong.
func FuzzDecode(f *testing.F) {
	if kept, err := os.ReadDir("testdata/fuzz/FuzzDecode"); err != nil || len(kept) == 0 {
		f.Fatalf("testdata/fuzz/FuzzDecode is empty: %v", err)
	}
	for _, s := range shapes(f) {
		f.Add(s.request, s.contentType)
	}
	for _, c := range refusals() {
		if len(c.request) < 4<<10 {
			f.Add([]byte(c.request), "text/xml")
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		if text, fault := bodyText(bytes.Clone(body), contentType); fault == nil {
			sameBothWays(t, text)
			sameBothWays(t, inTestBody("<selectCmDevice><CmSelectionCriteria><NodeName>"+text+"</NodeName></CmSelectionCriteria></selectCmDevice>"))
		}
		req, fault := Decode(body, contentType, Limits{})
		if (req == nil) == (fault == nil) {
			t.Fatalf("Decode gives %v and %v", req, fault)
		}
		if fault != nil {
			if fault.Code != "soapenv:Client" || fault.String == "" || !utf8.ValidString(fault.String) || len(fault.String) > 1000 {
				t.Fatalf("Decode gives the fault %+v", fault)
			}
			return
		}
		checkRequest(t, req)
		before := show(req)
		clear(body)
		if after := show(req); after != before {
			t.Fatalf("the request was\n%s\nand after the body was overwritten\n%s", before, after)
		}
		// What was understood can be said plainly, and is then understood again.
		d := dialect{pick: plainly}
		said, want := d.write(req)
		want.OutOfOrder, want.Unknown = "", ""
		again, fault := Decode([]byte(said), "", Limits{})
		if fault != nil || !reflect.DeepEqual(want, again) {
			t.Fatalf("said again as\n%s\nit is\n%v %v\nand was\n%s", said, again, fault, before)
		}
	})
}

// checkRequest holds a request to what the comments of its fields say.
func checkRequest(t *testing.T, r *Request) {
	if r.Op < SelectCmDevice || r.Op > SelectCtiItem {
		t.Errorf("Op = %d", r.Op)
	}
	texts := []Text{r.Max, r.Class, r.Model, r.Status, r.NodeName, r.SelectBy, r.Protocol, r.DownloadStatus}
	for _, list := range [][]Text{r.Items, r.DevNames, r.DirNumbers} {
		texts = append(texts, list...)
	}
	for _, text := range texts {
		if (text.Presence == Given) != (text.Value != "") || text.Presence > Given {
			t.Errorf("presence %d of %q", text.Presence, text.Value)
		}
	}
	for _, s := range append(texts, Text{Value: r.StateInfo}, Text{Value: r.OutOfOrder}, Text{Value: r.Unknown}) {
		if s.Value != strings.Trim(s.Value, " \t\r\n") {
			t.Errorf("%q is not trimmed", s.Value)
		}
		for _, c := range s.Value {
			if !isXMLChar(c) {
				t.Errorf("%q has %U", s.Value, c)
			}
		}
		if !utf8.ValidString(s.Value) {
			t.Errorf("%q is not UTF-8", s.Value)
		}
	}
	if r.Op == SelectCtiItem && (r.Model.Presence|r.Protocol.Presence|r.DownloadStatus.Presence) != Absent {
		t.Errorf("CTI with criteria of devices: %+v", r)
	}
	if r.Op != SelectCtiItem && (r.DevNames != nil || r.DirNumbers != nil) {
		t.Errorf("devices with criteria of CTI: %+v", r)
	}
}

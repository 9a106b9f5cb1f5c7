package soap

import (
	"fmt"
	"strings"
	"testing"
)

// benchmarkRequest is a request for n devices by name, as the reference prints one.
func benchmarkRequest(n int) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap="http://schemas.cisco.com/ast/soap">
<soapenv:Header/>
<soapenv:Body>
<soap:selectCmDevice>
<soap:StateInfo></soap:StateInfo>
<soap:CmSelectionCriteria>
<soap:MaxReturnedDevices>1000</soap:MaxReturnedDevices>
<soap:DeviceClass>Any</soap:DeviceClass>
<soap:Model>255</soap:Model>
<soap:Status>Any</soap:Status>
<soap:NodeName></soap:NodeName>
<soap:SelectBy>Name</soap:SelectBy>
<soap:SelectItems>
`)
	for i := range n {
		fmt.Fprintf(&b, "<soap:item><soap:Item>SEP%012X</soap:Item></soap:item>\n", i*7919)
	}
	b.WriteString(`</soap:SelectItems>
<soap:Protocol>Any</soap:Protocol>
<soap:DownloadStatus>Any</soap:DownloadStatus>
</soap:CmSelectionCriteria>
</soap:selectCmDevice>
</soapenv:Body>
</soapenv:Envelope>
`)
	return []byte(b.String())
}

// BenchmarkDecode measures workloads W1, a query for one device, and W2, a query for 1,000, by each decoder.
func BenchmarkDecode(b *testing.B) {
	for _, w := range []struct {
		name  string
		items int
	}{{"W1", 1}, {"W2", 1000}} {
		body := benchmarkRequest(w.items)
		for _, by := range []struct {
			name   string
			decode func() (*Request, *Fault)
		}{
			{"scanner", func() (*Request, *Fault) { return Decode(body, "text/xml; charset=utf-8", Limits{}) }},
			{"encoding-xml", func() (*Request, *Fault) { return new(requestBuilder).parseRequest(string(body), Limits{}) }},
		} {
			b.Run(w.name+"/"+by.name, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if req, fault := by.decode(); fault != nil || len(req.Items) != w.items {
						b.Fatal(fault)
					}
				}
			})
		}
	}
}

// W1: what a query for one device allocates: the request, its items, its text, and the work of reading it.
func TestDecode_Allocations(t *testing.T) {
	body := benchmarkRequest(1)
	if got := testing.AllocsPerRun(100, func() {
		if _, fault := Decode(body, "text/xml; charset=utf-8", Limits{}); fault != nil {
			t.Fatal(fault)
		}
	}); got > 4 {
		t.Errorf("Decode of a query for one device allocates %v times, want at most 4", got)
	}
}

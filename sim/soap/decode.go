package soap

import (
	"fmt"
	"unicode/utf8"
)

// Limits bounds what Decode accepts (rule H8). The zero value is the default.
type Limits struct {
	Depth int // deepest nesting of elements, Envelope being 1; 0 or less means 64
}

// What else a request may not exceed (rule H8, simulator's choice). Each bound keeps the work that one byte of a
// request can cause constant, and no client is known to come near it.
const (
	defaultDepth  = 64
	maxTagBytes   = 16 << 10 // of one start tag
	maxAttributes = 64       // of one element
	maxPrefixes   = 128      // namespace declarations in scope at once
)

// Decode reads the envelope in body and gives the request in it, or the fault that refuses it: what is not XML, not
// SOAP, not exactly one operation of the contract (rule X7), too deep, or comes with a DTD (rule H8).
//
// It reads what clients send rather than what a schema allows (rule X6): it goes by local names, takes absent, nil
// and empty elements alike, and notes criteria that are out of order or unknown in the Request. It judges no value.
// contentType is the Content-Type header, which may name the charset (rule H4).
//
// The Request shares no memory with body. Decode is safe for concurrent use.
func Decode(body []byte, contentType string, limits Limits) (*Request, *Fault) {
	return new(requestBuilder).decode(body, contentType, limits)
}

// decode is Decode in the memory of a builder: the Request is good until that is used again, its texts for ever.
func (b *requestBuilder) decode(body []byte, contentType string, limits Limits) (*Request, *Fault) {
	if len(body) == 0 {
		return nil, decodeFault("Not XML: the request body is empty; expected a SOAP envelope")
	}
	text, fault := bodyText(body, contentType)
	if fault != nil {
		return nil, fault
	}
	req, fault, mine := b.scanRequest(text, limits)
	if !mine {
		return b.parseRequest(text, limits)
	}
	return req, fault
}

// scanRequest decodes with our own scanner. It says false when the text is not of the kind that the scanner knows;
// parseRequest then decides.
func (b *requestBuilder) scanRequest(text string, limits Limits) (req *Request, fault *Fault, mine bool) {
	b.reset(text, limits)
	s := xmlScanner{text: text, b: b}
	if fault, mine = s.scan(); fault != nil || !mine {
		return nil, b.refused(fault), mine
	}
	return b.request(), nil, true
}

// parseRequest decodes with encoding/xml, which is slower and knows all of XML.
func (b *requestBuilder) parseRequest(text string, limits Limits) (*Request, *Fault) {
	b.reset(text, limits)
	if fault := parseXML(text, b); fault != nil {
		return nil, b.refused(fault)
	}
	return b.request(), nil
}

// refused notes on a fault in which version of SOAP the request speaks, as far as it could be read.
func (b *requestBuilder) refused(fault *Fault) *Fault {
	if fault != nil {
		fault.SOAP12 = b.req.SOAP12
	}
	return fault
}

// decodeFault is a refusal of what the client sent (rule X7).
func decodeFault(format string, args ...any) *Fault {
	return &Fault{Code: "soapenv:Client", String: fmt.Sprintf(format, args...)}
}

const operationList = "expected selectCmDevice, selectCmDeviceExt or selectCtiItem"

// clip shortens a name or a text from a request to what a sentence can hold.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// isSpaceByte says whether c is white space to XML.
func isSpaceByte(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// trimSpace takes the white space of XML, and no other, off both ends of s.
func trimSpace(s string) string {
	s = trimLeftSpace(s)
	for len(s) > 0 && isSpaceByte(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func trimLeftSpace(s string) string {
	for len(s) > 0 && isSpaceByte(s[0]) {
		s = s[1:]
	}
	return s
}

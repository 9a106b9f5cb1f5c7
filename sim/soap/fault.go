package soap

import (
	"net/http"
	"strings"

	"github.com/risim/risim/sim/cluster"
)

// Fault is a SOAP fault that a Unified CM would send. It is a value: returned by whoever refuses, written in one
// place. Injected trouble is not a Fault but an impairment.
type Fault struct {
	Name   string // what journals and expectations call it: one of the Fault constants; never on the wire
	Code   string // the faultcode, such as soapenv:Client
	String string // the faultstring: one sentence that names what was wrong and what was expected
	Detail string // inner XML of detail; empty for an empty detail element
	CodeNS string // namespace to declare for the prefix ns1 when Code uses it; empty otherwise
	SOAP12 bool   // the refused envelope was seen to be SOAP 1.2, and so must the fault be (rule H4)
}

// The names of faults. A decoder's fault without a name is FaultMalformed.
const (
	FaultMalformed = "malformed" // not a request of the contract (rules H8 and X7)
	FaultBadValue  = "badValue"  // a value that the contract does not have (section Q of the rules)
	FaultRateLimit = "rateLimit" // rule T4
	FaultSession   = "session"   // rule H6
	FaultInternal  = "internal"  // a bug in the simulator
	FaultInjected  = "injected"  // an impairment's, in words of its own
)

// Error is the faultstring.
func (f *Fault) Error() string { return f.String }

// badValue is the fault of a criteria value that the contract does not have. The decoder knows nothing of values, so
// such faults begin here.
func badValue(sentence string) *Fault {
	return &Fault{Name: FaultBadValue, Code: "soapenv:Client", String: sentence}
}

// NamedFault makes the fault that one of the names stands for, as this service would send it as a node to a request:
// rateLimit and session in their own words, the others in general ones. It is nil for any other name.
func (s *Service) NamedFault(name string, node cluster.NodeName, r *http.Request) *Fault {
	switch name {
	case FaultRateLimit:
		return rateFault(s.settings.Load(), s.receiver(node), soapAction(r))
	case FaultSession:
		return SessionFault()
	case FaultMalformed, FaultBadValue:
		return &Fault{Name: name, Code: "soapenv:Client", String: "The request is not one that the contract has"}
	case FaultInternal:
		return &Fault{Name: name, Code: "soapenv:Server", String: "Internal error"}
	case FaultInjected:
		return InjectedFault("soapenv:Server", "The server cannot answer this request now")
	}
	return nil
}

const (
	declaration = `<?xml version='1.0' encoding='utf-8'?>`
	envelope11  = declaration + `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>`
	envelope12  = declaration + `<soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope"><soapenv:Body>`
	envelopeEnd = `</soapenv:Body></soapenv:Envelope>`
)

func envelope(soap12 bool) string {
	if soap12 {
		return envelope12
	}
	return envelope11
}

// AppendFault appends the whole answer that carries a fault, as SOAP 1.1 or 1.2 (rule H4).
func AppendFault(b []byte, f *Fault, soap12 bool) []byte {
	b = append(b, envelope(soap12)...)
	if soap12 {
		return appendFault12(b, f)
	}
	b = append(b, `<soapenv:Fault><faultcode`...)
	b = appendNS(b, f)
	b = appendText(append(b, '>'), f.Code)
	b = append(b, `</faultcode><faultstring>`...)
	b = appendText(b, f.String)
	b = append(b, `</faultstring>`...)
	b = appendRaw(b, `<detail`, f.Detail, `</detail>`)
	return append(b, `</soapenv:Fault>`+envelopeEnd...)
}

// appendFault12 puts SOAP 1.1's Client and Server into SOAP 1.2's words. A code of another namespace becomes the
// subcode, for there are no other codes.
func appendFault12(b []byte, f *Fault) []byte {
	code := "Receiver"
	if strings.HasPrefix(f.Code, "soapenv:Client") {
		code = "Sender"
	}
	b = append(b, `<soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:`...)
	b = append(b, code...)
	b = append(b, `</soapenv:Value>`...)
	if f.CodeNS != "" {
		b = append(b, `<soapenv:Subcode><soapenv:Value`...)
		b = appendNS(b, f)
		b = appendText(append(b, '>'), f.Code)
		b = append(b, `</soapenv:Value></soapenv:Subcode>`...)
	}
	b = append(b, `</soapenv:Code><soapenv:Reason><soapenv:Text xml:lang="en">`...)
	b = appendText(b, f.String)
	b = append(b, `</soapenv:Text></soapenv:Reason>`...)
	if f.Detail != "" {
		b = appendRaw(b, `<soapenv:Detail`, f.Detail, `</soapenv:Detail>`)
	}
	return append(b, `</soapenv:Fault>`+envelopeEnd...)
}

func appendNS(b []byte, f *Fault) []byte {
	if f.CodeNS == "" {
		return b
	}
	b = append(b, ` xmlns:ns1="`...)
	b = appendAttr(b, f.CodeNS)
	return append(b, '"')
}

// appendRaw appends an element around XML that is ready: <name> when there is some, <name/> when there is none.
func appendRaw(b []byte, open, inner, end string) []byte {
	b = append(b, open...)
	if inner == "" {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	b = append(b, inner...)
	return append(b, end...)
}

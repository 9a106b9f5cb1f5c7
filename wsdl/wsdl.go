// Package wsdl holds the contract of RisPort70: the document that a client reads before it asks anything.
//
//	w.Write(wsdl.WithAddress("https://127.0.0.1:8443/realtimeservice2/services/RISService70"))
//
// The document is written for risim and says what the service of Unified CM 12.5 says: the same types, elements, order,
// occurrence, messages, operations, SOAP actions and names. testdata/schema-facts.txt lists those facts one a line, and the
// test reduces the document to them. Everything here is read-only and safe to share.
package wsdl

import (
	"bytes"
	_ "embed"
	"encoding/xml"
)

//go:embed RISService70.wsdl
var document []byte

// address is what the document gives as the place of the service. A real Unified CM says localhost too, and so every client
// overrides it.
const address = "https://localhost:8443/realtimeservice2/services/RISService70"

// RISService70 returns the contract as it is, with localhost as the address of the service. The caller must not change it.
func RISService70() []byte { return document }

// WithAddress returns the contract with another address of the service. Any text will do: it is escaped.
func WithAddress(location string) []byte {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(location)) // fails only when the buffer does, and it does not
	return bytes.Replace(document, []byte(address), escaped.Bytes(), 1)
}

// Schema returns the XML Schema inside the contract as a document of its own, for a validator such as xmllint. It describes the
// elements that stand in a SOAP Body, not the envelope around them. The caller must not change it.
func Schema() []byte {
	const end = "</xsd:schema>"
	from := bytes.Index(document, []byte("<xsd:schema"))
	to := bytes.Index(document, []byte(end))
	return document[from : to+len(end)]
}

package soap

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// parseXML feeds the tokens that encoding/xml finds in text, which is UTF-8 whatever its declaration says, to b.
func parseXML(text string, b *requestBuilder) *Fault {
	in := &boundedMarkup{text: text}
	dec := xml.NewDecoder(in)
	dec.CharsetReader = func(_ string, converted io.Reader) (io.Reader, error) { return converted, nil }
	var attrs []xmlAttr
	for {
		in.token = int(dec.InputOffset())
		b.at = in.token
		token, err := dec.RawToken()
		if err == io.EOF {
			b.at = len(text)
			return b.finish()
		}
		if err != nil {
			return xmlFault(b, err)
		}
		var fault *Fault
		switch t := token.(type) {
		case xml.StartElement:
			attrs = attrs[:0]
			for _, a := range t.Attr {
				name, colon := joinName(a.Name)
				attrs = append(attrs, xmlAttr{name, colon, a.Value})
			}
			name, colon := joinName(t.Name)
			fault = b.start(name, colon, attrs)
		case xml.EndElement:
			name, _ := joinName(t.Name)
			fault = b.end(name)
		case xml.CharData:
			if len(b.frames) == 0 {
				fault = b.outside(string(t))
			} else if b.wanted {
				b.chars(string(t))
			}
		case xml.ProcInst:
			if strings.EqualFold(t.Target, "xml") {
				fault = b.declaration(t.Target, " "+string(t.Inst)) // the space that was cut off
			}
			b.begun = true
		case xml.Comment:
			b.begun = true
		}
		if fault != nil {
			return fault
		}
	}
}

// joinName gives a name of encoding/xml, whose Space is a prefix here, as it was written.
func joinName(n xml.Name) (name string, colon int) {
	if n.Space == "" {
		return n.Local, -1
	}
	return n.Space + ":" + n.Local, len(n.Space)
}

func xmlFault(b *requestBuilder, err error) *Fault {
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errDoctype):
		return b.doctype()
	case errors.Is(err, errLongTag):
		return decodeFault("Too large: line %d: a tag is longer than %d bytes", 1+strings.Count(b.text[:b.at], "\n"), maxTagBytes)
	case errors.As(err, &syntax):
		return malformedAt(syntax.Line, clip(syntax.Msg))
	}
	return b.malformed("%s", clip(strings.TrimPrefix(err.Error(), "xml: ")))
}

var (
	errDoctype = errors.New("document type declaration")
	errLongTag = errors.New("tag too long")
)

// boundedMarkup is a text to be tokenized, and refuses to go on in the tokens of which encoding/xml makes more than
// they weigh: a declaration, as soon as it begins, and a tag that is too long (rule H8).
type boundedMarkup struct {
	text  string
	at    int // of the next byte
	token int // where the token being read begins
}

// ReadByte gives the next byte.
func (m *boundedMarkup) ReadByte() (byte, error) {
	if m.at >= len(m.text) {
		return 0, io.EOF
	}
	c := m.text[m.at]
	if m.text[m.token] == '<' && m.at >= m.token+2 {
		switch kind := m.text[m.token+1]; {
		case kind == '!' && m.at == m.token+2 && c != '-' && c != '[':
			return 0, errDoctype
		case kind != '!' && kind != '?' && m.at-m.token >= maxTagBytes:
			return 0, errLongTag
		}
	}
	m.at++
	return c, nil
}

// Read is there because encoding/xml wants it of a reader that goes through a CharsetReader.
func (m *boundedMarkup) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := m.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

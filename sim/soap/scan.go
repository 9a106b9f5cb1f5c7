package soap

import "strings"

// An xmlScanner cuts the XML that clients really send into tokens without copying it: UTF-8, elements, attributes,
// text, CDATA, comments, processing instructions, the five entities and character references. Whatever else it meets,
// and whatever it thinks is wrong, is not its business: it gives up and parseXML decides. So it needs no error
// messages, and must only be sure of one thing: that encoding/xml finds the same tokens in what it does accept.
// FuzzDecode compares the two.
type xmlScanner struct {
	text string // valid UTF-8
	b    *requestBuilder
}

// scan feeds all tokens to the builder and gives its fault. It says false when it gives up.
func (s *xmlScanner) scan() (fault *Fault, mine bool) {
	text, b := s.text, s.b
	i := 0
	for i < len(text) {
		b.at = i
		if text[i] != '<' {
			if i, mine = s.characters(i); !mine {
				return nil, false
			}
			continue
		}
		if i+1 == len(text) {
			return nil, false
		}
		switch c := text[i+1]; {
		case c == '/':
			i, fault, mine = s.endTag(i)
		case c == '!':
			i, fault, mine = s.declaration(i)
		case c == '?':
			i, fault, mine = s.instruction(i)
		default:
			i, fault, mine = s.startTag(i)
		}
		if fault != nil || !mine {
			return fault, mine
		}
	}
	b.at = len(text)
	return b.finish(), true
}

// startTag takes the tag that begins at i. All these functions give the place after what they took.
func (s *xmlScanner) startTag(i int) (int, *Fault, bool) {
	text, b := s.text, s.b
	begin := i
	i++
	name, colon, ok := scanName(text[i:])
	if !ok {
		return 0, nil, false
	}
	i += len(name)
	attrs := b.attrs[:0]
	for {
		for i < len(text) && isSpaceByte(text[i]) {
			i++
		}
		if i == len(text) || i-begin >= maxTagBytes || len(attrs) > maxAttributes {
			return 0, nil, false
		}
		if text[i] == '>' {
			i++
			b.attrs = attrs
			return i, b.start(name, colon, attrs), true
		}
		if text[i] == '/' {
			if i+1 == len(text) || text[i+1] != '>' {
				return 0, nil, false
			}
			i += 2
			b.attrs = attrs
			fault := b.start(name, colon, attrs)
			if fault == nil {
				fault = b.end(name)
			}
			return i, fault, true
		}
		var a xmlAttr
		if a.name, a.colon, ok = scanName(text[i:]); !ok {
			return 0, nil, false
		}
		i += len(a.name)
		for i < len(text) && isSpaceByte(text[i]) {
			i++
		}
		if i == len(text) || text[i] != '=' {
			return 0, nil, false
		}
		i++
		for i < len(text) && isSpaceByte(text[i]) {
			i++
		}
		if a.value, i, ok = s.attributeValue(i); !ok {
			return 0, nil, false
		}
		attrs = append(attrs, a)
	}
}

// attributeValue takes the quoted value at i.
func (s *xmlScanner) attributeValue(i int) (string, int, bool) {
	text := s.text
	if i == len(text) || text[i] != '"' && text[i] != '\'' {
		return "", 0, false
	}
	quote := text[i]
	i++
	begin := i
	var changed []byte // the value so far once it differs from what is written
	for i < len(text) {
		c := text[i]
		if byteKinds[c] == plainByte || c == '>' {
			i++
			continue
		}
		switch {
		case c == quote:
			value := text[begin:i]
			if changed != nil {
				value = string(append(changed, value...))
			}
			return value, i + 1, true
		case c == '&':
			char, n := scanReference(text[i:])
			if n == 0 {
				return "", 0, false
			}
			changed = append(append(changed, text[begin:i]...), char...)
			i += n
			begin = i
		case c == '\r':
			changed = append(append(changed, text[begin:i]...), '\n')
			i = skipLineBreak(text, i)
			begin = i
		case c == 0xEF && !isNonCharacter(text[i:]), c == '"', c == '\'':
			i++
		default:
			return "", 0, false
		}
	}
	return "", 0, false
}

// characters takes the text from i to the next tag.
func (s *xmlScanner) characters(i int) (int, bool) {
	text, b := s.text, s.b
	begin := i // of what is not handed over yet
	for {
		for i < len(text) && byteKinds[text[i]] == plainByte {
			i++
		}
		if i == len(text) || text[i] == '<' {
			break
		}
		switch c := text[i]; {
		case c == '&':
			char, n := scanReference(text[i:])
			if n == 0 || len(b.frames) == 0 {
				return 0, false
			}
			b.chars(text[begin:i])
			b.chars(char)
			i += n
			begin = i
		case c == '\r':
			if b.wanted {
				b.chars(text[begin:i])
				b.chars("\n")
				i = skipLineBreak(text, i)
				begin = i
			} else {
				i++
			}
		case c == '>' && (i-begin < 2 || text[i-1] != ']' || text[i-2] != ']'),
			c == 0xEF && !isNonCharacter(text[i:]), c == '"', c == '\'':
			i++
		default:
			return 0, false
		}
	}
	if len(b.frames) == 0 {
		return i, trimSpace(text[begin:i]) == "" && b.outside("") == nil
	}
	b.chars(text[begin:i])
	return i, true
}

// endTag takes the tag that begins at i.
func (s *xmlScanner) endTag(i int) (int, *Fault, bool) {
	text, b := s.text, s.b
	i += 2
	if n := len(b.frames); n > 0 { // as it should be
		name := b.frames[n-1].name
		if end := i + len(name); end < len(text) && text[end] == '>' && text[i:end] == name {
			return end + 1, b.end(name), true
		}
	}
	name, _, ok := scanName(text[i:])
	if !ok {
		return 0, nil, false
	}
	i += len(name)
	for i < len(text) && isSpaceByte(text[i]) {
		i++
	}
	if i == len(text) || text[i] != '>' {
		return 0, nil, false
	}
	return i + 1, b.end(name), true
}

// declaration takes what begins with <! at i: a comment or a CDATA section.
func (s *xmlScanner) declaration(i int) (int, *Fault, bool) {
	text, b := s.text, s.b
	rest := text[i+2:]
	if len(rest) == 0 {
		return 0, nil, false
	}
	if rest[0] != '-' && rest[0] != '[' {
		return 0, b.doctype(), true
	}
	if body, ok := strings.CutPrefix(rest, "--"); ok {
		n := strings.Index(body, "--")
		if n < 0 || n+2 == len(body) || body[n+2] != '>' {
			return 0, nil, false
		}
		b.begun = true
		return i + len("<!--") + n + len("-->"), nil, true
	}
	body, ok := strings.CutPrefix(rest, "[CDATA[")
	n := strings.Index(body, "]]>")
	if !ok || n < 0 || len(b.frames) == 0 {
		return 0, nil, false
	}
	body = body[:n]
	next := i + len("<![CDATA[") + n + len("]]>")
	for j := 0; j < len(body); {
		switch c := body[j]; {
		case byteKinds[c] == wrongByte, c == 0xEF && isNonCharacter(body[j:]):
			return 0, nil, false
		case c == '\r':
			b.chars(body[:j])
			b.chars("\n")
			body = body[skipLineBreak(body, j):]
			j = 0
		default:
			j++
		}
	}
	b.chars(body)
	return next, nil, true
}

// instruction takes the processing instruction, or the XML declaration, that begins at i.
func (s *xmlScanner) instruction(i int) (int, *Fault, bool) {
	text, b := s.text, s.b
	target, _, ok := scanName(text[i+2:])
	if !ok {
		return 0, nil, false
	}
	data := text[i+2+len(target):]
	n := strings.Index(data, "?>")
	if n < 0 {
		return 0, nil, false
	}
	if strings.EqualFold(target, "xml") {
		if b.declaration(target, data[:n]) != nil {
			return 0, nil, false
		}
	}
	b.begun = true
	return i + 2 + len(target) + n + 2, nil, true
}

// scanName takes the name at the start of text, if it is an ASCII one with at most one colon, within it.
func scanName(text string) (name string, colon int, ok bool) {
	colon = -1
	i := 0
	for ; i < len(text) && nameBytes[text[i]] != 0; i++ {
		if nameBytes[text[i]] == nameColon {
			if colon >= 0 {
				return "", 0, false
			}
			colon = i
		}
	}
	if i == 0 || i == len(text) || text[i] >= 0x80 || nameBytes[text[0]] != nameStart || colon == 0 || colon == i-1 {
		return "", 0, false
	}
	return text[:i], colon, true
}

// scanReference takes the character reference, or the reference to one of the five entities, at the start of text.
// n is 0 when there is none.
func scanReference(text string) (char string, n int) {
	end := strings.IndexByte(text[:min(len(text), 12)], ';')
	if end < 0 {
		return "", 0
	}
	switch name := text[1:end]; name {
	case "lt":
		return "<", end + 1
	case "gt":
		return ">", end + 1
	case "amp":
		return "&", end + 1
	case "apos":
		return "'", end + 1
	case "quot":
		return `"`, end + 1
	case "":
		return "", 0
	default:
		if name[0] != '#' {
			return "", 0
		}
		digits, base := name[1:], rune(10)
		if strings.HasPrefix(digits, "x") {
			digits, base = digits[1:], 16
		}
		if digits == "" || len(digits) > 7 {
			return "", 0
		}
		r := rune(0)
		for i := 0; i < len(digits); i++ {
			var d rune
			switch c := digits[i]; {
			case '0' <= c && c <= '9':
				d = rune(c - '0')
			case base == 16 && 'a' <= c|0x20 && c|0x20 <= 'f':
				d = rune(c|0x20-'a') + 10
			default:
				return "", 0
			}
			r = r*base + d
		}
		if !isXMLChar(r) {
			return "", 0
		}
		return string(r), end + 1
	}
}

// isXMLChar says whether XML 1.0 can carry r.
func isXMLChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || 0x20 <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= 0x10FFFF
}

// isNonCharacter says whether valid UTF-8 begins with U+FFFE or U+FFFF, which XML cannot carry.
func isNonCharacter(text string) bool {
	return strings.HasPrefix(text, "\uFFFE") || strings.HasPrefix(text, "\uFFFF")
}

// skipLineBreak gives the place after the CR, or CR LF, at i.
func skipLineBreak(text string, i int) int {
	if i+1 < len(text) && text[i+1] == '\n' {
		return i + 2
	}
	return i + 1
}

// What a byte of text or of an attribute's value may be.
const (
	plainByte  = iota // a character, or a part of one, that means itself everywhere
	markupByte        // one to look at
	wrongByte         // one that XML cannot carry
)

// byteKinds and nameBytes are tables, never changed.
var byteKinds = func() (kinds [256]uint8) {
	for c := range 0x20 {
		kinds[c] = wrongByte
	}
	kinds['\t'], kinds['\n'] = plainByte, plainByte
	for _, c := range []byte("\r<>&\"'\xEF") {
		kinds[c] = markupByte
	}
	return kinds
}()

// The bytes of names.
const (
	nameStart = iota + 1 // a letter or an underscore
	nameRest             // what else may follow it
	nameColon            // likewise, between prefix and local name
)

var nameBytes = func() (kinds [256]uint8) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") {
		kinds[c] = nameStart
	}
	for _, c := range []byte("0123456789-.") {
		kinds[c] = nameRest
	}
	kinds[':'] = nameColon
	return kinds
}()

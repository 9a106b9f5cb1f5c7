package soap

import (
	"bytes"
	"strings"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// bodyText gives a request body as UTF-8 text without byte order mark (rule H4). What says its charset is, in this
// order: a byte order mark, the zero bytes that UTF-16 and UTF-32 put beside the first character, the Content-Type
// header, the XML declaration; UTF-8 otherwise.
//
// The text of a UTF-8 body is the body itself, not a copy of it.
func bodyText(body []byte, contentType string) (string, *Fault) {
	if wide := wideCharset(body); wide != nil {
		return convertBody(body, wide)
	}
	body = bytes.TrimPrefix(body, []byte("\uFEFF"))
	text := unsafe.String(unsafe.SliceData(body), len(body))
	name, where := charsetOf(contentType), "the Content-Type header"
	if name == "" {
		name, where = prologCharset(text), "the XML declaration"
	}
	narrow, ok := narrowCharset(name)
	switch {
	case !ok:
		return "", decodeFault("Unknown charset: found %q in %s, expected one like utf-8, utf-16 or iso-8859-1", clip(name), where)
	case narrow != nil:
		return convertBody(body, narrow)
	case !utf8.ValidString(text):
		at := 0
		for r, n := utf8.DecodeRuneInString(text); r != utf8.RuneError || n != 1; r, n = utf8.DecodeRuneInString(text[at:]) {
			at += n
		}
		return "", decodeFault("Not XML: byte %d of the text, 0x%02X, is not UTF-8; expected UTF-8, or a charset named by the Content-Type header or the XML declaration", at+1, text[at])
	}
	return text, nil
}

func convertBody(body []byte, from encoding.Encoding) (string, *Fault) {
	text, err := from.NewDecoder().Bytes(body)
	if err != nil {
		return "", decodeFault("Not XML: the text does not convert to UTF-8: %v", err)
	}
	return string(bytes.TrimPrefix(text, []byte("\uFEFF"))), nil
}

// wideCharset tells UTF-16 and UTF-32 by their first bytes. Nothing else can be XML and have zero bytes there.
func wideCharset(body []byte) encoding.Encoding {
	var head [4]byte
	n := copy(head[:], body)
	switch {
	case n < 2:
		return nil
	case n == 4 && head[0] == 0 && head[1] == 0:
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	case n == 4 && head[2] == 0 && head[3] == 0 && (head[1] == 0 || head[0] == 0xFF && head[1] == 0xFE):
		return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case head[0] == 0xFE && head[1] == 0xFF, head[0] == 0:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case head[0] == 0xFF && head[1] == 0xFE, head[1] == 0:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	}
	return nil
}

// narrowCharset finds a charset by its name: nil for UTF-8, which needs no conversion.
//
// A text that begins with one byte a character is not UTF-16, whatever names it so. Some libraries declare UTF-16
// because that is what their strings are, and send UTF-8; it is taken as that.
func narrowCharset(name string) (encoding.Encoding, bool) {
	lower := strings.ToLower(name)
	switch {
	case lower == "", lower == "utf-8", lower == "utf8", lower == "us-ascii",
		strings.HasPrefix(lower, "utf-16"), strings.HasPrefix(lower, "utf-32"):
		return nil, true
	}
	if e, err := ianaindex.IANA.Encoding(lower); err == nil && e != nil {
		return e, true
	}
	e, err := htmlindex.Get(lower)
	return e, err == nil
}

// charsetOf is the charset parameter of a Content-Type header; empty when it has none.
func charsetOf(contentType string) string {
	_, params, _ := strings.Cut(contentType, ";")
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		key, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(key), "charset") {
			return strings.Trim(value, " \t\"'")
		}
	}
	return ""
}

// prologCharset is the charset that the XML declaration at the start of text names; empty when there is none.
func prologCharset(text string) string {
	data, ok := strings.CutPrefix(text, "<?xml")
	end := strings.Index(data, "?>")
	if !ok || end < 0 {
		return ""
	}
	name, _ := declaredCharset(data[:end])
	return name
}

// declaredCharset reads an XML declaration: what stands between <?xml and ?>. The charset may be left out.
func declaredCharset(data string) (charset string, ok bool) {
	version, data, ok := cutPseudoAttribute(data, "version")
	if !ok || version != "1.0" {
		return "", false
	}
	if value, rest, ok := cutPseudoAttribute(data, "encoding"); ok {
		charset, data = value, rest
	}
	if value, rest, ok := cutPseudoAttribute(data, "standalone"); ok && (value == "yes" || value == "no") {
		data = rest
	}
	return charset, trimSpace(data) == ""
}

// cutPseudoAttribute takes white space, the name, "=" and a quoted value off the start of data.
func cutPseudoAttribute(data, name string) (value, rest string, ok bool) {
	rest = trimLeftSpace(data)
	if len(rest) == len(data) {
		return "", data, false
	}
	if rest, ok = strings.CutPrefix(rest, name); !ok {
		return "", data, false
	}
	if rest, ok = strings.CutPrefix(trimLeftSpace(rest), "="); !ok {
		return "", data, false
	}
	rest = trimLeftSpace(rest)
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return "", data, false
	}
	value, rest, ok = strings.Cut(rest[1:], rest[:1])
	return value, rest, ok
}

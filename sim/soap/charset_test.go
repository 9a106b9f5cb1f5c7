package soap

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// encoded is text in a charset; a nil charset is UTF-8.
func encoded(tb interface{ Fatalf(string, ...any) }, charset encoding.Encoding, text string) []byte {
	if charset == nil {
		return []byte(text)
	}
	body, err := charset.NewEncoder().Bytes([]byte(text))
	if err != nil {
		tb.Fatalf("encoding %q: %v", text, err)
	}
	return body
}

// H4: any charset that the declaration or the header names, with or without a byte order mark.
func TestDecode_H4_Charsets(t *testing.T) {
	const bom = "\uFEFF"
	utf16le := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	utf16be := unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	utf32le := utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	utf32be := utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	for _, c := range []struct {
		name        string
		charset     encoding.Encoding
		prolog      string
		contentType string
		item        string
	}{
		{"nothing says", nil, "", "", "Küche 台所 😀"},
		{"UTF-8, declared", nil, `<?xml version="1.0" encoding="UTF-8"?>`, "text/xml", "Küche 台所 😀"},
		{"UTF-8, declared with single quotes", nil, `<?xml version='1.0' encoding = 'utf-8' standalone='yes' ?>`, "text/xml", "Küche 台所 😀"},
		{"UTF-8, named by the header", nil, "", "text/xml; charset=UTF-8", "Küche 台所 😀"},
		{"UTF-8, header in quotes and capitals", nil, "", `Text/XML;Charset="Utf-8"; action="x"`, "Küche"},
		{"UTF-8, BOM", nil, bom, "text/xml", "Küche 台所 😀"},
		{"UTF-8, BOM and declared", nil, bom + `<?xml version="1.0" encoding="UTF-8"?>`, "text/xml; charset=utf-8", "Küche"},
		{"UTF-8, header says another alias", nil, "", "text/xml; charset=utf8", "Küche"},
		{"US-ASCII", nil, "", "text/xml; charset=us-ascii", "Kueche"},
		{"UTF-8 that was declared UTF-16", nil, `<?xml version="1.0" encoding="utf-16"?>`, "text/xml", "Küche"},
		{"UTF-8 that was declared UTF-16, header right", nil, `<?xml version="1.0" encoding="utf-16"?>`, "text/xml; charset=utf-8", "Küche"},
		{"UTF-16LE, BOM", utf16le, bom, "text/xml", "Küche 台所 😀"},
		{"UTF-16BE, BOM", utf16be, bom, "text/xml", "Küche 台所 😀"},
		{"UTF-16LE, BOM and declared", utf16le, bom + `<?xml version="1.0" encoding="UTF-16"?>`, "text/xml; charset=utf-16", "Küche 台所 😀"},
		{"UTF-16BE, BOM and declared", utf16be, bom + `<?xml version="1.0" encoding="UTF-16"?>`, "text/xml; charset=utf-16", "Küche"},
		{"UTF-16LE, BOM, header wrong", utf16le, bom, "text/xml; charset=utf-8", "Küche"},
		{"UTF-16LE", utf16le, "", "text/xml; charset=utf-16le", "Küche 台所 😀"},
		{"UTF-16BE", utf16be, "", "text/xml; charset=UTF-16BE", "Küche 台所 😀"},
		{"UTF-16LE, header does not say which", utf16le, "", "text/xml; charset=utf-16", "Küche"},
		{"UTF-16BE, header does not say which", utf16be, "", "text/xml; charset=utf-16", "Küche"},
		{"UTF-16LE, declared only", utf16le, `<?xml version="1.0" encoding="UTF-16LE"?>`, "text/xml", "Küche"},
		{"UTF-16BE, line break first", utf16be, "\r\n", "text/xml", "Küche"},
		{"UTF-32LE, BOM", utf32le, bom, "text/xml", "Küche 😀"},
		{"UTF-32BE, BOM", utf32be, bom, "text/xml", "Küche 😀"},
		{"UTF-32LE", utf32le, "", "text/xml; charset=utf-32", "Küche 😀"},
		{"UTF-32BE", utf32be, `<?xml version="1.0" encoding="UTF-32"?>`, "text/xml", "Küche 😀"},
		{"ISO-8859-1, declared", charmap.ISO8859_1, `<?xml version="1.0" encoding="ISO-8859-1"?>`, "text/xml", "Küche é ÿ"},
		{"ISO-8859-1, declared in small letters", charmap.ISO8859_1, `<?xml version='1.0' encoding='iso-8859-1'?>`, "", "Küche"},
		{"ISO-8859-1, named by the header", charmap.ISO8859_1, "", "text/xml; charset=ISO-8859-1", "Küche é ÿ"},
		{"ISO-8859-1, alias", charmap.ISO8859_1, "", "text/xml; charset=latin1", "Küche"},
		{"ISO-8859-1, header goes before declaration", charmap.ISO8859_1, `<?xml version="1.0" encoding="utf-8"?>`, "text/xml; charset=iso-8859-1", "Küche"},
		{"ISO-8859-15", charmap.ISO8859_15, `<?xml version="1.0" encoding="ISO-8859-15"?>`, "text/xml", "5 €"},
		{"windows-1252", charmap.Windows1252, `<?xml version="1.0" encoding="windows-1252"?>`, "text/xml", "“Küche” – 5 €"},
		{"KOI8-R", charmap.KOI8R, "", "text/xml; charset=koi8-r", "кухня"},
		{"Shift_JIS", japanese.ShiftJIS, `<?xml version="1.0" encoding="Shift_JIS"?>`, "text/xml", "台所"},
		{"GB18030", simplifiedchinese.GB18030, `<?xml version="1.0" encoding="gb18030"?>`, "text/xml", "厨房 😀"},
		{"EBCDIC", charmap.CodePage037, "", "text/xml; charset=IBM037", "KUCHE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := c.prolog + inTestBody("<selectCmDevice><CmSelectionCriteria><SelectItems><item><Item>"+c.item+"</Item></item></SelectItems></CmSelectionCriteria></selectCmDevice>")
			req, fault := Decode(encoded(t, c.charset, text), c.contentType, Limits{})
			if fault != nil {
				t.Fatalf("Decode refuses: %v", fault)
			}
			if len(req.Items) != 1 || req.Items[0].Value != c.item {
				t.Errorf("Items = %q, want %q", req.Items, c.item)
			}
		})
	}
}

// H4 and X6: every client's shape reads the same in UTF-16.
func TestDecode_H4_ShapesInUTF16(t *testing.T) {
	for _, s := range shapes(t) {
		for name, order := range map[string]unicode.Endianness{"little": unicode.LittleEndian, "big": unicode.BigEndian} {
			for _, mark := range []unicode.BOMPolicy{unicode.IgnoreBOM, unicode.UseBOM} {
				text := strings.Replace(string(s.request), "UTF-8", "UTF-16", 1)
				req, fault := Decode(encoded(t, unicode.UTF16(order, mark), text), s.contentType, Limits{})
				if fault != nil {
					t.Errorf("%s, %s endian: Decode refuses: %v", s.name, name, fault)
				} else if got := show(req); got != s.want && !*updateDecode {
					t.Errorf("%s, %s endian:\n%s\nwant\n%s", s.name, name, got, s.want)
				}
			}
		}
	}
}

// H4 and X7: what cannot be read as the charset that it says is refused.
func TestDecode_H4_CharsetRefusals(t *testing.T) {
	const notUTF8 = ", is not UTF-8; expected UTF-8, or a charset named by the Content-Type header or the XML declaration"
	doc := inTestBody("<selectCmDevice/>")
	latin := inTestBody("<!-- \xE9 --><selectCmDevice/>")
	for _, c := range []struct{ name, body, contentType, want string }{
		{"unknown in the header", doc, "text/xml; charset=klingon", `Unknown charset: found "klingon" in the Content-Type header, expected one like utf-8, utf-16 or iso-8859-1`},
		{"unknown in the declaration", `<?xml version="1.0" encoding="x-none"?>` + doc, "text/xml", `Unknown charset: found "x-none" in the XML declaration, expected one like utf-8, utf-16 or iso-8859-1`},
		{"ISO-8859-1 that nobody names", latin, "text/xml", "Not XML: byte 78 of the text, 0xE9" + notUTF8},
		{"ISO-8859-1 that the header calls UTF-8", `<?xml version="1.0" encoding="ISO-8859-1"?>` + latin, "text/xml; charset=utf-8", "Not XML: byte 121 of the text, 0xE9" + notUTF8},
		{"BOM alone", "\uFEFF", "text/xml", "Not XML: line 1: there is no element; expected a SOAP envelope"},
		{"BOM twice", "\uFEFF\uFEFF" + doc, "text/xml", "Not XML: line 1: found the text \"\\ufeff\" outside of the Envelope; expected a SOAP envelope"},
		{"half a UTF-16 character at the end", string(encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), doc)) + "x", "text/xml", "Not XML: line 1: found the text \"\uFFFD\" outside of the Envelope; expected a SOAP envelope"},
		{"DTD in UTF-16", string(encoded(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), billionLaughs)), "text/xml", "DTD refused: line 2: found <!, the start of a document type declaration; expected an envelope without one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, fault := Decode([]byte(c.body), c.contentType, Limits{})
			if fault == nil || req != nil {
				t.Fatalf("Decode gives %v, %v, want the fault %q", req, fault, c.want)
			}
			if fault.String != c.want {
				t.Errorf("Decode:\n got %q\nwant %q", fault.String, c.want)
			}
		})
	}
}

// H4: the parameter is found in whatever header a client writes.
func TestCharsetOf(t *testing.T) {
	for contentType, want := range map[string]string{
		"":                                 "",
		"text/xml":                         "",
		"text/xml;":                        "",
		"text/xml; charset":                "",
		"text/xml; charset=":               "",
		"text/xml;charset=utf-8":           "utf-8",
		"text/xml ; CHARSET = \"UTF-16\" ": "UTF-16",
		"text/xml; charset='utf-8'":        "utf-8",
		"application/soap+xml; action=\"selectCmDevice\"; charset=utf-8": "utf-8",
		"text/xml; xcharset=a; charset=b; charset=c":                     "b",
	} {
		if got := charsetOf(contentType); got != want {
			t.Errorf("charsetOf(%q) = %q, want %q", contentType, got, want)
		}
	}
}

package soap

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// endless is a body without an end that counts what is taken of it.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += int64(len(p))
	return len(p), nil
}

func gzipped(tb testing.TB, data io.Reader) []byte {
	tb.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(z, data); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func post(body io.Reader, length int64, coding string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.ContentLength = length
	if coding != "" {
		r.Header.Set("Content-Encoding", coding)
	}
	return r
}

// H4 and H8: bodies as they come.
func TestReadBody(t *testing.T) {
	whole := strings.Repeat("x", 1000)
	zipped := gzipped(t, strings.NewReader(whole))
	const (
		tooLarge = "Too large: the request body is longer than 1000 bytes, which is the most that is accepted"
		notGzip  = "Not gzip: Content-Encoding says gzip, and the request body does not unpack: "
	)
	for _, c := range []struct {
		name    string
		request *http.Request
		want    string // of the body
		fault   string
	}{
		{"length known", post(strings.NewReader(whole), 1000, ""), whole, ""},
		{"length unknown, as of chunks", post(strings.NewReader(whole), -1, ""), whole, ""},
		{"byte by byte", post(iotest.OneByteReader(strings.NewReader(whole)), -1, ""), whole, ""},
		{"identity", post(strings.NewReader("abc"), 3, "identity"), "abc", ""},
		{"empty", post(strings.NewReader(""), 0, ""), "", ""},
		{"no body", &http.Request{Method: http.MethodPost}, "", ""},
		{"gzip", post(bytes.NewReader(zipped), int64(len(zipped)), "gzip"), whole, ""},
		{"gzip of unknown length", post(bytes.NewReader(zipped), -1, " GZIP "), whole, ""},
		{"x-gzip", post(bytes.NewReader(zipped), -1, "x-gzip"), whole, ""},
		{"H8 length says too large", post(strings.NewReader(whole+"x"), 1001, ""), "", tooLarge},
		{"H8 too large without saying so", post(strings.NewReader(whole+"x"), -1, ""), "", tooLarge},
		{"H8 no end", post(&endless{}, -1, ""), "", tooLarge},
		{"H8 unpacks to too much", post(bytes.NewReader(gzipped(t, strings.NewReader(whole+"x"))), -1, "gzip"), "", tooLarge},
		{"H8 packed is too large, and nothing", post(bytes.NewReader(bytes.Repeat(gzipped(t, strings.NewReader("")), 100)), -1, "gzip"), "", tooLarge},
		{"not gzip", post(strings.NewReader("<Envelope/>"), -1, "gzip"), "", notGzip + "gzip: invalid header"},
		{"gzip of nothing at all", post(strings.NewReader(""), 0, "gzip"), "", notGzip + "EOF"},
		{"gzip cut off", post(bytes.NewReader(zipped[:len(zipped)-5]), -1, "gzip"), "", notGzip + "unexpected EOF"},
		{"gzip and rubbish", post(bytes.NewReader(append(zipped[:len(zipped):len(zipped)], "rubbish rubbish"...)), -1, "gzip"), "", notGzip + "gzip: invalid header"},
		{"gzip with a wrong sum", post(bytes.NewReader(append(zipped[:len(zipped)-8:len(zipped)-8], "12345678"...)), -1, "gzip"), "", notGzip + "gzip: invalid checksum"},
		{"another coding", post(strings.NewReader(whole), -1, "br"), "", `Unknown coding: found Content-Encoding "br", expected gzip or none`},
		{"client gone", post(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)), 1000, ""), "", "Body cut off: the request body ended after 3 bytes: unexpected EOF"},
		{"client gone within gzip", post(io.MultiReader(bytes.NewReader(zipped[:12]), iotest.ErrReader(errors.New("reset"))), -1, "gzip"), "", notGzip + "reset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, fault := readBody(nil, c.request, 1000)
			if string(body) != c.want {
				t.Errorf("ReadBody gives %d bytes %.50q, want %d", len(body), body, len(c.want))
			}
			switch {
			case fault == nil && c.fault != "":
				t.Errorf("ReadBody gives no fault, want %q", c.fault)
			case fault != nil && (fault.String != c.fault || fault.Code != "soapenv:Client"):
				t.Errorf("ReadBody gives the fault %s %q, want soapenv:Client %q", fault.Code, fault.String, c.fault)
			}
		})
	}
}

// H8: no limit given is 4 MiB, and a body of just that is read.
func TestReadBody_H8_DefaultLimit(t *testing.T) {
	if body, fault := readBody(nil, post(io.LimitReader(&endless{}, 4<<20), -1, ""), 0); fault != nil || len(body) != 4<<20 {
		t.Errorf("4 MiB: %d bytes, %v", len(body), fault)
	}
	if _, fault := readBody(nil, post(io.LimitReader(&endless{}, 4<<20+1), -1, ""), 0); fault == nil {
		t.Errorf("4 MiB and a byte: no fault")
	}
}

// H8: nothing is read beyond the limit, nor when the length alone refuses.
func TestReadBody_H8_ReadsNoFurther(t *testing.T) {
	var e endless
	if _, fault := readBody(nil, post(&e, -1, ""), 1<<16); fault == nil || e.read > 1<<16+1 {
		t.Errorf("read %d bytes with a limit of %d: %v", e.read, 1<<16, fault)
	}
	e = endless{}
	if _, fault := readBody(nil, post(&e, 1<<40, ""), 1<<16); fault == nil || e.read > 0 {
		t.Errorf("read %d bytes of a body that says it is too large: %v", e.read, fault)
	}
}

// memory is how many bytes f allocates.
func memory(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// H8: a bomb costs what the limit allows and not what it unpacks to; bodies within the limit that are made to
// cost more than their size are refused before they do.
func TestDecode_H8_Bombs(t *testing.T) {
	const limit = 256 << 10
	bomb := gzipped(t, io.LimitReader(&endless{}, 8<<20))
	if len(bomb) > 300<<10 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	var fault *Fault
	if got := memory(func() { _, fault = readBody(nil, post(bytes.NewReader(bomb), -1, "gzip"), 64<<10) }); got > 2<<20 || fault == nil {
		t.Errorf("unpacking 8 MiB with a limit of 64 KiB allocates %d bytes: %v", got, fault)
	}
	// nonASCII makes the scanner leave the rest to encoding/xml.
	const nonASCII = "<é/>"
	for _, c := range []struct{ name, body string }{
		{"billion laughs", "<!DOCTYPE l [<!ENTITY a '" + strings.Repeat("&b;", limit/4) + "'>]>" + inTestBody("<selectCmDevice>&a;</selectCmDevice>")},
		{"deep", inTestBody("<selectCmDevice>" + strings.Repeat("<a>", limit/4))},
		{"deep, by encoding/xml", inTestBody("<selectCmDevice>" + nonASCII + strings.Repeat("<a>", limit/4))},
		{"attributes", inTestBody("<selectCmDevice><a" + strings.Repeat(` a=""`, limit/8) + "/></selectCmDevice>")},
		{"namespaces", inTestBody("<selectCmDevice>" + strings.Repeat(`<a xmlns:a="u" xmlns:b="u">`, limit/32))},
		{"DTD, by encoding/xml", inTestBody("<selectCmDevice>" + nonASCII + "<!DOCTYPE " + strings.Repeat("a", limit))},
		{"references", inTestBody("<selectCmDevice>" + strings.Repeat("&amp;", limit/8) + "&nope;")},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			var fault *Fault
			got := memory(func() { _, fault = Decode(body, "text/xml", Limits{}) })
			if fault == nil {
				t.Fatal("Decode does not refuse")
			}
			if got > 4*limit {
				t.Errorf("Decode of %d bytes allocates %d: %v", len(body), got, fault)
			}
		})
	}
}

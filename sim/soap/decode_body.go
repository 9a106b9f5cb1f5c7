package soap

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// defaultMaxBody is the longest request body, in bytes, unless a setting says otherwise (rule H8).
const defaultMaxBody = 4 << 20

// firstRoom bounds what is set aside for a body because its Content-Length promises it.
const firstRoom = 256 << 10

// readBody reads the body of r, unpacked when Content-Encoding says gzip (rule H4), into room, as far as that reaches. It refuses a body
// longer than max bytes, packed or unpacked, and reads no more than that to find out (rule H8). 0 or less means defaultMaxBody. What it
// gives shares memory with room, also beside a fault.
func readBody(room []byte, r *http.Request, max int64) ([]byte, *Fault) {
	if max <= 0 {
		max = defaultMaxBody
	}
	if r.Body == nil {
		return room, nil
	}
	if r.ContentLength > max {
		return room, bodyFault(&http.MaxBytesError{Limit: max}, 0)
	}
	var in io.Reader = r.Body
	switch coding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(http.MaxBytesReader(nil, r.Body, max))
		if err != nil {
			return room, bodyFault(packedError{err}, 0)
		}
		in = packedBody{unpacked}
	default:
		return room, decodeFault("Unknown coding: found Content-Encoding %q, expected gzip or none", clip(coding))
	}
	// One byte more than may be, to see whether there is one; and room for the end to show itself.
	room = slices.Grow(room, int(min(max, firstRoom, r.ContentLength+bytes.MinRead))+1)
	for {
		n, err := in.Read(room[len(room):min(int64(cap(room)), max+1)])
		switch room = room[:len(room)+n]; {
		case int64(len(room)) > max:
			return room[:0], bodyFault(&http.MaxBytesError{Limit: max}, 0)
		case err == io.EOF:
			return room, nil
		case err != nil:
			return room[:0], bodyFault(err, int64(len(room)))
		case len(room) == cap(room):
			room = slices.Grow(room, len(room))
		}
	}
}

// packedBody marks the errors that unpacking finds.
type packedBody struct{ *gzip.Reader }

func (p packedBody) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if err != nil && err != io.EOF {
		err = packedError{err}
	}
	return n, err
}

type packedError struct{ error }

func (p packedError) Unwrap() error { return p.error }

// bodyFault refuses a body of which n bytes could be read before err.
func bodyFault(err error, n int64) *Fault {
	var large *http.MaxBytesError
	var packed packedError
	switch {
	case errors.As(err, &large):
		return decodeFault("Too large: the request body is longer than %d bytes, which is the most that is accepted", large.Limit)
	case errors.As(err, &packed):
		return decodeFault("Not gzip: Content-Encoding says gzip, and the request body does not unpack: %v", packed.error)
	}
	return decodeFault("Body cut off: the request body ended after %d bytes: %v", n, err)
}

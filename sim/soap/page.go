package soap

import (
	"html"
	"net/http"
	"strconv"
)

// Errors below SOAP are HTML pages, as the servlet container of a Unified CM sends them (rules H5 and H7). The words
// are ours: nobody has captured these pages.

var pageTexts = map[int]string{
	http.StatusUnauthorized:     "This service answers only to users of the cluster. Send a user name and a password with Basic authentication.",
	http.StatusForbidden:        "The user is known but has no role that may read real-time information.",
	http.StatusNotFound:         "Nothing is served under this path.",
	http.StatusMethodNotAllowed: "This path does not take requests of this method.",
}

// appendPage appends the page of an HTTP status. path is shown on it, escaped.
func appendPage(b []byte, status int, path string) []byte {
	title := "HTTP Status " + strconv.Itoa(status) + " - " + http.StatusText(status)
	b = append(b, `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Error report</title><style>`+
		`body{font-family:Tahoma,Arial,sans-serif}h1{color:#fff;background:#525d76;font-size:22px;padding:4px}`+
		`hr{height:1px;border:0;background:#525d76}</style></head><body><h1>`...)
	b = append(b, title...)
	b = append(b, `</h1><hr><p><b>Type</b> Status report</p><p><b>Path</b> `...)
	b = append(b, html.EscapeString(path)...)
	b = append(b, `</p><p><b>Description</b> `...)
	text, known := pageTexts[status]
	if !known { // which an impairment asked for
		text = "The server gave this answer in place of another."
	}
	b = append(b, text...)
	return append(b, `</p><hr></body></html>`...)
}

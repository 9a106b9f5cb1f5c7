package control

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// Problem is what every refusal answers, as application/problem+json (RFC 9457). It is an error, also of [Client].
type Problem struct {
	Type   string  `json:"type" doc:"What went wrong, for programs: a name that stays."`
	Title  string  `json:"title" doc:"The same, for people."`
	Status int     `json:"status" doc:"The status of HTTP."`
	Detail string  `json:"detail,omitempty" doc:"What went wrong this time."`
	Errors []Wrong `json:"errors,omitempty" doc:"Everything that is wrong with the request."`
}

// Wrong is one thing that is wrong with a request, and where. At most one of Pointer, Parameter and Header is given.
type Wrong struct {
	Pointer   string `json:"pointer,omitempty" doc:"Where in the body: a JSON pointer (RFC 6901); not given for the whole of it."`
	Parameter string `json:"parameter,omitempty" doc:"Which parameter of the path or the query."`
	Header    string `json:"header,omitempty" doc:"Which header."`
	Detail    string `json:"detail" doc:"What is wrong: the value, and what was expected."`
}

// The types of problems.
const (
	ProblemInvalid     = "urn:risim:problem:invalid"     // 400: the request is wrong by itself
	ProblemToken       = "urn:risim:problem:token"       // 401
	ProblemForbidden   = "urn:risim:problem:forbidden"   // 403: a page of another site, or another name of this host
	ProblemNotFound    = "urn:risim:problem:not-found"   // 404
	ProblemMethod      = "urn:risim:problem:method"      // 405
	ProblemConflict    = "urn:risim:problem:conflict"    // 409: it cannot be done as things are
	ProblemVersion     = "urn:risim:problem:version"     // 412: the cluster has changed meanwhile
	ProblemTooLarge    = "urn:risim:problem:too-large"   // 413
	ProblemMediaType   = "urn:risim:problem:media-type"  // 415
	ProblemUnfit       = "urn:risim:problem:unfit"       // 422: it does not fit this cluster
	ProblemUnavailable = "urn:risim:problem:unavailable" // 503
	ProblemFull        = "urn:risim:problem:full"        // 507: there is no room for another cluster
)

const (
	problemPrefix = "urn:risim:problem:"
	problemType   = "application/problem+json"
	seeErrors     = "The errors say what is wrong, each with its place."
)

var problems = map[string]struct {
	status int
	title  string
}{
	ProblemInvalid:     {http.StatusBadRequest, "The request is not valid"},
	ProblemToken:       {http.StatusUnauthorized, "The token is missing or wrong"},
	ProblemForbidden:   {http.StatusForbidden, "The request does not come from where it should"},
	ProblemNotFound:    {http.StatusNotFound, "There is no such thing"},
	ProblemMethod:      {http.StatusMethodNotAllowed, "The method is not allowed here"},
	ProblemConflict:    {http.StatusConflict, "It cannot be done as things are"},
	ProblemVersion:     {http.StatusPreconditionFailed, "The cluster has changed meanwhile"},
	ProblemTooLarge:    {http.StatusRequestEntityTooLarge, "The body is too large"},
	ProblemMediaType:   {http.StatusUnsupportedMediaType, "The body is of another type"},
	ProblemUnfit:       {http.StatusUnprocessableEntity, "It does not fit"},
	ProblemFull:        {http.StatusInsufficientStorage, "There is no room for more"},
	ProblemUnavailable: {http.StatusServiceUnavailable, "Not now"},
}

// Error is the detail and everything that is wrong, a line each.
func (p *Problem) Error() string {
	var lines []string
	if p.Detail != "" && !(p.Detail == seeErrors && len(p.Errors) > 0) {
		lines = append(lines, p.Detail)
	}
	for _, w := range p.Errors {
		lines = append(lines, w.String())
	}
	if len(lines) == 0 {
		return p.Title
	}
	return strings.Join(lines, "\n")
}

// String is the place and what is wrong there.
func (w Wrong) String() string {
	switch {
	case w.Pointer != "":
		return w.Pointer + ": " + w.Detail
	case w.Parameter != "":
		return w.Parameter + ": " + w.Detail
	case w.Header != "":
		return w.Header + ": " + w.Detail
	}
	return w.Detail
}

// refuse makes a problem of a type.
func refuse(kind, format string, args ...any) *Problem {
	p := problems[kind]
	return &Problem{Type: kind, Title: p.title, Status: p.status, Detail: fmt.Sprintf(format, args...)}
}

// wrong makes a problem of everything that is wrong; nil when that is nothing.
func wrong(kind string, list []Wrong) error {
	if len(list) == 0 {
		return nil
	}
	p := refuse(kind, "%s", seeErrors)
	p.Errors = list
	return p
}

// problemOf makes a problem of an error. What was read as the language of scenarios says, is at the pointer of the body
// that place gives.
func problemOf(err error, place func(scenarios.Problem) string) *Problem {
	var p *Problem
	var changed *sim.VersionError
	var many scenarios.Problems
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &changed):
		p := refuse(ProblemVersion, "%v", err)
		p.Errors = []Wrong{{Header: "If-Match", Detail: fmt.Sprintf("it is %q now", fmt.Sprint(changed.Have))}}
		return p
	case errors.As(err, &many) && place != nil:
		p := refuse(ProblemUnfit, "%s", seeErrors)
		for _, one := range many {
			p.Errors = append(p.Errors, Wrong{Pointer: place(one), Detail: one.Message})
		}
		return p
	}
	p = refuse(ProblemUnfit, "%s", seeErrors)
	p.Errors = each(err)
	return p
}

// write answers the problem.
func (p *Problem) write(w http.ResponseWriter) {
	body, _ := encode(p) // of texts and a number
	h := w.Header()
	h.Del("ETag")
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // whoever asked may have gone
}

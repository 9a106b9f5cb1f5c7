package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/scenarios"
)

// route is one thing that the API can do: what serves it and what describes it. The table of all is in routes.go.
type route struct {
	name   string // stays: of the operation in the OpenAPI document
	method string
	path   string // below Base; the parts in braces are fields of in
	doc    string // one sentence, and more if need be
	tag    string
	in     reflect.Type // see decode.go
	out    reflect.Type // of the answer as JSON; nil for another type, or none
	dry    reflect.Type // of the answer to a dry run; nil: the same
	media  string       // type of an answer that is not JSON
	status int          // of a good answer
	fails  []string     // types of problems, besides those that every route has

	serve func(*call) error
}

// call is one request to a route.
type call struct {
	api    *api
	w      http.ResponseWriter
	r      *http.Request
	status int  // of a good answer
	sent   bool // the answer has begun
}

// op makes a route that answers JSON.
func op[In, Out any](name, method, path, tag, doc string, f func(*call, *In) (Out, error)) route {
	r := route{name: name, method: method, path: path, tag: tag, doc: doc, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), status: http.StatusOK}
	r.serve = func(c *call) error {
		var in In
		if err := decodeRequest(c.w, c.r, &in); err != nil {
			return err
		}
		if g, ok := any(&in).(changing); ok {
			defer c.api.host.alone(g.of())()
		}
		out, err := f(c, &in)
		if err != nil {
			return err
		}
		return c.answer(out)
	}
	return r
}

// raw makes a route that answers what f writes.
func raw[In any](name, path, tag, media, doc string, f func(*call, *In) error) route {
	r := route{name: name, method: http.MethodGet, path: path, tag: tag, doc: doc, in: reflect.TypeFor[In](), media: media, status: http.StatusOK}
	r.serve = func(c *call) error {
		var in In
		if err := decodeRequest(c.w, c.r, &in); err != nil {
			return err
		}
		return f(c, &in)
	}
	return r
}

func (r route) with(status int, fails ...string) route {
	if status != 0 {
		r.status = status
	}
	r.fails = append(r.fails, fails...)
	return r
}

// checked is op for a handler that answers a dry run otherwise: with a *T instead of an Out.
func checked[In, Out, T any](name, method, path, tag, doc string, f func(*call, *In) (Out, *T, error)) route {
	r := op(name, method, path, tag, doc, func(c *call, in *In) (any, error) {
		out, dry, err := f(c, in)
		if dry != nil {
			return dry, err
		}
		return out, err
	})
	r.out, r.dry = reflect.TypeFor[Out](), reflect.TypeFor[T]()
	return r
}

// answer sends a value as JSON.
func (c *call) answer(out any) error {
	body, err := encode(out)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	c.sent = true
	c.w.WriteHeader(c.status)
	_, _ = c.w.Write(body) // whoever asked may have gone
	return nil
}

// encode makes JSON for people and programs: ">= 1" stands there as it is.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

// stream begins an answer of another type.
func (c *call) stream(media string) io.Writer {
	h := c.w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	c.sent = true
	return c.w
}

// etag says which version of the snapshot an answer is of.
func (c *call) etag(version uint64) { c.w.Header().Set("ETag", etag(version)) }

// fail answers an error.
func (c *call) fail(err error) {
	if c.sent {
		panic(http.ErrAbortHandler) // too late to tell: whoever reads must not take it for whole
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = problemOf(err, nil)
	}
	p.write(c.w)
}

// inCluster is what every route of a cluster has.
type inCluster struct {
	Cluster string `path:"cluster" doc:"Name of the cluster."`
}

func (in *inCluster) of() string { return in.Cluster }

// changing is a request that changes a cluster. The API makes them one after the other: of two with the same If-Match, one is done.
type changing interface {
	of() string
	isGuarded()
}

func (*guarded) isGuarded() {}

// guarded is what every route has that changes a cluster.
type guarded struct {
	IfMatch Version `header:"If-Match" doc:"Version of the snapshot that is meant, from the ETag of an answer: if the cluster has changed since, nothing happens."`
	DryRun  bool    `query:"dryRun" doc:"true: only tell what would happen."`
}

// Change is what every answer to a change has.
type Change struct {
	Events  []uint64 `json:"events" doc:"Numbers of the journal's entries that the change has made, in order."`
	Time    Time     `json:"time" doc:"Simulated time."`
	Version uint64   `json:"version" doc:"Version of the snapshot afterwards, for If-Match."`
	DryRun  bool     `json:"dryRun,omitempty" doc:"true: nothing has been changed."`
}

// changed is the Change of what was done.
func (c *call) changed(s *sim.Simulator, dryRun bool, events ...uint64) Change {
	if events == nil {
		events = []uint64{}
	}
	out := Change{Events: events, Time: Time{s.Now()}, Version: s.Snapshot().Version, DryRun: dryRun}
	c.etag(out.Version)
	return out
}

// match refuses a change when the cluster is not as the caller saw it.
func (g guarded) match(s *sim.Simulator) error {
	if have := s.Snapshot().Version; g.IfMatch != 0 && uint64(g.IfMatch) != have {
		return problemOf(&sim.VersionError{Want: uint64(g.IfMatch), Have: have}, nil)
	}
	return nil
}

// do makes a step happen that the handler itself has worded.
func (c *call) do(s *sim.Simulator, g guarded, text string) (sim.Done, error) {
	done, err := s.Do(sim.Step{Text: text, Name: "request", IfVersion: uint64(g.IfMatch), DryRun: g.DryRun})
	if err == nil && len(done.Events) > 0 {
		err = done.Events[0].Err
	}
	if err != nil {
		return done, problemOf(err, func(scenarios.Problem) string { return "" })
	}
	c.etag(done.Version)
	return done, nil
}

func (c *call) changedBy(done sim.Done, dryRun bool) Change {
	if done.Seqs == nil {
		done.Seqs = []uint64{}
	}
	return Change{Events: done.Seqs, Time: Time{done.At}, Version: done.Version, DryRun: dryRun}
}

package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/risim/risim/sim/clock"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		code = seen.uncovered()
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Println(err)
		code = 1
	}
	exit(code)
}

// harness is the API of a host over a real listener. Each answer is compared with what the OpenAPI document says of it.
type harness struct {
	t      *testing.T
	host   *Host
	server *Server
	wall   *clock.Virtual
	http   *http.Client
	spec   *openapiSpec
}

func start(t *testing.T, o Options) *harness {
	t.Helper()
	h := &harness{t: t, wall: clock.NewVirtual(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))}
	h.host = NewHost(HostOptions{Wall: h.wall})
	server, err := Start(h.host, o)
	require.NoError(t, err)
	h.server = server
	transport := &http.Transport{}
	h.http = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		assert.NoError(t, server.Close())
		assert.NoError(t, h.host.Close())
	})
	spec.once.Do(func() { spec.read(t, server.api.document()) })
	h.spec = &spec
	return h
}

// answer is what came of a request.
type answer struct {
	sent   []byte // body of the request
	status int
	header http.Header
	body   []byte
	value  map[string]any // of JSON
}

// get reads a part of the body by its JSON pointer without the first slash: version, devices/0/name.
func (a answer) get(path string) any {
	var v any = a.value
	for _, part := range strings.Split(path, "/") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// errors lists what a problem says is wrong: place and detail.
func (a answer) errors() []string {
	var p Problem
	_ = json.Unmarshal(a.body, &p)
	var out []string
	for _, w := range p.Errors {
		out = append(out, w.String())
	}
	return out
}

// call makes a request below Base: a body that is a string goes as it is, any other as JSON. The answer is checked
// against the document.
func (h *harness) call(method, path string, body any, header ...string) answer {
	h.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		require.NoError(h.t, err)
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+Base+path, r)
	require.NoError(h.t, err)
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return h.do(req)
}

func (h *harness) do(req *http.Request) answer {
	h.t.Helper()
	resp, err := h.http.Do(req)
	require.NoError(h.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	var sent []byte
	if req.GetBody != nil {
		again, err := req.GetBody()
		require.NoError(h.t, err)
		sent, err = io.ReadAll(again)
		require.NoError(h.t, err)
	}
	a := answer{sent: sent, status: resp.StatusCode, header: resp.Header, body: data}
	if strings.HasSuffix(resp.Header.Get("Content-Type"), "json") && bytes.HasPrefix(data, []byte("{")) {
		require.NoError(h.t, json.Unmarshal(data, &a.value), "%s", data)
	}
	h.spec.check(h.t, req, a)
	return a
}

// ok is call for what must succeed.
func (h *harness) ok(method, path string, body any, header ...string) answer {
	h.t.Helper()
	a := h.call(method, path, body, header...)
	require.Less(h.t, a.status, 300, "%s %s: %s", method, path, a.body)
	return a
}

// cluster makes one with a manual clock.
func (h *harness) cluster(name, ready string) {
	h.t.Helper()
	h.ok("PUT", "/clusters/"+name, map[string]any{"ready": ready, "clock": "manual", "plain": true})
}

// openapiSpec is the document, which is the same for all, ready to judge answers.
type openapiSpec struct {
	once sync.Once
	doc  map[string]any

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

var spec openapiSpec

const specURL = "https://risim.example/openapi.json"

func (s *openapiSpec) read(t *testing.T, document []byte) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	require.NoError(t, err)
	s.compiler = jsonschema.NewCompiler()
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	s.compiler.AssertFormat()
	require.NoError(t, s.compiler.AddResource(specURL, doc))
	s.doc, s.schemas = doc.(map[string]any), map[string]*jsonschema.Schema{}
}

// schema is what stands at a JSON pointer of the document.
func (s *openapiSpec) schema(t *testing.T, pointer string) *jsonschema.Schema {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schemas[pointer] == nil {
		schema, err := s.compiler.Compile(specURL + "#" + (&url.URL{Path: pointer}).EscapedPath())
		require.NoError(t, err)
		s.schemas[pointer] = schema
	}
	return s.schemas[pointer]
}

// find gives the template of a path, and what the document says of a method on it.
func (s *openapiSpec) find(method, path string) (template string, operation map[string]any) {
	parts := strings.Split(path, "/")
	paths := s.doc["paths"].(map[string]any)
	best := ""
	for _, t := range slices.Sorted(maps.Keys(paths)) {
		tp := strings.Split(t, "/")
		if len(tp) != len(parts) || !slices.EqualFunc(tp, parts, func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") && b != "" }) {
			continue
		}
		if best == "" || strings.Count(t, "{") < strings.Count(best, "{") {
			best = t
		}
	}
	if best == "" {
		return "", nil
	}
	op, _ := paths[best].(map[string]any)[strings.ToLower(method)].(map[string]any)
	return best, op
}

// check compares an answer with the document: the status must be there, and the body must be of its schema.
func (s *openapiSpec) check(t *testing.T, req *http.Request, a answer) {
	t.Helper()
	template, op := s.find(req.Method, req.URL.EscapedPath())
	if op == nil {
		require.Contains(t, []int{404, 405}, a.status, "%s %s is not in the document", req.Method, req.URL.Path)
		return
	}
	seen.add(req.Method, template, a.status)
	status := fmt.Sprint(a.status)
	responses := op["responses"].(map[string]any)
	require.Contains(t, responses, status, "%s %s answers %s, which the document does not have:\n%s", req.Method, template, status, a.body)
	content := responses[status].(map[string]any)["content"].(map[string]any)
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	require.Contains(t, content, media, "%s %s answers %s", req.Method, template, media)
	operation := "/paths/" + pointerEscape.Replace(template) + "/" + strings.ToLower(req.Method)
	if a.status < 300 && len(a.sent) > 0 && req.Header.Get("Content-Type") == "application/json" { // what is taken, the document allows
		content := op["requestBody"].(map[string]any)["content"].(map[string]any)
		if content["application/json"] != nil {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.sent))
			require.NoError(t, err)
			require.NoError(t, s.schema(t, operation+"/requestBody/content/application~1json/schema").Validate(value), "%s %s:\n%s", req.Method, template, a.sent)
		}
	}
	if !strings.HasSuffix(media, "json") {
		return
	}
	pointer := operation + "/responses/" + status + "/content/" + pointerEscape.Replace(media) + "/schema"
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	require.NoError(t, err)
	require.NoError(t, s.schema(t, pointer).Validate(value), "%s %s:\n%s", req.Method, template, a.body)
}

// seen is which routes the tests have had good answers from.
var seen coverage

type coverage struct {
	mu   sync.Mutex
	good map[string]bool
}

func (c *coverage) add(method, template string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good == nil {
		c.good = map[string]bool{}
	}
	if status < 300 {
		c.good[method+" "+template] = true
	}
}

// uncovered tells of routes that no test has had a good answer from, when all tests have run.
func (c *coverage) uncovered() int {
	if !everything() {
		return 0
	}
	code := 0
	for prefix, list := range map[string][]route{Base: routes(), "": beside()} {
		for _, r := range list {
			if !c.good[r.method+" "+prefix+r.path] {
				fmt.Printf("no test has had a good answer from %s %s%s\n", r.method, prefix, r.path)
				code = 1
			}
		}
	}
	return code
}

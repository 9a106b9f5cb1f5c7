package soap

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/wsdl"
)

func TestContract_H2(t *testing.T) {
	r := newRig(t, knob{"rateLimit", "1"})
	get := func(method, target string, headers ...header) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, target, nil)
		for _, h := range headers {
			req.Header.Set(h[0], h[1])
		}
		return r.do(req)
	}
	const here = "https://ris.example:9443" + Path
	for _, target := range []string{here + "?wsdl", here + "?WSDL", here + "?Wsdl=1", here + "?a=b&wsdl", here + "?wsdl/"} {
		rec := get(http.MethodGet, target)
		assert.Equal(t, http.StatusOK, rec.Code, target)
		assert.Equal(t, "text/xml;charset=utf-8", rec.Header().Get("Content-Type"))
		assert.Equal(t, string(wsdl.WithAddress(here)), rec.Body.String(), "documented: the request's own scheme, host and port")
		assert.Equal(t, strconv.Itoa(rec.Body.Len()), rec.Header().Get("Content-Length"))
		assert.True(t, r.last().Contract)
		assert.Empty(t, rec.Header().Get("Set-Cookie"))
	}
	assert.Contains(t, get(http.MethodGet, "http://ris.example:8080"+Path+"?wsdl").Body.String(), `"http://ris.example:8080`+Path+`"`)
	assert.Equal(t, http.StatusOK, get(http.MethodGet, here+"?wsdl", header{"Authorization", basic("poller", "wrong")}).Code, "with or without credentials")
	hostless := httptest.NewRequest(http.MethodGet, here+"?wsdl", nil)
	hostless.Host = ""
	assert.Equal(t, string(wsdl.RISService70()), r.do(hostless).Body.String(), "a request that names no host")
	head := get(http.MethodHead, here+"?wsdl")
	assert.Equal(t, http.StatusOK, head.Code)
	assert.Equal(t, strconv.Itoa(len(wsdl.WithAddress(here))), head.Header().Get("Content-Length"))

	set := r.Settings()
	require.NoError(t, set.Set("wsdlAddress", "localhost"))
	require.NoError(t, set.Set("wsdlAuth", "true"))
	require.NoError(t, r.SetSettings(set))
	assert.Equal(t, http.StatusUnauthorized, get(http.MethodGet, here+"?wsdl").Code)
	assert.Equal(t, http.StatusForbidden, get(http.MethodGet, here+"?wsdl", header{"Authorization", basic("guest", "guest")}).Code)
	rec := get(http.MethodGet, here+"?wsdl", header{"Authorization", basic("poller", "right")})
	assert.Equal(t, string(wsdl.RISService70()), rec.Body.String(), "the literal localhost")

	// An expired session is a 401 to a reader of the contract, not a SOAP fault.
	cookie := login(t, r)
	r.ExpireSessions("")
	assert.Equal(t, http.StatusUnauthorized, get(http.MethodGet, here+"?wsdl", header{"Cookie", cookie}, header{"Authorization", basic("poller", "right")}).Code)

	// H1: POST with ?wsdl is an ordinary request.
	r.advance(time.Minute)
	req := request(device("selectCmDevice", "", everything))
	req.URL.RawQuery = "wsdl"
	assert.Contains(t, r.do(req).Body.String(), "selectCmDeviceResponse")
}

func TestMethods_H7(t *testing.T) {
	r := newRig(t)
	for method, allow := range map[string]string{
		"GET": "POST", "HEAD": "POST", "PUT": "POST", "DELETE": "POST", "OPTIONS": "POST", "PATCH": "POST",
	} {
		req := request("")
		req.Method = method
		req.Body, req.ContentLength = unread{t}, 100
		rec := r.do(req)
		assert.Equal(t, http.StatusMethodNotAllowed, rec.Code, method)
		assert.Equal(t, allow, rec.Header().Get("Allow"), method)
		assert.Equal(t, "text/html;charset=utf-8", rec.Header().Get("Content-Type"))
		assert.Contains(t, rec.Body.String(), "HTTP Status 405 - Method Not Allowed")
	}
}

func TestNotFound_H7(t *testing.T) {
	r := newRig(t)
	for path, advice := range map[string][]string{
		"/":                                   {},
		"/realtimeservice2/services":          {},
		"/realtimeservice/services/RisPort":   {AdviceDeprecatedPath},
		"/realtimeservice/services/risport70": {AdviceDeprecatedPath},
	} {
		rec := newRecorder()
		r.NotFound("").ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, nil))
		assert.Equal(t, http.StatusNotFound, rec.Code)
		assert.Equal(t, "text/html;charset=utf-8", rec.Header().Get("Content-Type"))
		assert.Equal(t, http.StatusNotFound, r.last().HTTPStatus)
		assert.Equal(t, advice, r.adviceIDs(), path)
	}
}

func TestPages_SayWhatTheyAre(t *testing.T) {
	for status := range pageTexts {
		page := string(appendPage(nil, status, `/a"b<i>`))
		assert.Contains(t, page, strconv.Itoa(status)+" - "+http.StatusText(status))
		assert.Contains(t, page, "/a&#34;b&lt;i&gt;")
		assert.NotContains(t, page, "<i>")
		parseTree(t, strings.NewReplacer(`<meta charset="utf-8">`, "", "<hr>", "").Replace(strings.TrimPrefix(page, "<!DOCTYPE html>"))) // it nests
	}
}

// H3: the body decides, whatever SOAPAction says.
func TestSOAPAction_H3(t *testing.T) {
	const body = "selectCmDevice"
	for action, advice := range map[string][]string{
		`"selectCmDevice"`: {},
		"selectCmDevice":   {},
		"SelectCmDevice":   {},
		"http://schemas.cisco.com/ast/soap/action/#RisPort70#SelectCmDevice":    {},
		"http://schemas.cisco.com/ast/soap#selectCmDevice":                      {},
		`"http://schemas.cisco.com/ast/soap/action/#RisPort#SelectCmDeviceExt"`: {AdviceSOAPActionMismatch},
		"CUCM:DB ver=11.0": {AdviceSOAPActionMismatch},
		`""`:               {AdviceSOAPActionMismatch},
		"":                 {AdviceSOAPActionMissing},
	} {
		r := newRig(t)
		r.ask(device(body, "", []string{"MOH_2"}), header{"SOAPAction", action})
		assert.Equal(t, SelectCmDevice, r.last().Operation)
		assert.Equal(t, advice, r.adviceIDs(), action)

		r = newRig(t, knob{"requireSOAPAction", "true"})
		if action == "" {
			fault := r.fault(device(body, "", everything), header{"SOAPAction", action})
			assert.Equal(t, `The request has no SOAPAction header; expected "selectCmDevice"`, fault.String)
			assert.Equal(t, FaultMalformed, fault.Name)
		} else {
			r.ask(device(body, "", everything), header{"SOAPAction", action})
		}
	}
}

// H4: through a real server: gzip, chunks, UTF-16, Expect, HTTP/1.0 and keep-alive.
func TestHTTP_H4_OverTheWire(t *testing.T) {
	r := newRig(t)
	server := httptest.NewTLSServer(r.Handler(""))
	defer server.Close()
	body := device("selectCmDevice", "", []string{"SEP0C0000000002"})
	send := func(body io.Reader, headers ...header) string {
		req, err := http.NewRequest(http.MethodPost, server.URL+Path, body)
		require.NoError(t, err)
		req.SetBasicAuth("poller", "right")
		req.Header.Set("Content-Type", "text/xml; charset=utf-8")
		req.Header.Set("SOAPAction", "selectCmDevice")
		for _, h := range headers {
			req.Header.Set(h[0], h[1])
		}
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, res.Body.Close()) }()
		answer, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode, "%s", answer)
		require.Equal(t, int64(len(answer)), res.ContentLength, "Content-Length, not chunks")
		return string(answer)
	}
	want := send(strings.NewReader(body))
	assert.Contains(t, want, "SEP0C0000000002")
	assert.Equal(t, want, send(io.MultiReader(strings.NewReader(body))), "chunked")
	assert.Equal(t, want, send(strings.NewReader(body), header{"Expect", "100-continue"}))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, body)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	assert.Equal(t, want, send(&packed, header{"Content-Encoding", "gzip"}))
	assert.Equal(t, len(body), r.last().RequestBytes, "as unpacked")
	wide := []byte{0xff, 0xfe}
	for _, c := range []byte(body) {
		wide = append(wide, c, 0)
	}
	assert.Equal(t, want, send(bytes.NewReader(wide), header{"Content-Type", "text/xml; charset=utf-16"}))

	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"})
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = io.WriteString(conn, "POST "+Path+" HTTP/1.0\r\nAuthorization: "+basic("poller", "right")+"\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(answer), "HTTP/1.0 200 OK\r\n"), "%.60q", answer)
	assert.True(t, strings.HasSuffix(string(answer), "\r\n\r\n"+want))
}

// H8: refused with a SOAP fault, whatever the trouble; X7 likewise.
func TestRefusals_H8_X7(t *testing.T) {
	good := device("selectCmDevice", "", everything)
	deep := strings.Repeat("<a>", 20) + strings.Repeat("</a>", 20)
	for name, c := range map[string]struct{ body, want string }{
		"over the limit": {good + strings.Repeat(" ", 3000), "Too large"},
		"too deep":       {strings.Replace(good, "<e:Body>", "<e:Header>"+deep+"</e:Header><e:Body>", 1), "Too deep"},
		"DTD":            {`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + good, "DTD refused"},
		"empty":          {"", "Not XML"},
		"two operations": {strings.Replace(good, "</e:Body>", `<a:selectCtiItem xmlns:a="x"/></e:Body>`, 1), "More than one operation"},
		"no operation":   {`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>`, "No operation"},
	} {
		r := newRig(t, knob{"maxBody", "2KiB"}, knob{"maxDepth", "16"})
		fault := r.fault(c.body)
		assert.Contains(t, fault.String, c.want, name)
		assert.Equal(t, "soapenv:Client", fault.Code)
		assert.Equal(t, FaultMalformed, fault.Name)
		assert.Equal(t, cluster.Verdict(0), r.last().Verdict)
		r.ask(good) // and the service goes on
	}
}

// H4: a fault in both versions, exactly.
func TestAppendFault(t *testing.T) {
	f := &Fault{Code: "soapenv:Client", String: `a < "b"`}
	assert.Equal(t, `<?xml version='1.0' encoding='utf-8'?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>`+
		`<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>a &lt; "b"</faultstring><detail/></soapenv:Fault></soapenv:Body></soapenv:Envelope>`,
		string(AppendFault(nil, f, false)))
	assert.Equal(t, `<?xml version='1.0' encoding='utf-8'?><soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope"><soapenv:Body>`+
		`<soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:Sender</soapenv:Value></soapenv:Code>`+
		`<soapenv:Reason><soapenv:Text xml:lang="en">a &lt; "b"</soapenv:Text></soapenv:Reason></soapenv:Fault></soapenv:Body></soapenv:Envelope>`,
		string(AppendFault(nil, f, true)))
	f = &Fault{Code: "ns1:Server.X", CodeNS: "urn:x", String: "s", Detail: "<d/>"}
	assert.Contains(t, string(AppendFault(nil, f, false)), `<faultcode xmlns:ns1="urn:x">ns1:Server.X</faultcode><faultstring>s</faultstring><detail><d/></detail>`)
	assert.Contains(t, string(AppendFault(nil, f, true)), `<soapenv:Value>soapenv:Receiver</soapenv:Value><soapenv:Subcode><soapenv:Value xmlns:ns1="urn:x">ns1:Server.X`+
		`</soapenv:Value></soapenv:Subcode></soapenv:Code><soapenv:Reason><soapenv:Text xml:lang="en">s</soapenv:Text></soapenv:Reason><soapenv:Detail><d/></soapenv:Detail>`)
	assert.Equal(t, "s", f.Error())
}

// R5: the answer comes after the node time-out, once however many nodes are silent, and only when one of them is asked.
func TestNodeTimeout_R5(t *testing.T) {
	r := newRig(t, knob{"nodeTimeout", "4s"})
	r.apply(cluster.SetNodeState{Node: "cucm-sub1", State: cluster.Down}, cluster.SetNodeState{Node: "cucm-sub2", State: cluster.Isolated})
	r.ask(device("selectCmDevice", "", everything))
	assert.Equal(t, []time.Duration{4 * time.Second}, r.wait)
	r.ask(cti("", everything, nil, nil))
	assert.Len(t, r.wait, 2)
	r.ask(device("selectCmDevice", "", everything, tag{"NodeName", "cucm-pub"}))
	assert.Len(t, r.wait, 2, "a node that answers")
	root := parseTree(t, r.ask(device("selectCmDeviceExt", "", nil, tag{"NodeName", "cucm-sub1"})))
	assert.Len(t, r.wait, 3)
	assert.Equal(t, []string{"NodeNotResponding"}, root.texts(nodePath+"ReturnCode"))
	assert.Equal(t, []string{"nil"}, root.texts(nodePath+"CmDevices"))
	assert.Empty(t, r.last().StateOut, "absent from StateInfo")
	r.apply(cluster.SetNodeState{Node: "cucm-sub1", State: cluster.Broken})
	r.ask(device("selectCmDevice", "", everything, tag{"NodeName", "cucm-sub1"}))
	assert.Len(t, r.wait, 3, "a broken RIS answers at once")

	set := r.Settings()
	require.NoError(t, set.Set("nodeTimeout", "0s"))
	require.NoError(t, r.SetSettings(set))
	r.ask(device("selectCmDevice", "", everything))
	assert.Len(t, r.wait, 3)
}

// R5: without a Wait nothing waits, and a client that has gone ends the wait.
func TestNodeTimeout_R5_NoWaitAndGoneClient(t *testing.T) {
	store, err := cluster.New(start, smallCluster())
	require.NoError(t, err)
	require.NoError(t, store.Apply(start, cluster.SetNodeState{Node: "cucm-sub1", State: cluster.Down}))
	c := Config{Store: store, Users: []User{{Name: "poller", Password: "right"}}, WSDL: wsdl.WithAddress, Now: func() time.Time { return start }}
	s, err := New(c)
	require.NoError(t, err)
	rec := newRecorder()
	s.Handler("").ServeHTTP(rec, request(device("selectCmDevice", "", everything)))
	assert.Equal(t, http.StatusOK, rec.Code, "neither Wait nor Observe nor KnownModel is needed")

	observed := false
	c.Observe = func(*Exchange) { observed = true }
	c.Wait = func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }
	s, err = New(c)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Handler("").ServeHTTP(newRecorder(), request(device("selectCmDevice", "", everything)).WithContext(ctx))
	assert.True(t, observed)
}

func TestNew_SaysEverythingThatIsMissing(t *testing.T) {
	set, err := Profile("cucm-14")
	require.NoError(t, err)
	require.NoError(t, set.Set("rateLimit", "100"))
	_, err = New(Config{Settings: set})
	assert.EqualError(t, err, "soap: Config has no Store\nsoap: Config has no WSDL\nsoap: Config has no Now\n"+
		"service settings: rateLimit 100 is above 18, the most that profile cucm-14 allows; set unbounded to true to go beyond it\n"+
		"service users: there are no users, so nobody could log in")
}

func TestSetSettings_RefusesAndKeeps(t *testing.T) {
	r := newRig(t)
	set := r.Settings()
	require.NoError(t, set.Set("rateLimit", "16"))
	assert.EqualError(t, r.SetSettings(set), "service settings: rateLimit 16 is above 15, the most that profile documented allows; set unbounded to true to go beyond it")
	got := r.Settings()
	limit, _ := got.Get("rateLimit")
	assert.Equal(t, "15", limit)
	require.NoError(t, r.SetSettings(Settings{}), "the zero value is documented")
	assert.Equal(t, "documented", r.Settings().Profile())
}

// A panic is a fault to one client and no end for the others.
func TestPanic_IsAFaultAndTheServiceGoesOn(t *testing.T) {
	r := newRig(t)
	good := device("selectCmDevice", "", everything)
	bad := request(good)
	bad.Body = panicking{}
	rec := r.do(bad)
	assert.Equal(t, http.StatusInternalServerError, rec.Code)
	fault := parseTree(t, rec.Body.String()).all("Body/Fault")
	require.Len(t, fault, 1)
	assert.Equal(t, "soapenv:Server", fault[0].one(t, "faultcode"))
	assert.Equal(t, "Internal error of the simulator: boom", fault[0].one(t, "faultstring"))
	assert.Equal(t, FaultInternal, r.last().Fault.Name)
	assert.Contains(t, r.last().Panic, "boom\n")
	assert.Contains(t, r.last().Panic, "handler.go")
	r.ask(good)
	assert.Empty(t, r.last().Panic)
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("boom") }
func (panicking) Close() error             { return nil }

// One observation for each exchange, after the answer, with everything in it.
func TestObserve(t *testing.T) {
	r := newRig(t)
	body := device("selectCmDevice", "", everything, tag{"MaxReturnedDevices", "3"}, tag{"NodeName", "CUCM-SUB1"})
	rec := newRecorder()
	req := request(body, header{"User-Agent", "probe/1"})
	req.RemoteAddr = "192.0.2.7:4711"
	r.Handler("cucm-sub2").ServeHTTP(rec, req)
	require.Len(t, r.seen, 1)
	x := r.last()
	assert.Equal(t, start, x.Started)
	assert.Equal(t, cluster.NodeName("cucm-sub2"), x.Node)
	assert.Equal(t, "CUCM-SUB1", x.NodeAsked)
	assert.Equal(t, SelectCmDevice, x.Operation)
	assert.Same(t, req, x.HTTP)
	assert.Equal(t, "192.0.2.7:4711", x.Client)
	assert.Equal(t, "probe/1", x.UserAgent)
	assert.Equal(t, "poller", x.User)
	assert.Equal(t, BasicLogin, x.Login)
	assert.Equal(t, "CUCM-SUB1", x.Request.NodeName.Value)
	assert.Empty(t, x.StateIn)
	assert.Equal(t, stateOf(t, rec.Body.String()), x.StateOut)
	assert.Equal(t, 3, x.Limit)
	assert.Equal(t, 3, x.Found)
	assert.Equal(t, 3, x.Returned)
	assert.True(t, x.Truncated)
	assert.Equal(t, r.store.Snapshot().Version, x.SnapshotVersion)
	assert.Equal(t, http.StatusOK, x.HTTPStatus)
	assert.Nil(t, x.Fault)
	assert.Equal(t, len(body), x.RequestBytes)
	assert.Equal(t, rec.Body.Len(), x.ResponseBytes)
	assert.Equal(t, body, string(x.RequestBody))
	assert.Equal(t, rec.Body.String(), string(x.ResponseBody))
	assert.Equal(t, textXML, x.AnswerType)
	assert.Equal(t, [2]string{"Set-Cookie", rec.Header().Get("Set-Cookie")}, x.AnswerHeader)
	assert.False(t, x.InSession)
	assert.Equal(t, start, x.Answered)
	assert.Zero(t, x.Took, "nothing measures it")
	assert.Equal(t, []string{AdviceCaseOnly}, r.adviceIDs())

	ticks := time.Duration(0)
	r.cfg.Elapsed = func() time.Duration { ticks += time.Second; return ticks }
	r.do(request("", header{"Authorization", ""}))
	require.Len(t, r.seen, 2)
	assert.Equal(t, time.Second, r.last().Took)
	assert.Equal(t, cluster.NodeName("cucm-pub"), r.last().Node, "the handler of no node is the publisher's")
}

// The bytes of an answer are finished before the first is sent: one Write, with the length known. A client that has
// gone changes nothing for the observer.
func TestExchange_OneWrite(t *testing.T) {
	r := newRig(t)
	w := &countingWriter{header: http.Header{}}
	r.Handler("").ServeHTTP(w, request(device("selectCmDevice", "", everything)))
	assert.Equal(t, []int{200}, w.statuses)
	require.Len(t, w.writes, 1)
	assert.Equal(t, strconv.Itoa(w.writes[0]), w.header.Get("Content-Length"))
	assert.Equal(t, http.StatusOK, r.last().HTTPStatus)
}

type countingWriter struct {
	header   http.Header
	statuses []int
	writes   []int
}

func (w *countingWriter) Header() http.Header  { return w.header }
func (w *countingWriter) WriteHeader(code int) { w.statuses = append(w.statuses, code) }
func (w *countingWriter) Write(b []byte) (int, error) {
	w.writes = append(w.writes, len(b))
	return 0, errors.New("gone")
}

// Requests, changes of the cluster and of the settings, all at once: for the race detector, and every answer whole.
func TestService_ConcurrentUse(t *testing.T) {
	r := newRig(t, knob{"rateLimit", "0"})
	s := contractSchema(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			state := ""
			for range 30 {
				rec := r.do(request(device("selectCmDevice", state, everything)))
				if !assert.Equal(t, http.StatusOK, rec.Code) {
					return
				}
				s.checkAnswer(t, rec.Body.String())
				state = stateOf(t, rec.Body.String())
			}
		})
	}
	wg.Go(func() {
		for i := range 30 {
			state := []cluster.NodeState{cluster.Up, cluster.Broken}[i%2]
			assert.NoError(t, r.store.Apply(start, cluster.SetNodeState{Node: "cucm-sub2", State: state}))
			set := r.Settings()
			assert.NoError(t, set.Set("emptyAnswer", []string{"nil", "nodes"}[i%2]))
			assert.NoError(t, r.SetSettings(set))
			assert.NoError(t, r.SetUsers([]User{{Name: "poller", Password: "right"}}))
			r.ExpireSessions("nobody")
		}
	})
	wg.Wait()
}

func TestNamedFault(t *testing.T) {
	r := newRig(t, knob{"profile", "cucm-14"})
	for name, text := range map[string]string{
		FaultRateLimit: "Exceeded allowed rate for Reatime", FaultSession: "Error Code = 7", FaultMalformed: "not one that the contract has",
		FaultBadValue: "not one that the contract has", FaultInternal: "Internal error",
	} {
		f := r.NamedFault(name, "", request(""))
		require.NotNil(t, f, name)
		assert.Equal(t, name, f.Name)
		assert.Contains(t, f.String, text)
	}
	assert.Contains(t, r.NamedFault(FaultRateLimit, "", request("")).Detail, ">cucm-pub<")
	assert.Nil(t, r.NamedFault("unheard of", "", request("")))
}

// Whatever comes in, what goes out is whole: an answer that validates or a fault, and never a panic.
func FuzzService(f *testing.F) {
	for _, body := range []string{
		device("selectCmDevice", "", everything), device("selectCmDeviceExt", "x", []string{"", "a&b"}), cti("", nil, everything, nil),
		device("selectCmDevice", `<StateInfo><Node Name="cucm-pub" SubsystemStartTime="1" StateId="2" TotalItemsFound="3" TotalItemsReturned="4"/></StateInfo>`, nil),
		"nonsense", "", "<a/>",
	} {
		f.Add(body, "text/xml", "selectCmDevice", "JSESSIONIDSSO=0")
	}
	var r *rig
	var s *schema
	f.Fuzz(func(t *testing.T, body, contentType, action, cookie string) {
		if r == nil {
			r, s = newRig(t, knob{"rateLimit", "0"}), contractSchema(t)
		}
		r.t, r.seen = t, nil
		rec := r.do(request(body, header{"Content-Type", contentType}, header{"SOAPAction", action}, header{"Cookie", cookie}))
		require.Empty(t, r.last().Panic)
		root := parseTree(t, rec.Body.String())
		switch rec.Code {
		case http.StatusOK:
			require.NoError(t, s.check(root.kids[0].kids[0]))
		case http.StatusInternalServerError:
			require.Len(t, root.all("Body/Fault"), 1)
			require.NotEmpty(t, r.last().Fault.Name)
		default:
			t.Fatalf("status %d", rec.Code)
		}
	})
}

// The whole way of a request for one phone of 10,000, without a network.
func BenchmarkService_OneDevice(b *testing.B) {
	c := cluster.Config{Nodes: []cluster.Node{{Name: "cucm-pub"}}}
	for _, d := range wideResult(10_000).Nodes[0].Devices {
		c.Devices = append(c.Devices, *d.Device())
		c.Registrations = append(c.Registrations, cluster.Registration{Device: d.Name(), Node: "cucm-pub", Record: *d.Record()})
	}
	store, err := cluster.New(start, c)
	require.NoError(b, err)
	set, err := Profile("")
	require.NoError(b, err)
	require.NoError(b, set.Set("rateLimit", "0"))
	s, err := New(Config{Store: store, Settings: set, Users: []User{{Name: "poller", Password: "right"}}, WSDL: wsdl.WithAddress, Now: func() time.Time { return start }})
	require.NoError(b, err)
	body := device("selectCmDevice", "", []string{"SEP0C0000004711"})
	req := request(body)
	h := s.Handler("")
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		req.Body = io.NopCloser(strings.NewReader(body))
		h.ServeHTTP(w, req)
	}
	require.Equal(b, http.StatusOK, w.status)
}

type discard struct {
	header http.Header
	status int
}

func (w *discard) Header() http.Header         { return w.header }
func (w *discard) WriteHeader(status int)      { w.status = status }
func (w *discard) Write(b []byte) (int, error) { return len(b), nil }

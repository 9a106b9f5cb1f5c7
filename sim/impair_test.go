package sim_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/scenarios"
)

// dial opens a connection of one's own to a simulator, in whatever way its client does.
func dial(t testing.TB, ris *sim.Simulator, address string) (net.Conn, error) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	transport := ris.Client().Transport.(*http.Transport)
	conn, err := transport.DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if u.Scheme == "http" {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, ServerName: u.Hostname()})
	return secure, secure.HandshakeContext(t.Context())
}

const allDevices = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><selectCmDevice><StateInfo/>` +
	`<CmSelectionCriteria><SelectBy>Name</SelectBy><SelectItems><item><Item>SEP*</Item></item></SelectItems></CmSelectionCriteria></selectCmDevice></e:Body></e:Envelope>`

// post sends one request on a connection and reads the answer as far as it comes: the response is nil when none does.
func post(t testing.TB, ris *sim.Simulator, conn net.Conn, headers ...string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(allDevices))
	require.NoError(t, err)
	req.SetBasicAuth(ris.User, ris.Password)
	req.Header.Set("SOAPAction", "selectCmDevice")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	if err := req.Write(conn); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), req)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// isXML says that a text is well-formed to its end.
func isXML(text []byte) bool {
	for dec := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := dec.Token(); err != nil {
			return err == io.EOF
		}
	}
}

// mustImpair puts an impairment in force.
func mustImpair(t testing.TB, ris *sim.Simulator, text string) (id string) {
	t.Helper()
	id, err := ris.Impair(text)
	require.NoError(t, err)
	return id
}

// lastLine is the journal's.
func lastLine(ris *sim.Simulator) string {
	return strings.TrimSuffix(ris.Journal().Tail(1).String(), "\n")
}

// Each kind of trouble with requests, over each kind of listener: what the client sees, what becomes of its connection, and
// what the journal says. Time is manual, where waiting takes none.
func TestImpair_Requests(t *testing.T) {
	t.Parallel()
	const whole = 200 // more bytes than this has the answer
	for name, c := range map[string]struct {
		impairment string
		status     int    // 0: no answer
		text       string // in the body
		bytes      int    // of the body, when it is cut; 0: it is whole
		end        error  // of the connection; nil: it can be used again
		journal    string
	}{
		"status":       {`{id: x, status: 503}`, 503, "HTTP Status 503 - Service Unavailable", 0, nil, "503  impaired x (status 503)"},
		"page":         {`{id: x, status: 200}`, 200, "<!DOCTYPE html>", 0, nil, "200  impaired x (status 200)"},
		"no body":      {`{id: x, status: 204}`, 204, "", 0, nil, "204  impaired x (status 204)"},
		"unauthorized": {`{id: x, status: 401}`, 401, "Status 401", 0, nil, "401  impaired x (status 401)"},
		"fault": {`{id: x, fault: rateLimit}`, 500, "Exceeded allowed rate for Reatime information", 0, nil,
			"500  fault rateLimit: AxisFault: Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 0 requests pe…  impaired x (fault rateLimit)"},
		"own fault": {`{id: x, fault: {code: "soapenv:Server", text: "a < b"}}`, 500, "<faultcode>soapenv:Server</faultcode><faultstring>a &lt; b</faultstring>", 0, nil,
			"500  fault injected: a < b  impaired x (fault soapenv:Server)"},
		"session fault":  {`{id: x, fault: session}`, 500, "Error Code = 7", 0, nil, "impaired x (fault session)"},
		"no session":     {`{id: x, expireSession: true}`, 200, "SEP0200000000A1", 0, nil, "found 2 returned 2  impaired x (no session to end)"},
		"malformed":      {`{id: x, malformed: true}`, 200, "SEP0200000000A1", 0, nil, "200  found 2 returned 2  impaired x (malformed)"},
		"truncated":      {`{id: x, truncate: {afterBytes: 200}}`, 200, "", whole, io.EOF, "impaired x (truncated after 200 of"},
		"all truncated":  {`{id: x, truncate: {afterBytes: 0}}`, 200, "", -1, io.EOF, "impaired x (truncated after 0 of"},
		"not truncated":  {`{id: x, truncate: {afterBytes: 1000000}}`, 200, "SEP0200000000A1", 0, nil, "impaired x (not cut: the answer has"},
		"reset":          {`{id: x, reset: {afterBytes: 200}}`, 200, "", whole, syscall.ECONNRESET, "200  found 2 returned 2  impaired x (reset after 200 of"},
		"reset at once":  {`{id: x, reset: {afterBytes: 0}}`, 200, "", -1, syscall.ECONNRESET, "impaired x (reset after 0 of"},
		"not reset":      {`{id: x, reset: {afterBytes: 1000000}}`, 200, "SEP0200000000A1", 0, nil, "impaired x (not cut: the answer has"},
		"stall":          {`{id: x, stall: 30s}`, 0, "", 0, io.EOF, "no answer  impaired x (stalled 30s)"},
		"latency":        {`{id: x, latency: 80ms}`, 200, "SEP0200000000A1", 0, nil, "found 2 returned 2  impaired x (latency 80ms)"},
		"no latency":     {`{id: x, latency: 0s}`, 200, "SEP0200000000A1", 0, nil, "impaired x (latency 0s)"},
		"dribble":        {`{id: x, dribble: {bytes: 7, every: 1s}}`, 200, "SEP0200000000A1", 0, nil, "impaired x (7 bytes every 1s)"},
		"everything":     {`{id: x, latency: 2s, dribble: {bytes: 7, every: 1s}, reset: {afterBytes: 200}}`, 200, "", whole, syscall.ECONNRESET, "impaired x (latency 2s, 7 bytes every 1s, reset after 200 of"},
		"slow and wrong": {`{id: x, latency: 2s, dribble: {bytes: 7, every: 1s}, status: 502}`, 502, "Status 502", 0, nil, "impaired x (latency 2s, 7 bytes every 1s, status 502)"},
		"slow to stall":  {`{id: x, latency: 2s, stall: 1h}`, 0, "", 0, io.EOF, "impaired x (latency 2s, stalled 1h0m0s)"},
	} {
		for way, o := range map[string]sim.Options{"tcp": {Plain: true}, "tls": {}, "memory": {Plain: true, InMemory: true}, "tls in memory": {InMemory: true}} {
			t.Run(name+" over "+way, func(t *testing.T) {
				t.Parallel()
				o.Config, o.Set = small(), []string{"rateLimit=0"}
				ris := sim.ForTest(t, o)
				mustImpair(t, ris, c.impairment)
				conn, err := dial(t, ris, ris.URL)
				require.NoError(t, err)
				resp, body, err := post(t, ris, conn)
				require.Contains(t, lastLine(ris), c.journal)
				if c.status == 0 {
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					return
				}
				require.NotNil(t, resp, "%v", err)
				require.Equal(t, c.status, resp.StatusCode)
				require.Contains(t, string(body), c.text)
				if c.status == 204 {
					require.Empty(t, resp.Header.Values("Content-Length"))
				}
				require.Equal(t, c.status == 401, resp.Header.Get("WWW-Authenticate") != "")
				switch c.end {
				case nil:
					require.NoError(t, err)
					require.Equal(t, !strings.HasPrefix(c.impairment, "{id: x, malformed") && !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"), isXML(body), "%s", body)
				case io.EOF:
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				default:
					require.ErrorIs(t, err, c.end)
				}
				if c.bytes != 0 {
					require.Len(t, body, max(0, c.bytes))
					require.Greater(t, resp.ContentLength, int64(whole))
				}
				x := ris.Journal().Tail(1)[0].Exchange
				require.Equal(t, len(body), x.ResponseBytes)

				require.NoError(t, ris.Lift("x"))
				resp, body, err = post(t, ris, conn)
				if c.end != nil {
					require.Error(t, err, "the connection has ended")
					conn, err = dial(t, ris, ris.URL)
					require.NoError(t, err)
					resp, body, err = post(t, ris, conn)
				}
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				require.True(t, isXML(body))
				require.NotContains(t, lastLine(ris), "impaired")
			})
		}
	}
}

// inBubble runs a test in a bubble of package synctest, with a simulator whose clock runs at tenfold speed.
func inBubble(t *testing.T, f func(t *testing.T, ris *sim.Simulator)) {
	synctest.Test(t, func(t *testing.T) {
		f(t, sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Plain: true, Speed: 10, Set: []string{"rateLimit=0"}}))
	})
}

// Whoever waits waits in simulated time, and latencies add up. Longer than the server would wait for a request, too.
func TestImpair_TakesSimulatedTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		impairments []string
		wall        time.Duration
		journal     string
	}{
		"latency":   {[]string{`{id: a, latency: 20s}`}, 2 * time.Second, "impaired a (latency 20s)"},
		"latencies": {[]string{`{id: a, latency: 20s}`, `{id: b, latency: 1h}`}, 362 * time.Second, "impaired a (latency 20s)  impaired b (latency 1h0m0s)"},
		"dribble":   {[]string{`{id: a, dribble: {bytes: 1000, every: 10s}}`}, 6 * time.Second, "impaired a (1000 bytes every 10s)"}, // 6,421 bytes
		"dribbles": {[]string{`{id: a, dribble: {bytes: 3000, every: 10s}}`, `{id: b, dribble: {bytes: 1, every: 1h}, status: 503}`, `{id: c, latency: 10s, stall: 1h}`},
			1 * time.Second, "503  impaired a (3000 bytes every 10s)  impaired b (dribble of a goes first, status 503)  impaired c (latency 10s, b goes first)"},
		"cut": {[]string{`{id: a, latency: 10s, dribble: {bytes: 100, every: 10s}, truncate: {afterBytes: 1000}}`}, 10 * time.Second,
			"impaired a (latency 10s, 100 bytes every 10s, truncated after 1000 of"},
		"stall": {[]string{`{id: a, latency: 20s, stall: 30s}`}, 5 * time.Second, "no answer  impaired a (latency 20s, stalled 30s)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, ris *sim.Simulator) {
				for _, i := range c.impairments {
					mustImpair(t, ris, i)
				}
				conn, err := dial(t, ris, ris.URL)
				require.NoError(t, err)
				from := time.Now()
				resp, body, err := post(t, ris, conn)
				require.Equal(t, c.wall, time.Since(from))
				require.Contains(t, lastLine(ris), c.journal)
				if name == "cut" {
					require.Len(t, body, 1000)
				}
				require.Equal(t, name == "stall", resp == nil)
				require.Equal(t, name == "stall" || name == "cut", err != nil)
			})
		})
	}
}

// What comes slowly comes piece by piece, each when it is due.
func TestImpair_DribblesPieceByPiece(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, ris *sim.Simulator) {
		mustImpair(t, ris, `{dribble: {bytes: 1000, every: 10s}}`)
		conn, err := dial(t, ris, ris.URL)
		require.NoError(t, err)
		from := time.Now()
		req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(allDevices))
		require.NoError(t, err)
		req.SetBasicAuth(ris.User, ris.Password)
		require.NoError(t, req.Write(conn))
		resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), req)
		require.NoError(t, err)
		defer resp.Body.Close()
		piece := make([]byte, 1000)
		for i := range 3 {
			_, err := io.ReadFull(resp.Body, piece)
			require.NoError(t, err)
			require.Equal(t, time.Duration(i)*time.Second, time.Since(from))
		}
		require.Equal(t, "impairment-1", ris.Impairments()[0].ID)
	})
}

// A request that waits ends with its client, and holds Close up for two seconds at the most: what is due then comes at once.
func TestImpair_WhoWaitsEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		impairment string
		password   string // other than the right one: the service does not want the request's body
		answered   bool   // when the simulator closes
	}{
		"latency":         {`{latency: 1h}`, "", true},
		"stall":           {`{stall: 1h}`, "", false},
		"dribble":         {`{dribble: {bytes: 10, every: 1h}}`, "", true},
		"slow and cut":    {`{dribble: {bytes: 10, every: 1h}, reset: {afterBytes: 100}}`, "", false},
		"refused latency": {`{latency: 1h}`, "wrong", true},
		"refused stall":   {`{stall: 1h}`, "wrong", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := func(t *testing.T, ris *sim.Simulator, ctx context.Context) <-chan error {
				mustImpair(t, ris, c.impairment)
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, ris.URL, strings.NewReader(allDevices))
				require.NoError(t, err)
				req.SetBasicAuth(ris.User, ris.Password+c.password)
				done := make(chan error, 1)
				go func() {
					resp, err := ris.Client().Do(req)
					if err == nil {
						_, err = io.ReadAll(resp.Body)
						resp.Body.Close()
					}
					done <- err
				}()
				synctest.Wait()
				require.Contains(t, lastLine(ris), "impaired impairment-1")
				return done
			}
			t.Run("client gives up", func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, ris *sim.Simulator) {
					ctx, giveUp := context.WithCancel(t.Context())
					done := begin(t, ris, ctx)
					giveUp()
					require.ErrorIs(t, <-done, context.Canceled)
					synctest.Wait()
					from := time.Now()
					require.NoError(t, ris.Close())
					require.Zero(t, time.Since(from), "nothing waited any more")
				})
			})
			t.Run("simulator closes", func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, ris *sim.Simulator) {
					done := begin(t, ris, t.Context())
					from := time.Now()
					require.NoError(t, ris.Close())
					require.Less(t, time.Since(from), 2*time.Second)
					require.Equal(t, c.answered, <-done == nil)
				})
			})
		})
	}
}

// Lifting an impairment concerns the requests that come afterwards.
func TestImpair_LiftedWhileARequestWaits(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, ris *sim.Simulator) {
		mustImpair(t, ris, `{id: slow, latency: 1m}`)
		from, done := time.Now(), make(chan time.Duration)
		go func() {
			_, _ = tryAsk(ris, ris.URL, "selectCmDevice")
			done <- time.Since(from)
		}()
		synctest.Wait()
		require.NoError(t, ris.Lift("slow"))
		require.Equal(t, "step slow  00:00:00  lift:1  lift  slow", lastLine(ris)[len("00:00:00.000  "):])
		require.Equal(t, 200, ask(t, ris, ris.URL, "selectCmDevice").status)
		require.Zero(t, time.Since(from))
		require.Equal(t, 6*time.Second, <-done)
	})
}

// A client that holds its body back until it is asked for it is not asked by an answer that never comes.
func TestImpair_StallsWithout100Continue(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Plain: true})
	mustImpair(t, ris, `{stall: 1h}`)
	conn, err := dial(t, ris, ris.URL)
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "POST /realtimeservice2/services/RISService70 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Contains(t, lastLine(ris), "no answer  impaired impairment-1 (stalled 1h0m0s)")
}

// An expired session is the client's own, which has really ended; a client without one is answered (rule H6).
func TestImpair_H6_ExpireSession(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Plain: true})
	mustImpair(t, ris, `{id: idle, requests: {from: 2, to: 2}, expireSession: true}`)
	mustImpair(t, ris, `{id: dark, requests: {from: 5, to: 5}, status: 503}`)
	conn, err := dial(t, ris, ris.URL)
	require.NoError(t, err)
	send := func(cookie string) (status int, body, set string) {
		var headers []string
		if cookie != "" {
			headers = []string{"Cookie: " + cookie}
		}
		resp, text, err := post(t, ris, conn, headers...)
		require.NoError(t, err)
		set, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
		return resp.StatusCode, string(text), set
	}
	status, _, cookie := send("")
	require.Equal(t, 200, status)
	require.NotEmpty(t, cookie)
	for range 2 { // by the impairment, then because it is so
		status, body, set := send(cookie)
		require.Equal(t, 500, status)
		require.Contains(t, body, "Error Code = 7")
		require.Empty(t, set)
	}
	require.Contains(t, ris.Journal().String(), "500  fault session: Error Code = 7: the session has ended, and Cisco RISDC needs SOAP clients to start a new session  "+
		"impaired idle (session ended)")
	require.NotContains(t, lastLine(ris), "impaired")
	status, _, again := send("")
	require.Equal(t, 200, status)
	require.NotEqual(t, cookie, again)
	status, _, set := send("")
	require.Equal(t, 503, status)
	require.Empty(t, set, "what stands in for an answer starts no session")
	status, _, set = send(again)
	require.Equal(t, 200, status)
	require.Empty(t, set, "the session lives")
}

// What stands in for an answer costs nothing from the rate limit, what changes how it comes costs as always (rule T3).
func TestImpair_T3_RateLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set, impairment string
		left            int // of two
	}{
		{"countRefused=false", `{fault: internal}`, 2},
		{"countRefused=false", `{status: 503}`, 2},
		{"countRefused=false", `{malformed: true}`, 1},
		{"countRefused=false", `{latency: 1s}`, 1},
		{"countRefused=true", `{fault: internal}`, 1},
		{"countRefused=true", `{status: 503}`, 1},
	} {
		ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Set: []string{"rateLimit=2", c.set}})
		id := mustImpair(t, ris, c.impairment)
		_, _ = tryAsk(ris, ris.URL, "selectCmDevice") // malformed is an error
		require.Contains(t, lastLine(ris), "impaired")
		require.NoError(t, ris.Lift(id))
		for left := 2; left > 0; left-- {
			want := 200
			if left > c.left {
				continue
			}
			require.Equal(t, want, ask(t, ris, ris.URL, "selectCmDevice").status, "%v", c)
		}
		require.Equal(t, 500, ask(t, ris, ris.URL, "selectCmDevice").status, "%v", c)
	}
}

// Whom an impairment hits: by node, operation, user, count, and XPath; requests that were refused too, but not the contract.
func TestImpair_Matches(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, PerNode: true, Set: []string{"rateLimit=0"}})
	url := func(node cluster.NodeName) string { return ris.NodeURL(node) }
	hit := func(address, operation string, criteria ...string) bool {
		return ask(t, ris, address, operation, criteria...).status == 503
	}
	with := func(impairment string, check func()) {
		id := mustImpair(t, ris, impairment)
		check()
		require.NoError(t, ris.Lift(id))
	}
	with(`{match: {node: SUB*}, status: 503}`, func() {
		require.True(t, hit(url("sub1"), "selectCmDevice"))
		require.True(t, hit(url("sub2"), "selectCmDevice"))
		require.False(t, hit(url("pub"), "selectCmDevice"))
	})
	with(`{match: {operation: [selectCmDeviceExt, selectCtiItem]}, status: 503}`, func() {
		require.True(t, hit(ris.URL, "selectCmDeviceExt"))
		require.False(t, hit(ris.URL, "selectCmDevice"))
	})
	with(`{match: {user: admin*}, requests: {from: 2, to: 3}, status: 503}`, func() {
		require.Equal(t, []bool{false, true, true, false}, []bool{hit(ris.URL, "selectCmDevice"), hit(ris.URL, "selectCmDevice"),
			hit(ris.URL, "selectCmDevice"), hit(ris.URL, "selectCmDevice")})
	})
	with(`{match: {xpath: "//*[local-name()='Item'][starts-with(., 'SEP02')]"}, status: 503}`, func() {
		require.True(t, hit(ris.URL, "selectCmDevice", "Item=SEP02*"))
		require.False(t, hit(ris.URL, "selectCmDevice", "Item=SEP01*"))
		utf16, err := http.NewRequest(http.MethodPost, ris.URL, bytes.NewReader(inUTF16(`<?xml version="1.0" encoding="UTF-16"?>`+allDevices)))
		require.NoError(t, err)
		utf16.SetBasicAuth(ris.User, ris.Password)
		require.Equal(t, 200, statusOf(t, ris, utf16))
		utf16, err = http.NewRequest(http.MethodPost, ris.URL, bytes.NewReader(inUTF16(`<?xml version="1.0" encoding="UTF-16"?>`+strings.ReplaceAll(allDevices, "SEP*", "SEP02Ä"))))
		require.NoError(t, err)
		utf16.SetBasicAuth(ris.User, ris.Password)
		require.Equal(t, 503, statusOf(t, ris, utf16))
	})
	with(`{status: 503}`, func() {
		for body, password := range map[string]string{"": "wrong", "not XML": ris.Password} {
			req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(body))
			require.NoError(t, err)
			req.SetBasicAuth(ris.User, password)
			require.Equal(t, 503, statusOf(t, ris, req))
		}
		for address, want := range map[string]int{ris.URL + "?wsdl": 200, ris.URL: 503, ris.URL + "/elsewhere": 503} {
			req, err := http.NewRequest(http.MethodGet, address, nil)
			require.NoError(t, err)
			require.Equal(t, want, statusOf(t, ris, req), address)
		}
	})
	with(`{match: {operation: selectCmDevice}, status: 503}`, func() {
		req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(allDevices))
		require.NoError(t, err)
		require.Equal(t, 401, statusOf(t, ris, req), "nobody knows what it asks, for nobody has read it")
	})
	require.Empty(t, ris.Impairments())
}

func statusOf(t *testing.T, ris *sim.Simulator, req *http.Request) int {
	t.Helper()
	resp, err := ris.Client().Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

func inUTF16(text string) []byte {
	out := []byte{0xFE, 0xFF}
	for _, r := range text {
		out = append(out, byte(r>>8), byte(r))
	}
	return out
}

// Chance draws for each request by its number, so that the same requests are hit in every run.
func TestImpair_ChanceRepeats(t *testing.T) {
	t.Parallel()
	play := func(seed uint64) (journal string, hits int) {
		ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Seed: seed, Set: []string{"rateLimit=0"}})
		mustImpair(t, ris, `{id: slow, chance: 50%, latency: {p50: 80ms, p99: 900ms}}`)
		mustImpair(t, ris, `{id: dark, chance: 20%, status: 503}`)
		for range 60 {
			ask(t, ris, ris.URL, "selectCmDevice")
		}
		text := ris.Journal().String()
		return text, strings.Count(text, "impaired slow (latency ")
	}
	first, hits := play(1)
	second, _ := play(1)
	other, _ := play(2)
	require.Equal(t, first, second)
	require.NotEqual(t, first, other)
	require.InDelta(t, 30, hits, 12)
}

// refusedOrReset says that an error is one that clients get from a port at which nobody listens, or that hangs up.
func refusedOrReset(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Refused connections are reset, those that were there before when a request comes on them, and none any more when it is over.
func TestImpair_Refuse(t *testing.T) {
	t.Parallel()
	for way, o := range map[string]sim.Options{"tcp": {Plain: true}, "tls": {}, "memory": {Plain: true, InMemory: true}, "tls in memory": {InMemory: true}} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			o.Config, o.Set, o.PerNode = small(), []string{"rateLimit=0"}, true
			ris := sim.ForTest(t, o)
			old, err := dial(t, ris, ris.URL)
			require.NoError(t, err)
			_, _, err = post(t, ris, old)
			require.NoError(t, err)
			mustImpair(t, ris, `{id: dead, for: 2m, match: {node: pub}, refuse: true}`)
			for n := 2; n < 4; n++ {
				conn, err := dial(t, ris, ris.URL)
				if err == nil {
					_, _, err = post(t, ris, conn)
				}
				require.True(t, refusedOrReset(err), "%v", err)
				require.Equal(t, fmt.Sprintf("08:00:00.000  pub  connection %d  impaired dead (refused)", n), lastLine(ris))
			}
			_, _, err = post(t, ris, old)
			require.True(t, refusedOrReset(err), "%v", err)
			require.Equal(t, "08:00:00.000  pub  POST  selectCmDevice  administrator  by=Name items=SEP*  no answer  impaired dead (connection reset)", lastLine(ris))
			require.Equal(t, 200, ask(t, ris, ris.NodeURL("sub1"), "selectCmDevice").status, "another node's listener")
			require.NoError(t, ris.Advance(2*time.Minute))
			require.Empty(t, ris.Impairments())
			require.Equal(t, 200, ask(t, ris, ris.URL, "selectCmDevice").status)
		})
	}
}

// A share of the connections is refused, each for good.
func TestImpair_RefuseSome(t *testing.T) {
	t.Parallel()
	play := func() string {
		ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Plain: true, Set: []string{"rateLimit=0"}})
		mustImpair(t, ris, `{id: flaky, chance: 30%, refuse: true}`)
		for range 40 {
			conn, err := dial(t, ris, ris.URL)
			require.NoError(t, err)
			_, _, err = post(t, ris, conn)
			for range 2 {
				_, _, again := post(t, ris, conn)
				require.Equal(t, err == nil, again == nil)
			}
			conn.Close()
		}
		return ris.Journal().String()
	}
	journal := play()
	require.InDelta(t, 12, strings.Count(journal, "impaired flaky (refused)"), 8)
	require.NotContains(t, journal, "connection reset")
	require.Equal(t, journal, play())
}

// Trouble with certificates: clients that look at them do not connect, and sessions of TLS are not resumed past it.
func TestImpair_TLS(t *testing.T) {
	t.Parallel()
	for _, memory := range []bool{false, true} {
		ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: memory, Set: []string{"rateLimit=0"}})
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(ris.CAPEM()))
		transport := ris.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(10)}
		defer transport.CloseIdleConnections()
		get := func() error {
			transport.CloseIdleConnections()
			resp, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, ris.URL+"?wsdl", nil))
			if err == nil {
				resp.Body.Close()
			}
			return err
		}
		require.NoError(t, get())
		mustImpair(t, ris, `{id: old, tls: expired}`)
		var invalid x509.CertificateInvalidError
		require.ErrorAs(t, get(), &invalid)
		require.Equal(t, x509.Expired, invalid.Reason)
		require.Contains(t, lastLine(ris), "impaired old (certificate expired)")

		require.NoError(t, ris.Lift("old"))
		mustImpair(t, ris, `{id: other, tls: wrongName, latency: 2s}`)
		var name x509.HostnameError
		require.ErrorAs(t, get(), &name)
		require.Equal(t, []string{"elsewhere.invalid"}, name.Certificate.DNSNames)
		require.Contains(t, lastLine(ris), "impaired other (certificate with a wrong name)")

		// Whoever does not look is served, with the trouble that requests have.
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(allDevices))
		require.NoError(t, err)
		req.SetBasicAuth(ris.User, ris.Password)
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
		require.Contains(t, lastLine(ris), "impaired other (latency 2s)")
		require.NoError(t, ris.Lift("other"))

		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
		require.NoError(t, get())
		// A connection from before the trouble ends when a request comes on it: the client has to connect again, and look.
		conn, err := dial(t, ris, ris.URL)
		require.NoError(t, err)
		mustImpair(t, ris, `{id: old, tls: expired}`)
		_, _, err = post(t, ris, conn)
		require.True(t, refusedOrReset(err), "%v", err)
		require.Contains(t, lastLine(ris), "impaired old (connection reset)")
	}
}

// Everything that is wrong with an impairment is told, and then nothing has changed.
func TestImpair_TellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Plain: true})
	for text, want := range map[string][]string{
		``:                                  {"impairment:1:1: there is no impairment: expected trouble, such as latency: 80ms"},
		`[`:                                 {"impairment:2:1: not YAML"},
		`slow`:                              {`impairment:1:1: the impairment is "slow"`},
		`{latncy: 80ms}`:                    {`impairment:1:2: unknown key of an impairment "latncy"; did you mean "latency"?`},
		`{status: 99, chance: 3, match: 3}`: {`impairment:1:10: status "99" is not`, `impairment:1:22: "3" has no unit`, `impairment:1:32: match is "3"`},
		`{"match": {"user": "a"}}`:          {"impairment:1:1: impairment-1 has no trouble"},
		`{match: {node: sbu1}, stall: 1s}`:  {`impairment:1:16: unknown node "sbu1"; did you mean "sub1"?`},
		`{match: {node: sub1}, stall: 1s}`:  {"impairment:1:16: no request arrives at node sub1: clients reach pub only; with an address per node they reach each"},
		`{tls: expired}`:                    {"impairment:1:1: impairment-1 has trouble with certificates, and connections have no TLS here"},
		`{after: x, status: 500}`:           {`impairment:1:9: unknown step "x"`},
		`{fault: sesion}`:                   {`impairment:1:9: unknown fault "sesion"; did you mean "session"?`},
	} {
		_, err := ris.Impair(text)
		var problems scenarios.Problems
		require.ErrorAs(t, err, &problems, text)
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
	}
	_, err := ris.Do(sim.Step{Text: `impair: {match: {node: sub1}, status: 500}`})
	require.ErrorContains(t, err, "step:1:24: no request arrives at node sub1")
	require.Empty(t, ris.Impairments())
	require.Empty(t, ris.Journal())

	require.EqualError(t, ris.Lift("slow"), `no impairment "slow" is in force, nor any other`)
	_, err = ris.Do(sim.Step{Text: `lift: slow`})
	require.ErrorContains(t, err, `step:1:7: no impairment "slow" is in force; there is none`)
	require.Equal(t, "impairment-1", mustImpair(t, ris, `{"latency": {"uniform": ["1s", "2s"]}, "match": {"user": "no"}}`))
	require.Equal(t, "slow", mustImpair(t, ris, `{id: slow, status: 500}`))
	require.EqualError(t, ris.Lift("slwo"), `no impairment "slwo" is in force; did you mean "slow"?`)
	require.EqualError(t, ris.Lift("x"), `no impairment "x" is in force; there are impairment-1, slow`)
	require.Equal(t, `{match: {user: "no"}, latency: {uniform: [1s, 2s]}}`, ris.Impairments()[0].Written)
	require.Equal(t, "impairment-3", mustImpair(t, ris, ris.Impairments()[0].Written), "what is written can be read again")
}

// An impairment that takes the place of one with the same id is not lifted by the other one's end; and by hand everything ends.
func TestImpair_InPlaceOfAnother(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true})
	written := func() (out []string) {
		for _, i := range ris.Impairments() {
			out = append(out, i.Written)
		}
		return out
	}
	mustImpair(t, ris, `{id: x, for: 1m, status: 500}`)
	mustImpair(t, ris, `{id: x, for: 5m, status: 501}`)
	require.NoError(t, ris.Advance(4*time.Minute))
	require.Equal(t, []string{"{status: 501}"}, written())
	_, err := ris.Do(sim.Step{Text: `{id: x, for: 1m, do: {impair: {requests: {to: 1}, status: 502}}}`})
	require.NoError(t, err)
	require.NoError(t, ris.Advance(59*time.Second))
	require.Equal(t, []string{"{requests: {to: 1}, status: 502}"}, written())
	require.Equal(t, 502, ask(t, ris, ris.URL, "selectCmDevice").status)
	require.Equal(t, 200, ask(t, ris, ris.URL, "selectCmDevice").status)
	require.NoError(t, ris.Advance(time.Second))
	require.Empty(t, written())
	for _, lift := range []func() error{
		func() error { return ris.Lift("x") },
		func() error { _, err := ris.Do(sim.Step{Text: "lift: x"}); return err },
	} {
		mustImpair(t, ris, `{id: x, every: 1m, for: 1s, times: 3, status: 500}`)
		require.NoError(t, ris.Advance(time.Minute))
		require.Equal(t, []string{"{status: 500}"}, written())
		require.NoError(t, lift())
		require.NoError(t, ris.Advance(2*time.Minute))
		require.Empty(t, written(), "it does not come again")
	}
}

// A scenario's impairments, steps and expectations, with XPath: what was really sent is what they are told.
func TestImpair_InAScenario(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{InMemory: true, Scenario: "tests/s.yaml", ScenarioFS: scenarioFS(`cluster:
  nodes: [{name: pub}]
  devices: [{group: a, count: 3, model: Cisco 8845, homes: [pub]}]
service: {rateLimit: 0/min}
impairments:
  - {id: busy, requests: {from: 2, to: 2}, fault: {code: "soapenv:Server", text: busy}}
  - {id: hung, requests: {from: 3, to: 3}, stall: 5s}
timeline:
  - {id: dark, at: 1m, for: 1m, do: {impair: {match: {xpath: "//*[local-name()='Item']='SEP1'"}, status: 503}}}
  - {id: asked, requests: {match: {xpath: "//*[local-name()='Item']='SEP1'"}, to: 1}, do: {log: asked for SEP1}}
expect:
  - {id: faults, faults: {some: injected, count: 1}}
  - {id: dark-ones, requests: {status: 503, count: 2}}
  - {id: for-sep1, requests: {match: {xpath: "//*[local-name()='Item']='SEP1'"}, count: 3}}
  - {id: good, requests: {status: 200, count: 3}}
`)})
	for range 3 {
		_, _ = tryAsk(ris, ris.URL, "selectCmDevice", "Item=SEP2") // of which one fails and one hangs
	}
	require.NoError(t, ris.Advance(time.Minute))
	for range 2 {
		require.Equal(t, 503, ask(t, ris, ris.URL, "selectCmDevice", "Item=SEP1").status)
	}
	require.Equal(t, 200, ask(t, ris, ris.URL, "selectCmDevice", "Item=SEP2").status)
	require.NoError(t, ris.Advance(time.Minute))
	require.Equal(t, 200, ask(t, ris, ris.URL, "selectCmDevice", "Item=SEP1").status)
	for _, v := range ris.Finish() {
		require.Equal(t, scenarios.Pass, v.Outcome, v.String())
	}
	journal := ris.Journal().String()
	require.Contains(t, journal, "fault injected: busy  advice select-by-missing  impaired busy (fault soapenv:Server)")
	require.Contains(t, journal, "no answer  advice select-by-missing  impaired hung (stalled 5s)")
	require.Contains(t, journal, "items=SEP1  503  advice select-by-missing  impaired dark (status 503)")
	require.Equal(t, 1, strings.Count(journal, "asked for SEP1"))
}

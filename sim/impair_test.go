package sim_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
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

package sim_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antchfx/xmlquery"
	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim"
	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
)

// ask sends a query to address and returns the answer. operation is selectCmDevice or selectCmDeviceExt; criteria are
// NAME=VALUE, Item as often as wanted.
func ask(t testing.TB, ris *sim.Simulator, address, operation string, criteria ...string) answer {
	t.Helper()
	got, err := tryAsk(ris, address, operation, criteria...)
	require.NoError(t, err)
	return got
}

type answer struct {
	status int
	fault  string
	total  string
	names  []string // of devices, node by node
	state  string
	doc    *xmlquery.Node
}

func tryAsk(ris *sim.Simulator, address, operation string, criteria ...string) (answer, error) {
	var state, fields, items string
	for _, c := range criteria {
		name, value, _ := strings.Cut(c, "=")
		var escaped strings.Builder
		for _, r := range value {
			fmt.Fprintf(&escaped, "&#%d;", r)
		}
		switch name {
		case "Item":
			items += `<s:item><s:Item>` + escaped.String() + `</s:Item></s:item>`
		case "StateInfo":
			state = escaped.String()
		default:
			fields += `<s:` + name + `>` + escaped.String() + `</s:` + name + `>`
		}
	}
	body := `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:s="http://schemas.cisco.com/ast/soap"><e:Body><s:` + operation + `>` +
		`<s:StateInfo>` + state + `</s:StateInfo><s:CmSelectionCriteria>` + fields + `<s:SelectItems>` + items + `</s:SelectItems></s:CmSelectionCriteria>` +
		`</s:` + operation + `></e:Body></e:Envelope>`
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.SetBasicAuth(ris.User, ris.Password)
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("SOAPAction", operation)
	resp, err := ris.Client().Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return answer{status: resp.StatusCode}, nil
	}
	doc, err := xmlquery.Parse(resp.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{status: resp.StatusCode, doc: doc}
	text := func(path string) string {
		if n := xmlquery.FindOne(doc, path); n != nil {
			return n.InnerText()
		}
		return ""
	}
	got.fault, got.total, got.state = text("//faultstring"), text("//ns1:TotalDevicesFound"), text("//ns1:StateInfo")
	for _, n := range xmlquery.Find(doc, "//ns1:CmDevices/ns1:item/ns1:Name") {
		got.names = append(got.names, n.InnerText())
	}
	return got, nil
}

// small is a cluster of three nodes with one phone on each subscriber.
func small() *cluster.Config {
	phone := func(name cluster.DeviceName, home cluster.NodeName, number string) (cluster.Device, cluster.Registration) {
		d := cluster.Device{Name: name, Class: cluster.Phone, Protocol: cluster.SIP, Model: 684, Lines: []string{number}, Homes: []cluster.NodeName{home, "pub"}}
		r := cluster.Record{Status: cluster.Registered, TimeStamp: 1_700_000_000, Lines: []cluster.Line{{Number: number, Status: cluster.Registered}}}
		return d, cluster.Registration{Device: name, Node: home, Record: r}
	}
	a, onSub1 := phone("SEP0200000000A1", "sub1", "2001")
	b, onSub2 := phone("SEP0200000000B2", "sub2", "2002")
	return &cluster.Config{
		Nodes:         []cluster.Node{{Name: "sub1"}, {Name: "pub", Publisher: true}, {Name: "sub2"}},
		Devices:       []cluster.Device{a, b},
		Registrations: []cluster.Registration{onSub1, onSub2},
	}
}

// One behaviour, several ways in.
func TestStart_AnswersByEveryWay(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sim.Options{
		"TLS":                 {},
		"plain":               {Plain: true},
		"per node":            {PerNode: true},
		"per node, plain":     {PerNode: true, Plain: true},
		"memory":              {InMemory: true},
		"memory, plain":       {InMemory: true, Plain: true},
		"memory, per node":    {InMemory: true, PerNode: true},
		"memory and loopback": {InMemory: true, Listen: "127.0.0.1:0"},
		"IPv6":                {Listen: "[::1]:0"},
		"every address":       {Listen: ":0"},
		"running clock":       {Speed: 60},
		"CA on disk":          {CADir: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Config = small()
			ris := sim.ForTest(t, o)
			for _, node := range []cluster.NodeName{"pub", "sub1", "SUB2"} {
				address := ris.NodeURL(node)
				got := ask(t, ris, address, "selectCmDevice", "Item=*")
				require.Equal(t, http.StatusOK, got.status, "%s: %s", address, got.fault)
				require.Equal(t, []string{"SEP0200000000A1", "SEP0200000000B2"}, got.names)
				journal := ris.Journal()
				last := journal[len(journal)-1].Exchange
				if want := ris.NodeURL(last.Node); want != address {
					t.Errorf("asked %s, answered by %s at %s", address, last.Node, want)
				}
			}
			require.Equal(t, ris.URL, ris.NodeURL("pub"))
			require.Empty(t, ris.NodeURL("sub3"))
		})
	}
}

// H1: each node its own loopback address, all the same port.
func TestStart_H1_PerNode(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), PerNode: true})
	var hosts, ports []string
	for _, node := range []cluster.NodeName{"pub", "sub1", "sub2"} {
		u, err := url.Parse(ris.NodeURL(node))
		require.NoError(t, err)
		hosts, ports = append(hosts, u.Hostname()), append(ports, u.Port())
	}
	require.Equal(t, []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, hosts)
	require.Equal(t, []string{ports[0], ports[0], ports[0]}, ports)
	require.True(t, ris.OnlyLoopback())

	// The journal names the node that was asked, also when it had nothing there (rule H7).
	res, err := ris.Client().Get(strings.Replace(ris.NodeURL("sub2"), soap.Path, "/nothing", 1))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	require.Equal(t, cluster.NodeName("sub2"), ris.Journal()[0].Exchange.Node)
}

// H1: the certificate names localhost, the node and every listening address; TLS 1.2 and 1.3, never HTTP/2.
func TestStart_H1_Certificate(t *testing.T) {
	t.Parallel()
	for _, perNode := range []bool{false, true} {
		ris := sim.ForTest(t, sim.Options{PerNode: perNode})
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(ris.CAPEM()))
		for _, node := range ris.Snapshot().Nodes() {
			u, err := url.Parse(ris.NodeURL(node.Name))
			require.NoError(t, err)
			for _, name := range []string{"localhost", string(node.Name), u.Hostname(), node.Address.String()} {
				for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
					conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: pool, ServerName: name, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
					require.NoError(t, err, "%s as %s", u.Host, name)
					require.Equal(t, version, conn.ConnectionState().Version)
					require.Equal(t, "http/1.1", conn.ConnectionState().NegotiatedProtocol)
					require.NoError(t, conn.Close())
				}
			}
			_, err = tls.Dial("tcp", u.Host, &tls.Config{RootCAs: pool, ServerName: "elsewhere"})
			require.ErrorContains(t, err, "not elsewhere")
			_, err = tls.Dial("tcp", u.Host, &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
			require.Error(t, err)
			_, err = tls.Dial("tcp", u.Host, &tls.Config{})
			require.ErrorContains(t, err, "unknown authority")
		}
	}
}

// H1: HTTP/1.0 is answered in kind.
func TestStart_H1_HTTP10(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Plain: true})
	u, err := url.Parse(ris.URL)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s?wsdl HTTP/1.0\r\n\r\n", soap.Path)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "HTTP/1.0 200 OK", resp.Proto+" "+resp.Status)
	body, err := io.ReadAll(resp.Body) // ends with the connection
	require.NoError(t, err)
	require.Contains(t, string(body), "RISService70")
}

// H1, H7: the service's path in every form that clients send, and the 404 of all others. No redirect, ever.
func TestStart_H1_Paths(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Set: []string{"rateLimit=0"}})
	base := strings.TrimSuffix(ris.URL, soap.Path)
	for _, c := range []struct {
		path   string
		status int
	}{
		{"/realtimeservice2/services/RISService70", 200},
		{"/realtimeservice2/services/RISService70/", 200},
		{"/realtimeservice2/services/RISService70//", 200},
		{"//realtimeservice2/services/RISService70", 200},
		{"/realtimeservice2//services///RISService70", 200},
		{"/realtimeservice2/services/RISService70?wsdl", 200},
		{"/realtimeservice2/services/RISService70/?wsdl", 200},
		{"/realtimeservice2/services/RISService70?wsdl/", 200},
		{"/", 404},
		{"/realtimeservice2/services", 404},
		{"/realtimeservice2/services/RISService", 404},
		{"/realtimeservice2/services/RISService700", 404},
		{"/realtimeservice2/services/RISService70/x", 404},
		{"/realtimeservice2/services/risservice70", 404},
		{"/a/../realtimeservice2/services/RISService70", 404},
		{"/realtimeservice/services/RisPort", 404},
	} {
		client := *ris.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("redirected") }
		req, err := http.NewRequest(http.MethodPost, base+c.path, strings.NewReader(
			`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><selectCmDevice/></e:Body></e:Envelope>`))
		require.NoError(t, err)
		req.SetBasicAuth(ris.User, ris.Password)
		resp, err := client.Do(req)
		require.NoError(t, err, c.path)
		resp.Body.Close()
		require.Equal(t, c.status, resp.StatusCode, c.path)
		journal := ris.Journal()
		last := journal[len(journal)-1]
		require.Equal(t, c.status, last.Exchange.HTTPStatus, "the journal sees %s", c.path)
		require.Equal(t, "POST", last.Method)
	}
}

// Every problem of the options is told, together.
func TestStart_ReportsAllProblems(t *testing.T) {
	t.Parallel()
	_, err := sim.Start(t.Context(), sim.Options{
		Cluster: "brnach", Listen: "nonsense", Speed: -1, Manual: true, Profile: "cucm-9",
		Set: []string{"rateLimit", "maxReturned=none", "nosuch=1"},
	})
	require.Error(t, err)
	for _, text := range []string{
		"speed -1 is not a positive number", "a manual clock has no speed", `unknown profile "cucm-9"`, `setting "rateLimit" is not KNOB=VALUE`,
		`maxReturned "none"`, `unknown knob "nosuch"`, `"brnach"`, `listen address "nonsense" is not HOST:PORT`,
	} {
		require.ErrorContains(t, err, text)
	}
	for text, o := range map[string]sim.Options{
		"port \"x\" is not a number":                    {Listen: "127.0.0.1:x"},
		"needs an IPv4 loopback address":                {Listen: "0.0.0.0:0", PerNode: true},
		"there are not 3 loopback addresses":            {Listen: "127.0.0.253:0", PerNode: true},
		"choose one of them":                            {Config: small(), Cluster: "default"},
		"only a ready cluster can be scaled":            {Config: small(), Devices: 10},
		"devices: -1 is not from 0":                     {Devices: -1},
		"a cluster needs at least one node":             {Config: &cluster.Config{}},
		"rateLimit 16 is above 15":                      {Set: []string{"rateLimit=16"}},
		"a name with a colon cannot log in":             {Users: []soap.User{{Name: "a:b"}}},
		"speed +Inf is not a positive number":           {Speed: inf()},
		"listen address \"[::1]:0\": one address per n": {Listen: "[::1]:0", PerNode: true},
	} {
		_, err := sim.Start(t.Context(), o)
		require.ErrorContains(t, err, text)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sim.Start(ended, sim.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func inf() float64 { zero := 0.0; return 1 / zero }

// Validate says what Start would, and starts nothing.
func TestOptions_Validate(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	o := sim.Options{Listen: taken.Addr().String(), CADir: filepath.Join(t.TempDir(), "ca")}
	require.NoError(t, o.Validate(), "what depends on the machine is Start's matter")
	require.NoDirExists(t, o.CADir)
	o.Profile, o.Speed = "cucm-9", -1
	_, want := sim.Start(t.Context(), o)
	require.Error(t, want)
	require.EqualError(t, o.Validate(), want.Error())
}

// A start that fails leaves nothing: no port, no goroutine (see TestMain), no directory.
func TestStart_FailsClean(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.77.1.2:0") // where no other test is
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	dir := filepath.Join(t.TempDir(), "ca")
	o := sim.Options{Config: small(), Listen: fmt.Sprintf("127.77.1.1:%d", port), PerNode: true, CADir: dir}
	_, err = sim.Start(t.Context(), o)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, fmt.Sprintf("cannot listen on 127.77.1.2:%d", port))
	require.NoDirExists(t, dir)

	free, err := net.Listen("tcp", o.Listen) // the publisher's address was bound, and is free again
	require.NoError(t, err)
	free.Close()
	taken.Close()
	ris, err := sim.Start(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "ca.pem"), ris.CAFile())
	require.NoError(t, ris.Close())

	require.NoError(t, os.WriteFile(ris.CAFile(), []byte("rubbish"), 0o600))
	_, err = sim.Start(t.Context(), o)
	require.ErrorContains(t, err, ris.CAFile())
	free, err = net.Listen("tcp", o.Listen)
	require.NoError(t, err)
	free.Close()
}

func TestStart_ContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ris, err := sim.Start(ctx, sim.Options{Speed: 2, InMemory: true})
	require.NoError(t, err)
	cancel()
	require.NoError(t, ris.Close()) // waits for the one that the context began
	_, err = tryAsk(ris, ris.URL, "selectCmDevice")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestClose_Twice(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{})
	ask(t, ris, ris.URL, "selectCmDevice")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := ris.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
		})
	}
	all.Wait()
	_, err := tryAsk(ris, ris.URL, "selectCmDevice")
	require.Error(t, err)
	require.NotEmpty(t, ris.Journal(), "what was seen can still be read")
}

// In memory a simulator lives in a bubble of package synctest, where its clock runs on the bubble's time.
func TestInMemory_Synctest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Speed: 10, Set: []string{"nodeTimeout=10s"}})
		require.NoError(t, ris.Apply(cluster.SetNodeState{Node: "sub1", State: cluster.Down}))
		from, simulated := time.Now(), ris.Now()
		got := ask(t, ris, ris.URL, "selectCmDevice")
		require.Equal(t, []string{"SEP0200000000B2"}, got.names)
		require.Equal(t, time.Second, time.Since(from), "R5: ten seconds, at tenfold speed")
		require.Equal(t, 10*time.Second, ris.Now().Sub(simulated))
	})
}

// A request that waits for a node which does not respond is answered when the simulator closes meanwhile.
func TestClose_AnswersWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ris := sim.ForTest(t, sim.Options{Config: small(), InMemory: true, Speed: 1, Set: []string{"nodeTimeout=1h"}})
		require.NoError(t, ris.Apply(cluster.SetNodeState{Node: "sub1", State: cluster.Down}))
		var got answer
		done := make(chan error, 1)
		go func() {
			var err error
			got, err = tryAsk(ris, ris.URL, "selectCmDevice")
			done <- err
		}()
		synctest.Wait()
		from := time.Now()
		require.NoError(t, ris.Close())
		require.Less(t, time.Since(from), 2*time.Second)
		require.NoError(t, <-done)
		require.Equal(t, []string{"SEP0200000000B2"}, got.names)
	})
}

// A request whose body never ends is cut off within two seconds, and Close says so.
func TestClose_CutsOffWhoNeverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ris, err := sim.Start(t.Context(), sim.Options{Config: small(), InMemory: true})
		require.NoError(t, err)
		body, more := io.Pipe()
		req, err := http.NewRequest(http.MethodPost, ris.URL, body)
		require.NoError(t, err)
		req.SetBasicAuth(ris.User, ris.Password)
		done := make(chan error, 1)
		go func() {
			resp, err := ris.Client().Do(req)
			if err == nil {
				resp.Body.Close()
			}
			done <- err
		}()
		_, err = io.WriteString(more, "<e:Envelope ")
		require.NoError(t, err)
		synctest.Wait()
		from := time.Now()
		require.ErrorContains(t, ris.Close(), "closing the service: requests that were still running after 1s were cut off")
		require.Less(t, time.Since(from), 2*time.Second)
		more.Close() // until then the client is busy sending
		require.Error(t, <-done)
	})
}

// A connection that a client opened and never used does not hold Close up.
func TestClose_SilentConnections(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		ris, err := sim.Start(t.Context(), sim.Options{Config: small(), Plain: plain})
		require.NoError(t, err)
		u, err := url.Parse(ris.URL)
		require.NoError(t, err)
		tcp, err := net.Dial("tcp", u.Host)
		require.NoError(t, err)
		defer tcp.Close()
		if !plain {
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(ris.CAPEM())
			require.NoError(t, tls.Client(tcp, &tls.Config{RootCAs: pool, ServerName: "localhost"}).Handshake())
		}
		from := time.Now()
		require.NoError(t, ris.Close())
		require.Less(t, time.Since(from), time.Second)
	}
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small()})
	require.Equal(t, time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), ris.Now())
	require.NoError(t, ris.Advance(90*time.Second))
	require.Equal(t, time.Date(2026, 3, 2, 8, 1, 30, 0, time.UTC), ris.Now())
	require.ErrorContains(t, ris.Advance(-time.Second), "it never goes back")

	require.ErrorContains(t, ris.SetSpeed(2), "the clock is manual")
	require.ErrorContains(t, ris.Freeze(true), "the clock is manual")
	require.Equal(t, sim.Clock{Manual: true}, ris.Clock())

	running := sim.ForTest(t, sim.Options{Config: small(), Speed: 1, Start: noonUTC})
	require.NoError(t, running.Freeze(true))
	before := running.Now()
	require.NoError(t, running.SetSpeed(60))
	require.NoError(t, running.Upgrade(sim.Upgrade{Device: "SEP0200000000A1", Load: "new", Download: 2 * time.Minute, Reset: time.Minute}))
	require.Equal(t, sim.Clock{Speed: 60, Frozen: true, Next: before.Add(2 * time.Minute)}, running.Clock())
	require.NoError(t, running.Advance(5*time.Minute))
	require.Equal(t, before.Add(5*time.Minute), running.Now(), "frozen, but for Advance")
	record := running.Snapshot().Records("SEP0200000000A1")[0].Record
	require.Equal(t, "new", record.ActiveLoad)
	require.Equal(t, before.Add(3*time.Minute).Unix(), record.TimeStamp, "what was due on the way happened at its time")
	own := sim.ForTest(t, sim.Options{Config: small(), Start: noonUTC})
	require.Equal(t, noonUTC, own.Now())
}

var noonUTC = time.Date(2027, time.June, 1, 12, 0, 0, 0, time.UTC)

// T1, T2: the limit holds for the minute of simulated time, and Advance brings the next one.
func TestAdvance_T2_RateLimit(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Set: []string{"rateLimit=2"}})
	for range 2 {
		require.Equal(t, 200, ask(t, ris, ris.URL, "selectCmDevice").status)
	}
	refused := ask(t, ris, ris.URL, "selectCmDevice")
	require.Equal(t, 500, refused.status)
	require.Contains(t, refused.fault, "Exceeded allowed rate for Reatime information")
	require.NoError(t, ris.Advance(time.Minute))
	require.Equal(t, 200, ask(t, ris, ris.URL, "selectCmDevice").status)
}

func TestSet(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Profile: "cucm-14", Set: []string{"maxReturned=1"}})
	require.Len(t, ask(t, ris, ris.URL, "selectCmDevice").names, 1)
	require.NoError(t, ris.Set("maxReturned", "2"))
	require.Len(t, ask(t, ris, ris.URL, "selectCmDevice").names, 2)
	require.ErrorContains(t, ris.Set("maxReturned", "some"), "maxReturned")
	require.ErrorContains(t, ris.Set("rateLimit", "19"), "above 18")
	before := ris.Settings()
	require.Equal(t, "cucm-14", before.Profile())
	other, err := soap.Profile("documented")
	require.NoError(t, err)
	require.NoError(t, ris.SetSettings(other))
	require.Equal(t, "documented", ris.Settings().Profile())

	// Knobs that are changed at once do not undo each other.
	var all sync.WaitGroup
	for knob, values := range map[string][2]string{
		"maxReturned": {"6", "7"}, "window": {"fixed", "sliding"}, "realm": {"y", "x"}, "extWildcard": {"literal", "fault"},
	} {
		all.Go(func() {
			for i := range 1000 {
				if err := ris.Set(knob, values[i%2]); err != nil {
					t.Errorf("Set(%q, %q) = %v", knob, values[i%2], err)
				}
			}
		})
	}
	all.Wait()
	for knob, want := range map[string]string{"maxReturned": "7", "window": "sliding", "realm": "x", "extWildcard": "fault"} {
		got, err := ris.Settings().Get(knob)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// Logins are those of Options.Users; the first is the simulator's User.
func TestUsers(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small(), Users: []soap.User{{Name: "reader", Password: "p\u00e4ss"}, {Name: "other", Password: "x"}}})
	require.Equal(t, "reader", ris.User)
	require.Equal(t, 200, ask(t, ris, ris.URL, "selectCmDevice").status)
	req, err := http.NewRequest(http.MethodPost, ris.URL, nil)
	require.NoError(t, err)
	req.SetBasicAuth(sim.DefaultUser, sim.DefaultPassword)
	resp, err := ris.Client().Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 401, resp.StatusCode)
}

func TestApply(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small()})
	first := ask(t, ris, ris.URL, "selectCmDeviceExt", "Status=Registered")
	require.Equal(t, "2", first.total)
	require.NoError(t, ris.Advance(time.Minute))
	require.NoError(t, ris.Apply(cluster.Unregister{Device: "SEP0200000000A1", Reason: cluster.KeepAliveTimeout}))
	got := ask(t, ris, ris.URL, "selectCmDeviceExt", "Status=Registered", "StateInfo="+first.state)
	require.Equal(t, []string{"SEP0200000000B2"}, got.names)
	version := ris.Snapshot().Version

	err := ris.Apply(cluster.Register{Device: "SEP0200000000A1"}, cluster.Register{Device: "nobody"})
	require.ErrorContains(t, err, "nobody")
	require.Equal(t, version, ris.Snapshot().Version, "all or nothing")
	require.Equal(t, version, ris.Journal()[1].Event.Version)
	require.Len(t, ris.Journal(), 3, "what did not happen is not in the journal")
}

// The same options and calls give the same journal and the same answers, byte for byte.
func TestForTest_Repeats(t *testing.T) {
	t.Parallel()
	run := func(ris *sim.Simulator) string {
		got := ask(t, ris, ris.URL, "selectCmDevice", "DeviceClass=Phone", "Item=SEP*")
		require.NotEmpty(t, got.names)
		require.NoError(t, ris.Advance(10*time.Second))
		require.NoError(t, ris.Apply(cluster.Unregister{Device: cluster.DeviceName(got.names[0])}))
		again := ask(t, ris, ris.URL, "selectCmDevice", "DeviceClass=Phone", "Item=SEP*", "StateInfo="+got.state)
		return ris.Journal().String() + got.doc.OutputXML(false) + again.doc.OutputXML(false)
	}
	first := run(sim.ForTest(t, sim.Options{Seed: 7, Devices: 100}))
	for _, o := range []sim.Options{{}, {InMemory: true, PerNode: true}, {Plain: true, Listen: "[::1]:0"}} {
		o.Seed, o.Devices = 7, 100
		if again := run(sim.ForTest(t, o)); again != first {
			at := 0
			for at < min(len(first), len(again)) && first[at] == again[at] {
				at++
			}
			t.Errorf("with %+v the journal and the answers differ from byte %d on: %.200q, want %.200q", o, at, again[at:], first[at:])
		}
	}
	require.NotEqual(t, first, run(sim.ForTest(t, sim.Options{Seed: 8, Devices: 100})))
}

func TestStart_HundredAtOnce(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	urls := make([]string, 100)
	for i := range urls {
		all.Go(func() {
			ris, err := sim.Start(t.Context(), sim.Options{Config: small(), PerNode: i%2 == 0, Manual: i%3 == 0, Plain: i%5 == 0})
			if err != nil {
				t.Errorf("simulator %d: %v", i, err)
				return
			}
			defer ris.Close()
			urls[i] = ris.URL
			if err := ris.Set("realm", fmt.Sprintf("realm%d", i)); err != nil {
				t.Error(err)
			}
			got, err := tryAsk(ris, ris.URL, "selectCmDevice")
			if err != nil || got.total != "2" {
				t.Errorf("simulator %d: total %q, fault %q, %v", i, got.total, got.fault, err)
			}
			if n := len(ris.Journal()); n != 1 {
				t.Errorf("simulator %d has %d entries in its journal, want 1", i, n)
			}
		})
	}
	all.Wait()
}

// fakeTB is a test that records what it is told.
type fakeTB struct {
	failed   bool
	fatal    string
	logged   []string
	cleanups []func()
}

func (f *fakeTB) Helper()          {}
func (f *fakeTB) Cleanup(g func()) { f.cleanups = append(f.cleanups, g) }
func (f *fakeTB) Failed() bool     { return f.failed }
func (f *fakeTB) Logf(format string, args ...any) {
	f.logged = append(f.logged, fmt.Sprintf(format, args...))
}
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.fatal = fmt.Sprintf(format, args...)
	panic(f) // a real one ends the goroutine
}

func (f *fakeTB) end() {
	for len(f.cleanups) > 0 {
		last := len(f.cleanups) - 1
		g := f.cleanups[last]
		f.cleanups = f.cleanups[:last]
		g()
	}
}

func TestForTest_FailureShowsSeedAndJournal(t *testing.T) {
	t.Parallel()
	for _, failed := range []bool{false, true} {
		tb := &fakeTB{failed: failed}
		ris := sim.ForTest(tb, sim.Options{Config: small(), Seed: 4711})
		ask(t, ris, ris.URL, "selectCmDevice", "Item=SEP*A1")
		tb.end()
		log := strings.Join(tb.logged, "\n")
		require.Equal(t, failed, strings.Contains(log, "seed 4711"), log)
		require.Equal(t, failed, strings.Contains(log, "items=SEP*A1"), log)
		_, err := tryAsk(ris, ris.URL, "selectCmDevice")
		require.Error(t, err, "the cleanup has closed it")
	}
}

func TestForTest_ProblemsEndTheTest(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	require.Panics(t, func() { sim.ForTest(tb, sim.Options{Profile: "cucm-9"}) })
	require.Contains(t, tb.fatal, `unknown profile "cucm-9"`)
	require.Empty(t, tb.cleanups)
}

// What the server has to say goes to the test, also a client that does not trust the CA.
func TestForTest_LogsThroughTheTest(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	ris := sim.ForTest(tb, sim.Options{Config: small()})
	_, err := http.Post(ris.URL, "text/xml", nil)
	require.ErrorContains(t, err, "unknown authority")
	tb.end()
	require.Contains(t, strings.Join(tb.logged, "\n"), "TLS handshake error")
}

// What an answer says comes from the simulated clock, its Date too: the same run gives the same bytes.
func TestAnswer_DateIsSimulated(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small()})
	require.NoError(t, ris.Advance(time.Hour))
	res, err := ris.Client().Get(ris.URL + "?wsdl")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "Mon, 02 Mar 2026 09:00:00 GMT", res.Header.Get("Date"))
}

// H1: HTTP/1.0 over TLS, for clients that name it in ALPN.
func TestStart_H1_HTTP10OverTLS(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small()})
	u, err := url.Parse(ris.URL)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ris.CAPEM()))
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.0"}})
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s?wsdl HTTP/1.0\r\n\r\n", soap.Path)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
}

// An address that means every one is announced as one of the kind that was asked for.
func TestStart_EveryAddressIsAnnouncedAsAsked(t *testing.T) {
	t.Parallel()
	for listen, host := range map[string]string{"0.0.0.0:0": "127.0.0.1", ":0": "127.0.0.1", "[::]:0": "::1"} {
		ris := sim.ForTest(t, sim.Options{Config: small(), Listen: listen})
		u, err := url.Parse(ris.URL)
		require.NoError(t, err)
		require.Equal(t, host, u.Hostname(), listen)
	}
}

// One entry of the journal is one line, whatever a client sends.
func TestJournal_OneLineEach(t *testing.T) {
	t.Parallel()
	ris := sim.ForTest(t, sim.Options{Config: small()})
	ask(t, ris, ris.URL, "selectCmDevice", "Item=A\n08:00:00.000  version 9  StopNode pub\x1b[2J")
	res, err := ris.Client().Get(strings.Replace(ris.URL, soap.Path, "/a%0ab", 1))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	text := ris.Journal().String()
	require.Equal(t, 2, strings.Count(text, "\n"), text)
	require.NotContains(t, text, "\x1b")
}

// All problems with the settings are told at once, those of single knobs and those of knobs that do not go together.
func TestValidate_SettingsTogether(t *testing.T) {
	t.Parallel()
	err := sim.Options{Set: []string{"a=b", "rateLimit=99"}}.Validate()
	require.ErrorContains(t, err, `unknown knob "a"`)
	require.ErrorContains(t, err, "rateLimit 99 is above 15")
}

// Session ids repeat with manual time only: elsewhere nobody can guess them from the seed.
func TestSessions_GuessedOnlyWithManualTime_H6(t *testing.T) {
	t.Parallel()
	cookie := func(o sim.Options) string {
		o.Config = small()
		ris := sim.ForTest(t, o)
		req, err := http.NewRequest(http.MethodPost, ris.URL, strings.NewReader(
			`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><selectCmDevice/></e:Body></e:Envelope>`))
		require.NoError(t, err)
		req.SetBasicAuth(ris.User, ris.Password)
		res, err := ris.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
		return res.Header.Get("Set-Cookie")
	}
	require.Equal(t, cookie(sim.Options{}), cookie(sim.Options{}))
	require.NotEqual(t, cookie(sim.Options{Speed: 1}), cookie(sim.Options{Speed: 1}))
}

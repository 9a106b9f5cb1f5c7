//go:build judges

package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/antchfx/xmlquery"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// The judges are SOAP stacks that nobody here wrote, and a schema validator. They talk to the real command over HTTPS, as a
// user's client would, and decide whether risim can be mistaken for a Unified CM. `make test` installs them; a judge that is
// missing is a failure. They stand behind a build tag so that plain `go test ./...` needs nothing but Go.

var judges = []stack{
	// Debian's zeep is seen by Debian's Python only, whatever another python3 stands first in PATH.
	{"zeep", "/usr/bin/python3", ".py"},
	{"npm soap", "node", ".js"},
	{"PHP SoapClient", "php", ".php"},
}

// stack is somebody else's SOAP stack. Each has a script of the same name and the same checks.
type stack struct{ name, interpreter, suffix string }

func (s stack) with(script string) []string {
	return []string{s.interpreter, "testdata/judges/" + script + s.suffix}
}

func TestJudges(t *testing.T) {
	ris := serve(t)
	var made []*verdict
	for _, judge := range judges {
		v := &verdict{name: judge.name}
		made = append(made, v)
		t.Run(v.name, func(t *testing.T) { v.checks = ris.judge(t, judge.with("judge")) })
	}
	t.Run("the stacks make the same checks", func(t *testing.T) { sameChecks(t, made) })
	t.Run("xmllint", ris.xmllint)
	t.Run("SIGTERM ends it", ris.terminate)
}

// verdict is what a judge made: checks by name, in their order.
type verdict struct {
	name   string
	checks []string
}

func sameChecks(t *testing.T, made []*verdict) {
	t.Helper()
	require.NotEmpty(t, made[0].checks)
	for _, v := range made[1:] {
		if diff := cmp.Diff(made[0].checks, v.checks); diff != "" {
			t.Errorf("%s (-) and %s (+) differ:\n%s", made[0].name, v.name, diff)
		}
	}
}

// access is what a judge is told of a simulator.
type access struct{ URL, User, Password, CAFile, ControlURL string }

// server is a running `risim serve`.
type server struct {
	access

	client *http.Client
	cmd    *exec.Cmd
	exited chan error
}

// serve builds the command, starts it on a free port and returns when it says that it is ready.
func serve(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	binary, ready := filepath.Join(dir, "risim"), filepath.Join(dir, "ready.json")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "go build: %s", out)

	var output bytes.Buffer
	s := &server{exited: make(chan error, 1)}
	s.cmd = exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--rate-limit", "0", "--ready-file", ready,
		"--ca-dir", filepath.Join(dir, "ca"))
	s.cmd.Stdout, s.cmd.Stderr = &output, &output
	require.NoError(t, s.cmd.Start())
	go func() {
		s.exited <- s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // nothing to do where it has ended
		<-s.exited
		if t.Failed() {
			t.Logf("output of risim serve:\n%s", output.String())
		}
	})

	deadline := time.After(30 * time.Second)
	for {
		text, err := os.ReadFile(ready)
		if err == nil && json.Unmarshal(text, s) == nil {
			break
		}
		select {
		case err := <-s.exited:
			t.Fatalf("risim serve ended before it was ready: %v\n%s", err, output.String())
		case <-deadline:
			t.Fatalf("risim serve wrote no ready file in 30 s")
		case <-time.After(20 * time.Millisecond): // another process: there is nothing to wait on but its file
		}
	}

	pem, err := os.ReadFile(s.CAFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem), "no certificate in %s", s.CAFile)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: time.Minute}
	return s
}

// judge runs one SOAP stack and returns the names of the checks it made.
func (s *server) judge(t *testing.T, argv []string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := s.command(ctx, t, argv).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v (a tool that is missing is installed by make test)\n%s", argv, err, out)
	}
	return checkNames(string(out))
}

// command is a script in an environment without a proxy, .netrc or CA bundle of the machine.
func (a access) command(ctx context.Context, t *testing.T, argv []string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + t.TempDir(), "PYTHONDONTWRITEBYTECODE=1",
		"RISIM_URL=" + a.URL, "RISIM_USER=" + a.User, "RISIM_PASSWORD=" + a.Password, "RISIM_CA_FILE=" + a.CAFile,
	}, env...)
	return cmd
}

func checkNames(output string) (names []string) {
	for _, line := range regexp.MustCompile(`(?m)^(?:ok|FAILED) (.*?) *$`).FindAllStringSubmatch(output, -1) {
		names = append(names, line[1])
	}
	return names
}

// xmllint validates every shape of answer against the schema in the contract that is served.
func (s *server) xmllint(t *testing.T) {
	schema := filepath.Join(t.TempDir(), "served.xsd")
	require.NoError(t, os.WriteFile(schema, cut(t, s.get(t, s.URL+"?wsdl"), "<xsd:schema", "</xsd:schema>"), 0o600))

	found := s.ask(t, selectCmDevice("selectCmDevice", "", "<Item>*</Item>", "<DeviceClass>Phone</DeviceClass>"))
	name := text(t, found, "//CmDevices/item[Status='Registered']/Name")
	state := text(t, found, "//selectCmDeviceReturn/StateInfo")
	providers := s.ask(t, selectCtiItem("", "Provider", ""))

	shapes := []struct {
		name    string
		request string
		want    []string // XPaths that show that the answer has the shape it is here for
	}{
		{"devices found", selectCmDevice("selectCmDevice", "", "<Item>*</Item>", "<DeviceClass>Phone</DeviceClass>"),
			[]string{"//CmDevices/item[200]", "//CmNodes/item[3]", "//IPAddress/item/IPAddrType[.='ipv6']", "//LinesStatus/item[2]"}},
		{"everything, to the limit", selectCmDevice("selectCmDevice", "", "<Item>*</Item>", ""),
			[]string{"//CmDevices/item[200]"}},
		{"trunks and gateways", selectCmDevice("selectCmDevice", "", "<Item>*</Item>", "<DeviceClass>H323</DeviceClass>"),
			[]string{"//CmDevices/item[DeviceClass='H323']"}},
		{"none found", selectCmDevice("selectCmDevice", "", "<Item>NO-SUCH-DEVICE</Item>", ""),
			[]string{"//SelectCmDeviceResult[TotalDevicesFound='0']/CmNodes[@xsi:nil]"}},
		{"a node without any", selectCmDevice("selectCmDevice", "", "<Item>"+name+"</Item>", ""),
			[]string{"//CmNodes/item[ReturnCode='Ok']/CmDevices/item", "//CmNodes/item[ReturnCode='NotFound']/CmDevices[@xsi:nil]"}},
		{"Ext", selectCmDevice("selectCmDeviceExt", "", "<Item>"+name+"</Item>", ""),
			[]string{"//selectCmDeviceResponse//CmDevices[count(item)=1]/item[Name='" + name + "']"}},
		{"Ext, none found", selectCmDevice("selectCmDeviceExt", "", "<Item>*</Item>", ""),
			[]string{"//SelectCmDeviceResult[TotalDevicesFound='0']"}},
		{"nothing changed", selectCmDevice("selectCmDevice", state, "<Item>*</Item>", "<DeviceClass>Phone</DeviceClass>"),
			[]string{"//CmNodes/item[NoChange='true'][CmDevices[@xsi:nil]]"}},
		{"unknown node", selectCmDevice("selectCmDevice", "", "<Item>*</Item>", "<NodeName>no-such-node</NodeName>"),
			[]string{"//CmNodes/item[ReturnCode='InvalidNodeName'][CmDevices[@xsi:nil]]"}},
		{"CTI providers", selectCtiItem("", "Provider", ""),
			[]string{"//CtiItems/item[CtiDevice[@xsi:nil]][CtiLine[@xsi:nil]]"}},
		{"CTI devices", selectCtiItem("", "Device", ""),
			[]string{"//CtiItems/item[CtiDevice/DeviceName][CtiLine[@xsi:nil]]"}},
		{"CTI lines", selectCtiItem("", "Line", ""),
			[]string{"//CtiItems/item[CtiDevice/DeviceTimeStamp[@xsi:nil]][CtiLine/DirNumber]"}},
		{"CTI, none found", selectCtiItem("", "Provider", "<AppItems><item><AppItem>no-such-app</AppItem></item></AppItems>"),
			[]string{"//SelectCtiItemResult[TotalItemsFound='0']/CtiNodes[@xsi:nil]"}},
		{"CTI, nothing changed", selectCtiItem(text(t, providers, "//selectCtiItemReturn/StateInfo"), "Provider", ""),
			[]string{"//CtiNodes/item[NoChange='true'][CtiItems[@xsi:nil]]"}},
		{"CTI, unknown node", selectCtiItem("", "Provider", "<NodeName>no-such-node</NodeName>"),
			[]string{"//CtiNodes/item[ReturnCode='InvalidNodeName'][CtiItems[@xsi:nil]]"}},
	}
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) { // X2
			answer := s.ask(t, shape.request)
			for _, want := range shape.want {
				text(t, answer, want)
			}
			out, err := validate(t, schema, answer)
			require.NoError(t, err, "%s\n%.3000s", out, answer)
		})
	}

	// A validator that lets everything pass would pass everything above.
	for _, broken := range []struct{ name, old, new string }{
		{"a missing element", "<ns1:NoChange>false</ns1:NoChange>", ""},
		{"an element twice", "<ns1:NoChange>false</ns1:NoChange>", "<ns1:NoChange>false</ns1:NoChange><ns1:NoChange>false</ns1:NoChange>"},
		{"a value outside the enumeration", "<ns1:Status>Registered</ns1:Status>", "<ns1:Status>registered</ns1:Status>"},
		{"a name misspelled, or spelled right", "ipv4", "IPv4"},
		{"text for a number", "<ns1:TotalDevicesFound>", "<ns1:TotalDevicesFound>about "},
		{"another namespace", "http://schemas.cisco.com/ast/soap", "http://schemas.cisco.com/ast/soap/"},
	} {
		t.Run("xmllint refuses "+broken.name, func(t *testing.T) {
			require.Contains(t, string(found), broken.old, "nothing to break")
			out, err := validate(t, schema, bytes.ReplaceAll(found, []byte(broken.old), []byte(broken.new)))
			require.Error(t, err, "xmllint took it: %s", out)
			require.Contains(t, out, "fails to validate")
		})
	}
}

// validate runs xmllint on one element and returns what it says; the error is its verdict.
func validate(t *testing.T, schema string, element []byte) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "xmllint", "--noout", "--nonet", "--schema", schema, "-")
	cmd.Stdin = bytes.NewReader(element)
	out, err := cmd.CombinedOutput()
	if _, verdict := err.(*exec.ExitError); err != nil && !verdict {
		t.Fatalf("xmllint cannot run (make test installs it): %v", err)
	}
	return string(out), err
}

// terminate is last: after SIGTERM the process has two seconds to end, and must end well.
func (s *server) terminate(t *testing.T) {
	s.client.CloseIdleConnections()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.exited:
		require.NoError(t, err, "exit status after SIGTERM")
	case <-time.After(2 * time.Second):
		t.Fatal("still running 2 s after SIGTERM")
	}
}

// selectCmDevice is a question about devices. Criteria replace the ones of the same name; they are written without prefixes here.
func selectCmDevice(operation, state, items, criterion string) string {
	criteria := criteriaWith(criterion, "MaxReturnedDevices=1000", "DeviceClass=Any", "Model=255", "Status=Any", "NodeName=", "SelectBy=Name",
		"SelectItems=<item>"+items+"</item>", "Protocol=Any", "DownloadStatus=Any")
	return fmt.Sprintf("<%[1]s xmlns=%[2]q><StateInfo>%[3]s</StateInfo><CmSelectionCriteria>%[4]s</CmSelectionCriteria></%[1]s>",
		operation, namespace, escape(state), criteria)
}

func selectCtiItem(state, manager, criterion string) string {
	criteria := criteriaWith(criterion, "MaxReturnedItems=1000", "CtiMgrClass="+manager, "Status=Any", "NodeName=", "SelectAppBy=AppId",
		"AppItems=", "DevNames=", "DirNumbers=")
	return fmt.Sprintf("<selectCtiItem xmlns=%q><StateInfo>%s</StateInfo><CtiSelectionCriteria>%s</CtiSelectionCriteria></selectCtiItem>",
		namespace, escape(state), criteria)
}

const namespace = "http://schemas.cisco.com/ast/soap"

func criteriaWith(criterion string, defaults ...string) string {
	var b strings.Builder
	for _, d := range defaults {
		name, value, _ := strings.Cut(d, "=")
		if strings.HasPrefix(criterion, "<"+name+">") {
			b.WriteString(criterion)
		} else {
			fmt.Fprintf(&b, "<%[1]s>%[2]s</%[1]s>", name, value)
		}
	}
	return b.String()
}

func escape(s string) string { return strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(s) }

// ask posts a question and returns the element in the answer's Body, which must declare its own namespaces.
func (s *server) ask(t *testing.T, question string) []byte {
	t.Helper()
	envelope := `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` + question + `</s:Body></s:Envelope>`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(envelope))
	require.NoError(t, err)
	req.SetBasicAuth(s.User, s.Password)
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	body := cut(t, s.do(t, req), "<soapenv:Body>", "</soapenv:Body>")
	return body[len("<soapenv:Body>") : len(body)-len("</soapenv:Body>")]
}

func (s *server) get(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return s.do(t, req)
}

func (s *server) do(t *testing.T, req *http.Request) []byte {
	t.Helper()
	resp, err := s.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%.2000s", body)
	return body
}

func cut(t *testing.T, document []byte, from, to string) []byte {
	t.Helper()
	start, end := bytes.Index(document, []byte(from)), bytes.Index(document, []byte(to))
	require.True(t, start >= 0 && end > start, "no %s in %.2000s", from, document)
	return document[start : end+len(to)]
}

// text returns the text of the first element that the path leads to; there must be one. Names in the path have no prefix.
func text(t *testing.T, element []byte, path string) string {
	t.Helper()
	root, err := xmlquery.Parse(bytes.NewReader(bytes.ReplaceAll(element, []byte("ns1:"), nil)))
	require.NoError(t, err)
	found, err := xmlquery.Query(root, path)
	require.NoError(t, err)
	require.NotNil(t, found, "nothing at %s in %.3000s", path, element)
	return found.InnerText()
}

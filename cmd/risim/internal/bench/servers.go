//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const risPath = "/realtimeservice2/services/RISService70"

// credentials are risim's default ones.
var credentials = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("administrator:risim")) + "\r\n"

// server is a running server under load.
type server struct {
	*process // nil when somebody else has started it
	address  string
	tls      bool
	pid      int // 0 when it is not known
}

// startServer starts what listens at address, and waits until it has answered request well: answered is how long that
// took from exec.
func startServer(core int, request []byte, overTLS bool, address string, stdin any, name string, args ...string) (s *server, answer []byte,
	answered time.Duration, err error) {
	p, err := launch(core, stdin, name, args...)
	if err != nil {
		return nil, nil, 0, err
	}
	s = &server{p, address, overTLS, p.cmd.Process.Pid}
	for {
		answer, err := s.ask(request)
		if err == nil {
			return s, answer, time.Since(p.begun), nil
		}
		if failed := p.failed(); failed != nil {
			return nil, nil, 0, failed
		}
		if answer != nil || time.Since(p.begun) > time.Minute {
			p.stop()
			return nil, nil, 0, fmt.Errorf("%s has not answered well: %w\n%s", name, err, p.output.String())
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// ask sends one request on a connection of its own and gives the answer, with its headers; of one that is not 200 too.
func (s *server) ask(request []byte) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", s.address, time.Second)
	if err != nil {
		return nil, err
	}
	if s.tls {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a socket takes one
	room := make([]byte, 8<<20)
	n, status, err := exchange(conn, request, room)
	switch {
	case err != nil:
		return nil, err
	case n > len(room)/2:
		return nil, fmt.Errorf("an answer of %d bytes", n)
	case status != 200:
		return room[:n], fmt.Errorf("status %d: %.300q", status, room[:n])
	}
	return room[:n], nil
}

// freeAddress is one on which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// churn is the scenario under which risim is measured: 1 % of the devices go and come back every minute.
func (b *bench) churn(devices int) (file string, err error) {
	file = filepath.Join(b.dir, fmt.Sprintf("churn-%d.yaml", devices))
	return file, os.WriteFile(file, fmt.Appendf(nil,
		"scenario: churn\ntimeline:\n  - {at: 0s, for: 1h, do: {churn: {where: {class: Phone}, rate: %d/min, away: 30s}}}\n", max(1, devices/100)), 0o600)
}

// startRisim starts risim with all that costs anything: users, sessions, a rate limit that counts but lets everything
// pass, the journal, advice, and a scenario. load is for --load instead of the limit and the long journal.
func (b *bench) startRisim(core, devices int, overTLS, load bool) (*server, time.Duration, error) {
	file, err := b.churn(devices)
	if err != nil {
		return nil, 0, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, 0, err
	}
	args := []string{"serve", file, "--listen", address, "--devices", strconv.Itoa(devices), "--ca-dir", filepath.Join(b.dir, "ca")}
	if !overTLS {
		args = append(args, "--plain")
	}
	if load {
		args = append(args, "--load")
	} else {
		args = append(args, "--rate-limit", "1000000000")
	}
	s, _, answered, err := startServer(core, deviceRequest("no-such-device"), overTLS, address, nil, b.risim, args...)
	return s, answered, err
}

// startConstant starts this binary as a server of the answers.
func (b *bench) startConstant(core int, overTLS bool, answers map[string][]byte) (*server, time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, 0, err
	}
	s, _, answered, err := startServer(core, httpRequest("/none", ""), overTLS, address,
		constantServer{Address: address, TLS: overTLS, Answers: answers}, self, "role-constant")
	return s, answered, err
}

// startNginx starts nginx with the answers as files; nil when it is not installed.
func (b *bench) startNginx(core int, answers map[string][]byte) (*server, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return nil, nil
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for path, body := range answers {
		if err := os.WriteFile(filepath.Join(dir, path), body, 0o644); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "nginx.conf")
	// A file does not take a POST, unless the refusal is turned into the file.
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100; client_body_buffer_size 256k;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s; root %[1]s; default_type "text/xml;charset=utf-8"; error_page 405 =200 $uri; }
}
`, dir, address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s, _, _, err := startServer(core, httpRequest(workloads[0].path(), ""), false, address, nil, nginx, "-e", filepath.Join(dir, "error.log"), "-c", config)
	return s, err
}

// startNPM starts a service made with the npm package soap, which answers from a Map; nil when node or the package is not
// installed.
func (b *bench) startNPM(core int, devices int, contract []byte) (*server, error) {
	const modules = "cmd/risim/testdata/judges/node_modules" // make test installs them
	node, err := exec.LookPath("node")
	if _, none := os.Stat(filepath.Join(modules, "soap")); err != nil || none != nil {
		return nil, nil
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	script, err := filepath.Abs("cmd/risim/internal/bench/testdata/npm.js")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "contract.wsdl")
	if err := os.WriteFile(file, contract, 0o600); err != nil {
		return nil, err
	}
	home, err := filepath.Abs(modules)
	if err != nil {
		return nil, err
	}
	s, _, _, err := startServer(core, deviceRequest("SEP000000000000"), false, address, nil,
		node, script, home, file, address, risPath, strconv.Itoa(devices))
	return s, err
}

// deviceRequest is the HTTP request that asks risim for devices by name, as clients send it with their credentials.
func deviceRequest(names ...string) []byte {
	return httpRequest(risPath, deviceBody(names...), credentials)
}

// deviceBody is a request in the contract's order, with everything that it requires.
func deviceBody(names ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap="http://schemas.cisco.com/ast/soap">` +
		`<soapenv:Header/><soapenv:Body><soap:selectCmDevice><soap:StateInfo></soap:StateInfo><soap:CmSelectionCriteria>` +
		`<soap:MaxReturnedDevices>1000</soap:MaxReturnedDevices><soap:DeviceClass>Any</soap:DeviceClass><soap:Model>255</soap:Model>` +
		`<soap:Status>Any</soap:Status><soap:NodeName></soap:NodeName><soap:SelectBy>Name</soap:SelectBy><soap:SelectItems>`)
	for _, name := range names {
		b.WriteString(`<soap:item><soap:Item>` + name + `</soap:Item></soap:item>`)
	}
	b.WriteString(`</soap:SelectItems><soap:Protocol>Any</soap:Protocol><soap:DownloadStatus>Any</soap:DownloadStatus>` +
		`</soap:CmSelectionCriteria></soap:selectCmDevice></soapenv:Body></soapenv:Envelope>`)
	return b.String()
}

var (
	deviceName   = regexp.MustCompile(`<ns1:item><ns1:Name>([^<]+)</ns1:Name><ns1:DirNumber`)
	sessionValue = regexp.MustCompile(`JSESSIONIDSSO=[0-9A-F]+`)
)

// names asks for a thousand phones and gives the name of each once.
func (s *server) names() ([]string, error) {
	answer, err := s.ask(deviceRequest("SEP*"))
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	for _, m := range deviceName.FindAllSubmatch(answer, -1) {
		if name := string(m[1]); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no devices in %.500q", answer)
	}
	return names, nil
}

// body is an answer without its headers.
func body(answer []byte) []byte {
	_, body, _ := bytes.Cut(answer, headEnd)
	return body
}

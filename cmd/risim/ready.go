package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/risim/risim/sim"
)

// readyInfo is what the ready file says. Scripts hold on to these names.
type readyInfo struct {
	URL      string      `json:"url"`
	User     string      `json:"user"`
	Password string      `json:"password"`
	CAFile   string      `json:"caFile"` // empty with --plain
	PID      int         `json:"pid"`
	Control  string      `json:"controlUrl"`             // empty with --control ""
	Token    string      `json:"controlToken,omitempty"` // that the control API asks for
	Nodes    []readyNode `json:"nodes"`
}

type readyNode struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// readyFile is the file of --ready-file. It is there only while the service answers.
type readyFile struct {
	name string
	file *newFile // nil: none is wanted
	data []byte   // as written; nil when it was not
}

// prepareReadyFile finds out whether the file can be written before anything is started, and removes the one of a
// process that ended without removing it: whoever waits for the file must not take that for ours. No name means no file.
func prepareReadyFile(name string) (*readyFile, error) {
	f := &readyFile{name: name}
	if name == "" {
		return f, nil
	}
	var err error
	if f.file, err = prepareFile("the ready file", "--ready-file", name); err != nil {
		return nil, err
	}
	if data, err := os.ReadFile(name); err == nil {
		var old readyInfo
		switch {
		case json.Unmarshal(data, &old) != nil || old.PID <= 0:
			f.remove()
			return nil, hint(fmt.Errorf("the ready file %s is there already, and is not a ready file", name), "--ready-file FILE makes a file")
		case alive(old.PID):
			f.remove()
			return nil, hint(fmt.Errorf("the ready file %s belongs to process %d, which is still running", name, old.PID), "--ready-file FILE names another")
		}
		os.Remove(name)
	}
	return f, nil
}

// alive tells whether a process other than this one has that number.
func alive(pid int) bool {
	if pid <= 0 || pid == os.Getpid() {
		return false
	}
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

// write puts the file in its place.
func (f *readyFile) write(ris *sim.Simulator, op *operator) error {
	if f.file == nil {
		return nil
	}
	data, err := json.MarshalIndent(infoOf(ris, op), "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if err := f.file.put(data, 0o600); err != nil { // for nobody else: it holds the password
		return err
	}
	f.data = data
	return nil
}

// remove takes away what this process made, and leaves what another put in its place.
func (f *readyFile) remove() {
	if f.file != nil {
		f.file.drop()
	}
	if f.data == nil {
		return
	}
	if now, err := os.ReadFile(f.name); err == nil && bytes.Equal(now, f.data) {
		os.Remove(f.name)
	}
	f.data = nil
}

func infoOf(ris *sim.Simulator, op *operator) readyInfo {
	info := readyInfo{URL: ris.URL, User: ris.User, Password: ris.Password, CAFile: ris.CAFile(), PID: os.Getpid(),
		Control: op.url(), Token: op.token()}
	for _, n := range ris.Snapshot().Nodes() {
		info.Nodes = append(info.Nodes, readyNode{string(n.Name), ris.NodeURL(n.Name)})
	}
	return info
}

// printReady says where the service is, and a command that gets an answer from it.
func printReady(w io.Writer, ris *sim.Simulator, op *operator) error {
	info := infoOf(ris, op)
	var b strings.Builder
	fmt.Fprintf(&b, "risim is ready: %d devices on %d nodes, profile %s, seed %d\n",
		ris.Snapshot().Len(), len(info.Nodes), ris.Settings().Profile(), ris.Seed())
	fmt.Fprintf(&b, "service:  %s\n", info.URL)
	for _, n := range info.Nodes {
		if n.URL != info.URL {
			fmt.Fprintf(&b, "          %s (%s)\n", n.URL, n.Name)
		}
	}
	fmt.Fprintf(&b, "user:     %s\npassword: %s\n", info.User, info.Password)
	if info.CAFile != "" {
		fmt.Fprintf(&b, "CA file:  %s\n", info.CAFile)
	}
	b.WriteString(op.line())
	fmt.Fprintf(&b, "\n%s\n\n", curl(info))
	_, err := io.WriteString(w, b.String())
	return err
}

// tryQuery asks for ten desk phones, in the contract's order and with everything that it requires.
const tryQuery = `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap="http://schemas.cisco.com/ast/soap">` +
	`<soapenv:Body><soap:selectCmDevice><soap:StateInfo/><soap:CmSelectionCriteria>` +
	`<soap:MaxReturnedDevices>10</soap:MaxReturnedDevices><soap:DeviceClass>Phone</soap:DeviceClass><soap:Model>255</soap:Model>` +
	`<soap:Status>Any</soap:Status><soap:NodeName/><soap:SelectBy>Name</soap:SelectBy>` +
	`<soap:SelectItems><soap:item><soap:Item>SEP*</soap:Item></soap:item></soap:SelectItems>` +
	`<soap:Protocol>Any</soap:Protocol><soap:DownloadStatus>Any</soap:DownloadStatus>` +
	`</soap:CmSelectionCriteria></soap:selectCmDevice></soapenv:Body></soapenv:Envelope>`

// curl is a command line for a POSIX shell.
func curl(info readyInfo) string {
	args := []string{"curl", "--silent", "--show-error"}
	if info.CAFile != "" {
		args = append(args, "--cacert", info.CAFile)
	}
	args = append(args, "-u", info.User+":"+info.Password, "-H", `SOAPAction: "selectCmDevice"`, "-H", "Content-Type: text/xml",
		"-d", tryQuery, info.URL)
	for i, a := range args {
		args[i] = quote(a)
	}
	return strings.Join(args, " ")
}

// quote makes a word of the shell.
func quote(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

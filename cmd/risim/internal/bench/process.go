//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// cores are those that this process may use. The server and the load generator get one each, as far apart as can be.
var (
	cores                = usableCores()
	serverCore, loadCore = pick(cores)
)

func pick(cores []int) (server, load int) {
	if len(cores) < 2 {
		return -1, -1
	}
	return cores[0], cores[len(cores)-1]
}

// cpuSet is a set of cores as the system calls take it.
type cpuSet [16]uint64

func usableCores() (list []int) {
	var set cpuSet
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set))); errno != 0 {
		return nil
	}
	for core := range len(set) * 64 {
		if set[core/64]>>(core%64)&1 != 0 {
			list = append(list, core)
		}
	}
	return list
}

func useCores(cores ...int) error {
	var set cpuSet
	for _, core := range cores {
		set[core/64] |= 1 << (core % 64)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set))); errno != 0 {
		return fmt.Errorf("choosing cores %v: %w", cores, errno)
	}
	return nil
}

// process is a command that runs until stop, or by itself.
type process struct {
	cmd    *exec.Cmd
	begun  time.Time     // just before exec
	output bytes.Buffer  // may be read once it has ended
	ended  chan struct{} // closed then
	err    error         // of its end
}

// launch starts a command on one core; -1 lets it use all of them. stdin is what it reads there, as JSON. It does not
// outlive this process.
func launch(core int, stdin any, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	if stdin != nil {
		text, err := json.Marshal(stdin)
		if err != nil {
			return nil, err
		}
		p.cmd.Stdin = bytes.NewReader(text)
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// A child inherits the cores of the thread that forks it, and its death signal comes when that thread ends: so the
		// thread is kept for as long as the child runs, and is of no use for anything else.
		runtime.LockOSThread()
		if core >= 0 {
			if err := useCores(core); err != nil {
				started <- err
				return
			}
		}
		p.begun = time.Now()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// wait waits for a process that ends by itself, and gives what it wrote.
func (p *process) wait(most time.Duration) ([]byte, error) {
	select {
	case <-p.ended:
	case <-time.After(most):
		p.stop()
		return nil, fmt.Errorf("%s did not end in %v\n%s", p.cmd.Path, most, p.output.String())
	}
	if p.err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", p.cmd.Path, p.err, p.output.String())
	}
	return p.output.Bytes(), nil
}

// stop ends a process and waits for its end.
func (p *process) stop() {
	_ = p.cmd.Process.Kill() // nothing to do where it has ended
	<-p.ended
}

// failed is why a process has ended too early; nil while it runs.
func (p *process) failed() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended: %v\n%s", p.cmd.Path, p.err, p.output.String())
	default:
		return nil
	}
}

// cpuTime is how long a process has used the processor, in itself and in the kernel; 0 of none.
func cpuTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), ") ") // behind the name, which may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, data)
	}
	var ticks uint64
	for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// resident is how many bytes of memory a process has.
func (p *process) resident() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no VmRSS", p.cmd.Path)
}

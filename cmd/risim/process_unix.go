//go:build unix && !aix && !solaris

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"unsafe"
)

// process is a command that runs, as the operating system has it: in a process group of its own, so that signals reach all
// that it starts. On a terminal it stays in the group of risim, which is the one that the terminal lets read and that it
// sends what is typed, such as Ctrl-C; then signals of others go to the command alone.
type process struct {
	*exec.Cmd
	shares bool // the group, and with it what is typed
}

func startProcess(c *command) (*process, error) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.env, c.stdin, c.stdout, c.stderr
	cmd.WaitDelay = c.grace // for pipes that what it has started keeps open
	p := &process{cmd, onTerminal(c.stdin)}
	if !p.shares {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	return p, cmd.Start()
}

// onTerminal says that this process reads from a terminal, in whose foreground it is.
func onTerminal(stdin any) bool {
	f, ok := stdin.(*os.File)
	if !ok {
		return false
	}
	var group int32
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&group)))
	return errno == 0 && int(group) == syscall.Getpgrp()
}

// wait returns the status as a shell would have it: 128 and the signal's number for one that was ended by a signal.
func (p *process) wait() int {
	err := p.Wait()
	if s, ok := p.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return 1 // what it read or wrote could not be passed on
	}
	return p.ProcessState.ExitCode()
}

func (p *process) signal(s os.Signal) {
	switch sig := s.(syscall.Signal); {
	case !p.shares:
		_ = syscall.Kill(-p.Process.Pid, sig) // fails when there is nobody left
	case sig != syscall.SIGINT: // which everybody in the group has
		_ = p.Process.Signal(sig)
	}
}

func (p *process) kill() {
	if p.shares {
		_ = p.Process.Kill()
	} else {
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
	}
}

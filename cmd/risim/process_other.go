//go:build !unix || aix || solaris

package main

import (
	"os"
	"os/exec"
)

// process is a command that runs. Here there are no process groups: what it starts is its own to end.
type process struct{ *exec.Cmd }

func startProcess(c *command) (*process, error) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.env, c.stdin, c.stdout, c.stderr
	cmd.WaitDelay = c.grace
	return &process{cmd}, cmd.Start()
}

func (p *process) wait() int {
	if err := p.Wait(); err != nil && p.ProcessState.ExitCode() == 0 {
		return 1 // what it read or wrote could not be passed on
	}
	return p.ProcessState.ExitCode()
}

// signal ends the process: there are no signals to pass on.
func (p *process) signal(os.Signal) { p.kill() }

func (p *process) kill() { _ = p.Process.Kill() }

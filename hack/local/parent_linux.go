package main

import "syscall"

// killWithParent makes the kernel kill a child when this process ends, even by kill -9. The child gets its own process
// group, so that Ctrl-C reaches it only through this program.
func killWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

package main

import "syscall"

// diesWithParent lets a process not outlive this one, not even its kill -9. It is in a process group of its own, so that
// Ctrl-C reaches it only through this program.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

//go:build !linux

package main

import "syscall"

// diesWithParent does what there is for it outside Linux: in the process group of this program, the process ends with it
// at Ctrl-C. It outlives a kill -9 until it next writes to its log, a pipe that nobody reads then.
func diesWithParent() *syscall.SysProcAttr { return nil }

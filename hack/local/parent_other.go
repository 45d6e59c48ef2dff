//go:build !linux

package main

import "syscall"

// killWithParent has no equivalent outside Linux. A child in the process group of this program ends with it at Ctrl-C.
// After a kill -9 it lives until its next write to its log, a pipe without a reader by then.
func killWithParent() *syscall.SysProcAttr { return nil }

package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// StopAPIServer kills kube-apiserver, like a failure of its node; etcd keeps running. A graceful end would wait a
// minute for open watches. Use it only in an environment that no other test shares.
func (e *Environment) StopAPIServer() error {
	if err := e.signalAPIServer(syscall.SIGKILL); err != nil {
		return err
	}
	err := e.envtest.ControlPlane.APIServer.Stop()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping kube-apiserver: %w", err)
	}
	return nil
}

// StartAPIServer restarts kube-apiserver after [Environment.StopAPIServer], with the same address and certificates. It
// returns once the server serves.
func (e *Environment) StartAPIServer() error {
	log, err := os.OpenFile(e.logFile(apiServer), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", apiServer, err)
	}
	defer func() { _ = log.Close() }() // the process has its own descriptor
	server := e.envtest.ControlPlane.APIServer
	server.Out, server.Err = log, log
	if err := server.Start(); err != nil {
		return fmt.Errorf("restarting kube-apiserver: %w\n%s", err, e.lastLogLines())
	}
	return nil
}

// PauseAPIServer stops the process of kube-apiserver: connections stay open, and requests get no response.
func (e *Environment) PauseAPIServer() error { return e.signalAPIServer(syscall.SIGSTOP) }

// ResumeAPIServer ends a pause.
func (e *Environment) ResumeAPIServer() error { return e.signalAPIServer(syscall.SIGCONT) }

func (e *Environment) signalAPIServer(signal syscall.Signal) error {
	content, err := os.ReadFile(filepath.Join(e.dir, apiServer+".pid"))
	if err != nil {
		return fmt.Errorf("finding kube-apiserver: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return fmt.Errorf("finding kube-apiserver: %w", err)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("sending kube-apiserver %s: %w", signal, err)
	}
	return nil
}

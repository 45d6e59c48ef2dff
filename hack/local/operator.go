package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long the operator may take to shut down. It needs milliseconds.
const stopTimeout = 10 * time.Second

// operator describes the operator's process.
type operator struct {
	binary  string
	args    []string
	environ []string
	output  io.Writer
	logPath string
}

func (s *sandbox) operator(output io.Writer) operator {
	o := operator{
		binary: s.tree.manager(), output: output, logPath: s.state.path(logFile),
		args: []string{
			"--receiver=" + strconv.FormatBool(s.receiver()), "--controller",
			"--namespace=default", "--kubeconfig=" + s.state.path(kubeconfigFile),
			"--webhook-bind-address=" + s.addresses.webhook, "--health-probe-bind-address=" + s.addresses.probe,
			"--metrics-bind-address=" + s.addresses.metrics, "--metrics-secure=false",
		},
	}
	if s.settings.databaseURL == "" { // somebody's own database gets no table that nobody asked for
		o.args = append(o.args, "--create-table")
	}
	variables := []variable{
		{"CLERK_SECRET_KEY", s.settings.secretKey}, {"CLERK_WEBHOOK_SECRET", s.settings.webhookSecret},
		{"DATABASE_URL", s.databaseURL()},
	}
	if s.clerk != nil {
		variables = []variable{
			{"CLERK_SECRET_KEY", s.clerk.secretKey()}, {"CLERK_WEBHOOK_SECRET", s.clerk.webhookSecret},
			{"CLERK_API_URL", s.clerk.url()}, {"CLERK_INSTANCE_ID", ""}, {"DATABASE_URL", s.databaseURL()},
		}
	}
	o.environ = s.settings.with(variables...)
	return o
}

// receiver reports whether the operator can receive webhooks. It needs their signing secret.
func (s *sandbox) receiver() bool { return s.clerk != nil || s.settings.webhookSecret != "" }

// run runs the operator until ctx ends. It returns an error when the operator exits earlier.
func (o operator) run(ctx context.Context) error {
	// The kernel ends the process together with the thread that started it, see killWithParent.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, o.binary, o.args...) //nolint:gosec // G204: built by this program
	cmd.Env, cmd.Stdout, cmd.Stderr = o.environ, o.output, o.output
	cmd.SysProcAttr = killWithParent()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("the operator exited (%w). The end of its log, %s:\n%s", err, o.logPath, o.lastLines())
}

// lastLines returns the end of the log, which has the reason for the exit.
func (o operator) lastLines() string {
	log, err := os.ReadFile(o.logPath)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-10):], "\n  ")
}

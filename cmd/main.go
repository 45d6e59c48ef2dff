// Command manager is the FitUser operator: the webhook receiver and the controller, in one process or apart.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/fitai/fituser-operator/internal/tracing"
)

func main() {
	err := run(ctrl.SetupSignalHandler(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "manager: %v\n", err)
		os.Exit(1)
	}
}

// run is the whole program: it returns when ctx ends, when a question is answered, or with the one sentence that says why it cannot go on.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	line, err := parseCommandLine(args, getenv, stdout)
	if errors.Is(err, errHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if line.chosen != nil {
		return line.ask(ctx, getenv, stdout)
	}
	s, err := readSettings(line.options, getenv)
	if err != nil {
		return err
	}
	return line.operate(ctx, s, getenv, stderr)
}

// operate runs the operator until ctx ends.
func (l commandLine) operate(ctx context.Context, s settings, getenv func(string) string, stderr io.Writer) error {
	access, err := l.restConfig()
	if err != nil {
		return err
	}
	verbosity, changing := l.logLevel()
	log := quietEnd(ctx, l.logger(stderr, verbosity))
	lost := func(err error) { log.Error(err, "Traces are lost") }
	tracer, endTracing, err := tracing.Start(ctx, getenv, lost)
	if err != nil {
		return err
	}
	defer func() {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		if err := endTracing(flush); err != nil {
			lost(err)
		}
	}()
	s.logLevel, s.tracer = changing, tracer
	b := thisBuild()
	log.Info("Starting", "version", b.version, "revision", b.revision, "namespace", l.Namespace,
		"receiver", l.Receiver, "controller", l.Controller)
	p, err := assemble(ctx, access, l.options, s, log)
	if err != nil {
		return err
	}
	return p.run(ctx)
}

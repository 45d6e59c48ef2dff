// Command manager is the FitUser operator: the webhook receiver and the controller, in one process or apart. It parses
// flags and wires the parts; what the parts do is in their own packages.
//
// Read commandline.go first, for what can be typed. operate.go runs the operator: program.go assembles it,
// wire_receiver.go and wire_controller.go build its two parts. inspect.go and plan.go are the commands that only read.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	err := run(ctrl.SetupSignalHandler(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	if status, ok := errors.AsType[statusError](err); ok {
		os.Exit(int(status))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "manager: %v\n", err)
		os.Exit(1)
	}
}

// statusError is the error of a command that has printed its answer and ends with another status than 0.
type statusError int

// Error implements error.
func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// run is the whole program. It returns when ctx ends or when a command is done. An error is one sentence that names the
// cause and what to do.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	line, command, err := parseCommandLine(args, getenv, stdout)
	if errors.Is(err, errHelpPrinted) {
		return nil
	}
	if err != nil {
		return err
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return command.Run(invocation{line.options, getenv, stdout, stderr})
}

// Command local is `make run`: the operator and everything that it needs, on this machine, without an account or a
// cluster. It starts a real API server with etcd, a SQLite file, a stand-in for Clerk (unless CLERK_SECRET_KEY is set)
// and the operator as it is built for production. It prints commands to try, and stops everything when it ends.
//
// It owns the order in which things start and stop, and the text that it prints. The control plane comes from
// internal/testenv, the stand-in from internal/clerk/clerktest. It uses of the operator only what any deployment uses:
// flags, environment, probes. Read run.go first.
//
//	local        runs everything until Ctrl-C
//	local rows   prints the users table that DATABASE_URL names
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/go-logr/logr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

func main() { os.Exit(program("")) }

// program is main with a state directory; "" means .local in the source tree. It returns the exit code.
func program(stateDir string) int {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, restore) // a second Ctrl-C kills this process at once, and its children with it
	logf.SetLogger(logr.Discard())  // without a logger, controller-runtime prints a warning after 30 s
	if err := command(ctx, os.Args[1:], stateDir); err != nil {
		fmt.Fprintf(os.Stderr, "local: %v\n", err)
		return 1
	}
	return 0
}

func command(ctx context.Context, args []string, stateDir string) error {
	switch {
	case len(args) == 0:
		settings, err := readSettings(os.Getenv, os.Environ())
		if err != nil {
			return err
		}
		s := &sandbox{settings: settings, console: newConsole(os.Stdout)}
		return s.run(ctx, stateDir)
	case slices.Equal(args, []string{"rows"}):
		if os.Getenv("FITUSER_TABLE_CONFIG") != "" {
			return errors.New("rows prints the default table only: with FITUSER_TABLE_CONFIG, look into the table with the database's own client, or use manager why")
		}
		return printRows(ctx, os.Stdout, os.Getenv("DATABASE_URL"))
	default:
		return fmt.Errorf("invalid arguments %q: want none (to run everything) or rows", args)
	}
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/inspect"
	"github.com/fitai/fituser-operator/internal/settings"
)

type exportCommand struct {
	Roles exportRolesCommand `cmd:"" help:"Write a manifest for each user who holds another role than the default one. Also spelled export --roles."`
}

type exportRolesCommand struct {
	Directory string `arg:"" help:"A new or empty directory, or - for the standard output."`
	Force     bool   `help:"Replace an earlier export in the directory."`
}

// Run implements the command. It needs neither a cluster nor the table: an application may have roles before it has an
// operator.
func (c exportRolesCommand) Run(ctx context.Context, in invocation) error {
	s, err := settings.Read(settings.Parts{Clerk: true}, in.getenv)
	if err != nil {
		return err
	}
	roles, err := in.roles()
	if err != nil {
		return err
	}
	api := clerk.New(clerk.Config{
		URL: s.ClerkURL.Get(), Key: s.SecretKey.Get, RequestsPerSecond: in.ClerkRateLimit * sweepShare, // the operator needs the rest
	})
	export, err := inspect.ExportRoles(ctx, api, roles, time.Now())
	if err != nil {
		return err
	}
	if c.Directory == "-" {
		return export.Write(in.stdout)
	}
	if err := export.WriteDirectory(c.Directory, c.Force); err != nil {
		return err
	}
	lines := append(export.Summary(), "Written to "+c.Directory)
	_, err = fmt.Fprintln(in.stdout, strings.Join(lines, "\n"))
	return err
}

// exportArguments returns the arguments with export --roles as export roles: the flag --roles is the list of the
// application's roles.
func exportArguments(args []string) []string {
	at := slices.Index(args, "export") + 1
	if at == 0 || at == len(args) {
		return args
	}
	directory, joined := strings.CutPrefix(args[at], "--roles=")
	switch {
	case joined:
		return slices.Concat(args[:at], []string{"roles", directory}, args[at+1:])
	case args[at] == "--roles":
		return slices.Concat(args[:at], []string{"roles"}, args[at+1:])
	default:
		return args
	}
}

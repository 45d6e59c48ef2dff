package main

import (
	"context"

	"github.com/fitai/fituser-operator/internal/inspect"
	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

type tableCommand struct{ output }

// Help describes what the flags do not.
func (tableCommand) Help() string {
	return "Exit status: 0; 1 for an error, such as a wrong mapping file; 2 when the table is not as the mapping has it. The command " +
		"needs DATABASE_URL, --table-config and --roles as the operator has them, and neither Clerk nor a cluster. It writes nothing."
}

// errTableDiffers ends the command with status 2: the table is not as the mapping has it.
const errTableDiffers statusError = 2

// Run implements the command.
func (c tableCommand) Run(ctx context.Context, in invocation) error {
	s, err := settings.Read(settings.Parts{Table: true}, in.getenv)
	if err != nil {
		return err
	}
	source, err := in.tableSource(s.DatabaseURL, store.Options{DryRun: true})
	if err != nil {
		return err
	}
	mapping, err := source.mapping(source.config.Get())
	if err != nil {
		return err
	}
	question := inspect.TableQuestion{
		File: source.config.Path(), Mapping: mapping, Roles: source.roles,
		Open: func(m *user.Mapping) (*store.DB, error) { return source.openMapped(s.DatabaseURL.Get(), m) },
	}
	answer, err := question.Answer(ctx)
	if err != nil {
		return err
	}
	if err := c.print(in.stdout, answer, func() error { return answer.Text(in.stdout) }); err != nil {
		return err
	}
	if answer.Differs() {
		return errTableDiffers
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/store"
)

// checkTimeout bounds the schema check. replaceTimeout bounds checking a new database plus draining the old one; other
// settings are not reloaded meanwhile.
const (
	checkTimeout   = 10 * time.Second
	replaceTimeout = 2 * checkTimeout
)

// openTable opens the users table. A table with the wrong schema ends the start. A database that does not answer does not
// end it: users wait, with the reason in their status, until it answers.
func openTable(ctx context.Context, o store.Options, address *settings.Setting, log logr.Logger) (*store.Swappable, error) {
	db, err := store.Open(address.Get(), o)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var mismatch *store.SchemaError
	if err := db.Check(ctx); errors.As(err, &mismatch) {
		return nil, errors.Join(fmt.Errorf("DATABASE_URL: %w", err), db.Close())
	} else if err != nil {
		log.Error(err, "Schema check failed; users wait until the database answers")
	}
	table := store.NewSwappable(db)
	address.OnChange(func(ctx context.Context, value string) error { return replaceTable(ctx, table, value, o) })
	return table, nil
}

// replaceTable puts another database in place of the current one.
func replaceTable(ctx context.Context, table *store.Swappable, address string, o store.Options) error {
	next, err := store.Open(address, o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, replaceTimeout)
	defer cancel()
	return table.Replace(ctx, next)
}

// warnInsecureTransport logs which secrets cross a network in the clear. The settings are not rejected, because a service
// mesh may encrypt below.
func warnInsecureTransport(log logr.Logger, s settings.Settings) {
	if settings.IsInsecureURL(s.ClerkURL.Get()) {
		log.Info("Insecure transport to Clerk: without TLS, the network can read the secret key", "setting", "CLERK_API_URL")
	}
	if store.InsecureTransport(s.DatabaseURL.Get()) {
		log.Info("Insecure transport to the database: without a verified certificate, the network can read the password and the rows; "+
			"add sslmode=verify-full", "setting", "DATABASE_URL")
	}
}

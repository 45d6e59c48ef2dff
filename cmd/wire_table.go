package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/tableconfig"
	"github.com/fitai/fituser-operator/internal/user"
)

// checkTimeout bounds the schema check. replaceTimeout bounds checking a new database plus draining the old one; other
// settings are not reloaded meanwhile.
const (
	checkTimeout   = 10 * time.Second
	replaceTimeout = 2 * checkTimeout
)

// tableSource is what the users table is opened from. Its settings change one after the other, see [settings.Reloader].
type tableSource struct {
	options         store.Options
	address, config *settings.Setting
	roles           user.Roles
}

// tableSource reads the mapping file of --table-config.
func (o options) tableSource(address *settings.Setting, s store.Options) (tableSource, error) {
	roles, err := o.roles()
	if err != nil {
		return tableSource{}, err
	}
	config, err := settings.NewTableConfig(o.TableConfig)
	if err != nil {
		return tableSource{}, fmt.Errorf("--table-config: %w", err)
	}
	s.Roles = roles
	return tableSource{options: s, address: address, config: config, roles: roles}, nil
}

// mapping parses the content of the mapping file.
func (s tableSource) mapping(config string) (*user.Mapping, error) {
	m, err := tableconfig.Parse([]byte(config), s.roles)
	if err != nil {
		return nil, fmt.Errorf("--table-config=%s:\n%w", s.config.Path(), err)
	}
	return m, nil
}

func (s tableSource) open(address, config string) (*store.DB, error) {
	mapping, err := s.mapping(config)
	if err != nil {
		return nil, err
	}
	return s.openMapped(address, mapping)
}

func (s tableSource) openMapped(address string, m *user.Mapping) (*store.DB, error) {
	o := s.options
	o.Mapping = m
	db, err := store.Open(address, o)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return db, nil
}

// openTable opens the users table. A table with the wrong schema ends the start. A database that does not answer does not
// end it: users wait, with the reason in their status, until it answers. A changed mapping requests a sweep by changed.
func openTable(ctx context.Context, s tableSource, changed chan<- struct{}, log logr.Logger) (*store.Swappable, error) {
	db, err := s.open(s.address.Get(), s.config.Get())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var mismatch *store.SchemaError
	if err := db.Check(ctx); errors.As(err, &mismatch) {
		return nil, errors.Join(fmt.Errorf("DATABASE_URL: %w", s.withFoundTable(ctx, db, mismatch)), db.Close())
	} else if err != nil {
		log.Error(err, "Schema check failed; users wait until the database answers")
	}
	table := store.NewSwappable(db)
	s.address.OnChange(func(ctx context.Context, address string) error { return s.replace(ctx, table, address, s.config.Get()) })
	s.config.OnChange(func(ctx context.Context, config string) error {
		err := s.replace(ctx, table, s.address.Get(), config)
		if err == nil {
			requestSweep(changed)
		}
		return err
	})
	return table, nil
}

// replace puts another database, or the same one with another mapping, in place of the current one.
func (s tableSource) replace(ctx context.Context, table *store.Swappable, address, config string) error {
	next, err := s.open(address, config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, replaceTimeout)
	defer cancel()
	return table.Replace(ctx, next)
}

// furtherFields returns the fields, beyond those of every installation, that the mapping in force needs from Clerk.
func furtherFields(table store.Reader) func() []user.Field {
	return func() []user.Field { return user.Decoded(table.Table().Mapping.Fields()) }
}

// requestSweep requests a sweep unless one is requested already.
func requestSweep(requests chan<- struct{}) {
	select {
	case requests <- struct{}{}:
	default:
	}
}

// withFoundTable returns what is wrong. Where the table is missing, the next step names the one that looks as if it held the
// users.
func (s tableSource) withFoundTable(ctx context.Context, db *store.DB, mismatch *store.SchemaError) error {
	if !mismatch.Missing {
		return mismatch
	}
	tables, err := db.Catalog(ctx)
	proposals := tableconfig.Propose(tables, s.roles)
	if err != nil || len(proposals) == 0 {
		return mismatch
	}
	found := *mismatch
	found.NextStep = fmt.Sprintf("there is a table %q: manager table proposes a mapping for it; or run the application's migrations",
		proposals[0].TableName())
	return &found
}

// warnInsecureTransport logs which secrets cross a network in the clear. The settings are not rejected, because a service
// mesh may encrypt below.
func warnInsecureTransport(log logr.Logger, s settings.Settings) {
	if settings.IsInsecureURL(s.ClerkURL.Get()) {
		log.Info("Insecure transport to Clerk: without TLS, the network can read the secret key", "setting", "CLERK_API_URL")
	}
	if store.InsecureTransport(s.DatabaseURL.Get()) {
		log.Info("Insecure transport to the database: without a verified certificate, the network can read the password and the rows",
			"setting", "DATABASE_URL", "nextStep", store.TransportRemedy(s.DatabaseURL.Get()))
	}
}

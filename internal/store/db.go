package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fitai/fituser-operator/internal/user"
)

// Options configures [Open]. The zero value is usable.
type Options struct {
	// Mapping describes the table; nil means [user.DefaultMapping].
	Mapping *user.Mapping
	// Roles are the roles that the column must take; without any, the check does not look.
	Roles user.Roles
	// CreateTable creates the default table, and the SQLite file, where they do not exist.
	CreateTable bool
	// Now is the clock for updated_at; nil means [time.Now].
	Now func() time.Time
	// MaxConns limits the connections to a server; 0 means 8. SQLite always has one.
	MaxConns int
	// StatementTimeout limits every statement and every transaction from the moment that the call has its slot. It
	// includes connecting, the schema check and retries; 0 means 10 s. Only the caller's ctx limits the wait for a
	// slot. PostgreSQL and MariaDB get the same timeout as a setting, so that a statement does not outlive a process that was
	// killed.
	StatementTimeout time.Duration
	// BeforeWrite runs for every attempt of a write immediately before it can take effect: before its statement, or before
	// its transaction's commit. If it returns an error, the write does not happen and the call returns the error. Nil
	// allows all writes.
	BeforeWrite func() error
	// DryRun executes every write in a transaction that is rolled back: the database answers as for a real write, and
	// nothing changes. It turns CreateTable off.
	DryRun bool
}

func (o Options) withDefaults() Options {
	if o.Mapping == nil {
		o.Mapping = user.DefaultMapping()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.BeforeWrite == nil {
		o.BeforeWrite = func() error { return nil }
	}
	if o.MaxConns <= 0 {
		o.MaxConns = 8
	}
	if o.StatementTimeout <= 0 {
		o.StatementTimeout = 10 * time.Second
	}
	return o
}

// DB is the [Store] in one database. It checks the table's schema before the first use. So a database that is down or
// not yet migrated when the process starts does not need a restart.
type DB struct {
	pool        *sql.DB
	dialect     *dialect
	mapping     *user.Mapping
	roles       user.Roles
	createTable bool
	dryRun      bool
	now         func() time.Time
	beforeWrite func() error
	timeout     time.Duration
	conns       int
	// slots has an entry for each running call, at most one per connection. Waiting calls get slots in order of
	// arrival. The pool itself picks a waiting call at random, and of a hundred that wait for SQLite's one connection
	// some would wait too long.
	slots chan struct{}

	// statements is the result of the last successful check; nil before the first.
	statements atomic.Pointer[statements]
	checks     singleflight.Group
}

// Open returns the store of a URL postgres://…, postgresql://…, mysql://…, libsql://… or sqlite:PATH. It does not connect. Its
// errors contain no part of the URL but the names of parameters.
func Open(rawURL string, options Options) (*DB, error) {
	options = options.withDefaults()
	dialect, err := dialectOf(rawURL)
	if err != nil {
		return nil, err
	}
	pool, err := dialect.open(rawURL, options)
	if err != nil {
		return nil, err
	}
	db := &DB{
		pool: pool, dialect: dialect, mapping: options.Mapping, roles: options.Roles, conns: options.MaxConns,
		createTable: options.CreateTable && !options.DryRun, dryRun: options.DryRun, now: options.Now, timeout: options.StatementTimeout,
		beforeWrite: options.BeforeWrite,
	}
	if dialect.oneConn {
		db.conns = 1
	}
	if dialect.conns != nil && dialect.conns(rawURL) > 0 {
		db.conns = min(db.conns, dialect.conns(rawURL))
	}
	db.slots = make(chan struct{}, db.conns)
	pool.SetMaxOpenConns(db.conns)
	pool.SetMaxIdleConns(db.conns)
	pool.SetConnMaxLifetime(dialect.connLifetime)
	return db, nil
}

var errScheme = errors.New("the database URL must begin with sqlite:, postgres://, postgresql://, mysql:// or libsql://")

func dialectOf(rawURL string) (*dialect, error) {
	switch scheme, _, _ := strings.Cut(rawURL, ":"); scheme {
	case "postgres", "postgresql":
		return postgres(), nil
	case "mysql", "mariadb":
		return mySQL(), nil
	case "sqlite":
		return sqlite(), nil
	case "libsql", "http", "https":
		return libSQL(), nil
	default:
		return nil, errScheme
	}
}

// Table implements [Store].
func (db *DB) Table() Table {
	checked := db.statements.Load()
	return Table{Mapping: db.mapping, EmailRequired: db.mapping.Has(user.FieldEmail) && (checked == nil || checked.emailRequired)}
}

// Close closes all connections. Later calls return [ErrUnavailable].
func (db *DB) Close() error { return db.pool.Close() }

// do runs work in a slot and within the time limit, retries it where that helps, and classifies its error.
func (db *DB) do(parent context.Context, work func(context.Context, *statements) error) error {
	select {
	case db.slots <- struct{}{}:
		defer func() { <-db.slots }()
	case <-parent.Done():
		return parent.Err()
	}
	ctx, cancel := context.WithTimeout(parent, db.timeout)
	defer cancel()
	err := db.withRetry(ctx, work)
	if parent.Err() != nil && errors.Is(err, ErrUnavailable) {
		return parent.Err()
	}
	return err
}

// withRetry runs attempts until one succeeds, the error does not allow a retry, or the time is over.
func (db *DB) withRetry(ctx context.Context, work func(context.Context, *statements) error) error {
	rechecked := false
	for {
		err := db.attempt(ctx, work)
		var refusal *Error
		switch {
		case !errors.As(err, &refusal):
			return err
		case errors.Is(refusal, errStale) && !rechecked:
			// The table was altered since the check. A new check returns statements that fit, or all problems.
			db.statements.Store(nil)
			rechecked = true
		case errors.Is(refusal, errStale):
			return db.refersToNothing(ctx, refusal)
		case !refusal.retry || !backoff(ctx):
			return err
		}
	}
}

// attempt runs work once, with the statements of the checked table.
func (db *DB) attempt(ctx context.Context, work func(context.Context, *statements) error) error {
	ready, err := db.ready(ctx)
	if err == nil {
		err = work(ctx, ready)
	}
	err = db.classify(err)
	if errors.Is(err, ErrReadOnly) || errors.Is(err, ErrStorage) {
		db.dropIdle()
	}
	return err
}

// dropIdle closes idle connections so that the next calls reconnect. After a failover the old connections lead to the
// standby, and after a restored backup to a file that was replaced.
func (db *DB) dropIdle() {
	db.pool.SetMaxIdleConns(0)
	db.pool.SetMaxIdleConns(db.conns)
}

// backoff waits a random time, so that two transactions that blocked each other do not collide again. It returns false
// when ctx ends first.
func backoff(ctx context.Context) bool {
	timer := time.NewTimer(5*time.Millisecond + rand.N(45*time.Millisecond)) //nolint:gosec // the delay is not a secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// write runs work that begins with one writing statement. It allows the write before that, and rolls it back in a dry run.
func (db *DB) write(ctx context.Context, work func(on querier) error) error {
	if !db.dryRun {
		if err := db.checkFence(); err != nil {
			return err
		}
		return work(db.pool)
	}
	return db.inTx(ctx, func(tx *sql.Tx) error { return work(tx) })
}

// checkFence returns an error when [Options.BeforeWrite] forbids the write.
func (db *DB) checkFence() error {
	if err := db.beforeWrite(); err != nil {
		return fmt.Errorf("%w: %w", errFenced, err)
	}
	return nil
}

func exec(ctx context.Context, on querier, statement statement, values ...any) (affected int64, err error) {
	result, err := on.ExecContext(ctx, statement.text, statement.args(values)...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// inTx runs work in a transaction. It commits if work succeeds, except in a dry run.
func (db *DB) inTx(ctx context.Context, work func(*sql.Tx) error) error {
	tx, err := db.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit
	if err := work(tx); err != nil {
		return err
	}
	if db.dryRun {
		return db.checkDeferred(ctx, tx)
	}
	return tx.Commit()
}

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
)

// Options is what [Open] can be told; the zero value is good.
type Options struct {
	// CreateTable makes the table where there is none, and the SQLite file too.
	CreateTable bool
	// Now is the clock for updated_at; nil means [time.Now].
	Now func() time.Time
	// MaxConns bounds the connections to PostgreSQL; 0 means 8. SQLite always has one.
	MaxConns int
	// StatementTimeout bounds every statement and every transaction from its turn on, with the making of a connection, the
	// check of the table and repetitions; 0 means 10 s. The wait for a turn is bounded by the caller's ctx alone. PostgreSQL
	// is told it too, so that a statement does not outlive a process that was killed.
	StatementTimeout time.Duration
	// BeforeWrite is asked for every attempt of a write immediately before it can count: before its statement, or before
	// its transaction's commit. An error keeps the write back, and comes back. Nil allows all.
	BeforeWrite func() error
	// DryRun carries out every write in a transaction that is rolled back: the database says what it would say, and nothing
	// changes. No table is made then.
	DryRun bool
}

func (o Options) withDefaults() Options {
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

// DB is the [Store] in one database. Before its first use it checks that the table fits, so a database that is down
// or not yet migrated when the process starts needs no restart.
type DB struct {
	pool        *sql.DB
	dialect     *dialect
	createTable bool
	dryRun      bool
	now         func() time.Time
	beforeWrite func() error
	timeout     time.Duration
	conns       int
	// turns has a place for each connection. Who waits for one is served in order; the pool itself picks anybody, and
	// of a hundred who wait for SQLite's one connection somebody would wait too long.
	turns chan struct{}

	// statements is what the last check made; nil before one succeeded.
	statements atomic.Pointer[statements]
	checks     singleflight.Group
}

// Open takes postgres://…, postgresql://… or sqlite:PATH. It does not connect. Its errors hold no part of the URL.
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
		pool: pool, dialect: dialect, conns: options.MaxConns,
		createTable: options.CreateTable && !options.DryRun, dryRun: options.DryRun, now: options.Now, timeout: options.StatementTimeout,
		beforeWrite: options.BeforeWrite,
	}
	if dialect.oneConn {
		db.conns = 1
	}
	db.turns = make(chan struct{}, db.conns)
	pool.SetMaxOpenConns(db.conns)
	pool.SetMaxIdleConns(db.conns)
	pool.SetConnMaxLifetime(dialect.connLifetime)
	return db, nil
}

var errScheme = errors.New("the database URL must begin with sqlite:, postgres:// or postgresql://")

func dialectOf(rawURL string) (*dialect, error) {
	switch scheme, _, _ := strings.Cut(rawURL, ":"); scheme {
	case "postgres", "postgresql":
		return postgres(), nil
	case "sqlite":
		return sqlite(), nil
	default:
		return nil, errScheme
	}
}

// Close ends all connections. Calls that come later fail with [ErrUnavailable].
func (db *DB) Close() error { return db.pool.Close() }

// call does work within the time limit, again where the database asks for it, and classifies what it returns.
func (db *DB) call(parent context.Context, work func(context.Context, *statements) error) error {
	select {
	case db.turns <- struct{}{}:
		defer func() { <-db.turns }()
	case <-parent.Done():
		return parent.Err()
	}
	ctx, cancel := context.WithTimeout(parent, db.timeout)
	defer cancel()
	err := db.untilDone(ctx, work)
	if parent.Err() != nil && errors.Is(err, ErrUnavailable) {
		return parent.Err()
	}
	return err
}

func (db *DB) untilDone(ctx context.Context, work func(context.Context, *statements) error) error {
	rechecked := false
	for {
		err := db.once(ctx, work)
		var refusal *Error
		switch {
		case !errors.As(err, &refusal):
			return err
		case errors.Is(refusal, errStale) && !rechecked:
			// The table was altered since the check. Another check makes statements that fit, or says all that is wrong.
			db.statements.Store(nil)
			rechecked = true
		case errors.Is(refusal, errStale):
			return &SchemaError{Problems: []string{"a statement names what the database does not have (" + refusal.Code + ")"}}
		case !refusal.retry || !pause(ctx):
			return err
		}
	}
}

func (db *DB) once(ctx context.Context, work func(context.Context, *statements) error) error {
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

// dropIdle makes the next calls connect anew: after a failover the old connections lead to the standby, and after a
// restored backup to a file that was replaced.
func (db *DB) dropIdle() {
	db.pool.SetMaxIdleConns(0)
	db.pool.SetMaxIdleConns(db.conns)
}

// pause keeps two transactions that were in each other's way from meeting again at once. It reports whether there is
// time left.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(5*time.Millisecond + rand.N(45*time.Millisecond)) //nolint:gosec // nobody gains by guessing it
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// exec carries out one writing statement.
func (db *DB) exec(ctx context.Context, statement string, values ...any) (affected int64, err error) {
	if !db.dryRun {
		if err := db.mayWrite(); err != nil {
			return 0, err
		}
		return exec(ctx, db.pool, statement, values)
	}
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		affected, err = exec(ctx, tx, statement, values)
		return err
	})
	return affected, err
}

// mayWrite asks whether a write may count now.
func (db *DB) mayWrite() error {
	if err := db.beforeWrite(); err != nil {
		return fmt.Errorf("%w: %w", errHeldBack, err)
	}
	return nil
}

type executor interface {
	ExecContext(ctx context.Context, statement string, values ...any) (sql.Result, error)
}

func exec(ctx context.Context, on executor, statement string, values []any) (affected int64, err error) {
	result, err := on.ExecContext(ctx, statement, values...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// inTx runs work in a transaction that is committed only if work succeeds, and in a dry run never.
func (db *DB) inTx(ctx context.Context, work func(*sql.Tx) error) error {
	tx, err := db.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := work(tx); err != nil {
		return err
	}
	if db.dryRun {
		return nil
	}
	return tx.Commit()
}

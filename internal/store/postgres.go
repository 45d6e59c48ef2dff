package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgres uses database/sql as SQLite does, so that both engines share one implementation. Its driver pgx is
// maintained and reports SQLSTATE, constraint and column separately from the text.
func postgres() *dialect {
	return &dialect{
		open:         openPostgres,
		insecure:     insecurePostgres,
		classify:     classifyPostgres,
		connLifetime: 5 * time.Minute,
		lockRows:     " FOR UPDATE",
		textKinds:    []string{kindText, kindCitext},
		roleKinds:    []string{kindText, kindCitext, kindEnum},
		clocks: map[string]clock{
			kindInteger:     unixSeconds(),
			kindTimestamptz: {write: "to_timestamp(CAST(%s AS bigint) / 1000.0)", read: readEpoch},
			kindTimestamp:   {write: "to_timestamp(CAST(%s AS bigint) / 1000.0) AT TIME ZONE 'UTC'", read: readEpoch},
		},
		relation: `
SELECT CASE WHEN c.oid IS NULL THEN '' WHEN c.relkind IN ('r', 'p') THEN 'table' WHEN c.relkind = 'v' THEN 'view'
            ELSE 'relation of kind ' || c.relkind::text END,
       coalesce(has_table_privilege(c.oid, 'DELETE'), false),
       current_setting('transaction_read_only') = 'on',
       'the schemas of search_path (' || array_to_string(current_schemas(false), ', ') || ')'
FROM (SELECT to_regclass('users') AS oid) AS name LEFT JOIN pg_class AS c ON c.oid = name.oid`,
		columns: `
SELECT a.attname,
       CASE WHEN base.typtype = 'e' THEN 'enum' WHEN base.typname IN ('text', 'varchar') THEN 'text'
            WHEN base.typname IN ('int4', 'int8') THEN 'integer' ELSE base.typname END,
       format_type(a.atttypid, NULL),
       a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
       has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
       has_column_privilege(a.attrelid, a.attnum, 'INSERT'),
       has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
     JOIN pg_type AS base ON base.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
WHERE a.attrelid = to_regclass('users') AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum`,
		// pg_depend has the column of an expression; for an expression over several columns the query returns none. Only a
		// unique index that is checked immediately can decide an ON CONFLICT.
		uniques: `
SELECT a.attname,
       pg_get_indexdef(i.indexrelid, 1, true) || coalesce((
           SELECT format(' COLLATE %I.%I', n.nspname, c.collname)
           FROM pg_collation AS c JOIN pg_namespace AS n ON n.oid = c.collnamespace
           WHERE c.oid = i.indcollation[0] AND c.oid <> a.attcollation), ''),
       i.indimmediate AND i.indkey[0] <> 0
FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = coalesce(nullif(i.indkey[0], 0),
       (SELECT min(d.refobjsubid) FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
              AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0
        HAVING count(DISTINCT d.refobjsubid) = 1))
WHERE i.indrelid = to_regclass('users') AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1`,
		create: []string{
			// CREATE TABLE IF NOT EXISTS alone fails when two processes run it at the same time.
			`SELECT pg_advisory_xact_lock(hashtext('fituser-operator: create table users'))`,
			`CREATE TABLE IF NOT EXISTS users (
	id text PRIMARY KEY, email text NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
	password text, role text NOT NULL DEFAULT 'client', phone text,
	created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL)`,
		},
	}
}

const readEpoch = "CAST(extract(epoch FROM %s) * 1000 AS bigint)"

var errPostgresURL = errors.New("the database URL cannot be read: want postgres://user:password@host:5432/database, " +
	"with characters such as / : @ ? # in the password percent-encoded")

func openPostgres(rawURL string, options Options) (*sql.DB, error) {
	config, err := pgx.ParseConfig(rawURL)
	if err != nil || strings.Contains(rawURL, "#") { // the driver would ignore the part after a #
		return nil, errPostgresURL // the driver's text repeats parts of the URL
	}
	// This mode needs one round trip and no named prepared statement. Behind PgBouncer in transaction mode the next
	// statement may use another server connection, and a migration would invalidate cached statements.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	setDefault(config.RuntimeParams, "application_name", "fituser-operator")
	poolable := config.Copy()
	limit := strconv.FormatInt(options.StatementTimeout.Milliseconds(), 10)
	setDefault(config.RuntimeParams, "statement_timeout", limit)
	setDefault(config.RuntimeParams, "idle_in_transaction_session_timeout", limit)
	return sql.OpenDB(connector{Connector: stdlib.GetConnector(*config), poolable: stdlib.GetConnector(*poolable)}), nil
}

func setDefault(params map[string]string, name, value string) {
	if _, set := params[name]; !set {
		params[name] = value
	}
}

// connector sets timeouts on the server, so that the write of a killed process cannot take effect later. A pooler that
// refuses such settings at start-up, as PgBouncer does, gets a connection without them: its server connections are
// shared, and the settings would apply to other clients too.
type connector struct {
	driver.Connector
	poolable driver.Connector
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && (refusal.Code == "08P01" || refusal.Code == "0A000") {
		return c.poolable.Connect(ctx)
	}
	return conn, err
}

// classifyPostgres drops message and detail, which repeat values.
func classifyPostgres(err error) *Error {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return nil
	}
	refusal := postgresRefusal(answer.Code)
	refusal.Code = "SQLSTATE " + answer.Code
	refusal.Name = cmp.Or(answer.ConstraintName, answer.ColumnName)
	return &refusal
}

// postgresRefusal follows PostgreSQL's documentation, appendix A: by code for the listed codes, by the code's class
// (its first two characters) for the others.
func postgresRefusal(code string) Error {
	byCode := map[string]Error{
		"22001": {Class: ErrInvalidData, Cause: "a text is too long for its column"},
		"22P02": {Class: ErrInvalidData, Cause: "a column's type does not allow the value"},
		"23001": {Class: errRefused}, // RESTRICT, since PostgreSQL 18
		"23503": {Class: errRefused},
		"23505": {Class: errUnique},
		"25006": {Class: ErrReadOnly},
		"28P01": {Class: ErrForbidden, Cause: "the password is wrong"},
		"3D000": {Class: ErrUnavailable, Cause: "it does not exist"},
		"40001": {Class: ErrUnavailable, Cause: "concurrent transactions", retry: true},
		"40P01": {Class: ErrUnavailable, Cause: "deadlock", retry: true},
		"42501": {Class: ErrForbidden},
		"53100": {Class: ErrStorage, Cause: "the disk is full"},
		"53300": {Class: ErrUnavailable, Cause: "too many connections"},
		"54000": {Class: ErrInvalidData, Cause: "a text is too long for its index"},
		"57014": {Class: ErrUnavailable, Cause: "the statement took longer than allowed"},
		"57P03": {Class: ErrUnavailable, Cause: "it is starting or shutting down"},
		"P0001": {Class: errRefused}, // RAISE EXCEPTION in a function of the application
	}
	byClass := map[string]error{
		"22": ErrInvalidData, "23": ErrInvalidData, "44": ErrInvalidData,
		"42": errStale, // a table, column, type or unique index is missing: the statements are fixed, so the table changed
		"28": ErrForbidden, "58": ErrStorage, "XX": ErrStorage,
	}
	if refusal, known := byCode[code]; known {
		return refusal
	}
	return Error{Class: cmp.Or(byClass[code[:min(2, len(code))]], ErrUnavailable)}
}

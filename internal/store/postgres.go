package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/fitai/fituser-operator/internal/user"
)

// postgres uses database/sql as SQLite does, so that all engines share one implementation. Its driver pgx is
// maintained and reports SQLSTATE, constraint and column separately from the text.
func postgres() *dialect {
	return &dialect{
		open:         openPostgres,
		insecure:     insecurePostgres,
		conns:        postgresConns,
		secured:      "add sslmode=verify-full",
		classify:     classifyPostgres,
		connLifetime: 5 * time.Minute,
		lockRows:     " FOR UPDATE",
		quote:        doubleQuoted,
		fold:         func(name string) string { return name },
		asText:       "CAST(%s AS text)",
		// A dry run and a probe find out what the commit would.
		checkDeferred: "SET CONSTRAINTS ALL IMMEDIATE",
		holds:         holdsInSubquery,
		codecs: map[use]map[string]codec{
			useKey: {kindText: plain()},
			useOwnKey: {
				kindText: plain(), kindUUID: castTo("uuid"), kindInteger: castTo("bigint"),
			},
			useText:    {kindText: plain(), kindCitext: plain(), kindUUID: castTo("uuid")},
			useRole:    {kindText: plain(), kindCitext: plain(), kindEnum: plain(), kindInteger: castTo("bigint")},
			useBoolean: {kindBoolean: castTo("boolean")},
			useTime: {
				kindTimestamptz: {write: "to_timestamp(CAST(%[1]s AS bigint) / 1000.0)", read: readEpoch},
				kindTimestamp:   {write: "to_timestamp(CAST(%[1]s AS bigint) / 1000.0) AT TIME ZONE 'UTC'", read: readEpoch},
			},
			useValue: {
				kindText: plain(), kindInteger: castTo("bigint"), kindBoolean: castTo("boolean"),
				kindJSON: {write: "CAST(%[1]s AS jsonb)", read: "CAST(%[1]s AS text)", json: true},
			},
		},
		clocks: map[user.TimeUnit]codec{
			user.Seconds:      {write: "CAST(%[1]s AS bigint) / 1000", read: "CAST(%[1]s AS bigint) * 1000"},
			user.Milliseconds: {write: "CAST(%[1]s AS bigint)", read: "CAST(%[1]s AS bigint)"},
		},
		tableArgs: func(m *user.Mapping) []any { return []any{postgresName(m)} },
		relation: `
SELECT CASE WHEN c.oid IS NULL THEN '' WHEN c.relkind IN ('r', 'p') THEN 'table' WHEN c.relkind = 'v' THEN 'view'
            WHEN c.relkind = 'm' THEN 'materialized view' WHEN c.relkind = 'f' THEN 'foreign table'
            ELSE 'relation of kind ' || c.relkind::text END,
       coalesce(has_table_privilege(c.oid, 'DELETE'), false),
       current_setting('transaction_read_only') = 'on',
       'the schemas of search_path (' || coalesce(nullif(array_to_string(current_schemas(false), ', '), ''), 'none that exists and that the login may use') || ')'
FROM (SELECT to_regclass($1) AS oid) AS name LEFT JOIN pg_class AS c ON c.oid = name.oid`,
		columns: postgresColumns,
		// pg_depend has the column of an expression; for an expression over several columns the query returns none. Only a
		// unique index that is checked immediately can decide an ON CONFLICT.
		uniques: `
SELECT a.attname,
       pg_get_indexdef(i.indexrelid, 1, true) || coalesce((
           SELECT format(' COLLATE %I.%I', n.nspname, c.collname)
           FROM pg_collation AS c JOIN pg_namespace AS n ON n.oid = c.collnamespace
           WHERE c.oid = i.indcollation[0] AND c.oid <> a.attcollation), ''),
       coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
       i.indimmediate AND i.indkey[0] <> 0
FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = coalesce(nullif(i.indkey[0], 0),
       (SELECT min(d.refobjsubid) FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
              AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0
        HAVING count(DISTINCT d.refobjsubid) = 1))
WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1`,
		primary: `
SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = to_regclass($1) AND i.indisprimary`,
		limits:     postgresLimits,
		obstacles:  postgresObstacles,
		roleGuards: postgresRoleGuards,
		candidate:  "SELECT CAST(CAST($1 AS text) AS %[3]s) AS %[1]s",
		narrow:     func(sqlType string) bool { return sqlType == "integer" || sqlType == "smallint" },
		references: postgresReferences,
		catalog:    postgresCatalog,
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

// postgresReferences leaves out the foreign keys of partitions: they have a parent, which it returns.
const postgresReferences = `
SELECT DISTINCT f.conrelid::regclass::text, f.confupdtype = 'c'
FROM pg_constraint AS f JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = ANY (f.confkey)
WHERE f.contype = 'f' AND f.confrelid = to_regclass($1) AND f.conparentid = 0 AND a.attname = $2`

const readEpoch = "CAST(extract(epoch FROM %[1]s) * 1000 AS bigint)"

// castTo is the codec of a column whose values are written as texts.
func castTo(sqlType string) codec {
	return codec{write: "CAST(%[1]s AS " + sqlType + ")", read: "CAST(%[1]s AS text)"}
}

// postgresName is the name of the table as to_regclass takes it. Without a schema, search_path decides.
func postgresName(m *user.Mapping) string { return (&dialect{quote: doubleQuoted}).quotedName(m) }

func openPostgres(rawURL string, options Options) (*sql.DB, error) {
	parsed, err := parsePostgresURL(rawURL)
	if err != nil {
		return nil, err
	}
	config := parsed.config
	// This mode needs one round trip and no named prepared statement. Behind PgBouncer in transaction mode the next
	// statement may use another server connection, and a migration would invalidate cached statements.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	setDefault(config.RuntimeParams, "application_name", "fituser-operator")
	if parsed.schema != "" {
		config.RuntimeParams["search_path"] = doubleQuoted(parsed.schema)
	}
	poolable := config.Copy()
	if parsed.schema == "public" { // a pooler may not take the setting, which is the server's default
		delete(poolable.RuntimeParams, "search_path")
	}
	limit := strconv.FormatInt(options.StatementTimeout.Milliseconds(), 10)
	setDefault(config.RuntimeParams, "statement_timeout", limit)
	setDefault(config.RuntimeParams, "idle_in_transaction_session_timeout", limit)
	return sql.OpenDB(connector{
		Connector: stdlib.GetConnector(*config), poolable: stdlib.GetConnector(*poolable), url: parsed,
	}), nil
}

// postgresConns returns how many connections the URL allows; 0 for any number.
func postgresConns(rawURL string) int {
	parsed, err := parsePostgresURL(rawURL)
	if err != nil {
		return 0
	}
	return parsed.maxConns
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
	url      postgresURL
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && (refusal.Code == "08P01" || refusal.Code == "0A000") {
		conn, err = c.poolable.Connect(ctx)
	}
	if errors.As(err, &refusal) {
		if named := c.url.refusedParameter(refusal.Code, refusal.Message); named != nil {
			return nil, named
		}
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
	refusal.Name, refusal.Table = cmp.Or(answer.ConstraintName, answer.ColumnName), answer.TableName
	switch {
	case answer.Routine == "ExecWithCheckOptions" && answer.Code == "42501":
		refusal = Error{Class: ErrTrigger, Cause: "a policy of row level security does not allow it"}
	case isInFunction(answer) && !isOutsideFunctions(answer.Code):
		raised := answer.Code == "P0001" || answer.Routine == "exec_stmt_raise"
		refusal = Error{Class: ErrTrigger, raised: raised, Name: cmp.Or(postgresFunction(answer.Where), refusal.Name)}
	}
	refusal.Code = "SQLSTATE " + answer.Code
	return &refusal
}

// isInFunction reports whether the error happened inside a function of the application. The server describes the innermost
// place first. In all languages of the server, the place in a function contains the name of its language. An error of a
// parameter has a place too; with log_parameter_max_length_on_error, it shows the value.
func isInFunction(answer *pgconn.PgError) bool {
	place, _, _ := strings.Cut(answer.Where, "\n")
	isFunction := strings.Contains(place, "SQL") || strings.Contains(place, "PL/")
	return isFunction && !strings.HasPrefix(place, parametersBegin) || answer.Code == "P0001"
}

const parametersBegin = "unnamed portal"

// isOutsideFunctions reports whether a code means the same inside a function: it concerns the connection, the server or
// other transactions.
func isOutsideFunctions(code string) bool {
	return slices.Contains([]string{"08", "25", "40", "53", "55", "57", "58", "F0", "XX"}, codeClass(code))
}

// codeClass returns the first two characters of a code.
func codeClass(code string) string { return code[:min(2, len(code))] }

var functionLine = regexp.MustCompile(`(?m)^(?:PL/pgSQL|SQL) function "?([A-Za-z_][A-Za-z0-9_.]{0,62})"?`)

// postgresFunction returns the name of the function in which an error happened; empty where the server describes it in
// another language. No decision depends on it.
func postgresFunction(where string) string {
	where, _, _ = strings.Cut(where, "\n"+parametersBegin)
	if found := functionLine.FindStringSubmatch(where); found != nil {
		return found[1]
	}
	return ""
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
	}
	byClass := map[string]error{
		"22": ErrInvalidData, "23": ErrInvalidData, "44": ErrInvalidData,
		"42": errStale, // a table, column, type or unique index is missing: the statements are fixed, so the table changed
		"28": ErrForbidden, "58": ErrStorage, "P0": ErrTrigger, "XX": ErrStorage,
	}
	if refusal, known := byCode[code]; known {
		return refusal
	}
	return Error{Class: cmp.Or(byClass[codeClass(code)], ErrUnavailable)}
}

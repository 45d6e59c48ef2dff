package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/fitai/fituser-operator/internal/user"
)

// sqlite uses a driver without cgo, so that the image is one static binary.
func sqlite() *dialect {
	return &dialect{
		open:     openSQLite,
		classify: classifySQLite,
		oneConn:  true,
		// Opening a file is cheap, and only a new connection notices that the file was replaced.
		connLifetime: time.Minute,
		quote:        backquoted,
		fold:         strings.ToLower,
		asText:       "CAST(%s AS text)",
		holds:        holdsInSubquery,
		codecs: map[use]map[string]codec{
			useKey:     {kindText: plain()},
			useOwnKey:  {kindText: plain(), kindInteger: sqliteInteger()},
			useText:    {kindText: plain()},
			useRole:    {kindText: plain(), kindInteger: sqliteInteger()},
			useBoolean: {kindBoolean: sqliteBoolean(), kindInteger: sqliteBoolean()},
			useTime:    {},
			useValue: {
				kindText: plain(), kindInteger: sqliteInteger(), kindBoolean: sqliteBoolean(),
				kindJSON: {write: "%[1]s", read: "%[1]s", json: true},
			},
		},
		clocks: map[user.TimeUnit]codec{
			user.Seconds:      {write: "CAST(%[1]s AS bigint) / 1000", read: "CAST(%[1]s AS bigint) * 1000"},
			user.Milliseconds: {write: "CAST(%[1]s AS bigint)", read: "CAST(%[1]s AS bigint)"},
		},
		tableArgs: func(m *user.Mapping) []any { return []any{m.Table} },
		relation: `
SELECT coalesce((SELECT type
                 FROM sqlite_schema WHERE name = $1 COLLATE NOCASE AND type IN ('table', 'view')), ''),
       true, false, 'the file'`,
		// The kinds follow https://www.sqlite.org/datatype3.html#determination_of_column_affinity.
		columns: `
SELECT name,
       CASE WHEN type LIKE '%INT%' THEN 'integer' WHEN type LIKE 'BOOL%' THEN 'boolean' WHEN type LIKE 'JSON%' THEN 'json'
            WHEN type LIKE '%CHAR%' OR type LIKE '%CLOB%' OR type LIKE '%TEXT%' THEN 'text' ELSE lower(type) END,
       lower(type), dflt_value, NOT ("notnull" OR (pk = 1 AND type = 'INTEGER' COLLATE NOCASE)),
       "notnull" AND dflt_value IS NULL AND NOT (pk = 1 AND type = 'INTEGER' COLLATE NOCASE),
       true, true, true
FROM pragma_table_info($1) ORDER BY cid`,
		// SQLite has the expression of an index only in the text of CREATE INDEX, after the first parenthesis: the query
		// selects indexes with one key. What follows WHERE is the condition of a partial index. An INTEGER PRIMARY KEY is the
		// number of the row and has no index.
		uniques: `
SELECT coalesce(lower(key.name), ''),
       CASE WHEN key.cid >= 0 THEN '"' || key.name || '" COLLATE ' || key.coll
            ELSE replace(replace(substr(s.sql, instr(s.sql, '('),
                instr(upper(s.sql) || ' WHERE ', ' WHERE ') - instr(s.sql, '(')), ' ASC)', ')'), ' DESC)', ')') END,
       CASE WHEN i.partial THEN substr(s.sql, instr(upper(s.sql), ' WHERE ') + 7) ELSE '' END,
       key.cid >= 0 AND key.coll = 'BINARY'
FROM pragma_index_list($1) AS i JOIN pragma_index_xinfo(i.name) AS key ON key.key
     LEFT JOIN sqlite_schema AS s ON s.name = i.name
WHERE i."unique"
GROUP BY i.name HAVING count(*) = 1
UNION ALL
SELECT lower(name), '"' || name || '"', '', true FROM pragma_table_info($1)
WHERE pk = 1 AND type = 'INTEGER' COLLATE NOCASE AND (SELECT max(pk) FROM pragma_table_info($1)) = 1`,
		primary:     `SELECT name FROM pragma_table_info($1) WHERE pk > 0`,
		referring:   sqliteReferring,
		triggers:    sqliteTriggers,
		limits:      sqliteLimits,
		roleGuards:  sqliteRoleGuards,
		candidate:   "SELECT CAST($1 AS text) AS %[1]s",
		probesRoles: true,
		references: `
SELECT DISTINCT t.name, f.on_update = 'CASCADE'
FROM sqlite_schema AS t JOIN pragma_foreign_key_list(t.name) AS f
WHERE t.type = 'table' AND f."table" = $1 COLLATE NOCASE
      AND coalesce(f."to", (SELECT name FROM pragma_table_info($1) WHERE pk = f.seq + 1)) = $2 COLLATE NOCASE`,
		catalog: sqliteCatalog,
		create: []string{`CREATE TABLE IF NOT EXISTS users (
	id text PRIMARY KEY NOT NULL, email text NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
	password text, role text NOT NULL DEFAULT 'client', phone text,
	created_at integer NOT NULL, updated_at integer NOT NULL)`},
	}
}

func sqliteInteger() codec {
	return codec{write: "CAST(%[1]s AS bigint)", read: "CAST(%[1]s AS text)"}
}

func sqliteBoolean() codec {
	return codec{
		write: "CASE %[1]s WHEN 'true' THEN 1 WHEN 'false' THEN 0 END",
		read:  "CASE WHEN %[1]s THEN 'true' WHEN NOT %[1]s THEN 'false' END",
	}
}

var errSQLiteURL = errors.New("the database URL cannot be read: want sqlite:PATH, the path of a file and no parameters")

// openSQLite accepts sqlite:relative, sqlite:/absolute and sqlite:///absolute.
func openSQLite(rawURL string, options Options) (*sql.DB, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(rawURL, "sqlite:"), "//")
	if path == "" || strings.HasPrefix(path, ":") || strings.ContainsAny(path, "?#\x00") {
		return nil, errSQLiteURL
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, errSQLiteURL
	}
	parameters := url.Values{
		"mode":          {"rw"}, // never create an empty file in place of the application's
		"_txlock":       {"immediate"},
		"_foreign_keys": {"on"}, // a setting of the connection; without it deletions do not cascade
		"_busy_timeout": {strconv.FormatInt(options.StatementTimeout.Milliseconds(), 10)},
	}
	if options.CreateTable {
		parameters.Set("mode", "rwc")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			parameters.Set("_journal_mode", "WAL") // an existing file keeps the mode that the application chose
		}
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: parameters.Encode()}
	return sql.Open("sqlite", name.String())
}

// classifySQLite drops the message.
func classifySQLite(err error) *Error {
	var answer *driver.Error
	if !errors.As(err, &answer) {
		return nil
	}
	refusal := sqliteRefusal(answer.Code())
	refusal.Code = fmt.Sprintf("SQLite code %d", answer.Code())
	switch answer.Code() {
	case codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_CHECK, codes.SQLITE_CONSTRAINT_NOTNULL:
		refusal.Name = constraintOf(answer)
	}
	return &refusal
}

// sqliteRefusal follows https://www.sqlite.org/rescode.html: by extended code for the listed codes, by primary code for
// the others.
func sqliteRefusal(code int) Error {
	extended := map[int]Error{
		codes.SQLITE_CONSTRAINT_UNIQUE:     {Class: errUnique},
		codes.SQLITE_CONSTRAINT_PRIMARYKEY: {Class: errUnique},
		codes.SQLITE_CONSTRAINT_FOREIGNKEY: {Class: errRefused},
		codes.SQLITE_CONSTRAINT_TRIGGER:    {Class: ErrTrigger, raised: true}, // also a foreign key with RESTRICT
	}
	primary := map[int]Error{
		codes.SQLITE_AUTH:       {Class: ErrForbidden},
		codes.SQLITE_BUSY:       {Class: ErrUnavailable, Cause: "another connection holds the file", retry: true},
		codes.SQLITE_CANTOPEN:   {Class: ErrUnavailable, Cause: "the file cannot be opened, or its directory is not writable"},
		codes.SQLITE_CONSTRAINT: {Class: ErrInvalidData},
		codes.SQLITE_CORRUPT:    {Class: ErrStorage, Cause: "the file is damaged"},
		codes.SQLITE_ERROR:      {Class: errStale}, // the statements are fixed, so the table changed
		codes.SQLITE_FULL:       {Class: ErrStorage, Cause: "the disk is full"},
		codes.SQLITE_IOERR:      {Class: ErrStorage, Cause: "the disk cannot be read or written"},
		codes.SQLITE_LOCKED:     {Class: ErrUnavailable, Cause: "another connection holds the table", retry: true},
		codes.SQLITE_MISMATCH:   {Class: ErrInvalidData},
		codes.SQLITE_NOTADB:     {Class: ErrStorage, Cause: "the file is not a SQLite database"},
		codes.SQLITE_PERM:       {Class: ErrForbidden},
		codes.SQLITE_PROTOCOL:   {Class: ErrUnavailable, Cause: "the file cannot be locked, as on a network volume"},
		codes.SQLITE_READONLY:   {Class: ErrReadOnly},
		codes.SQLITE_SCHEMA:     {Class: errStale},
		codes.SQLITE_TOOBIG:     {Class: ErrInvalidData},
	}
	if refusal, known := extended[code]; known {
		return refusal
	}
	if refusal, known := primary[code&0xff]; known {
		return refusal
	}
	return Error{Class: ErrUnavailable}
}

// constraintOf returns the column or constraint. SQLite has it only at the end of its message. For the constraints that
// the caller selects, that is text of the schema and never of a row. No decision depends on it.
func constraintOf(answer *driver.Error) string {
	_, name, _ := strings.Cut(answer.Error(), " constraint failed: ")
	return strings.TrimSuffix(name, fmt.Sprintf(" (%d)", answer.Code()))
}

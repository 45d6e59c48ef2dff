package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	codes "modernc.org/sqlite/lib"

	"github.com/fitai/fituser-operator/internal/store/libsql"
)

// libSQL is SQLite behind HTTP: its catalogs, statements and texts are SQLite's.
func libSQL() *dialect {
	d := sqlite()
	d.open, d.insecure, d.classify = openLibSQL, insecureLibSQL, classifyLibSQL
	d.secured = "remove tls=0, or begin the URL with https:"
	// The server queues writers, and readers do not wait for them. Connections hold nothing that could be outdated.
	d.oneConn, d.connLifetime = false, 0
	d.positional = true // the server takes $1 for a name, not for a number
	d.relation = strings.Replace(d.relation, "'the file'", "'the database'", 1)
	return d
}

func openLibSQL(rawURL string, _ Options) (*sql.DB, error) {
	config, err := libsql.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(libsql.NewConnector(config)), nil
}

func insecureLibSQL(rawURL string) bool {
	config, err := libsql.ParseURL(rawURL)
	if err != nil || config.Endpoint.Scheme == "https" {
		return false
	}
	host := config.Endpoint.Hostname()
	return host != "localhost" && !net.ParseIP(host).IsLoopback()
}

// classifyLibSQL drops the message.
func classifyLibSQL(err error) *Error {
	var answer *libsql.Error
	if !errors.As(err, &answer) {
		return nil
	}
	refusal, known := serverRefusals()[answer.Code]
	switch number := sqliteCode(answer); {
	case known:
		refusal.Code = "libSQL code " + answer.Code
	case number != 0:
		refusal = sqliteRefusal(number)
		refusal.Cause = strings.ReplaceAll(refusal.Cause, "the file", "the database")
		refusal.Code = "libSQL code " + answer.Code
		refusal.Name = constraintNamed(number, answer.Message)
	case answer.Status != 0:
		refusal = httpRefusal(answer.Status)
	default:
		refusal = Error{Class: ErrUnavailable, Code: "libSQL code " + answer.Code}
	}
	return &refusal
}

// serverRefusals are the codes of the server itself. The others are SQLite's, see [sqliteCode].
func serverRefusals() map[string]Error {
	return map[string]Error{
		libsql.CodeStreamLost: {Class: ErrUnavailable, Cause: "the server has given the transaction up", retry: true},
		"TRANSACTION_TIMEOUT": {Class: ErrUnavailable, Cause: "the server has given the transaction up", retry: true},
		"TRANSACTION_BUSY":    {Class: ErrUnavailable, Cause: "another transaction holds the database", retry: true},
		"BLOCKED":             {Class: ErrForbidden, Cause: "the server blocks such statements, as Turso does over a plan's limits"},
		"RESPONSE_TOO_LARGE":  {Class: ErrUnavailable, Cause: "the answer is larger than the limit"},
	}
}

// sqliteCode returns SQLite's number for the server's code, or 0. sqld sends primary codes, and newer servers of the
// vendor extended ones.
func sqliteCode(answer *libsql.Error) int {
	number := map[string]int{
		"SQLITE_AUTH":      codes.SQLITE_AUTH,
		"SQLITE_BUSY":      codes.SQLITE_BUSY,
		"SQLITE_CANTOPEN":  codes.SQLITE_CANTOPEN,
		"SQLITE_CORRUPT":   codes.SQLITE_CORRUPT,
		"SQLITE_ERROR":     codes.SQLITE_ERROR,
		"SQLITE_FULL":      codes.SQLITE_FULL,
		"SQLITE_IOERR":     codes.SQLITE_IOERR,
		"SQLITE_LOCKED":    codes.SQLITE_LOCKED,
		"SQLITE_MISMATCH":  codes.SQLITE_MISMATCH,
		"SQLITE_NOTADB":    codes.SQLITE_NOTADB,
		"SQLITE_PERM":      codes.SQLITE_PERM,
		"SQLITE_READONLY":  codes.SQLITE_READONLY,
		"SQLITE_SCHEMA":    codes.SQLITE_SCHEMA,
		"SQLITE_TOOBIG":    codes.SQLITE_TOOBIG,
		"SQLITE_UNKNOWN":   codes.SQLITE_ERROR, // sqld's name
		"SQL_INPUT_ERROR":  codes.SQLITE_ERROR, // the same with a position in the statement
		"SQL_PARSE_ERROR":  codes.SQLITE_ERROR, // found by sqld's own parser
		"SQLITE_INTERRUPT": codes.SQLITE_INTERRUPT,
	}
	if strings.HasPrefix(answer.Code, "SQLITE_CONSTRAINT") {
		return constraintCode(answer)
	}
	for name, code := range number {
		if answer.Code == name || strings.HasPrefix(answer.Code, name+"_") {
			return code
		}
	}
	return 0
}

// constraintCode returns the extended code of a constraint. sqld sends the primary code alone, so that nothing but the
// constant beginning of SQLite's own text distinguishes a unique index from a foreign key. A text that SQLite does not
// write comes from RAISE in a trigger.
func constraintCode(answer *libsql.Error) int {
	extended := []struct {
		name, text string
		code       int
	}{
		{"UNIQUE", "UNIQUE constraint failed: ", codes.SQLITE_CONSTRAINT_UNIQUE},
		{"PRIMARYKEY", "PRIMARY KEY constraint failed: ", codes.SQLITE_CONSTRAINT_PRIMARYKEY},
		{"NOTNULL", "NOT NULL constraint failed: ", codes.SQLITE_CONSTRAINT_NOTNULL},
		{"CHECK", "CHECK constraint failed: ", codes.SQLITE_CONSTRAINT_CHECK},
		{"FOREIGNKEY", "FOREIGN KEY constraint failed", codes.SQLITE_CONSTRAINT_FOREIGNKEY},
		{"DATATYPE", "cannot store ", codes.SQLITE_CONSTRAINT_DATATYPE},
	}
	kind := strings.TrimPrefix(strings.TrimPrefix(answer.Code, "SQLITE_CONSTRAINT"), "_")
	text := strings.TrimPrefix(answer.Message, "SQLite error: ")
	for _, e := range extended {
		if kind == e.name || (kind == "" && strings.HasPrefix(text, e.text)) {
			return e.code
		}
	}
	if kind == "" || kind == "TRIGGER" {
		return codes.SQLITE_CONSTRAINT_TRIGGER
	}
	return codes.SQLITE_CONSTRAINT
}

// constraintNamed returns the column or constraint at the end of SQLite's message. For these constraints it is text of the
// schema and never of a row.
func constraintNamed(number int, message string) string {
	switch number {
	case codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_CHECK, codes.SQLITE_CONSTRAINT_NOTNULL:
		_, name, _ := strings.Cut(message, " constraint failed: ")
		return name
	default:
		return ""
	}
}

// httpRefusal classifies a request that was refused as a whole.
func httpRefusal(status int) Error {
	refusal := Error{Class: ErrUnavailable, Code: fmt.Sprintf("HTTP status %d", status)}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		refusal.Class, refusal.Cause = ErrForbidden, "the token is missing, wrong or expired, or only reads"
	case status == http.StatusNotFound:
		refusal.Cause = "there is no such database, or no libSQL server"
	case status == http.StatusTooManyRequests:
		refusal.Cause = "the server has too many requests"
	case status >= http.StatusInternalServerError:
		refusal.Cause = "the server failed"
	case status >= http.StatusBadRequest:
		refusal.Cause = "the server does not accept the request"
	default:
		refusal.Cause = "the address leads to another one, or to no libSQL server"
	}
	return refusal
}

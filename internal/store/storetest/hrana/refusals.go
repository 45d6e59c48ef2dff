package hrana

import (
	"errors"
	"regexp"
	"strings"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// names has sqld's names of SQLite's primary codes (sqlite_error_code in its stmt.rs). SQLITE_ERROR is SQLITE_UNKNOWN.
var names = map[int]string{
	codes.SQLITE_ABORT: "SQLITE_ABORT", codes.SQLITE_AUTH: "SQLITE_AUTH", codes.SQLITE_BUSY: "SQLITE_BUSY",
	codes.SQLITE_CANTOPEN: "SQLITE_CANTOPEN", codes.SQLITE_CONSTRAINT: "SQLITE_CONSTRAINT",
	codes.SQLITE_CORRUPT: "SQLITE_CORRUPT", codes.SQLITE_FULL: "SQLITE_FULL", codes.SQLITE_INTERRUPT: "SQLITE_INTERRUPT",
	codes.SQLITE_IOERR: "SQLITE_IOERR", codes.SQLITE_LOCKED: "SQLITE_LOCKED", codes.SQLITE_MISMATCH: "SQLITE_MISMATCH",
	codes.SQLITE_NOTADB: "SQLITE_NOTADB", codes.SQLITE_READONLY: "SQLITE_READONLY", codes.SQLITE_SCHEMA: "SQLITE_SCHEMA",
	codes.SQLITE_TOOBIG: "SQLITE_TOOBIG",
}

// extendedNames has the names that only servers with [Options.ExtendedCodes] send.
var extendedNames = map[int]string{
	codes.SQLITE_CONSTRAINT_CHECK:      "SQLITE_CONSTRAINT_CHECK",
	codes.SQLITE_CONSTRAINT_DATATYPE:   "SQLITE_CONSTRAINT_DATATYPE",
	codes.SQLITE_CONSTRAINT_FOREIGNKEY: "SQLITE_CONSTRAINT_FOREIGNKEY",
	codes.SQLITE_CONSTRAINT_NOTNULL:    "SQLITE_CONSTRAINT_NOTNULL",
	codes.SQLITE_CONSTRAINT_PRIMARYKEY: "SQLITE_CONSTRAINT_PRIMARYKEY",
	codes.SQLITE_CONSTRAINT_TRIGGER:    "SQLITE_CONSTRAINT_TRIGGER",
	codes.SQLITE_CONSTRAINT_UNIQUE:     "SQLITE_CONSTRAINT_UNIQUE",
}

var (
	// driverSuffix is what the driver adds to SQLite's message, and driverPrefix the general text of the code before it.
	driverSuffix = regexp.MustCompile(` \(\d+\)( \(SQLITE_BUSY\))?$`)
	driverPrefix = regexp.MustCompile(`^(constraint failed|SQL logic error): `)
	// inputError matches messages of SQLite's parser that have a position in the text.
	inputError = regexp.MustCompile(`^(no such (table|column|function)|table .* has no column named|ambiguous column name)`)
)

// refusalOf returns the refusal of an error of SQLite, and other errors as they are.
func (s session) refusalOf(err error) error {
	var failed *driver.Error
	if !errors.As(err, &failed) {
		return err
	}
	message := driverPrefix.ReplaceAllString(driverSuffix.ReplaceAllString(failed.Error(), ""), "")
	code, known := names[failed.Code()&0xff]
	if !known {
		code = "SQLITE_UNKNOWN"
	}
	if extended, known := extendedNames[failed.Code()]; known && s.extended {
		code = extended
	}
	if failed.Code() == codes.SQLITE_ERROR {
		switch {
		case strings.Contains(message, "syntax error"), strings.Contains(message, "incomplete input"):
			return &refusal{Code: "SQL_PARSE_ERROR", Message: "SQL string could not be parsed: " + message}
		case inputError.MatchString(message):
			return &refusal{Code: "SQL_INPUT_ERROR", Message: "SQL input error: " + message + " (at offset 0)"}
		}
	}
	return &refusal{Code: code, Message: "SQLite error: " + message}
}

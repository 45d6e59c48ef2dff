package store

import (
	"database/sql"
	"time"
)

// dialect is all that differs between the engines. Everything else, every statement included, is the same for both.
type dialect struct {
	// open makes a pool that has not connected yet.
	open func(rawURL string, options Options) (*sql.DB, error)
	// exposed is what [Exposed] says; nil where nothing leaves this machine.
	exposed func(rawURL string) bool
	// classify is nil for errors that do not come from the engine.
	classify func(error) *Error
	// oneConn: the engine has one writer anyway, and a second connection of our own would only be in its way.
	oneConn bool
	// connLifetime bounds how long a connection may lead to where the address or the path no longer leads.
	connLifetime time.Duration
	// lockRows ends a SELECT whose rows the transaction is going to change.
	lockRows string
	// create makes the table, by whomever and however often it is run at the same time.
	create []string

	// The kinds of column that serve for a text and for the role; clocks has those that serve for a time.
	textKinds, roleKinds []string
	clocks               map[string]clock

	// The catalogs, in one shape for both engines; see [shape].
	relation, columns, uniques string
}

// clock is how a column of some kind holds a time: SQL from and to milliseconds since 1970, with %s for the value.
type clock struct {
	write, read string
}

// What a column is, as the catalogs of both engines say it.
const (
	kindText        = "text"
	kindCitext      = "citext"
	kindEnum        = "enum"
	kindInteger     = "integer"
	kindTimestamp   = "timestamp"
	kindTimestamptz = "timestamptz"
)

// unixSeconds is what Drizzle's integer timestamps hold.
func unixSeconds() clock {
	return clock{write: "CAST(%s AS bigint) / 1000", read: "CAST(%s AS bigint) * 1000"}
}

package store

import (
	"database/sql"
	"time"
)

// dialect contains the differences between the engines. All other code, statements included, is the same for both.
type dialect struct {
	// open returns a pool that has not connected yet.
	open func(rawURL string, options Options) (*sql.DB, error)
	// insecure implements [InsecureTransport]; nil for an engine that uses no network.
	insecure func(rawURL string) bool
	// classify returns nil for errors that do not come from the engine.
	classify func(error) *Error
	// oneConn limits the pool to one connection: the engine has one writer, and a second connection would only block it.
	oneConn bool
	// connLifetime limits how long a connection may lead to a server or file that the URL no longer leads to.
	connLifetime time.Duration
	// lockRows ends a SELECT whose rows the transaction is going to change.
	lockRows string
	// create creates the table. It may run many times and concurrently.
	create []string

	// textKinds and roleKinds are the kinds of column that can hold a text and the role. clocks has the kinds that can
	// hold a time.
	textKinds, roleKinds []string
	clocks               map[string]clock

	// The queries of the catalogs return the same columns on both engines; see [tableSchema].
	relation, columns, uniques string
}

// clock is how a kind of column holds a time: SQL from and to milliseconds since 1970, with %s for the value.
type clock struct {
	write, read string
}

// The kinds of a column, as the catalog queries of both engines name them.
const (
	kindText        = "text"
	kindCitext      = "citext"
	kindEnum        = "enum"
	kindInteger     = "integer"
	kindTimestamp   = "timestamp"
	kindTimestamptz = "timestamptz"
)

// unixSeconds is the format of Drizzle's integer timestamps.
func unixSeconds() clock {
	return clock{write: "CAST(%s AS bigint) / 1000", read: "CAST(%s AS bigint) * 1000"}
}

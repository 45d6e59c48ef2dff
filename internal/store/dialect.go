package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// dialect contains the differences between the engines. All other code, statements included, is the same for all.
type dialect struct {
	// open returns a pool that has not connected yet.
	open func(rawURL string, options Options) (*sql.DB, error)
	// insecure implements [InsecureTransport]; nil for an engine that uses no network.
	insecure func(rawURL string) bool
	// conns returns how many connections the URL allows, 0 for any number; nil for an engine without such a parameter.
	conns func(rawURL string) int
	// secured is what a URL needs so that it is not insecure.
	secured string
	// classify returns nil for errors that do not come from the engine.
	classify func(error) *Error
	// oneConn limits the pool to one connection: the engine has one writer, and a second connection would only block it.
	oneConn bool
	// connLifetime limits how long a connection may lead to a server or file that the URL no longer leads to.
	connLifetime time.Duration
	// lockRows ends a SELECT whose rows the transaction is going to change.
	lockRows string
	// create creates the table of [user.DefaultMapping]. It may run many times and concurrently.
	create []string

	// quote returns a name as an identifier. fold returns the form in which names of columns are compared.
	quote, fold func(name string) string
	// positional is true when placeholders are ? in the order of the parameters, and false when they are $1, $2, ….
	positional bool
	// updateFirst is true for an engine that has no upsert which names its key: a row is updated, and inserted where there is
	// none.
	updateFirst bool
	// sameKey is the condition that a column holds exactly the key of a placeholder, with %[1]s for the column and %[2]s for
	// the placeholder; empty for an equals sign.
	sameKey string
	// asText is an expression as text, with %s for the expression.
	asText string
	// holds returns the condition that an indexed expression has the value that it has for the address $1. It compares as the
	// index does. sqlType is the type of the address's column.
	holds func(expression, email, sqlType string) string
	// partial divides an indexed expression that is NULL for some rows into the expression for the others and the condition
	// that selects them, as the index of other engines has it. It is for an engine without partial indexes.
	partial func(expression string) (inner, predicate string)
	// probe is a statement that the login may execute if it may delete rows of the table %s, and that changes nothing; empty
	// where relation reports the privilege.
	probe string

	// codecs has, for each use of a column, the kinds of column that serve it and how they are read and written. Integers that
	// hold a time are in clocks.
	codecs map[use]map[string]codec
	// clocks is how an integer holds a time.
	clocks map[user.TimeUnit]codec

	// The queries of the catalogs return the same columns on all engines; see [tableSchema]. tableArgs returns their
	// parameters.
	relation, columns, uniques, primary string
	// references returns the foreign keys to a column of the table: the table that has the foreign key, and whether it cascades
	// on update. Its parameters are the table's and, last, the column.
	references string
	// catalog lists all tables; see [DB.Catalog]. It is empty for an engine that does not offer it.
	catalog   string
	tableArgs func(m *user.Mapping) []any

	// What follows is empty for an engine that has or needs no such thing. The queries take the parameters of tableArgs.

	// referring returns the foreign keys that keep a row of the table from being deleted: their table, their column and the
	// users table's column. It is for an engine whose errors do not name the table.
	referring string
	// triggers returns the names of the triggers on the table. It is for an engine whose errors do not reveal that a trigger
	// failed.
	triggers string
	// limits returns what the columns query does not: the name of a column, why nothing can be written to it, and its maximum
	// length in characters, 0 for none.
	limits string
	// obstacles returns further problems of the table.
	obstacles func(ctx context.Context, tx *sql.Tx, t *tableSchema) ([]string, error)
	// candidate is a query of one row with a role in the column alone: %[1]s for its name, %[2]s for the users table, %[3]s for
	// its type, $1 for the role. roleGuards returns conditions over it that a role must meet. Its last parameter is the column.
	candidate, roleGuards string
	// probesRoles inserts a row with each role and rolls it back, because the catalogs do not have all conditions. It is only
	// for an engine whose triggers have no effect outside the transaction.
	probesRoles bool
	// narrow reports whether an integer type is too small for milliseconds since 1970.
	narrow func(sqlType string) bool
	// checkDeferred checks in a transaction the constraints that are deferred to its end.
	checkDeferred string
}

// use is what a column is for.
type use string

// The uses of a column.
const (
	useKey     use = "key"      // a Clerk id, compared exactly
	useOwnKey  use = "own key"  // a key of the application's own
	useText    use = "text"     // any text
	useRole    use = "role"     // one of few texts
	useTime    use = "time"     // milliseconds since 1970
	useBoolean use = "boolean"  // true or false
	useValue   use = "metadata" // a JSON value
)

// useOf returns the use of a column that holds a field.
func useOf(f user.Field) use {
	switch {
	case f == user.FieldRole:
		return useRole
	case f.Kind() == user.BooleanField:
		return useBoolean
	case f.Kind() == user.TimeField:
		return useTime
	case f.Kind() == user.ValueField:
		return useValue
	default:
		return useText
	}
}

// codec is how a kind of column holds a value: SQL from and to the text or, for times, the milliseconds since 1970, with
// %[1]s for the value.
type codec struct {
	write, read string
	// json is true when the column holds JSON.
	json bool
}

// plain is the codec of a column that holds the text itself.
func plain() codec { return codec{write: "%[1]s", read: "%[1]s"} }

// The kinds of a column, as the catalog queries of all engines name them.
const (
	kindText        = "text"
	kindCitext      = "citext"
	kindEnum        = "enum"
	kindUUID        = "uuid"
	kindBoolean     = "boolean"
	kindJSON        = "json"
	kindInteger     = "integer"
	kindTimestamp   = "timestamp"
	kindTimestamptz = "timestamptz"
	kindDatetime    = "datetime"
)

// doubleQuoted returns a name as an identifier of standard SQL.
func doubleQuoted(name string) string { return quoted(name, `"`) }

// backquoted returns a name as an identifier of MySQL and SQLite. SQLite takes a name in double quotes that it does not know
// for a text; a name in backquotes is always a name.
func backquoted(name string) string { return quoted(name, "`") }

// divided returns what an index is over, and the condition that selects its rows.
func (d *dialect) divided(expression, predicate string) (inner, condition string) {
	if d.partial == nil {
		return expression, predicate
	}
	return d.partial(expression)
}

// holdsInSubquery is [dialect].holds for an engine with types that name their collation or have none. It applies the
// expression to a column of the same name and type.
func holdsInSubquery(expression, email, sqlType string) string {
	return fmt.Sprintf("%[1]s = (SELECT %[1]s FROM (SELECT CAST($1 AS %[3]s) AS %[2]s) AS wanted)", expression, email, sqlType)
}

// Package libsql is a driver of database/sql for libSQL servers (sqld, Turso) over HTTP. It speaks Hrana 2 in JSON
// (https://github.com/tursodatabase/libsql/blob/main/docs/HTTP_V2_SPEC.md), the version that the vendor's own client
// uses. It knows nothing of the users table.
//
// A statement outside a transaction is one request. A transaction is a stream: each answer contains the baton that the
// next request must show. The driver never repeats a request, and every wait obeys its context.
//
// Read url.go first, then driver.go (connections and transactions), http.go (requests and refusals), wire.go (JSON) and
// rows.go.
//
// The vendor's Go driver (github.com/tursodatabase/libsql-client-go, looked at in version 20260528) is deprecated by its
// own README, drops the code of a failed statement, ignores the context of a commit, does not bound answers, and needs
// a parser generator's runtime and a WebSocket library. Its successor needs cgo.
package libsql

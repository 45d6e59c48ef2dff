// Package storetest contains what tests of the users table need: the conformance suite that every engine must pass
// ([Run]), a private PostgreSQL server ([Postgres]), SQLite files ([SQLite]), and direct access to raw rows ([Raw]). It
// is for tests only.
//
// Read suite.go first. Each suite_*.go file has the cases of one subject; engines.go has the SQL that differs between
// the engines.
package storetest

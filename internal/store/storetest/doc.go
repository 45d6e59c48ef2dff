// Package storetest is what tests need of the users table: the conformance suite that every engine has to pass ([Run]),
// a private PostgreSQL ([Postgres]), SQLite files ([SQLite]), and a look at raw rows past the store ([Raw]). It is for
// tests only.
package storetest

package storetest

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store/storetest/hrana"
)

// LibSQLEngine returns the SQL of libSQL for the suite, which is SQLite's.
func LibSQLEngine() Engine {
	engine := SQLiteEngine()
	engine.URL = func(tb testing.TB, ddl ...string) string {
		databaseURL, _ := LibSQL(tb, hrana.Options{}, ddl...)
		return databaseURL
	}
	return engine
}

// LibSQLVendorEngine returns an engine for the suite that executes everything on the vendor's own engine. It skips the test
// where that is not to be had.
func LibSQLVendorEngine(tb testing.TB) Engine {
	tb.Helper()
	urlOf := hrana.VendorEngine(tb)
	engine := SQLiteEngine()
	engine.URL = func(tb testing.TB, ddl ...string) string {
		path := strings.TrimPrefix(SQLite(tb, ddl...), "sqlite:")
		return withFile(urlOf(path), path)
	}
	return engine
}

// libSQLToken is the token of the servers that [LibSQL] starts.
const libSQLToken = "canary-token"

// libSQLFiles has the file of each database of a server, by its URL.
var libSQLFiles sync.Map

// withFile remembers the file of a database and returns its URL.
func withFile(databaseURL, path string) string {
	libSQLFiles.Store(databaseURL, path)
	return databaseURL
}

// LibSQL starts a libSQL server for the test, executes ddl in its database, and returns its URL and the server. Without ddl
// it creates FitAI's table.
func LibSQL(tb testing.TB, options hrana.Options, ddl ...string) (string, *hrana.Server) {
	tb.Helper()
	path := strings.TrimPrefix(SQLite(tb, ddl...), "sqlite:")
	if options.BusyTimeout == 0 {
		options.BusyTimeout = 30 * time.Second
	}
	if options.Expiration == 0 {
		options.Expiration = 2 * time.Second // of a transaction that a test has given up; nothing waits for it otherwise
	}
	options.Token = libSQLToken
	server, err := hrana.New(path, options)
	if err != nil {
		tb.Fatalf("starting the stand-in of libSQL: %v", err)
	}
	tb.Cleanup(func() { _ = server.Close() })
	web := httptest.NewServer(server)
	tb.Cleanup(web.Close)
	databaseURL := "libsql://" + strings.TrimPrefix(web.URL, "http://") + "?tls=0&authToken=" + libSQLToken
	return withFile(databaseURL, path), server
}

// libSQLFile returns the file of a server's database.
func libSQLFile(databaseURL string) (path string, exists bool) {
	found, exists := libSQLFiles.Load(databaseURL)
	path, _ = found.(string)
	return path, exists
}

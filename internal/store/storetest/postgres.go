package storetest

import (
	"database/sql"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// Postgres is a private PostgreSQL server in a temporary directory. It listens only on a socket in that directory. The
// zero value is usable: the tests of a package share one, and the first call of [Postgres.URL] starts it.
//
//	var postgres storetest.Postgres
//
//	func TestSomething(t *testing.T) {
//		db, err := store.Open(postgres.URL(t), store.Options{})
//
// A second process stops the server and removes the directory when the test's process ends, also after a crash.
//
// With -short it skips the test.
type Postgres struct {
	once sync.Once
	err  error

	install   installation
	dir       string
	databases atomic.Int64
	reaper    *exec.Cmd
}

// URL creates a database for the test, executes ddl in it, and returns its URL. Without ddl it creates FitAI's table.
func (p *Postgres) URL(tb testing.TB, ddl ...string) string {
	tb.Helper()
	p.start(tb)
	name := fmt.Sprintf("test%d", p.databases.Add(1))
	admin(tb, p.url("postgres", "postgres"), "CREATE DATABASE "+name)
	tb.Cleanup(func() { p.drop(name) })
	databaseURL := p.url("postgres", name)
	if len(ddl) == 0 {
		ddl = []string{PostgresTable}
	}
	admin(tb, databaseURL, ddl...)
	return databaseURL
}

// As returns the URL for another user of the same server.
func (p *Postgres) As(tb testing.TB, databaseURL, user string) string {
	tb.Helper()
	return withUser(tb, databaseURL, user)
}

func withUser(tb testing.TB, databaseURL, user string) string {
	tb.Helper()
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatalf("parsing the test's own URL: %v", err)
	}
	parsed.User = url.User(user)
	return parsed.String()
}

// Stop shuts the server down and breaks all connections. Call it only on a server that no other test uses.
func (p *Postgres) Stop(tb testing.TB) {
	tb.Helper()
	if err := p.control("stop", "-m", "fast"); err != nil {
		tb.Fatal(err)
	}
}

// Start starts the server again after [Postgres.Stop].
func (p *Postgres) Start(tb testing.TB) {
	tb.Helper()
	if err := p.run(); err != nil {
		tb.Fatal(err)
	}
}

func (p *Postgres) start(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs PostgreSQL, which -short leaves out")
	}
	p.once.Do(func() { p.err = p.make() })
	if p.err != nil {
		tb.Fatalf("starting PostgreSQL: %v", p.err)
	}
}

// postgresSoftware is PostgreSQL 12 or later.
func postgresSoftware() software {
	return software{
		name: "PostgreSQL", programs: []string{"initdb", "pg_ctl"}, places: "/usr/lib/postgresql/*/bin",
		packages: []string{"postgresql"}, user: "postgres",
		hint: "PostgreSQL 12 or later, on Debian and Ubuntu with: sudo apt-get install postgresql",
	}
}

func (p *Postgres) make() (err error) {
	if p.install, err = postgresSoftware().find(); err != nil {
		return err
	}
	if p.dir, err = p.install.makeDir(); err != nil {
		return err
	}
	// PostgreSQL calls the shutdown by SIGQUIT the immediate one.
	if p.reaper, err = p.install.reap(p.dir, "data/postmaster.pid", "QUIT"); err != nil {
		return err
	}
	err = p.install.run(p.dir, "initdb", "--pgdata", p.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync")
	if err != nil {
		return err
	}
	return p.run()
}

func (p *Postgres) run() error {
	// No data outlives the process, so that no write must reach the disk.
	settings := "-c listen_addresses='' -c unix_socket_directories='" + p.dir + "' -c max_connections=200" +
		" -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c deadlock_timeout=100ms"
	return p.control("start", "-l", filepath.Join(p.dir, "log"), "-o", settings)
}

func (p *Postgres) control(action string, args ...string) error {
	return p.install.run(p.dir, "pg_ctl", append([]string{"-D", p.data(), "-w", action}, args...)...)
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *Postgres) url(user, database string) string {
	location := url.URL{
		Scheme: "postgres", User: url.User(user), Path: "/" + database,
		RawQuery: url.Values{"host": {p.dir}}.Encode(),
	}
	return location.String()
}

// drop saves disk space. A server that a test has stopped keeps its databases until its directory is removed.
func (p *Postgres) drop(database string) {
	db, err := sql.Open("pgx", p.url("postgres", "postgres"))
	if err != nil {
		return
	}
	defer func() { _ = db.Close() }()
	_, _ = db.Exec("DROP DATABASE IF EXISTS " + database + " WITH (FORCE)")
}

func admin(tb testing.TB, databaseURL string, statements ...string) {
	tb.Helper()
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		tb.Fatalf("opening the test's database: %v", err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			tb.Fatalf("preparing the test's database: %v\n%s", err, statement)
		}
	}
}

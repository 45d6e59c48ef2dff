package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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

// startTimeout limits initdb and each start. They take a second or two, on a busy machine longer.
const startTimeout = time.Minute

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

func (p *Postgres) make() (err error) {
	if p.install, err = findInstallation(); err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "fituser-postgres-"); err != nil {
		return fmt.Errorf("creating a directory for the server: %w", err)
	}
	if err := p.install.own(p.dir); err != nil {
		return err
	}
	if err := p.startReaper(); err != nil {
		return err
	}
	err = p.command("initdb", "--pgdata", p.data(), "--username", "postgres", "--auth", "trust",
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
	return p.command("pg_ctl", append([]string{"-D", p.data(), "-w", action}, args...)...)
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *Postgres) command(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.install.path(name), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.install.credential}
	cmd.WaitDelay = time.Second // the server may keep the output open
	if out, err := cmd.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		return fmt.Errorf("running %s: %w\n%s\n%s", name, err, out, log)
	}
	return nil
}

// reaperScript waits until a pipe is closed whose other end only the test's process holds.
const reaperScript = `
read -r _
"$1" -D "$2/data" -m immediate stop >/dev/null 2>&1
rm -rf "$2"`

func (p *Postgres) startReaper() error {
	p.reaper = exec.Command("/bin/sh", "-c", reaperScript, "reaper", p.install.path("pg_ctl"), p.dir)
	p.reaper.Dir = "/"
	// Its own process group keeps a Ctrl-C away from it.
	p.reaper.SysProcAttr = &syscall.SysProcAttr{Credential: p.install.credential, Setpgid: true}
	if _, err := p.reaper.StdinPipe(); err != nil {
		return fmt.Errorf("creating the reaper's pipe: %w", err)
	}
	if err := p.reaper.Start(); err != nil {
		return fmt.Errorf("starting the reaper: %w", err)
	}
	return nil
}

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

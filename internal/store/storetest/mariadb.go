package storetest

import (
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

	"github.com/go-sql-driver/mysql"
)

// MariaDB is a private MariaDB server in a temporary directory. It listens only on a socket in that directory. The zero
// value is usable: the tests of a package share one, and the first call of [MariaDB.URL] starts it. As with [Postgres], a
// second process cleans up, and -short skips the test.
type MariaDB struct {
	// Options are further command-line options of the server.
	Options []string

	once sync.Once
	err  error

	install   installation
	dir       string
	databases atomic.Int64
	reaper    *exec.Cmd
	server    *exec.Cmd
	ended     chan struct{}
}

// mariadbSoftware is MariaDB 10.11 or later. The packages with -core in their names start no server of their own.
func mariadbSoftware() software {
	return software{
		name: "MariaDB", programs: []string{"mariadb-install-db", "mariadbd", "my_print_defaults"}, places: "/usr/sbin",
		packages: []string{"mariadb-server-core", "mariadb-client-core"}, user: "mysql",
		hint: "MariaDB 10.11 or later, on Debian and Ubuntu with: sudo apt-get install mariadb-server",
	}
}

// URL creates a database for the test, executes ddl in it, and returns its URL. Without ddl it creates FitAI's table.
func (m *MariaDB) URL(tb testing.TB, ddl ...string) string {
	tb.Helper()
	m.start(tb)
	name := fmt.Sprintf("test%d", m.databases.Add(1))
	mariadbAdmin(tb, m.url("root", "mysql"), "CREATE DATABASE "+name)
	tb.Cleanup(func() { m.drop(name) })
	databaseURL := m.url("root", name)
	if len(ddl) == 0 {
		ddl = []string{withVarchar(mariadbText)}
	}
	mariadbAdmin(tb, databaseURL, ddl...)
	return databaseURL
}

// As returns the URL for another user of the same server.
func (m *MariaDB) As(tb testing.TB, databaseURL, user string) string {
	tb.Helper()
	return withUser(tb, databaseURL, user)
}

// Stop shuts the server down and breaks all connections. Call it only on a server that no other test uses.
func (m *MariaDB) Stop(tb testing.TB) {
	tb.Helper()
	if err := m.server.Process.Signal(syscall.SIGTERM); err != nil {
		tb.Fatalf("stopping MariaDB: %v", err)
	}
	<-m.ended
}

// Start starts the server again after [MariaDB.Stop].
func (m *MariaDB) Start(tb testing.TB) {
	tb.Helper()
	if err := m.run(); err != nil {
		tb.Fatal(err)
	}
}

func (m *MariaDB) start(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs MariaDB, which -short leaves out")
	}
	m.once.Do(func() { m.err = m.make() })
	if m.err != nil {
		tb.Fatalf("starting MariaDB: %v", m.err)
	}
}

func (m *MariaDB) make() (err error) {
	if m.install, err = mariadbSoftware().find(); err != nil {
		return err
	}
	if m.dir, err = m.install.makeDir(); err != nil {
		return err
	}
	if m.reaper, err = m.install.reap(m.dir, "pid", "KILL"); err != nil {
		return err
	}
	prepare := append(m.settings(), "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force")
	if err := m.install.run(m.dir, "mariadb-install-db", prepare...); err != nil {
		return err
	}
	return m.run()
}

// settings are those of the server. No data outlives the process, so that no write must reach the disk.
func (m *MariaDB) settings() []string {
	return []string{
		"--no-defaults", "--datadir=" + filepath.Join(m.dir, "data"), "--skip-log-bin",
		"--tmpdir=" + m.dir, // a server that starts removes the temporary tables of all others there
		"--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-flush-method=nosync",
		"--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--innodb-use-native-aio=OFF",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci", // as Debian's own configuration has them
	}
}

// run starts the server and waits until it answers.
func (m *MariaDB) run() error {
	log, err := os.OpenFile(filepath.Join(m.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("creating the server's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the server has its own descriptor
	m.server = exec.Command(m.install.paths["mariadbd"], append(m.settings(), "--skip-networking", "--socket="+m.socket(),
		"--pid-file="+filepath.Join(m.dir, "pid"), "--max-connections=200", "--performance-schema=OFF")...)
	m.server.Args = append(m.server.Args, m.Options...)
	m.server.Dir = m.dir
	m.server.Stdout, m.server.Stderr = log, log
	// Its own process group keeps a Ctrl-C away from it; the reaper ends it.
	m.server.SysProcAttr = &syscall.SysProcAttr{Credential: m.install.credential, Setpgid: true}
	if err := m.server.Start(); err != nil {
		return fmt.Errorf("starting mariadbd: %w", err)
	}
	server, ended := m.server, make(chan struct{})
	m.ended = ended
	go func() {
		_ = server.Wait() // the log has the reason
		close(ended)
	}()
	return m.awaitAnswer()
}

func (m *MariaDB) awaitAnswer() error {
	db, err := sql.Open("mysql", mariadbSource(m.url("root", "mysql")))
	if err != nil {
		return fmt.Errorf("opening the server's own database: %w", err)
	}
	defer func() { _ = db.Close() }()
	timeout, retry := time.NewTimer(startTimeout), time.NewTicker(10*time.Millisecond)
	defer timeout.Stop()
	defer retry.Stop()
	for {
		if err = db.Ping(); err == nil {
			return nil
		}
		select {
		case <-retry.C:
		case <-m.ended:
			return fmt.Errorf("mariadbd ended at its start:\n%s", readLog(m.dir))
		case <-timeout.C:
			return errors.Join(fmt.Errorf("mariadbd does not answer:\n%s", readLog(m.dir)), err)
		}
	}
}

func (m *MariaDB) socket() string { return filepath.Join(m.dir, "socket") }

func (m *MariaDB) url(user, database string) string {
	location := url.URL{
		Scheme: "mysql", User: url.User(user), Host: "localhost", Path: "/" + database,
		RawQuery: url.Values{"socket": {m.socket()}}.Encode(),
	}
	return location.String()
}

// drop saves disk space. A server that a test has stopped keeps its databases until its directory is removed.
func (m *MariaDB) drop(database string) {
	db, err := sql.Open("mysql", mariadbSource(m.url("root", "mysql")))
	if err != nil {
		return
	}
	defer func() { _ = db.Close() }()
	_, _ = db.Exec("DROP DATABASE IF EXISTS " + database)
}

func mariadbAdmin(tb testing.TB, databaseURL string, statements ...string) {
	tb.Helper()
	db, err := sql.Open("mysql", mariadbSource(databaseURL))
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

// mariadbSource returns the driver's own form of a URL of this package. Times are in UTC.
func mariadbSource(databaseURL string) string {
	config := mysql.NewConfig()
	if parsed, err := url.Parse(databaseURL); err == nil {
		config.User, config.DBName = parsed.User.Username(), parsed.Path[1:]
		config.Passwd, _ = parsed.User.Password()
		config.Net, config.Addr = "unix", parsed.Query().Get("socket")
	}
	config.ParseTime, config.InterpolateParams, config.Logger = true, true, &mysql.NopLogger{}
	config.Params = map[string]string{"time_zone": "'+00:00'"}
	return config.FormatDSN()
}

package libsql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store/libsql"
	"github.com/fitai/fituser-operator/internal/store/storetest/hrana"
)

// world is a server with its client.
type world struct {
	*testing.T
	server *hrana.Server
	web    *httptest.Server
	db     *sql.DB
}

func newWorld(t *testing.T, options hrana.Options) world {
	t.Helper()
	options.Token = "secret"
	options.BusyTimeout = 50 * time.Millisecond
	server, err := hrana.New(filepath.Join(t.TempDir(), "app.sqlite"), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	w := world{T: t, server: server, web: web, db: open(t, web.URL+"?authToken=secret")}
	w.exec("CREATE TABLE users (id text PRIMARY KEY, email text NOT NULL UNIQUE)")
	w.exec("CREATE TABLE posts (author text REFERENCES users (id) ON DELETE CASCADE)")
	return w
}

func open(t *testing.T, rawURL string) *sql.DB {
	t.Helper()
	config, err := libsql.ParseURL(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(libsql.NewConnector(config))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (w world) exec(query string, args ...any) sql.Result {
	w.Helper()
	result, err := w.db.ExecContext(w.Context(), query, args...)
	if err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return result
}

func (w world) begin(ctx context.Context) *sql.Tx {
	w.Helper()
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		w.Fatal(err)
	}
	return tx
}

// count returns the number of rows in a table.
func (w world) count(table string) (n int) {
	w.Helper()
	if err := w.db.QueryRowContext(w.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// wantRefused fails unless the server refused with the code.
func (w world) wantRefused(err error, status int, code string) {
	w.Helper()
	var refused *libsql.Error
	if !errors.As(err, &refused) || refused.Status != status || refused.Code != code {
		w.Fatalf("got error %v, want status %d and code %q", err, status, code)
	}
}

// fault makes the nth request from now meet the fault.
func (w world) fault(fault hrana.Fault, nth int) {
	target := w.server.Requests() + nth
	w.server.SetFaults(func(r hrana.Request) hrana.Fault {
		if r.Number == target {
			return fault
		}
		return hrana.NoFault
	})
}

func TestValues_ComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	values := []any{nil, int64(math.MaxInt64), int64(math.MinInt64), 0.1, "", "ü\x00<€>😀\n", []byte{0, 255, 7, 8}, "$1"}
	query := "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"
	found := make([]any, len(values))
	targets := make([]any, len(values))
	for i := range found {
		targets[i] = &found[i]
	}
	if err := w.db.QueryRowContext(t.Context(), query, values...).Scan(targets...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(values, found); diff != "" {
		t.Errorf("values (-sent +received):\n%s", diff)
	}
	var yes, named int
	if err := w.db.QueryRowContext(t.Context(), "SELECT ?", true).Scan(&yes); err != nil || yes != 1 {
		t.Errorf("true is %d, error %v", yes, err)
	}
	if err := w.db.QueryRowContext(t.Context(), "SELECT :n", sql.Named("n", 7)).Scan(&named); err != nil || named != 7 {
		t.Errorf("a named parameter is %d, error %v", named, err)
	}
}

func TestValues_ThatJSONCannotHoldAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	before := w.server.Requests()
	for _, v := range []any{"\xff", math.NaN(), time.Now()} {
		if _, err := w.db.ExecContext(t.Context(), "SELECT ?", v); err == nil {
			t.Errorf("%T was accepted", v)
		}
	}
	if sent := w.server.Requests() - before; sent != 0 {
		t.Errorf("%d requests were sent", sent)
	}
}

func TestStatement_IsOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	before := w.server.Requests()
	result := w.exec("INSERT INTO users VALUES ('a', 'a@x'), ('b', 'b@x')")
	n, err := result.RowsAffected()
	id, idErr := result.LastInsertId()
	if n != 2 || id != 2 || err != nil || idErr != nil {
		t.Errorf("%d rows, last %d, errors %v, %v", n, id, err, idErr)
	}
	if n, _ := w.exec("UPDATE users SET email = 'c@x' WHERE id = 'nobody'").RowsAffected(); n != 0 {
		t.Errorf("%d rows of nobody were updated", n)
	}
	w.count("users")
	if sent := w.server.Requests() - before; sent != 3 {
		t.Errorf("3 statements took %d requests", sent)
	}
	if n := w.server.OpenStreams(); n != 0 {
		t.Errorf("%d streams are open", n)
	}
}

func TestTransaction_CommitAndRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	for id, end := range map[string]func(*sql.Tx) error{"kept": (*sql.Tx).Commit, "gone": (*sql.Tx).Rollback} {
		tx := w.begin(t.Context())
		if _, err := tx.ExecContext(t.Context(), "INSERT INTO users VALUES (?, ?)", id, id); err != nil {
			t.Fatal(err)
		}
		var inside int
		if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM users WHERE id = ?", id).Scan(&inside); err != nil || inside != 1 {
			t.Errorf("the transaction sees %d rows of its own, error %v", inside, err)
		}
		if err := end(tx); err != nil {
			t.Error(err)
		}
	}
	if n := w.count("users WHERE id = 'kept'"); n != 1 || w.count("users") != 1 {
		t.Errorf("%d rows are kept, want the committed one", w.count("users"))
	}
	if n := w.server.OpenStreams(); n != 0 {
		t.Errorf("%d streams are open", n)
	}
}

func TestTransaction_FailedStatementKeepsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	w.exec("INSERT INTO users VALUES ('a', 'a@x')")
	tx := w.begin(t.Context())
	_, err := tx.ExecContext(t.Context(), "INSERT INTO users VALUES ('b', 'a@x')")
	w.wantRefused(err, 0, "SQLITE_CONSTRAINT")
	if want := "UNIQUE constraint failed: users.email"; !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO users VALUES ('b', 'b@x')"); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil || w.count("users") != 2 {
		t.Errorf("%d rows, error %v", w.count("users"), err)
	}
}

func TestTransaction_WaitsForAnotherOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	tx := w.begin(t.Context())
	_, err := w.db.BeginTx(t.Context(), nil)
	w.wantRefused(err, 0, "SQLITE_BUSY")
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if n := w.server.OpenStreams(); n != 0 {
		t.Errorf("%d streams are open", n)
	}
}

func TestTransaction_RollsBackAfterItsContextEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	config, err := libsql.ParseURL(w.web.URL + "?authToken=secret")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := libsql.NewConnector(config).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Below database/sql, which rolls back in another goroutine.
	for name, end := range map[string]func(driver.Tx) error{
		"rollback": driver.Tx.Rollback,
		"close":    func(driver.Tx) error { return conn.Close() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		tx, err := conn.(driver.ConnBeginTx).BeginTx(ctx, driver.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := end(tx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := w.server.OpenStreams(); n != 0 {
			t.Errorf("%s: %d streams are open", name, n)
		}
	}
}

func TestTransaction_LostStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	tx := w.begin(t.Context())
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO users VALUES ('a', 'a@x')"); err != nil {
		t.Fatal(err)
	}
	w.server.ExpireStreams()
	_, err := tx.ExecContext(t.Context(), "INSERT INTO users VALUES ('b', 'b@x')")
	w.wantRefused(err, http.StatusBadRequest, libsql.CodeStreamLost)
	before := w.server.Requests()
	_, err = tx.ExecContext(t.Context(), "INSERT INTO users VALUES ('c', 'c@x')")
	w.wantRefused(err, 0, libsql.CodeStreamLost)
	w.wantRefused(tx.Commit(), 0, libsql.CodeStreamLost)
	if sent := w.server.Requests() - before; sent != 0 {
		t.Errorf("%d requests were sent on a lost stream", sent)
	}
	if w.count("users") != 0 {
		t.Error("a row of the lost transaction is there")
	}
}

func TestTransaction_LostStreamAtTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	tx := w.begin(t.Context())
	w.server.ExpireStreams()
	w.wantRefused(tx.Commit(), http.StatusBadRequest, libsql.CodeStreamLost)
}

func TestTransaction_RestartedServer(t *testing.T) {
	t.Parallel()
	w, restarted := newWorld(t, hrana.Options{}), newWorld(t, hrana.Options{})
	w.server.SetBaseURL(restarted.web.URL) // a server that does not know the stream
	tx := w.begin(t.Context())
	_, err := tx.ExecContext(t.Context(), "INSERT INTO users VALUES ('a', 'a@x')")
	w.wantRefused(err, http.StatusBadRequest, libsql.CodeStreamLost)
	w.server.SetBaseURL("")
	w.server.ExpireStreams()
	if w.count("users") != 0 || restarted.count("users") != 0 {
		t.Error("a row of the lost transaction is there")
	}
}

func TestTransaction_FollowsItsServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	var moved atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, r *http.Request) {
		moved.Add(1)
		w.server.ServeHTTP(writer, r)
	}))
	defer other.Close()
	w.server.SetBaseURL(other.URL)
	tx := w.begin(t.Context())
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO users VALUES ('a', 'a@x')"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := moved.Load(); got != 2 {
		t.Errorf("%d requests went to the stream's own address, want the statement and the commit", got)
	}
	if w.count("users") != 1 || moved.Load() != 2 {
		t.Error("a statement outside the transaction went to the stream's address")
	}
}

func TestForeignKeys_AreEnforced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{NoForeignKeys: true})
	fill := func() {
		w.exec("INSERT INTO users VALUES ('a', 'a@x')")
		w.exec("INSERT INTO posts VALUES ('a')")
	}
	fill()
	w.exec("DELETE FROM users")
	if w.count("posts") != 0 {
		t.Error("a deletion did not cascade")
	}
	fill()
	tx := w.begin(t.Context())
	if _, err := tx.ExecContext(t.Context(), "DELETE FROM users"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil || w.count("posts") != 0 {
		t.Errorf("a deletion in a transaction did not cascade, error %v", err)
	}
}

func TestFaults_AreErrorsAndNothingIsRepeated(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  hrana.Fault
		status int
		code   string
		rows   int
	}{
		"a proxy's page":  {fault: hrana.Unavailable, status: http.StatusServiceUnavailable},
		"a redirect":      {fault: hrana.Moved, status: http.StatusTemporaryRedirect},
		"a busy database": {fault: hrana.Busy, code: "SQLITE_BUSY"},
		"half an answer":  {fault: hrana.CutOff, rows: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hrana.Options{})
			before := w.server.Requests()
			w.fault(test.fault, 1)
			_, err := w.db.ExecContext(t.Context(), "INSERT INTO users VALUES ('a', 'a@x')")
			if test.fault != hrana.CutOff {
				w.wantRefused(err, test.status, test.code)
			} else if err == nil || errors.As(err, new(*libsql.Error)) {
				t.Errorf("got error %v, want one that is no refusal", err)
			}
			if sent := w.server.Requests() - before; sent != 1 {
				t.Errorf("%d requests were sent", sent)
			}
			if got := w.count("users"); got != test.rows {
				t.Errorf("%d rows, want %d", got, test.rows)
			}
		})
	}
}

func TestToken_WrongOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hrana.Options{})
	for _, query := range []string{"", "?authToken=canary"} {
		err := open(t, w.web.URL+query).PingContext(t.Context())
		w.wantRefused(err, http.StatusUnauthorized, "")
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
}

func TestContext_LimitsTheWait(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(release)
	db := open(t, silent.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := db.PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want context.DeadlineExceeded", err)
	}
	if _, err := db.BeginTx(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want context.DeadlineExceeded", err)
	}
}

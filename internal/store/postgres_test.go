package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

func open(tb testing.TB, databaseURL string, options store.Options) *store.DB {
	tb.Helper()
	db, err := store.Open(databaseURL, options)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

func jane() user.Row {
	return user.Row{
		ID: "user_jane", Email: "jane@canary.example", FirstName: "Jane", LastName: "Doe", Role: user.Client,
		CreatedAt: time.Unix(1_700_000_000, 0),
	}
}

func john() user.Row {
	row := jane()
	row.ID, row.Email = "user_john", "john@canary.example"
	return row
}

func put(tb testing.TB, db *store.DB, row user.Row, moves ...store.Move) {
	tb.Helper()
	if err := storetest.Put(tb.Context(), db, row, moves); err != nil {
		tb.Fatalf("Put: %v", err)
	}
}

func wantError(tb testing.TB, err, class error) {
	tb.Helper()
	if !errors.Is(err, class) {
		tb.Fatalf("got error %v, want %v", err, class)
	}
	if strings.Contains(err.Error(), "canary") {
		tb.Errorf("the error repeats a value: %v", err)
	}
}

func TestPostgres_RecoversAfterARestart(t *testing.T) {
	t.Parallel()
	var own storetest.Postgres
	databaseURL := own.URL(t)
	running := open(t, databaseURL, store.Options{})
	put(t, running, jane())

	own.Stop(t)
	started := open(t, databaseURL, store.Options{})
	for name, db := range map[string]*store.DB{"before the stop": running, "after the stop": started} {
		var texts []string
		for range 3 {
			_, err := db.Get(t.Context(), "user_jane")
			wantError(t, err, store.ErrUnavailable)
			texts = append(texts, err.Error())
		}
		if texts[1] != texts[2] {
			t.Errorf("opened %s: the reason is not stable: %q, then %q", name, texts[1], texts[2])
		}
	}

	own.Start(t)
	put(t, running, john())
	put(t, started, john())
}

func TestPostgres_KilledConnections(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL, store.Options{})
	var all sync.WaitGroup
	for worker := range 10 {
		all.Go(func() {
			row := jane()
			row.ID, row.Email = user.ID(fmt.Sprint("user_", worker)), fmt.Sprint(worker)
			for written := 0; written < 10; {
				switch err := storetest.Put(t.Context(), db, row, nil); {
				case err == nil:
					written++
				case !errors.Is(err, store.ErrUnavailable):
					t.Errorf("Put: %v", err)
					return
				}
			}
		})
	}
	for range 10 {
		raw.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity" +
			" WHERE datname = current_database() AND application_name = 'fituser-operator'")
	}
	all.Wait()
	if rows := raw.Query("SELECT id FROM users"); len(rows) != 10 {
		t.Errorf("%d rows, want 10", len(rows))
	}
}

// After a failover the old connections lead to a standby, and new ones to the primary.
func TestPostgres_ReconnectsWhenReadOnly(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL, store.Options{})
	put(t, db, jane())

	name := raw.Query("SELECT current_database() AS name")[0]["name"].(string)
	raw.Exec("ALTER DATABASE " + name + " SET default_transaction_read_only = on")
	fresh := open(t, databaseURL, store.Options{})
	wantError(t, fresh.Check(t.Context()), store.ErrReadOnly)
	raw.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity" +
		" WHERE datname = current_database() AND pid <> pg_backend_pid()")
	_, _ = db.Get(t.Context(), "user_jane") // may fail on the broken connection
	wantError(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrReadOnly)
	if _, err := db.Get(t.Context(), "user_jane"); err != nil {
		t.Errorf("a read-only database cannot be read: %v", err)
	}

	raw.Exec("BEGIN READ WRITE; ALTER DATABASE " + name + " RESET default_transaction_read_only; COMMIT")
	wantError(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrReadOnly)
	put(t, db, jane())
	put(t, fresh, jane())
}

func TestPostgres_Privileges(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	for _, statement := range []string{
		"CREATE ROLE reader LOGIN", "GRANT SELECT ON users TO reader",
		"CREATE ROLE narrow LOGIN",
		"GRANT SELECT (id, email, first_name, last_name, role, phone, created_at, updated_at) ON users TO narrow",
		"GRANT INSERT (id, email, first_name, last_name, role, phone, created_at, updated_at) ON users TO narrow",
		"GRANT UPDATE (email, first_name, last_name, role, phone, updated_at), DELETE ON users TO narrow",
	} {
		raw.Exec(statement)
	}

	t.Run("all missing ones are reported", func(t *testing.T) {
		err := open(t, server.As(t, databaseURL, "reader"), store.Options{}).Check(t.Context())
		want := "the database user lacks the privileges INSERT, UPDATE, DELETE on users"
		if err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
	t.Run("those on the owned columns are enough", func(t *testing.T) {
		db := open(t, server.As(t, databaseURL, "narrow"), store.Options{})
		put(t, db, jane())
		put(t, db, john())
		swapped := jane()
		swapped.Email = john().Email
		put(t, db, swapped, store.Move{ID: "user_john", From: john().Email, To: jane().Email})
		if removed, err := db.Delete(t.Context(), "user_john"); err != nil || !removed {
			t.Errorf("removed %t, error %v", removed, err)
		}
	})
	t.Run("a revoked one is forbidden", func(t *testing.T) {
		db := open(t, server.As(t, databaseURL, "narrow"), store.Options{})
		put(t, db, jane())
		raw.Exec("REVOKE DELETE ON users FROM narrow")
		_, err := db.Delete(t.Context(), "user_jane")
		wantError(t, err, store.ErrForbidden)
	})
	t.Run("an unknown login is forbidden", func(t *testing.T) {
		db := open(t, server.As(t, databaseURL, "unknown_canary"), store.Options{})
		wantError(t, db.Check(t.Context()), store.ErrForbidden)
	})
}

func TestPostgres_MissingDatabase(t *testing.T) {
	t.Parallel()
	db := open(t, strings.Replace(server.URL(t), "/test", "/canary", 1), store.Options{})
	wantError(t, db.Check(t.Context()), store.ErrUnavailable)
}

func TestPostgres_TextTooLong(t *testing.T) {
	t.Parallel()
	db := open(t, server.URL(t, strings.Replace(storetest.PostgresTable, "first_name text", "first_name varchar(10)", 1)),
		store.Options{})
	long := jane()
	long.FirstName = "canary canary"
	wantError(t, storetest.Put(t.Context(), db, long, nil), store.ErrInvalidData)

	endless := jane()
	for i := range 2000 { // index entries are compressed, and this text does not compress well
		endless.Email += fmt.Sprintf("canary%x", i*i*7919)
	}
	wantError(t, storetest.Put(t.Context(), db, endless, nil), store.ErrInvalidData)
	put(t, db, jane())
}

func TestPostgres_SearchPath(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t, "CREATE SCHEMA app", strings.Replace(storetest.PostgresTable, "users", "app.users", 1))
	err := open(t, databaseURL, store.Options{}).Check(t.Context())
	if want := "there is no table users in the schemas of search_path (public);"; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
	put(t, open(t, databaseURL+"&search_path=app", store.Options{}), jane())
}

func TestPostgres_TimesWithoutZoneAreUTC(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t, strings.ReplaceAll(storetest.PostgresTable, "timestamptz", "timestamp"))
	db := open(t, databaseURL+"&timezone=Asia/Tokyo", store.Options{})
	put(t, db, jane())
	raw := storetest.OpenRaw(t, databaseURL)
	if got := raw.Column("user_jane", "created_at"); got != jane().CreatedAt.Unix() {
		t.Errorf("created_at is %v, want %v", got, jane().CreatedAt.Unix())
	}
	row, err := db.Get(t.Context(), "user_jane")
	if err != nil || !row.CreatedAt.Equal(jane().CreatedAt) {
		t.Errorf("read created_at %s, error %v", row.CreatedAt, err)
	}
}

func TestPostgres_ConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	raw.Exec("CREATE ROLE limited LOGIN CONNECTION LIMIT 3") // a fourth connection is refused
	raw.Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON users TO limited")
	db := open(t, server.As(t, databaseURL, "limited"), store.Options{MaxConns: 3})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				if err := storetest.Put(t.Context(), db, jane(), nil); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	all.Wait()
}

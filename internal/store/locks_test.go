package store_test

import (
	"testing"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

func TestPostgres_RetriesAfterADeadlock(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL+"&deadlock_timeout=2s", store.Options{})
	put(t, db, jane())
	put(t, db, john())

	// The application locks john, then jane. The store locks in the order of ids: jane, then john.
	held := raw.Begin()
	held.Exec("SET LOCAL deadlock_timeout = '1min'") // so that PostgreSQL aborts the store's transaction
	held.Exec("UPDATE users SET password = 'secret' WHERE id = 'user_john'")
	swapped := jane()
	swapped.Email = john().Email
	answered := make(chan error)
	go func() {
		answered <- storetest.Put(t.Context(), db, swapped, []store.Move{{ID: "user_john", From: john().Email, To: jane().Email}})
	}()
	watcher := storetest.OpenRaw(t, databaseURL)
	eventually.Holds(t, "the store waits for a lock", func() bool { return sessions(watcher, "wait_event_type = 'Lock'") == 1 })
	held.Exec("UPDATE users SET password = 'secret' WHERE id = 'user_jane'")
	held.Commit()
	if err := <-answered; err != nil {
		t.Fatalf("Put: %v", err)
	}
	if row := watcher.Row("user_jane"); row["email"] != john().Email || row["password"] != "secret" {
		t.Errorf("email %v, password %v; want both writes", row["email"], row["password"])
	}
}

// The store reads the row of a move under the lock under which it writes it.
func TestPostgres_MoveWaitsForTheApplicationsChange(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL, store.Options{})
	put(t, db, jane())
	put(t, db, john())

	change := raw.Begin()
	change.Exec("UPDATE users SET email = 'elsewhere' WHERE id = 'user_john'")
	swapped := jane()
	swapped.Email = john().Email
	answered := make(chan error)
	go func() {
		answered <- storetest.Put(t.Context(), db, swapped, []store.Move{{ID: "user_john", From: john().Email, To: jane().Email}})
	}()
	watcher := storetest.OpenRaw(t, databaseURL)
	eventually.Holds(t, "the store waits for a lock", func() bool { return sessions(watcher, "wait_event_type = 'Lock'") == 1 })
	change.Commit()
	wantError(t, <-answered, store.ErrConflict)
	if got := watcher.Column("user_john", "email"); got != "elsewhere" {
		t.Errorf("email is %v, want the application's", got)
	}
}

// sessions counts the store's connections to the database in a state.
func sessions(raw *storetest.Raw, state string) int {
	return len(raw.Query("SELECT pid FROM pg_stat_activity WHERE datname = current_database()" +
		" AND application_name = 'fituser-operator' AND " + state))
}

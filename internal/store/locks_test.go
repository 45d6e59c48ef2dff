package store_test

import (
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// The transaction that PostgreSQL gives up for another's sake is done again.
func TestPostgresDeadlock(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL+"&deadlock_timeout=2s", store.Options{})
	put(t, db, jane())
	put(t, db, john())

	// The application holds john and wants jane; the store, in the order of ids, holds jane and wants john.
	held := raw.Begin()
	held.Exec("SET LOCAL deadlock_timeout = '1min'") // so that the store's transaction is the one given up
	held.Exec("UPDATE users SET password = 'secret' WHERE id = 'user_john'")
	swapped := jane()
	swapped.Email = john().Email
	answered := make(chan error)
	go func() {
		answered <- db.Put(t.Context(), swapped, []store.Move{{ID: "user_john", From: john().Email, To: jane().Email}})
	}()
	watcher := storetest.OpenRaw(t, databaseURL)
	eventually(t, func() bool { return sessions(watcher, "wait_event_type = 'Lock'") == 1 })
	held.Exec("UPDATE users SET password = 'secret' WHERE id = 'user_jane'")
	held.Commit()
	if err := <-answered; err != nil {
		t.Fatalf("Put: %v", err)
	}
	if row := watcher.Row("user_jane"); row["email"] != john().Email || row["password"] != "secret" {
		t.Errorf("email %v, password %v; want both writes", row["email"], row["password"])
	}
}

// What a move relies on is read under the lock that it is written under.
func TestPostgresMoveOfARowThatTheApplicationIsChanging(t *testing.T) {
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
		answered <- db.Put(t.Context(), swapped, []store.Move{{ID: "user_john", From: john().Email, To: jane().Email}})
	}()
	watcher := storetest.OpenRaw(t, databaseURL)
	eventually(t, func() bool { return sessions(watcher, "wait_event_type = 'Lock'") == 1 })
	change.Commit()
	wants(t, <-answered, store.ErrConflict)
	if got := watcher.Column("user_john", "email"); got != "elsewhere" {
		t.Errorf("email is %v, want the application's", got)
	}
}

// sessions counts the store's connections to the database that are in some state.
func sessions(raw *storetest.Raw, state string) int {
	return len(raw.Query("SELECT pid FROM pg_stat_activity WHERE datname = current_database()" +
		" AND application_name = 'fituser-operator' AND " + state))
}

// eventually asks again until the answer is yes, for as long as a busy machine may take.
func eventually(t *testing.T, yes func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !yes() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

package storetest

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Engine is what the suite has to know of an engine: how to get a database, and the engine's own ways to say what the
// suite wants of the application's schema.
type Engine struct {
	// URL makes a fresh database that holds what ddl makes, or FitAI's table without ddl.
	URL func(tb testing.TB, ddl ...string) string
	// Table is FitAI's table; the suite varies its text.
	Table string
	// Clock is the type of created_at and updated_at in Table, Clocks are all that serve.
	Clock  string
	Clocks []string
	// RoleKinds and ClockKinds are what the check says it wants.
	RoleKinds, ClockKinds string
	// Enum is Table with a role that can be nothing but admin, trainer and client.
	Enum []string
	// AnyCase are tables, by name, in which two addresses that differ in case are the same.
	AnyCase map[string][]string
	// Audit makes a trigger that adds a row to the table audit for every update of a user.
	Audit []string
	// Keep makes a trigger that refuses to let a user go.
	Keep []string
}

// Run is what every engine has to pass: the behaviour that [store.Store] documents, against the real engine.
func Run(t *testing.T, engine Engine) {
	groups := []map[string]func(*bundle){
		rowTests, moveTests, dryRunTests, valueTests, schemaTests, checkTests, concurrencyTests, switchTests, heldBackTests,
	}
	for _, group := range groups {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(&bundle{T: t, engine: engine})
			})
		}
	}
	engine.runClocks(t)
	engine.runAnyCase(t)
}

// bundle is one test's database, seen through the store and past it.
type bundle struct {
	*testing.T
	engine Engine

	url string
	db  *store.DB
	raw *Raw
	// now is what the store takes for the time, in Unix seconds.
	now atomic.Int64
}

// open gives the test a database that holds what ddl makes, or FitAI's table without ddl.
func (b *bundle) open(ddl ...string) *bundle {
	b.Helper()
	b.url = b.engine.URL(b, ddl...)
	b.raw = OpenRaw(b, b.url)
	b.now.Store(1_750_000_000)
	b.db = b.another(store.Options{})
	return b
}

// another is a second store on the same database.
func (b *bundle) another(options store.Options) *store.DB {
	b.Helper()
	options.Now = func() time.Time { return time.Unix(b.now.Load(), 0) }
	db, err := store.Open(b.url, options)
	if err != nil {
		b.Fatalf("Open: %v", err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// person is a row all of whose values say "canary", which no error may repeat.
func person(name string) user.Row {
	return user.Row{
		ID: user.ID("user_" + name), Email: name + "@canary.example",
		FirstName: "Canary " + name, LastName: "von Canary", Phone: "+1 canary " + name,
		Role: user.Client, CreatedAt: time.Unix(1_700_000_000, 0).UTC(),
	}
}

func (b *bundle) put(row user.Row, moves ...store.Move) {
	b.Helper()
	if err := b.db.Put(b.Context(), row, moves); err != nil {
		b.Fatalf("Put(%s, %d moves): %v", row.ID, len(moves), err)
	}
}

// emails are the addresses in the table by user.
func (b *bundle) emails() map[string]string {
	b.Helper()
	found := map[string]string{}
	for _, row := range b.raw.Query("SELECT id, email FROM users") {
		found[row["id"].(string)] = row["email"].(string)
	}
	return found
}

// wants fails unless err is of the class and gives nothing away.
func (b *bundle) wants(err, class error) {
	b.Helper()
	if !errors.Is(err, class) {
		b.Fatalf("got error %v, want %v", err, class)
	}
	b.discreet(err)
}

// taken fails unless err says that holder has the address that id wants.
func (b *bundle) taken(err error, id, holder user.ID) {
	b.Helper()
	var got *store.EmailTakenError
	if !errors.As(err, &got) || got.ID != id || got.Holder != holder {
		b.Fatalf("got error %v, want that %s is in the way of %s", err, holder, id)
	}
	b.discreet(err)
}

func (b *bundle) discreet(err error) {
	b.Helper()
	if text := strings.ToLower(err.Error()); strings.Contains(text, "canary") {
		b.Errorf("the error repeats a value of the row: %s", text)
	}
}

// eventually asks again until the answer is yes, for as long as a busy machine may take.
func (b *bundle) eventually(what string, yes func() bool) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); !yes(); {
		if time.Now().After(deadline) {
			b.Fatalf("it did not happen that %s", what)
		}
	}
}

// varied replaces a part of a table's text.
func (b *bundle) varied(table, part, by string) string {
	b.Helper()
	if !strings.Contains(table, part) {
		b.Fatalf("the engine's table has no %q", part)
	}
	return strings.Replace(table, part, by, 1)
}

func errorAs[T error](err error) (T, bool) {
	var found T
	is := errors.As(err, &found)
	return found, is
}

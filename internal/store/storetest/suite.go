package storetest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Engine contains what the suite needs for an engine: a way to create databases, and the engine's own SQL for the
// schemas of the suite.
type Engine struct {
	// URL creates a database, executes ddl in it, and returns its URL. Without ddl it creates FitAI's table.
	URL func(tb testing.TB, ddl ...string) string
	// DDL converts the suite's statements for schemas; nil leaves them as they are.
	DDL func(statement string) string
	// Table creates FitAI's table; the suite varies its text.
	Table string
	// Clock is the type of created_at and updated_at in Table. Clocks are all types that can hold a time.
	Clock  string
	Clocks []string
	// RoleKinds and ClockKinds are the kinds of column that the check accepts, as its messages list them.
	RoleKinds, ClockKinds string
	// Enum creates Table with a role limited to admin, trainer and client.
	Enum []string
	// AnyCase creates tables, by name, that treat addresses which differ only in case as equal.
	AnyCase map[string][]string
	// Audit creates a trigger that adds a row to the table audit for every update of a user.
	Audit []string
	// Keep creates a trigger that refuses every deletion of a user.
	Keep []string
	// Partial creates a unique index over email that does not cover all rows, or not the whole of each.
	Partial string
	// Expressions create unique expressions over phone, and over email and role together.
	Expressions []string
	// Quote returns a name as an identifier; nil for double quotes.
	Quote func(name string) string
	// InsertIfAbsent inserts a user unless a unique index refuses it, with %s for the columns and for the values.
	InsertIfAbsent string
}

// Run tests the behaviour that [store.Store] documents against the real engine. Every engine must pass it.
func Run(t *testing.T, engine Engine) {
	groups := []map[string]func(*bundle){
		rowTests, swapTests, dryRunTests, valueTests, schemaTests, checkTests, concurrencyTests, swappableTests, fenceTests,
		mappingTests,
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

// bundle is one test with its database, accessed through the store and directly.
type bundle struct {
	*testing.T
	engine Engine

	url string
	db  *store.DB
	raw *Raw
	// now is the store's clock, in Unix seconds.
	now atomic.Int64
}

// open creates the test's database and executes ddl in it. Without ddl it creates FitAI's table.
func (b *bundle) open(ddl ...string) *bundle {
	b.Helper()
	b.url = b.engine.URL(b, b.engine.converted(ddl)...)
	b.raw = OpenRaw(b, b.url)
	b.now.Store(1_750_000_000)
	b.db = b.another(store.Options{})
	return b
}

// converted returns the statements as the engine takes them.
func (e Engine) converted(ddl []string) []string {
	if e.DDL == nil {
		return ddl
	}
	var converted []string
	for _, statement := range ddl {
		converted = append(converted, e.DDL(statement))
	}
	return converted
}

// another returns a second store on the same database.
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

// person returns a row whose values all contain "canary". No error may repeat them.
func person(name string) user.Row {
	return user.Row{
		ID: user.ID("user_" + name), Email: name + "@canary.example",
		FirstName: "Canary " + name, LastName: "von Canary", Phone: "+1 canary " + name,
		Role: user.Client, CreatedAt: time.Unix(1_700_000_000, 0).UTC(),
	}
}

func (b *bundle) put(row user.Row, moves ...store.Move) {
	b.Helper()
	if err := Put(b.Context(), b.db, row, moves); err != nil {
		b.Fatalf("Put(%s, %d moves): %v", row.ID, len(moves), err)
	}
}

// Put calls Put for a test that needs nothing but its error.
func Put(ctx context.Context, table store.Writer, row user.Row, moves []store.Move) error {
	_, err := table.Put(ctx, row, moves)
	return err
}

// emails returns the addresses in the table by user.
func (b *bundle) emails() map[string]string {
	b.Helper()
	found := map[string]string{}
	for _, row := range b.raw.Query("SELECT id, email FROM users") {
		found[row["id"].(string)] = row["email"].(string)
	}
	return found
}

// wantError fails unless err has the class and contains no value of a row.
func (b *bundle) wantError(err, class error) {
	b.Helper()
	if !errors.Is(err, class) {
		b.Fatalf("got error %v, want %v", err, class)
	}
	b.wantNoValues(err)
}

// wantEmailTaken fails unless err reports that holder has the address of id.
func (b *bundle) wantEmailTaken(err error, id, holder user.ID) {
	b.Helper()
	var got *store.EmailTakenError
	if !errors.As(err, &got) || got.ID != id || got.Holder.Key != holder {
		b.Fatalf("got error %v, want that %s holds the address of %s", err, holder, id)
	}
	b.wantNoValues(err)
}

func (b *bundle) wantNoValues(err error) {
	b.Helper()
	if text := strings.ToLower(err.Error()); strings.Contains(text, "canary") {
		b.Errorf("the error repeats a value of the row: %s", text)
	}
}

// varied replaces a part of the text that creates a table.
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

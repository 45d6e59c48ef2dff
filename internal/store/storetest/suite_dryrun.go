package storetest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
)

// dryRun is a table with Jane and Joe, and a second store on it that changes nothing.
func (b *bundle) dryRun() (dry *store.DB, unchanged func()) {
	b.Helper()
	b.open()
	b.put(person("jane"))
	b.put(person("joe"))
	before := b.raw.Query("SELECT * FROM users ORDER BY id")
	return b.another(store.Options{DryRun: true}), func() {
		b.Helper()
		if diff := cmp.Diff(before, b.raw.Query("SELECT * FROM users ORDER BY id")); diff != "" {
			b.Errorf("a dry run changed the table (-before +after):\n%s", diff)
		}
	}
}

var dryRunTests = map[string]func(*bundle){
	"a dry run inserts, updates and removes nothing, and says what would be so": func(b *bundle) {
		dry, unchanged := b.dryRun()
		for _, row := range []string{"jane", "ann"} {
			next := person(row)
			next.FirstName = "New"
			if err := dry.Put(b.Context(), next, nil); err != nil {
				b.Errorf("Put(%s): %v", row, err)
			}
		}
		for id, want := range map[string]bool{"jane": true, "nobody": false} {
			if removed, err := dry.Delete(b.Context(), person(id).ID); removed != want || err != nil {
				b.Errorf("Delete(%s) = %v, %v; want %v", id, removed, err, want)
			}
		}
		unchanged()
	},
	"a dry run finds out whose address it is, and moves nobody": func(b *bundle) {
		dry, unchanged := b.dryRun()
		jane, joe := person("jane"), person("joe")
		jane.Email, joe.Email = joe.Email, jane.Email
		b.taken(dry.Put(b.Context(), jane, nil), jane.ID, joe.ID)
		if err := dry.Put(b.Context(), jane, []store.Move{{ID: joe.ID, From: jane.Email, To: joe.Email}}); err != nil {
			b.Errorf("Put with a move: %v", err)
		}
		unchanged()
	},
	"a dry run makes no table": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		dry := b.another(store.Options{DryRun: true, CreateTable: true})
		if _, ok := errorAs[*store.SchemaError](dry.Check(b.Context())); !ok {
			b.Error("Check found a table")
		}
	},
}

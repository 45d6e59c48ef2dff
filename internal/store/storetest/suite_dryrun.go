package storetest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
)

// dryRun creates a table with Jane and Joe, and a second store on it in dry-run mode.
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
	"dry run returns the result of a write without writing": func(b *bundle) {
		dry, unchanged := b.dryRun()
		for _, row := range []string{"jane", "ann"} {
			next := person(row)
			next.FirstName = "New"
			if err := Put(b.Context(), dry, next, nil); err != nil {
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
	"dry run reports the holder of an address and moves no row": func(b *bundle) {
		dry, unchanged := b.dryRun()
		jane, joe := person("jane"), person("joe")
		jane.Email, joe.Email = joe.Email, jane.Email
		b.wantEmailTaken(Put(b.Context(), dry, jane, nil), jane.ID, joe.ID)
		if err := Put(b.Context(), dry, jane, []store.Move{{ID: joe.ID, From: jane.Email, To: joe.Email}}); err != nil {
			b.Errorf("Put with a move: %v", err)
		}
		unchanged()
	},
	"dry run does not create a table": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		dry := b.another(store.Options{DryRun: true, CreateTable: true})
		if _, ok := errorAs[*store.SchemaError](dry.Check(b.Context())); !ok {
			b.Error("Check found a table")
		}
	},
}

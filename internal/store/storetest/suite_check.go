package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

const noUniqueEmail = "email needs a unique index over email alone and over all rows"

// missingColumns is the problem of a table that has only some of the owned columns.
func missingColumns(existing ...string) string {
	owned := []string{"id"}
	for _, column := range user.DefaultMapping().Columns {
		owned = append(owned, column.Name)
	}
	owned = append(owned, "created_at", "updated_at")
	missing := slices.DeleteFunc(owned, func(name string) bool { return slices.Contains(existing, name) })
	return "missing columns: " + strings.Join(missing, ", ")
}

var checkTests = map[string]func(*bundle){
	"FitAI's own table passes": func(b *bundle) {
		b.open()
		if err := b.db.Check(b.Context()); err != nil {
			b.Errorf("Check: %v", err)
		}
	},
	"all problems are reported at once": func(b *bundle) {
		b.open(`CREATE TABLE users (id text, email text, role date, created_at date, tenant integer NOT NULL, ` +
			`plan text NOT NULL DEFAULT 'free', seat text NOT NULL)`)
		b.wantProblemsOfCheck(
			missingColumns("id", "email", "role", "created_at"),
			"column role is date, want "+b.engine.RoleKinds,
			"column created_at is date, want "+b.engine.ClockKinds,
			"id needs a primary key or a unique index over id alone, with exact comparison and not deferrable",
			noUniqueEmail,
			"NOT NULL without a default, so that no row can be inserted: tenant, seat",
		)
		if err := b.db.Check(b.Context()); !strings.HasPrefix(err.Error(),
			"the users table cannot be used: missing columns: first_name") {
			b.Errorf("unexpected start of the message: %v", err)
		}
	},
	"a unique index over email and role does not suffice": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text NOT NULL"),
			"CREATE UNIQUE INDEX email_and_role ON users (email, role)")
		b.wantProblemsOfCheck(noUniqueEmail)
	},
	"a partial unique index does not suffice": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text NOT NULL"),
			b.engine.Partial)
		b.wantProblemsOfCheck(noUniqueEmail)
	},
	"an index that is not unique does not suffice": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text NOT NULL"),
			"CREATE INDEX plain ON users (email)")
		b.wantProblemsOfCheck(noUniqueEmail)
	},
	"a unique expression over another column does not suffice": func(b *bundle) {
		b.open(append([]string{b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text NOT NULL")}, b.engine.Expressions...)...)
		b.wantProblemsOfCheck(noUniqueEmail)
	},
	"a unique index over id replaces a primary key": func(b *bundle) {
		table := strings.Replace(b.engine.Table, "id text PRIMARY KEY", "id text UNIQUE", 1)
		b.open(table, "ALTER TABLE users ADD COLUMN number integer")
		b.put(person("jane"))
		b.put(person("jane"))
	},
	"a view is refused": func(b *bundle) {
		b.open("CREATE TABLE accounts (id text)", "CREATE VIEW users AS SELECT * FROM accounts")
		b.wantProblemsOfCheck("users is a view, want a table: name the table behind it in the mapping file")
	},
	"a phone number that must not be NULL is refused": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "phone text", "phone text NOT NULL DEFAULT ''"))
		b.wantProblemsOfCheck("column phone is NOT NULL, and not every user has a value for it: make it nullable, " +
			"or set phone: null under columns in the mapping file")
	},
	"a missing table is used once it exists": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		_, err := b.db.Get(b.Context(), "user_jane")
		if _, is := errorAs[*store.SchemaError](err); !is {
			b.Fatalf("got error %v, want a SchemaError", err)
		}
		b.raw.Exec(b.engine.converted([]string{b.engine.Table})[0])
		b.put(person("jane"))
	},
	"a dropped column is reported, and used again once it is back": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		b.raw.Exec("ALTER TABLE users RENAME COLUMN phone TO mobile")
		b.wantProblems(Put(b.Context(), b.db, person("jane"), nil), []string{"missing columns: phone"})
		b.raw.Exec("ALTER TABLE users RENAME COLUMN mobile TO phone")
		b.put(person("jane"))
	},
	"CreateTable creates a missing table": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		b.db = b.another(store.Options{CreateTable: true})
		b.put(person("jane"))
		b.wantEmailTaken(Put(b.Context(), b.db, at("john", person("jane").Email), nil), "user_john", "user_jane")
		if row := b.raw.Row("user_jane"); row["password"] != nil || row["updated_at"] != int64(1_750_000_000) {
			b.Errorf("row: %v", row)
		}
	},
	"without CreateTable a missing table is not created": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		if err := b.db.Check(b.Context()); !strings.Contains(err.Error(), "there is no table users in the ") {
			b.Errorf("got error %v", err)
		}
		b.db = b.another(store.Options{})
		if err := b.db.Check(b.Context()); !errors.As(err, new(*store.SchemaError)) {
			b.Errorf("got error %v, want a SchemaError", err)
		}
	},
	"CreateTable does not replace an unusable table": func(b *bundle) {
		b.open("CREATE TABLE users (id text PRIMARY KEY)")
		b.db = b.another(store.Options{CreateTable: true})
		b.wantProblemsOfCheck(missingColumns("id"))
	},
	"CreateTable may run concurrently": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		var all sync.WaitGroup
		for range 5 {
			db := b.another(store.Options{CreateTable: true})
			all.Go(func() {
				if err := db.Check(b.Context()); err != nil {
					b.Errorf("Check: %v", err)
				}
			})
		}
		all.Wait()
	},
}

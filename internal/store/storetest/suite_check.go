package storetest

import (
	"errors"
	"strings"
	"sync"

	"github.com/fitai/fituser-operator/internal/store"
)

const noUniqueEmail = "no unique index is over email alone and over all rows"

var checkTests = map[string]func(*bundle){
	"FitAI's own table passes": func(b *bundle) {
		b.open()
		if err := b.db.Check(b.Context()); err != nil {
			b.Errorf("Check: %v", err)
		}
	},
	"all that is wrong is said at once": func(b *bundle) {
		b.open(`CREATE TABLE users (id text, email text, role date, created_at date, tenant integer NOT NULL, ` +
			`plan text NOT NULL DEFAULT 'free', seat text NOT NULL)`)
		b.problems(
			"missing columns: first_name, last_name, phone, updated_at",
			"column role is date, wanted is "+b.engine.RoleKinds,
			"column created_at is date, wanted is "+b.engine.ClockKinds,
			"id is neither primary key nor unique by itself, by exact comparison and not deferrable",
			noUniqueEmail,
			"NOT NULL without a default, so that no row can be inserted: tenant, seat",
		)
		if err := b.db.Check(b.Context()); !strings.HasPrefix(err.Error(),
			"the users table cannot be used: missing columns: first_name") {
			b.Errorf("the message begins otherwise: %v", err)
		}
	},
	"a unique index over email and more is none over email": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text NOT NULL"),
			"CREATE UNIQUE INDEX email_and_role ON users (email, role)")
		b.problems(noUniqueEmail)
	},
	"a partial unique index is none": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text NOT NULL"),
			"CREATE UNIQUE INDEX some_emails ON users (email) WHERE role = 'client'")
		b.problems(noUniqueEmail)
	},
	"an index that is not unique is none": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text NOT NULL"),
			"CREATE INDEX plain ON users (email)")
		b.problems(noUniqueEmail)
	},
	"a unique expression over another column is none": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text NOT NULL"),
			`CREATE UNIQUE INDEX other ON users (lower("phone"))`, "CREATE UNIQUE INDEX mixed ON users (lower(email || role))")
		b.problems(noUniqueEmail)
	},
	"a unique index over id serves as well as a primary key": func(b *bundle) {
		table := strings.Replace(b.engine.Table, "id text PRIMARY KEY", "id text UNIQUE", 1)
		b.open(table, "ALTER TABLE users ADD COLUMN number integer")
		b.put(person("jane"))
		b.put(person("jane"))
	},
	"a view is no table": func(b *bundle) {
		b.open("CREATE TABLE accounts (id text)", "CREATE VIEW users AS SELECT * FROM accounts")
		b.problems("users is a view, wanted is a table")
	},
	"a missing table is used as soon as it is there": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		_, err := b.db.Get(b.Context(), "user_jane")
		if _, is := errorAs[*store.SchemaError](err); !is {
			b.Fatalf("got error %v, want a SchemaError", err)
		}
		b.raw.Exec(b.engine.Table)
		b.put(person("jane"))
	},
	"a column that goes while we run is named, and used again when it is back": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		b.raw.Exec("ALTER TABLE users RENAME COLUMN phone TO mobile")
		b.wantProblems(b.db.Put(b.Context(), person("jane"), nil), []string{"missing columns: phone"})
		b.raw.Exec("ALTER TABLE users RENAME COLUMN mobile TO phone")
		b.put(person("jane"))
	},
	"where there is no table, one is made if asked for": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		b.db = b.another(store.Options{CreateTable: true})
		b.put(person("jane"))
		b.taken(b.db.Put(b.Context(), at("john", person("jane").Email), nil), "user_john", "user_jane")
		if row := b.raw.Row("user_jane"); row["password"] != nil || row["updated_at"] != int64(1_750_000_000) {
			b.Errorf("row: %v", row)
		}
	},
	"without being asked, none is made": func(b *bundle) {
		b.open("CREATE TABLE other (id text)")
		if err := b.db.Check(b.Context()); !strings.Contains(err.Error(), "there is no table users in the ") {
			b.Errorf("got error %v", err)
		}
		b.db = b.another(store.Options{})
		if err := b.db.Check(b.Context()); !errors.As(err, new(*store.SchemaError)) {
			b.Errorf("got error %v, want a SchemaError", err)
		}
	},
	"a table that does not fit is not replaced": func(b *bundle) {
		b.open("CREATE TABLE users (id text PRIMARY KEY)")
		b.db = b.another(store.Options{CreateTable: true})
		b.problems("missing columns: email, first_name, last_name, role, phone, created_at, updated_at")
	},
	"several may make the table at once": func(b *bundle) {
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

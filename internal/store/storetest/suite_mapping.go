package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// openMapped creates the database and opens it with a mapping.
func (b *bundle) openMapped(m *user.Mapping, ddl ...string) *bundle {
	b.Helper()
	b.open(ddl...)
	b.db = b.another(store.Options{Mapping: m})
	return b
}

// besideKey is a mapping whose key is a column beside the table's own primary key. The DDL is that of such a table.
func (b *bundle) besideKey() (m *user.Mapping, ddl string) {
	b.Helper()
	m = user.DefaultMapping()
	m.Key.Column = "clerk_id"
	own := b.varied(b.engine.Table, "id text PRIMARY KEY", "clerk_id text UNIQUE, id integer DEFAULT 0 PRIMARY KEY")
	return m, strings.Replace(own, " PRIMARY KEY NOT NULL", " PRIMARY KEY", 1)
}

// legacy inserts a row of the application into the table of [bundle.besideKey].
func (b *bundle) legacy(id, clerkID, email string) {
	b.Helper()
	b.raw.Exec("INSERT INTO users (id, clerk_id, email, first_name, last_name, role, created_at, updated_at) VALUES (" +
		id + ", " + clerkID + ", '" + email + "', '', '', 'client', " + b.engine.timeOf(7) + ", " + b.engine.timeOf(7) + ")")
}

// withExtra is a mapping with a column for each kind of field.
func withExtra() *user.Mapping {
	m := user.DefaultMapping()
	m.Columns = append(m.Columns, user.Column{Name: "nick", From: user.FieldUsername}, user.Column{Name: "blocked", From: user.FieldBanned},
		user.Column{Name: "seen_at", From: user.FieldLastSignInAt}, user.Column{Name: "plan", From: "publicMetadata.plan"})
	return m
}

// extraTable is FitAI's table with the columns of [withExtra].
func (b *bundle) extraTable() string {
	return b.varied(b.engine.Table, "phone text", "phone text, nick text, blocked boolean NOT NULL DEFAULT false, seen_at "+
		b.engine.Clock+", plan text")
}

func softDeleting() *user.Mapping {
	m := user.DefaultMapping()
	m.SoftDelete = &user.SoftDelete{Column: "deleted_at"}
	return m
}

func (b *bundle) softTable() string {
	return b.varied(b.engine.Table, "phone text", "phone text, deleted_at "+b.engine.Clock)
}

var mappingTests = map[string]func(*bundle){
	"a key beside the primary key: the row is inserted, read, scanned, updated and deleted by it": func(b *bundle) {
		m, ddl := b.besideKey()
		b.openMapped(m, strings.Replace(ddl, "id integer DEFAULT 0 PRIMARY KEY", "id integer", 1))
		jane := person("jane")
		b.put(jane)
		jane.FirstName = "Janet"
		b.put(jane)
		got, err := b.db.Get(b.Context(), jane.ID)
		if diff := cmp.Diff(jane, got); err != nil || diff != "" {
			b.Errorf("error %v, row (-put +read):\n%s", err, diff)
		}
		if page, _ := b.scan("", 10); len(page) != 1 || page[0].ID != jane.ID {
			b.Errorf("scanned %v", page)
		}
		if removed, err := b.db.Delete(b.Context(), jane.ID); err != nil || !removed {
			b.Errorf("removed %t, error %v", removed, err)
		}
	},
	"rows without a key are left out of a scan and keep their address": func(b *bundle) {
		m, ddl := b.besideKey()
		b.openMapped(m, ddl)
		b.legacy("7", "NULL", "jane@canary.example")
		if page, _ := b.scan("", 10); len(page) != 0 {
			b.Errorf("scanned %v", page)
		}
		_, err := b.db.Put(b.Context(), person("jane"), nil)
		taken, is := errorAs[*store.EmailTakenError](err)
		if !is || taken.Holder != (store.Holder{PrimaryKey: "7"}) {
			b.Errorf("got error %v, want that the row 7 holds the address", err)
		}
	},
	"FindUnclaimed finds rows without a Clerk id by own key, by address and by address in another case": func(b *bundle) {
		m, ddl := b.besideKey()
		b.openMapped(m, ddl)
		b.legacy("1", "NULL", "first@canary.example")
		b.legacy("2", "NULL", "second@canary.example")
		b.legacy("3", "'user_3claimed'", "third@canary.example")
		b.legacy("4", "NULL", "Fourth@Canary.example")
		got, err := b.db.FindUnclaimed(b.Context(), "2", []string{"first@canary.example", "third@canary.example", "fourth@canary.example", "no@canary.example"})
		want := []store.Holder{{PrimaryKey: "2"}, {PrimaryKey: "1"}, {PrimaryKey: "4"}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			b.Errorf("error %v (-want +got):\n%s", err, diff)
		}
		if got, err := b.db.FindUnclaimed(b.Context(), "no number", nil); err != nil || got != nil {
			b.Errorf("got %v, error %v for a key that the column cannot hold", got, err)
		}
	},
	"FindUnclaimed finds a row by own key in a table without addresses": func(b *bundle) {
		m, ddl := b.besideKey()
		m.Columns = slices.DeleteFunc(slices.Clone(m.Columns), func(c user.Column) bool { return c.From == user.FieldEmail })
		b.openMapped(m, strings.Replace(ddl, " NOT NULL UNIQUE", "", 1))
		b.legacy("2", "NULL", "second@canary.example")
		got, err := b.db.FindUnclaimed(b.Context(), "2", nil)
		if diff := cmp.Diff([]store.Holder{{PrimaryKey: "2"}}, got); err != nil || diff != "" {
			b.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	},
	"FindUnclaimed leaves softly deleted rows out": func(b *bundle) {
		m, ddl := b.besideKey()
		m.SoftDelete = &user.SoftDelete{Column: "deleted_at"}
		b.openMapped(m, strings.Replace(ddl, "phone text", "phone text, deleted_at "+b.engine.Clock, 1))
		b.legacy("1", "NULL", "first@canary.example")
		b.legacy("2", "NULL", "Second@canary.example")
		b.raw.Exec("UPDATE users SET deleted_at = created_at")
		got, err := b.db.FindUnclaimed(b.Context(), "1", []string{"first@canary.example", "second@canary.example"})
		if err != nil || got != nil {
			b.Errorf("got %v, error %v", got, err)
		}
	},
	"fields of each kind are written, compared and read; a missing value is NULL": func(b *bundle) {
		m := withExtra()
		b.openMapped(m, b.extraTable())
		full := user.User{
			ID: "user_jane", Email: "jane@canary.example", Banned: true, CreatedAt: person("jane").CreatedAt,
			Extra: map[user.Field]string{
				user.FieldUsername: "jane", user.FieldLastSignInAt: "1700000001000", "publicMetadata.plan": `{"tier":"gold"}`,
			},
		}
		empty := full
		empty.Banned, empty.Extra = false, map[user.Field]string{}
		for _, u := range []user.User{full, empty} {
			desired := m.DesiredRow(u, user.Client)
			stored, err := b.db.Put(b.Context(), desired, nil)
			if diff := m.Diff(desired, stored); err != nil || diff != nil {
				b.Errorf("error %v; the stored row differs in %v", err, diff)
			}
			if page, _ := b.scan("", 1); m.Diff(desired, page[0]) != nil {
				b.Errorf("the scanned row differs in %v", m.Diff(desired, page[0]))
			}
		}
		row := b.raw.Row("user_jane")
		if row["nick"] != nil || row["seen_at"] != nil || row["plan"] != nil {
			b.Errorf("row %v, want NULL for what Clerk does not have", row)
		}
	},
	"a row made for another mapping is a conflict": func(b *bundle) {
		b.openMapped(withExtra(), b.extraTable())
		_, err := b.db.Put(b.Context(), person("jane"), nil)
		b.wantError(err, store.ErrConflict)
	},
	"a role is written as the column spells it": func(b *bundle) {
		m := user.DefaultMapping()
		m.RoleNames = map[user.Role]user.Role{user.Admin: "ADMIN"}
		b.openMapped(m)
		b.put(m.DesiredRow(user.User{ID: "user_jane", Email: "a"}, user.Admin))
		got, err := b.db.Get(b.Context(), "user_jane")
		if err != nil || b.raw.Column("user_jane", "role") != "ADMIN" || m.RoleOf(got) != user.Admin {
			b.Errorf("role %v, read as %s, error %v", b.raw.Column("user_jane", "role"), m.RoleOf(got), err)
		}
	},
	"a column that the mapping leaves out is not written": func(b *bundle) {
		m := user.DefaultMapping()
		m.Columns = m.Columns[:2] // email, first_name
		m.CreatedAt, m.UpdatedAt = "", ""
		table := strings.NewReplacer("last_name text NOT NULL", "last_name text NOT NULL DEFAULT 'own'",
			"created_at "+b.engine.Clock+" NOT NULL", "created_at "+b.engine.Clock,
			"updated_at "+b.engine.Clock+" NOT NULL", "updated_at "+b.engine.Clock).Replace(b.engine.Table)
		b.openMapped(m, table)
		b.put(person("jane"))
		b.raw.Exec("UPDATE users SET role = 'admin'")
		b.put(person("jane"))
		row := b.raw.Row("user_jane")
		if row["last_name"] != "own" || row["role"] != "admin" || row["phone"] != nil || row["updated_at"] != nil {
			b.Errorf("row %v", row)
		}
	},
	"an address that may be NULL: a row without one": func(b *bundle) {
		b.open(b.varied(b.engine.Table, "email text NOT NULL UNIQUE", "email text UNIQUE"))
		b.put(at("jane", ""))
		b.put(at("john", "")) // NULL is not unique
		if got := b.raw.Column("user_jane", "email"); got != nil || b.db.Table().EmailRequired {
			b.Errorf("email %v, required: %t", got, b.db.Table().EmailRequired)
		}
		b.put(at("jane", "jane"))
		b.put(at("john", "jane2"), move("jane", "jane", ""))
		if got := b.raw.Column("user_jane", "email"); got != nil {
			b.Errorf("a row that gave its address up holds %v, want NULL: a second one would be in conflict", got)
		}
	},
	"Update writes an existing row, and inserts none": func(b *bundle) {
		m := softDeleting()
		b.openMapped(m, b.softTable())
		jane := person("jane")
		_, err := b.db.Update(b.Context(), jane)
		b.wantError(err, store.ErrNotFound)
		b.put(jane)
		created := b.raw.Column(jane.ID, "created_at")
		jane.FirstName, jane.CreatedAt = "Janet", jane.CreatedAt.Add(time.Hour)
		jane.DeletedAt = time.Unix(1_700_000_100, 0).UTC()
		stored, err := b.db.Update(b.Context(), jane)
		if err != nil || m.Diff(jane, stored) != nil || !stored.DeletedAt.Equal(jane.DeletedAt) {
			b.Errorf("stored %v, error %v", stored, err)
		}
		if got := b.raw.Column(jane.ID, "created_at"); got != created {
			b.Errorf("created_at became %v", got)
		}
	},
	"a softly deleted row is scanned as such, and Put restores it": func(b *bundle) {
		b.openMapped(softDeleting(), b.softTable())
		jane := person("jane")
		b.put(jane)
		jane.DeletedAt = time.Unix(1_700_000_100, 0).UTC()
		if _, err := b.db.Update(b.Context(), jane); err != nil {
			b.Fatal(err)
		}
		if page, _ := b.scan("", 1); !page[0].DeletedAt.Equal(jane.DeletedAt) {
			b.Errorf("scanned %v", page[0].DeletedAt)
		}
		b.put(person("jane"))
		if got := b.raw.Column(jane.ID, "deleted_at"); got != nil {
			b.Errorf("deleted_at is %v", got)
		}
	},
	"a unique index over live rows suffices with a soft deletion": func(b *bundle) {
		if !strings.Contains(b.engine.Partial, "WHERE") {
			b.Skip("this engine has no partial indexes")
		}
		table := strings.Replace(b.softTable(), "email text NOT NULL UNIQUE", "email text NOT NULL", 1)
		b.openMapped(softDeleting(), table, "CREATE UNIQUE INDEX live ON users (email) WHERE deleted_at IS NULL")
		jane := person("jane")
		b.put(jane)
		b.wantEmailTaken(Put(b.Context(), b.db, at("john", jane.Email), nil), "user_john", "user_jane")
		jane.DeletedAt = time.Unix(1_700_000_100, 0)
		if _, err := b.db.Update(b.Context(), jane); err != nil {
			b.Fatal(err)
		}
		b.put(at("john", jane.Email))
		b.wantEmailTaken(Put(b.Context(), b.db, person("jane"), nil), "user_jane", "user_john") // Jane is back
	},
	"without a soft deletion, a unique index over some rows does not suffice": func(b *bundle) {
		if !strings.Contains(b.engine.Partial, "WHERE") {
			b.Skip("this engine has no partial indexes")
		}
		table := strings.Replace(b.softTable(), "email text NOT NULL UNIQUE", "email text NOT NULL", 1)
		b.open(table, "CREATE UNIQUE INDEX live ON users (email) WHERE deleted_at IS NULL")
		b.wantProblemsOfCheck(noUniqueEmail)
	},
	"names with capitals, blanks and quotes": func(b *bundle) {
		m := user.DefaultMapping()
		m.Table = `My "users"`
		if b.engine.Clock == "integer" { // an empty table does not show the unit
			m.Times = user.Seconds
		}
		m.Columns[1].Name = "first Name"
		replaced := strings.NewReplacer("CREATE TABLE users", "CREATE TABLE "+b.quoted(m.Table), "first_name", b.quoted("first Name"))
		b.openMapped(m, replaced.Replace(b.engine.Table))
		b.put(person("jane"))
		got, err := b.db.Get(b.Context(), "user_jane")
		if diff := cmp.Diff(person("jane"), got); err != nil || diff != "" {
			b.Errorf("error %v (-put +read):\n%s", err, diff)
		}
		_, err = b.db.Put(b.Context(), at("john", person("jane").Email), nil)
		if _, is := errorAs[*store.EmailTakenError](err); !is {
			b.Errorf("got error %v", err)
		}
	},
	"an absent table is named as the mapping has it": func(b *bundle) {
		m := user.DefaultMapping()
		m.Table = "people"
		b.openMapped(m)
		if err := b.db.Check(b.Context()); err == nil || !strings.Contains(err.Error(), "people") || strings.Contains(err.Error(), "--create-table") {
			b.Errorf("got error %v", err)
		}
	},
}

// quoted returns a name as an identifier of the engine.
func (b *bundle) quoted(name string) string {
	if b.engine.Quote == nil {
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return b.engine.Quote(name)
}

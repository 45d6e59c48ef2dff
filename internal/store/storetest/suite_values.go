package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// wantInvalidData fails unless the row is refused for one of its values and the error has the column or constraint
// name.
func (b *bundle) wantInvalidData(row user.Row, name string) {
	b.Helper()
	err := Put(b.Context(), b.db, row, nil)
	b.wantError(err, store.ErrInvalidData)
	var refusal *store.Error
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Name, name) {
		b.Errorf("error %v does not name %s", err, name)
	}
	if got := b.raw.Row(row.ID); got != nil {
		b.Errorf("the row was written: %v", got)
	}
}

var valueTests = map[string]func(*bundle){
	"Get returns unusual text unchanged": func(b *bundle) {
		b.open()
		for _, text := range []string{"Zoë", "李小龍", "👩🏽‍🚀", "'; DROP TABLE users; --", `back\slash`, "new\nline", " ", ""} {
			row := person("jane")
			row.FirstName = text
			b.put(row)
			if got, err := b.db.Get(b.Context(), row.ID); err != nil || got.FirstName != text {
				b.Errorf("got %q, error %v; want %q", got.FirstName, err, text)
			}
		}
	},
	"NUL and invalid UTF-8: invalid data with the column": func(b *bundle) {
		b.open()
		for _, text := range []string{"canary\x00", "canary\xff"} {
			for _, column := range user.DefaultMapping().Columns {
				row := person("jane")
				row.Set(column.From, text)
				b.wantInvalidData(row, column.Name)
			}
		}
	},
	"NUL in the address of a move: invalid data": func(b *bundle) {
		b.withEmails("a", "b")
		b.wantError(Put(b.Context(), b.db, at("a", "b"), []store.Move{move("b", "b", "canary\x00")}), store.ErrInvalidData)
	},
	"a violated CHECK: invalid data with the constraint": func(b *bundle) {
		b.open(strings.TrimSuffix(b.engine.Table, ")") + ", CONSTRAINT short_name CHECK (length(first_name) < 20))")
		row := person("jane")
		row.FirstName = strings.Repeat("canary", 10)
		b.wantInvalidData(row, "short_name")
	},
	"an enum holds its roles; others: invalid data": func(b *bundle) {
		b.open(b.engine.Enum...)
		row := person("jane")
		for _, row.Role = range []user.Role{user.Admin, user.Trainer, user.Client} {
			b.put(row)
			if got, err := b.db.Get(b.Context(), row.ID); err != nil || got.Role != row.Role {
				b.Errorf("role %q, error %v; want %q", got.Role, err, row.Role)
			}
		}
		other := person("john")
		other.Role = "canary"
		b.wantInvalidData(other, "")
	},
	"a role that violates a foreign key: invalid data": func(b *bundle) {
		b.open("CREATE TABLE roles (name text PRIMARY KEY)", "INSERT INTO roles VALUES ('client')",
			strings.TrimSuffix(b.engine.Table, ")")+", FOREIGN KEY (role) REFERENCES roles (name))")
		b.put(person("jane"))
		other := person("john")
		other.Role = user.Admin
		b.wantInvalidData(other, "")
	},
	"another unique index of the application: invalid data, not email taken": func(b *bundle) {
		b.open()
		b.raw.Exec("CREATE UNIQUE INDEX users_phone ON users (phone)")
		b.put(person("jane"))
		other := person("john")
		other.Phone = person("jane").Phone
		b.wantInvalidData(other, "phone")
	},
	"Get returns an unknown role unchanged": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		b.raw.Exec("UPDATE users SET role = 'owner'")
		if got, err := b.db.Get(b.Context(), "user_jane"); err != nil || got.Role != "owner" {
			b.Errorf("role %q, error %v; want owner", got.Role, err)
		}
	},
}

// runClocks writes rows with every type of time column, combined with another type.
func (e Engine) runClocks(t *testing.T) {
	for i, created := range e.Clocks {
		updated := e.Clocks[(i+1)%len(e.Clocks)]
		t.Run("times in "+created+" and "+updated, func(t *testing.T) {
			t.Parallel()
			b := &bundle{T: t, engine: e}
			table := b.varied(e.Table, "created_at "+e.Clock, "created_at "+created)
			b.open(b.varied(table, "updated_at "+e.Clock, "updated_at "+updated))
			b.put(person("jane"))
			b.put(person("john"))
			b.put(at("jane", "new"), move("john", "john@canary.example", "other"))
			b.wantTimes("user_jane")
			b.wantTimes("user_john")
		})
	}
}

// wantTimes fails unless the row has the times of [person] and of now.
func (b *bundle) wantTimes(id user.ID) {
	b.Helper()
	row := b.raw.Row(id)
	got := []any{row["created_at"], row["updated_at"]}
	if diff := cmp.Diff([]any{int64(1_700_000_000), int64(1_750_000_000)}, got); diff != "" {
		b.Errorf("times of %s (-want +got):\n%s", id, diff)
	}
	read, err := b.db.Get(b.Context(), id)
	if err != nil || !read.CreatedAt.Equal(time.Unix(1_700_000_000, 0)) {
		b.Errorf("read created_at %s of %s, error %v", read.CreatedAt, id, err)
	}
}

// runAnyCase tests that the index, not the store, decides which addresses are equal.
func (e Engine) runAnyCase(t *testing.T) {
	for name, ddl := range e.AnyCase {
		open := func(t *testing.T) *bundle {
			t.Parallel()
			b := (&bundle{T: t, engine: e}).open(ddl...)
			b.put(at("jane", "jane@canary.example"))
			b.put(at("john", "john@canary.example"))
			return b
		}
		t.Run("case-insensitive by "+name+": email taken", func(t *testing.T) {
			b := open(t)
			b.wantEmailTaken(Put(t.Context(), b.db, at("jane", "John@Canary.example"), nil), "user_jane", "user_john")
			b.wantEmailTaken(Put(t.Context(), b.db, at("new", "JANE@canary.example"), nil), "user_new", "user_jane")
		})
		t.Run("case-insensitive by "+name+": a row changes the case of its own address", func(t *testing.T) {
			b := open(t)
			b.put(at("jane", "Jane@Canary.Example"))
			if got := b.raw.Column("user_jane", "email"); got != "Jane@Canary.Example" {
				t.Errorf("email is %v", got)
			}
		})
		t.Run("case-insensitive by "+name+": two rows exchange addresses", func(t *testing.T) {
			b := open(t)
			b.put(at("jane", "John@canary.example"), move("john", "john@canary.example", "Jane@canary.example"))
			b.wantEmails(map[string]string{"user_jane": "John@canary.example", "user_john": "Jane@canary.example"})
		})
	}
}

package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

var rowTests = map[string]func(*bundle){
	"Get of a missing row: not found": func(b *bundle) {
		b.open()
		_, err := b.db.Get(b.Context(), "user_nobody")
		b.wantError(err, store.ErrNotFound)
	},
	"Get returns the row of Put": func(b *bundle) {
		b.open()
		jane := person("jane")
		b.put(jane)
		got, err := b.db.Get(b.Context(), jane.ID)
		if err != nil {
			b.Fatalf("Get: %v", err)
		}
		if diff := cmp.Diff(jane, got); diff != "" {
			b.Errorf("row (-put +read):\n%s", diff)
		}
	},
	"every column is written, read, scanned and updated": func(b *bundle) {
		b.open()
		row := user.Row{ID: "user_jane", CreatedAt: person("jane").CreatedAt}
		for _, text := range []string{"first", "second"} {
			for _, column := range user.DefaultMapping().Columns {
				row.Set(column.From, text+" "+column.Name)
			}
			b.put(row)
			stored := b.raw.Row(row.ID)
			read, err := b.db.Get(b.Context(), row.ID)
			if err != nil {
				b.Fatalf("Get: %v", err)
			}
			page, _ := b.scan("", 1)
			for _, column := range user.DefaultMapping().Columns {
				want := text + " " + column.Name
				got := []any{stored[column.Name], read.Text(column.From), page[0].Text(column.From)}
				if diff := cmp.Diff([]any{want, want, want}, got); diff != "" {
					b.Errorf("%s in the table, by Get and by Scan (-want +got):\n%s", column.Name, diff)
				}
			}
		}
	},
	"Put of a new row writes owned columns, both times and the application's defaults": func(b *bundle) {
		b.open()
		b.raw.Exec("ALTER TABLE users ADD COLUMN plan text DEFAULT 'free'")
		jane := person("jane")
		b.put(jane)
		want := map[string]any{
			"id": "user_jane", "created_at": int64(1_700_000_000), "updated_at": int64(1_750_000_000), "password": nil, "plan": "free",
		}
		for _, column := range user.DefaultMapping().Columns {
			want[column.Name] = jane.Text(column.From)
		}
		if diff := cmp.Diff(want, b.raw.Row("user_jane")); diff != "" {
			b.Errorf("row (-want +got):\n%s", diff)
		}
	},
	"Put of an existing row writes only owned columns and updated_at": func(b *bundle) {
		b.open()
		b.raw.Exec("ALTER TABLE users ADD COLUMN plan text DEFAULT 'free'")
		jane := person("jane")
		b.put(jane)
		b.raw.Exec("UPDATE users SET password = 'secret', plan = 'gold'")
		want := b.raw.Row(jane.ID)

		jane.Email, jane.FirstName, jane.LastName = "new@canary.example", "New", "Name"
		jane.Phone, jane.Role = "+1 new", user.Admin
		jane.CreatedAt = jane.CreatedAt.AddDate(1, 0, 0)
		b.now.Add(60)
		b.put(jane)

		want["email"], want["first_name"], want["last_name"] = "new@canary.example", "New", "Name"
		want["phone"], want["role"], want["updated_at"] = "+1 new", "admin", int64(1_750_000_060)
		if diff := cmp.Diff(want, b.raw.Row(jane.ID)); diff != "" {
			b.Errorf("row (-want +got):\n%s", diff)
		}
	},
	"Put of an equal row changes only updated_at": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		want := b.raw.Row("user_jane")
		b.now.Add(1)
		b.put(person("jane"))
		want["updated_at"] = int64(1_750_000_001)
		if diff := cmp.Diff(want, b.raw.Row("user_jane")); diff != "" {
			b.Errorf("row (-want +got):\n%s", diff)
		}
	},
	"an empty phone is written as NULL": func(b *bundle) {
		b.open()
		jane := person("jane")
		b.put(jane)
		jane.Phone = ""
		b.put(jane)
		if got := b.raw.Column(jane.ID, "phone"); got != nil {
			b.Errorf("phone is %q, want NULL", got)
		}
	},
	"an empty phone in the table is read as empty": func(b *bundle) {
		b.open()
		jane := person("jane")
		b.put(jane)
		b.raw.Exec("UPDATE users SET phone = ''")
		if got, err := b.db.Get(b.Context(), jane.ID); err != nil || got.Phone != "" {
			b.Errorf("phone %q, error %v; want an empty one", got.Phone, err)
		}
	},
	"Put updates a row that the application inserted": func(b *bundle) {
		b.open()
		jane := person("jane")
		b.put(jane)
		b.raw.Exec("UPDATE users SET email = 'first@canary.example', password = 'secret'")
		b.put(jane)
		row := b.raw.Row(jane.ID)
		if row["email"] != jane.Email || row["password"] != "secret" {
			b.Errorf("email %v, password %v; want the store's and the application's", row["email"], row["password"])
		}
	},
	"ids that differ only in case are two users": func(b *bundle) {
		b.open()
		lower, upper := person("jane"), person("Jane")
		upper.Email = "other@canary.example"
		b.put(lower)
		b.put(upper)
		want := map[string]string{"user_jane": "jane@canary.example", "user_Jane": "other@canary.example"}
		if diff := cmp.Diff(want, b.emails()); diff != "" {
			b.Errorf("addresses (-want +got):\n%s", diff)
		}
	},
	"Put with the address of another row: email taken, no write": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		b.put(person("john"))
		want := b.raw.Row("user_jane")
		jane := person("jane")
		jane.Email, jane.Role = person("john").Email, user.Admin
		b.wantEmailTaken(Put(b.Context(), b.db, jane, nil), "user_jane", "user_john")
		if diff := cmp.Diff(want, b.raw.Row("user_jane")); diff != "" {
			b.Errorf("row (-before +after):\n%s", diff)
		}
	},
	"Put of a new row with the address of another row: email taken, no write": func(b *bundle) {
		b.open()
		b.put(person("john"))
		jane := person("jane")
		jane.Email = person("john").Email
		b.wantEmailTaken(Put(b.Context(), b.db, jane, nil), "user_jane", "user_john")
		if got := b.raw.Row("user_jane"); got != nil {
			b.Errorf("the row exists: %v", got)
		}
	},
	"Delete twice is not an error": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		for _, want := range []bool{true, false} {
			if removed, err := b.db.Delete(b.Context(), "user_jane"); err != nil || removed != want {
				b.Errorf("removed %t, error %v; want %t", removed, err, want)
			}
		}
		if got := b.raw.Row("user_jane"); got != nil {
			b.Errorf("the row exists: %v", got)
		}
	},
	"Delete keeps the other rows": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		b.put(person("john"))
		if _, err := b.db.Delete(b.Context(), "user_jane"); err != nil {
			b.Fatalf("Delete: %v", err)
		}
		if diff := cmp.Diff(map[string]string{"user_john": "john@canary.example"}, b.emails()); diff != "" {
			b.Errorf("addresses (-want +got):\n%s", diff)
		}
	},
	"Scan returns every row once": func(b *bundle) {
		b.open()
		want := map[user.ID]user.Row{}
		for i := range 7 {
			row := person(fmt.Sprint("number", i))
			b.put(row)
			row.CreatedAt = time.Time{} // not read
			want[row.ID] = row
		}
		got := map[user.ID]user.Row{}
		for page, after := b.scan("", 3); len(page) > 0; page, after = b.scan(after, 3) {
			for _, row := range page {
				if _, twice := got[row.ID]; twice {
					b.Fatalf("%s was returned twice", row.ID)
				}
				got[row.ID] = row
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			b.Errorf("rows (-want +got):\n%s", diff)
		}
	},
	"Scan returns rows with other ids than Clerk's and without phone": func(b *bundle) {
		b.open()
		jane := person("jane")
		jane.Phone = ""
		b.put(jane)
		b.raw.Exec("UPDATE users SET id = '0c9c-Legacy'")
		page, _ := b.scan("", 10)
		if len(page) != 1 || page[0].ID != "0c9c-Legacy" || page[0].Phone != "" {
			b.Errorf("got %v, want one row", page)
		}
	},
}

// scan reads one page. It also returns the id after which the next page starts.
func (b *bundle) scan(after user.ID, limit int) ([]user.Row, user.ID) {
	b.Helper()
	page, err := b.db.Scan(b.Context(), after, limit)
	if err != nil {
		b.Fatalf("Scan: %v", err)
	}
	if len(page) == 0 {
		return nil, after
	}
	return page, page[len(page)-1].ID
}

package storetest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// withEmails writes rows whose addresses are their names.
func (b *bundle) withEmails(names ...string) *bundle {
	b.Helper()
	b.open()
	for _, name := range names {
		b.put(at(name, name))
	}
	return b
}

// at returns the row of a person with another address.
func at(name, address string) user.Row {
	row := person(name)
	row.Email = address
	return row
}

func move(name, from, to string) store.Move {
	return store.Move{ID: person(name).ID, From: from, To: to}
}

func (b *bundle) wantEmails(want map[string]string) {
	b.Helper()
	if diff := cmp.Diff(want, b.emails()); diff != "" {
		b.Errorf("addresses (-want +got):\n%s", diff)
	}
}

var swapTests = map[string]func(*bundle){
	"two rows exchange addresses": func(b *bundle) {
		b.withEmails("a", "b")
		b.put(at("a", "b"), move("b", "b", "a"))
		b.wantEmails(map[string]string{"user_a": "b", "user_b": "a"})
	},
	"three rows exchange addresses in a ring": func(b *bundle) {
		b.withEmails("a", "b", "c")
		b.put(at("a", "b"), move("b", "b", "c"), move("c", "c", "a"))
		b.wantEmails(map[string]string{"user_a": "b", "user_b": "c", "user_c": "a"})
	},
	"three rows exchange addresses in the reverse ring": func(b *bundle) {
		b.withEmails("a", "b", "c")
		b.put(at("c", "b"), move("a", "a", "c"), move("b", "b", "a"))
		b.wantEmails(map[string]string{"user_a": "c", "user_b": "a", "user_c": "b"})
	},
	"a new row gets the address of an existing row": func(b *bundle) {
		b.withEmails("a", "b")
		b.put(at("new", "a"), move("a", "a", "b"), move("b", "b", "free"))
		b.wantEmails(map[string]string{"user_new": "a", "user_a": "b", "user_b": "free"})
	},
	"a moved row changes only email and updated_at": func(b *bundle) {
		b.withEmails("a", "b")
		b.raw.Exec("UPDATE users SET password = 'secret', role = 'trainer' WHERE id = 'user_b'")
		want := b.raw.Row("user_b")
		b.now.Add(60)
		b.put(at("a", "b"), move("b", "b", "a"))
		want["email"], want["updated_at"] = "a", int64(1_750_000_060)
		if diff := cmp.Diff(want, b.raw.Row("user_b")); diff != "" {
			b.Errorf("row (-want +got):\n%s", diff)
		}
	},
	"the row of the call is written completely": func(b *bundle) {
		b.withEmails("a", "b")
		promoted := at("a", "b")
		promoted.Role, promoted.Phone = user.Admin, ""
		b.put(promoted, move("b", "b", "a"))
		if row := b.raw.Row("user_a"); row["role"] != "admin" || row["phone"] != nil {
			b.Errorf("role %v, phone %v; want admin and NULL", row["role"], row["phone"])
		}
	},
	"a move from an outdated address: conflict": func(b *bundle) {
		b.withEmails("a", "b", "c")
		err := Put(b.Context(), b.db, at("a", "b"), []store.Move{move("b", "elsewhere", "a")})
		b.wantError(err, store.ErrConflict)
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b", "user_c": "c"})
	},
	"a move of a deleted row: conflict": func(b *bundle) {
		b.withEmails("a", "b")
		moves := []store.Move{move("b", "b", "a"), move("deleted", "deleted", "x")}
		b.wantError(Put(b.Context(), b.db, at("a", "b"), moves), store.ErrConflict)
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b"})
	},
	"a move to an address of another row: email taken": func(b *bundle) {
		b.withEmails("a", "b", "c")
		err := Put(b.Context(), b.db, at("a", "b"), []store.Move{move("b", "b", "c")})
		b.wantEmailTaken(err, "user_b", "user_c")
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b", "user_c": "c"})
	},
	"a new address of another row: email taken": func(b *bundle) {
		b.withEmails("a", "b", "c")
		err := Put(b.Context(), b.db, at("a", "c"), []store.Move{move("b", "b", "a")})
		b.wantEmailTaken(err, "user_a", "user_c")
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b", "user_c": "c"})
	},
	"two rows of one call with the same address: conflict": func(b *bundle) {
		b.withEmails("a", "b")
		err := Put(b.Context(), b.db, at("a", "free"), []store.Move{move("b", "b", "free")})
		b.wantError(err, store.ErrConflict)
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b"})
	},
}

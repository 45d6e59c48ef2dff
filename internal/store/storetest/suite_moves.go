package storetest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// inTown puts rows whose addresses are their names.
func (b *bundle) inTown(names ...string) *bundle {
	b.Helper()
	b.open()
	for _, name := range names {
		b.put(at(name, name))
	}
	return b
}

// at is the person with another's address.
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

var moveTests = map[string]func(*bundle){
	"two rows exchange their addresses": func(b *bundle) {
		b.inTown("a", "b")
		b.put(at("a", "b"), move("b", "b", "a"))
		b.wantEmails(map[string]string{"user_a": "b", "user_b": "a"})
	},
	"three rows pass theirs round": func(b *bundle) {
		b.inTown("a", "b", "c")
		b.put(at("a", "b"), move("b", "b", "c"), move("c", "c", "a"))
		b.wantEmails(map[string]string{"user_a": "b", "user_b": "c", "user_c": "a"})
	},
	"round the other way, in another order": func(b *bundle) {
		b.inTown("a", "b", "c")
		b.put(at("c", "b"), move("a", "a", "c"), move("b", "b", "a"))
		b.wantEmails(map[string]string{"user_a": "c", "user_b": "a", "user_c": "b"})
	},
	"a new row is handed an address, whose holder is handed another's": func(b *bundle) {
		b.inTown("a", "b")
		b.put(at("new", "a"), move("a", "a", "b"), move("b", "b", "free"))
		b.wantEmails(map[string]string{"user_new": "a", "user_a": "b", "user_b": "free"})
	},
	"of a row that moves, only email and updated_at change": func(b *bundle) {
		b.inTown("a", "b")
		b.raw.Exec("UPDATE users SET password = 'secret', role = 'trainer' WHERE id = 'user_b'")
		want := b.raw.Row("user_b")
		b.now.Add(60)
		b.put(at("a", "b"), move("b", "b", "a"))
		want["email"], want["updated_at"] = "a", int64(1_750_000_060)
		if diff := cmp.Diff(want, b.raw.Row("user_b")); diff != "" {
			b.Errorf("row (-want +got):\n%s", diff)
		}
	},
	"the row of the call is written whole": func(b *bundle) {
		b.inTown("a", "b")
		promoted := at("a", "b")
		promoted.Role, promoted.Phone = user.Admin, ""
		b.put(promoted, move("b", "b", "a"))
		if row := b.raw.Row("user_a"); row["role"] != "admin" || row["phone"] != nil {
			b.Errorf("role %v, phone %v; want admin and NULL", row["role"], row["phone"])
		}
	},
	"a move from an address that its row no longer holds is a conflict": func(b *bundle) {
		b.inTown("a", "b", "c")
		err := b.db.Put(b.Context(), at("a", "b"), []store.Move{move("b", "elsewhere", "a")})
		b.wants(err, store.ErrConflict)
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b", "user_c": "c"})
	},
	"so is a move of a row that is gone": func(b *bundle) {
		b.inTown("a", "b")
		moves := []store.Move{move("b", "b", "a"), move("gone", "gone", "x")}
		b.wants(b.db.Put(b.Context(), at("a", "b"), moves), store.ErrConflict)
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b"})
	},
	"a move to an address that a row outside of the call holds is refused, naming both": func(b *bundle) {
		b.inTown("a", "b", "c")
		err := b.db.Put(b.Context(), at("a", "b"), []store.Move{move("b", "b", "c")})
		b.taken(err, "user_b", "user_c")
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b", "user_c": "c"})
	},
	"a row's new address that a row outside of the call holds is refused": func(b *bundle) {
		b.inTown("a", "b", "c")
		err := b.db.Put(b.Context(), at("a", "c"), []store.Move{move("b", "b", "a")})
		b.taken(err, "user_a", "user_c")
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b", "user_c": "c"})
	},
	"two rows of one call that want the same address are a conflict": func(b *bundle) {
		b.inTown("a", "b")
		err := b.db.Put(b.Context(), at("a", "free"), []store.Move{move("b", "b", "free")})
		b.wants(err, store.ErrConflict)
		b.wantEmails(map[string]string{"user_a": "a", "user_b": "b"})
	},
}

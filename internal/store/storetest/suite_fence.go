package storetest

import (
	"errors"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
)

var errForbidden = errors.New("writes are not allowed")

var fenceTests = map[string]func(*bundle){
	"a forbidden write changes no row, and reads continue": func(b *bundle) {
		b.withEmails("a", "b")
		before := b.raw.Query("SELECT * FROM users ORDER BY id")
		db := b.another(store.Options{BeforeWrite: func() error { return errForbidden }})
		b.wantError(Put(b.Context(), db, at("a", "elsewhere"), nil), errForbidden)
		b.wantError(Put(b.Context(), db, at("c", "c"), nil), errForbidden)
		b.wantError(Put(b.Context(), db, at("a", "b"), []store.Move{move("b", "b", "a")}), errForbidden)
		_, err := db.Delete(b.Context(), person("a").ID)
		b.wantError(err, errForbidden)
		if diff := cmp.Diff(before, b.raw.Query("SELECT * FROM users ORDER BY id")); diff != "" {
			b.Errorf("the table has changed (-before +after):\n%s", diff)
		}
		_, err = db.Get(b.Context(), person("a").ID)
		if rows, scanErr := db.Scan(b.Context(), "", 10); len(rows) != 2 || errors.Join(err, scanErr, db.Check(b.Context())) != nil {
			b.Errorf("read %d rows, %v, %v", len(rows), err, scanErr)
		}
	},
	"BeforeWrite runs after the wait for a slot": func(b *bundle) {
		b.open()
		began, proceed := make(chan struct{}), make(chan struct{})
		var calls atomic.Int32
		db := b.another(store.Options{MaxConns: 1, BeforeWrite: func() error {
			if calls.Add(1) > 1 {
				return errForbidden
			}
			close(began)
			<-proceed
			return nil
		}})
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- Put(b.Context(), db, person("jane"), nil) }()
		select {
		case <-began: // the first write has the only slot
		case err := <-first:
			b.Fatalf("BeforeWrite did not run: %v", err)
		}
		go func() { second <- Put(b.Context(), db, person("joe"), nil) }()
		close(proceed)
		if err := <-first; err != nil {
			b.Errorf("the write that was allowed: %v", err)
		}
		b.wantError(<-second, errForbidden)
		if b.raw.Row("user_jane") == nil || b.raw.Row("user_joe") != nil {
			b.Error("want only the row of Jane")
		}
	},
}

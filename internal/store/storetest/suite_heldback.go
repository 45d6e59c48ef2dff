package storetest

import (
	"errors"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
)

var errForbidden = errors.New("not any more")

var heldBackTests = map[string]func(*bundle){
	"a write that is forbidden changes nothing, and reading goes on": func(b *bundle) {
		b.inTown("a", "b")
		before := b.raw.Query("SELECT * FROM users ORDER BY id")
		db := b.another(store.Options{BeforeWrite: func() error { return errForbidden }})
		b.wants(db.Put(b.Context(), at("a", "elsewhere"), nil), errForbidden)
		b.wants(db.Put(b.Context(), at("c", "c"), nil), errForbidden)
		b.wants(db.Put(b.Context(), at("a", "b"), []store.Move{move("b", "b", "a")}), errForbidden)
		_, err := db.Delete(b.Context(), person("a").ID)
		b.wants(err, errForbidden)
		if diff := cmp.Diff(before, b.raw.Query("SELECT * FROM users ORDER BY id")); diff != "" {
			b.Errorf("the table has changed (-before +after):\n%s", diff)
		}
		_, err = db.Get(b.Context(), person("a").ID)
		if rows, scanErr := db.Scan(b.Context(), "", 10); len(rows) != 2 || errors.Join(err, scanErr, db.Check(b.Context())) != nil {
			b.Errorf("read %d rows, %v, %v", len(rows), err, scanErr)
		}
	},
	"what forbids a write is asked after the wait for its turn": func(b *bundle) {
		b.open()
		began, forbid := make(chan struct{}), make(chan struct{})
		var asked atomic.Int32
		db := b.another(store.Options{MaxConns: 1, BeforeWrite: func() error {
			if asked.Add(1) > 1 {
				return errForbidden
			}
			close(began)
			<-forbid
			return nil
		}})
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- db.Put(b.Context(), person("jane"), nil) }()
		select {
		case <-began: // it has the only turn
		case err := <-first:
			b.Fatalf("nobody was asked: %v", err)
		}
		go func() { second <- db.Put(b.Context(), person("joe"), nil) }()
		close(forbid)
		if err := <-first; err != nil {
			b.Errorf("the write that was allowed: %v", err)
		}
		b.wants(<-second, errForbidden)
		if b.raw.Row("user_jane") == nil || b.raw.Row("user_joe") != nil {
			b.Error("want the row of Jane, and of nobody else")
		}
	},
}

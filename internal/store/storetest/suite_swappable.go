package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// second creates another database of the engine, and a store on it.
func (b *bundle) second(ddl ...string) *bundle {
	b.Helper()
	return (&bundle{T: b.T, engine: b.engine}).open(ddl...)
}

var swappableTests = map[string]func(*bundle){
	"Replace: calls go to the second database": func(b *bundle) {
		b.open()
		next := b.second()
		current := store.NewSwappable(b.db)
		if err := current.Replace(b.Context(), next.db); err != nil {
			b.Fatalf("Replace: %v", err)
		}
		if err := Put(b.Context(), current, person("jane"), nil); err != nil {
			b.Fatalf("Put: %v", err)
		}
		if b.raw.Row("user_jane") != nil || next.raw.Row("user_jane") == nil {
			b.Error("the row is not in the second database alone")
		}
		_, err := b.db.Get(b.Context(), "user_jane")
		b.wantError(err, store.ErrUnavailable) // it is closed
	},
	"Replace with an unusable table keeps the first database": func(b *bundle) {
		b.open()
		next := b.second("CREATE TABLE other (id text)")
		current := store.NewSwappable(b.db)
		if err := current.Replace(b.Context(), next.db); !errors.As(err, new(*store.SchemaError)) {
			b.Fatalf("got error %v, want a SchemaError", err)
		}
		if err := Put(b.Context(), current, person("jane"), nil); err != nil {
			b.Fatalf("Put: %v", err)
		}
		_, err := current.Get(b.Context(), "user_jane")
		if err != nil || b.raw.Row("user_jane") == nil {
			b.Errorf("the first database is no longer used: %v", err)
		}
		_, err = next.db.Get(b.Context(), "user_jane")
		b.wantError(err, store.ErrUnavailable) // it is closed
	},
	"Replace waits for a hanging call only until its context ends": func(b *bundle) {
		b.open()
		began, release := make(chan struct{}), make(chan struct{})
		current := store.NewSwappable(b.another(store.Options{BeforeWrite: func() error {
			close(began)
			<-release
			return nil
		}}))
		written, replaced := make(chan error, 1), make(chan error, 1)
		go func() { written <- Put(b.Context(), current, person("jane"), nil) }()
		select {
		case <-began:
		case err := <-written:
			b.Fatalf("the write did not reach BeforeWrite: %v", err)
		}
		next := b.second()
		next.put(person("joe"))
		ctx, cancelReplace := context.WithCancel(b.Context())
		go func() { replaced <- current.Replace(ctx, next.db) }()
		eventually.Holds(b, "calls go to the second database", func() bool {
			short, cancel := context.WithTimeout(b.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := current.Get(short, "user_joe")
			return err == nil
		})
		cancelReplace()
		select {
		case err := <-replaced:
			if err != nil {
				b.Errorf("Replace returned an error for a database that is in use: %v", err)
			}
		case <-time.After(time.Minute):
			b.Error("Replace does not return")
		}
		close(release)
		b.wantError(<-written, store.ErrUnavailable) // Replace closed the first database during the call
		if b.raw.Row("user_jane") != nil {
			b.Error("the row is in the first database")
		}
	},
	"calls continue while databases are replaced": func(b *bundle) {
		b.open()
		current := store.NewSwappable(b.db)
		var all sync.WaitGroup
		all.Go(func() {
			for range rounds {
				if err := current.Replace(b.Context(), b.another(store.Options{})); err != nil {
					b.Errorf("Replace: %v", err)
				}
			}
		})
		concurrently(func(int) {
			for range rounds {
				if err := Put(b.Context(), current, person("jane"), nil); err != nil {
					b.Errorf("Put: %v", err)
				}
				if _, err := current.Get(b.Context(), "user_jane"); err != nil {
					b.Errorf("Get: %v", err)
				}
			}
		})
		all.Wait()
		if removed, err := current.Delete(b.Context(), "user_jane"); err != nil || !removed {
			b.Errorf("removed %t, error %v", removed, err)
		}
		if err := errors.Join(current.Check(b.Context()), current.Close()); err != nil {
			b.Error(err)
		}
	},
}

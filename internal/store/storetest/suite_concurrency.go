package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
)

const (
	workers = 20
	rounds  = 10
)

// concurrently runs work in many goroutines and waits for them.
func concurrently(work func(worker int)) {
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() { work(worker) })
	}
	all.Wait()
}

// swap exchanges the addresses of two users as a reconcile does: it reads both and writes each with the other address.
func (b *bundle) swap(one, other string) error {
	first, err := b.db.Get(b.Context(), person(one).ID)
	if err != nil {
		return err
	}
	second, err := b.db.Get(b.Context(), person(other).ID)
	if err != nil {
		return err
	}
	return Put(b.Context(), b.db, at(one, second.Email), []store.Move{move(other, second.Email, first.Email)})
}

var concurrencyTests = map[string]func(*bundle){
	"concurrent writes of many rows": func(b *bundle) {
		b.open()
		concurrently(func(worker int) {
			for round := range rounds {
				row := person(fmt.Sprintf("%dx%d", worker, round))
				if err := Put(b.Context(), b.db, row, nil); err != nil {
					b.Errorf("Put: %v", err)
				}
			}
		})
		if got := len(b.emails()); got != workers*rounds {
			b.Errorf("%d rows, want %d", got, workers*rounds)
		}
	},
	"concurrent inserts of one row leave one row": func(b *bundle) {
		b.open()
		concurrently(func(worker int) {
			row := person("jane")
			row.FirstName = fmt.Sprint("writer ", worker)
			if err := Put(b.Context(), b.db, row, nil); err != nil {
				b.Errorf("Put: %v", err)
			}
		})
		b.wantEmails(map[string]string{"user_jane": "jane@canary.example"})
	},
	"a concurrent insert by the application is not an error": func(b *bundle) {
		b.open()
		time := b.engine.timeOf(1_600_000_000)
		insert := fmt.Sprintf(b.engine.InsertIfAbsent, "id, email, first_name, last_name, password, created_at, updated_at",
			"$1, $2, '', '', 'secret', "+time+", "+time)
		concurrently(func(worker int) {
			row := person(fmt.Sprint("jane", worker/2))
			if worker%2 == 0 {
				b.raw.Exec(insert, string(row.ID), row.Email)
				return
			}
			if err := Put(b.Context(), b.db, row, nil); err != nil {
				b.Errorf("Put: %v", err)
			}
		})
		for worker := range workers / 2 {
			row := person(fmt.Sprint("jane", worker))
			if got := b.raw.Column(row.ID, "first_name"); got != row.FirstName {
				b.Errorf("first name of %s is %q, want the store's", row.ID, got)
			}
		}
	},
	"opposite exchanges keep every address once": func(b *bundle) {
		names := []string{"a", "b", "c", "d"}
		b.withEmails(names...)
		concurrently(func(worker int) {
			first, second := names[worker%4], names[(worker+1+worker/4%3)%4]
			for range rounds {
				err := b.swap(first, second)
				var taken *store.EmailTakenError
				// The caller decided on rows that changed since; it would read again and decide again.
				if err != nil && !errors.Is(err, store.ErrConflict) && !errors.As(err, &taken) &&
					!errors.Is(err, store.ErrUnavailable) {
					b.Errorf("exchange of %s and %s: %v", first, second, err)
				}
			}
		})
		var held []string
		for _, email := range b.emails() {
			held = append(held, email)
		}
		slices.Sort(held)
		if diff := cmp.Diff(names, held); diff != "" {
			b.Errorf("addresses held (-want +got):\n%s", diff)
		}
	},
	"an exchange shows no intermediate state": func(b *bundle) {
		b.withEmails("a", "b")
		watcher := OpenRaw(b, b.url)
		done := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			defer close(done)
			for range rounds * 3 {
				if err := b.swap("a", "b"); err != nil {
					b.Errorf("exchange: %v", err)
				}
			}
		})
		for watching := true; watching; {
			select {
			case <-done:
				watching = false
			default:
			}
			seen := watcher.Query("SELECT email FROM users ORDER BY email")
			if diff := cmp.Diff([]map[string]any{{"email": "a"}, {"email": "b"}}, seen); diff != "" {
				b.Errorf("addresses seen (-want +got):\n%s", diff)
			}
		}
		all.Wait()
	},
	"a locked row is limited by StatementTimeout": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		limited := b.another(store.Options{StatementTimeout: 200 * time.Millisecond})
		release := b.raw.Lock("user_jane")
		b.wantError(Put(b.Context(), limited, person("jane"), nil), store.ErrUnavailable)
		release()
		b.put(person("jane"))
	},
	"a cancelled call returns the reason of its context": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		defer b.raw.Lock("user_jane")()
		ctx, cancel := context.WithTimeout(b.Context(), 100*time.Millisecond)
		defer cancel()
		if err := Put(ctx, b.db, person("jane"), nil); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got error %v, want context.DeadlineExceeded", err)
		}
		cancelled, cancelNow := context.WithCancel(b.Context())
		cancelNow()
		if _, err := b.db.Get(cancelled, "user_jane"); !errors.Is(err, context.Canceled) {
			b.Errorf("got error %v, want context.Canceled", err)
		}
	},
}

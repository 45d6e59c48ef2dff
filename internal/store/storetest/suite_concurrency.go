package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
)

const (
	workers = 20
	rounds  = 10
)

// crowd runs work in many goroutines and waits for them.
func crowd(work func(worker int)) {
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() { work(worker) })
	}
	all.Wait()
}

// swap exchanges the addresses of a and b as a reconcile would: read both, write what the other holds.
func (b *bundle) swap(a, c string) error {
	first, err := b.db.Get(b.Context(), person(a).ID)
	if err != nil {
		return err
	}
	second, err := b.db.Get(b.Context(), person(c).ID)
	if err != nil {
		return err
	}
	return b.db.Put(b.Context(), at(a, second.Email), []store.Move{move(c, second.Email, first.Email)})
}

var concurrencyTests = map[string]func(*bundle){
	"many write many rows": func(b *bundle) {
		b.open()
		crowd(func(worker int) {
			for round := range rounds {
				row := person(fmt.Sprintf("%dx%d", worker, round))
				if err := b.db.Put(b.Context(), row, nil); err != nil {
					b.Errorf("Put: %v", err)
				}
			}
		})
		if got := len(b.emails()); got != workers*rounds {
			b.Errorf("%d rows, want %d", got, workers*rounds)
		}
	},
	"many insert the same row, and one row is there": func(b *bundle) {
		b.open()
		crowd(func(worker int) {
			row := person("jane")
			row.FirstName = fmt.Sprint("writer ", worker)
			if err := b.db.Put(b.Context(), row, nil); err != nil {
				b.Errorf("Put: %v", err)
			}
		})
		b.wantEmails(map[string]string{"user_jane": "jane@canary.example"})
	},
	"the application inserting the same row meanwhile is no error": func(b *bundle) {
		b.open()
		insert := strings.NewReplacer("$time", fmt.Sprint(b.engine.timeOf(1_600_000_000))).Replace(
			"INSERT INTO users (id, email, first_name, last_name, password, created_at, updated_at)" +
				" VALUES ($1, $2, '', '', 'secret', $time, $time) ON CONFLICT DO NOTHING")
		crowd(func(worker int) {
			row := person(fmt.Sprint("jane", worker/2))
			if worker%2 == 0 {
				b.raw.Exec(insert, string(row.ID), row.Email)
				return
			}
			if err := b.db.Put(b.Context(), row, nil); err != nil {
				b.Errorf("Put: %v", err)
			}
		})
		for worker := range workers / 2 {
			row := person(fmt.Sprint("jane", worker))
			if got := b.raw.Column(row.ID, "first_name"); got != row.FirstName {
				b.Errorf("first name of %s is %q, want ours", row.ID, got)
			}
		}
	},
	"opposing exchanges and plain writes end in a table that holds together": func(b *bundle) {
		names := []string{"a", "b", "c", "d"}
		b.inTown(names...)
		crowd(func(worker int) {
			first, second := names[worker%4], names[(worker+1+worker/4%3)%4]
			for range rounds {
				err := b.swap(first, second)
				var taken *store.EmailTakenError
				// Decided on what another has changed since: the caller reads and decides again.
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
	"nobody sees a state between": func(b *bundle) {
		b.inTown("a", "b")
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
	"a row that the application holds is waited for no longer than agreed": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		impatient := b.another(store.Options{StatementTimeout: 200 * time.Millisecond})
		release := b.raw.Lock("user_jane")
		b.wants(impatient.Put(b.Context(), person("jane"), nil), store.ErrUnavailable)
		release()
		b.put(person("jane"))
	},
	"a caller who gives up gets its own reason back": func(b *bundle) {
		b.open()
		b.put(person("jane"))
		defer b.raw.Lock("user_jane")()
		ctx, cancel := context.WithTimeout(b.Context(), 100*time.Millisecond)
		defer cancel()
		if err := b.db.Put(ctx, person("jane"), nil); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got error %v, want context.DeadlineExceeded", err)
		}
		gone, leave := context.WithCancel(b.Context())
		leave()
		if _, err := b.db.Get(gone, "user_jane"); !errors.Is(err, context.Canceled) {
			b.Errorf("got error %v, want context.Canceled", err)
		}
	},
}

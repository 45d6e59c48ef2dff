package controllers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/fitai/fituser-operator/internal/user"
)

// Deletions bounds how many rows are removed, and rights taken back because their FitUser was deleted, in one period,
// whatever caused them and however often the program starts anew. Whatever is over the limit waits for a person.
//
// A [period] decides. Deletions notes in the ConfigMap what follows, and only then acts on it: what could not be noted
// has not happened. Grants are noted before they are used, some at a time, so that a flood costs few writes; those noted
// and not used when the program ends count as used.
type Deletions struct {
	Notes  *Notes
	Max    MaxDeletions
	Period time.Duration
	// Users counts all users; the limit may be a share of it.
	Users    func() int
	Recorder events.EventRecorder
	Metrics  *Metrics
	Clock    clock.PassiveClock
	Log      logr.Logger

	mu      sync.Mutex
	loaded  bool
	period  period
	told    bool             // that deletions are held back in this period
	granted map[user.ID]bool // in this period, as long as there is a limit: that bounds it
	held    map[user.ID]bool // back, in this period
	due     map[user.ID]bool // to be tried again
	// holding is true while anybody is held back. Every look at a user asks for it, and must not wait for the ConfigMap.
	holding atomic.Bool
}

// Allow reports whether the deletion of id may happen now. A user counts once in a period, however often it is tried.
func (d *Deletions) Allow(ctx context.Context, id user.ID) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.turn(ctx); err != nil {
		return false, err
	}
	if d.granted[id] || d.period.lifted {
		return true, nil
	}
	if !d.period.open() {
		if _, err := d.note(ctx, d.period.more()); err != nil {
			return false, err
		}
	}
	if !d.period.open() {
		return false, d.hold(ctx, id)
	}
	d.period = d.period.use()
	d.granted[id] = true
	d.unhold(id)
	return true, nil
}

// Left is how many more deletions may happen in this period.
func (d *Deletions) Left(ctx context.Context) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.turn(ctx); err != nil {
		return 0, err
	}
	_, err := d.note(ctx, d.period) // for a person's word
	return d.period.left(), err
}

// Released gives the users that are to be tried again: those who are no longer held back, because a person said so or a
// new period has begun, and those whom an earlier process held back.
func (d *Deletions) Released(ctx context.Context) ([]user.ID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.turn(ctx); err != nil {
		return nil, err
	}
	if _, err := d.note(ctx, d.period.naming(describeHeld(d.held))); err != nil {
		return nil, err
	}
	released := slices.Collect(maps.Keys(d.due))
	d.due = map[user.ID]bool{}
	return released, nil
}

// Drop forgets a user that was held back and is no longer to go.
func (d *Deletions) Drop(id user.ID) {
	if !d.holding.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unhold(id)
}

// HoldBack holds back users without asking Clerk whether they are gone: more of them than may be deleted would have to be
// asked for. They are when they are let go.
func (d *Deletions) HoldBack(ctx context.Context, ids []user.ID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.turn(ctx); err != nil || len(ids) == 0 {
		return err
	}
	return d.hold(ctx, ids...)
}

// turn begins a new period when the last one is over. A program that has just started goes on with the one that is noted.
func (d *Deletions) turn(ctx context.Context) error {
	if !d.loaded {
		if err := d.load(ctx); err != nil {
			return err
		}
	}
	if d.period.over(d.Clock.Now(), d.Period) {
		return d.begin(ctx)
	}
	return nil
}

// load goes on where an earlier process ended. Those whom it held back are tried again as well: they may be back in Clerk
// since, and have been looked at before it was known here that they are held.
func (d *Deletions) load(ctx context.Context) error {
	notes, err := d.Notes.read(ctx)
	if err != nil {
		return err
	}
	d.period = notedPeriod(notes)
	d.period.limit = d.Max.of(d.Users())
	d.granted, d.held = map[user.ID]bool{}, namedHeld(d.period.names)
	d.due = maps.Clone(d.held)
	d.count()
	d.loaded = true
	return nil
}

// begin begins a period. What is noted of the last one goes when this one notes its first grant, or now if there is
// anything that a person would take for news.
func (d *Deletions) begin(ctx context.Context) error {
	next := period{start: d.Clock.Now(), limit: d.Max.of(d.Users())}
	_, err := d.Notes.update(ctx, func(notes *corev1.ConfigMap) bool {
		if !d.period.end(notes) {
			return false
		}
		next.write(notes)
		return true
	})
	if err != nil {
		return err
	}
	d.period, d.granted, d.told = next, map[user.ID]bool{}, false
	d.release()
	return nil
}

// note writes the next state of the period into the ConfigMap, if it is another, and then goes on with it. A person's word
// that it finds there comes first: then the limit is lifted instead.
func (d *Deletions) note(ctx context.Context, next period) (*corev1.ConfigMap, error) {
	var decided period
	notes, err := d.Notes.update(ctx, func(notes *corev1.ConfigMap) bool {
		if decided = next; saysAllow(notes) {
			decided = d.period.lift()
		}
		if decided == d.period && decided.names == notes.Data[DeletionsHeldKey] {
			return false
		}
		decided.write(notes)
		return true
	})
	if err != nil {
		return nil, err
	}
	lifted := decided.lifted && !d.period.lifted
	if d.period = decided; lifted {
		d.Log.Info("A person has lifted the limit of deletions for this period", "until", d.period.start.Add(d.Period))
		d.release()
	}
	return notes, nil
}

// hold remembers who is held back, and says so: at once for the first of a period, and then now and again. If a person's
// word comes first, they are to be tried again instead.
func (d *Deletions) hold(ctx context.Context, ids ...user.ID) error {
	if !d.period.lifted && d.worthNaming(ids) {
		notes, err := d.note(ctx, d.period.naming(describeHeld(d.held, ids...)))
		if err != nil {
			return err
		}
		if !d.period.lifted {
			d.tell(notes)
		}
	}
	for _, id := range ids {
		d.held[id] = true
	}
	if d.period.lifted {
		d.release()
	}
	d.count()
	return nil
}

// worthNaming reports whether it is worth a write that these are held back as well.
func (d *Deletions) worthNaming(ids []user.ID) bool {
	if !d.told || len(ids) > 1 {
		return true
	}
	number := len(d.held) + 1
	return !d.held[ids[0]] && (number <= maxNamed || number%maxNamed == 0)
}

// tell tells once in a period that deletions are held back.
func (d *Deletions) tell(notes *corev1.ConfigMap) {
	if d.told {
		return
	}
	d.told = true
	d.Log.Info("Deletions are held back", "limit", d.period.limit, "period", d.Period,
		"release", "kubectl annotate configmap "+ConfigMapName+" "+AnnotationAllowDeletions+"=true")
	d.Recorder.Eventf(notes, nil, corev1.EventTypeWarning, "DeletionsDeferred", "HoldBack",
		"more than %d deletions in %s; the rest waits: %s names them, the annotation %s: \"true\" lets them go",
		d.period.limit, d.Period, DeletionsHeldKey, AnnotationAllowDeletions)
}

// release lets go all that are held back: they are to be tried again.
func (d *Deletions) release() {
	maps.Copy(d.due, d.held)
	d.held = map[user.ID]bool{}
	d.count()
}

// unhold forgets that a user is held back. The ConfigMap names them until [Deletions.Released] has looked again.
func (d *Deletions) unhold(id user.ID) {
	if d.held[id] {
		delete(d.held, id)
		d.count()
	}
}

// count makes known how many are held back.
func (d *Deletions) count() {
	d.Metrics.deletionsHeld.Set(float64(len(d.held)))
	d.holding.Store(len(d.held) > 0)
}

package controllers

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
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
// Grants are noted in the ConfigMap before they are used, some at a time, so that a flood costs few writes; those noted
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
	start   time.Time // of the period
	limit   int
	noted   int  // grants in the ConfigMap
	used    int  // of those, used
	allowed bool // a person has lifted the limit for this period
	granted map[user.ID]bool
	held    map[user.ID]bool
	due     map[user.ID]bool // no longer held back, and not yet tried again
}

// Allow reports whether the deletion of id may happen now. A user counts once in a period, however often it is tried.
func (d *Deletions) Allow(ctx context.Context, id user.ID) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.turn(ctx); err != nil {
		return false, err
	}
	if d.granted[id] {
		return true, nil
	}
	if d.used >= d.noted && !d.allowed {
		if err := d.noteMore(ctx); err != nil {
			return false, err
		}
	}
	if d.used >= d.noted && !d.allowed {
		return false, d.hold(ctx, id)
	}
	d.used++
	d.granted[id] = true
	delete(d.held, id)
	return true, nil
}

// Left is how many more deletions may happen in this period.
func (d *Deletions) Left(ctx context.Context) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.turn(ctx); err != nil {
		return 0, err
	}
	if d.allowed {
		return math.MaxInt, nil
	}
	return max(0, d.limit-d.used), nil
}

// Released gives the users that were held back and no longer are, because a person said so or a new period has begun.
func (d *Deletions) Released(ctx context.Context) ([]user.ID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.turn(ctx); err != nil {
		return nil, err
	}
	notes, err := d.Notes.read(ctx)
	if err != nil {
		return nil, err
	}
	if d.heed(notes); d.allowed && len(d.held) > 0 {
		d.letGo()
		if err := d.unname(ctx); err != nil {
			return nil, err
		}
	}
	released := slices.Collect(maps.Keys(d.due))
	d.due = nil
	return released, nil
}

// Drop forgets a user that was held back and is no longer to go.
func (d *Deletions) Drop(id user.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held[id] {
		delete(d.held, id)
		d.Metrics.deletionsHeld.Set(float64(len(d.held)))
	}
}

// letGo makes all that are held back due.
func (d *Deletions) letGo() {
	if d.due == nil {
		d.due = map[user.ID]bool{}
	}
	maps.Copy(d.due, d.held)
	d.held = map[user.ID]bool{}
	d.Metrics.deletionsHeld.Set(0)
}

// turn begins a new period when the last one is over. A program that has just started takes over the one that is noted.
func (d *Deletions) turn(ctx context.Context) error {
	if !d.loaded {
		notes, err := d.Notes.read(ctx)
		if err != nil {
			return err
		}
		d.take(notes)
		d.loaded, d.granted, d.held = true, map[user.ID]bool{}, map[user.ID]bool{}
	}
	if now := d.Clock.Now(); now.Before(d.start.Add(d.Period)) {
		return nil
	}
	return d.begin(ctx)
}

// begin begins a period. What the last one noted goes when this one notes its first grant, or now if there is anything
// that a person would take for news.
func (d *Deletions) begin(ctx context.Context) error {
	wasAllowed := d.allowed
	d.start, d.noted, d.used, d.allowed = d.Clock.Now(), 0, 0, false
	d.granted = map[user.ID]bool{}
	d.limit = d.Max.of(d.Users())
	d.letGo()
	if wasAllowed {
		return d.unname(ctx, AnnotationAllowDeletions)
	}
	return d.unname(ctx)
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

// hold remembers who is held back, and says so: at once for the first of a period, and then now and again.
func (d *Deletions) hold(ctx context.Context, ids ...user.ID) error {
	first := len(d.held) == 0
	for _, id := range ids {
		d.held[id] = true
	}
	d.Metrics.deletionsHeld.Set(float64(len(d.held)))
	if len(ids) == 1 && len(d.held) > maxNamed && len(d.held)%maxNamed != 0 {
		return nil
	}
	notes, err := d.Notes.update(ctx, func(notes *corev1.ConfigMap) bool {
		held := d.describeHeld()
		changed := notes.Data[DeletionsHeldKey] != held
		notes.Data[DeletionsHeldKey] = held
		d.write(notes, d.noted)
		return changed
	})
	if err != nil || !first {
		return err
	}
	d.Log.Info("Deletions are held back", "limit", d.limit, "period", d.Period,
		"release", "kubectl annotate configmap "+ConfigMapName+" "+AnnotationAllowDeletions+"=true")
	d.Recorder.Eventf(notes, nil, corev1.EventTypeWarning, "DeletionsHeldBack", "HoldBack",
		"more than %d deletions in %s; the rest waits: %s names them, the annotation %s: \"true\" lets them go",
		d.limit, d.Period, DeletionsHeldKey, AnnotationAllowDeletions)
	return nil
}

package controllers

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/fitai/fituser-operator/internal/user"
)

// What [Deletions] keeps in [Notes].
const (
	// AnnotationAllowDeletions, set to "true" on the ConfigMap by a person, lifts the limit for one period. It is removed
	// with the period.
	AnnotationAllowDeletions = "identity.fitai.dev/allow-deletions"

	deletionsPeriodKey  = "deletionsPeriodStart" // RFC 3339
	deletionsGrantedKey = "deletionsGranted"
	deletionsHeldKey    = "deletionsHeldBack"

	// maxNamed bounds how many of those held back are named in the ConfigMap; the rest are counted.
	maxNamed = 100
)

// MaxDeletions is a number of users, or a share of all: "50" or "10%".
type MaxDeletions struct {
	number int
	share  float64
}

// ParseMaxDeletions reads a number or a share. Empty is the default: ten, or a tenth of all users if that is more.
func ParseMaxDeletions(s string) (MaxDeletions, error) {
	if s == "" {
		return MaxDeletions{number: 10, share: 0.1}, nil
	}
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		value, err := strconv.ParseFloat(percent, 64)
		if err != nil || value < 0 || value > 100 || math.IsNaN(value) {
			return MaxDeletions{}, fmt.Errorf("%q is no share: want 0%% to 100%%", s)
		}
		return MaxDeletions{share: value / 100}, nil
	}
	number, err := strconv.Atoi(s)
	if err != nil || number < 0 {
		return MaxDeletions{}, fmt.Errorf("%q is neither a number nor a share: want such as 50 or 10%%", s)
	}
	return MaxDeletions{number: number}, nil
}

// of is the limit where there are so many users.
func (m MaxDeletions) of(users int) int { return max(m.number, int(m.share*float64(users))) }

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
	if len(d.held) == 0 && len(d.due) == 0 && !d.allowed {
		return nil, nil
	}
	if err := d.turn(ctx); err != nil {
		return nil, err
	}
	if len(d.held) > 0 && !d.allowed {
		if err := d.noteMore(ctx); err != nil { // which looks for a person's word
			return nil, err
		}
	}
	if d.allowed {
		d.letGo()
	}
	released := slices.Collect(maps.Keys(d.due))
	d.due = nil
	return released, nil
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
	if !wasAllowed && len(d.held) == 0 {
		return nil
	}
	d.letGo()
	_, err := d.Notes.update(ctx, func(notes *corev1.ConfigMap) bool {
		if wasAllowed {
			delete(notes.Annotations, AnnotationAllowDeletions)
		}
		delete(notes.Data, deletionsHeldKey)
		d.write(notes, d.noted)
		return true
	})
	return err
}

// noteMore notes some more grants, up to the limit, and looks whether a person has lifted it.
func (d *Deletions) noteMore(ctx context.Context) error {
	more := d.noted + max(0, min(d.limit-d.noted, max(1, d.limit/10)))
	notes, err := d.Notes.update(ctx, func(notes *corev1.ConfigMap) bool {
		if more <= d.noted || notes.Annotations[AnnotationAllowDeletions] == "true" {
			return false
		}
		d.write(notes, more)
		return true
	})
	if err != nil {
		return err
	}
	if notes.Annotations[AnnotationAllowDeletions] != "true" {
		d.noted = more
	} else {
		d.allowed = true
		d.Log.Info("A person has lifted the limit of deletions for this period", "period", d.Period)
	}
	return nil
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
		changed := notes.Data[deletionsHeldKey] != held
		notes.Data[deletionsHeldKey] = held
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
		d.limit, d.Period, deletionsHeldKey, AnnotationAllowDeletions)
	return nil
}

func (d *Deletions) describeHeld() string {
	ids := make([]string, 0, len(d.held))
	for id := range d.held {
		ids = append(ids, string(id))
	}
	slices.Sort(ids)
	named := ids[:min(len(ids), maxNamed)]
	text := fmt.Sprintf("%d: %s", len(ids), strings.Join(named, " "))
	if len(named) < len(ids) {
		text += " …"
	}
	return text
}

func (d *Deletions) write(notes *corev1.ConfigMap, granted int) {
	notes.Data[deletionsPeriodKey] = d.start.UTC().Format(time.RFC3339)
	notes.Data[deletionsGrantedKey] = strconv.Itoa(granted)
}

func (d *Deletions) take(notes *corev1.ConfigMap) {
	start, err := time.Parse(time.RFC3339, notes.Data[deletionsPeriodKey])
	if err != nil {
		return // nothing noted: the first deletion begins a period
	}
	d.start = start
	d.noted, _ = strconv.Atoi(notes.Data[deletionsGrantedKey]) // garbage counts as none
	d.used = d.noted
	d.limit = d.Max.of(d.Users())
	d.allowed = notes.Annotations[AnnotationAllowDeletions] == "true"
}

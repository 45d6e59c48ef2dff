package controllers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// What [Deletions] keeps in [Notes].
const (
	// AnnotationAllowDeletions, set to "true" on the ConfigMap by a person, lifts the limit for one period. It is removed
	// with the period.
	AnnotationAllowDeletions = "identity.fitai.dev/allow-deletions"

	// DeletionsPeriodKey is when the period began that was last noted, in RFC 3339.
	DeletionsPeriodKey = "deletionsPeriodStart"
	// DeletionsGrantedKey is how many deletions were granted in it.
	DeletionsGrantedKey = "deletionsGranted"
	// DeletionsHeldKey names those held back, after their number and a colon.
	DeletionsHeldKey = "deletionsHeldBack"

	// maxNamed bounds how many of those held back are named in the ConfigMap; the rest are counted.
	maxNamed = 100
)

// heed takes a person's word for the rest of this period.
func (d *Deletions) heed(notes *corev1.ConfigMap) {
	if d.allowed || notes.Annotations[AnnotationAllowDeletions] != "true" {
		return
	}
	d.allowed = true
	d.Log.Info("A person has lifted the limit of deletions for this period", "until", d.start.Add(d.Period))
}

// unname takes the names of those held back out of the ConfigMap, and with a period that is over the word that lifted its
// limit.
func (d *Deletions) unname(ctx context.Context, over ...string) error {
	_, err := d.Notes.update(ctx, func(notes *corev1.ConfigMap) (changed bool) {
		if _, named := notes.Data[DeletionsHeldKey]; named {
			delete(notes.Data, DeletionsHeldKey)
			changed = true
		}
		for _, annotation := range over {
			delete(notes.Annotations, annotation)
			changed = true
		}
		if changed {
			d.write(notes, d.noted)
		}
		return changed
	})
	return err
}

// maxGrants bounds how many grants are noted at once: a program that ends takes as many with it.
const maxGrants = 20

// noteMore notes some more grants, up to the limit, and looks whether a person has lifted it.
func (d *Deletions) noteMore(ctx context.Context) error {
	some := min(max(1, d.limit/10), maxGrants)
	more := d.noted + max(0, min(d.limit-d.noted, some))
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
	if d.heed(notes); !d.allowed {
		d.noted = more
	}
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
	notes.Data[DeletionsPeriodKey] = d.start.UTC().Format(time.RFC3339)
	notes.Data[DeletionsGrantedKey] = strconv.Itoa(granted)
}

func (d *Deletions) take(notes *corev1.ConfigMap) {
	start, err := time.Parse(time.RFC3339, notes.Data[DeletionsPeriodKey])
	if err != nil {
		return // nothing noted: the first deletion begins a period
	}
	d.start = start
	d.noted, _ = strconv.Atoi(notes.Data[DeletionsGrantedKey]) // garbage counts as none
	d.used = d.noted
	d.limit = d.Max.of(d.Users())
	if d.Clock.Now().Before(d.start.Add(d.Period)) { // else it is a word for the period that begins now
		d.heed(notes)
	}
}

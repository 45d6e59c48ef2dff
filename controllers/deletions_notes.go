package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fitai/fituser-operator/internal/user"
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
	DeletionsHeldKey = "deletionsDeferred"
	// DeletionsAllowedKey is when the period began for which the annotation was heeded. Whoever finds the annotation when
	// that period is over can so tell a word that is spent from one that a person wrote since.
	DeletionsAllowedKey = "deletionsAllowedPeriod"

	// maxNamed bounds how many of those held back are named in the ConfigMap; the rest are counted.
	maxNamed = 100
)

// notedPeriod is the period that was last noted, without its limit; one that began long ago if there is none. How many of
// its grants were used nobody knows any more, so all count.
func notedPeriod(notes *corev1.ConfigMap) period {
	start, err := time.Parse(time.RFC3339, notes.Data[DeletionsPeriodKey])
	if err != nil {
		return period{}
	}
	granted, _ := strconv.Atoi(notes.Data[DeletionsGrantedKey]) // garbage counts as none
	granted = max(0, granted)
	return period{
		start: start, noted: granted, used: granted, names: notes.Data[DeletionsHeldKey],
		lifted: saysAllow(notes) && notes.Data[DeletionsAllowedKey] == notes.Data[DeletionsPeriodKey],
	}
}

// write writes the period into the ConfigMap.
func (p period) write(notes *corev1.ConfigMap) {
	start := p.start.UTC().Format(time.RFC3339)
	notes.Data[DeletionsPeriodKey] = start
	notes.Data[DeletionsGrantedKey] = strconv.Itoa(p.noted)
	delete(notes.Data, DeletionsHeldKey)
	if p.names != "" {
		notes.Data[DeletionsHeldKey] = p.names
	}
	delete(notes.Data, DeletionsAllowedKey)
	if p.lifted {
		notes.Data[DeletionsAllowedKey] = start
	}
}

// end removes what a person would take for news of the period p, which is over, and reports whether there was any.
func (p period) end(notes *corev1.ConfigMap) bool {
	_, word := notes.Annotations[AnnotationAllowDeletions]
	_, allowed := notes.Data[DeletionsAllowedKey]
	_, held := notes.Data[DeletionsHeldKey]
	if p.lifted { // else it is a word for the period that begins
		delete(notes.Annotations, AnnotationAllowDeletions)
	}
	delete(notes.Data, DeletionsAllowedKey)
	delete(notes.Data, DeletionsHeldKey)
	return p.lifted && word || allowed || held
}

// saysAllow reports whether a person's word is there.
func saysAllow(notes *corev1.ConfigMap) bool {
	return notes.Annotations[AnnotationAllowDeletions] == "true"
}

// describeHeld is how the ConfigMap names those held back: their number, and the first of them.
func describeHeld(held map[user.ID]bool, more ...user.ID) string {
	ids := slices.AppendSeq(slices.Clone(more), maps.Keys(held))
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d:", len(ids))
	for _, id := range ids[:min(len(ids), maxNamed)] {
		text.WriteString(" " + string(id))
	}
	if len(ids) > maxNamed {
		text.WriteString(" …")
	}
	return text.String()
}

// namedHeld are those whom [describeHeld] named.
func namedHeld(names string) map[user.ID]bool {
	held := map[user.ID]bool{}
	_, names, _ = strings.Cut(names, ":")
	for name := range strings.FieldsSeq(names) {
		if id, err := user.ParseID(name); err == nil {
			held[id] = true
		}
	}
	return held
}

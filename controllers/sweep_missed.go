package controllers

import (
	"cmp"
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// ImportKey is where [Notes] hold when the first whole sweep began, in RFC 3339.
const ImportKey = "importBegan"

// missedAfter is how old a change must be before its webhook counts as missed, and not as still on its way.
const missedAfter = time.Minute

// recallImport finds out when the users were imported.
func (p *pass) recallImport(ctx context.Context) error {
	notes, err := p.Reconciler.Deletions.Notes.read(ctx)
	if err != nil {
		return err
	}
	p.imported, _ = time.Parse(time.RFC3339, notes.Data[ImportKey]) // garbage counts as no import yet
	return nil
}

// noteImport notes that all who were there before the operator are known by now.
func (p *pass) noteImport(ctx context.Context, began time.Time) error {
	if !p.imported.IsZero() || !p.report.Whole {
		return nil
	}
	_, err := p.Reconciler.Deletions.Notes.update(ctx, func(notes *corev1.ConfigMap) bool {
		notes.Data[ImportKey] = began.UTC().Format(time.RFC3339)
		return true
	})
	return err
}

// miss counts a change of which a webhook should have told, and did not.
func (p *pass) miss(k *known, page listed, eventType v1alpha1.EventType) {
	changed := k.clerk.UpdatedAt
	if p.imported.IsZero() || changed.Before(p.imported) || page.asked.Sub(changed) <= missedAfter {
		return
	}
	for _, object := range k.all() {
		if hint, ok := object.Hint(); ok && hint.UserUpdatedAt >= changed.UnixMilli() {
			return
		}
	}
	p.report.Missed++
	p.Reconciler.Metrics.missed(eventType)
}

// clerkHasNews reports whether Clerk says anything of the user that the status of their FitUser does not show. What the
// operator itself says there is no news, nor is a person of whom another --status-profile shows more or less.
func (k *known) clerkHasNews() bool {
	shown := k.serving.Status
	if shown.Clerk == nil {
		return readyReason(k.serving) == v1alpha1.ReasonUserNotFound
	}
	return shown.Clerk.Banned != k.clerk.Banned || shown.Clerk.Locked != k.clerk.Locked ||
		shown.Clerk.Deprovisioned != k.clerk.Deprovisioned ||
		roleShown(shown) != truncate(k.clerk.Role, maxRole) ||
		shown.Profile != nil && !k.isPerson(*shown.Profile)
}

// roleShown is the role that Clerk held when the status was written.
func roleShown(s v1alpha1.FitUserStatus) string {
	if s.RoleSource == v1alpha1.RoleSource(user.FromDefault) {
		return s.Clerk.Role
	}
	return cmp.Or(s.Clerk.Role, string(s.Role))
}

// isPerson reports whether a profile shows the user as Clerk has them, by whichever mode it was written.
func (k *known) isPerson(shown v1alpha1.Profile) bool {
	for _, mode := range []ProfileMode{ProfileFull, ProfileMasked} {
		if person := mode.Profile(k.clerk); person != nil && *person == shown {
			return true
		}
	}
	return false
}

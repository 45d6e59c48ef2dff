package fituser

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// roleChange is a change of the role in force, which people want to know with its cause.
type roleChange struct {
	from, to v1alpha1.Role
	// source is that of the status. A role that ended is also expired or revoked.
	source   v1alpha1.RoleSource
	expired  bool
	revoked  bool
	manifest string
	origin   manifestOrigin
}

// roleChangeOf compares the previous role in force with the one in the new status; nil when they are the same.
func (r *Reconciler) roleChangeOf(ctx context.Context, obs observation, res result, status v1alpha1.FitUserStatus) *roleChange {
	if res.role.account == nil || status.Role == "" {
		return nil
	}
	from, source := previousRole(obs, res)
	if from == status.Role {
		return nil
	}
	change := &roleChange{from: from, to: status.Role, source: status.RoleSource}
	wasGranted := res.role.revoked || source == v1alpha1.RoleSource(user.FromManifest) || source == v1alpha1.RoleSource(user.FromRule)
	change.revoked = wasGranted && status.RoleSource == v1alpha1.RoleSource(user.FromDefault)
	change.expired = change.revoked && obs.revokesExpired()
	switch user.RoleSource(status.RoleSource) {
	case user.FromManifest:
		change.manifest, change.origin = obs.fitUsers.Active.Name, r.readOrigin(ctx, obs)
	case user.FromRule:
		change.manifest = status.RoleRule
	case user.FromClerk, user.FromDefault:
	}
	return change
}

// previousRole is the role in force before this reconcile: from a status, else from the row, which is written last and so
// survives a restart. For a user who is reconciled for the first time it is Clerk's: a sign-up is not a change.
func previousRole(obs observation, res result) (v1alpha1.Role, v1alpha1.RoleSource) {
	for _, u := range obs.fitUsers.All() {
		if u.Status.Role != "" {
			return u.Status.Role, u.Status.RoleSource
		}
	}
	if role, known := obs.policy.Roles.Parse(string(res.previousRowRole)); known {
		return v1alpha1.Role(role), ""
	}
	return v1alpha1.Role(obs.currentRole.Role), ""
}

// cause describes where the new role comes from.
func (c *roleChange) cause() string {
	switch {
	case c.expired:
		return "Expired"
	case c.revoked:
		return "Revoked"
	case c.source == v1alpha1.RoleSource(user.FromManifest):
		return fmt.Sprintf("manifest %s, written by %s", c.manifest, strings.Join(c.origin.managers, ", "))
	case c.source == v1alpha1.RoleSource(user.FromRule):
		return "RoleRule " + c.manifest
	default:
		return string(c.source)
	}
}

// announceRoleChange records a role change that was made: one log line and one event.
func (r *Reconciler) announceRoleChange(obs observation, change *roleChange) {
	if change == nil {
		return
	}
	line := []any{"from", change.from, "to", change.to, "source", change.source}
	switch {
	case change.expired:
		line[5] = "Expired"
	case change.revoked:
		line[5] = "Revoked"
	case change.manifest != "":
		line = append(line, "manifest", change.manifest, "managers", change.origin.managers)
	}
	obs.log.Info("Role changed", line...)
	r.record(obs, "RoleChanged", "ChangeRole",
		fmt.Sprintf("role of %s changed from %s to %s (source: %s)", obs.id, change.from, change.to, change.cause()))
}

// announceExpiry records that the role of a manifest has expired.
func (r *Reconciler) announceExpiry(obs observation) {
	active := obs.fitUsers.Active
	obs.log.Info("Role expired", "fitUser", active.Name, "role", active.Spec.Role)
	r.record(obs, "RoleExpired", "RevokeRole", fmt.Sprintf("the role %s of this FitUser expired at %s",
		active.Spec.Role, active.Spec.RoleExpiresAt.UTC().Format(time.RFC3339)))
}

// announceOverride records that somebody changed a granted role in Clerk, and that the manifest's role was granted again.
func (r *Reconciler) announceOverride(obs observation) {
	plan, facts := obs.rolePlan, obs.facts
	if plan.Source != user.FromManifest || !facts.HasMarker || facts.Marker != plan.Marker || facts.Current == plan.Marker.Role {
		return
	}
	current := obs.currentRole.Role // a known role: the text in Clerk may be anything
	obs.log.Info("Role overridden", "inClerk", current, "granted", plan.Role)
	r.record(obs, "RoleOverridden", "GrantRole", fmt.Sprintf(
		"somebody set the role in Clerk to %s; this FitUser desires %s, which was granted again. Change spec.role instead",
		current, plan.Role))
}

// record records an event on the active FitUser.
func (r *Reconciler) record(obs observation, reason, action, note string) {
	r.Recorder.Eventf(obs.fitUsers.Active, nil, corev1.EventTypeNormal, reason, action, "%s", truncate(note, maxNote))
}

// maxHistory is how many role changes a status keeps.
const maxHistory = 5

// roleHistory is the user's history so far. A FitUser that has just become active has none, and takes it over.
func (o observation) roleHistory() []v1alpha1.RoleHistoryEntry {
	for _, u := range o.fitUsers.All() {
		if len(u.Status.RoleHistory) > 0 {
			return u.Status.RoleHistory
		}
	}
	return nil
}

// addTo returns the history with the change in front.
func (c *roleChange) addTo(history []v1alpha1.RoleHistoryEntry, now time.Time) []v1alpha1.RoleHistoryEntry {
	if c == nil {
		return history
	}
	entry := v1alpha1.RoleHistoryEntry{
		Time: metav1.NewTime(now.Truncate(time.Second)), From: c.from, To: c.to, Source: c.source, Manifest: c.manifest,
		Manager:  truncate(strings.Join(c.origin.managers, ", "), maxManager),
		Revision: c.origin.revision,
	}
	return append([]v1alpha1.RoleHistoryEntry{entry}, history[:min(len(history), maxHistory-1)]...)
}

// maxNote is the longest note of an event in characters: the API server accepts 1024 bytes.
const maxNote = 1000

// manifestOrigin is who wrote the role of a manifest.
type manifestOrigin struct {
	managers []string
	// revision is the manifest's revision in Git; empty when no tool records one.
	revision string
}

// readOrigin reads who wrote the role of the active FitUser. It reads the API server, because the cache drops managed
// fields: nothing else here needs them, and they are half of an object's size.
func (r *Reconciler) readOrigin(ctx context.Context, obs observation) manifestOrigin {
	active := obs.fitUsers.Active
	var live v1alpha1.FitUser
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(active), &live)
	if err != nil {
		obs.log.Error(err, "Reading the field managers of the role failed")
	}
	if err != nil || live.UID != active.UID {
		return manifestOrigin{managers: []string{"unknown"}}
	}
	origin := manifestOrigin{managers: managersOf(live.ManagedFields, "f:role"), revision: revisionOf(live.Annotations)}
	if len(origin.managers) == 0 {
		origin.managers = []string{"unknown"}
	}
	return origin
}

// revisionAnnotations are where tools record the Git revision of what they applied: ours, for commonAnnotations of a
// kustomization or spec.commonMetadata of Flux, and those of Argo CD's image updater and of kpt.
func revisionAnnotations() []string {
	return []string{v1alpha1.AnnotationRevision, "app.kubernetes.io/revision", "kpt.dev/revision"}
}

func revisionOf(annotations map[string]string) string {
	for _, name := range revisionAnnotations() {
		if revision := annotations[name]; revision != "" {
			return truncate(revision, maxRevision)
		}
	}
	return ""
}

// managersOf returns the managers that own a field of spec, in alphabetical order.
func managersOf(entries []metav1.ManagedFieldsEntry, field string) []string {
	var managers []string
	for _, entry := range entries {
		var owned struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned) != nil {
			continue
		}
		if _, owns := owned.Spec[field]; owns {
			managers = append(managers, entry.Manager)
		}
	}
	slices.Sort(managers)
	return slices.Compact(managers)
}

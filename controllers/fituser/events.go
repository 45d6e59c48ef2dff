package fituser

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// roleChange is a change of the role in force, which people want to know with its cause.
type roleChange struct {
	from, to v1alpha1.Role
	source   string
}

// sourceRevoked is the source of a change that follows when no manifest grants the role any more. The other sources are
// those of the status.
const sourceRevoked = "Revoked"

// roleChangeOf compares the previous role in force with the one in the new status; nil when they are the same.
func roleChangeOf(obs observation, res result, status v1alpha1.FitUserStatus) *roleChange {
	if res.role.account == nil || status.Role == "" {
		return nil
	}
	from, source := previousRole(obs, res)
	if from == status.Role {
		return nil
	}
	change := &roleChange{from: from, to: status.Role, source: string(status.RoleSource)}
	wasGranted := res.role.revoked || source == v1alpha1.RoleSource(user.FromManifest)
	if wasGranted && status.RoleSource == v1alpha1.RoleSource(user.FromDefault) {
		change.source = sourceRevoked
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
	if role, known := user.ParseRole(string(res.previousRowRole)); known {
		return v1alpha1.Role(role), ""
	}
	return v1alpha1.Role(obs.currentRole.Role), ""
}

// announceRoleChange records a role change that was made: one log line and one event.
func (r *Reconciler) announceRoleChange(ctx context.Context, obs observation, change *roleChange) {
	if change == nil {
		return
	}
	active := obs.fitUsers.Active
	source, line := change.source, []any{"from", change.from, "to", change.to, "source", change.source}
	if change.source == string(user.FromManifest) {
		managers := r.roleManagers(ctx, obs)
		line = append(line, "fitUser", active.Name, "managers", managers)
		source = fmt.Sprintf("manifest %s, written by %s", active.Name, strings.Join(managers, ", "))
	}
	obs.log.Info("Role changed", line...)
	r.Recorder.Eventf(active, nil, corev1.EventTypeNormal, "RoleChanged", "ChangeRole", "%s",
		truncate(fmt.Sprintf("role of %s changed from %s to %s (source: %s)", obs.id, change.from, change.to, source), maxNote))
}

// maxNote is the longest note of an event in characters: the API server accepts 1024 bytes.
const maxNote = 1000

// roleManagers returns the field managers of spec.role of the active FitUser. It reads the API server, because the cache
// drops managed fields: nothing else here needs them, and they are half of an object's size.
func (r *Reconciler) roleManagers(ctx context.Context, obs observation) []string {
	active := obs.fitUsers.Active
	var live v1alpha1.FitUser
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(active), &live)
	if err != nil {
		obs.log.Error(err, "Reading the field managers of the role failed")
	}
	if managers := managersOf(live.ManagedFields, "f:role"); err == nil && live.UID == active.UID && len(managers) > 0 {
		return managers
	}
	return []string{"unknown"}
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

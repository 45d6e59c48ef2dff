package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// rightChange is a role in force that has become another one: what people want to be told, with who did it and why.
type rightChange struct {
	from, to v1alpha1.Role
	source   string
}

// takenBack is the source of a role that a manifest no longer gives. The other sources are those of the status.
const takenBack = "TakenBack"

// rightChange compares the role in force so far with the one that status is about to say; nil when it is the same.
func (k *known) rightChange(status v1alpha1.FitUserStatus) *rightChange {
	if k.clerk == nil || status.Role == "" {
		return nil
	}
	from, source := k.rightSoFar()
	if from == status.Role {
		return nil
	}
	change := &rightChange{from: from, to: status.Role, source: string(status.RoleSource)}
	if status.RoleSource == v1alpha1.RoleSource(user.FromDefault) && (k.tookBack || source == v1alpha1.RoleSource(user.FromManifest)) {
		change.source = takenBack
	}
	return change
}

// rightSoFar is the role that was in force before this look. The status of one of the user's FitUsers says it, or the last
// word of a deleted one. A process that has not seen the deletion goes by the row, which is written last. Of a user who is
// looked at for the first time only Clerk tells: a sign-up is no change of a right.
func (k *known) rightSoFar() (v1alpha1.Role, v1alpha1.RoleSource) {
	for _, object := range append([]*v1alpha1.FitUser{k.serving}, k.all()...) {
		if object.Status.Role != "" {
			return object.Status.Role, object.Status.RoleSource
		}
	}
	if k.lastWord.Role != "" {
		return k.lastWord.Role, k.lastWord.RoleSource
	}
	if role, ok := user.ParseRole(string(k.rowRole)); ok {
		return v1alpha1.Role(role), ""
	}
	return v1alpha1.Role(k.heldRole), ""
}

// lastWords are the statuses of deleted FitUsers, until another one of the same user has a status. They may be lost: see
// rightSoFar.
type lastWords struct {
	mu   sync.Mutex
	said map[user.ID]v1alpha1.FitUserStatus
}

// note keeps what a deleted FitUser said of its user's right. One that did not serve said nothing.
func (w *lastWords) note(deleted *v1alpha1.FitUser) {
	if deleted.Status.Role == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said == nil {
		w.said = map[user.ID]v1alpha1.FitUserStatus{}
	}
	w.said[user.ID(deleted.Spec.ClerkUserID)] = v1alpha1.FitUserStatus{
		Role: deleted.Status.Role, RoleSource: deleted.Status.RoleSource,
	}
}

func (w *lastWords) of(id user.ID) v1alpha1.FitUserStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said[id]
}

func (w *lastWords) forget(id user.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.said, id)
}

// announceRight tells of a right that has changed, once it has: one log line, one event.
func (r *Reconciler) announceRight(ctx context.Context, k *known, change *rightChange) {
	if change == nil {
		return
	}
	source, line := change.source, []any{"from", change.from, "to", change.to, "source", change.source}
	if change.source == string(user.FromManifest) {
		managers := r.roleManagers(ctx, k)
		line = append(line, "fitUser", k.serving.Name, "managers", managers)
		source = fmt.Sprintf("manifest %s, written by %s", k.serving.Name, strings.Join(managers, ", "))
	}
	k.log.Info("Right changed", line...)
	r.Recorder.Eventf(k.serving, nil, corev1.EventTypeNormal, "RoleChanged", "ChangeRole", "%s",
		truncate(fmt.Sprintf("role of %s changed from %s to %s (source: %s)", k.id, change.from, change.to, source), maxNote))
}

// maxNote is the longest note of an event in characters: the API server takes 1024 bytes.
const maxNote = 1000

// roleManagers names who wrote spec.role of the serving FitUser. It asks the API server, because the cache drops managed
// fields: nobody else here needs them, and they are half of an object's size.
func (r *Reconciler) roleManagers(ctx context.Context, k *known) []string {
	var live v1alpha1.FitUser
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(k.serving), &live)
	if err != nil {
		k.log.Error(err, "Cannot tell who wrote the role")
	}
	if managers := managersOf(live.ManagedFields, "f:role"); err == nil && live.UID == k.serving.UID && len(managers) > 0 {
		return managers
	}
	return []string{"unknown"}
}

// managersOf lists the managers that own a field of spec, in alphabetical order.
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

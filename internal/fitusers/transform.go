package fitusers

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// Keep says how much of each FitUser a cache keeps. There is one FitUser for every user of the application, so this is
// what a process costs.
type Keep int

const (
	// KeepAll keeps what the controller reads: spec, status, and the metadata that counts.
	KeepAll Keep = iota
	// KeepHint keeps what the receiver reads: which user, since when, and the hint. A process that faces the internet
	// should not hold names and addresses.
	KeepHint
)

// Transform returns the transform of a cache of FitUsers in namespace. texts are further texts that many FitUsers have
// in common, such as the roles: equal texts share one copy.
func Transform(keep Keep, namespace string, texts ...string) toolscache.TransformFunc {
	t := transform{
		keep: keep, texts: internSet(append(texts, namespace)),
		managed: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
	}
	return t.apply
}

// transform is read-only, so that a cache may call it from several goroutines.
type transform struct {
	keep  Keep
	texts map[string]string
	// managed are the labels of every operator-managed FitUser. The map is shared: objects in a cache are never written to.
	managed map[string]string
}

func (t transform) apply(object any) (any, error) {
	u, ok := object.(*v1alpha1.FitUser)
	if !ok {
		return object, nil // a tombstone: what it holds was transformed before
	}
	if t.keep == KeepHint {
		return t.hintOnly(u), nil
	}
	annotations := trimAnnotations(u.Annotations, Annotations()...)
	u.ObjectMeta = t.metadata(u)
	u.Annotations = annotations
	u.Kind, u.APIVersion = t.intern(u.Kind), t.intern(u.APIVersion)
	u.Spec.Role = v1alpha1.Role(t.intern(string(u.Spec.Role)))
	u.Spec.DeletionPolicy = v1alpha1.DeletionPolicy(t.intern(string(u.Spec.DeletionPolicy)))
	u.Status.Role = v1alpha1.Role(t.intern(string(u.Status.Role)))
	u.Status.RoleSource = v1alpha1.RoleSource(t.intern(string(u.Status.RoleSource)))
	if u.Status.ClerkUserID == u.Spec.ClerkUserID {
		u.Status.ClerkUserID = u.Spec.ClerkUserID // one copy
	}
	u.Status.Conditions = trimConditions(u.Status.Conditions)
	for i := range u.Status.Conditions {
		c := &u.Status.Conditions[i]
		c.Type, c.Reason, c.Message = t.intern(c.Type), t.intern(c.Reason), t.intern(c.Message)
		c.Status = metav1.ConditionStatus(t.intern(string(c.Status)))
	}
	return u, nil
}

// hintOnly keeps the label only of an operator-managed FitUser: that also depends on fields that are dropped here.
func (t transform) hintOnly(u *v1alpha1.FitUser) *v1alpha1.FitUser {
	kept := &v1alpha1.FitUser{ObjectMeta: t.metadata(u)}
	kept.Generation = 0
	if !u.ManagedByOperator() {
		kept.Labels = nil
	}
	kept.Annotations = trimAnnotations(u.Annotations, v1alpha1.AnnotationHint)
	kept.Spec.ClerkUserID = u.Spec.ClerkUserID
	if u.Spec.ClerkUserID == "" { // found by the user that it was last reconciled with
		kept.Status.ClerkUserID = u.Status.ClerkUserID
	}
	return kept
}

func (t transform) metadata(u *v1alpha1.FitUser) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Name: u.Name, Namespace: t.intern(u.Namespace), UID: u.UID, ResourceVersion: u.ResourceVersion, Generation: u.Generation,
		CreationTimestamp: u.CreationTimestamp, DeletionTimestamp: u.DeletionTimestamp,
	}
	if u.Labels[v1alpha1.LabelManagedBy] == v1alpha1.ManagedBy {
		m.Labels = t.managed
	}
	return m
}

// intern returns the shared copy of a common text.
func (t transform) intern(text string) string {
	if shared, ok := t.texts[text]; ok {
		return shared
	}
	return text
}

// internSet holds the closed sets of the API. It never grows, so it needs no lock and no bound.
func internSet(texts []string) map[string]string {
	texts = append(texts, "FitUser", v1alpha1.GroupVersion.String())
	texts = append(texts, v1alpha1.Reasons()...)
	texts = append(texts, v1alpha1.ConditionTypes()...)
	for _, source := range user.RoleSources() {
		texts = append(texts, string(source))
	}
	for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
		texts = append(texts, string(status))
	}
	for _, policy := range v1alpha1.DeletionPolicies() {
		texts = append(texts, string(policy))
	}
	set := make(map[string]string, len(texts))
	for _, text := range texts {
		set[text] = text
	}
	return set
}

// Annotations are the annotations of a FitUser that the controller reads.
func Annotations() []string {
	return []string{
		v1alpha1.AnnotationHint, v1alpha1.AnnotationReconcile, v1alpha1.AnnotationTakeOwnership, v1alpha1.AnnotationRebind,
		v1alpha1.AnnotationAllowLastAdmin,
	}
}

// trimConditions copies the conditions without the spare capacity that decoding leaves.
func trimConditions(conditions []metav1.Condition) []metav1.Condition {
	kept := make([]metav1.Condition, len(conditions))
	copy(kept, conditions)
	return kept
}

// trimAnnotations keeps only the named annotations; nil when there is none.
func trimAnnotations(all map[string]string, names ...string) map[string]string {
	var kept map[string]string
	for _, name := range names {
		if value, ok := all[name]; ok {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = value
		}
	}
	return kept
}

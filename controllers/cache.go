package controllers

import (
	"maps"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// CacheOptions is how the controller caches FitUsers: those of one namespace, and of each only what is read here. There
// is one for every user of the application, so what is kept of it is what the process costs. The namespace is selected as
// a field, which lists and watches just that namespace too; DefaultNamespaces would look up the REST mapping for each read,
// and that took a fifth of a sweep.
func CacheOptions(namespace string) cache.Options {
	return cache.Options{
		DefaultFieldSelector: fields.OneTermEqualSelector("metadata.namespace", namespace),
		DefaultTransform:     newSlimmer().slim,
	}
}

// slimmer drops from cached FitUsers what nobody here reads, and keeps one copy of the texts that all have in common.
type slimmer struct {
	mu    sync.Mutex
	known map[string]string
	// onlyMade are the annotations of a FitUser that no webhook has told of, which are all those of an import. It is one map
	// for all of them: an object in the cache is never written to.
	onlyMade map[string]string
}

func newSlimmer() *slimmer {
	return &slimmer{
		known: map[string]string{}, onlyMade: map[string]string{v1alpha1.AnnotationMadeBy: v1alpha1.MadeByOperator},
	}
}

// maxKnown bounds the common texts. There are a few dozen; more means that something else was taken for one.
const maxKnown = 256

func (s *slimmer) slim(object any) (any, error) {
	u, ok := object.(*v1alpha1.FitUser)
	if !ok {
		return object, nil
	}
	u.ObjectMeta = metav1.ObjectMeta{
		Name: u.Name, Namespace: s.one(u.Namespace), UID: u.UID, ResourceVersion: u.ResourceVersion,
		Generation: u.Generation, CreationTimestamp: u.CreationTimestamp, DeletionTimestamp: u.DeletionTimestamp,
		Annotations: s.annotations(u.Annotations),
	}
	u.Kind, u.APIVersion = s.one(u.Kind), s.one(u.APIVersion)
	u.Spec.Role, u.Spec.DeletionPolicy = v1alpha1.Role(s.one(string(u.Spec.Role))), v1alpha1.DeletionPolicy(s.one(string(u.Spec.DeletionPolicy)))
	u.Status.Role, u.Status.RoleSource = v1alpha1.Role(s.one(string(u.Status.Role))), v1alpha1.RoleSource(s.one(string(u.Status.RoleSource)))
	u.Status.Conditions = exactly(u.Status.Conditions)
	for i := range u.Status.Conditions {
		c := &u.Status.Conditions[i]
		c.Type, c.Reason = s.one(c.Type), s.one(c.Reason)
		if c.Reason == v1alpha1.ReasonSynced { // these messages are the same for all
			c.Message = s.one(c.Message)
		}
	}
	return u, nil
}

// exactly is the same conditions without the room that decoding leaves for more.
func exactly(conditions []metav1.Condition) []metav1.Condition {
	kept := make([]metav1.Condition, len(conditions))
	copy(kept, conditions)
	return kept
}

// annotations keeps those that the reconciler reads.
func (s *slimmer) annotations(all map[string]string) map[string]string {
	kept := map[string]string{}
	for _, key := range []string{v1alpha1.AnnotationHint, v1alpha1.AnnotationMadeBy, v1alpha1.AnnotationReconcile} {
		if value, ok := all[key]; ok {
			kept[key] = value
		}
	}
	if made, ok := kept[v1alpha1.AnnotationMadeBy]; ok {
		kept[v1alpha1.AnnotationMadeBy] = s.one(made)
	}
	switch {
	case len(kept) == 0:
		return nil
	case maps.Equal(kept, s.onlyMade):
		return s.onlyMade
	default:
		return kept
	}
}

// one is the one copy of a text that many objects have.
func (s *slimmer) one(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[text]; ok {
		return known
	}
	if len(s.known) < maxKnown {
		s.known[text] = text
	}
	return text
}

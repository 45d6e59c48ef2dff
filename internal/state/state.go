// Package state owns the operator state: the ConfigMap fituser-operator, which holds what must survive a restart, and in
// which a person answers the operator. It is small and seldom used, so it is read from the API server, not from a cache.
package state

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ConfigMapName is the name of the ConfigMap.
const ConfigMapName = "fituser-operator"

// Annotations that a person sets on the ConfigMap.
const (
	// AnnotationAllowDeletions, set to "true", overrides the deletion budget for one period. It is removed with the period.
	AnnotationAllowDeletions = "identity.fitai.dev/allow-deletions"
	// AnnotationSweep, set to any value, requests a sweep. It is removed when one starts.
	AnnotationSweep = "identity.fitai.dev/sweep"
)

// Keys of the ConfigMap's data. Times are RFC 3339.
const (
	// InstanceKey is the id of the Clerk instance whose users the namespace holds. Only a person changes it.
	InstanceKey = "clerkInstanceID"
	// OwnerKey is this installation's owner id, which its markers in Clerk name. With another one its own grants are
	// another installation's.
	OwnerKey = "ownerID"
	// ImportKey is when the first complete sweep began.
	ImportKey = "importBegan"
	// PeriodKey is when the period of the deletion budget began that was last persisted.
	PeriodKey = "deletionsPeriodStart"
	// GrantedKey is how many deletions were granted in that period.
	GrantedKey = "deletionsGranted"
	// OverriddenKey is when the period began for which [AnnotationAllowDeletions] took effect. It tells an override that was
	// used in an earlier period from a new one.
	OverriddenKey = "deletionsAllowedPeriod"
	// DeferredKey is how many users the last sweep found missing in Clerk beyond the budget; absent when there were none.
	DeferredKey = "deletionsDeferred"
)

// State is the content of the ConfigMap.
type State struct {
	InstanceID  string
	OwnerID     string
	ImportBegan time.Time // zero before the first complete sweep has ended
	Deletions   Deletions
	// OverrideRequested is [AnnotationAllowDeletions], SweepRequested is [AnnotationSweep].
	OverrideRequested, SweepRequested bool

	// Object is the ConfigMap that the state was read from, to record events about it.
	Object *corev1.ConfigMap
}

// Deletions is the persisted part of the deletion budget.
type Deletions struct {
	PeriodStart, OverriddenPeriod time.Time // zero when absent
	Granted, Deferred             int
}

// Store reads and writes the operator state of a namespace.
type Store struct {
	// Client has no cache.
	Client    client.Client
	Namespace string
}

// Read returns the state; the zero State when there is no ConfigMap.
func (s *Store) Read(ctx context.Context) (State, error) {
	object := &corev1.ConfigMap{}
	object.Namespace, object.Name = s.Namespace, ConfigMapName
	err := s.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
	if client.IgnoreNotFound(err) != nil {
		return State{}, fmt.Errorf("reading ConfigMap %s: %w", ConfigMapName, err)
	}
	return decode(object), nil
}

// Update applies change to the latest state, again after a conflict, and writes the state if change returns true. It
// returns the state as it then is.
func (s *Store) Update(ctx context.Context, change func(*State) (changed bool)) (State, error) {
	var latest State
	err := retry.OnError(retry.DefaultRetry, isConflict, func() (err error) {
		if latest, err = s.Read(ctx); err != nil || !change(&latest) {
			return err
		}
		latest.encode()
		if latest.Object.ResourceVersion == "" {
			return s.Client.Create(ctx, latest.Object)
		}
		return s.Client.Update(ctx, latest.Object)
	})
	if err != nil {
		return State{}, fmt.Errorf("writing ConfigMap %s: %w", ConfigMapName, err)
	}
	return latest, nil
}

func isConflict(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// decode reads the ConfigMap. A value that cannot be parsed counts as absent.
func decode(object *corev1.ConfigMap) State {
	number := func(key string) int {
		n, _ := strconv.Atoi(object.Data[key])
		return max(0, n)
	}
	moment := func(key string) time.Time {
		t, _ := time.Parse(time.RFC3339, object.Data[key])
		return t
	}
	_, sweep := object.Annotations[AnnotationSweep]
	return State{
		InstanceID: object.Data[InstanceKey], OwnerID: object.Data[OwnerKey], ImportBegan: moment(ImportKey),
		Deletions: Deletions{
			PeriodStart: moment(PeriodKey), OverriddenPeriod: moment(OverriddenKey),
			Granted: number(GrantedKey), Deferred: number(DeferredKey),
		},
		OverrideRequested: requestsOverride(object), SweepRequested: sweep,
		Object: object,
	}
}

func requestsOverride(object *corev1.ConfigMap) bool {
	return object.Annotations[AnnotationAllowDeletions] == "true"
}

// encode writes the state into its ConfigMap and leaves all other keys and annotations alone.
func (s *State) encode() {
	set := func(key, value string) {
		if value == "" {
			delete(s.Object.Data, key)
			return
		}
		if s.Object.Data == nil {
			s.Object.Data = map[string]string{}
		}
		s.Object.Data[key] = value
	}
	set(InstanceKey, s.InstanceID)
	set(OwnerKey, s.OwnerID)
	set(ImportKey, format(s.ImportBegan))
	set(PeriodKey, format(s.Deletions.PeriodStart))
	set(OverriddenKey, format(s.Deletions.OverriddenPeriod))
	set(GrantedKey, "")
	if !s.Deletions.PeriodStart.IsZero() {
		set(GrantedKey, strconv.Itoa(s.Deletions.Granted))
	}
	set(DeferredKey, "")
	if s.Deletions.Deferred > 0 {
		set(DeferredKey, strconv.Itoa(s.Deletions.Deferred))
	}
	if !s.OverrideRequested && requestsOverride(s.Object) { // any other value is a person's mistake, for them to see
		delete(s.Object.Annotations, AnnotationAllowDeletions)
	}
	if !s.SweepRequested {
		delete(s.Object.Annotations, AnnotationSweep)
	}
}

func format(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

package fitusers

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

var (
	// ErrNotInstalled is returned by [Creator.Create] when the namespace or the CRD is missing.
	ErrNotInstalled = errors.New("the namespace or the CustomResourceDefinition is missing: kubectl apply -k config/default creates both")
	// ErrNamesTaken is returned by [Creator.Create] when FitUsers of other users have all names that the user's could get.
	ErrNamesTaken = errors.New("FitUsers of other users have all names that it could get")

	errDeletedMeanwhile = errors.New("the FitUser that had the name was deleted")
)

// New returns the FitUser that the operator creates for a Clerk user: the id and the label, nothing else.
func New(namespace, clerkUserID string, attempt int) *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: clerkUserID}}
	u.Namespace, u.Name = namespace, NameFor(clerkUserID, attempt)
	u.Labels = map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}
	return u
}

// Creator creates the operator's FitUsers.
type Creator struct {
	Writer client.Writer
	// Reader reads the FitUser that already has a name.
	Reader    client.Reader
	Namespace string
	// FieldOwner is recorded in managedFields; empty for the client's own.
	FieldOwner client.FieldOwner
}

// Create creates a FitUser for id under the first name that is free. Where the user already has a FitUser under one of
// those names, Create returns that one and created is false. A conflict means: try again.
func (c Creator) Create(ctx context.Context, id user.ID, hint *v1alpha1.Hint) (u *v1alpha1.FitUser, created bool, err error) {
	var options []client.CreateOption
	if c.FieldOwner != "" {
		options = append(options, c.FieldOwner)
	}
	for attempt := range MaxNameAttempts {
		u := New(c.Namespace, string(id), attempt)
		if hint != nil {
			u.Annotations = map[string]string{v1alpha1.AnnotationHint: hint.Encode()}
		}
		err := c.Writer.Create(ctx, u, options...)
		switch {
		case err == nil:
			return u, true, nil
		case apierrors.IsNotFound(err):
			return nil, false, fmt.Errorf("creating FitUser %s in namespace %s: %w: %w", u.Name, c.Namespace, err, ErrNotInstalled)
		case !apierrors.IsAlreadyExists(err):
			return nil, false, fmt.Errorf("creating FitUser %s: %w", u.Name, err)
		}
		holder := &v1alpha1.FitUser{}
		err = c.Reader.Get(ctx, client.ObjectKeyFromObject(u), holder)
		if apierrors.IsNotFound(err) {
			err = apierrors.NewConflict(Resource(), u.Name, errDeletedMeanwhile)
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading FitUser %s: %w", u.Name, err)
		}
		if holder.Spec.ClerkUserID == string(id) && !IsTerminating(holder) {
			return holder, false, nil
		}
	}
	return nil, false, fmt.Errorf("creating a FitUser for %s: %w", id, ErrNamesTaken)
}

// Resource returns the group and resource of FitUsers, for errors of the API server's kind.
func Resource() schema.GroupResource {
	return schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "fitusers"}
}

package preview

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// recordingClient records writes to FitUsers and drops all other writes. It reads what the writes would leave. The client
// below it sends dry runs only.
type recordingClient struct {
	client.Client
	reads   overlaid
	preview *Preview
}

func (p *Preview) recordingClient(c client.Client) recordingClient {
	c = client.NewDryRunClient(c)
	return recordingClient{c, overlaid{c, p.overlay}, p}
}

func (c recordingClient) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	return c.reads.Get(ctx, key, into, options...)
}

func (c recordingClient) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return c.reads.List(ctx, list, options...)
}

func (c recordingClient) Create(ctx context.Context, object client.Object, _ ...client.CreateOption) error {
	created, ok := object.(*v1alpha1.FitUser)
	if !ok {
		return nil
	}
	err := c.Get(ctx, client.ObjectKeyFromObject(created), &v1alpha1.FitUser{})
	switch {
	case err == nil:
		return apierrors.NewAlreadyExists(fitusers.Resource(), created.Name)
	case !apierrors.IsNotFound(err):
		return err
	}
	created.UID, created.ResourceVersion, created.Generation = types.UID("preview-"+created.Name), "0", 1
	c.preview.overlay.put(created)
	id := user.ID(created.UserID())
	c.preview.record(id, Change{User: id, Place: fituser.PlaceFitUser, Action: "create", Name: created.Name})
	return nil
}

func (c recordingClient) Update(context.Context, client.Object, ...client.UpdateOption) error {
	return nil
}

func (c recordingClient) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	if deleted, ok := object.(*v1alpha1.FitUser); ok {
		c.preview.overlay.drop(deleted.Name)
		id := user.ID(deleted.UserID())
		c.preview.record(id, Change{User: id, Place: fituser.PlaceFitUser, Action: "delete", Name: deleted.Name})
	}
	return nil
}

func (c recordingClient) Status() client.SubResourceWriter {
	return recordingStatus{c.Client.Status(), c}
}

type recordingStatus struct {
	client.SubResourceWriter
	client recordingClient
}

func (s recordingStatus) Patch(
	ctx context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption,
) error {
	fitUser, ok := object.(*v1alpha1.FitUser)
	if !ok {
		return nil
	}
	data, err := patch.Data(object)
	if err != nil {
		return fmt.Errorf("making the patch of a status: %w", err)
	}
	var changed struct {
		Status map[string]json.RawMessage `json:"status"`
	}
	if err := json.Unmarshal(data, &changed); err != nil {
		return fmt.Errorf("reading the patch of a status: %w", err)
	}
	var before v1alpha1.FitUser
	if err := s.client.Get(ctx, client.ObjectKeyFromObject(fitUser), &before); err != nil {
		return err
	}
	delete(changed.Status, "lastChangeTime") // it changes with the others
	s.client.preview.overlay.put(fitUser)
	id := user.ID(fitUser.UserID())
	if id == "" && before.UserID() != "" { // released by the user who had the address
		id = user.ID(before.UserID())
		s.client.preview.release(fitUser.Spec.Email)
	}
	s.client.preview.record(id, Change{
		User: id, Place: fituser.PlaceFitUser, Action: "status", Name: fitUser.Name, Fields: slices.Sorted(maps.Keys(changed.Status)),
	})
	s.client.preview.recordReady(id, fitUser.Name, meta.FindStatusCondition(fitUser.Status.Conditions, v1alpha1.ConditionReady))
	return nil
}

// recordingClerk answers a read after a write with what Clerk would hold. It asks for no user twice: a preview is about one
// moment.
type recordingClerk struct {
	clerk.Client
	preview *Preview
}

func (c recordingClerk) List(ctx context.Context, after user.ID) (clerk.Page, error) {
	page, err := c.Client.List(ctx, after)
	c.preview.remember(page.Users...)
	return page, err
}

func (c recordingClerk) Get(ctx context.Context, id user.ID) (user.User, error) {
	if known, ok := c.preview.Account(id); ok {
		return known, nil
	}
	u, err := c.Client.Get(ctx, id)
	if err == nil {
		c.preview.remember(u)
	}
	return u, err
}

func (c recordingClerk) WriteRole(ctx context.Context, id user.ID, change user.RoleChange, marker user.Marker) (user.User, error) {
	u, err := c.Get(ctx, id)
	if err != nil {
		return user.User{}, err
	}
	before := u
	recorded := Change{User: id, Place: fituser.PlaceClerk, Action: change.String(), Role: user.Role(marker.Role)}
	switch change {
	case user.GrantRole:
		u.Role, u.HasMarker, u.Marker = marker.Role, true, marker
	case user.RevokeRole:
		recorded.Role = user.Role(u.Role)
		u.Role, u.HasMarker, u.Marker = "", false, user.Marker{}
	case user.RemoveMarker:
		recorded.Role = ""
		u.HasMarker, u.Marker = false, user.Marker{}
	case user.NoRoleChange:
	}
	c.preview.remember(u)
	c.preview.record(id, recorded)
	c.preview.recordRole(before, u)
	return u, nil
}

// recordingStore records a write to the table once the table has accepted it.
type recordingStore struct {
	store.Store
	preview *Preview
}

func (s recordingStore) Put(ctx context.Context, row user.Row, moves []store.Move) error {
	before, readErr := s.Get(ctx, row.ID)
	if err := s.Store.Put(ctx, row, moves); err != nil {
		return err
	}
	for _, move := range moves { // rows of other users that this reconcile changes
		s.preview.record(row.ID, Change{
			User: move.ID, Place: fituser.PlaceTable, Action: "update", Fields: []string{string(user.ColumnEmail)},
		})
	}
	change := Change{User: row.ID, Place: fituser.PlaceTable, Action: "create"}
	if readErr == nil {
		change.Action, change.Fields = "update", fituser.ChangedFields(true, row.Diff(before))
	}
	s.preview.record(row.ID, change)
	return nil
}

func (s recordingStore) Delete(ctx context.Context, id user.ID) (deleted bool, err error) {
	if deleted, err = s.Store.Delete(ctx, id); deleted {
		s.preview.record(id, Change{User: id, Place: fituser.PlaceTable, Action: "delete"})
	}
	return deleted, err
}

func labelsOf(u *v1alpha1.FitUser) labels.Set { return u.Labels }

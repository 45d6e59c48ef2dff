package preview

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// recordingClient records writes to FitUsers and drops all other writes. The client below it sends dry runs only.
type recordingClient struct {
	client.Client
	preview *Preview
}

func (c recordingClient) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	if created, ok := object.(*v1alpha1.FitUser); ok {
		created.UID, created.ResourceVersion, created.Generation = types.UID("preview-"+created.Name), "0", 1
		c.preview.mu.Lock()
		c.preview.created = append(c.preview.created, created)
		c.preview.mu.Unlock()
		id := user.ID(created.Spec.ClerkUserID)
		c.preview.record(id, Change{User: id, Place: fituser.PlaceFitUser, Action: "create", Name: created.Name})
	}
	return nil
}

func (c recordingClient) Update(context.Context, client.Object, ...client.UpdateOption) error {
	return nil
}

func (c recordingClient) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	if deleted, ok := object.(*v1alpha1.FitUser); ok {
		id := user.ID(deleted.Spec.ClerkUserID)
		c.preview.record(id, Change{User: id, Place: fituser.PlaceFitUser, Action: "delete", Name: deleted.Name})
	}
	return nil
}

func (c recordingClient) Status() client.SubResourceWriter {
	return recordingStatus{c.Client.Status(), c.preview}
}

type recordingStatus struct {
	client.SubResourceWriter
	preview *Preview
}

func (s recordingStatus) Patch(
	_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption,
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
	delete(changed.Status, "lastChangeTime") // it changes with the others
	id := user.ID(fitUser.Spec.ClerkUserID)
	s.preview.record(id, Change{
		User: id, Place: fituser.PlaceFitUser, Action: "status", Name: fitUser.Name, Fields: slices.Sorted(maps.Keys(changed.Status)),
	})
	s.preview.recordReady(id, meta.FindStatusCondition(fitUser.Status.Conditions, v1alpha1.ConditionReady))
	return nil
}

// recordingReader reads the FitUsers that would exist.
type recordingReader struct {
	client.Reader
	preview *Preview
}

func (r recordingReader) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := r.Reader.List(ctx, list, options...); err != nil {
		return err
	}
	var applied client.ListOptions
	applied.ApplyOptions(options)
	found, ok := list.(*v1alpha1.FitUserList)
	if !ok || applied.FieldSelector == nil {
		return nil
	}
	id, _ := applied.FieldSelector.RequiresExactMatch(v1alpha1.FieldClerkUserID)
	r.preview.mu.Lock()
	defer r.preview.mu.Unlock()
	for _, created := range r.preview.created {
		if created.Spec.ClerkUserID == id {
			found.Items = append(found.Items, *created)
		}
	}
	return nil
}

// recordingClerk answers a write with what Clerk would hold after it.
type recordingClerk struct {
	clerk.Client
	preview *Preview
}

func (c recordingClerk) WriteRole(ctx context.Context, id user.ID, change user.RoleChange, role user.Role) (user.User, error) {
	u, err := c.Get(ctx, id)
	if err != nil {
		return user.User{}, err
	}
	recorded := Change{User: id, Place: fituser.PlaceClerk, Action: change.String(), Role: role}
	switch change {
	case user.GrantRole:
		u.Role, u.HasMarker, u.MarkerRole = string(role), true, string(role)
	case user.RevokeRole:
		recorded.Role = user.Role(u.Role)
		u.Role, u.HasMarker, u.MarkerRole = "", false, ""
	case user.RemoveMarker:
		recorded.Role = ""
		u.HasMarker, u.MarkerRole = false, ""
	case user.NoRoleChange:
	}
	c.preview.record(id, recorded)
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

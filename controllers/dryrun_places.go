package controllers

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
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// dryClient notes what would be written to FitUsers. All else would be refused or tried in vain: what is underneath asks
// the API server for dry runs.
type dryClient struct {
	client.Client
	run *DryRun
}

func (c dryClient) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	if made, ok := object.(*v1alpha1.FitUser); ok {
		made.UID, made.ResourceVersion, made.Generation = types.UID("would-be-"+made.Name), "0", 1
		c.run.mu.Lock()
		c.run.made = append(c.run.made, made)
		c.run.mu.Unlock()
		id := user.ID(made.Spec.ClerkUserID)
		c.run.note(id, Change{User: id, Place: PlaceFitUser, Action: "create", Name: made.Name})
	}
	return nil
}

func (c dryClient) Update(context.Context, client.Object, ...client.UpdateOption) error { return nil }

func (c dryClient) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	if gone, ok := object.(*v1alpha1.FitUser); ok {
		id := user.ID(gone.Spec.ClerkUserID)
		c.run.note(id, Change{User: id, Place: PlaceFitUser, Action: "delete", Name: gone.Name})
	}
	return nil
}

func (c dryClient) Status() client.SubResourceWriter {
	return dryStatus{c.Client.Status(), c.run}
}

type dryStatus struct {
	client.SubResourceWriter
	run *DryRun
}

func (s dryStatus) Patch(
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
	delete(changed.Status, "lastChangeTime") // it follows the others
	id := user.ID(fitUser.Spec.ClerkUserID)
	s.run.note(id, Change{
		User: id, Place: PlaceFitUser, Action: "status", Name: fitUser.Name, Fields: slices.Sorted(maps.Keys(changed.Status)),
	})
	s.run.conclude(id, meta.FindStatusCondition(fitUser.Status.Conditions, v1alpha1.ConditionReady))
	return nil
}

// dryReader reads what would be there.
type dryReader struct {
	client.Reader
	run *DryRun
}

func (r dryReader) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := r.Reader.List(ctx, list, options...); err != nil {
		return err
	}
	var asked client.ListOptions
	asked.ApplyOptions(options)
	fitUsers, ok := list.(*v1alpha1.FitUserList)
	if !ok || asked.FieldSelector == nil {
		return nil
	}
	id, _ := asked.FieldSelector.RequiresExactMatch(v1alpha1.FieldClerkUserID)
	r.run.mu.Lock()
	defer r.run.mu.Unlock()
	for _, made := range r.run.made {
		if made.Spec.ClerkUserID == id {
			fitUsers.Items = append(fitUsers.Items, *made)
		}
	}
	return nil
}

// dryClerk answers a write with what Clerk would hold after it.
type dryClerk struct {
	clerk.Client
	run *DryRun
}

func (c dryClerk) WriteRole(ctx context.Context, id user.ID, change user.RoleChange, role user.Role) (user.User, error) {
	u, err := c.Get(ctx, id)
	if err != nil {
		return user.User{}, err
	}
	noted := Change{User: id, Place: PlaceClerk, Action: change.String(), Role: role}
	switch change {
	case user.GrantRole:
		u.Role, u.HasMarker, u.MarkerRole = string(role), true, string(role)
	case user.RevokeRole:
		noted.Role = user.Role(u.Role)
		u.Role, u.HasMarker, u.MarkerRole = "", false, ""
	case user.RemoveMarker:
		noted.Role = ""
		u.HasMarker, u.MarkerRole = false, ""
	case user.NoRoleChange:
	}
	c.run.note(id, noted)
	return u, nil
}

// dryStore notes what would be written to the table, once the table has not refused it.
type dryStore struct {
	store.Store
	run *DryRun
}

func (s dryStore) Put(ctx context.Context, row user.Row, moves []store.Move) error {
	before, readErr := s.Get(ctx, row.ID)
	if err := s.Store.Put(ctx, row, moves); err != nil {
		return err
	}
	for _, move := range moves {
		s.run.note(row.ID, Change{User: move.ID, Place: PlaceTable, Action: "update", Fields: []string{string(user.ColumnEmail)}})
	}
	change := Change{User: row.ID, Place: PlaceTable, Action: "create"}
	if readErr == nil {
		change.Action, change.Fields = "update", driftOfRow(true, row.Diff(before))
	}
	s.run.note(row.ID, change)
	return nil
}

func (s dryStore) Delete(ctx context.Context, id user.ID) (removed bool, err error) {
	if removed, err = s.Store.Delete(ctx, id); removed {
		s.run.note(id, Change{User: id, Place: PlaceTable, Action: "delete"})
	}
	return removed, err
}

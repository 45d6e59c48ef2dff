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

// recordingExternalIDs records that a user gets an external id.
type recordingExternalIDs struct{ preview *Preview }

func (e recordingExternalIDs) SetExternalID(_ context.Context, id user.ID, externalID string) (user.User, error) {
	u, _ := e.preview.Account(id) // the reconciler has read the user
	u.ExternalID = externalID
	e.preview.remember(u)
	e.preview.record(id, Change{User: id, Place: fituser.PlaceClerk, Action: "set_external_id"})
	return u, nil
}

// FindByExternalID finds users whom the preview has read. Another one may have a deleted user's row, which the operator leaves
// alone then.
func (e recordingExternalIDs) FindByExternalID(_ context.Context, ids []string) (map[string]user.User, error) {
	e.preview.mu.Lock()
	defer e.preview.mu.Unlock()
	found := map[string]user.User{}
	for _, u := range e.preview.accounts {
		if u.ExternalID != "" && slices.Contains(ids, u.ExternalID) {
			found[u.ExternalID] = u
		}
	}
	return found, nil
}

// recordingStore records a write to the table once the table has accepted it.
type recordingStore struct {
	store.Store
	preview *Preview
}

// record records a change of a row. It belongs to the user whose reconcile makes it: the row's key may be another id.
func (s recordingStore) record(ctx context.Context, change Change) {
	id := previewedUser(ctx)
	if change.User == "" {
		change.User = id
	}
	s.preview.record(id, change)
}

func (s recordingStore) Put(ctx context.Context, row user.Row, moves []store.Move) (user.Row, error) {
	before, readErr := s.Get(ctx, row.ID)
	stored := row
	if _, adopted := s.preview.adoptedRow(row.ID); !adopted { // the table would find that its address is taken
		var err error
		if stored, err = s.Store.Put(ctx, row, moves); err != nil {
			return stored, err
		}
	}
	mapping := s.Table().Mapping
	for _, move := range moves { // rows of other users that this reconcile changes
		s.record(ctx, Change{
			User: s.preview.userOf(mapping, move.ID), Place: fituser.PlaceTable, Action: "update", Fields: []string{mapping.NameOf(user.FieldEmail)},
		})
	}
	change := Change{Place: fituser.PlaceTable, Action: "create"}
	if readErr == nil {
		change.Action, change.Fields = "update", fituser.ChangedFields(true, mapping.Diff(row, before))
	}
	s.record(ctx, change)
	return stored, nil
}

func (s recordingStore) Update(ctx context.Context, row user.Row) (user.Row, error) {
	before, readErr := s.Get(ctx, row.ID)
	stored, err := s.Store.Update(ctx, row)
	if err == nil && readErr == nil {
		fields := s.Table().Mapping.Diff(row, before)
		s.record(ctx, Change{Place: fituser.PlaceTable, Action: updateAction(before, row), Fields: fields})
	}
	return stored, err
}

// updateAction names what an update of a row does, as the metric of rows written does.
func updateAction(before, after user.Row) string {
	switch {
	case before.DeletedAt.IsZero() && !after.DeletedAt.IsZero():
		return "soft_delete"
	case user.IsAnonymizedEmail(after.Email) && !user.IsAnonymizedEmail(before.Email):
		return "anonymize"
	default:
		return "update"
	}
}

// Get returns an adopted row, which the table still has under its old key.
func (s recordingStore) Get(ctx context.Context, key user.ID) (user.Row, error) {
	holder, adopted := s.preview.adoptedRow(key)
	switch {
	case !adopted:
		return s.Store.Get(ctx, key)
	case holder.Key == "":
		return user.Row{ID: key}, nil // no key finds it: what it holds is not known
	default:
		row, err := s.Store.Get(ctx, holder.Key)
		row.ID = key
		return row, err
	}
}

// Rekey records the adoption of a row.
func (s recordingStore) Rekey(ctx context.Context, holder store.Holder, key user.ID) error {
	err := s.Store.Rekey(ctx, holder, key)
	if err == nil {
		s.preview.adopt(key, holder)
		s.record(ctx, Change{Place: fituser.PlaceTable, Action: "adopt", Name: holder.String()})
	}
	return err
}

func (s recordingStore) Delete(ctx context.Context, id user.ID) (deleted bool, err error) {
	if deleted, err = s.Store.Delete(ctx, id); deleted {
		s.record(ctx, Change{Place: fituser.PlaceTable, Action: "delete"})
	}
	return deleted, err
}

func labelsOf(u *v1alpha1.FitUser) labels.Set { return u.Labels }

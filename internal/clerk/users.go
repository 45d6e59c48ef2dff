package clerk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"
	sdkuser "github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/fitai/fituser-operator/internal/user"
)

// Get implements [Client].
func (c *client) Get(ctx context.Context, id user.ID) (user.User, error) {
	if _, err := user.ParseID(string(id)); err != nil {
		return user.User{}, &Error{Kind: Rejected, cause: err}
	}
	u, err := c.byID.get(ctx, id)
	if err != nil {
		return user.User{}, fmt.Errorf("reading user %s: %w", id, err)
	}
	return u, nil
}

func (c *client) readUser(ctx context.Context, id user.ID) (user.User, error) {
	body, err := c.call(ctx, http.MethodGet, "users/"+string(id), nil)
	if err != nil {
		return user.User{}, err
	}
	return decodeUserAs(body, id, c.extra()...)
}

// readUsers lists the users with these ids. It omits entries that cannot be decoded, so that the batch requests them
// separately and they do not affect other users.
func (c *client) readUsers(ctx context.Context, ids []user.ID) (map[user.ID]user.User, error) {
	query := idQuery{ids: ids}
	body, err := c.call(ctx, http.MethodGet, "users", &query)
	if err != nil {
		return nil, asUnavailable(err)
	}
	entries, err := decodeList(body)
	if err != nil {
		return nil, err
	}
	users, extra := make(map[user.ID]user.User, len(entries)), c.extra()
	for _, entry := range entries {
		if u, err := decodeUser(entry, extra...); err == nil {
			users[u.ID] = u
		}
	}
	return users, nil
}

// asUnavailable turns the rejection of a list request into [Unavailable]: it proves nothing about the individual users.
func asUnavailable(err error) error {
	rejection, ok := errors.AsType[*Error](err)
	if !ok || rejection.Kind != Rejected {
		return err
	}
	failure := *rejection
	failure.Kind, failure.detail = Unavailable, "Clerk rejected the list request"
	return &failure
}

// idQuery requests users by id. Without a limit Clerk returns only ten of them.
type idQuery struct {
	sdk.APIParams
	ids []user.ID
}

// ToQuery implements the SDK's Params.
func (q *idQuery) ToQuery() url.Values {
	values := url.Values{"limit": {strconv.Itoa(len(q.ids))}}
	for _, id := range q.ids {
		values.Add("user_id", string(id))
	}
	return values
}

// WriteRole implements [Client].
func (c *client) WriteRole(
	ctx context.Context, id user.ID, change user.RoleChange, marker user.Marker,
) (user.User, error) {
	u, err := c.writeRole(ctx, id, change, marker)
	if err != nil {
		return user.User{}, fmt.Errorf("writing the role of %s (%s): %w", id, change, err)
	}
	return u, nil
}

func (c *client) writeRole(
	ctx context.Context, id user.ID, change user.RoleChange, marker user.Marker,
) (user.User, error) {
	if _, err := user.ParseID(string(id)); err != nil {
		return user.User{}, &Error{Kind: Rejected, cause: err}
	}
	patch, err := rolePatch(change, marker)
	if err != nil {
		return user.User{}, err
	}
	if err := c.budget.acquire(ctx); err != nil {
		return user.User{}, err
	}
	// Count the write after it has acquired budget: Clerk counts writes when they arrive.
	if wait := c.writes.admit(id, time.Now()); wait > 0 {
		return user.User{}, throttled(wait, "too many role changes for one user")
	}
	body, err := c.call(ctx, http.MethodPatch, "users/"+string(id)+"/metadata", patch)
	if err != nil {
		return user.User{}, err
	}
	return decodeUserAs(body, id, c.extra()...)
}

// rolePatch returns the body of PATCH /users/{id}/metadata. Clerk merges it deeply: null removes a key, and absent keys
// keep their values.
func rolePatch(change user.RoleChange, marker user.Marker) (*sdkuser.UpdateMetadataParams, error) {
	raw := func(text string) *json.RawMessage { return new(json.RawMessage(text)) }
	switch change {
	case user.GrantRole:
		return grantPatch(marker)
	case user.RevokeRole:
		return &sdkuser.UpdateMetadataParams{
			PublicMetadata: raw(`{"role":null}`), PrivateMetadata: raw(`{"fituser":null}`),
		}, nil
	case user.RemoveMarker:
		return &sdkuser.UpdateMetadataParams{PrivateMetadata: raw(`{"fituser":null}`)}, nil
	default:
		return nil, &Error{Kind: Rejected, detail: "nothing to write"}
	}
}

// grantPatch names every key of the marker, because the merge would keep those of an older one. It refuses a marker
// without an owner: nobody could revoke the role.
func grantPatch(m user.Marker) (*sdkuser.UpdateMetadataParams, error) {
	if !user.IsRoleName(m.Role) || m.Owner == "" {
		return nil, &Error{Kind: Rejected, detail: "role cannot be granted"}
	}
	marker := map[string]*string{"role": &m.Role, "owner": &m.Owner, "rule": nil, "until": nil}
	if m.Rule != "" {
		marker["rule"] = &m.Rule
	}
	if !m.Until.IsZero() {
		marker["until"] = new(m.Until.UTC().Format(time.RFC3339))
	}
	public, errPublic := json.Marshal(map[string]string{"role": m.Role})
	private, errPrivate := json.Marshal(map[string]any{"fituser": marker})
	if err := errors.Join(errPublic, errPrivate); err != nil {
		return nil, &Error{Kind: Rejected, detail: "role cannot be granted"}
	}
	return &sdkuser.UpdateMetadataParams{
		PublicMetadata: new(json.RawMessage(public)), PrivateMetadata: new(json.RawMessage(private)),
	}, nil
}

// Instance implements [Client].
func (c *client) Instance(ctx context.Context) (string, error) {
	id, err := c.instance(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the instance: %w", err)
	}
	return id, nil
}

func (c *client) instance(ctx context.Context) (string, error) {
	body, err := c.read(ctx, "instance", nil)
	if err != nil {
		return "", err
	}
	var instance struct {
		Object string `json:"object"`
		ID     string `json:"id"`
	}
	err = json.Unmarshal(body, &instance)
	if err != nil || instance.Object != "instance" || !codePattern.MatchString(instance.ID) {
		return "", unavailable("response is not an instance")
	}
	return instance.ID, nil
}

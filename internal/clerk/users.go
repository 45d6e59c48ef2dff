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
	u, err := c.batch.get(ctx, id)
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
	return decodeUserAs(body, id)
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
	users := make(map[user.ID]user.User, len(entries))
	for _, entry := range entries {
		if u, err := decodeUser(entry); err == nil {
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
	ctx context.Context, id user.ID, change user.RoleChange, role user.Role,
) (user.User, error) {
	u, err := c.writeRole(ctx, id, change, role)
	if err != nil {
		return user.User{}, fmt.Errorf("writing the role of %s (%s): %w", id, change, err)
	}
	return u, nil
}

func (c *client) writeRole(
	ctx context.Context, id user.ID, change user.RoleChange, role user.Role,
) (user.User, error) {
	if _, err := user.ParseID(string(id)); err != nil {
		return user.User{}, &Error{Kind: Rejected, cause: err}
	}
	patch, err := rolePatch(change, role)
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
	return decodeUserAs(body, id)
}

// rolePatch returns the body of PATCH /users/{id}/metadata. Clerk merges it deeply: null removes a key, and absent keys
// keep their values.
func rolePatch(change user.RoleChange, role user.Role) (*sdkuser.UpdateMetadataParams, error) {
	raw := func(text string) *json.RawMessage { return new(json.RawMessage(text)) }
	switch change {
	case user.GrantRole:
		if _, known := user.ParseRole(string(role)); !known {
			return nil, &Error{Kind: Rejected, detail: "role cannot be granted"}
		}
		return &sdkuser.UpdateMetadataParams{
			PublicMetadata:  raw(fmt.Sprintf(`{"role":%q}`, role)),
			PrivateMetadata: raw(fmt.Sprintf(`{"fituser":{"role":%q}}`, role)),
		}, nil
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

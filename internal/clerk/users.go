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

func (c *client) one(ctx context.Context, id user.ID) (user.User, error) {
	body, err := c.call(ctx, http.MethodGet, "users/"+string(id), nil)
	if err != nil {
		return user.User{}, err
	}
	return decodeUserAs(body, id)
}

// many reads the users among ids that Clerk lists. A user whose entry cannot be understood is left out, so that it is
// asked for alone and spoils nobody else's answer.
func (c *client) many(ctx context.Context, ids []user.ID) (map[user.ID]user.User, error) {
	query := idQuery{ids: ids}
	body, err := c.call(ctx, http.MethodGet, "users", &query)
	if err != nil {
		return nil, ofNobody(err)
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

// ofNobody makes the refusal of a listing say nothing about those who were to be in it.
func ofNobody(err error) error {
	refusal, ok := errors.AsType[*Error](err)
	if !ok || refusal.Kind != Rejected {
		return err
	}
	failure := *refusal
	failure.Kind, failure.detail = Unavailable, "users cannot be listed"
	return &failure
}

// idQuery asks for users by id. Without a limit Clerk would answer with ten of them.
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
	// Counted when it goes and not when it starts to wait for its turn: what counts is when writes reach Clerk.
	if wait := c.writes.admit(id, time.Now()); wait > 0 {
		return user.User{}, throttled(wait, "too many role changes of one user")
	}
	body, err := c.call(ctx, http.MethodPatch, "users/"+string(id)+"/metadata", patch)
	if err != nil {
		return user.User{}, err
	}
	return decodeUserAs(body, id)
}

// rolePatch is the body of PATCH /users/{id}/metadata, which Clerk merges deeply: null removes a key, and all keys that
// are not named stay as they are.
func rolePatch(change user.RoleChange, role user.Role) (*sdkuser.UpdateMetadataParams, error) {
	raw := func(text string) *json.RawMessage { return new(json.RawMessage(text)) }
	switch change {
	case user.GrantRole:
		if _, known := user.ParseRole(string(role)); !known {
			return nil, &Error{Kind: Rejected, detail: "no role that can be given"}
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
		return nil, &Error{Kind: Rejected, detail: "no change to write"}
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
		return "", unavailable("the answer is not an instance")
	}
	return instance.ID, nil
}

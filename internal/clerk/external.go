package clerk

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/fitai/fituser-operator/internal/user"
)

// ExternalIDs connects users of Clerk with the application's own ids.
type ExternalIDs interface {
	// SetExternalID sets a user's external_id and returns the resulting user. It is one of the ten writes per user that Clerk
	// allows in ten seconds; see [Client].WriteRole. When another user has the external id, the error is [Rejected] with the
	// refusal [ExternalIDTaken].
	SetExternalID(ctx context.Context, id user.ID, externalID string) (user.User, error)
	// FindByExternalID returns the users who have these external ids, each by its own. Clerk may know a user some moments
	// before its lists contain it.
	FindByExternalID(ctx context.Context, ids []string) (map[string]user.User, error)
}

// SetExternalID implements [ExternalIDs].
func (c *client) SetExternalID(ctx context.Context, id user.ID, externalID string) (user.User, error) {
	u, err := c.setExternalID(ctx, id, externalID)
	if err != nil {
		return user.User{}, fmt.Errorf("setting the external id of %s: %w", id, err)
	}
	return u, nil
}

func (c *client) setExternalID(ctx context.Context, id user.ID, externalID string) (user.User, error) {
	if _, err := user.ParseID(string(id)); err != nil {
		return user.User{}, &Error{Kind: Rejected, cause: err}
	}
	if externalID == "" {
		return user.User{}, &Error{Kind: Rejected, detail: "the external id is empty"}
	}
	if err := c.budget.acquire(ctx); err != nil {
		return user.User{}, err
	}
	if wait := c.writes.admit(id, time.Now()); wait > 0 {
		return user.User{}, throttled(wait, "too many writes for one user")
	}
	body, err := c.call(ctx, http.MethodPatch, "users/"+string(id), &userForm{ExternalID: externalID})
	if err != nil {
		return user.User{}, err
	}
	u, err := decodeUserAs(body, id, c.extra()...)
	if err == nil && u.ExternalID != externalID {
		return user.User{}, unavailable("response has another external id")
	}
	return u, err
}

// FindByExternalID implements [ExternalIDs] and [Importer].
func (c *client) FindByExternalID(ctx context.Context, ids []string) (map[string]user.User, error) {
	found := make(map[string]user.User, len(ids))
	for _, part := range queries(ids) {
		users, err := c.findByExternalID(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("finding users by external id: %w", err)
		}
		maps.Copy(found, users)
	}
	return found, nil
}

func (c *client) findByExternalID(ctx context.Context, ids []string) (map[string]user.User, error) {
	body, err := c.read(ctx, "users", &externalIDQuery{ids: ids})
	if err != nil {
		return nil, asUnavailable(err)
	}
	return decodeByExternalID(body, ids, c.extra()...)
}

// decodeByExternalID returns the requested users by their external ids. An entry that cannot be decoded is an error: the user
// would look absent, and be created again.
func decodeByExternalID(body []byte, ids []string, extra ...user.Field) (map[string]user.User, error) {
	entries, err := decodeList(body)
	if err != nil {
		return nil, err
	}
	requested := make(map[string]bool, len(ids))
	for _, id := range ids {
		requested[id] = true
	}
	found := make(map[string]user.User, len(entries))
	for _, entry := range entries {
		u, err := decodeUser(entry, extra...)
		if err != nil {
			return nil, unavailable("a list entry is not a user")
		}
		if requested[u.ExternalID] {
			found[u.ExternalID] = u
		}
	}
	return found, nil
}

// queries splits ids into parts that fit a request: at most maxBatch of them, in at most maxQuery bytes.
func queries(ids []string) (parts [][]string) {
	var part []string
	size := 0
	for _, id := range ids {
		if id == "" {
			continue // Clerk could take it for no filter at all
		}
		length := len("&external_id=") + len(url.QueryEscape(signed(id)))
		if len(part) == maxBatch || len(part) > 0 && size+length > maxQuery {
			parts, part, size = append(parts, part), nil, 0
		}
		part, size = append(part, id), size+length
	}
	if len(part) > 0 {
		parts = append(parts, part)
	}
	return parts
}

// signed returns the filter for an external id. A minus before an id excludes it and a plus, which can also look like a
// blank, includes it. An id that begins with one of them needs a plus of its own.
func signed(id string) string {
	if strings.ContainsRune("+- ", rune(id[0])) {
		return "+" + id
	}
	return id
}

// externalIDQuery requests users by external id. Without a limit Clerk returns only ten of them.
type externalIDQuery struct {
	sdk.APIParams
	ids []string
}

// ToQuery implements the SDK's Params.
func (q *externalIDQuery) ToQuery() url.Values {
	values := url.Values{"limit": {strconv.Itoa(len(q.ids))}}
	for _, id := range q.ids {
		values.Add("external_id", signed(id))
	}
	return values
}

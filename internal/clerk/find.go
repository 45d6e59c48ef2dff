package clerk

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/fitai/fituser-operator/internal/user"
)

// Finder finds users by e-mail address. It serves the subcommands; the operator itself uses only ids.
type Finder interface {
	// ByEmail returns the users that have this address, which normally is one or none.
	ByEmail(ctx context.Context, address string) ([]user.ID, error)
}

// maxResults bounds how many users one search returns.
const maxResults = 10

// ByEmail implements [Finder].
func (c *client) ByEmail(ctx context.Context, address string) ([]user.ID, error) {
	body, err := c.read(ctx, "users", &emailQuery{address: address})
	if err != nil {
		return nil, fmt.Errorf("finding users by e-mail address: %w", err)
	}
	entries, err := decodeList(body)
	if err != nil {
		return nil, fmt.Errorf("finding users by e-mail address: %w", err)
	}
	ids := make([]user.ID, 0, len(entries))
	for _, entry := range entries {
		u, err := decodeUser(entry)
		if err != nil {
			return nil, fmt.Errorf("finding users by e-mail address: %w", err)
		}
		ids = append(ids, u.ID)
	}
	return ids, nil
}

type emailQuery struct {
	sdk.APIParams
	address string
}

// ToQuery implements the SDK's Params.
func (q *emailQuery) ToQuery() url.Values {
	return url.Values{"limit": {strconv.Itoa(maxResults)}, "email_address": {q.address}}
}

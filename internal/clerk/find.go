package clerk

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/fitai/fituser-operator/internal/user"
)

// Finder finds users by what people know of them. The operator goes by ids alone; this is for a person's questions.
type Finder interface {
	// ByEmail gives the users one of whose addresses this is: as a rule one or none.
	ByEmail(ctx context.Context, address string) ([]user.ID, error)
}

// mostFound bounds how many users are found at once.
const mostFound = 10

// ByEmail implements [Finder].
func (c *client) ByEmail(ctx context.Context, address string) ([]user.ID, error) {
	body, err := c.read(ctx, "users", &emailQuery{address: address})
	if err != nil {
		return nil, fmt.Errorf("looking for an e-mail address: %w", err)
	}
	entries, err := decodeList(body)
	if err != nil {
		return nil, fmt.Errorf("looking for an e-mail address: %w", err)
	}
	ids := make([]user.ID, 0, len(entries))
	for _, entry := range entries {
		u, err := decodeUser(entry)
		if err != nil {
			return nil, fmt.Errorf("looking for an e-mail address: %w", err)
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
	return url.Values{"limit": {strconv.Itoa(mostFound)}, "email_address": {q.address}}
}

package clerk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/fitai/fituser-operator/internal/user"
)

// PageSize is how many users a page of a listing has: Clerk's maximum.
const PageSize = 500

// Page is a part of the listing of all users, oldest first.
type Page struct {
	// Users are those that could be understood.
	Users []user.User
	// Entries is how many there were, understood or not. Fewer than [PageSize]: there is no page after this one.
	Entries int
	// Last is the id of the last entry, after which the next page begins; empty when there was none.
	Last user.ID
}

// List implements [Client]. Oldest first: then users who sign up during a walk come at its end, and neither they nor
// those who leave shift anybody from one page to another.
func (c *client) List(ctx context.Context, after user.ID) (Page, error) {
	page, err := c.page(ctx, after)
	if err != nil {
		return Page{}, fmt.Errorf("listing users: %w", err)
	}
	return page, nil
}

func (c *client) page(ctx context.Context, after user.ID) (Page, error) {
	body, err := c.read(ctx, "users", &pageQuery{after: after})
	if err != nil {
		return Page{}, err
	}
	return decodePage(body)
}

func decodePage(body []byte) (Page, error) {
	entries, err := decodeList(body)
	if err != nil {
		return Page{}, err
	}
	page := Page{Users: make([]user.User, 0, len(entries)), Entries: len(entries)}
	for _, entry := range entries {
		if u, err := decodeUser(entry); err == nil {
			page.Users = append(page.Users, u)
		}
	}
	if len(entries) > 0 {
		page.Last, err = decodeID(entries[len(entries)-1])
	}
	return page, err
}

// pageQuery asks for a page by cursor, which the SDK's own list parameters lack.
type pageQuery struct {
	sdk.APIParams
	after user.ID
}

// ToQuery implements the SDK's Params.
func (q *pageQuery) ToQuery() url.Values {
	values := url.Values{"limit": {strconv.Itoa(PageSize)}, "order_by": {"+created_at"}}
	if q.after != "" {
		values.Set("starting_after", string(q.after))
	}
	return values
}

// Count implements [Client].
func (c *client) Count(ctx context.Context) (int, error) {
	count, err := c.count(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting users: %w", err)
	}
	return count, nil
}

func (c *client) count(ctx context.Context) (int, error) {
	body, err := c.read(ctx, "users/count", nil)
	if err != nil {
		return 0, err
	}
	var count struct {
		Object string `json:"object"`
		Total  *int   `json:"total_count"`
	}
	err = json.Unmarshal(body, &count)
	if err != nil || count.Object != "total_count" || count.Total == nil || *count.Total < 0 {
		return 0, unavailable("the answer is not a count")
	}
	return *count.Total, nil
}

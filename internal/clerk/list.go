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

// PageSize is the number of users on a full page: Clerk's maximum.
const PageSize = 500

// Page is one page of the list of all users, oldest first.
type Page struct {
	// Users are the entries that could be decoded.
	Users []user.User
	// Entries counts all entries, decoded or not. The last page has fewer than [PageSize].
	Entries int
	// Last is the id of the last entry, after which the next page starts. It is empty on an empty page.
	Last user.ID
}

// List implements [Client]. The order is oldest first: users who sign up during a scan are appended at its end, and
// neither sign-ups nor deletions move a user to another page.
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
	return decodePage(body, c.extra()...)
}

func decodePage(body []byte, extra ...user.Field) (Page, error) {
	entries, err := decodeList(body)
	if err != nil {
		return Page{}, err
	}
	page := Page{Users: make([]user.User, 0, len(entries)), Entries: len(entries)}
	for _, entry := range entries {
		if u, err := decodeUser(entry, extra...); err == nil {
			page.Users = append(page.Users, u)
		}
	}
	if len(entries) > 0 {
		page.Last, err = decodeID(entries[len(entries)-1])
	}
	return page, err
}

// pageQuery requests a page by cursor. The SDK's own list parameters lack the cursor.
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
		return 0, unavailable("response is not a count")
	}
	return *count.Total, nil
}

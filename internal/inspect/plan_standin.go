package inspect

import (
	"cmp"
	"context"
	"slices"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// standInClerk answers as Clerk would, with users that were read elsewhere. It holds their rows too.
type standInClerk struct {
	instance string
	// mapping is the default one: the statuses do not show which columns the table has.
	mapping *user.Mapping
	users   map[user.ID]user.User
	rows    map[user.ID]user.Row
	// absent are users that Clerk does not have.
	absent map[user.ID]bool
	// listed are the ids of users, oldest first; stored those of rows.
	listed, stored []user.ID
}

var _ clerk.Client = (*standInClerk)(nil)

func (c *standInClerk) sort() {
	for id := range c.users {
		c.listed = append(c.listed, id)
	}
	slices.SortFunc(c.listed, func(a, b user.ID) int {
		return cmp.Or(c.users[a].CreatedAt.Compare(c.users[b].CreatedAt), cmp.Compare(a, b))
	})
	for id := range c.rows {
		c.stored = append(c.stored, id)
	}
	slices.Sort(c.stored)
}

// Get implements clerk.Client.
func (c *standInClerk) Get(_ context.Context, id user.ID) (user.User, error) {
	if u, known := c.users[id]; known {
		return u, nil
	}
	if c.absent[id] {
		return user.User{}, &clerk.Error{Kind: clerk.NotFound}
	}
	return user.User{}, errOffline()
}

// FindByEmail implements clerk.Client.
func (c *standInClerk) FindByEmail(_ context.Context, address string) ([]user.User, error) {
	var found []user.User
	for _, id := range c.listed {
		if slices.Contains(c.users[id].VerifiedEmails, user.NormalizeEmail(address)) {
			found = append(found, c.users[id])
		}
	}
	return found, nil
}

// WriteRole implements clerk.Client. A preview makes no write.
func (c *standInClerk) WriteRole(context.Context, user.ID, user.RoleChange, user.Marker) (user.User, error) {
	return user.User{}, errOffline()
}

// List implements clerk.Client.
func (c *standInClerk) List(_ context.Context, after user.ID) (clerk.Page, error) {
	rest := c.listed[slices.Index(c.listed, after)+1:]
	rest = rest[:min(len(rest), clerk.PageSize)]
	page := clerk.Page{Entries: len(rest)}
	for _, id := range rest {
		page.Users, page.Last = append(page.Users, c.users[id]), id
	}
	return page, nil
}

// Count implements clerk.Client.
func (c *standInClerk) Count(context.Context) (int, error) { return len(c.listed), nil }

// Instance implements clerk.Client.
func (c *standInClerk) Instance(context.Context) (string, error) { return c.instance, nil }

// standInTable is a table with the rows that were read elsewhere. It accepts every write and keeps none.
type standInTable struct{ *standInClerk }

var _ store.Store = standInTable{}

// Table implements store.Store.
func (t standInTable) Table() store.Table {
	return store.Table{Mapping: t.mapping, EmailRequired: true}
}

// Get implements store.Store.
func (t standInTable) Get(_ context.Context, id user.ID) (user.Row, error) {
	if row, known := t.rows[id]; known {
		return row, nil
	}
	return user.Row{}, store.ErrNotFound
}

// Scan implements store.Store.
func (t standInTable) Scan(_ context.Context, after user.ID, limit int) ([]user.Row, error) {
	from, found := slices.BinarySearch(t.stored, after)
	if found {
		from++
	}
	var rows []user.Row
	for _, id := range t.stored[from:min(len(t.stored), from+limit)] {
		rows = append(rows, t.rows[id])
	}
	return rows, nil
}

// FindUnclaimed implements store.Store. The statuses do not show such rows.
func (t standInTable) FindUnclaimed(context.Context, string, []string) ([]store.Holder, error) {
	return nil, nil
}

// Put implements store.Store.
func (t standInTable) Put(_ context.Context, row user.Row, _ []store.Move) (user.Row, error) {
	return row, nil
}

// Update implements store.Store.
func (t standInTable) Update(_ context.Context, row user.Row) (user.Row, error) { return row, nil }

// Rekey implements store.Store. A preview makes no write.
func (t standInTable) Rekey(context.Context, store.Holder, user.ID) error { return errOffline() }

// Delete implements store.Store.
func (t standInTable) Delete(_ context.Context, id user.ID) (bool, error) {
	_, there := t.rows[id]
	return there, nil
}

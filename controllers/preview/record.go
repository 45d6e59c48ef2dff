package preview

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// previewed reports whether the user was previewed.
func (p *Preview) previewed(id user.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.users[id] != nil
}

// release remembers that nobody is known to hold an address.
func (p *Preview) release(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vacated = append(p.vacated, user.NormalizeEmail(address))
}

// remember keeps users as Clerk has them, or would.
func (p *Preview) remember(users ...user.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range users {
		p.accounts[u.ID] = u
	}
}

// adopt remembers that a user would adopt a row.
func (p *Preview) adopt(key user.ID, row store.Holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.adopted[key] = row
}

func (p *Preview) adoptedRow(key user.ID) (store.Holder, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	row, adopted := p.adopted[key]
	return row, adopted
}

// contextKey is the key of the previewed user in a context.
type contextKey struct{}

func withPreviewedUser(ctx context.Context, id user.ID) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// previewedUser returns the user whose reconcile has this context.
func previewedUser(ctx context.Context) user.ID {
	id, _ := ctx.Value(contextKey{}).(user.ID)
	return id
}

// userOf returns the user of a row's key, which is the key unless it holds an external id.
func (p *Preview) userOf(mapping *user.Mapping, key user.ID) user.ID {
	if mapping.Key.Holds != user.HoldsExternalID {
		return key
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, u := range p.accounts {
		if mapping.KeyOf(u) == key {
			return id
		}
	}
	return key
}

// record adds a change to the preview of a user, unless an earlier reconcile would have made it.
func (p *Preview) record(id user.ID, change Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[id]
	if u == nil {
		return
	}
	for i := range u.Changes {
		c := &u.Changes[i]
		if c.User == change.User && c.Place == change.Place && c.Action == change.Action && c.Name == change.Name {
			c.Role = change.Role
			c.Fields = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(c.Fields), change.Fields...))))
			return
		}
	}
	u.Changes = append(u.Changes, change)
}

// recordRole adds a change of the role in force.
func (p *Preview) recordRole(before, after user.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[before.ID]
	if u == nil {
		return
	}
	change := RoleChange{From: p.inForce(before), Former: before.Marker, To: p.inForce(after), Marker: after.Marker}
	if u.Role != nil {
		change.From, change.Former = u.Role.From, u.Role.Former
	}
	u.Role = nil
	if change.From != change.To {
		u.Role = &change
	}
}

// inForce returns the role that Clerk holds: the default role where it is not a known one.
func (p *Preview) inForce(u user.User) user.Role {
	if role, known := p.reconciler.Roles.Parse(u.Role); known {
		return role
	}
	return p.reconciler.Roles.Default()
}

// recordReady sets the Ready condition that the active FitUser would have.
func (p *Preview) recordReady(id user.ID, name string, ready *metav1.Condition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.users[id]; u != nil && ready != nil && ready.Reason != v1alpha1.ReasonDuplicateUser {
		u.Reason, u.Message, u.FitUser = ready.Reason, ready.Message, name
	}
}

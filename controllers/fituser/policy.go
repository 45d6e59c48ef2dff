package fituser

import (
	"context"
	"fmt"

	"github.com/fitai/fituser-operator/internal/user"
)

// RoleConfig is what roles are decided by, apart from the user.
type RoleConfig struct {
	// Roles are the roles that can be granted.
	Roles user.Roles
	// Owner returns this installation's owner id, AdoptedOwners are those of former ones.
	Owner         func(context.Context) (string, error)
	AdoptedOwners []string
	// Rules returns the RoleRules.
	Rules func(context.Context) (user.Rules, error)
}

// Policy returns what decides roles at this moment.
func (c RoleConfig) Policy(ctx context.Context) (user.Policy, error) {
	owner, err := c.Owner(ctx)
	if err != nil {
		return user.Policy{}, fmt.Errorf("reading the owner id: %w", err)
	}
	rules, err := c.Rules(ctx)
	if err != nil {
		return user.Policy{}, fmt.Errorf("reading the RoleRules: %w", err)
	}
	return user.Policy{Roles: c.Roles, Owner: owner, Adopted: c.AdoptedOwners, Rules: rules}, nil
}

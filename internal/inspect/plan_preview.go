package inspect

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// planBackends are what a plan reads besides FitUsers.
type planBackends struct {
	clerk      clerk.Client
	table      store.Store
	state      *state.Store
	key        func() string
	instanceID string
	owner      func(context.Context) (string, error)
	profile    fituser.ProfileMode
	// observe is --observe for `why`, which shows what the operator does. A plan shows what it would write without.
	observe bool
	// unknown is nil unless the backends are made of statuses: what those do not contain.
	unknown *offlineUnknown
}

func (i *Inspector) planBackends() planBackends {
	return planBackends{
		clerk: i.Clerk, table: i.Table, state: i.state(), key: i.SecretKey, instanceID: i.InstanceID, owner: i.Roles.Owner,
		profile: i.Profile,
	}
}

// known returns the users whose preview can be made.
func (b planBackends) known(ids []user.ID) []user.ID {
	if b.unknown == nil {
		return ids
	}
	return b.unknown.decidable(ids)
}

// newPreview returns a preview that reads FitUsers from reader. users returns how many there are.
func (i *Inspector) newPreview(b planBackends, reader client.Client, users func() int) *preview.Preview {
	config := fituser.Config{
		Client: reader, Live: i.Cluster, Namespace: i.Namespace, Clerk: b.clerk, Store: b.table, Profile: b.profile,
		Clock: i.Clock, RoleConfig: i.Roles, MinProtected: i.MinProtected, Observe: b.observe, DigestKey: b.key,
		DeletionPolicy: i.DeletionPolicy, DeletionDelay: i.DeletionDelay,
	}
	config.Owner = b.owner
	if b.unknown == nil {
		config.LagTolerance = fituser.DefaultLagTolerance
	}
	return preview.New(config,
		instance.Config{State: b.state, Clerk: b.clerk, Key: b.key, Expected: b.instanceID, Clock: i.Clock},
		budget.Config{Max: i.MaxDeletions, Period: i.SyncPeriod, Users: users, Clock: i.Clock})
}

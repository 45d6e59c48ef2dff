package state

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/util/uuid"
)

// Owner is the owner id of this installation.
type Owner struct {
	Store *Store
	// Configured is --owner-id; empty for the recorded id, which is generated once.
	Configured string

	mu sync.Mutex
	// id is the id in the operator state; losing it costs one read.
	id string
}

// ID returns the owner id. It records the id before it returns it for the first time: a grant that names an id which is lost
// with the process could never be revoked.
func (o *Owner) ID(ctx context.Context) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.id != "" {
		return o.id, nil
	}
	s, err := o.Store.Update(ctx, func(s *State) bool {
		wanted := o.Configured
		if wanted == "" {
			wanted = s.OwnerID
		}
		if wanted == "" {
			wanted = string(uuid.NewUUID())
		}
		changed := s.OwnerID != wanted
		s.OwnerID = wanted
		return changed
	})
	if err != nil {
		return "", err
	}
	o.id = s.OwnerID
	return o.id, nil
}

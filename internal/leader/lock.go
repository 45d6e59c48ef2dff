package leader

import (
	"context"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// fencedLock is the lease. A successful renewal opens the fence, and a release closes it.
type fencedLock struct {
	resourcelock.Interface
	fence *Fence
}

// Create implements [resourcelock.Interface].
func (l fencedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Create)
}

// Update implements [resourcelock.Interface]. A release of the lease is an update too.
func (l fencedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Update)
}

func (l fencedLock) write(
	ctx context.Context, record resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error,
) error {
	if record.HolderIdentity != l.Identity() {
		l.fence.renewed.Store(nil) // before other replicas can see the release
		return write(ctx, record)
	}
	sent := time.Now() // other replicas see the renewal later than this
	err := write(ctx, record)
	if err == nil {
		l.fence.renewed.Store(&sent)
	}
	return err
}

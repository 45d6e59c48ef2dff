package receiver

import (
	"context"
	"sync"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// coalescer merges the hints of one user that arrive during a write into the next write. A write needs the object as the
// last write left it, so concurrent writes for one user would only conflict with each other.
//
// It does not coalesce hints of different types: they may belong on different objects.
type coalescer struct {
	mu     sync.Mutex
	queues map[user.ID]*userQueue
}

// userQueue holds the waiting hints of one user. It exists while a request uses it.
type userQueue struct {
	writeLock chan struct{} // holds one: the request that writes
	requests  int
	batches   map[v1alpha1.EventType]*batch
}

// batch is the content of one write. The request of it that gets the write lock first writes it.
type batch struct {
	hints hints
	done  chan struct{} // closed when err is the result of all its requests
	err   error
}

// hints are hints of one user and type that go into one write, in the order of their arrival.
type hints []v1alpha1.Hint

func newCoalescer() *coalescer { return &coalescer{queues: map[user.ID]*userQueue{}} }

// coalesce adds hint to a batch and returns when the batch is written, by this request or by another one. When a request
// runs out of time while it writes, the next request of the batch tries again.
func (c *coalescer) coalesce(ctx context.Context, id user.ID, hint v1alpha1.Hint, write func(hints) error) error {
	queue, joined := c.join(id, hint)
	defer c.leave(id, queue)
	select {
	case queue.writeLock <- struct{}{}:
		defer func() { <-queue.writeLock }()
	case <-joined.done:
		return joined.err
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-joined.done:
		return joined.err
	default:
	}
	err := write(c.seal(queue, joined))
	if isTerminal(err) {
		joined.err = err
		close(joined.done)
	}
	return err
}

func (c *coalescer) join(id user.ID, hint v1alpha1.Hint) (*userQueue, *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	queue := c.queues[id]
	if queue == nil {
		queue = &userQueue{writeLock: make(chan struct{}, 1), batches: map[v1alpha1.EventType]*batch{}}
		c.queues[id] = queue
	}
	queue.requests++
	joined := queue.batches[hint.Type]
	if joined == nil {
		joined = &batch{done: make(chan struct{})}
		queue.batches[hint.Type] = joined
	}
	joined.hints = append(joined.hints, hint)
	return queue, joined
}

func (c *coalescer) leave(id user.ID, queue *userQueue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if queue.requests--; queue.requests == 0 {
		delete(c.queues, id)
	}
}

// seal returns the hints of a batch. No request joins the batch afterwards.
func (c *coalescer) seal(queue *userQueue, sealed *batch) hints {
	c.mu.Lock()
	defer c.mu.Unlock()
	eventType := sealed.hints[0].Type
	if queue.batches[eventType] == sealed {
		delete(queue.batches, eventType)
	}
	return sealed.hints
}

package clerk

import (
	"context"
	"slices"
	"sync"
)

const (
	// maxBatch is how many values of one filter Clerk accepts in one list request.
	maxBatch = 100
	// maxInFlight bounds the concurrent requests of a batch. While all slots are in use, keys queue for the next one.
	maxInFlight = 4
)

// batch coalesces concurrent reads into shared requests. It reads values of type V by keys of type K, such as users by
// their ids. It adds no delay: a single key is requested at once. Further keys queue only while the budget or the requests
// in flight delay the next request. (The known batching libraries collect for a fixed time instead, which costs latency
// when idle and requests when busy.)
//
// A caller never joins a request that is already sent: the response may be older than the event that caused the call.
// Requests do not end with the callers' contexts, because callers share them; the client's timeout bounds them.
type batch[K comparable, V any] struct {
	budget *budget
	reads  reads[K, V]
	// batchSlots and singleSlots bound the requests in flight. They are separate so that keys which need a request of
	// their own do not delay the others.
	batchSlots, singleSlots chan struct{}

	mu       sync.Mutex
	waiting  map[K][]caller[V]
	queue    []K
	draining bool
}

// reads are the two requests of a batch. The batch acquires budget for one request before each call.
type reads[K comparable, V any] struct {
	// one reads the value of one key.
	one func(context.Context, K) (V, error)
	// many reads the values of up to maxBatch keys. It omits those that the response does not settle; the batch reads
	// them one by one.
	many func(context.Context, []K) (map[K]V, error)
}

func newBatch[K comparable, V any](budget *budget, reads reads[K, V]) *batch[K, V] {
	return &batch[K, V]{
		budget: budget, reads: reads,
		batchSlots: make(chan struct{}, maxInFlight), singleSlots: make(chan struct{}, maxInFlight),
		waiting: map[K][]caller[V]{},
	}
}

// caller waits for a result until cancelled is closed.
type caller[V any] struct {
	cancelled <-chan struct{}
	result    chan result[V] // has a buffer of one, so that a send never blocks on a cancelled caller
}

type result[V any] struct {
	value V
	err   error
}

func (c caller[V]) isWaiting() bool {
	select {
	case <-c.cancelled:
		return false
	default:
		return true
	}
}

// pendingBatch is the keys of one request, in order of arrival, with the callers of each.
type pendingBatch[K comparable, V any] struct {
	keys    []K
	callers map[K][]caller[V]
}

func (p pendingBatch[K, V]) hasWaiting(key K) bool {
	return slices.ContainsFunc(p.callers[key], caller[V].isWaiting)
}

func (p pendingBatch[K, V]) reply(key K, value V, err error) {
	for _, c := range p.callers[key] {
		c.result <- result[V]{value: value, err: err}
	}
}

func (b *batch[K, V]) get(ctx context.Context, key K) (V, error) {
	var none V
	if err := b.budget.paused(); err != nil {
		return none, err
	}
	c := caller[V]{cancelled: ctx.Done(), result: make(chan result[V], 1)}
	b.enqueue(key, c)
	select {
	case r := <-c.result:
		return r.value, r.err
	case <-c.cancelled:
		return none, classify(ctx.Err())
	}
}

func (b *batch[K, V]) enqueue(key K, c caller[V]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, queued := b.waiting[key]; !queued {
		b.queue = append(b.queue, key)
	}
	b.waiting[key] = append(b.waiting[key], c)
	if !b.draining {
		b.draining = true
		go b.drain()
	}
}

// drain sends requests until the queue is empty. It fills a batch only once the request may be sent.
func (b *batch[K, V]) drain() {
	for b.keepDraining() {
		b.batchSlots <- struct{}{}
		err := b.budget.acquire(context.Background())
		go b.send(b.next(), err)
	}
}

// send replies to every caller in p. It requests keys that the batch response omits one by one: absence from a list
// proves nothing.
func (b *batch[K, V]) send(p pendingBatch[K, V], err error) {
	for _, key := range b.sendBatch(p, err) {
		go b.sendSingle(p, key)
	}
}

func (b *batch[K, V]) sendBatch(p pendingBatch[K, V], err error) (missing []K) {
	defer func() { <-b.batchSlots }()
	if err == nil && len(p.keys) == 1 {
		value, err := b.reads.one(context.Background(), p.keys[0])
		p.reply(p.keys[0], value, err)
		return nil
	}
	var found map[K]V
	if err == nil && len(p.keys) > 0 {
		found, err = b.reads.many(context.Background(), p.keys)
	}
	for _, key := range p.keys {
		if value, ok := found[key]; ok || err != nil {
			p.reply(key, value, err)
			continue
		}
		missing = append(missing, key)
	}
	return missing
}

// sendSingle requests one key, unless all callers were cancelled while it waited for a slot.
func (b *batch[K, V]) sendSingle(p pendingBatch[K, V], key K) {
	b.singleSlots <- struct{}{}
	defer func() { <-b.singleSlots }()
	if !p.hasWaiting(key) {
		return
	}
	var value V
	err := b.budget.acquire(context.Background())
	if err == nil {
		value, err = b.reads.one(context.Background(), key)
	}
	p.reply(key, value, err)
}

// keepDraining reports whether the queue has keys, and records that drain ends otherwise.
func (b *batch[K, V]) keepDraining() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draining = len(b.queue) > 0
	return b.draining
}

// next dequeues up to maxBatch keys. It skips keys whose callers are all cancelled.
func (b *batch[K, V]) next() pendingBatch[K, V] {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := pendingBatch[K, V]{callers: map[K][]caller[V]{}}
	for len(b.queue) > 0 && len(p.keys) < maxBatch {
		key := b.queue[0]
		b.queue = b.queue[1:]
		p.callers[key] = b.waiting[key]
		delete(b.waiting, key)
		if p.hasWaiting(key) {
			p.keys = append(p.keys, key)
		}
	}
	return p
}

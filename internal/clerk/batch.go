package clerk

import (
	"context"
	"slices"
	"sync"

	"github.com/fitai/fituser-operator/internal/user"
)

const (
	// maxBatch is how many user_id values Clerk accepts in one list request.
	maxBatch = 100
	// maxInFlight bounds the concurrent requests of a batch. While all slots are in use, users queue for the next one.
	maxInFlight = 4
)

type (
	userReader  func(context.Context, user.ID) (user.User, error)
	usersReader func(context.Context, []user.ID) (map[user.ID]user.User, error)
)

// batch coalesces concurrent reads of users into shared requests. It adds no delay: a single user is requested at once.
// Further users queue only while the budget or the requests in flight delay the next request. (The known batching
// libraries collect for a fixed time instead, which costs latency when idle and requests when busy.)
//
// A caller never joins a request that is already sent: the response may be older than the event that caused the call.
// Requests do not end with the callers' contexts, because callers share them; the client's timeout bounds them.
type batch struct {
	budget *budget
	// readUser reads a user by id. readUsers lists up to maxBatch users and omits those that Clerk does not list.
	readUser  userReader
	readUsers usersReader
	// batchSlots and singleSlots bound the requests in flight. They are separate so that ids unknown to Clerk do not
	// delay other users: each unknown id costs its own request.
	batchSlots, singleSlots chan struct{}

	mu       sync.Mutex
	waiting  map[user.ID][]caller
	queue    []user.ID
	draining bool
}

func newBatch(budget *budget, readUser userReader, readUsers usersReader) *batch {
	return &batch{
		budget: budget, readUser: readUser, readUsers: readUsers,
		batchSlots: make(chan struct{}, maxInFlight), singleSlots: make(chan struct{}, maxInFlight),
		waiting: map[user.ID][]caller{},
	}
}

// caller waits for a result until cancelled is closed.
type caller struct {
	cancelled <-chan struct{}
	result    chan result // has a buffer of one, so that a send never blocks on a cancelled caller
}

type result struct {
	user user.User
	err  error
}

func (c caller) isWaiting() bool {
	select {
	case <-c.cancelled:
		return false
	default:
		return true
	}
}

// pendingBatch is the users of one request, in order of arrival, with the callers of each.
type pendingBatch struct {
	ids     []user.ID
	callers map[user.ID][]caller
}

func (p pendingBatch) hasWaiting(id user.ID) bool {
	return slices.ContainsFunc(p.callers[id], caller.isWaiting)
}

func (p pendingBatch) reply(id user.ID, u user.User, err error) {
	for _, c := range p.callers[id] {
		c.result <- result{user: u, err: err}
	}
}

func (b *batch) get(ctx context.Context, id user.ID) (user.User, error) {
	if err := b.budget.paused(); err != nil {
		return user.User{}, err
	}
	c := caller{cancelled: ctx.Done(), result: make(chan result, 1)}
	b.enqueue(id, c)
	select {
	case r := <-c.result:
		return r.user, r.err
	case <-c.cancelled:
		return user.User{}, classify(ctx.Err())
	}
}

func (b *batch) enqueue(id user.ID, c caller) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, queued := b.waiting[id]; !queued {
		b.queue = append(b.queue, id)
	}
	b.waiting[id] = append(b.waiting[id], c)
	if !b.draining {
		b.draining = true
		go b.drain()
	}
}

// drain sends requests until the queue is empty. It fills a batch only once the request may be sent.
func (b *batch) drain() {
	for b.keepDraining() {
		b.batchSlots <- struct{}{}
		err := b.budget.acquire(context.Background())
		go b.send(b.next(), err)
	}
}

// send replies to every caller in p. It requests users that the batch response omits one by one: absence from a list
// does not prove that a user is deleted.
func (b *batch) send(p pendingBatch, err error) {
	for _, id := range b.sendBatch(p, err) {
		go b.sendSingle(p, id)
	}
}

func (b *batch) sendBatch(p pendingBatch, err error) (missing []user.ID) {
	defer func() { <-b.batchSlots }()
	if err == nil && len(p.ids) == 1 {
		u, err := b.readUser(context.Background(), p.ids[0])
		p.reply(p.ids[0], u, err)
		return nil
	}
	var found map[user.ID]user.User
	if err == nil && len(p.ids) > 0 {
		found, err = b.readUsers(context.Background(), p.ids)
	}
	for _, id := range p.ids {
		if u, ok := found[id]; ok || err != nil {
			p.reply(id, u, err)
			continue
		}
		missing = append(missing, id)
	}
	return missing
}

// sendSingle requests one user, unless all callers were cancelled while it waited for a slot.
func (b *batch) sendSingle(p pendingBatch, id user.ID) {
	b.singleSlots <- struct{}{}
	defer func() { <-b.singleSlots }()
	if !p.hasWaiting(id) {
		return
	}
	var u user.User
	err := b.budget.acquire(context.Background())
	if err == nil {
		u, err = b.readUser(context.Background(), id)
	}
	p.reply(id, u, err)
}

// keepDraining reports whether the queue has users, and records that drain ends otherwise.
func (b *batch) keepDraining() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draining = len(b.queue) > 0
	return b.draining
}

// next dequeues up to maxBatch users. It skips users whose callers are all cancelled.
func (b *batch) next() pendingBatch {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := pendingBatch{callers: map[user.ID][]caller{}}
	for len(b.queue) > 0 && len(p.ids) < maxBatch {
		id := b.queue[0]
		b.queue = b.queue[1:]
		p.callers[id] = b.waiting[id]
		delete(b.waiting, id)
		if p.hasWaiting(id) {
			p.ids = append(p.ids, id)
		}
	}
	return p
}

package clerk

import (
	"context"
	"slices"
	"sync"

	"github.com/fitai/fituser-operator/internal/user"
)

const (
	// maxBatch is how many user_id values Clerk takes in one listing.
	maxBatch = 100
	// maxInFlight bounds the requests of a batch that are under way at once. While all are, users go on gathering.
	maxInFlight = 4
)

type (
	readOne  func(context.Context, user.ID) (user.User, error)
	readMany func(context.Context, []user.ID) (map[user.ID]user.User, error)
)

// batch lets users that are waited for at the same moment share a request. There is no time to wait for company: a lone
// user is asked for at once; company gathers only while the budget or the requests under way hold the next one back.
// (The known batching libraries gather for a fixed time instead, which costs latency when idle and requests when busy.)
// Nobody joins a request already sent: its answer may be older than the event that made them ask.
//
// Requests do not end with the callers' contexts, because they are shared; the client's timeout bounds them.
type batch struct {
	budget *budget
	// one reads a user by id; many lists those of up to maxBatch users that Clerk has.
	one  readOne
	many readMany
	// shared and single bound the requests under way. They are apart, so that ids which Clerk does not have, each of
	// which costs a request of its own, hold nobody else up.
	shared, single chan struct{}

	mu       sync.Mutex
	waiting  map[user.ID][]caller
	order    []user.ID
	draining bool
}

func newBatch(budget *budget, one readOne, many readMany) *batch {
	return &batch{
		budget: budget, one: one, many: many,
		shared: make(chan struct{}, maxInFlight), single: make(chan struct{}, maxInFlight),
		waiting: map[user.ID][]caller{},
	}
}

// caller waits for an answer until left is closed.
type caller struct {
	left   <-chan struct{}
	answer chan answer // holds one, so that nobody waits for a caller who left
}

type answer struct {
	user user.User
	err  error
}

func (c caller) waits() bool {
	select {
	case <-c.left:
		return false
	default:
		return true
	}
}

// asking is who waits for a request: users in the order in which they came, and the callers of each.
type asking struct {
	ids     []user.ID
	callers map[user.ID][]caller
}

func (a asking) wants(id user.ID) bool { return slices.ContainsFunc(a.callers[id], caller.waits) }

func (a asking) reply(id user.ID, u user.User, err error) {
	for _, c := range a.callers[id] {
		c.answer <- answer{user: u, err: err}
	}
}

func (b *batch) get(ctx context.Context, id user.ID) (user.User, error) {
	if err := b.budget.paused(); err != nil {
		return user.User{}, err
	}
	c := caller{left: ctx.Done(), answer: make(chan answer, 1)}
	b.join(id, c)
	select {
	case a := <-c.answer:
		return a.user, a.err
	case <-c.left:
		return user.User{}, classify(ctx.Err())
	}
}

func (b *batch) join(id user.ID, c caller) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, asked := b.waiting[id]; !asked {
		b.order = append(b.order, id)
	}
	b.waiting[id] = append(b.waiting[id], c)
	if !b.draining {
		b.draining = true
		go b.drain()
	}
}

// drain sends requests until nobody waits any more. Who shares a request is decided when it may go, not before.
func (b *batch) drain() {
	for b.someoneWaits() {
		b.shared <- struct{}{}
		err := b.budget.acquire(context.Background())
		go b.send(b.take(), err)
	}
}

// send answers everybody in a. Users that a shared answer lacks are asked for one by one: absence from a listing proves
// nothing.
func (b *batch) send(a asking, err error) {
	for _, id := range b.sendShared(a, err) {
		go b.sendAlone(a, id)
	}
}

func (b *batch) sendShared(a asking, err error) (missing []user.ID) {
	defer func() { <-b.shared }()
	if err == nil && len(a.ids) == 1 {
		u, err := b.one(context.Background(), a.ids[0])
		a.reply(a.ids[0], u, err)
		return nil
	}
	var found map[user.ID]user.User
	if err == nil && len(a.ids) > 0 {
		found, err = b.many(context.Background(), a.ids)
	}
	for _, id := range a.ids {
		if u, ok := found[id]; ok || err != nil {
			a.reply(id, u, err)
			continue
		}
		missing = append(missing, id)
	}
	return missing
}

// sendAlone asks for one user, unless nobody waits for them any more when it is their turn.
func (b *batch) sendAlone(a asking, id user.ID) {
	b.single <- struct{}{}
	defer func() { <-b.single }()
	if !a.wants(id) {
		return
	}
	var u user.User
	err := b.budget.acquire(context.Background())
	if err == nil {
		u, err = b.one(context.Background(), id)
	}
	a.reply(id, u, err)
}

func (b *batch) someoneWaits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draining = len(b.order) > 0
	return b.draining
}

// take removes the next users to be asked for, without those whose callers have all left.
func (b *batch) take() asking {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := asking{callers: map[user.ID][]caller{}}
	for len(b.order) > 0 && len(a.ids) < maxBatch {
		id := b.order[0]
		b.order = b.order[1:]
		a.callers[id] = b.waiting[id]
		delete(b.waiting, id)
		if a.wants(id) {
			a.ids = append(a.ids, id)
		}
	}
	return a
}

package clerk

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// latency is the response time of fakeClerk.
const latency = 100 * time.Millisecond

var errNotFound = &Error{Kind: NotFound}

// fakeClerk implements the reads of a batch inside a synctest bubble, which does not support sockets. Other tests cover
// the path to Clerk with a server.
type fakeClerk struct {
	mu                    sync.Mutex
	version               int64 // of all users, returned as UpdatedAt
	missing               map[user.ID]bool
	unlisted              map[user.ID]bool // existing users that lists omit
	hanging               map[user.ID]bool // users whose single requests hang
	listErr               error
	singles               int
	listed                [][]user.ID
	inFlight, maxInFlight int
}

func newFakeClerk() *fakeClerk {
	return &fakeClerk{missing: map[user.ID]bool{}, unlisted: map[user.ID]bool{}, hanging: map[user.ID]bool{}}
}

// set changes the fake's state while requests may be in flight.
func (f *fakeClerk) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// serve simulates one request. The response reflects the state at the time of sending; handle returns its duration.
func (f *fakeClerk) serve(handle func() time.Duration) {
	var duration time.Duration
	f.set(func() {
		duration = handle()
		f.inFlight++
		f.maxInFlight = max(f.maxInFlight, f.inFlight)
	})
	time.Sleep(duration)
	f.set(func() { f.inFlight-- })
}

func (f *fakeClerk) readUser(_ context.Context, id user.ID) (u user.User, err error) {
	f.serve(func() time.Duration {
		f.singles++
		u = user.User{ID: id, UpdatedAt: time.Unix(f.version, 0)}
		if f.missing[id] {
			u, err = user.User{}, errNotFound
		}
		if f.hanging[id] {
			return time.Hour
		}
		return latency
	})
	return u, err
}

func (f *fakeClerk) readUsers(_ context.Context, ids []user.ID) (users map[user.ID]user.User, err error) {
	f.serve(func() time.Duration {
		f.listed = append(f.listed, ids)
		if err = f.listErr; err != nil {
			return latency
		}
		users = map[user.ID]user.User{}
		for _, id := range ids {
			if !f.missing[id] && !f.unlisted[id] {
				users[id] = user.User{ID: id, UpdatedAt: time.Unix(f.version, 0)}
			}
		}
		return latency
	})
	return users, err
}

// userBatch is the batch of [Client].Get.
type userBatch = batch[user.ID, user.User]

// isNoUser reports whether u is the zero value, as beside an error.
func isNoUser(u user.User) bool { return reflect.ValueOf(u).IsZero() }

// callers runs calls of a batch and records their outcomes.
type callers struct {
	batch    *userBatch
	mu       sync.Mutex
	finished map[user.ID][]outcome
	calls    sync.WaitGroup
}

type outcome struct {
	user user.User
	err  error
	took time.Duration
}

func (c *callers) call(ctx context.Context, ids ...user.ID) {
	for _, id := range ids {
		c.calls.Go(func() {
			start := time.Now()
			u, err := c.batch.get(ctx, id)
			c.mu.Lock()
			defer c.mu.Unlock()
			// Rounded, because the limiter computes in floating point.
			c.finished[id] = append(c.finished[id], outcome{u, err, time.Since(start).Round(time.Microsecond)})
		})
	}
	synctest.Wait()
}

// outcomes returns the outcomes of the finished calls for one user.
func (c *callers) outcomes(id user.ID) []outcome {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finished[id]
}

// inBubble runs a test of a batch whose budget is one request per second, with a burst of one. It verifies that nothing
// is left in the batch.
func inBubble(t *testing.T, test func(t *testing.T, f *fakeClerk, b *userBatch, c *callers)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeClerk()
		b := newBatch(newBudget(1), reads[user.ID, user.User]{one: f.readUser, many: f.readUsers})
		c := &callers{batch: b, finished: map[user.ID][]outcome{}}
		test(t, f, b, c)
		c.calls.Wait()
		synctest.Wait()
		if len(b.waiting) != 0 || len(b.queue) != 0 || b.draining || len(b.batchSlots) != 0 || len(b.singleSlots) != 0 {
			t.Errorf("left behind: %d waiting, %d queued, draining %v, slots %d and %d",
				len(b.waiting), len(b.queue), b.draining, len(b.batchSlots), len(b.singleSlots))
		}
	})
}

func testIDs(n int) []user.ID {
	ids := make([]user.ID, n)
	for i := range ids {
		ids[i] = user.ID(fmt.Sprintf("user_%03d", i))
	}
	return ids
}

// wantUsers checks that each id has one outcome: the user itself, after took.
func (c *callers) wantUsers(t *testing.T, took time.Duration, ids ...user.ID) {
	t.Helper()
	for _, id := range ids {
		got := c.outcomes(id)
		if len(got) != 1 || got[0].err != nil || got[0].user.ID != id || got[0].took != took {
			t.Errorf("%s: got %+v, want the user after %s", id, got, took)
		}
	}
}

// wantKind checks that each id has one outcome: an error of kind, after took.
func (c *callers) wantKind(t *testing.T, kind Kind, took time.Duration, ids ...user.ID) {
	t.Helper()
	for _, id := range ids {
		got := c.outcomes(id)
		if len(got) != 1 || KindOf(got[0].err) != kind || !isNoUser(got[0].user) || got[0].took != took {
			t.Errorf("%s: got %+v, want an error of kind %q after %s", id, got, kind, took)
		}
	}
}

// wantRequests checks the number of single requests and the sizes of the lists.
func (f *fakeClerk) wantRequests(t *testing.T, singles int, listed ...int) {
	t.Helper()
	sizes := make([]int, len(f.listed))
	for i, ids := range f.listed {
		sizes[i] = len(ids)
	}
	if f.singles != singles || !slices.Equal(sizes, listed) {
		t.Errorf("%d single requests and lists of %v, want %d and %v", f.singles, sizes, singles, listed)
	}
}

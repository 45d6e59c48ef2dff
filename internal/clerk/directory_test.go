package clerk

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// latency is how long the directory takes for an answer.
const latency = 100 * time.Millisecond

var errNotThere = &Error{Kind: NotFound}

// directory answers a batch inside a bubble, where there can be no sockets. The real way to Clerk is tested with a
// server.
type directory struct {
	mu                     sync.Mutex
	version                int64 // of everybody, told by UpdatedAt
	missing                map[user.ID]bool
	unlisted               map[user.ID]bool // left out of listings, and yet there
	hanging                map[user.ID]bool // asked for alone
	listErr                error
	singles                int
	listed                 [][]user.ID
	underWay, mostUnderWay int
}

func newDirectory() *directory {
	return &directory{missing: map[user.ID]bool{}, unlisted: map[user.ID]bool{}, hanging: map[user.ID]bool{}}
}

// set changes what Clerk has while requests may be under way.
func (d *directory) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// takes is a request from its sending to its answer, which tells what was so when the request was sent.
func (d *directory) takes(duration func() time.Duration) {
	var takes time.Duration
	d.set(func() {
		takes = duration()
		d.underWay++
		d.mostUnderWay = max(d.mostUnderWay, d.underWay)
	})
	time.Sleep(takes)
	d.set(func() { d.underWay-- })
}

func (d *directory) one(_ context.Context, id user.ID) (u user.User, err error) {
	d.takes(func() time.Duration {
		d.singles++
		u = user.User{ID: id, UpdatedAt: time.Unix(d.version, 0)}
		if d.missing[id] {
			u, err = user.User{}, errNotThere
		}
		if d.hanging[id] {
			return time.Hour
		}
		return latency
	})
	return u, err
}

func (d *directory) many(_ context.Context, ids []user.ID) (users map[user.ID]user.User, err error) {
	d.takes(func() time.Duration {
		d.listed = append(d.listed, ids)
		if err = d.listErr; err != nil {
			return latency
		}
		users = map[user.ID]user.User{}
		for _, id := range ids {
			if !d.missing[id] && !d.unlisted[id] {
				users[id] = user.User{ID: id, UpdatedAt: time.Unix(d.version, 0)}
			}
		}
		return latency
	})
	return users, err
}

// group is callers of a batch and what became of them.
type group struct {
	batch   *batch
	mu      sync.Mutex
	results map[user.ID][]result
	calls   sync.WaitGroup
}

type result struct {
	user user.User
	err  error
	took time.Duration
}

func (g *group) call(ctx context.Context, ids ...user.ID) {
	for _, id := range ids {
		g.calls.Go(func() {
			start := time.Now()
			u, err := g.batch.get(ctx, id)
			g.mu.Lock()
			defer g.mu.Unlock()
			// Rounded, because the limiter counts in floating point.
			g.results[id] = append(g.results[id], result{u, err, time.Since(start).Round(time.Microsecond)})
		})
	}
	synctest.Wait()
}

// of is what became of the calls for one user so far.
func (g *group) of(id user.ID) []result {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.results[id]
}

// inBubble runs a test of a batch on a budget of one request a second, the first of which is there at once.
func inBubble(t *testing.T, test func(t *testing.T, d *directory, b *batch, g *group)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		b := newBatch(newBudget(1), d.one, d.many)
		g := &group{batch: b, results: map[user.ID][]result{}}
		test(t, d, b, g)
		g.calls.Wait()
		synctest.Wait()
		if len(b.waiting) != 0 || len(b.order) != 0 || b.draining || len(b.shared) != 0 || len(b.single) != 0 {
			t.Errorf("left behind: %d waiting, %d in order, draining %v, slots %d and %d",
				len(b.waiting), len(b.order), b.draining, len(b.shared), len(b.single))
		}
	})
}

func ids(n int) []user.ID {
	ids := make([]user.ID, n)
	for i := range ids {
		ids[i] = user.ID(fmt.Sprintf("user_%03d", i))
	}
	return ids
}

// wantUsers checks that each of ids was answered once with the user itself, after took.
func (g *group) wantUsers(t *testing.T, took time.Duration, ids ...user.ID) {
	t.Helper()
	for _, id := range ids {
		got := g.of(id)
		if len(got) != 1 || got[0].err != nil || got[0].user.ID != id || got[0].took != took {
			t.Errorf("%s: got %+v, want the user after %s", id, got, took)
		}
	}
}

// wantKind checks that each of ids was answered once with an error of kind, after took.
func (g *group) wantKind(t *testing.T, kind Kind, took time.Duration, ids ...user.ID) {
	t.Helper()
	for _, id := range ids {
		got := g.of(id)
		if len(got) != 1 || KindOf(got[0].err) != kind || got[0].user != (user.User{}) || got[0].took != took {
			t.Errorf("%s: got %+v, want an error of kind %q after %s", id, got, kind, took)
		}
	}
}

func (d *directory) wantRequests(t *testing.T, singles int, listed ...int) {
	t.Helper()
	sizes := make([]int, len(d.listed))
	for i, ids := range d.listed {
		sizes[i] = len(ids)
	}
	if d.singles != singles || !slices.Equal(sizes, listed) {
		t.Errorf("%d single requests and lists of %v, want %d and %v", d.singles, sizes, singles, listed)
	}
}

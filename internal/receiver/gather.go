package receiver

import (
	"context"
	"sync"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// gatherer lets the hints of one user that arrive while another of that user is being written go into the next write
// together. Each write needs the object as the last one left it, so many writers at once would only refuse each other.
//
// Hints of different types are not gathered: they may belong on different objects.
type gatherer struct {
	mu    sync.Mutex
	lines map[user.ID]*line
}

// line is where the hints of one user wait. It is there as long as a request is in it.
type line struct {
	turn     chan struct{} // holds one: who writes
	requests int
	waiting  map[v1alpha1.EventType]*group
}

// group is what goes into one write. Any of its requests may write it: who gets the turn first.
type group struct {
	news news
	done chan struct{} // closed when err counts for all
	err  error
}

func newGatherer() *gatherer { return &gatherer{lines: map[user.ID]*line{}} }

// write gets hint written, by this request or by another of its group. Where one fails for want of time, the next one
// has a try.
func (g *gatherer) write(ctx context.Context, id user.ID, hint v1alpha1.Hint, put func(news) error) error {
	line, own := g.join(id, hint)
	defer g.leave(id, line)
	select {
	case line.turn <- struct{}{}:
		defer func() { <-line.turn }()
	case <-own.done:
		return own.err
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-own.done:
		return own.err
	default:
	}
	err := put(g.closed(line, own))
	if settled(err) {
		own.err = err
		close(own.done)
	}
	return err
}

func (g *gatherer) join(id user.ID, hint v1alpha1.Hint) (*line, *group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[id]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1), waiting: map[v1alpha1.EventType]*group{}}
		g.lines[id] = l
	}
	l.requests++
	own := l.waiting[hint.Type]
	if own == nil {
		own = &group{done: make(chan struct{})}
		l.waiting[hint.Type] = own
	}
	own.news = append(own.news, hint)
	return l, own
}

func (g *gatherer) leave(id user.ID, l *line) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.requests--; l.requests == 0 {
		delete(g.lines, id)
	}
}

// closed is what a group holds. Nobody joins it any more.
func (g *gatherer) closed(l *line, own *group) news {
	g.mu.Lock()
	defer g.mu.Unlock()
	kind := own.news[0].Type
	if l.waiting[kind] == own {
		delete(l.waiting, kind)
	}
	return own.news
}

// news is hints of one type that go into one write, in the order of their arrival.
type news []v1alpha1.Hint

// onto is the hint to record where old is recorded, as if one after the other had been. It is false when there is
// nothing new.
func (n news) onto(old v1alpha1.Hint, recorded bool) (hint v1alpha1.Hint, fresh bool) {
	hint = old
	for _, next := range n {
		switch {
		case recorded && next.MessageID == old.MessageID:
			continue
		case recorded || fresh:
			hint = hint.Merge(next)
		default:
			hint = next
		}
		fresh = true
	}
	return hint, fresh
}

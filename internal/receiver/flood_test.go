package receiver

import (
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
)

// A silent connection uses one of Limits.Connections, for at most Limits.Read. A delivery is accepted once a connection is
// free, and every silent connection is closed.
func TestReceiver_TwoThousandIdleConnections(t *testing.T) {
	t.Parallel()
	const silent = 2000
	w := newWorld(t)
	e := w.receive(t, func(c *Config) { c.Limits.Read = 100 * time.Millisecond })
	var closed sync.WaitGroup
	for range silent {
		conn := e.dial(t)
		closed.Go(func() {
			if err := conn.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
				t.Error(err)
			}
			if n, err := io.Copy(io.Discard, conn); n > 0 || isTimeout(err) {
				t.Errorf("a silent connection received %d bytes, then %v, want its end", n, err)
			}
		})
	}
	e.acknowledged(t, signed("msg_1", created(ada)))
	closed.Wait()
	wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserCreated, eventTime-18)})
}

// burst returns how many messages arrive at once: four for each user. docs/reliability.md states the thorough number:
// 10,000 in a minute.
func burst() int {
	if os.Getenv("FITUSER_TEST_THOROUGH") != "" {
		return 10_000
	}
	return 1000
}

// Two replicas receive many messages at once, in any order, and unacknowledged ones again. In the end each user has one
// FitUser with the newest hint.
func TestReceiver_BurstLosesNoHint(t *testing.T) {
	t.Parallel()
	const each, parallel = 4, 64
	w := newWorld(t)
	replicas := []*endpoint{w.receive(t, nil), w.receive(t, nil)}
	messages := make(chan int)
	var senders sync.WaitGroup
	for range parallel {
		senders.Go(func() {
			for i := range messages {
				id, change := fmt.Sprintf("user_2burst%d", i/each), int64(i%each)
				replicas[i%2].acknowledged(t, signed(fmt.Sprintf("msg_%d", i), updated(id, eventTime-change)))
			}
		})
	}
	for i := range burst() {
		messages <- i
	}
	close(messages)
	senders.Wait()

	users := w.users(t)
	if len(users) != burst()/each {
		t.Errorf("%d FitUsers, want %d", len(users), burst()/each)
	}
	for name, u := range users {
		if hint, _ := u.Hint(); hint.UserUpdatedAt != eventTime {
			t.Errorf("%s does not have the newest hint: %+v", name, hint)
		}
	}
	if n := w.writes(t); n > burst() {
		t.Errorf("%d writes for %d messages", n, burst())
	}
	t.Logf("burst: %d messages of %d users to two replicas, lost 0", burst(), len(users))
}

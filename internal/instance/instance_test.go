package instance_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/state"
)

func TestCheck_FirstKeyDecidesTheInstance(t *testing.T) {
	f := newFixture(t)
	f.wantRecorded("")
	f.wantAccepted()
	f.wantRecorded(ours)
	f.restart()
	f.wantAccepted()
	f.key.set(otherKey)
	f.wantMismatch(other, ours)
	f.wantRecorded(ours)
}

func TestCheck_VerifiesEachKeyOnce(t *testing.T) {
	f := newFixture(t)
	f.wantRequests(1, func() {
		for range 3 {
			f.wantAccepted()
			f.clock.Step(time.Hour)
		}
	})
	f.key.set(rotatedKey)
	f.wantRequests(1, func() {
		f.wantAccepted()
		f.wantAccepted()
	})
	f.wantRequests(1, func() { // a new process verifies again
		f.restart()
		f.wantAccepted()
	})
}

func TestCheck_ConcurrentCallersShareOneRequest(t *testing.T) {
	f := newFixture(t)
	release := make(chan struct{})
	f.config.Clerk = interceptedClerk{f.config.Clerk, func(context.Context) error {
		<-release
		return nil
	}}
	f.restart()
	f.wantRequests(1, func() {
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(f.wantAccepted)
		}
		close(release)
		callers.Wait()
	})
}

func TestCheck_MismatchExplainsItself(t *testing.T) {
	f := newFixture(t)
	f.record(ours)
	f.key.set(otherKey)
	message := f.mismatch(other, ours).Error()
	for _, part := range []string{ours, other, state.ConfigMapName, state.InstanceKey} {
		if !strings.Contains(message, part) {
			t.Errorf("%q does not contain %s", message, part)
		}
	}
	if strings.Contains(message, otherKey) {
		t.Errorf("the message contains the key: %s", message)
	}
}

func TestCheck_RemembersAMismatchForTenSeconds(t *testing.T) {
	f := newFixture(t)
	f.record(ours)
	f.key.set(otherKey)
	f.wantRequests(1, func() {
		f.wantMismatch(other, ours)
		f.clock.Step(10*time.Second - 1)
		f.wantMismatch(other, ours)
	})
	f.clock.Step(1)
	f.wantRequests(1, func() {
		f.wantMismatch(other, ours)
		f.wantMismatch(other, ours)
	})
}

func TestCheck_RemembersAMismatchOnlyOfItsKey(t *testing.T) {
	f := newFixture(t)
	f.record(ours)
	f.key.set(otherKey)
	f.wantMismatch(other, ours)
	f.key.set(ourKey)
	f.wantAccepted()
	f.key.set(otherKey)
	f.wantMismatch(other, ours)
	f.key.set(ourKey)
	f.wantAccepted()
}

func TestCheck_APersonChangesTheRecordedInstance(t *testing.T) {
	f := newFixture(t)
	f.wantAccepted()
	f.record(other)
	f.restart()
	f.wantMismatch(ours, other)
	f.record(ours)
	f.clock.Step(10 * time.Second)
	f.wantAccepted()
}

// CLERK_INSTANCE_ID and the ConfigMap must both be the key's instance.
func TestCheck_ExpectedInstance(t *testing.T) {
	for name, c := range map[string]struct {
		expected, recorded, key string
		mismatch                string // the instance that the error expects
		source                  string
		recordedAfter           string
	}{
		"first key is the expected instance's":       {ours, "", ourKey, "", "", ours},
		"first key is another instance's":            {ours, "", otherKey, ours, "CLERK_INSTANCE_ID", ""},
		"both match":                                 {ours, ours, ourKey, "", "", ours},
		"the setting differs":                        {other, ours, ourKey, other, "CLERK_INSTANCE_ID", ours},
		"the record differs":                         {ours, other, ourKey, other, "clerkInstanceID in the ConfigMap fituser-operator", other},
		"both differ":                                {ours, ours, otherKey, ours, "CLERK_INSTANCE_ID", ours},
		"no setting, and the record differs":         {"", other, ourKey, other, "clerkInstanceID in the ConfigMap fituser-operator", other},
		"no setting, and the record is the instance": {"", ours, ourKey, "", "", ours},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if c.recorded != "" {
				f.record(c.recorded)
			}
			f.key.set(c.key)
			f.config.Expected = c.expected
			f.restart()
			if c.mismatch == "" {
				f.wantAccepted()
			} else {
				actual := map[string]string{ourKey: ours, otherKey: other}[c.key]
				if got := f.mismatch(actual, c.mismatch); got.Source != c.source {
					t.Errorf("source %q, want %q", got.Source, c.source)
				}
			}
			f.wantRecorded(c.recordedAfter)
		})
	}
}

package soak

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

var errNotYet = errors.New("not reached yet")

// failOver stops the leader and returns how long it took until the other manager wrote its first row.
func (w *world) failOver(signal syscall.Signal) time.Duration {
	w.Helper()
	leader := w.leader()
	w.eventually("the other manager is ready", w.managers[1-leader].ready)
	w.proxy.excluded.Store(int64(leader) + 1)
	began := time.Now()
	w.managers[leader].stop(signal)
	signUps := time.NewTicker(50 * time.Millisecond)
	defer signUps.Stop()
	before := w.rowsWritten(1 - leader)
	w.eventually("the other manager writes a row", func() error {
		if w.rowsWritten(1-leader) > before {
			return nil
		}
		select {
		case now := <-signUps.C: // repeated, because the old leader may still write the first row
			w.clerk.SignUp(clerktest.Person{Email: fmt.Sprintf("%d@example.com", now.UnixNano()), FirstName: "Jane", LastName: "Doe"})
		default:
		}
		return errNotYet
	})
	took := time.Since(began)
	w.proxy.excluded.Store(0)
	w.managers[leader].stopAndWait(syscall.SIGKILL)
	w.managers[leader].restart()
	w.eventually("the old leader is ready again", w.managers[leader].ready)
	return took
}

func (w *world) rowsWritten(m int) int64 {
	return w.table.Query("SELECT count(*) AS n FROM row_audit WHERE who = $1", w.managers[m].name)[0]["n"].(int64)
}

// The target is 18 s for a killed leader, whose lease must expire, and 3 s for a terminated one, which releases its lease.
func BenchmarkFailover(b *testing.B) {
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "terminated": syscall.SIGTERM} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			var total, worst time.Duration
			for b.Loop() {
				took := w.failOver(signal)
				total, worst = total+took, max(worst, took)
			}
			b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/failover")
			b.ReportMetric(float64(worst.Milliseconds()), "ms-worst")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A terminated leader releases its lease instead of letting it expire, and logs no error, even under load.
func TestFailover_TerminatedLeaderReleasesLease(t *testing.T) {
	p := newPeople(newWorld(t), 1)
	p.addOrphanedRows()
	leader := p.leader()
	old, next := p.managers[leader], p.managers[1-leader]
	p.eventually("the other manager is ready", next.ready)
	p.proxy.excluded.Store(int64(leader) + 1)
	holder := p.leaseHolder()
	for range 200 {
		p.check(p.signUp())
	}
	old.stopAndWait(syscall.SIGTERM)
	if p.leaseHolder() == holder {
		t.Error("the lease was not released")
	}
	p.waitUntilLeading(next)
	p.nothingLost("the failover")
	p.eventually("the lease has events of both leaders", func() error {
		return errors.Join(p.hasLeaseEvent(holder+" became leader"), p.hasLeaseEvent(p.leaseHolder()+" became leader"))
	})
	for line := range strings.Lines(old.logged()) {
		if strings.Contains(line, `"level":"error"`) {
			t.Errorf("a normal shutdown logs: %s", line)
		}
	}
}

// leaseHolder returns the holder of the lease.
func (w *world) leaseHolder() string {
	w.Helper()
	lease := &coordinationv1.Lease{}
	w.check(w.objects.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: "fituser-operator"}, lease))
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// hasLeaseEvent returns nil once the lease has an event with the message.
func (w *world) hasLeaseEvent(message string) error {
	var all corev1.EventList
	err := w.objects.List(w.Context(), &all, client.InNamespace(w.namespace))
	for _, event := range all.Items {
		if event.InvolvedObject.Kind == "Lease" && event.InvolvedObject.Name == "fituser-operator" && event.Message == message {
			return nil
		}
	}
	return errors.Join(err, errNotYet)
}

// leaderWrites returns the writes of a manager that only a leader may make.
func (w *world) leaderWrites(m int) (writes []string) {
	w.Helper()
	inAPI, err := w.env.Writes(w.namespace)
	w.check(err)
	for _, write := range inAPI {
		if write.User == w.managers[m].name && (write.Resource == "configmaps" || write.Subresource == "status" || write.Verb == "delete") {
			writes = append(writes, write.String())
		}
	}
	for _, write := range w.clerk.Writes() {
		if ownerOf(write.Key) == m {
			writes = append(writes, write.Route+" "+write.ID)
		}
	}
	for _, row := range w.table.Query("SELECT op, id FROM row_audit WHERE who = $1", w.managers[m].name) {
		writes = append(writes, fmt.Sprintf("%s row %s", row["op"], row["id"]))
	}
	return writes
}

// A virtual machine that was paused still considers itself the leader when it resumes, and its watch delivers all changes
// made meanwhile. It must notice that its lease has expired before it writes anything.
func TestFailover_PausedLeaderWritesNothing(t *testing.T) {
	p := newPeople(newWorld(t), 1)
	p.addOrphanedRows()
	p.makeChanges(40)
	inSync := func() error {
		v, err := p.verify()
		return errors.Join(err, v.err())
	}
	p.webhooksDelivered()
	p.requestSweep()
	p.eventually("everything is in sync", inSync)
	leader := p.leader()
	old, next := p.managers[leader], p.managers[1-leader]
	p.proxy.excluded.Store(int64(leader) + 1)
	old.signal(syscall.SIGSTOP)
	p.waitUntilLeading(next)
	p.makeChanges(60)
	p.webhooksDelivered()
	p.requestSweep()
	p.eventually("everything is in sync without the old leader", inSync)
	p.makeChanges(60) // work that the old leader finds when it resumes
	before, starts := p.leaderWrites(leader), old.started()
	old.signal(syscall.SIGCONT)
	p.makeChanges(60)
	p.eventually("the old leader has exited", func() error {
		if old.started() == starts {
			return errNotYet
		}
		return nil
	})
	if writes := p.leaderWrites(leader)[len(before):]; len(writes) > 0 {
		t.Errorf("the old leader made %d writes after its lease had expired, such as %s", len(writes), writes[0])
	}
	p.webhooksDelivered()
	p.requestSweep()
	p.eventually("everything is in sync in the end", inSync)
}

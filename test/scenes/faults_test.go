package scenes_test

import (
	"fmt"
	"maps"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// finalState is what Clerk, the API server and the table contain in the end, without what differs between runs: times,
// versions, and which of several events caused the last change.
type finalState struct {
	FitUsers map[string]v1alpha1.FitUser
	Rows     []map[string]any
	Accounts map[user.ID]account
}

// account is the metadata of a Clerk user. The operator may change its own keys and must keep all others.
type account struct{ Public, Private, Unsafe clerktest.Metadata }

func (s *scene) finalState() finalState {
	s.Helper()
	e := finalState{FitUsers: map[string]v1alpha1.FitUser{}, Accounts: map[user.ID]account{}}
	for _, object := range s.objects() {
		e.FitUsers[object.Name] = withoutTimes(object)
	}
	e.Rows = s.raw.Query("SELECT id, email, first_name, last_name, password, role, phone, created_at FROM users ORDER BY id")
	for _, u := range s.clerk.Users() {
		e.Accounts[user.ID(u.ID)] = account{u.PublicMetadata, u.PrivateMetadata, u.UnsafeMetadata}
	}
	return e
}

// withoutTimes returns the fields of a FitUser that are the same in each run. The history is not: it has each role that was in
// force, also while a write failed.
func withoutTimes(object *v1alpha1.FitUser) v1alpha1.FitUser {
	u := v1alpha1.FitUser{Spec: object.Spec, Status: *object.Status.DeepCopy()}
	u.Name, u.Annotations, u.Generation = object.Name, maps.Clone(object.Annotations), object.Generation
	if hint, ok := object.Hint(); ok {
		u.Annotations[v1alpha1.AnnotationHint] = fmt.Sprintf("%s %s", hint.MessageID, hint.Type)
	}
	u.Status.LastChangeTime, u.Status.ObservedHint, u.Status.RoleHistory = nil, "", nil
	for i := range u.Status.Conditions {
		u.Status.Conditions[i].LastTransitionTime = metav1.Time{}
	}
	return u
}

// result describes a run of a workload, from its act on.
type result struct {
	// beforeSweep is the state once the operator is idle.
	beforeSweep, afterSweep finalState
	writes, reads           int
	// toClerk and toTable count the writes that took effect.
	toClerk, toTable int
	crashed          bool
}

// execute runs a workload with these faults. It omits the sweep if the state equals the baseline, where a sweep changes
// nothing.
func (h *harness) execute(w workload, atWrite, atRead map[int]fault) result {
	h.Helper()
	s := h.newScene(h, w.configuration()...)
	if w.prepare != nil {
		w.prepare(s)
	}
	s.reconcileUntilIdle()
	first := s.operator
	s.gate.inject(atWrite, atRead)
	w.act(s)
	s.reconcileUntilIdle()
	r := result{beforeSweep: s.finalState()}
	if r.afterSweep = r.beforeSweep; h.baseline == nil || s.gate.pending() || cmp.Diff(*h.baseline, r.beforeSweep) != "" {
		s.sweep()
		r.afterSweep = s.finalState()
	}
	r.writes, r.reads = s.gate.counts()
	r.toClerk, r.toTable, r.crashed = s.gate.countApplied(clerkAPI), s.gate.countApplied(database), s.operator != first
	s.wantNoSecrets()
	return r
}

// counts counts the runs with a fault, of all workloads.
type counts struct{ writes, reads, pairs, scenes, logBytes atomic.Int64 }

func (p *counts) String() string {
	return fmt.Sprintf("crash: %d points at writes, %d at reads, %d pairs of crashes; canaries sought in %d scenes, %d KiB: none",
		p.writes.Load(), p.reads.Load(), p.pairs.Load(), p.scenes.Load(), p.logBytes.Load()>>10)
}

// After a crash or an error at any call the final state is the same as without it, with no more writes to Clerk and to the
// table.
func TestFault_AtEveryCall(t *testing.T) {
	var done counts
	t.Cleanup(func() { t.Log(&done) })
	for name, w := range workloads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			undisturbed := h.execute(w, nil, nil)
			if again := h.execute(w, nil, nil); cmp.Diff(undisturbed.afterSweep, again.afterSweep) != "" {
				t.Fatalf("two runs without a fault differ:\n%s", cmp.Diff(undisturbed.afterSweep, again.afterSweep))
			}
			h.baseline = &undisturbed.afterSweep
			everyWrite(h, w, undisturbed, &done)
			if thorough() {
				everyRead(h, w, undisturbed, &done)
				everyPair(h, w, undisturbed, &done)
			}
			done.scenes.Add(int64(h.scenes))
			done.logBytes.Add(int64(h.logBytes))
		})
	}
}

// faultsAt returns the faults to inject into a write. A crash before a write is nearly the same as one after the write before
// it, and a failure shows the same mistakes as a lost response, so that only thorough tests have all of them at all writes.
func faultsAt(write int) []fault {
	switch {
	case thorough():
		return []fault{crashBefore, crashAfter, callFails, lostAnswer}
	case write == 1:
		return []fault{crashBefore, crashAfter, callFails}
	case write%4 == 0:
		return []fault{crashAfter, callFails}
	case write%2 == 0:
		return []fault{crashAfter, lostAnswer}
	default:
		return []fault{crashAfter}
	}
}

// everyWrite injects faults into each write.
func everyWrite(h *harness, w workload, undisturbed result, done *counts) {
	h.Helper()
	if undisturbed.writes == 0 {
		h.Fatal("the operator writes nothing, so there is nothing to test")
	}
	for at := 1; at <= undisturbed.writes; at++ {
		for _, mode := range faultsAt(at) {
			r := h.execute(w, map[int]fault{at: mode}, nil)
			h.compare(fmt.Sprintf("write %d %s", at, mode), w, undisturbed, r)
			done.writes.Add(1)
		}
	}
}

// everyRead makes each read fail.
func everyRead(h *harness, w workload, undisturbed result, done *counts) {
	h.Helper()
	for at := 1; at <= undisturbed.reads; at++ {
		r := h.execute(w, nil, map[int]fault{at: callFails})
		h.compare(fmt.Sprintf("read %d fails", at), w, undisturbed, r)
		done.reads.Add(1)
	}
}

// everyPair crashes the process after each write, and its successor after each of the remaining writes.
func everyPair(h *harness, w workload, undisturbed result, done *counts) {
	h.Helper()
	for first := 1; first <= undisturbed.writes; first++ {
		second := first + 1
		for ; ; second++ {
			r := h.execute(w, map[int]fault{first: crashAfter, second: crashAfter}, nil)
			if r.writes < second {
				break // the run has no such write
			}
			h.compare(fmt.Sprintf("crashes after writes %d and %d", first, second), w, undisturbed, r)
			done.pairs.Add(1)
		}
	}
}

// compare compares a run with a fault with the run without. A process that does not crash reaches the same state by itself.
// After a crash the sweep finds what only the crashed process knew.
func (h *harness) compare(what string, w workload, undisturbed, disturbed result) {
	h.Helper()
	if diff := cmp.Diff(undisturbed.afterSweep, disturbed.afterSweep); diff != "" {
		h.Errorf("%s: the final state differs (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(undisturbed.beforeSweep, disturbed.beforeSweep); diff != "" && !disturbed.crashed && !w.needsSweep {
		h.Errorf("%s: the state before the sweep differs (-want +got):\n%s", what, diff)
	}
	// A row follows Clerk. While the write to Clerk fails, the row may change once more and back.
	spare := 2
	if disturbed.crashed {
		spare = 0
	}
	if disturbed.toClerk > undisturbed.toClerk || disturbed.toTable > undisturbed.toTable+spare {
		h.Errorf("%s: %d writes to Clerk and %d to the table, want at most %d and %d", what,
			disturbed.toClerk, disturbed.toTable, undisturbed.toClerk, undisturbed.toTable)
	}
}

// A user signs up and deletes the account at once, and the first reconcile fails at a write. No row and no FitUser may be
// left. Until the status is written, only the process knows that it wrote a row.
func TestFault_UserDeletedDuringFirstReconcile(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for at, more := 1, true; more; at++ {
		for _, mode := range []fault{callFails, lostAnswer} {
			s := h.newScene(t)
			s.hint(s.signUp("jane"), v1alpha1.UserCreated)
			s.gate.inject(map[int]fault{at: mode}, nil)
			s.deliverWatchEvents()
			s.reconcile(jane)
			more = !s.gate.pending()
			s.clerk.Delete(string(jane))
			s.hint(jane, v1alpha1.UserDeleted)
			s.reconcileUntilIdle()
			s.sweep()
			if end := s.finalState(); len(end.FitUsers) > 0 || len(end.Rows) > 0 {
				t.Errorf("write %d %s: %d FitUsers and %d rows are left", at, mode, len(end.FitUsers), len(end.Rows))
			}
		}
	}
}

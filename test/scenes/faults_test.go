package scenes_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// ending is what the three places hold in the end, without what differs from run to run: times, versions, and which of
// several messages led to the last change.
type ending struct {
	FitUsers map[string]v1alpha1.FitUser
	Rows     []map[string]any
	Accounts map[user.ID]account
}

// account is the part of a Clerk user of which the operator may change some and must leave the rest.
type account struct{ Public, Private, Unsafe clerktest.Metadata }

func (s *scene) ending() ending {
	s.Helper()
	e := ending{FitUsers: map[string]v1alpha1.FitUser{}, Accounts: map[user.ID]account{}}
	for _, object := range s.objects() {
		e.FitUsers[object.Name] = lasting(object)
	}
	e.Rows = s.raw.Query("SELECT id, email, first_name, last_name, password, role, phone, created_at FROM users ORDER BY id")
	for _, u := range s.clerk.Users() {
		e.Accounts[user.ID(u.ID)] = account{u.PublicMetadata, u.PrivateMetadata, u.UnsafeMetadata}
	}
	return e
}

// lasting is what of a FitUser does not differ from run to run.
func lasting(object *v1alpha1.FitUser) v1alpha1.FitUser {
	u := v1alpha1.FitUser{Spec: object.Spec, Status: *object.Status.DeepCopy()}
	u.Name, u.Annotations, u.Generation = object.Name, object.Annotations, object.Generation
	u.Status.LastChangeTime, u.Status.ObservedHint = nil, ""
	for i := range u.Status.Conditions {
		u.Status.Conditions[i].LastTransitionTime = metav1.Time{}
	}
	return u
}

// run is how a workload went, from the moment at which something happened.
type run struct {
	// early is what there was when the operator came to rest, end what there was after a sweep.
	early, end    ending
	writes, reads int
	// toClerk and toTable are the writes that took effect.
	toClerk, toTable int
	died             bool
}

// perform makes a run with these mishaps. The sweep is left out where it would find what it found undisturbed: nothing.
func (st *stage) perform(w workload, atWrite, atRead map[int]mishap) run {
	st.Helper()
	s := st.newScene(st)
	if w.prepare != nil {
		w.prepare(s)
	}
	s.run()
	first := s.process
	s.gate.arm(atWrite, atRead)
	w.happens(s)
	s.run()
	r := run{early: s.ending()}
	if r.end = r.early; st.calm == nil || s.gate.waits() || cmp.Diff(*st.calm, r.early) != "" {
		s.sweep()
		r.end = s.ending()
	}
	r.writes, r.reads = s.gate.counts()
	r.toClerk, r.toTable, r.died = s.gate.made(clerkAPI), s.gate.made(database), s.process != first
	s.secrets()
	return r
}

// points counts the runs with a mishap, of all workloads.
type points struct{ writes, reads, pairs, scenes, logBytes atomic.Int64 }

func (p *points) String() string {
	return fmt.Sprintf("crash: %d points at writes, %d at reads, %d pairs of crashes; canaries sought in %d scenes, %d KiB: none",
		p.writes.Load(), p.reads.Load(), p.pairs.Load(), p.scenes.Load(), p.logBytes.Load()>>10)
}

// Whatever call a process dies in, and whatever call fails, the three places end as if nothing had happened, and Clerk and
// the table are written no more often than they would have been.
func TestMishapAtEveryCall(t *testing.T) {
	var done points
	t.Cleanup(func() { t.Log(&done) })
	for name, w := range workloads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t)
			undisturbed := st.perform(w, nil, nil)
			if again := st.perform(w, nil, nil); cmp.Diff(undisturbed.end, again.end) != "" {
				t.Fatalf("two undisturbed runs differ:\n%s", cmp.Diff(undisturbed.end, again.end))
			}
			st.calm = &undisturbed.end
			everyWrite(st, w, undisturbed, &done)
			if os.Getenv("FITUSER_TEST_THOROUGH") != "" { // minutes: make test-thorough
				everyRead(st, w, undisturbed, &done)
				everyPair(st, w, undisturbed, &done)
			}
			done.scenes.Add(int64(st.scenes))
			done.logBytes.Add(int64(st.logBytes))
		})
	}
}

// everyWrite lets each write go wrong in each way.
func everyWrite(st *stage, w workload, undisturbed run, done *points) {
	st.Helper()
	if undisturbed.writes == 0 {
		st.Fatal("the operator writes nothing: there is nothing to test")
	}
	for at := 1; at <= undisturbed.writes; at++ {
		for _, mode := range []mishap{diesBefore, diesAfter, fails, inDoubt} {
			r := st.perform(w, map[int]mishap{at: mode}, nil)
			st.compare(fmt.Sprintf("write %d %s", at, mode), w, undisturbed, r)
			done.writes.Add(1)
		}
	}
}

// everyRead lets each read fail.
func everyRead(st *stage, w workload, undisturbed run, done *points) {
	st.Helper()
	for at := 1; at <= undisturbed.reads; at++ {
		r := st.perform(w, nil, map[int]mishap{at: fails})
		st.compare(fmt.Sprintf("read %d fails", at), w, undisturbed, r)
		done.reads.Add(1)
	}
}

// everyPair lets a process die after each write, and the one that follows after each of those that are left to it.
func everyPair(st *stage, w workload, undisturbed run, done *points) {
	st.Helper()
	for first := 1; first <= undisturbed.writes; first++ {
		second := first + 1
		for ; ; second++ {
			r := st.perform(w, map[int]mishap{first: diesAfter, second: diesAfter}, nil)
			if r.writes < second {
				break // there is no such write
			}
			st.compare(fmt.Sprintf("dies after writes %d and %d", first, second), w, undisturbed, r)
			done.pairs.Add(1)
		}
	}
}

// compare compares a disturbed run with the undisturbed one. A process that lives on gets there by itself; after one that
// died, what only it knew is found by the sweep.
func (st *stage) compare(what string, w workload, undisturbed, disturbed run) {
	st.Helper()
	if diff := cmp.Diff(undisturbed.end, disturbed.end); diff != "" {
		st.Errorf("%s: another end (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(undisturbed.early, disturbed.early); diff != "" && !disturbed.died && !w.swept {
		st.Errorf("%s: another end before the sweep (-want +got):\n%s", what, diff)
	}
	// A row follows what Clerk holds. While the write to Clerk fails it may do so once more, there and back.
	spare := 2
	if disturbed.died {
		spare = 0
	}
	if disturbed.toClerk > undisturbed.toClerk || disturbed.toTable > undisturbed.toTable+spare {
		st.Errorf("%s: %d writes to Clerk and %d to the table, undisturbed %d and %d", what,
			disturbed.toClerk, disturbed.toTable, undisturbed.toClerk, undisturbed.toTable)
	}
}

// Somebody signs up and deletes the account at once, and the first look at them fails in the middle: nothing is left of
// them. That a row was written is known to the process alone until a status says that the user was seen.
func TestDeletedAmidTheFirstLook(t *testing.T) {
	t.Parallel()
	st := newStage(t)
	for at, more := 1, true; more; at++ {
		for _, mode := range []mishap{fails, inDoubt} {
			s := st.newScene(t)
			s.hint(s.signUp("jane"), v1alpha1.UserCreated)
			s.gate.arm(map[int]mishap{at: mode}, nil)
			s.watch()
			s.look(jane)
			more = !s.gate.waits()
			s.clerk.Delete(string(jane))
			s.hint(jane, v1alpha1.UserDeleted)
			s.run()
			s.sweep()
			if end := s.ending(); len(end.FitUsers) > 0 || len(end.Rows) > 0 {
				t.Errorf("write %d %s: %d FitUsers and %d rows are left", at, mode, len(end.FitUsers), len(end.Rows))
			}
		}
	}
}

package controllers

import (
	"fmt"
	"testing"
	"time"

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

// account is what the operator may change of a Clerk user, and what it must leave.
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
	if u.Status.Clerk != nil && u.Status.Clerk.CreatedAt != nil {
		u.Status.Clerk.CreatedAt = &metav1.Time{Time: time.Unix(1, 0)}
	}
	for i := range u.Status.Conditions {
		u.Status.Conditions[i].LastTransitionTime = metav1.Time{}
	}
	return u
}

// run is one run of a workload: its end, and what passed the gate from the moment at which something happened.
type run struct {
	early, end                ending // before and after a sweep
	writes, reads             int
	clerkWrites, tableWrites  int
}

// perform makes a run with these mishaps.
func (st *stage) perform(w workload, atWrite, atRead map[int]mishap) run {
	st.Helper()
	s := st.newScene(st)
	s.start()
	if w.prepare != nil {
		w.prepare(s)
	}
	s.run()
	s.gate.arm(atWrite, atRead)
	w.happens(s)
	s.run()
	r := run{early: s.ending()}
	s.sweep()
	s.gate.arm(nil, nil) // what did not come is not to come later
	s.secrets()
	return r
}

// pass counts a run that ended as it should.
func (r run) differs(other run) string { return cmp.Diff(other.end, r.end) }

func (r run) String() string { return fmt.Sprintf("%d writes, %d reads", r.writes, r.reads) }

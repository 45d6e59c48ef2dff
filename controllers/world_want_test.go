package controllers_test

import (
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/testenv"
	"github.com/fitai/fituser-operator/internal/user"
)

func (w *world) wantReady(id user.ID) {
	w.Helper()
	w.wantReason(id, v1alpha1.ReasonSynced)
}

// wantReason checks the reason of Ready, and that the other conditions are consistent with it.
func (w *world) wantReason(id user.ID, reason string) {
	w.Helper()
	u := w.fitUser(id)
	if u == nil {
		w.Fatalf("%s has no FitUser", id)
	}
	w.wantReasonOf(u, reason)
}

func (w *world) wantReasonOf(u *v1alpha1.FitUser, reason string) {
	w.Helper()
	w.reload(u)
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		w.Fatalf("%s has no Ready condition", u.Name)
	}
	if ready.Reason != reason {
		w.Fatalf("%s: Ready is %s, %s (%s); want %s", u.Name, ready.Status, ready.Reason, ready.Message, reason)
	}
	synced := reason == v1alpha1.ReasonSynced || reason == v1alpha1.ReasonAwaitingSignUp
	for _, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionClerkSynced, v1alpha1.ConditionDatabaseSynced} {
		if synced && !meta.IsStatusConditionTrue(u.Status.Conditions, conditionType) {
			w.Errorf("%s: %s is not True, and the user is in sync", u.Name, conditionType)
		}
	}
	busy := meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionReconciling)
	stalled := meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionStalled)
	if synced == (busy || stalled) {
		w.Errorf("%s: Reconciling %v, Stalled %v with reason %s", u.Name, busy, stalled, reason)
	}
	if u.Status.ObservedGeneration != u.Generation {
		w.Errorf("%s: the status has generation %d, want %d", u.Name, u.Status.ObservedGeneration, u.Generation)
	}
}

// wantRow checks the row against Clerk's user and the given role.
func (w *world) wantRow(id user.ID, role user.Role) {
	w.Helper()
	u, ok := w.clerk.User(string(id))
	row := w.table.Row(id)
	if !ok || row == nil {
		w.Fatalf("%s: in Clerk %v, row %v", id, ok, row)
	}
	want := map[string]any{
		"email": u.PrimaryEmail(), "first_name": deref(u.FirstName), "last_name": deref(u.LastName), "role": string(role),
		"created_at": u.CreatedAt / 1000,
	}
	got := map[string]any{}
	for column := range want {
		got[column] = row[column]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Fatalf("row of %s (-want +got):\n%s", id, diff)
	}
}

func (w *world) wantNoRow(id user.ID) {
	w.Helper()
	if row := w.table.Row(id); row != nil {
		w.Fatalf("%s has a row", id)
	}
}

// metadata returns a user's role and marker in Clerk. Each may be nil.
func (w *world) metadata(id user.ID) (role, marker any) {
	w.Helper()
	u, ok := w.clerk.User(string(id))
	if !ok {
		w.Fatalf("%s is not in Clerk", id)
	}
	return u.PublicMetadata["role"], u.PrivateMetadata["fituser"]
}

// wantWrites runs act and checks its number of writes to objects in the namespace and to Clerk.
func (w *world) wantWrites(objects, clerkWrites int, act func()) {
	w.Helper()
	before, clerkBefore := len(w.writes()), len(w.clerk.Writes())
	act()
	if got := w.writes()[before:]; len(got) != objects {
		w.Errorf("%d writes to the API server, want %d; the last ones: %v", len(got), objects, got[max(0, len(got)-10):])
	}
	if got := w.clerk.Writes()[clerkBefore:]; len(got) != clerkWrites {
		w.Errorf("%d writes to Clerk, want %d; the last ones: %v", len(got), clerkWrites, got[max(0, len(got)-10):])
	}
}

func (w *world) writes() []testenv.Write {
	w.Helper()
	writes, err := w.env.Writes(w.namespace)
	if err != nil {
		w.Fatal(err)
	}
	return writes
}

// wantNoWrites reconciles the users three times and checks that nothing is written.
func (w *world) wantNoWrites(ids ...user.ID) {
	w.Helper()
	table := w.table.Query("SELECT * FROM users ORDER BY id")
	w.wantWrites(0, 0, func() {
		for range 3 {
			for _, id := range ids {
				if _, err := w.reconcile(id); err != nil {
					w.Errorf("reconciling %s again: %v", id, err)
				}
			}
		}
	})
	if diff := cmp.Diff(table, w.table.Query("SELECT * FROM users ORDER BY id")); diff != "" {
		w.Errorf("the table changed without a cause:\n%s", diff)
	}
}

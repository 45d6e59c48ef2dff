package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// byEmail creates a manifest that names an address.
func (w *world) byEmail(name, address string, spec v1alpha1.FitUserSpec) *v1alpha1.FitUser {
	w.Helper()
	spec.Email = address
	u := &v1alpha1.FitUser{Spec: spec}
	u.Namespace, u.Name = w.namespace, name
	w.create(u)
	return u
}

// resolve finds the holder of an address, and reconciles the users that this requests.
func (w *world) resolve(address string) {
	w.Helper()
	w.catchUp()
	if _, err := w.ReconcileAddress(w.ctx, user.NormalizeEmail(address)); err != nil {
		w.Fatal(err)
	}
	w.reconcileRequested()
}

func (w *world) reconcileRequested() {
	for {
		select {
		case req := <-w.Requests():
			w.reconcileUntilStable(req.Object.ID)
		default:
			return
		}
	}
}

// wantBound checks the user of a manifest, "" for none.
func (w *world) wantBound(u *v1alpha1.FitUser, id user.ID) {
	w.Helper()
	w.reload(u)
	if got := u.Status.ClerkUserID; got != string(id) {
		w.Errorf("%s is bound to %q, want %q", u.Name, got, id)
	}
}

func TestAddress_ManifestBeforeTheSignUp(t *testing.T) {
	w := newWorld(t)
	coach := w.byEmail("coach-jane", "Jane@Example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	w.wantWrites(1, 0, func() { w.resolve("jane@example.com") })
	w.wantReasonOf(coach, v1alpha1.ReasonAwaitingSignUp)
	w.wantBound(coach, "")
	w.wantWrites(0, 0, func() { w.resolve("jane@example.com") })

	jane := w.signUp("jane")
	w.event(jane, v1alpha1.UserCreated) // the receiver's FitUser
	requests := w.clerk.RequestCount("")
	w.wantWrites(2, 1, func() { w.reconcileUntilStable(jane) }) // the manifest's status; the receiver's FitUser is deleted
	if got := w.clerk.RequestCount("") - requests; got != 2 {
		t.Errorf("%d requests to Clerk, want the read and the grant", got)
	}
	w.wantReady(jane)
	w.wantBound(coach, jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	w.wantNoWrites(jane)
	if report := w.mustSweep(); report.Differing+report.New != 0 {
		t.Errorf("the sweep found %+v", report)
	}
}

// A manifest for somebody who signed up long ago is bound without an event and without a sweep.
func TestAddress_ManifestForAnExistingUser(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	coach := w.byEmail("coach-jane", "JANE@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	w.resolve("jane@example.com")
	w.wantBound(coach, jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	if all := w.allFitUsers(); len(all) != 1 {
		t.Errorf("%d FitUsers are left, want the manifest alone", len(all))
	}
	w.wantNoWrites(jane)
}

func TestAddress_FoundByTheSweep(t *testing.T) {
	w := newWorld(t)
	coach := w.byEmail("coach-jane", "jane@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	w.resolve("jane@example.com")
	jane := w.signUp("jane")
	finds := w.clerk.RequestCount("GET /users")
	w.mustSweep()
	w.wantBound(coach, jane)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	if got := w.clerk.RequestCount("GET /users") - finds; got != 1 { // the page
		t.Errorf("%d list requests, want 1", got)
	}
	report := w.mustSweep()
	if report.Differing+report.New != 0 {
		t.Errorf("the next sweep found %+v", report)
	}
}

// A manifest grants its role only to a user who has verified the address.
func TestAddress_OnlyVerifiedAddressesMatch(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.clerk.AddEmail(string(jane), "boss@example.com", false)
	boss := w.byEmail("boss", "boss@example.com", v1alpha1.FitUserSpec{Role: "admin"})
	w.resolve("boss@example.com")
	w.reconcileUntilStable(jane)
	w.mustSweep()
	w.wantBound(boss, "")
	w.wantReasonOf(boss, v1alpha1.ReasonAwaitingSignUp)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)

	w.clerk.VerifyEmail(string(jane), "boss@example.com")
	w.reconcileUntilStable(jane)
	w.wantBound(boss, jane)
	w.wantRole(jane, user.Admin, user.FromManifest, "admin", markerOf("admin"))
}

// The role follows the address: it is revoked with the address and granted to the next user who verifies it.
func TestAddress_RoleFollowsTheAddress(t *testing.T) {
	for name, order := range map[string]func(jane, joe user.ID) []user.ID{
		"former holder first": func(jane, joe user.ID) []user.ID { return []user.ID{jane, joe} },
		"new holder first":    func(jane, joe user.ID) []user.ID { return []user.ID{joe, jane} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jane, joe := w.signUp("jane"), w.signUp("joe")
			coach := w.byEmail("coach", "jane@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
			w.resolve("jane@example.com")
			w.reconcileUntilStable(joe)
			w.clerk.SetPrimaryEmail(string(jane), "new@example.com")
			w.clerk.AddEmail(string(joe), "jane@example.com", true)
			w.catchUp()
			w.reconcileUntilStable(order(jane, joe)...)
			w.reconcileRequested()
			w.endGrace()
			w.reconcileUntilStable(jane)
			w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
			w.resolve("jane@example.com") // as the release of the manifest requests
			w.wantBound(coach, joe)
			w.wantRole(joe, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
			w.wantNoWrites(jane, joe)
		})
	}
}

func TestAddress_LostAddressRevokesTheRole(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.clerk.AddEmail(string(jane), "coach@example.com", true)
	coach := w.byEmail("coach", "coach@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	w.resolve("coach@example.com")
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
	w.clerk.RemoveEmail(string(jane), "coach@example.com")
	w.mustSweep()
	w.endGrace()
	w.reconcileUntilStable(jane)
	w.wantRole(jane, user.Client, user.FromDefault, nil, nil)
	w.wantBound(coach, "")
	w.wantReasonOf(coach, v1alpha1.ReasonAwaitingSignUp)
	if !w.fitUser(jane).ManagedByOperator() {
		t.Error("the user has no FitUser of the operator")
	}
}

// The protected role does not move to another account by itself, also after a time in which nobody had the address.
func TestAddress_ProtectedRoleWaitsForAPerson(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	boss := w.byEmail("boss", "jane@example.com", v1alpha1.FitUserSpec{Role: "admin"})
	w.resolve("jane@example.com")
	w.wantRole(jane, user.Admin, user.FromManifest, "admin", markerOf("admin"))
	w.clerk.SetPrimaryEmail(string(jane), "new@example.com")
	w.catchUp()
	w.reconcileUntilStable(jane)
	w.endGrace()
	w.reconcileUntilStable(jane)
	w.resolve("jane@example.com")
	w.wantBound(boss, "")

	joe := w.signUp("joe")
	w.clerk.AddEmail(string(joe), "jane@example.com", true)
	w.reconcileUntilStable(joe)
	w.wantReason(joe, v1alpha1.ReasonAddressChangedHands)
	w.wantRole(joe, user.Client, user.FromDefault, nil, nil)
	w.wantNoWrites(joe)
	w.mustSweep()
	w.wantRole(joe, user.Client, user.FromDefault, nil, nil)

	w.change(boss, func(u *v1alpha1.FitUser) { setAnnotation(u, v1alpha1.AnnotationRebind, string(jane)) }) // another user's id
	w.reconcileUntilStable(joe)
	w.wantReason(joe, v1alpha1.ReasonAddressChangedHands)
	w.change(boss, func(u *v1alpha1.FitUser) { setAnnotation(u, v1alpha1.AnnotationRebind, string(joe)) })
	w.reconcileUntilStable(joe)
	w.wantReady(joe)
	w.wantRole(joe, user.Admin, user.FromManifest, "admin", markerOf("admin"))
	w.change(boss, func(u *v1alpha1.FitUser) { delete(u.Annotations, v1alpha1.AnnotationRebind) })
	w.reconcileUntilStable(joe)
	w.wantRole(joe, user.Admin, user.FromManifest, "admin", markerOf("admin"))
}

// The former holder who verifies the address again gets the protected role back.
func TestAddress_ProtectedRoleReturnsToItsHolder(t *testing.T) {
	w := newWorld(t)
	jane, joe := w.signUp("jane"), w.signUp("joe")
	boss := w.byEmail("boss", "jane@example.com", v1alpha1.FitUserSpec{Role: "admin"})
	w.resolve("jane@example.com")
	w.clerk.SetPrimaryEmail(string(jane), "new@example.com")
	w.clerk.AddEmail(string(joe), "jane@example.com", true)
	w.catchUp() // a release that the cache misses is left to the next sweep
	w.reconcileUntilStable(jane)
	w.resolve("jane@example.com")
	w.wantBound(boss, joe)
	w.clerk.RemoveEmail(string(joe), "jane@example.com")
	w.clerk.AddEmail(string(jane), "jane@example.com", true)
	w.catchUp()
	w.reconcileUntilStable(joe, jane)
	w.wantBound(boss, jane)
	w.wantRole(jane, user.Admin, user.FromManifest, "admin", markerOf("admin"))
	w.wantRole(joe, user.Client, user.FromDefault, nil, nil)
}

// The row of a deleted user is deleted under the manifest's policy, and the manifest waits for the next sign-up.
func TestAddress_UserDeletedInClerk(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.signUp("joe") // an empty listing proves nothing
	coach := w.byEmail("coach", "jane@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	w.resolve("jane@example.com")
	w.clerk.Delete(string(jane))
	w.mustSweep()
	w.wantNoRow(jane)
	w.wantBound(coach, "")
	w.wantReasonOf(coach, v1alpha1.ReasonAwaitingSignUp)

	again := w.signUp("jane")
	w.reconcileUntilStable(again)
	w.wantBound(coach, again)
	w.wantRole(again, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))
}

// A manifest by id comes before one by address. Moving from one form to the other leaves no moment without the role.
func TestAddress_MovingBetweenTheForms(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	byID := w.manifest("by-id", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	address := w.byEmail("by-email", "jane@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	w.wantWrites(1, 0, func() { w.resolve("jane@example.com") })
	w.wantReasonOf(address, v1alpha1.ReasonDuplicateUser)
	w.wantReasonOf(byID, v1alpha1.ReasonSynced)
	w.wantBound(address, jane)
	w.wantNoWrites(jane)

	w.remove(byID)
	w.wantWrites(1, 0, func() { w.reconcileUntilStable(jane) })
	w.wantReasonOf(address, v1alpha1.ReasonSynced)
	w.wantRole(jane, user.Trainer, user.FromManifest, "trainer", markerOf("trainer"))

	byID = w.manifest("by-id", jane, v1alpha1.FitUserSpec{Role: "trainer"})
	w.reconcileUntilStable(jane)
	w.remove(address)
	w.wantWrites(0, 0, func() { w.reconcileUntilStable(jane) })
	w.wantReasonOf(byID, v1alpha1.ReasonSynced)
}

// A hundred new manifests cost one request.
func TestAddress_ManifestsShareARequest(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		w.byEmail(fmt.Sprintf("coach%d", i), fmt.Sprintf("coach%d@example.com", i), v1alpha1.FitUserSpec{Role: "trainer"})
	}
	w.catchUp()
	before := w.clerk.RequestCount("")
	errs := make(chan error, 100)
	for i := range 100 {
		go func() {
			_, err := w.ReconcileAddress(w.ctx, fmt.Sprintf("coach%d@example.com", i))
			errs <- err
		}()
	}
	for range 100 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := w.clerk.RequestCount("") - before; got > 25 { // a few are sent at once, before others wait
		t.Errorf("%d requests for 100 manifests: they are not shared", got)
	}
}

func TestAddress_ClerkErrorConcludesNothing(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	coach := w.byEmail("coach", "jane@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	remove := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("GET", "/users"), Respond: clerktest.OKNull()})
	w.catchUp()
	if _, err := w.ReconcileAddress(w.ctx, "jane@example.com"); err == nil {
		t.Error("the failure is not retried")
	}
	w.wantReasonOf(coach, v1alpha1.ReasonClerkUnavailable)
	if text := fmt.Sprint(coach.Status.Conditions); strings.Contains(text, "jane@") {
		t.Errorf("the conditions contain the address: %s", text)
	}
	remove()
	w.resolve("jane@example.com")
	w.wantBound(coach, jane)
}

// A person who reads FitUsers can select them by address.
func TestAddress_SelectableFields(t *testing.T) {
	w := newWorld(t)
	jane := w.signUp("jane")
	w.byEmail("coach", "jane@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	w.resolve("jane@example.com")
	for field, value := range map[string]string{
		v1alpha1.FieldEmail: "jane@example.com", v1alpha1.FieldObservedClerkUserID: string(jane), v1alpha1.FieldObservedRole: "trainer",
	} {
		var list v1alpha1.FitUserList
		err := w.live().List(context.Background(), &list, client.InNamespace(w.namespace), client.MatchingFields{field: value})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("%s: %d FitUsers, %v", field, len(list.Items), err)
		}
	}
}

package soak

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/state"
)

// orphanedRows is the number of rows of accounts from before Clerk. They must not be changed.
const orphanedRows = 5

// orphanedRow returns the id of one of them.
func orphanedRow(i int) string { return fmt.Sprint("before-clerk-", i) }

func (w *world) addOrphanedRows() {
	for i := range orphanedRows {
		w.table.Exec("INSERT INTO users (id, email, first_name, last_name, password, created_at, updated_at)"+
			" VALUES ($1, $2, 'Old', 'Account', 'secret', to_timestamp(1), to_timestamp(1))", orphanedRow(i), orphanedRow(i)+"@example.com")
	}
}

// snapshot is the content of Clerk, the API server and the table.
type snapshot struct {
	owner    string // the owner id of the installation
	clerk    map[string]clerktest.User
	fitUsers map[string][]v1alpha1.FitUser
	rows     map[string]map[string]any
}

func (w *world) snapshot() (snapshot, error) {
	s := snapshot{
		clerk: map[string]clerktest.User{}, fitUsers: map[string][]v1alpha1.FitUser{}, rows: map[string]map[string]any{},
	}
	all, err := w.fitUsers()
	if err != nil {
		return snapshot{}, err
	}
	recorded, err := (&state.Store{Client: w.objects, Namespace: w.namespace}).Read(w.Context())
	if err != nil {
		return snapshot{}, err
	}
	s.owner = recorded.OwnerID
	for _, u := range all {
		s.fitUsers[u.Spec.ClerkUserID] = append(s.fitUsers[u.Spec.ClerkUserID], u)
	}
	for _, u := range w.clerk.Users() {
		s.clerk[u.ID] = u
	}
	for _, row := range w.table.Query("SELECT *, extract(epoch FROM updated_at)::bigint AS written FROM users") {
		s.rows[row["id"].(string)] = row
	}
	return s, nil
}

// compare returns nil when the FitUser and the row of a user match Clerk.
func (s snapshot) compare(u clerktest.User) error {
	var ready *v1alpha1.FitUser
	operatorManaged := 0
	for i, object := range s.fitUsers[u.ID] {
		if object.ManagedByOperator() {
			operatorManaged++
		}
		if meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady) {
			ready = &s.fitUsers[u.ID][i]
		}
	}
	switch {
	case ready == nil:
		return fmt.Errorf("none of %d FitUsers is Ready", len(s.fitUsers[u.ID]))
	case operatorManaged > 0 && len(s.fitUsers[u.ID]) > 1:
		return errors.New("the user has a redundant operator-managed FitUser")
	}
	return errors.Join(s.compareRole(u, ready), compareProfile(u, ready, s.rows[u.ID]))
}

func (s snapshot) compareRole(u clerktest.User, ready *v1alpha1.FitUser) error {
	row := s.rows[u.ID]
	current, _ := u.PublicMetadata["role"].(string)
	marker, hasMarker := u.PrivateMetadata["fituser"].(map[string]any)
	want := current
	switch desired := string(ready.Spec.Role); {
	case desired != "" && (current != desired || !hasMarker || marker["role"] != desired):
		return fmt.Errorf("the manifest sets %s, Clerk has %s with the marker %v", desired, current, marker)
	case hasMarker && marker["owner"] != s.owner:
		return fmt.Errorf("the marker %v is not of the installation %s", marker, s.owner)
	case desired == "" && hasMarker:
		return fmt.Errorf("no manifest sets a role, but Clerk has the marker %v", marker)
	case current == "":
		want = string(v1alpha1.Role("client"))
	}
	if string(ready.Status.Role) != want || row["role"] != want {
		return fmt.Errorf("the role is %s, but %s in the FitUser and %v in the row", want, ready.Status.Role, row["role"])
	}
	return nil
}

func compareProfile(u clerktest.User, ready *v1alpha1.FitUser, row map[string]any) error {
	var phone any
	for _, number := range u.PhoneNumbers {
		if u.PrimaryPhoneNumberID != nil && number.ID == *u.PrimaryPhoneNumberID {
			phone = number.PhoneNumber
		}
	}
	profile := ready.Status.Profile
	switch {
	case row == nil:
		return errors.New("the row is missing")
	case row["email"] != u.PrimaryEmail() || row["first_name"] != *u.FirstName || row["last_name"] != *u.LastName:
		return errors.New("the row differs in the e-mail address or the name")
	case row["phone"] != phone:
		return errors.New("the row differs in the phone number")
	case profile == nil || profile.Email != u.PrimaryEmail() || profile.FirstName != *u.FirstName:
		return errors.New("the FitUser differs in the e-mail address or the name")
	}
	return nil
}

// findings are the differences in a snapshot.
type findings struct {
	lost       []string // users whose acknowledged change is not reflected
	mismatches []string
	leftovers  []string // FitUsers and rows of deleted users
	// gap has orphaned rows of a known gap: a process ended between writing the row and recording that the user was seen,
	// and then the user was deleted in Clerk. See docs/reliability.md, what is not covered.
	gap     []string
	checked int // users whose newest change was acknowledged
}

// verify compares everything. A difference that only a sweep can find does not count as lost.
func (p *people) verify() (findings, error) {
	now, err := p.snapshot()
	if err != nil {
		return findings{}, err
	}
	var v findings
	for id, u := range now.clerk {
		acknowledged := p.acks.covers(id, u.UpdatedAt) && !p.edited[id]
		if acknowledged {
			v.checked++
		}
		if err := now.compare(u); err != nil {
			v.mismatches = append(v.mismatches, fmt.Sprintf("%s: %v", id, err))
			if acknowledged {
				v.lost = append(v.lost, v.mismatches[len(v.mismatches)-1])
			}
		}
	}
	p.verifyRows(now, &v)
	for id, objects := range now.fitUsers {
		if _, there := now.clerk[id]; there {
			continue
		}
		for _, object := range objects {
			reason := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
			if object.ManagedByOperator() || reason == nil || reason.Reason != v1alpha1.ReasonUserNotFound {
				v.leftovers = append(v.leftovers, fmt.Sprintf("FitUser %s of the deleted user %s: %+v", object.Name, id, reason))
			}
		}
	}
	return v, nil
}

func (p *people) verifyRows(now snapshot, v *findings) {
	for i := range orphanedRows {
		if row := now.rows[orphanedRow(i)]; row == nil || row["written"] != int64(1) || row["password"] != "secret" {
			v.mismatches = append(v.mismatches, fmt.Sprintf("the orphaned row %s was changed: %v", orphanedRow(i), row))
		}
		delete(now.rows, orphanedRow(i))
	}
	for id := range now.rows {
		if _, there := now.clerk[id]; there {
			continue
		}
		if p.inKnownGap(id) && len(now.fitUsers[id]) == 0 {
			v.gap = append(v.gap, id)
			continue
		}
		v.leftovers = append(v.leftovers, fmt.Sprintf("the row of the deleted user %s", id))
		if p.acks.covers(id, p.deletedAt[id]) && !p.edited[id] {
			v.lost = append(v.lost, v.leftovers[len(v.leftovers)-1])
		}
	}
}

// inKnownGap reports whether the row of a deleted user may have become an orphaned row: no FitUser recorded that the user
// was seen in Clerk, and a process has ended since the sign-up, perhaps just after it wrote the row.
func (p *people) inKnownGap(id string) bool {
	return p.neverObserved[id] && p.starts() > p.startsAtSignUp[id]
}

// err returns nil when there are no mismatches and no leftovers.
func (v findings) err() error {
	wrong := append(append([]string{}, v.mismatches...), v.leftovers...)
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%d mismatches, %d leftovers, such as:\n%s", len(v.mismatches), len(v.leftovers),
		strings.Join(wrong[:min(len(wrong), 10)], "\n"))
}

package soak

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// strangers is how many rows there are of accounts from before Clerk. Nobody may touch them.
const strangers = 5

func stranger(i int) string { return fmt.Sprint("before-clerk-", i) }

func (w *world) addStrangers() {
	for i := range strangers {
		w.table.Exec("INSERT INTO users (id, email, first_name, last_name, password, created_at, updated_at)"+
			" VALUES ($1, $2, 'Old', 'Account', 'secret', to_timestamp(1), to_timestamp(1))", stranger(i), stranger(i)+"@example.com")
	}
}

// places is what the three places hold at a moment.
type places struct {
	clerk    map[string]clerktest.User
	fitUsers map[string][]v1alpha1.FitUser
	rows     map[string]map[string]any
}

func (w *world) look() (places, error) {
	p := places{
		clerk: map[string]clerktest.User{}, fitUsers: map[string][]v1alpha1.FitUser{}, rows: map[string]map[string]any{},
	}
	all, err := w.fitUsers()
	if err != nil {
		return places{}, err
	}
	for _, u := range all {
		p.fitUsers[u.Spec.ClerkUserID] = append(p.fitUsers[u.Spec.ClerkUserID], u)
	}
	for _, u := range w.clerk.Users() {
		p.clerk[u.ID] = u
	}
	for _, row := range w.table.Query("SELECT *, extract(epoch FROM updated_at)::bigint AS written FROM users") {
		p.rows[row["id"].(string)] = row
	}
	return p, nil
}

// user is nil when the three places say the same of a user in Clerk.
func (p places) user(u clerktest.User) error {
	var serving *v1alpha1.FitUser
	made := 0
	for i, object := range p.fitUsers[u.ID] {
		if object.ManagedByOperator() {
			made++
		}
		if meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady) {
			serving = &p.fitUsers[u.ID][i]
		}
	}
	switch {
	case serving == nil:
		return fmt.Errorf("none of %d FitUsers is Ready", len(p.fitUsers[u.ID]))
	case made > 0 && len(p.fitUsers[u.ID]) > 1:
		return errors.New("the operator has made a FitUser beside another one")
	}
	return errors.Join(agreeOnRole(u, serving, p.rows[u.ID]), agreeOnPerson(u, serving, p.rows[u.ID]))
}

func agreeOnRole(u clerktest.User, serving *v1alpha1.FitUser, row map[string]any) error {
	held, _ := u.PublicMetadata["role"].(string)
	mark, marked := u.PrivateMetadata["fituser"].(map[string]any)
	want := held
	switch demanded := string(serving.Spec.Role); {
	case demanded != "" && (held != demanded || !marked || mark["role"] != demanded):
		return fmt.Errorf("the manifest says %s, Clerk %s with the mark %v", demanded, held, mark)
	case demanded == "" && marked:
		return fmt.Errorf("no manifest says a role, and Clerk has the mark %v", mark)
	case held == "":
		want = string(v1alpha1.Role("client"))
	}
	if string(serving.Status.Role) != want || row["role"] != want {
		return fmt.Errorf("the role is %s, the FitUser says %s and the row %v", want, serving.Status.Role, row["role"])
	}
	return nil
}

func agreeOnPerson(u clerktest.User, serving *v1alpha1.FitUser, row map[string]any) error {
	var phone any
	for _, number := range u.PhoneNumbers {
		if u.PrimaryPhoneNumberID != nil && number.ID == *u.PrimaryPhoneNumberID {
			phone = number.PhoneNumber
		}
	}
	profile := serving.Status.Profile
	switch {
	case row == nil:
		return errors.New("there is no row")
	case row["email"] != u.PrimaryEmail() || row["first_name"] != *u.FirstName || row["last_name"] != *u.LastName:
		return errors.New("the row is about somebody else")
	case row["phone"] != phone:
		return errors.New("the row has another phone number")
	case profile == nil || profile.Email != u.PrimaryEmail() || profile.FirstName != *u.FirstName:
		return errors.New("the FitUser shows somebody else")
	}
	return nil
}

// verdict is what a look at the places finds.
type verdict struct {
	lost     []string // acknowledged, and not reflected
	disagree []string
	zombies  []string
	// gap are rows that a process has left behind which ended before it noted that it had seen the user, who then left
	// Clerk: docs/reliability.md names it under what is not covered.
	gap     []string
	checked int // users whose newest change was acknowledged
}

// judge compares everything. Users whom only a sweep can find are not lost before one.
func (p *people) judge() (verdict, error) {
	now, err := p.look()
	if err != nil {
		return verdict{}, err
	}
	var v verdict
	for id, u := range now.clerk {
		known := p.acks.covers(id, u.UpdatedAt) && !p.edited[id]
		if known {
			v.checked++
		}
		if err := now.user(u); err != nil {
			v.disagree = append(v.disagree, fmt.Sprintf("%s: %v", id, err))
			if known {
				v.lost = append(v.lost, v.disagree[len(v.disagree)-1])
			}
		}
	}
	p.judgeRows(now, &v)
	for id, objects := range now.fitUsers {
		if _, there := now.clerk[id]; there {
			continue
		}
		for _, object := range objects {
			reason := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
			if object.ManagedByOperator() || reason == nil || reason.Reason != v1alpha1.ReasonUserNotFound {
				v.zombies = append(v.zombies, fmt.Sprintf("FitUser %s of %s, who is gone: %+v", object.Name, id, reason))
			}
		}
	}
	return v, nil
}

func (p *people) judgeRows(now places, v *verdict) {
	for i := range strangers {
		if row := now.rows[stranger(i)]; row == nil || row["written"] != int64(1) || row["password"] != "secret" {
			v.disagree = append(v.disagree, fmt.Sprintf("the row %s is not as it was: %v", stranger(i), row))
		}
		delete(now.rows, stranger(i))
	}
	for id := range now.rows {
		if _, there := now.clerk[id]; there {
			continue
		}
		if p.inTheGap(id) && len(now.fitUsers[id]) == 0 {
			v.gap = append(v.gap, id)
			continue
		}
		v.zombies = append(v.zombies, fmt.Sprintf("the row of %s, who is gone", id))
		if p.acks.covers(id, p.left[id]) && !p.edited[id] {
			v.lost = append(v.lost, v.zombies[len(v.zombies)-1])
		}
	}
}

// inTheGap tells whether the row of a user who is gone may have become nobody's: when they left, no FitUser said that they
// had been seen in Clerk, and since they signed up a process has ended, which may have written their row just before.
func (p *people) inTheGap(id string) bool { return p.unseen[id] && p.starts() > p.born[id] }

// err is nil when nothing is wrong.
func (v verdict) err() error {
	wrong := append(append([]string{}, v.disagree...), v.zombies...)
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%d disagreements, %d zombies, such as:\n%s", len(v.disagree), len(v.zombies),
		strings.Join(wrong[:min(len(wrong), 10)], "\n"))
}

package soak

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// people make changes: as users, in Clerk's dashboard, with kubectl and with SQL.
type people struct {
	*world
	random *rand.Rand
	serial int

	alive []string
	// freeEmails are addresses of deleted users, which new users may get.
	freeEmails []string
	// deletedAt is when users were deleted in Clerk, in Unix milliseconds.
	deletedAt map[string]int64
	// startsAtSignUp is the number of process starts before a user signed up.
	startsAtSignUp map[string]int
	// neverObserved are users that were deleted in Clerk while no FitUser recorded that they had been seen there.
	neverObserved map[string]bool
	// manifests are the names of user-managed FitUsers, by user.
	manifests map[string]string
	// edited are users whose row was changed with SQL: only a sweep finds that.
	edited map[string]bool

	done map[string]int
}

func newPeople(w *world, seed uint64) *people {
	return &people{
		world: w, random: rand.New(rand.NewPCG(seed, seed)), deletedAt: map[string]int64{}, startsAtSignUp: map[string]int{},
		neverObserved: map[string]bool{}, manifests: map[string]string{}, edited: map[string]bool{}, done: map[string]int{},
	}
}

// errUnavailable means that a change cannot be made now: the API server or the database is down, or no user fits.
var errUnavailable = errors.New("the change is not possible now")

// change makes one random change. A change that is not possible now is replaced by another.
func (p *people) change() {
	p.Helper()
	changes := []struct {
		name  string
		share int
		make  func() error
	}{
		{"sign-ups", 26, p.signUp},
		{"renames", 18, p.rename},
		{"new e-mail addresses", 9, p.newEmail},
		{"e-mail addresses swapped", 4, p.swapEmails},
		{"bans and unbans", 5, p.ban},
		{"deletions in Clerk", 11, p.deleteUser},
		{"roles set in Clerk", 4, p.roleInClerk},
		{"manifests created", 7, p.createManifest},
		{"manifest roles changed", 5, p.changeManifest},
		{"FitUsers deleted", 4, p.deleteFitUser},
		{"rows edited with SQL", 4, p.editRow},
		{"rows deleted with SQL", 3, p.deleteRow},
	}
	for {
		n := p.random.IntN(100)
		for _, c := range changes {
			if n -= c.share; n >= 0 {
				continue
			}
			if c.make() == nil {
				p.done[c.name]++
				return
			}
			break
		}
	}
}

func (p *people) changes() (n int) {
	for _, times := range p.done {
		n += times
	}
	return n
}

// starts returns the number of process starts.
func (w *world) starts() (n int) {
	for _, m := range w.managers {
		n += m.started()
	}
	return n
}

func (p *people) next() int { p.serial++; return p.serial }

func (p *people) name() string  { return fmt.Sprintf("%s%d", canary, p.next()) }
func (p *people) email() string { return fmt.Sprintf("%s%d@example.com", canary, p.next()) }
func (p *people) phone() string { return fmt.Sprintf("+88213%07d", p.next()) }

// randomUser returns a random user.
func (p *people) randomUser() (string, error) {
	if len(p.alive) == 0 {
		return "", errUnavailable
	}
	return p.alive[p.random.IntN(len(p.alive))], nil
}

func (p *people) signUp() error {
	person := clerktest.Person{Email: p.email(), FirstName: p.name(), LastName: p.name()}
	if p.random.IntN(3) == 0 {
		person.Phone = p.phone()
	}
	if len(p.freeEmails) > 0 && p.random.IntN(5) == 0 {
		person.Email, p.freeEmails = p.freeEmails[0], p.freeEmails[1:]
	}
	id := p.clerk.SignUp(person)
	p.alive, p.startsAtSignUp[id] = append(p.alive, id), p.starts()
	return nil
}

func (p *people) rename() error {
	id, err := p.randomUser()
	if err == nil {
		p.clerk.SetNames(id, p.name(), p.name())
	}
	return err
}

func (p *people) newEmail() error {
	id, err := p.randomUser()
	if err == nil {
		p.clerk.SetPrimaryEmail(id, p.email())
	}
	return err
}

func (p *people) swapEmails() error {
	a, err := p.randomUser()
	b, _ := p.randomUser()
	if err != nil || a == b {
		return errUnavailable
	}
	p.clerk.SwapEmails(a, b)
	return nil
}

func (p *people) ban() error {
	id, err := p.randomUser()
	switch {
	case err != nil:
		return err
	case p.random.IntN(2) == 0:
		p.clerk.Unban(id)
	default:
		p.clerk.Ban(id)
	}
	return nil
}

func (p *people) role() v1alpha1.Role {
	return []v1alpha1.Role{"admin", "trainer", "client"}[p.random.IntN(3)]
}

func (p *people) roleInClerk() error {
	id, err := p.randomUser()
	if err != nil {
		return err
	}
	p.clerk.SetPublicMetadata(id, clerktest.Metadata{"role": string(p.role()), "plan": "gold"})
	return nil
}

// deleteUser deletes a user in Clerk. In nine of ten cases it is a user that the operator has recorded as seen in Clerk.
func (p *people) deleteUser() error {
	id, err := p.randomUser()
	if err != nil {
		return err
	}
	observed, err := p.observed(id)
	if err != nil || !observed && p.random.IntN(10) > 0 {
		return errUnavailable
	}
	u, _ := p.clerk.User(id)
	p.deletedAt[id] = time.Now().UnixMilli()
	p.clerk.Delete(id)
	p.alive = slices.DeleteFunc(p.alive, func(other string) bool { return other == id })
	if observed {
		p.freeEmails = append(p.freeEmails, u.PrimaryEmail())
	} else {
		p.neverObserved[id] = true
	}
	return nil
}

// observed reports whether a FitUser on the API server records that the operator has seen the user in Clerk.
func (p *people) observed(id string) (bool, error) {
	if p.down.api {
		return false, errUnavailable
	}
	items, err := p.fitUsers(client.MatchingFields{v1alpha1.FieldClerkUserID: id})
	if err != nil {
		return false, errUnavailable
	}
	return slices.ContainsFunc(items, func(u v1alpha1.FitUser) bool { return fitusers.EverObserved(&u) }), nil
}

func (w *world) fitUsers(options ...client.ListOption) ([]v1alpha1.FitUser, error) {
	var list v1alpha1.FitUserList
	err := w.objects.List(w.Context(), &list, append(options, client.InNamespace(w.namespace))...)
	return list.Items, err
}

func (p *people) createManifest() error {
	id, err := p.randomUser()
	if err != nil || p.down.api || p.manifests[id] != "" {
		return errUnavailable
	}
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: id, Role: p.role()}}
	u.Namespace, u.Name = p.namespace, fmt.Sprintf("person-%d", p.next())
	if p.objects.Create(p.Context(), u) != nil {
		return errUnavailable // if it was created despite the error, it stays unchanged until the end
	}
	p.manifests[id] = u.Name
	return nil
}

// manifest returns a random manifest of a user in Clerk.
func (p *people) manifest() (id string, u *v1alpha1.FitUser, err error) {
	for range 20 {
		if id, err = p.randomUser(); err == nil && p.manifests[id] != "" {
			u = &v1alpha1.FitUser{}
			u.Namespace, u.Name = p.namespace, p.manifests[id]
			return id, u, nil
		}
	}
	return "", nil, errUnavailable
}

func (p *people) changeManifest() error {
	_, u, err := p.manifest()
	if err != nil || p.down.api {
		return errUnavailable
	}
	patch := fmt.Appendf(nil, `{"spec":{"role":%q}}`, p.role())
	if p.random.IntN(3) == 0 {
		patch = []byte(`{"spec":{"role":null}}`)
	}
	if p.objects.Patch(p.Context(), u, client.RawPatch(types.MergePatchType, patch)) != nil {
		return errUnavailable
	}
	return nil
}

// deleteFitUser deletes a manifest or an operator-managed FitUser of a user in Clerk.
func (p *people) deleteFitUser() error {
	id, u, err := p.manifest()
	if p.down.api {
		return errUnavailable
	}
	if err != nil || p.random.IntN(4) == 0 {
		if id, err = p.randomUser(); err != nil || p.manifests[id] != "" {
			return errUnavailable
		}
		u = &v1alpha1.FitUser{}
		u.Namespace, u.Name = p.namespace, fitusers.NameFor(id, 0)
	}
	if p.objects.Delete(p.Context(), u) != nil {
		return errUnavailable
	}
	delete(p.manifests, id)
	return nil
}

func (p *people) editRow() error {
	id, err := p.randomUser()
	if err != nil || p.down.table {
		return errUnavailable
	}
	p.edited[id] = true
	if p.table.Try("UPDATE users SET first_name = $2, phone = $3, role = $4 WHERE id = $1",
		id, p.name(), p.phone(), string(p.role())) != nil {
		return errUnavailable
	}
	return nil
}

func (p *people) deleteRow() error {
	id, err := p.randomUser()
	if err != nil || p.down.table {
		return errUnavailable
	}
	p.edited[id] = true
	if p.table.Try("DELETE FROM users WHERE id = $1", id) != nil {
		return errUnavailable
	}
	return nil
}

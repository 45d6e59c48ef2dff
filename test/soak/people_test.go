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

// people are those who change things: users, administrators in Clerk's dashboard, people with kubectl and with SQL.
type people struct {
	*world
	random *rand.Rand
	serial int

	alive []string
	// free are addresses of deleted accounts, which others may sign up with.
	free []string
	// left is when users left Clerk, in Unix milliseconds.
	left map[string]int64
	// born is how many processes had been started when a user signed up.
	born map[string]int
	// unseen are users who left Clerk while the API server held no FitUser saying that they had been seen there.
	unseen map[string]bool
	// manifests are the names of the FitUsers that people made, by user.
	manifests map[string]string
	// edited are users whose row a person has changed by hand: only a sweep finds that.
	edited map[string]bool

	done map[string]int
}

func newPeople(w *world, seed uint64) *people {
	return &people{
		world: w, random: rand.New(rand.NewPCG(seed, seed)), left: map[string]int64{}, born: map[string]int{}, unseen: map[string]bool{},
		manifests: map[string]string{}, edited: map[string]bool{}, done: map[string]int{},
	}
}

// errNotNow says that a change could not be made: its place is down, or there is nobody to make it to.
var errNotNow = errors.New("not now")

// act makes one change. One that cannot be made now is replaced by another.
func (p *people) act() {
	p.Helper()
	changes := []struct {
		name  string
		share int
		make  func() error
	}{
		{"sign-ups", 26, p.signUp},
		{"renames", 18, p.rename},
		{"new e-mail addresses", 9, p.newEmail},
		{"e-mail addresses exchanged", 4, p.swapEmails},
		{"bans and their ends", 5, p.ban},
		{"deletions in Clerk", 11, p.leave},
		{"roles set in Clerk", 4, p.roleInClerk},
		{"manifests made", 7, p.makeManifest},
		{"manifests' roles changed", 5, p.changeManifest},
		{"FitUsers deleted", 4, p.deleteFitUser},
		{"rows edited by hand", 4, p.editRow},
		{"rows deleted by hand", 3, p.deleteRow},
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

// starts is how many processes were started so far.
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

// anybody picks a user.
func (p *people) anybody() (string, error) {
	if len(p.alive) == 0 {
		return "", errNotNow
	}
	return p.alive[p.random.IntN(len(p.alive))], nil
}

func (p *people) signUp() error {
	person := clerktest.Person{Email: p.email(), FirstName: p.name(), LastName: p.name()}
	if p.random.IntN(3) == 0 {
		person.Phone = p.phone()
	}
	if len(p.free) > 0 && p.random.IntN(5) == 0 {
		person.Email, p.free = p.free[0], p.free[1:]
	}
	id := p.clerk.SignUp(person)
	p.alive, p.born[id] = append(p.alive, id), p.starts()
	return nil
}

func (p *people) rename() error {
	id, err := p.anybody()
	if err == nil {
		p.clerk.SetNames(id, p.name(), p.name())
	}
	return err
}

func (p *people) newEmail() error {
	id, err := p.anybody()
	if err == nil {
		p.clerk.SetPrimaryEmail(id, p.email())
	}
	return err
}

func (p *people) swapEmails() error {
	a, err := p.anybody()
	b, _ := p.anybody()
	if err != nil || a == b {
		return errNotNow
	}
	p.clerk.SwapEmails(a, b)
	return nil
}

func (p *people) ban() error {
	id, err := p.anybody()
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
	id, err := p.anybody()
	if err != nil {
		return err
	}
	p.clerk.SetPublicMetadata(id, clerktest.Metadata{"role": string(p.role()), "plan": "gold"})
	return nil
}

// leave deletes a user in Clerk. Nine of ten times that is one of whom the API server holds that the operator has seen
// them in Clerk.
func (p *people) leave() error {
	id, err := p.anybody()
	if err != nil {
		return err
	}
	seen, err := p.seen(id)
	if err != nil || !seen && p.random.IntN(10) > 0 {
		return errNotNow
	}
	u, _ := p.clerk.User(id)
	p.left[id] = time.Now().UnixMilli()
	p.clerk.Delete(id)
	p.alive = slices.DeleteFunc(p.alive, func(other string) bool { return other == id })
	if seen {
		p.free = append(p.free, u.PrimaryEmail())
	} else {
		p.unseen[id] = true
	}
	return nil
}

// seen tells whether a FitUser on the API server says that the operator has seen the user in Clerk.
func (p *people) seen(id string) (bool, error) {
	if p.away.api {
		return false, errNotNow
	}
	fitUsers, err := p.fitUsers(client.MatchingFields{v1alpha1.FieldClerkUserID: id})
	if err != nil {
		return false, errNotNow
	}
	return slices.ContainsFunc(fitUsers, func(u v1alpha1.FitUser) bool {
		return u.Status.Clerk != nil && u.Status.Clerk.CreatedAt != nil
	}), nil
}

func (w *world) fitUsers(options ...client.ListOption) ([]v1alpha1.FitUser, error) {
	var list v1alpha1.FitUserList
	err := w.objects.List(w.Context(), &list, append(options, client.InNamespace(w.namespace))...)
	return list.Items, err
}

func (p *people) makeManifest() error {
	id, err := p.anybody()
	if err != nil || p.away.api || p.manifests[id] != "" {
		return errNotNow
	}
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: id, Role: p.role()}}
	u.Namespace, u.Name = p.namespace, fmt.Sprintf("person-%d", p.next())
	if p.objects.Create(p.Context(), u) != nil {
		return errNotNow // should it have been made all the same, then it is one that nobody changes any more
	}
	p.manifests[id] = u.Name
	return nil
}

// manifest picks a manifest of a user who is in Clerk.
func (p *people) manifest() (id string, u *v1alpha1.FitUser, err error) {
	for range 20 {
		if id, err = p.anybody(); err == nil && p.manifests[id] != "" {
			u = &v1alpha1.FitUser{}
			u.Namespace, u.Name = p.namespace, p.manifests[id]
			return id, u, nil
		}
	}
	return "", nil, errNotNow
}

func (p *people) changeManifest() error {
	_, u, err := p.manifest()
	if err != nil || p.away.api {
		return errNotNow
	}
	patch := fmt.Appendf(nil, `{"spec":{"role":%q}}`, p.role())
	if p.random.IntN(3) == 0 {
		patch = []byte(`{"spec":{"role":null}}`)
	}
	if p.objects.Patch(p.Context(), u, client.RawPatch(types.MergePatchType, patch)) != nil {
		return errNotNow
	}
	return nil
}

// deleteFitUser deletes a manifest, or a FitUser that the operator made, of a user who is in Clerk.
func (p *people) deleteFitUser() error {
	id, u, err := p.manifest()
	if p.away.api {
		return errNotNow
	}
	if err != nil || p.random.IntN(4) == 0 {
		if id, err = p.anybody(); err != nil || p.manifests[id] != "" {
			return errNotNow
		}
		u = &v1alpha1.FitUser{}
		u.Namespace, u.Name = p.namespace, fitusers.NameFor(id, 0)
	}
	if p.objects.Delete(p.Context(), u) != nil {
		return errNotNow
	}
	delete(p.manifests, id)
	return nil
}

func (p *people) editRow() error {
	id, err := p.anybody()
	if err != nil || p.away.table {
		return errNotNow
	}
	p.edited[id] = true
	if p.table.Try("UPDATE users SET first_name = $2, phone = $3, role = $4 WHERE id = $1",
		id, p.name(), p.phone(), string(p.role())) != nil {
		return errNotNow
	}
	return nil
}

func (p *people) deleteRow() error {
	id, err := p.anybody()
	if err != nil || p.away.table {
		return errNotNow
	}
	p.edited[id] = true
	if p.table.Try("DELETE FROM users WHERE id = $1", id) != nil {
		return errNotNow
	}
	return nil
}

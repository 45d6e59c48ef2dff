package scenes_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// owners are two installations on one Clerk instance, each with its own namespace and table. Both have the same users.
type owners struct {
	both   [2]*churn
	random *rand.Rand
	writes int64
}

func newOwners(t *testing.T, random *rand.Rand) *owners {
	t.Helper()
	const users = 5
	first := newChurn(t, random, users)
	second := &churn{scene: newHarness(t).newScene(t, func(i *installation) { i.owner = otherOwner }), random: random, ids: first.ids}
	second.share(first.scene)
	second.maxReconciles = first.maxReconciles
	o := &owners{both: [2]*churn{first, second}, random: random}
	for _, c := range o.both {
		c.gate.onWrite = append(c.gate.onWrite, func(w call) { o.check(c, w) })
	}
	return o
}

// share makes a scene work with the Clerk instance and the clock of another one.
func (s *scene) share(other *scene) {
	s.clerk, s.clock, s.base = other.clerk, other.clock, other.base
	s.harness.clerk.Store(other.clerk)
	s.restart()
}

// check checks that an installation does not write the role of a user that another one owns.
func (o *owners) check(c *churn, w call) {
	request, ok := w.on.(*http.Request)
	if !ok {
		return
	}
	id := userInPath(request.URL.Path)
	if u, there := c.clerk.User(id); there {
		if has := markerOf(u.PrivateMetadata); has.exists && has.owner != c.owner {
			c.Errorf("%s writes the role of %s, which %q granted", c.owner, id, has.owner)
		}
		o.writes++
	}
}

// act makes one change in the manifests of one installation, in Clerk, or lets an installation work.
func (o *owners) act() {
	c := o.both[o.random.IntN(2)]
	switch what := c.one("Git", "Git", "Git", "Clerk", "works", "works", "sweeps", "restarts", "crashes", "time passes"); what {
	case "Git":
		o.inGit(c)
	case "Clerk":
		o.inClerk(c)
	case "works":
		c.reconcileUntilIdle()
	case "sweeps":
		c.sweep()
	case "restarts":
		c.restart()
	case "crashes":
		c.crashSoon()
	case "time passes":
		c.clock.Step(10 * time.Second)
	}
}

// inGit creates, changes or deletes the manifest of a user.
func (o *owners) inGit(c *churn) {
	id := c.anyID()
	name := strings.TrimPrefix(string(id), "user_")
	spec := v1alpha1.FitUserSpec{Role: v1alpha1.Role(c.one("admin", "trainer", ""))}
	for _, u := range c.objects() {
		if u.Name != name {
			continue
		}
		if c.one("delete", "change") == "delete" {
			o.both[0].step("%s: manifest of %s deleted", c.owner, id)
			c.remove(name)
			return
		}
		o.both[0].step("%s: %s becomes %q", c.owner, id, spec.Role)
		c.edit(u, func(u *v1alpha1.FitUser) { u.Spec.Role = spec.Role })
		return
	}
	o.both[0].step("%s: %s gets a manifest with %q", c.owner, id, spec.Role)
	if c.one("id", "e-mail") == "id" {
		c.manifest(name, id, spec)
		return
	}
	c.byEmail(name, address("role."+name), spec)
}

// inClerk changes a role, or moves the second address to another user.
func (o *owners) inClerk(c *churn) {
	id, other := c.anyID(), c.anyID()
	what := c.one("role", "address")
	o.both[0].step("%s: %s changes in Clerk", id, what)
	if what == "role" {
		c.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": c.one("admin", "trainer", "client")})
		return
	}
	u, _ := c.clerk.User(string(id))
	for _, e := range u.EmailAddresses {
		if e.EmailAddress != u.PrimaryEmail() && id != other {
			c.clerk.RemoveEmail(string(id), e.EmailAddress)
			c.clerk.AddEmail(string(other), e.EmailAddress, true)
			return
		}
	}
}

// Two installations with different owner ids never revoke or overwrite each other's grants, and each ends in agreement with
// its own manifests.
func TestOwners_TwoInstallations(t *testing.T) {
	var writes atomic.Int64
	t.Cleanup(func() { t.Logf("owners: %d writes of roles", writes.Load()) })
	withSeeds(t, 8, 200, func(t *testing.T, random *rand.Rand) {
		o := newOwners(t, random)
		for range 25 + random.IntN(20) {
			o.act()
		}
		for range 3 { // what one revokes, the other may grant
			for _, c := range o.both {
				c.gate.inject(nil, nil)
				c.clock.Step(time.Minute)
				c.sweep()
			}
		}
		before := []map[string]any{o.both[0].versions(), o.both[1].versions()}
		for i, c := range o.both {
			c.wantAgreement(c.owner)
			c.sweep()
			c.wantSame(before[i])
			c.wantNoSecrets()
		}
		writes.Add(o.writes)
	})
}

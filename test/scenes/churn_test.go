package scenes_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// churn makes random changes to many users. The name of its test contains the seed, so that a failure can be repeated.
type churn struct {
	*scene
	random *rand.Rand
	ids    []user.ID
	steps  []string
}

// withSeeds runs a test with several seeds: few, or many in thorough tests.
func withSeeds(t *testing.T, few, many int, test func(*testing.T, *rand.Rand)) {
	t.Helper()
	if thorough() {
		few = many
	}
	for seed := range uint64(few) {
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) {
			t.Parallel()
			test(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

// newChurn creates users u0, u1, …, each with a second, verified address: address("role.u0"), …
func newChurn(t *testing.T, random *rand.Rand, users int, configure ...func(*installation)) *churn {
	t.Helper()
	c := &churn{scene: newHarness(t).newScene(t, configure...), random: random}
	c.maxReconciles = 100 * users
	c.signUp("anchor")
	for n := range users {
		name := fmt.Sprintf("u%d", n)
		c.ids = append(c.ids, user.ID(c.clerk.SignUp(clerktest.Person{
			ID: "user_" + name, Email: address(name), FirstName: canary + name, LastName: canary, Phone: c.phone(),
			VerifiedEmails: []string{address("role." + name)},
		})))
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, step := range c.steps {
				t.Log(step)
			}
		}
	})
	return c
}

// one returns one of the texts.
func (c *churn) one(texts ...string) string { return texts[c.random.IntN(len(texts))] }

// anyID returns one of the users.
func (c *churn) anyID() user.ID { return c.ids[c.random.IntN(len(c.ids))] }

func (c *churn) step(format string, args ...any) {
	c.steps = append(c.steps, fmt.Sprintf(format, args...))
}

// there reports whether a user is in Clerk.
func (c *churn) there(id user.ID) bool {
	_, there := c.clerk.User(string(id))
	return there
}

// crashSoon makes the process crash at one of its next writes.
func (c *churn) crashSoon() {
	at, mode := 1+c.random.IntN(6), fault(c.one(string(crashBefore), string(crashAfter), string(lostAnswer)))
	c.step("at write %d from now the process %s", at, mode)
	c.gate.inject(map[int]fault{at: mode}, nil)
}

// wantAgreement checks all users against the model.
func (c *churn) wantAgreement(when string) {
	c.Helper()
	for _, id := range c.ids {
		if problem := c.modelOf(id).violation(); problem != "" {
			c.Errorf("%s: %s: %s", when, id, problem)
		}
	}
	for _, problem := range c.violationsByEmail() {
		c.Errorf("%s: %s", when, problem)
	}
}

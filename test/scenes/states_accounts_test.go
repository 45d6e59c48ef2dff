package scenes_test

import (
	"time"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// person is the user of a start state.
func (c startState) person() clerktest.Person {
	return clerktest.Person{
		ID: string(c.id), Email: address(c.name()), FirstName: canary + c.name(), LastName: canary + "Doe",
		PublicMetadata: clerktest.Metadata{"theme": "dark"},
	}
}

// another is a second user beside the user of a start state.
func (c startState) another() user.ID { return c.id + "x" }

// with creates the user with a change.
func with(change func(startState, *clerktest.Person)) func(*scene, startState) {
	return func(s *scene, c startState) {
		p := c.person()
		change(c, &p)
		s.clerk.SignUp(p)
	}
}

// accountStates create the Clerk user.
func accountStates() map[string]func(*scene, startState) {
	states := map[string]func(*scene, startState){
		"absent":    func(*scene, startState) {},
		"present":   with(func(startState, *clerktest.Person) {}),
		"changed":   with(func(_ startState, p *clerktest.Person) { p.Email, p.FirstName = "new."+p.Email, canary+"New" }),
		"banned":    func(s *scene, c startState) { s.clerk.SignUp(c.person()); s.clerk.Ban(string(c.id)) },
		"no e-mail": with(func(_ startState, p *clerktest.Person) { p.Email = "" }),
		"address not verified": with(func(_ startState, p *clerktest.Person) {
			p.Email, p.UnverifiedEmails = "new."+p.Email, []string{p.Email}
		}),
		"address not primary": with(func(_ startState, p *clerktest.Person) {
			p.Email, p.VerifiedEmails = "new."+p.Email, []string{p.Email}
		}),
		"another user has the address": func(s *scene, c startState) {
			p := c.person()
			s.clerk.SignUp(clerktest.Person{ID: string(c.another()), Email: p.Email, FirstName: canary, LastName: canary})
			p.Email = "new." + p.Email
			s.clerk.SignUp(p)
		},
	}
	for name, grant := range grantStates() {
		states[name] = with(func(_ startState, p *clerktest.Person) {
			p.PublicMetadata["role"] = grant.role
			p.PrivateMetadata = clerktest.Metadata{"fituser": grant.marker, "note": "theirs"}
		})
	}
	return states
}

// grantState is a role in Clerk with a marker beside it.
type grantState struct {
	role   string
	marker any
	// stays is the role of the user if no manifest desires one.
	stays string
}

func grantStates() map[string]grantState {
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
	return map[string]grantState{
		"granted":                            {"admin", map[string]any{"role": "admin", "owner": ownerID}, "client"},
		"granted and changed since":          {"trainer", map[string]any{"role": "admin", "owner": ownerID}, "trainer"},
		"granted by a rule that is deleted":  {"trainer", map[string]any{"role": "trainer", "owner": ownerID, "rule": "gone"}, "client"},
		"granted until a time long ago":      {"trainer", map[string]any{"role": "trainer", "owner": ownerID, "until": long}, "client"},
		"granted by another installation":    {"admin", map[string]any{"role": "admin", "owner": otherOwner}, "admin"},
		"granted by an adopted installation": {"admin", map[string]any{"role": "admin", "owner": formerOwner}, "admin"},
		"granted elsewhere until long ago":   {"trainer", map[string]any{"role": "trainer", "owner": otherOwner, "until": long}, "trainer"},
		"granted by nobody":                  {"trainer", map[string]any{"role": "trainer"}, "trainer"},
		"granted by a number":                {"trainer", map[string]any{"role": "trainer", "owner": 7}, "trainer"},
		"marker is a text":                   {"admin", "admin", "admin"},
		"marker without a role":              {"trainer", map[string]any{"owner": ownerID}, "trainer"},
		"marker of another key":              {"trainer", map[string]any{"Role": "trainer", "Owner": ownerID}, "trainer"},
	}
}

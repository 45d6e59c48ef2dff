package scenes_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/user"
)

// script is a random sequence of what may happen to a few users.
type script struct {
	*scene
	draw *rapid.T
	// ever are the users who ever signed up: Clerk never gives an id twice.
	ever []user.ID
	// mail are the events that Clerk has sent and nobody has got yet.
	mail []letter
	// forsaken are the users of whom a person has deleted a FitUser, and with it what was known of them.
	forsaken map[user.ID]bool
	ended    []func()
}

type letter struct {
	id   user.ID
	hint v1alpha1.Hint
}

// anchor is a user to whom nothing happens: of an empty listing nothing is concluded, so that somebody must be left.
const anchor = "user_anchor"

func names() []string { return []string{"jane", "joe", "jim", "ann"} }

func (p *script) step(format string, args ...any) { p.draw.Logf("  "+format, args...) }

func (p *script) pick(what string, from ...string) string {
	return rapid.SampledFrom(from).Draw(p.draw, what)
}

// somebody is a user who is in Clerk now.
func (p *script) somebody() (id string, ok bool) {
	var there []string
	for _, u := range p.clerk.Users() {
		if u.ID != anchor {
			there = append(there, u.ID)
		}
	}
	slices.Sort(there)
	if len(there) == 0 {
		return "", false
	}
	return p.pick("user", there...), true
}

// post makes Clerk send an event.
func (p *script) post(id string, kind v1alpha1.EventType) {
	p.clock.Step(20 * time.Millisecond)
	p.mail = append(p.mail, letter{user.ID(id), p.event(user.ID(id), kind)})
}

// inClerk is what people do in Clerk.
func (p *script) inClerk() {
	if rapid.IntRange(0, 3).Draw(p.draw, "sign up") == 0 || len(p.clerk.Users()) == 1 {
		p.signsUp()
		return
	}
	id, _ := p.somebody()
	what := p.pick("in Clerk", "renames", "moves address", "swaps addresses", "loses address", "is banned", "is deleted", "gets a role", "signs in")
	p.step("%s %s", id, what)
	switch what {
	case "renames":
		p.clerk.SetNames(id, canary+p.pick("name", "A", "B"), "")
	case "moves address":
		p.movesAddress(id)
	case "swaps addresses":
		p.swaps(id)
	case "loses address":
		p.clerk.SetPrimaryEmail(id, "")
	case "is banned":
		p.clerk.Ban(id)
	case "is deleted":
		p.clerk.Delete(id)
		p.post(id, v1alpha1.UserDeleted)
		return
	case "gets a role":
		p.clerk.SetPublicMetadata(id, clerktest.Metadata{"role": p.pick("role in Clerk", "admin", "trainer", "client", "owner", ""), "theme": "dark"})
	case "signs in":
		p.clerk.SignIn(id)
	}
	p.post(id, v1alpha1.UserUpdated)
}

func (p *script) signsUp() {
	for _, name := range names() {
		if id := user.ID("user_" + name); !slices.Contains(p.ever, id) {
			at := p.pick("address", append(names(), "new")...)
			p.step("%s signs up as %s", id, at)
			if p.addressTaken(address(at)) {
				at = "only." + name
			}
			p.signUpAgain(name, address(at))
			p.ever = append(p.ever, id)
			p.post(string(id), v1alpha1.UserCreated)
			return
		}
	}
}

func (p *script) addressTaken(address string) bool {
	return slices.ContainsFunc(p.clerk.Users(), func(u clerktest.User) bool {
		return slices.ContainsFunc(u.EmailAddresses, func(e clerktest.EmailAddress) bool { return e.EmailAddress == address })
	})
}

// movesAddress gives a user an address, which somebody else may lose by it.
func (p *script) movesAddress(id string) {
	to := address(p.pick("address", append(names(), "new")...))
	for _, u := range p.clerk.Users() {
		if u.ID != id && u.PrimaryEmail() == to {
			defer p.post(u.ID, v1alpha1.UserUpdated)
		}
	}
	p.clerk.SetPrimaryEmail(id, to)
}

func (p *script) swaps(id string) {
	with, _ := p.somebody()
	a, _ := p.clerk.User(id)
	b, _ := p.clerk.User(with)
	if id == with || a.PrimaryEmail() == "" || b.PrimaryEmail() == "" {
		return
	}
	p.clerk.SwapEmails(id, with)
	p.post(with, v1alpha1.UserUpdated)
}

// inGit is what people do to manifests.
func (p *script) inGit() {
	name := p.pick("manifest", "first", "second")
	existing := slices.DeleteFunc(p.objects(), func(u *v1alpha1.FitUser) bool { return u.Name != name })
	spec := v1alpha1.FitUserSpec{
		Role:           v1alpha1.Role(p.pick("role", "", "admin", "trainer")),
		DeletionPolicy: v1alpha1.DeletionPolicy(p.pick("policy", "Delete", "Delete", "Retain")),
		Suspend:        p.pick("suspend", "no", "no", "yes") == "yes",
	}
	switch {
	case len(existing) == 0:
		id := user.ID("user_" + p.pick("for", names()...))
		p.step("manifest %s is made for %s: %+v", name, id, spec)
		p.manifest(name, id, spec)
	case p.pick("how", "change", "delete") == "delete":
		p.step("manifest %s is deleted", name)
		p.forsaken[user.ID(existing[0].Spec.ClerkUserID)] = true
		p.remove(name)
	default:
		spec.ClerkUserID = existing[0].Spec.ClerkUserID
		p.step("manifest %s becomes %+v", name, spec)
		p.edit(existing[0], func(u *v1alpha1.FitUser) { u.Spec = spec })
	}
}

// inTheTable is what an administrator does to rows, and to FitUsers without thinking.
func (p *script) inTheTable() {
	id := "user_" + p.pick("row", names()...)
	what := p.pick("in the table", "deletes", "edits", "gives another's address to", "inserts a row before", "deletes the FitUsers of")
	p.step("an administrator %s %s", what, id)
	switch what {
	case "deletes":
		p.raw.Exec("DELETE FROM users WHERE id = $1", id)
	case "edits":
		p.raw.Exec("UPDATE users SET role = 'admin', first_name = 'x', phone = '1' WHERE id = $1", id)
	case "gives another's address to":
		p.raw.Exec("UPDATE OR IGNORE users SET email = $2 WHERE id = $1", id, address(p.pick("address", names()...)))
	case "inserts a row before":
		p.raw.Exec("INSERT OR IGNORE INTO users (id, email, first_name, last_name, role, created_at, updated_at)"+
			" VALUES ('legacy', $1, 'x', 'y', 'admin', 1, 1)", address(strings.TrimPrefix(id, "user_")))
	case "deletes the FitUsers of":
		for _, object := range p.objectsOf(user.ID(id)) {
			p.forsaken[user.ID(id)] = true
			p.remove(object.Name)
		}
	}
}

// onTheWire is what a network does.
func (p *script) onTheWire() {
	what := p.pick("on the wire", "delivers", "delivers", "delivers twice", "drops", "fails", "Clerk", "old cache", "no watch")
	if slices.Contains([]string{"delivers", "delivers twice", "drops"}, what) {
		p.postman(what)
		return
	}
	switch what {
	case "fails":
		at := rapid.IntRange(1, 6).Draw(p.draw, "write")
		mode := mishap(p.pick("mode", string(diesBefore), string(diesAfter), string(fails), string(inDoubt)))
		p.step("at write %d from now the process %s", at, mode)
		p.gate.arm(map[int]mishap{at: mode}, nil)
	case "Clerk":
		p.clerkFails()
	case "old cache":
		n := rapid.IntRange(0, len(p.history)-1).Draw(p.draw, "version")
		p.step("the cache shows version %d of %d while everybody is looked at", n, len(p.history))
		p.view = &p.history[n]
		for _, name := range names() {
			p.revive()
			p.look(user.ID("user_" + name))
		}
		p.view = nil
	case "no watch":
		p.step("the watch tells nothing until the next sweep")
		p.blind = true
	}
}

func (p *script) postman(what string) {
	if len(p.mail) == 0 {
		return
	}
	n := rapid.IntRange(0, len(p.mail)-1).Draw(p.draw, "event")
	l := p.mail[n]
	p.step("the network %s %s of %s", what, l.hint.Type, l.id)
	if what != "drops" {
		p.deliver(l.id, l.hint)
	}
	if what != "delivers twice" {
		p.mail = slices.Delete(p.mail, n, n+1)
	}
}

func (p *script) clerkFails() {
	kinds := map[string]clerktest.Response{
		"500": clerktest.Status(500, "internal_clerk_error"), "HTML": clerktest.HTML404(), "null": clerktest.OKNull(),
		"half": clerktest.Truncated(), "closed": clerktest.CloseConnection(), "applied, then closed": clerktest.ApplyThen(clerktest.CloseConnection()),
		"empty list": clerktest.EmptyList(), "unauthorized": clerktest.Status(401, "clerk_key_invalid"),
	}
	kind := p.pick("answer", "500", "HTML", "null", "half", "closed", "applied, then closed", "empty list", "unauthorized")
	times := rapid.IntRange(1, 4).Draw(p.draw, "times")
	p.step("Clerk answers %d times: %s", times, kind)
	p.ended = append(p.ended, p.clerk.Inject(clerktest.Fault{
		Match: func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, "/instance") }, Times: times, Respond: kinds[kind],
	}))
}

// operate is what the operator does meanwhile.
func (p *script) operate() {
	what := p.pick("the operator", "works", "works", "sweeps", "is restarted", "looks once", "time passes")
	p.step("the operator: %s", what)
	switch what {
	case "works":
		p.run()
	case "sweeps":
		p.sweep()
	case "is restarted":
		p.restart()
		p.blind = false
	case "looks once":
		p.revive()
		p.watch()
		if id, ok := p.next(); ok {
			p.look(id)
		}
	case "time passes":
		p.clock.Step(time.Duration(rapid.IntRange(1, 60).Draw(p.draw, "seconds")) * time.Second)
	}
}

// end ends all faults, lets two sweeps find what is left, and judges everything.
func (p *script) end() {
	for _, over := range p.ended {
		over()
	}
	p.gate.arm(nil, nil)
	p.view, p.blind = nil, false
	for range 2 {
		p.clock.Step(time.Hour)
		p.sweep()
	}
	for _, name := range names() {
		if problem := p.modelOf(user.ID("user_" + name)).judge(); problem != "" {
			p.Errorf("user_%s: %s", name, problem)
		}
	}
	p.judgeRows()
	before := p.versions()
	p.run()
	p.sweep()
	if _, left, err := p.scene.preview().Sweep(p.ctx, p.previewSweep()); err != nil || len(left) > 0 {
		p.Errorf("at the end a preview contains %+v, %v", left, err)
	}
	if after := p.versions(); fmt.Sprint(after) != fmt.Sprint(before) {
		p.Errorf("a sweep of agreement writes:\n%v\n%v", before, after)
	}
	p.secrets()
}

// judgeRows checks that no row is left of users who are gone, but for those that nobody may remove.
func (p *script) judgeRows() {
	for _, row := range p.raw.Query("SELECT id FROM users") {
		id := user.ID(fmt.Sprint(row["id"]))
		_, there := p.scene.clerk.User(string(id))
		if id == "legacy" || there || p.forsaken[id] || first(p.objectsOf(id)) != nil {
			continue
		}
		p.Errorf("the row of %s is left", id)
	}
}

// In whatever order things happen in Clerk, in Git, in the table and on the wire, and whatever the operator does meanwhile:
// no write takes away what it must not, and once the faults are over the three places agree with the model.
func TestAnyOrder(t *testing.T) {
	const parts = 10 // of a hundred each, side by side
	var sequences atomic.Int64
	t.Cleanup(func() { t.Logf("order: %d sequences", sequences.Load()) })
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			st := newStage(t)
			rapid.Check(t, func(draw *rapid.T) {
				sequences.Add(1)
				p := &script{scene: st.newScene(draw), draw: draw, forsaken: map[user.ID]bool{}}
				p.recording = true
				p.maxLooks = 200
				p.record()
				p.witness()
				p.signUp("anchor")
				for range rapid.IntRange(1, 12).Draw(draw, "steps") {
					rapid.SampledFrom([]func(){p.inClerk, p.inClerk, p.inGit, p.inTheTable, p.onTheWire, p.onTheWire, p.operate, p.operate, p.operate}).Draw(draw, "who")()
				}
				p.end()
			})
		})
	}
}

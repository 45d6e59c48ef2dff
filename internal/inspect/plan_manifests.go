package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/rolerule"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// ManifestOptions are how manifests are planned.
type ManifestOptions struct {
	// Prune selects the live manifests that are deleted where the repository lacks them; nil for none.
	Prune labels.Selector
	// Offline uses the statuses of FitUsers in place of Clerk and of the table.
	Offline bool
}

// ManifestPlan is what the operator would do once manifests are applied.
type ManifestPlan struct {
	// RoleChanges are the changes of roles in force, those of the protected role first.
	RoleChanges []RoleChange `json:"roleChanges"`
	// Deferrals are the changes that the operator would not make by itself.
	Deferrals []Deferral `json:"deferrals"`
	// Writes counts all other writes by place and action, such as "table update".
	Writes map[string]int `json:"writes"`
	// Objects are the FitUsers and RoleRules that would be added, changed or pruned.
	Objects []ObjectChange `json:"objects"`
	// Undecided maps users and manifests whose preview is not known to the reason.
	Undecided map[string]string `json:"undecided"`
	// Notes are what a reader should know about the plan.
	Notes []string `json:"notes"`

	// DeferredRows is how many further rows, of users deleted in Clerk, wait for the deletion budget.
	DeferredRows int `json:"deferredRows"`

	namespace string
	roles     user.Roles
}

// RoleChange is the change of one user's role in force.
type RoleChange struct {
	User user.ID `json:"user"`
	// Email is shown as --status-profile allows.
	Email string    `json:"email,omitempty"`
	From  user.Role `json:"from"`
	To    user.Role `json:"to"`
	// Kind and Name are the FitUser or RoleRule that causes the change; empty when it is not one of the repository. Change is
	// what would be done to it: added, changed, pruned, or empty.
	Kind   string `json:"kind,omitempty"`
	Name   string `json:"name,omitempty"`
	Change string `json:"change,omitempty"`
}

// Deferral is a change that waits for a person or for the next period of the deletion budget.
type Deferral struct {
	User  user.ID `json:"user"`
	Email string  `json:"email,omitempty"`
	// Role is the role in force until then, Desired the one of the manifest.
	Role    user.Role `json:"role,omitempty"`
	Desired user.Role `json:"desired,omitempty"`
	// FitUser is the one that reports it. Kind, Name and Change are as in a [RoleChange].
	FitUser string `json:"fitUser"`
	Kind    string `json:"kind,omitempty"`
	Name    string `json:"name,omitempty"`
	Change  string `json:"change,omitempty"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Override is what a person does to make the change nevertheless.
	Override string `json:"override"`
	// Already is true when the FitUser reports it now.
	Already bool `json:"already,omitempty"`
}

// PlanManifests returns what would follow if manifests were applied. It reads FitUsers from cache, which has the index of
// [fitusers.AddIndex]. The error is a [ManifestError] where the API server refuses manifests.
func (i *Inspector) PlanManifests(
	ctx context.Context, cache client.Reader, cached client.Client, m Manifests, o ManifestOptions,
) (ManifestPlan, error) {
	if !o.Offline {
		if err := i.checkAvailable(); err != nil {
			return ManifestPlan{}, err
		}
	}
	a, err := i.overlayManifests(ctx, m, o)
	if err != nil {
		return ManifestPlan{}, err
	}
	backends := i.planBackends()
	if o.Offline {
		if backends, err = i.offlineBackends(ctx); err != nil {
			return ManifestPlan{}, err
		}
	}
	live, err := liveFitUsers(ctx, cache, i.Namespace)
	if err != nil {
		return ManifestPlan{}, err
	}
	// The flag decides what the plan shows. The operator writes statuses with its own, which is not this command's.
	backends.profile = cmp.Or(profileOf(live), i.Profile)
	p := i.newPlanner(a, live)
	p.profile = stricter(backends.profile, i.Profile)
	p.preview = i.newPreview(backends, cached, func() int { return fitusers.Count(ctx, cache, i.Namespace) })
	config := sweep.Config{Cache: cache, Pages: unlimited(), Clock: i.Clock}
	report, err := p.run(ctx, config, backends.known(a.users()), i.rulesOf)
	if err != nil {
		return ManifestPlan{}, err
	}
	p.DeferredRows = report.Deferred
	p.note(m, o, report, i.Observe)
	p.noteUnbound(o.Offline)
	if o.Offline {
		p.noteOffline(backends.unknown)
	}
	p.sort()
	return p.ManifestPlan, nil
}

// newPlanner returns an empty plan of what would be applied.
func (i *Inspector) newPlanner(a *applied, live []v1alpha1.FitUser) *planner {
	p := &planner{applied: a, live: map[string]string{}, bound: map[string]bool{}}
	for n := range live {
		p.live[live[n].Name] = fituser.ReadyReason(&live[n])
	}
	p.ManifestPlan = ManifestPlan{
		RoleChanges: []RoleChange{}, Deferrals: []Deferral{}, Writes: map[string]int{}, Undecided: map[string]string{},
		Objects: append([]ObjectChange{}, a.changes...), Notes: []string{}, namespace: i.Namespace, roles: i.Roles.Roles,
	}
	return p
}

// liveFitUsers returns the FitUsers as a cache has them. They are shared and must not be modified.
func liveFitUsers(ctx context.Context, cache client.Reader, namespace string) ([]v1alpha1.FitUser, error) {
	var all v1alpha1.FitUserList
	if err := cache.List(ctx, &all, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing FitUsers: %w", err)
	}
	return all.Items, nil
}

// profileOf returns the --status-profile of the operator that wrote the statuses; empty where there are none.
func profileOf(live []v1alpha1.FitUser) fituser.ProfileMode {
	observed := false
	mode := shownProfile(func(yield func(*v1alpha1.FitUserStatus) bool) {
		for n := range live {
			observed = observed || fitusers.EverObserved(&live[n])
			if !yield(&live[n].Status) {
				return
			}
		}
	})
	if !observed {
		return ""
	}
	return mode
}

func (i *Inspector) rulesOf(reader client.Reader) func(context.Context) (user.Rules, error) {
	return rolerule.Lister{Reader: reader, Namespace: i.Namespace, Roles: i.Roles.Roles}.Rules
}

// users returns the users of the FitUsers that would be added, changed or pruned.
func (a *applied) users() (ids []user.ID) {
	for _, u := range slices.Concat(a.fitUsers, a.before) {
		if id := user.ID(u.UserID()); id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

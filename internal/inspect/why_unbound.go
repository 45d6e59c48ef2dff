package inspect

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/internal/user"
)

// whyUnbound explains manifests whose address no user holds.
func (i *Inspector) whyUnbound(s subject) Why {
	w := Why{
		FitUsers: []FitUser{}, Fields: []Field{}, Role: Decision{Candidates: []Candidate{}},
		Preview: preview.User{Changes: []preview.Change{}},
		When:    "Nothing to do until somebody holds the address as a verified one: the role is granted then.",
	}
	w.describe(s.unbound...)
	for _, u := range s.unbound {
		c := manifestCandidate(u)
		c.Why = s.awaiting(u, i.Clock.Now())
		w.Role.Candidates = append(w.Role.Candidates, c)
	}
	return w
}

// awaiting returns what a manifest waits for.
func (s subject) awaiting(u *v1alpha1.FitUser, now time.Time) string {
	why := "awaits a sign-up: no Clerk user holds its address as a verified one"
	if len(s.unverified) > 0 {
		why += fmt.Sprintf("; listed for it without having verified it: %v", s.unverified)
	}
	if previous := u.Status.PreviousClerkUserID; previous != "" {
		why += "; " + previous + " held it before"
	}
	if until := u.Spec.RoleExpiresAt; until != nil && !now.Before(until.Time) {
		why = "expired at " + timeText(until.Time) + "; it " + why
	}
	return why
}

// unusableRules returns the RoleRules that are not among those in use, and why no user can match them.
func (i *Inspector) unusableRules(ctx context.Context, inUse user.Rules) ([]Candidate, error) {
	var list v1alpha1.RoleRuleList
	if err := i.Cluster.List(ctx, &list, client.InNamespace(i.Namespace)); err != nil {
		return nil, fmt.Errorf("listing RoleRules: %w", err)
	}
	used := map[string]bool{}
	for _, rule := range inUse {
		used[rule.Name] = true
	}
	var unusable []Candidate
	for n := range list.Items {
		rule := &list.Items[n]
		if used[rule.Name] {
			continue
		}
		why := "is being deleted"
		if rule.DeletionTimestamp.IsZero() {
			why = "never matches" + colon(neverMatches(rule))
		}
		unusable = append(unusable, Candidate{Source: user.FromRule, Name: rule.Name, Role: string(rule.Spec.Role), Why: why})
	}
	return unusable, nil
}

// neverMatches returns why no user gets a role by a rule, as its status reports it; empty when users do.
func neverMatches(rule *v1alpha1.RoleRule) string {
	ready := meta.FindStatusCondition(rule.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Reason != v1alpha1.ReasonNeverMatches {
		return ""
	}
	return ready.Message
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

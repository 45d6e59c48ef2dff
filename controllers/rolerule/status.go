package rolerule

import (
	"fmt"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// conflictDelay is how long to wait after somebody else changed a rule at the same moment.
const conflictDelay = 200 * time.Millisecond

type queue = workqueue.TypedRateLimitingInterface[request]

// desiredStatus computes the status of a rule among all rules. users are nil before the first complete sweep.
func desiredStatus(
	rule *v1alpha1.RoleRule, all []v1alpha1.RoleRule, roles user.Roles, users map[string]int, now time.Time,
) v1alpha1.RoleRuleStatus {
	s := *rule.Status.DeepCopy()
	s.ObservedGeneration = rule.Generation
	if users != nil {
		s.Users = new(int32(min(users[rule.Name], math.MaxInt32))) //nolint:gosec // bounded
	}
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInForce,
		Message: "users who match this rule, and have neither a manifest nor a role set in Clerk, get its role",
	}
	meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionStalled)
	if why := neverMatches(ruleOf(rule), all, roles); why != "" {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonNeverMatches, why
		stalled := ready
		stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
		setCondition(&s, rule, stalled, now)
	}
	setCondition(&s, rule, ready, now)
	return s
}

func setCondition(s *v1alpha1.RoleRuleStatus, rule *v1alpha1.RoleRule, c metav1.Condition, now time.Time) {
	c.ObservedGeneration, c.LastTransitionTime = rule.Generation, metav1.NewTime(now.Truncate(time.Second))
	if before := meta.FindStatusCondition(rule.Status.Conditions, c.Type); before != nil && before.Status == c.Status {
		c.LastTransitionTime = before.LastTransitionTime
	}
	meta.SetStatusCondition(&s.Conditions, c)
}

// neverMatches returns why no user can get a role by the rule; empty when users can.
func neverMatches(rule user.Rule, all []v1alpha1.RoleRule, roles user.Roles) string {
	if why := rule.NeverMatches(roles); why != "" {
		return why
	}
	for i := range all {
		other := ruleOf(&all[i])
		before := other.Priority > rule.Priority || other.Priority == rule.Priority && other.Name < rule.Name
		if before && other.NeverMatches(roles) == "" && other.Covers(rule) {
			return fmt.Sprintf("every user who matches also matches the rule %s, which is tried before: raise the priority of this "+
				"rule", other.Name)
		}
	}
	return ""
}

package scenes_test

import (
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// losses counts, at each write, the users who lose their row or a role, or get the protected role, in each period.
type losses struct {
	*churn
	limit    int
	byPeriod map[string]map[user.ID]bool
	latest   time.Time
	// restarts is how many processes have ended; each loses one reserved change at most.
	restarts int
}

// count counts a write that costs budget.
func (l *losses) count(c call) {
	id, costs := l.costs(c)
	if !costs {
		return
	}
	start := l.periodStart()
	users := l.byPeriod[start]
	if users == nil {
		users = map[user.ID]bool{}
		l.byPeriod[start] = users
		began, err := time.Parse(time.RFC3339, start)
		if err != nil || !l.latest.IsZero() && began.Before(l.latest.Add(budgetPeriod-time.Second)) {
			l.Errorf("a period begins at %s, %v; the one before it began at %s", start, err, l.latest)
		}
		l.latest = began
	}
	if users[id] = true; len(users) > l.limit {
		l.Errorf("%d users lose something in the period since %s: %v", len(users), start, users)
	}
}

// costs reports whose row or role a write takes away, or who gets the protected role.
func (l *losses) costs(c call) (id user.ID, costs bool) {
	switch on := c.on.(type) {
	case user.ID:
		return on, true
	case user.Row:
		return on.ID, true
	case *http.Request:
		patch, err := rolePatchOf(on)
		m := l.modelOf(user.ID(userInPath(on.URL.Path)))
		if err != nil || m.account == nil {
			return "", false
		}
		before, after := inForce(m.currentRole()), inForce(m.currentRole())
		if role, written := patch.Public["role"]; written {
			after = "client"
			if role != nil {
				after = *role
			}
		}
		until, err := time.Parse(time.RFC3339, m.marker().until)
		expired := m.active != nil && m.active.Spec.Role != "" && m.expired(m.active) || err == nil && !m.now.Before(until)
		return m.id, lower(after, before) && !expired || after == "admin" && before != "admin"
	}
	return "", false
}

// periodStart is when the period began that the operator has persisted.
func (l *losses) periodStart() string {
	var cm corev1.ConfigMap
	if err := l.operatorState(l.ctx, client.ObjectKey{Namespace: l.namespace, Name: state.ConfigMapName}, &cm); err != nil {
		l.Errorf("a change is made without a persisted period: %v", err)
	}
	return cm.Data[state.PeriodKey]
}

package controllers

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// remember counts what a FitUser said that was there before this process. Only those in trouble are looked at again at
// once, and an unknown role is none.
func (m *Metrics) remember(object *v1alpha1.FitUser) {
	if account := object.Status.Clerk; account != nil && account.Role != "" {
		_, isKnown := user.ParseRole(account.Role)
		m.unknownRoles.set(user.ID(object.Spec.ClerkUserID), !isKnown)
	}
}

// forget takes a user out of all counts of users.
func (m *Metrics) forget(id user.ID) {
	m.rightsNotTakenBack.set(id, false)
	m.unknownRoles.set(id, false)
}

// userGauge counts users of whom something is true. It remembers which: a user is counted once however often they are
// looked at.
type userGauge struct {
	gauge prometheus.Gauge
	mu    sync.Mutex
	users map[user.ID]struct{}
}

func newUserGauge(name, help string) *userGauge {
	return &userGauge{
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}),
		users: map[user.ID]struct{}{},
	}
}

func (g *userGauge) set(id user.ID, is bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if is {
		g.users[id] = struct{}{}
	} else {
		delete(g.users, id)
	}
	g.gauge.Set(float64(len(g.users)))
}

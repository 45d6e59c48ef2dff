package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/internal/user"
)

// Metrics counts what the reconciler writes, and how long users wait for it.
type Metrics struct {
	rowWrites  *prometheus.CounterVec
	roleWrites *prometheus.CounterVec
	eventToRow prometheus.Histogram

	objects                          objectGauge
	rightsNotTakenBack, unknownRoles *userGauge

	sweepMetrics
}

// The values of the operation label of row writes.
const (
	rowInsert = "insert"
	rowUpdate = "update"
	rowDelete = "delete"
)

// NewMetrics makes the metrics and registers them.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		rowWrites: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fituser_row_writes_total",
			Help: "Rows of the users table written, by operation (insert, update, delete).",
		}, []string{"operation"}),
		roleWrites: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fituser_role_writes_total",
			Help: "Roles written to Clerk, by change (grant, revoke, remove_marker).",
		}, []string{"change"}),
		eventToRow: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "fituser_event_to_row_seconds",
			Help:    "Seconds from a Clerk event's own time to the row that shows it.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200},
		}),
		objects: newObjectGauge(),
	}
	m.rightsNotTakenBack = newUserGauge("fituser_roles_pending_revocation",
		"Users who still have a role in Clerk that a manifest once gave and none gives any more.")
	m.unknownRoles = newUserGauge("fituser_unknown_roles",
		"Users whose role in Clerk is none of admin, trainer, client, and who therefore count as client.")
	for _, operation := range []string{rowInsert, rowUpdate, rowDelete} {
		m.rowWrites.WithLabelValues(operation) // a counter that appears with its first event shows no increase
	}
	for _, change := range []user.RoleChange{user.GrantRole, user.RevokeRole, user.RemoveMarker} {
		m.roleWrites.WithLabelValues(change.String())
	}
	registerer.MustRegister(m.rowWrites, m.roleWrites, m.eventToRow, m.objects.gauge,
		m.rightsNotTakenBack.gauge, m.unknownRoles.gauge)
	m.sweepMetrics = newSweepMetrics(registerer)
	return m
}

// observeEvent measures how long the event behind a write that was just made took, once per event.
func (r *Reconciler) observeEvent(k *known) {
	if k.hint.EventAt == 0 || r.eventDealtWith(k) {
		return
	}
	r.Metrics.eventToRow.Observe(max(0, r.Clock.Since(time.UnixMilli(k.hint.EventAt)).Seconds()))
}

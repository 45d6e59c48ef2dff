package fituser

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// Places where the sides differ, as metrics and previews name them.
const (
	PlaceClerk   = "clerk"
	PlaceFitUser = "fituser"
	PlaceTable   = "table"
)

// Fields of drift that are not columns of the row.
const (
	driftMissing = "missing"
	driftRole    = "role"
	driftStatus  = "status"
)

// Values of the operation label of row writes.
const (
	rowInsert     = "insert"
	rowUpdate     = "update"
	rowDelete     = "delete"
	rowAnonymize  = "anonymize"
	rowSoftDelete = "soft_delete"
	rowAdopt      = "adopt"
)

// Metrics counts what the reconciler writes and the drift that it repairs.
type Metrics struct {
	rowWrites, roleWrites           *prometheus.CounterVec
	eventToRow                      prometheus.Histogram
	found, repaired, webhooksMissed *prometheus.CounterVec
	objects                         *objectGauges
	pendingRevocations              *userGauge
}

// NewMetrics makes the metrics and registers them. roles are the values of their role labels,
// and the mapped columns those of their field labels.
func NewMetrics(registerer prometheus.Registerer, roles user.Roles, mapping *user.Mapping) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		rowWrites:  counter("fituser_row_writes_total", "Rows of the users table written, by operation (insert, update, delete, anonymize, soft_delete, adopt).", "operation"),
		roleWrites: counter("fituser_role_writes_total", "Role changes written to Clerk, by change (grant, revoke, remove_marker).", "change"),
		eventToRow: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "fituser_event_to_row_seconds",
			Help:    "Seconds from a Clerk event's own time to the write of the row.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200},
		}),
		found: counter("fituser_drift_found_total",
			"Differences that a sweep found, by place (clerk, fituser, table) and field.", "place", "field"),
		repaired: counter("fituser_drift_repaired_total",
			"Differences that a sweep found and the reconciler repaired, by place and field.", "place", "field"),
		webhooksMissed: counter("fituser_webhooks_missed_total",
			"Changes in Clerk that a sweep found and no webhook had reported, by event type.", "type"),
		objects: newObjectGauges(roles),
		pendingRevocations: newUserGauge("fituser_roles_pending_revocation",
			"Users who still have a role in Clerk that a manifest granted and none desires any more."),
	}
	m.initialize(mapping)
	registerer.MustRegister(m.rowWrites, m.roleWrites, m.eventToRow, m.found, m.repaired, m.webhooksMissed,
		m.objects.byState, m.objects.unknownRoles, m.objects.foreignMarkers, m.objects.protectedRole,
		m.objects.deferred, m.objects.waitingRows, m.pendingRevocations.gauge)
	return m
}

// initialize makes every counter start at 0: one that appears with its first event shows no increase.
func (m *Metrics) initialize(mapping *user.Mapping) {
	for _, operation := range []string{rowInsert, rowUpdate, rowDelete, rowAnonymize, rowSoftDelete, rowAdopt} {
		m.rowWrites.WithLabelValues(operation)
	}
	for _, change := range []user.RoleChange{user.GrantRole, user.RevokeRole, user.RemoveMarker} {
		m.roleWrites.WithLabelValues(change.String())
	}
	for _, eventType := range v1alpha1.EventTypes() {
		m.webhooksMissed.WithLabelValues(string(eventType))
	}
	m.initializeDrift(PlaceClerk, driftRole)
	m.initializeDrift(PlaceFitUser, driftMissing, driftStatus)
	m.initializeDrift(PlaceTable, driftMissing)
	for _, column := range mapping.Columns {
		m.initializeDrift(PlaceTable, column.Name)
	}
}

func (m *Metrics) initializeDrift(place string, fields ...string) {
	for _, field := range fields {
		m.found.WithLabelValues(place, field)
		m.repaired.WithLabelValues(place, field)
	}
}

// driftFound counts a difference that the sweep found. Other differences are not drift: an event or a manifest asked for
// the change.
func (m *Metrics) driftFound(obs observation, place, field string) {
	if obs.swept {
		m.found.WithLabelValues(place, field).Inc()
	}
}

// driftRepaired counts a difference that the sweep found and that is repaired.
func (m *Metrics) driftRepaired(obs observation, place, field string) {
	if obs.swept {
		m.repaired.WithLabelValues(place, field).Inc()
	}
}

// WebhookMissed counts a change in Clerk that no webhook reported.
func (m *Metrics) WebhookMissed(eventType v1alpha1.EventType) {
	m.webhooksMissed.WithLabelValues(string(eventType)).Inc()
}

// SetSweepDeferred records how many users the last sweep found missing beyond the deletion budget.
func (m *Metrics) SetSweepDeferred(users int) { m.objects.sweepDeferred.Store(int64(users)) }

// observeEvent measures how long the event that caused a row write took.
func (r *Reconciler) observeEvent(obs observation) {
	if causedByEvent(obs) {
		r.Metrics.eventToRow.Observe(max(0, r.Clock.Since(time.UnixMilli(obs.hint.EventAt)).Seconds()))
	}
}

// userGauge counts users once, however often they are reconciled. The users whose role is to be revoked cannot all be
// derived from FitUsers: while Clerk cannot be read, a user whose FitUser was deleted has none. Losing the set makes the
// gauge too low until the next sweep.
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

package fituser

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// objectGauges count the FitUsers by their status. They follow the watch, object by object, so a scrape costs the same
// for ten FitUsers and for a million. Only the leader counts: the watch runs there.
type objectGauges struct {
	roles                                       user.Roles
	byState                                     *prometheus.GaugeVec
	unknownRoles, foreignMarkers, protectedRole prometheus.Gauge
	waitingRows                                 prometheus.Gauge
	deferred                                    prometheus.GaugeFunc

	// objectsDeferred are the FitUsers that report DeletionDeferred, sweepDeferred the users that the last sweep deferred.
	objectsDeferred, sweepDeferred atomic.Int64
}

func newObjectGauges(roles user.Roles) *objectGauges {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	g := &objectGauges{
		roles: roles,
		byState: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fituser_objects",
			Help: "FitUsers, by the role in force (one of --roles, or none), and the status and the reason of their Ready condition.",
		}, []string{"role", "ready", "reason"}),
		unknownRoles: gauge("fituser_unknown_roles",
			"Users whose role in Clerk is not a known one, and who therefore have the default role."),
		foreignMarkers: gauge("fituser_foreign_markers",
			"Users whose marker in Clerk belongs to another installation, which this one does not change."),
		protectedRole: gauge("fituser_protected_role_holders", "Users who hold the protected role (--protected-role)."),
		waitingRows: gauge("fituser_rows_awaiting_deletion",
			"Rows of users who are deleted in Clerk that wait to be deleted or anonymized (--deletion-delay, purgeAfter)."),
	}
	g.deferred = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fituser_deletions_deferred",
		Help: "Users whose row or role is to be removed and waits for the deletion budget: FitUsers that report it, or users that the last sweep found, whichever is more.",
	}, func() float64 { return float64(max(g.objectsDeferred.Load(), g.sweepDeferred.Load())) })
	for _, role := range roleNames(roles) {
		g.byState.WithLabelValues(role, "true", v1alpha1.ReasonSynced)
	}
	return g
}

// roleNames are the values of the role label.
func roleNames(roles user.Roles) []string {
	var names []string
	for _, role := range roles.Names() {
		names = append(names, string(role))
	}
	return append(names, none)
}

func (g *objectGauges) added(u *v1alpha1.FitUser)   { g.count(g.stateOf(u), 1) }
func (g *objectGauges) removed(u *v1alpha1.FitUser) { g.count(g.stateOf(u), -1) }

func (g *objectGauges) changed(before, after *v1alpha1.FitUser) {
	if was, is := g.stateOf(before), g.stateOf(after); was != is {
		g.count(was, -1)
		g.count(is, 1)
	}
}

func (g *objectGauges) count(s objectState, by int64) {
	g.byState.WithLabelValues(s.role, s.ready, s.reason).Add(float64(by))
	if s.unknownRole {
		g.unknownRoles.Add(float64(by))
	}
	if s.foreign {
		g.foreignMarkers.Add(float64(by))
	}
	if s.role != none && s.role == string(g.roles.Protected()) {
		g.protectedRole.Add(float64(by))
	}
	if s.rowWaits {
		g.waitingRows.Add(float64(by))
	}
	if s.reason == v1alpha1.ReasonDeletionDeferred {
		g.objectsDeferred.Add(by)
	}
}

// objectState is what FitUsers are counted by. Each field is from a closed set, for any content of a status.
type objectState struct {
	role, ready, reason string
	unknownRole         bool
	foreign             bool // the marker is another installation's
	rowWaits            bool
}

// Values for what is absent and for what the operator does not know.
const (
	none  = "none"
	other = "other"
)

func (g *objectGauges) stateOf(u *v1alpha1.FitUser) objectState {
	s := objectState{role: none, ready: "unknown", reason: none, foreign: u.Status.MarkerOwner != "", rowWaits: u.Status.RowDeletionAt != nil}
	if role, known := g.roles.Parse(string(u.Status.Role)); known {
		s.role = string(role)
	}
	if u.Status.Clerk != nil && u.Status.Clerk.Role != "" {
		_, known := g.roles.Parse(u.Status.Clerk.Role)
		s.unknownRole = !known
	}
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return s
	}
	s.ready, s.reason = strings.ToLower(string(ready.Status)), other
	if slices.Contains(v1alpha1.Reasons(), ready.Reason) {
		s.reason = ready.Reason
	}
	return s
}

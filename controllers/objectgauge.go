package controllers

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// objectGauge counts the FitUsers by what they say of themselves. It goes by what the watch tells, object by object, so a
// scrape costs the same whether there are ten of them or a million. It counts on the leader alone: there the watch runs.
type objectGauge struct{ gauge *prometheus.GaugeVec }

func newObjectGauge() objectGauge {
	g := objectGauge{prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fituser_objects",
		Help: "FitUsers, by the role in force (admin, trainer, client, none), and the status and the reason of their Ready condition.",
	}, []string{"role", "ready", "reason"})}
	for _, role := range []string{string(user.Admin), string(user.Trainer), string(user.Client), none} {
		g.gauge.WithLabelValues(role, "true", v1alpha1.ReasonSynced)
	}
	return g
}

func (g objectGauge) added(object *v1alpha1.FitUser)   { g.of(classOf(object)).Inc() }
func (g objectGauge) removed(object *v1alpha1.FitUser) { g.of(classOf(object)).Dec() }

func (g objectGauge) changed(before, after *v1alpha1.FitUser) {
	if was, is := classOf(before), classOf(after); was != is {
		g.of(was).Dec()
		g.of(is).Inc()
	}
}

func (g objectGauge) of(c class) prometheus.Gauge {
	return g.gauge.WithLabelValues(c.role, c.ready, c.reason)
}

// class is what FitUsers are counted by. Each field is from a closed set, whatever somebody writes into a status.
type class struct{ role, ready, reason string }

// The values for what is absent and for what is not one of ours.
const (
	none  = "none"
	other = "other"
)

func classOf(object *v1alpha1.FitUser) class {
	c := class{role: none, ready: "unknown", reason: none}
	if role, isKnown := user.ParseRole(string(object.Status.Role)); isKnown {
		c.role = string(role)
	}
	ready := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return c
	}
	c.ready, c.reason = strings.ToLower(string(ready.Status)), other
	if isReason(ready.Reason) {
		c.reason = ready.Reason
	}
	return c
}

// isReason reports whether a text is one of the API's reasons.
func isReason(text string) bool {
	switch text {
	case v1alpha1.ReasonSynced, v1alpha1.ReasonSuspended, v1alpha1.ReasonDuplicateUser, v1alpha1.ReasonUserNotFound,
		v1alpha1.ReasonUnknownRole, v1alpha1.ReasonRevocationPending,
		v1alpha1.ReasonClerkUnavailable, v1alpha1.ReasonClerkThrottled, v1alpha1.ReasonClerkUnauthorized,
		v1alpha1.ReasonClerkRejected, v1alpha1.ReasonWrongInstance,
		v1alpha1.ReasonEmailMissing, v1alpha1.ReasonEmailConflict, v1alpha1.ReasonInvalidData, v1alpha1.ReasonRowInUse,
		v1alpha1.ReasonDeletionDeferred, v1alpha1.ReasonDatabaseUnavailable, v1alpha1.ReasonDatabaseMismatch,
		v1alpha1.ReasonRowPending, v1alpha1.ReasonRowRetained:
		return true
	default:
		return false
	}
}

package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/leader"
	"github.com/fitai/fituser-operator/internal/user"
)

// Status summarizes the whole installation.
type Status struct {
	Namespace string `json:"namespace"`
	// Instance is the Clerk instance of this namespace; empty before the first key was checked.
	Instance string `json:"instance,omitempty"`
	// OwnerID is this installation's owner id; empty before the first start.
	OwnerID string  `json:"ownerID,omitempty"`
	Leader  *Leader `json:"leader,omitempty"`

	// FitUsers is the total. Ready ones are in sync with Clerk and their row.
	FitUsers    int `json:"fitUsers"`
	Ready       int `json:"ready"`
	UserManaged int `json:"userManaged"`
	Suspended   int `json:"suspended"`
	Terminating int `json:"terminating"`
	RoleStatus

	// NotReady groups the FitUsers that are not ready by reason, the largest group first.
	NotReady []NotReadyGroup `json:"notReady"`

	Clerk     Backend   `json:"clerk"`
	Table     Backend   `json:"table"`
	Deletions Deletions `json:"deletions"`
}

// Leader is the process that holds the lease.
type Leader struct {
	Holder  string    `json:"holder"`
	Renewed time.Time `json:"renewed"`
}

// NotReadyGroup holds the FitUsers that are not ready for one reason.
type NotReadyGroup struct {
	Reason string `json:"reason"`
	Users  int    `json:"users"`
	// Stalled counts those that wait for a person.
	Stalled int `json:"stalled"`
	// Since is when the group's first FitUser became not ready. Example is its name, Message its Ready message.
	Since   time.Time `json:"since"`
	Example string    `json:"example"`
	Message string    `json:"message"`
}

// Backend is the state of Clerk or of the table.
type Backend struct {
	// Users is the number of users or rows.
	Users int `json:"users"`
	// Seconds is how long counting them took.
	Seconds float64 `json:"seconds"`
	// Problem is why they could not be counted; empty when they were.
	Problem string `json:"problem,omitempty"`
}

// Deletions is the state of the deletion budget.
type Deletions struct {
	// PeriodStart is when the current period began; Granted is how many deletions were granted since.
	PeriodStart time.Time `json:"periodStart,omitzero"`
	Granted     int       `json:"granted"`
	// Deferred is how many deletions are deferred. Users has the Clerk ids of the first FitUsers whose Ready reason is
	// DeletionDeferred.
	Deferred int      `json:"deferred"`
	Users    []string `json:"users"`
	// Waiting is how many rows of deleted users wait to be deleted or anonymized; Next is when the first of them is.
	Waiting int       `json:"waiting"`
	Next    time.Time `json:"next,omitzero"`
	// Override is true when a person has lifted the limit for this period.
	Override bool `json:"override,omitempty"`
}

// noStatusReason groups the FitUsers without a Ready condition. The API has no reason for them.
const noStatusReason = "NotReconciled"

// Status reads everything once. A failure of Clerk or of the table is part of the result, not an error.
func (i *Inspector) Status(ctx context.Context) (Status, error) {
	s := Status{
		Namespace: i.Namespace, RoleStatus: newRoleStatus(i.Roles.Roles.Protected(), i.MinProtected), NotReady: []NotReadyGroup{},
		Deletions: Deletions{Users: []string{}},
	}
	groups, now := map[string]*NotReadyGroup{}, i.Clock.Now()
	err := i.eachFitUser(ctx, func(u *v1alpha1.FitUser) {
		s.count(u)
		s.countRole(u, now)
		s.countNotReady(u, groups)
	})
	if err != nil {
		return Status{}, err
	}
	for _, group := range groups {
		s.NotReady = append(s.NotReady, *group)
	}
	slices.SortFunc(s.NotReady, func(a, b NotReadyGroup) int {
		return cmp.Or(b.Users-a.Users, strings.Compare(a.Reason, b.Reason))
	})
	s.sortExpiring()
	if err := errors.Join(i.readRoleRules(ctx, &s), i.readState(ctx, &s), i.readLease(ctx, &s)); err != nil {
		return Status{}, err
	}
	s.Clerk = i.backend(i.Clerk != nil, "CLERK_", func() (int, error) { return i.Clerk.Count(ctx) })
	s.Table = i.backend(i.Table != nil, "DATABASE_", func() (int, error) { return i.countRows(ctx) })
	return s, nil
}

func (s *Status) count(u *v1alpha1.FitUser) {
	s.FitUsers++
	if !u.ManagedByOperator() {
		s.UserManaged++
	}
	if u.Spec.Suspend {
		s.Suspended++
	}
	if fitusers.IsTerminating(u) {
		s.Terminating++
	}
	if at := u.Status.RowDeletionAt; at != nil {
		s.Deletions.addWaiting(at.Time)
	}
}

// countNotReady adds u to the group of its reason unless u is ready.
func (s *Status) countNotReady(u *v1alpha1.FitUser, groups map[string]*NotReadyGroup) {
	ready := readyCondition(u)
	if ready.Status == metav1.ConditionTrue {
		s.Ready++
		return
	}
	if ready.Reason == v1alpha1.ReasonDeletionDeferred {
		s.Deletions.add(u)
	}
	group := groups[ready.Reason]
	if group == nil {
		group = &NotReadyGroup{Reason: ready.Reason}
		groups[ready.Reason] = group
	}
	group.Users++
	if meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionStalled) {
		group.Stalled++
	}
	if group.Since.IsZero() || ready.LastTransitionTime.Time.Before(group.Since) {
		group.Since, group.Example, group.Message = ready.LastTransitionTime.Time, u.Name, ready.Message
	}
}

// readyCondition returns the Ready condition of u. One that was never reconciled gets a condition with a reason of its own.
func readyCondition(u *v1alpha1.FitUser) metav1.Condition {
	if ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return *ready
	}
	return metav1.Condition{
		Reason: noStatusReason, Message: "no status yet: check that a controller runs",
		LastTransitionTime: u.CreationTimestamp,
	}
}

func (d *Deletions) addWaiting(at time.Time) {
	d.Waiting++
	if d.Next.IsZero() || at.Before(d.Next) {
		d.Next = at
	}
}

func (d *Deletions) add(u *v1alpha1.FitUser) {
	d.Deferred++
	if len(d.Users) < maxNamed {
		d.Users = append(d.Users, u.UserID())
	}
}

// readState reads the operator state. Its number of deferred deletions includes users that no sweep has named to the
// reconciler yet, so that their FitUsers do not report it.
func (i *Inspector) readState(ctx context.Context, s *Status) error {
	persisted, err := i.state().Read(ctx)
	if err != nil {
		return err
	}
	s.Instance = persisted.InstanceID
	if s.OwnerID, err = i.Roles.Owner(ctx); err != nil {
		return err
	}
	s.Deletions.PeriodStart, s.Deletions.Granted = persisted.Deletions.PeriodStart, persisted.Deletions.Granted
	s.Deletions.Override = persisted.OverrideRequested
	s.Deletions.Deferred = max(s.Deletions.Deferred, persisted.Deletions.Deferred)
	return nil
}

func (i *Inspector) readLease(ctx context.Context, s *Status) error {
	var lease coordinationv1.Lease
	err := i.Cluster.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: leader.LeaseName}, &lease)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Lease %s: %w", leader.LeaseName, err)
	}
	if err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" && lease.Spec.RenewTime != nil {
		s.Leader = &Leader{Holder: *lease.Spec.HolderIdentity, Renewed: lease.Spec.RenewTime.Time}
	}
	return nil
}

// backend counts what Clerk or the table holds. When it is unavailable, the problem is the first reason that concerns its
// own settings (those with the prefix), else the first reason of all.
func (i *Inspector) backend(available bool, prefix string, count func() (int, error)) Backend {
	if !available {
		reasons := i.unavailable()
		own := slices.IndexFunc(reasons, func(reason string) bool { return strings.HasPrefix(reason, prefix) })
		return Backend{Problem: "not read: " + reasons[max(0, own)]}
	}
	start := i.Clock.Now()
	users, err := count()
	backend := Backend{Users: users, Seconds: i.Clock.Since(start).Seconds()}
	if err != nil {
		backend.Problem = err.Error()
	}
	return backend
}

// rowsPage is how many rows one query reads.
const rowsPage = 1000

func (i *Inspector) countRows(ctx context.Context) (n int, err error) {
	for after := user.ID(""); ; {
		rows, err := i.Table.Scan(ctx, after, rowsPage)
		if err != nil {
			return n, err
		}
		if n += len(rows); len(rows) < rowsPage {
			return n, nil
		}
		after = rows[len(rows)-1].ID
	}
}

package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/leader"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// Status is the whole picture.
type Status struct {
	Namespace string `json:"namespace"`
	// Instance is the Clerk instance that this namespace was made for; empty before the first key was checked.
	Instance string  `json:"instance,omitempty"`
	Leader   *Leader `json:"leader,omitempty"`

	// FitUsers counts them all, Ready those whose three places agree, ByHand those that a person made, Leaving those
	// being deleted.
	FitUsers  int `json:"fitUsers"`
	Ready     int `json:"ready"`
	ByHand    int `json:"byHand"`
	Suspended int `json:"suspended"`
	Leaving   int `json:"leaving"`
	// Roles counts FitUsers by the role in force, Given those roles that a manifest gives.
	Roles map[string]int `json:"roles"`
	Given map[string]int `json:"given"`
	// Troubles are the reasons why FitUsers are not ready, the most frequent first.
	Troubles []Trouble `json:"troubles"`

	Clerk     Side      `json:"clerk"`
	Table     Side      `json:"table"`
	Deletions Deletions `json:"deletions"`
}

// Leader is the process that works.
type Leader struct {
	Holder  string    `json:"holder"`
	Renewed time.Time `json:"renewed"`
}

// Trouble is a reason for which FitUsers are not ready.
type Trouble struct {
	Reason string `json:"reason"`
	Users  int    `json:"users"`
	// Stalled counts those that need a person.
	Stalled int `json:"stalled"`
	// Since is when the first of them got into it; Example is its FitUser, Message what that says.
	Since   time.Time `json:"since"`
	Example string    `json:"example"`
	Message string    `json:"message"`
}

// Side is Clerk or the table.
type Side struct {
	// Users is how many users or rows there are.
	Users int `json:"users"`
	// Seconds is how long the answer took.
	Seconds float64 `json:"seconds"`
	// Problem is why there is none; empty when there is.
	Problem string `json:"problem,omitempty"`
}

// Deletions is the bound on deletions, as the ConfigMap has it.
type Deletions struct {
	PeriodStart string `json:"periodStart,omitempty"`
	Granted     int    `json:"granted"`
	// HeldBack is how many are held back, Users names the first of them.
	HeldBack int      `json:"heldBack"`
	Users    []string `json:"users"`
	// Allowed is true when a person has lifted the limit for this period.
	Allowed bool `json:"allowed,omitempty"`
}

// Status looks at everything once. A place that does not answer is no error: that is what is said of it.
func (p *Places) Status(ctx context.Context) (Status, error) {
	s := Status{Namespace: p.Namespace, Roles: map[string]int{}, Given: map[string]int{}, Troubles: []Trouble{}}
	troubles := map[string]*Trouble{}
	err := p.eachFitUser(ctx, func(u *v1alpha1.FitUser) { s.count(u, troubles) })
	if err != nil {
		return Status{}, err
	}
	for _, trouble := range troubles {
		s.Troubles = append(s.Troubles, *trouble)
	}
	slices.SortFunc(s.Troubles, func(a, b Trouble) int { return cmp.Or(b.Users-a.Users, strings.Compare(a.Reason, b.Reason)) })
	if err := errors.Join(p.readNotes(ctx, &s), p.readLease(ctx, &s)); err != nil {
		return Status{}, err
	}
	s.Clerk = p.side(p.Clerk != nil, "CLERK_", func() (int, error) { return p.Clerk.Count(ctx) })
	s.Table = p.side(p.Table != nil, "DATABASE_", func() (int, error) { return p.countRows(ctx) })
	return s, nil
}

func (s *Status) count(u *v1alpha1.FitUser, troubles map[string]*Trouble) {
	s.FitUsers++
	if !u.ManagedByOperator() {
		s.ByHand++
	}
	if u.Spec.Suspend {
		s.Suspended++
	}
	if !u.DeletionTimestamp.IsZero() {
		s.Leaving++
	}
	s.Roles[cmp.Or(string(u.Status.Role), "none")]++
	if u.Status.RoleSource == v1alpha1.RoleSource(user.FromManifest) {
		s.Given[string(u.Status.Role)]++
	}
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		ready = &metav1.Condition{
			Reason: "NotLookedAt", Message: "the operator has not looked at it yet: is a controller running?",
			LastTransitionTime: u.CreationTimestamp,
		}
	case ready.Status == metav1.ConditionTrue:
		s.Ready++
		return
	}
	t := troubles[ready.Reason]
	if t == nil {
		t = &Trouble{Reason: ready.Reason}
		troubles[ready.Reason] = t
	}
	t.Users++
	if meta.IsStatusConditionTrue(u.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Stalled++
	}
	if t.Since.IsZero() || ready.LastTransitionTime.Time.Before(t.Since) {
		t.Since, t.Example, t.Message = ready.LastTransitionTime.Time, u.Name, ready.Message
	}
}

func (p *Places) readNotes(ctx context.Context, s *Status) error {
	var notes corev1.ConfigMap
	err := p.Cluster.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: state.ConfigMapName}, &notes)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", state.ConfigMapName, err)
	}
	s.Instance = notes.Data[state.InstanceKey]
	s.Deletions = deletionsOf(&notes)
	return nil
}

func deletionsOf(notes *corev1.ConfigMap) Deletions {
	d := Deletions{
		PeriodStart: notes.Data[state.PeriodKey], Users: []string{},
		Allowed: notes.Annotations[state.AnnotationAllowDeletions] == "true",
	}
	d.Granted, _ = strconv.Atoi(notes.Data[state.GrantedKey]) // nothing noted counts as none
	d.HeldBack, _ = strconv.Atoi(notes.Data[state.DeferredKey])
	return d
}

func (p *Places) readLease(ctx context.Context, s *Status) error {
	var lease coordinationv1.Lease
	err := p.Cluster.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: leader.LeaseName}, &lease)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Lease %s: %w", leader.LeaseName, err)
	}
	if err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" && lease.Spec.RenewTime != nil {
		s.Leader = &Leader{Holder: *lease.Spec.HolderIdentity, Renewed: lease.Spec.RenewTime.Time}
	}
	return nil
}

// side counts what a place holds. One that cannot be asked says what is wrong with its own settings, or else with others.
func (p *Places) side(asked bool, settings string, count func() (int, error)) Side {
	if !asked {
		reasons := p.unasked()
		own := slices.IndexFunc(reasons, func(reason string) bool { return strings.HasPrefix(reason, settings) })
		return Side{Problem: "not asked: " + reasons[max(0, own)]}
	}
	start := p.Clock.Now()
	users, err := count()
	side := Side{Users: users, Seconds: p.Clock.Since(start).Seconds()}
	if err != nil {
		side.Problem = err.Error()
	}
	return side
}

// rowsPage is how many rows are read at a time.
const rowsPage = 1000

func (p *Places) countRows(ctx context.Context) (n int, err error) {
	for after := user.ID(""); ; {
		rows, err := p.Table.Scan(ctx, after, rowsPage)
		if err != nil {
			return n, err
		}
		if n += len(rows); len(rows) < rowsPage {
			return n, nil
		}
		after = rows[len(rows)-1].ID
	}
}

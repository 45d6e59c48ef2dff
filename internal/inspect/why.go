package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Why shows one user in Clerk, the FitUser and the row side by side, what decides the role, and what the operator would do
// about differences.
type Why struct {
	// User is empty for a manifest whose address nobody holds.
	User     user.ID   `json:"user"`
	FitUsers []FitUser `json:"fitUsers"`
	// Role is what decides the role. Fields has the role's values.
	Role   Decision `json:"role"`
	Fields []Field  `json:"fields"`
	// Clerk and Table are why the user could not be read there, such as a missing row; empty when it was read.
	Clerk string `json:"clerk,omitempty"`
	Table string `json:"table,omitempty"`
	// Event is the last event about this user.
	Event   *Event       `json:"event,omitempty"`
	Preview preview.User `json:"preview"`
	// When describes when the operator does that.
	When string `json:"when"`
}

// FitUser is one of the user's FitUsers.
type FitUser struct {
	Name        string    `json:"name"`
	ManagedBy   ManagedBy `json:"managedBy"`
	Active      bool      `json:"active"`
	Terminating bool      `json:"terminating,omitempty"`
	// Ready, Reason and Message are from the Ready condition; Since is its last transition.
	Ready   string    `json:"ready,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// ManagedBy is who manages a FitUser.
type ManagedBy string

const (
	// ManagedByOperator means that the operator created the FitUser and nobody has edited it since.
	ManagedByOperator ManagedBy = "operator"
	// ManagedByUser means that a person or a GitOps tool created or edited it.
	ManagedByUser ManagedBy = "user"
)

// Field is one value in Clerk, the FitUser and the row. Personal data is shown as --status-profile configures.
type Field struct {
	Name string `json:"name"`
	// Owner decides the value: Clerk, a manifest, or the default.
	Owner   string `json:"owner"`
	Clerk   string `json:"clerk"`
	FitUser string `json:"fitUser"`
	Row     string `json:"row"`
	// Differs names the places whose value differs from the owner's.
	Differs []string `json:"differs,omitempty"`
}

// Event is the last hint.
type Event struct {
	Type      v1alpha1.EventType `json:"type"`
	MessageID string             `json:"messageID"`
	At        time.Time          `json:"at"`
	// Handled is true once the status reflects the event, or when the event requires no change.
	Handled bool `json:"handled"`
}

// Why explains one user. name is a Clerk id, a FitUser's name, or an e-mail address.
func (i *Inspector) Why(ctx context.Context, name string) (Why, error) {
	if err := i.checkAvailable(); err != nil {
		return Why{}, err
	}
	found, err := i.find(ctx, name)
	switch {
	case err != nil:
		return Why{}, err
	case found.id == "":
		return i.whyUnbound(found), nil
	default:
		return i.whyUser(ctx, found.id)
	}
}

func (i *Inspector) whyUser(ctx context.Context, id user.ID) (Why, error) {
	w := Why{User: id, FitUsers: []FitUser{}}
	account := i.readClerk(ctx, id, &w)
	facts, err := i.readRoleFacts(ctx, id, account)
	if err != nil {
		return Why{}, err
	}
	row := i.readTable(ctx, i.rowKey(id, account, facts.FitUsers), &w)
	w.describe(facts.FitUsers.All()...)
	for n := range w.FitUsers {
		w.FitUsers[n].Active = n == 0 && facts.FitUsers.Active != nil
	}
	w.Role = explainRole(facts)
	w.compare(i.Profile, facts, i.Table.Table().Mapping, row)
	backends := i.planBackends()
	backends.observe = i.Observe
	would := i.newPreview(backends, fitusers.Unindexed(i.Cluster), func() int { return i.countFitUsers(ctx) })
	w.Preview = would.PreviewUser(ctx, id)
	w.When = w.when(facts.FitUsers.Active, i.SyncPeriod)
	if w.Event != nil && len(w.Preview.Changes) == 0 && w.Preview.Err == nil && w.Preview.RequeueAfter == 0 {
		w.Event.Handled = true // no status records an event that required no change
	}
	return w, nil
}

// readRoleFacts reads what decides the user's role. account is nil when Clerk has no such user.
func (i *Inspector) readRoleFacts(ctx context.Context, id user.ID, account *user.User) (roleFacts, error) {
	f := roleFacts{id: id, account: account}
	var err error
	if f.found, err = i.fitUsersOf(ctx, id, account); err != nil {
		return f, err
	}
	if f.policy, err = i.Roles.Policy(ctx); err != nil {
		return f, err
	}
	if f.unusable, err = i.unusableRules(ctx, f.policy.Rules); err != nil {
		return f, err
	}
	f.Explanation = fituser.Explain(f.policy, id, f.found, account, i.Clock.Now())
	return f, nil
}

// fitUsersOf returns the FitUsers that may be the user's: those that name the id or were reconciled with it, and those that
// name an address of the account, verified or not.
func (i *Inspector) fitUsersOf(ctx context.Context, id user.ID, account *user.User) ([]*v1alpha1.FitUser, error) {
	reader := fitusers.Unindexed(i.Cluster)
	found, err := fitusers.Read(ctx, reader, reader, i.Namespace, id)
	if err != nil || account == nil {
		return found, err
	}
	addresses := slices.Clone(account.VerifiedEmails)
	if account.Email != "" {
		addresses = append(addresses, account.Email)
	}
	byEmail, err := fitusers.ReadByEmail(ctx, reader, reader, i.Namespace, addresses...)
	for _, u := range byEmail {
		if u.UserID() != string(id) { // the others are found by the user
			found = append(found, u)
		}
	}
	return found, err
}

// describe adds FitUsers, and the last event.
func (w *Why) describe(all ...*v1alpha1.FitUser) {
	for _, u := range all {
		described := FitUser{Name: u.Name, ManagedBy: ManagedByUser, Terminating: fitusers.IsTerminating(u)}
		if u.ManagedByOperator() {
			described.ManagedBy = ManagedByOperator
		}
		if ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			described.Ready, described.Reason, described.Message = string(ready.Status), ready.Reason, ready.Message
			described.Since = ready.LastTransitionTime.Time
		}
		w.FitUsers = append(w.FitUsers, described)
		if hint, ok := u.Hint(); ok && (w.Event == nil || hint.OccurredAt().After(w.Event.At)) {
			w.Event = &Event{
				Type: hint.Type, MessageID: hint.MessageID, At: hint.OccurredAt(), Handled: hint.MessageID == u.Status.ObservedHint,
			}
		}
	}
}

func (i *Inspector) readClerk(ctx context.Context, id user.ID, w *Why) *user.User {
	account, err := i.Clerk.Get(ctx, id)
	switch {
	case err == nil:
		return &account
	case clerk.KindOf(err) == clerk.NotFound:
		w.Clerk = "Clerk has no user with this id."
	default:
		w.Clerk = err.Error()
	}
	return nil
}

// rowKey returns the key of a user's row: Clerk knows it, and a status that of a deleted user.
func (i *Inspector) rowKey(id user.ID, account *user.User, found fitusers.Set) user.ID {
	mapping := i.Table.Table().Mapping
	if account != nil {
		return mapping.KeyOf(*account)
	}
	for _, u := range found.All() {
		if u.Status.RowKey != "" && mapping.Key.Holds == user.HoldsExternalID {
			return user.ID(u.Status.RowKey)
		}
	}
	return id
}

func (i *Inspector) readTable(ctx context.Context, key user.ID, w *Why) *user.Row {
	row, err := i.Table.Get(ctx, key)
	switch {
	case err == nil:
		return &row
	case errors.Is(err, store.ErrNotFound):
		w.Table = "The table has no row with this id."
	default:
		w.Table = err.Error()
	}
	return nil
}

// countFitUsers returns how many FitUsers there are, as the API server estimates it.
func (i *Inspector) countFitUsers(ctx context.Context) int {
	var first v1alpha1.FitUserList
	if err := i.Cluster.List(ctx, &first, client.InNamespace(i.Namespace), client.Limit(1)); err != nil {
		return 0
	}
	if first.RemainingItemCount == nil {
		return len(first.Items)
	}
	return len(first.Items) + int(*first.RemainingItemCount)
}

// when describes when the operator acts, or why it does nothing.
func (w *Why) when(active *v1alpha1.FitUser, period time.Duration) string {
	switch {
	case w.Preview.Err != nil:
		return "The next step is unknown: " + w.Preview.Err.Error()
	case len(w.Preview.Changes) > 0:
		return fmt.Sprintf("It does so at the user's next event or at the next sweep; a sweep runs about every %s.", period)
	case w.Preview.RequeueAfter > 0:
		return waiting(w.Preview) + "."
	case active == nil:
		return "Nothing to do: Clerk has no user with this id, and no FitUser names it."
	case active.Spec.Suspend:
		return "Nothing is written while spec.suspend is true."
	case !meta.IsStatusConditionTrue(active.Status.Conditions, v1alpha1.ConditionReady):
		return "Nothing is written until the problem that the FitUser reports is fixed."
	case slices.ContainsFunc(w.FitUsers, func(u FitUser) bool { return u.Reason == v1alpha1.ReasonDuplicateUser }):
		return "Nothing to do: the user is in sync. The duplicate FitUser has no effect until one of the two is deleted."
	default:
		return "Nothing to do: the user is in sync."
	}
}

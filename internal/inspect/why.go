package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/preview"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Why is one user in the three places, side by side, and what the operator would do about what differs.
type Why struct {
	User     user.ID   `json:"user"`
	FitUsers []FitUser `json:"fitUsers"`
	Fields   []Field   `json:"fields"`
	// Clerk and Table say what is wrong with the place itself, such as that the user is not there; empty when nothing is.
	Clerk string `json:"clerk,omitempty"`
	Table string `json:"table,omitempty"`
	// Event is the last event that told of this user.
	Event   *Event       `json:"event,omitempty"`
	Outlook preview.User `json:"outlook"`
	// When says when the operator does that.
	When string `json:"when"`
}

// FitUser is one of the user's FitUsers.
type FitUser struct {
	Name    string `json:"name"`
	MadeBy  string `json:"madeBy"` // operator or person
	Serves  bool   `json:"serves"`
	Leaving bool   `json:"leaving,omitempty"`
	// Ready, Reason and Message are the Ready condition, Since when it became so.
	Ready   string    `json:"ready,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// Field is one fact in the three places. Values of a person are shown as --status-profile says.
type Field struct {
	Name string `json:"name"`
	// Owner is whose word counts: Clerk, a manifest, or nobody's (default).
	Owner   string `json:"owner"`
	Clerk   string `json:"clerk"`
	FitUser string `json:"fitUser"`
	Row     string `json:"row"`
	// Differs names the places that are not as the owner says.
	Differs []string `json:"differs,omitempty"`
}

// Event is the last hint.
type Event struct {
	Type    v1alpha1.EventType `json:"type"`
	Message string             `json:"message"`
	At      time.Time          `json:"at"`
	// Done is true once the status shows what came of it, or nothing is to come of it.
	Done bool `json:"done"`
}

// Why explains the user whom who names: by Clerk's id, a FitUser's name, or an e-mail address that a FitUser shows.
func (p *Places) Why(ctx context.Context, who string) (Why, error) {
	if err := p.errUnasked(); err != nil {
		return Why{}, err
	}
	id, err := p.find(ctx, who)
	if err != nil {
		return Why{}, err
	}
	var mine v1alpha1.FitUserList
	err = p.Cluster.List(ctx, &mine, client.InNamespace(p.Namespace), client.MatchingFields{v1alpha1.FieldClerkUserID: string(id)})
	if err != nil {
		return Why{}, fmt.Errorf("listing the FitUsers of %s: %w", id, err)
	}
	w := Why{User: id, FitUsers: []FitUser{}}
	serving := w.describe(mine.Items)
	account := p.askClerk(ctx, id, &w)
	row := p.askTable(ctx, id, &w)
	w.compare(p.Profile, serving, account, row)
	w.Outlook = p.newPreview(p.Cluster, func() int { return p.countFitUsers(ctx) }).PreviewUser(ctx, id)
	w.When = w.when(serving, p.SyncPeriod)
	if w.Event != nil && len(w.Outlook.Changes) == 0 && w.Outlook.Err == nil && w.Outlook.RequeueAfter == 0 {
		w.Event.Done = true // of an event that changed nothing no status tells
	}
	return w, nil
}

// describe notes the FitUsers, the one that serves first, and returns it.
func (w *Why) describe(objects []v1alpha1.FitUser) *v1alpha1.FitUser {
	all := make([]*v1alpha1.FitUser, len(objects))
	for i := range objects {
		all[i] = &objects[i]
	}
	found := fitusers.Select(all)
	serving := found.Active
	for _, u := range found.All() {
		seen := FitUser{Name: u.Name, MadeBy: "person", Serves: u == serving, Leaving: !u.DeletionTimestamp.IsZero()}
		if u.ManagedByOperator() {
			seen.MadeBy = "operator"
		}
		if ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			seen.Ready, seen.Reason, seen.Message = string(ready.Status), ready.Reason, ready.Message
			seen.Since = ready.LastTransitionTime.Time
		}
		w.FitUsers = append(w.FitUsers, seen)
		if hint, ok := u.Hint(); ok && (w.Event == nil || hint.OccurredAt().After(w.Event.At)) {
			w.Event = &Event{Type: hint.Type, Message: hint.MessageID, At: hint.OccurredAt(), Done: hint.MessageID == u.Status.ObservedHint}
		}
	}
	return serving
}

func (p *Places) askClerk(ctx context.Context, id user.ID, w *Why) *user.User {
	account, err := p.Clerk.Get(ctx, id)
	switch {
	case err == nil:
		return &account
	case clerk.KindOf(err) == clerk.NotFound:
		w.Clerk = "Clerk has no such user"
	default:
		w.Clerk = err.Error()
	}
	return nil
}

func (p *Places) askTable(ctx context.Context, id user.ID, w *Why) *user.Row {
	row, err := p.Table.Get(ctx, id)
	switch {
	case err == nil:
		return &row
	case errors.Is(err, store.ErrNotFound):
		w.Table = "there is no row"
	default:
		w.Table = err.Error()
	}
	return nil
}

// countFitUsers is how many FitUsers there are, as the API server estimates it.
func (p *Places) countFitUsers(ctx context.Context) int {
	var one v1alpha1.FitUserList
	if err := p.Cluster.List(ctx, &one, client.InNamespace(p.Namespace), client.Limit(1)); err != nil {
		return 0
	}
	if one.RemainingItemCount == nil {
		return len(one.Items)
	}
	return len(one.Items) + int(*one.RemainingItemCount)
}

// when says when the operator acts.
func (w *Why) when(serving *v1alpha1.FitUser, period time.Duration) string {
	switch {
	case w.Outlook.Err != nil:
		return "Cannot tell what happens next: " + w.Outlook.Err.Error()
	case len(w.Outlook.Changes) > 0:
		return fmt.Sprintf("With the user's next event, or with the next sweep: there is one about every %s.", period)
	case w.Outlook.RequeueAfter > 0:
		return fmt.Sprintf("%s; it looks again after %s.", cmp.Or(w.Outlook.Waits, "It waits"), w.Outlook.RequeueAfter.Round(time.Millisecond))
	case serving == nil:
		return "Nothing: Clerk has no such user, and no FitUser names them."
	case serving.Spec.Suspend:
		return "Nothing is written while spec.suspend is true."
	case !meta.IsStatusConditionTrue(serving.Status.Conditions, v1alpha1.ConditionReady):
		return "Nothing until what the FitUser names is put right."
	case slices.ContainsFunc(w.FitUsers, func(u FitUser) bool { return u.Reason == v1alpha1.ReasonDuplicateUser }):
		return "Nothing: the user agrees. The other FitUser serves nobody until one of the two is deleted."
	default:
		return "Nothing: everything agrees."
	}
}

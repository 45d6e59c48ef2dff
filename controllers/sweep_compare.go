package controllers

import (
	"context"
	"fmt"
	"hash/maphash"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// compare compares one user in the three places, with the functions by which the reconciler decides.
func (p *pass) compare(ctx context.Context, u user.User, page listed) error {
	row, hasRow := p.rows[u.ID]
	delete(p.rows, u.ID)
	objects, err := p.fitUsersOf(ctx, u.ID)
	if err != nil {
		return err
	}
	k := &known{id: u.ID, now: p.Clock.Now(), clerk: &u, fitUsers: choose(objects)}
	handedOver := handover{read: &u, seen: page.seen}
	if k.serving == nil {
		p.report.New++
		if !hasRow { // with a row it is only the FitUser that was deleted
			p.miss(k, page, v1alpha1.UserCreated)
		}
		return p.handOver(ctx, k.id, handedOver)
	}
	agrees := k.agrees(p.Reconciler.Profile, hasRow, func(want user.Row) bool { return p.fingerprint.Fingerprint(want) == row })
	if agrees.clerk && agrees.row && agrees.status {
		p.Reconciler.Deletions.Drop(u.ID) // they may be back since they were held
		return nil
	}
	p.report.Differing++
	if k.clerkHasNews() {
		p.miss(k, page, v1alpha1.UserUpdated)
	}
	return p.handOver(ctx, k.id, handedOver)
}

// agreement says which places agree about a user.
type agreement struct{ clerk, row, status bool }

// agrees compares what is known with what is there. sameRow compares the row that should be with the one that is.
func (k *known) agrees(mode ProfileMode, hasRow bool, sameRow func(user.Row) bool) agreement {
	plan := k.clerk.RoleFacts(user.Role(k.serving.Spec.Role)).Plan()
	k.role = plan
	want := user.DesiredRow(*k.clerk, plan.Role)
	a := agreement{clerk: plan.Change == user.NoRoleChange && len(k.others) == 0, row: hasRow && sameRow(want)}
	if want.Email == "" && !hasRow {
		a.row, k.rowTrouble = true, emailMissing()
	}
	a.status = says(k.serving, k.status(mode))
	return a
}

func (p *pass) handOver(ctx context.Context, id user.ID, what handover) error {
	if err := p.Reconciler.handovers.put(ctx, id, what); err != nil {
		return err
	}
	return p.Reconciler.enqueueLow(ctx, id)
}

// lookForGone hands over the users whose FitUser says that they were in Clerk, and whom a whole listing lacks. Absence
// proves nothing: the reconciler asks Clerk for each of them by id. No more are asked for than may be deleted.
func (p *pass) lookForGone(ctx context.Context) error {
	if !p.report.Whole {
		return nil
	}
	left, err := p.Reconciler.Deletions.Left(ctx)
	if err != nil {
		return err
	}
	var all v1alpha1.FitUserList
	if err := p.Cache.List(ctx, &all, client.InNamespace(p.Reconciler.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing FitUsers: %w", err)
	}
	var held []user.ID
	for i := range all.Items {
		object := &all.Items[i]
		if _, listed := p.listed[maphash.String(p.seed, object.Spec.ClerkUserID)]; listed || !mayBeGone(object) {
			continue
		}
		p.report.Gone++
		if p.report.Gone > left {
			held = append(held, user.ID(object.Spec.ClerkUserID))
			continue
		}
		if err := p.handOver(ctx, user.ID(object.Spec.ClerkUserID), handover{}); err != nil {
			return err
		}
	}
	p.report.HeldBack = len(held)
	return p.Reconciler.Deletions.HoldBack(ctx, held)
}

// mayBeGone is true for a FitUser that says that its user was in Clerk, and not yet that they are gone.
func mayBeGone(object *v1alpha1.FitUser) bool {
	seen := object.Status.Clerk != nil && object.Status.Clerk.CreatedAt != nil
	return seen && readyReason(object) != v1alpha1.ReasonUserNotFound
}

func (p *pass) countStrangers(ctx context.Context) error {
	for id := range p.rows {
		objects, err := p.fitUsersOf(ctx, id)
		if err != nil {
			return err
		}
		if len(objects) == 0 {
			p.report.Strangers++
		}
	}
	return nil
}

// fitUsersOf reads the FitUsers of a user as the cache shows them: the one with the name that the operator gives, and those
// with other names, which alone are in the index. Nobody may write to them.
func (s *Sweeper) fitUsersOf(ctx context.Context, id user.ID) ([]*v1alpha1.FitUser, error) {
	var others v1alpha1.FitUserList
	err := s.Cache.List(ctx, &others, client.InNamespace(s.Reconciler.Namespace),
		client.MatchingFields{v1alpha1.FieldClerkUserID: string(id)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing the FitUsers of %s: %w", id, err)
	}
	objects := make([]*v1alpha1.FitUser, 0, 1+len(others.Items))
	for i := range others.Items {
		objects = append(objects, &others.Items[i])
	}
	usual := &v1alpha1.FitUser{}
	name := client.ObjectKey{Namespace: s.Reconciler.Namespace, Name: fitusers.NameFor(string(id), 0)}
	err = s.Cache.Get(ctx, name, usual, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading FitUser %s: %w", name.Name, err)
	}
	if err == nil && usual.Spec.ClerkUserID == string(id) {
		objects = append(objects, usual)
	}
	return objects, nil
}

// CountFitUsers counts the FitUsers in a cache. A cache that cannot tell counts none.
func CountFitUsers(cache client.Reader, namespace string) func() int {
	return func() int {
		var all v1alpha1.FitUserList
		err := cache.List(context.Background(), &all, client.InNamespace(namespace), client.UnsafeDisableDeepCopy)
		if err != nil {
			return 0
		}
		return len(all.Items)
	}
}

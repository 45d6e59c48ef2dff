package fituser

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// desiredStatus computes the active FitUser's status. Fields that were not observed in this reconcile keep their values.
func desiredStatus(obs observation, res result, mode ProfileMode) v1alpha1.FitUserStatus {
	s := *obs.fitUsers.Active.Status.DeepCopy()
	s.ObservedGeneration = obs.fitUsers.Active.Generation
	switch {
	case obs.deletedInClerk:
		if obs.fitUsers.Active.Spec.Email == "" { // a manifest that names an address stays bound until it is released
			s.ClerkUserID = ""
		}
		s.Profile, s.Role, s.RoleSource, s.RoleRule, s.MarkerOwner = nil, "", "", "", ""
		s.Clerk, s.AlteredColumns = retainedAccount(obs, res), nil
		setKeptRow(&s, obs, res.kept)
	case res.role.account != nil:
		setObserved(&s, obs, res, mode)
	}
	setConditions(&s, obs, res)
	if !res.retrying() {
		s.LastHandledReconcile = reconcileRequest(obs.fitUsers.Active)
	}
	return s
}

// reconcileRequest returns the value of the annotation that requests a reconcile, as long as a status can hold it.
func reconcileRequest(u *v1alpha1.FitUser) string {
	return truncate(u.Annotations[v1alpha1.AnnotationReconcile], maxReconcileRequest)
}

// setObserved sets what Clerk contains. The role in force is what Clerk and the row both hold, so it waits for the row.
func setObserved(s *v1alpha1.FitUserStatus, obs observation, res result, mode ProfileMode) {
	account := res.role.account
	s.ClerkUserID = string(account.ID)
	if !obs.changedHands(obs.fitUsers.Active) {
		s.PreviousClerkUserID = ""
	}
	s.Profile = mode.Profile(account)
	s.RowDeletionAt, s.DeletionPolicy = nil, ""
	if res.row == nil || res.row.synced || res.row.reason == v1alpha1.ReasonEmailMissing {
		s.AlteredColumns = res.altered
		s.RowKey = shownRowKey(account.ID, res.rowKey)
		inForce := res.role.inForce
		s.Role, s.RoleSource, s.RoleRule = v1alpha1.Role(inForce.Role), v1alpha1.RoleSource(inForce.Source), ""
		if inForce.Source == user.FromRule {
			s.RoleRule = obs.ruleInForce(account)
		}
	}
	s.RoleExpiredAt = nil
	if obs.expired(obs.fitUsers.Active) {
		s.RoleExpiredAt = obs.fitUsers.Active.Spec.RoleExpiresAt
	}
	s.MarkerOwner = obs.foreignOwner(account)
	s.Clerk = &v1alpha1.AccountState{
		CreatedAt:     &metav1.Time{Time: account.CreatedAt.Truncate(1e9)},
		Banned:        account.Banned,
		Locked:        account.Locked,
		Deprovisioned: account.Deprovisioned,
		TestUser:      account.IsTest(),
	}
	if account.Role != string(s.Role) {
		s.Clerk.Role = truncate(account.Role, maxRole)
	}
}

// ruleInForce is the RoleRule that granted the user's role.
func (o observation) ruleInForce(account *user.User) string {
	if account.HasMarker && account.Marker.Rule != "" {
		return account.Marker.Rule
	}
	return o.rolePlan.Marker.Rule // a comparison, which has written nothing
}

// unnamedOwner stands for the owner of a marker that names none.
const unnamedOwner = "unknown"

// foreignOwner is the owner of a marker of another installation; empty when there is none.
func (o observation) foreignOwner(account *user.User) string {
	if !o.policy.Foreign(o.factsOf(account)) {
		return ""
	}
	return truncate(cmp.Or(account.Marker.Owner, unnamedOwner), maxRole)
}

// retainedAccount is what the status keeps of an account that is deleted in Clerk: while its row exists, that the
// operator has seen it.
func retainedAccount(obs observation, res result) *v1alpha1.AccountState {
	if res.kept.reason == "" && res.row == nil {
		return nil
	}
	for _, u := range obs.fitUsers.All() {
		if fitusers.EverObserved(u) {
			return &v1alpha1.AccountState{CreatedAt: u.Status.Clerk.CreatedAt}
		}
	}
	if res.kept.waits() && !res.kept.createdAt.IsZero() { // no status has recorded it, see rowsAwaitingStatus
		return &v1alpha1.AccountState{CreatedAt: &metav1.Time{Time: res.kept.createdAt.Truncate(time.Second)}}
	}
	return nil
}

// setKeptRow sets what is known of the row of a user who is deleted in Clerk.
func setKeptRow(s *v1alpha1.FitUserStatus, obs observation, kept keptRow) {
	s.RowKey, s.RowDeletionAt, s.DeletionPolicy = shownRowKey(obs.id, kept.key), nil, ""
	if !kept.waits() {
		return
	}
	s.RowDeletionAt = &metav1.Time{Time: kept.until}
	if obs.fitUsers.Active.ManagedByOperator() {
		s.DeletionPolicy = kept.policy
	}
}

// shownRowKey returns a row's key as a status shows it: empty where it is the Clerk id. A key that is too long for the status
// is not shown, so that its row is never deleted.
func shownRowKey(id, key user.ID) string {
	if key == id || len(key) > maxRowKey {
		return ""
	}
	return string(key)
}

// ReadyReason returns the reason of a FitUser's Ready condition; empty when it has none.
func ReadyReason(u *v1alpha1.FitUser) string {
	ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return ""
	}
	return ready.Reason
}

// SweptRow is a row as a sweep knows it.
type SweptRow struct {
	Table  store.Table
	Exists bool
	// Equals reports whether it equals another row in the mapped columns.
	Equals func(user.Row) bool
	// Row is the row itself, for the users of [fitusers.CachedDiffering]; nil for others.
	Row *user.Row
}

// Comparison is what a sweep learns about one user.
type Comparison struct {
	// InSync is true when Clerk, the FitUsers and the row agree.
	InSync bool
	// Deferred is true when the user loses a role, and a FitUser reports that the deletion budget defers it.
	Deferred bool
	// Rule is the RoleRule that decides the role; empty when none does.
	Rule string
}

// Compare compares Clerk, the FitUsers and the row of a user by the functions that decide in a reconcile.
func (r *Reconciler) Compare(policy user.Policy, found []*v1alpha1.FitUser, account *user.User, row SweptRow) Comparison {
	obs := observation{id: account.ID, now: r.Clock.Now(), policy: policy, found: found}.withAccount(account)
	c := Comparison{Rule: obs.rolePlan.Marker.Rule}
	if obs.fitUsers.Active == nil {
		return c
	}
	c.Deferred = ReadyReason(obs.fitUsers.Active) == v1alpha1.ReasonDeletionDeferred && chargesBudget(obs)
	c.InSync = r.inSync(obs, row)
	return c
}

func (r *Reconciler) inSync(obs observation, row SweptRow) bool {
	plan := obs.rolePlan
	if plan.Change != user.NoRoleChange || len(obs.fitUsers.Duplicates)+len(obs.fitUsers.Released) > 0 {
		return false
	}
	clerkSide, err := asSyncError(obs.addressChangedHands())
	if plan.OwnedElsewhere {
		clerkSide = ownedElsewhere(obs)
	}
	if err != nil {
		return false
	}
	res := result{
		clerk: clerkSide, role: roleResult{account: obs.account, inForce: plan}, rowKey: row.Table.Mapping.KeyOf(*obs.account),
	}
	rowSide, altered, ok := r.compareRow(obs, plan.Role, row)
	if !ok {
		return false
	}
	res.row, res.altered = rowSide, altered
	return statusEqual(obs.fitUsers.Active, desiredStatus(obs, res, r.Profile))
}

// compareRow returns what the status reports of the row; ok is false when it must be written.
func (r *Reconciler) compareRow(obs observation, role user.Role, row SweptRow) (_ *syncError, altered *v1alpha1.AlteredColumns, ok bool) {
	if row.Exists && row.Equals(row.Table.Mapping.DesiredRow(*obs.account, role)) {
		return nil, nil, true
	}
	current := observedRow{exists: row.Exists}
	switch {
	case row.Row != nil:
		current.Row = *row.Row
	case row.Exists:
		return nil, nil, false
	}
	plan := r.planRow(row.Table, obs, role, current)
	e, _ := asSyncError(plan.outcome())
	return e, plan.altered, !plan.writes
}

// AccountDiffers reports whether Clerk's account differs from the status of u. It ignores fields that the operator sets
// itself and differences that come only from another --status-profile.
func AccountDiffers(u *v1alpha1.FitUser, account *user.User) bool {
	shown := u.Status
	if shown.Clerk == nil {
		return ReadyReason(u) == v1alpha1.ReasonUserNotFound
	}
	return shown.Clerk.Banned != account.Banned || shown.Clerk.Locked != account.Locked ||
		shown.Clerk.Deprovisioned != account.Deprovisioned ||
		shownRole(shown) != truncate(account.Role, maxRole) ||
		shown.Profile != nil && !shows(*shown.Profile, account)
}

// shownRole returns the role that Clerk held when the status was written.
func shownRole(s v1alpha1.FitUserStatus) string {
	if s.RoleSource == v1alpha1.RoleSource(user.FromDefault) {
		return s.Clerk.Role
	}
	return cmp.Or(s.Clerk.Role, string(s.Role))
}

// shows reports whether a profile, written in any mode, shows the account as it is.
func shows(profile v1alpha1.Profile, account *user.User) bool {
	for _, mode := range []ProfileMode{ProfileFull, ProfileMasked} {
		if p := mode.Profile(account); p != nil && *p == profile {
			return true
		}
	}
	return false
}

package v1alpha1

// Condition types. Ready follows from ClerkSynced and DatabaseSynced. Reconciling and Stalled follow the kstatus
// convention: present and True, or absent.
const (
	// ConditionReady is True when Clerk, this FitUser and the row agree.
	ConditionReady = "Ready"
	// ConditionClerkSynced is True when Clerk has the user and the desired role.
	ConditionClerkSynced = "ClerkSynced"
	// ConditionDatabaseSynced is True when the row has the desired state.
	ConditionDatabaseSynced = "DatabaseSynced"
	// ConditionReconciling is True while the operator still works towards Ready on its own.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the operator cannot continue until a person acts.
	ConditionStalled = "Stalled"
)

// ConditionTypes returns all condition types.
func ConditionTypes() []string {
	return []string{ConditionReady, ConditionClerkSynced, ConditionDatabaseSynced, ConditionReconciling, ConditionStalled}
}

// Reasons of the conditions. Each names one cause; docs/conditions.md describes what to do about it.
const (
	// ReasonSynced: Clerk, the FitUser and the row agree.
	ReasonSynced = "Synced"
	// ReasonSuspended: spec.suspend is true; nothing is written for this user.
	ReasonSuspended = "Suspended"
	// ReasonDuplicateUser: another FitUser for the same Clerk user is active.
	ReasonDuplicateUser = "DuplicateUser"
	// ReasonUserNotFound: Clerk has no user with this id. It ends by itself once Clerk has one.
	ReasonUserNotFound = "UserNotFound"
	// ReasonUnknownRole: this version of the operator does not know the role in spec.role; nothing is written to Clerk.
	ReasonUnknownRole = "UnknownRole"
	// ReasonAwaitingSignUp: no Clerk user holds the e-mail address of the spec as a verified one.
	ReasonAwaitingSignUp = "AwaitingSignUp"
	// ReasonAddressChangedHands: another user holds the e-mail address now, and the protected role waits for a person.
	ReasonAddressChangedHands = "AddressChangedHands"
	// ReasonOwnedElsewhere: another installation granted the user's role, so this one does not change it.
	ReasonOwnedElsewhere = "OwnedElsewhere"
	// ReasonLastAdmin: too few other users hold the protected role, so it is not revoked.
	ReasonLastAdmin = "LastAdmin"
	// ReasonObserveMode: the operator runs with --observe and writes nothing to Clerk or to the table.
	ReasonObserveMode = "ObserveMode"
	// ReasonRevocationPending: a role that a manifest granted is no longer desired and not revoked yet.
	ReasonRevocationPending = "RevocationPending"

	// ReasonClerkUnavailable: Clerk did not respond, or its response could not be understood.
	ReasonClerkUnavailable = "ClerkUnavailable"
	// ReasonClerkThrottled: Clerk limits the operator's requests.
	ReasonClerkThrottled = "ClerkThrottled"
	// ReasonClerkUnauthorized: Clerk refuses the secret key.
	ReasonClerkUnauthorized = "ClerkUnauthorized"
	// ReasonClerkRejected: Clerk refuses a write for this user, and a retry would be refused too.
	ReasonClerkRejected = "ClerkRejected"
	// ReasonWrongInstance: the secret key belongs to another Clerk instance than the one recorded for this operator.
	ReasonWrongInstance = "WrongInstance"

	// ReasonEmailMissing: the Clerk user has no e-mail address, and a row needs one.
	ReasonEmailMissing = "EmailMissing"
	// ReasonEmailConflict: another row holds the e-mail address and may not be changed.
	ReasonEmailConflict = "EmailConflict"
	// ReasonInvalidData: the database cannot store a value that Clerk has.
	ReasonInvalidData = "InvalidData"
	// ReasonRowRefused: a trigger, function or policy of the application refuses the row, or fails.
	ReasonRowRefused = "RowRefused"
	// ReasonRowAltered: the table stores another value than the operator writes. The row is otherwise in sync.
	ReasonRowAltered = "RowAltered"
	// ReasonRowInUse: the row should be deleted, but other rows, a trigger or a policy of the application keep it.
	ReasonRowInUse = "RowInUse"
	// ReasonDeletionDeferred: deleting the row or revoking the role is deferred, because the deletion budget is spent.
	ReasonDeletionDeferred = "DeletionDeferred"
	// ReasonDatabaseUnavailable: the database is unreachable, read-only or out of resources.
	ReasonDatabaseUnavailable = "DatabaseUnavailable"
	// ReasonDatabaseMismatch: the users table, or the operator's privileges on it, are not what the operator needs.
	ReasonDatabaseMismatch = "DatabaseMismatch"
	// ReasonRowPending: the row waits until Clerk's side is synced.
	ReasonRowPending = "RowPending"
	// ReasonRowRetained: the user is deleted in Clerk, and the row stays because the deletion policy is Retain.
	ReasonRowRetained = "RowRetained"
	// ReasonRowAnonymized: the user is deleted in Clerk, and the row stays without personal data.
	ReasonRowAnonymized = "RowAnonymized"
	// ReasonRowSoftDeleted: the user is deleted in Clerk, and the row records when that was found.
	ReasonRowSoftDeleted = "RowSoftDeleted"
	// ReasonRowDeletionPending: the user is deleted in Clerk, and the row waits for status.rowDeletionAt.
	ReasonRowDeletionPending = "RowDeletionPending"
	// ReasonRowKeyChanged: Clerk's external_id has changed, and the user's row still has the former one as its key; or it is the
	// id of another user, who has that row.
	ReasonRowKeyChanged = "RowKeyChanged"
)

// Reasons returns all reasons of a FitUser's conditions, so that a program can distinguish them from other text.
func Reasons() []string {
	return []string{
		ReasonSynced,
		ReasonSuspended,
		ReasonDuplicateUser,
		ReasonUserNotFound,
		ReasonUnknownRole,
		ReasonAwaitingSignUp,
		ReasonAddressChangedHands,
		ReasonOwnedElsewhere,
		ReasonLastAdmin,
		ReasonObserveMode,
		ReasonRevocationPending,
		ReasonClerkUnavailable,
		ReasonClerkThrottled,
		ReasonClerkUnauthorized,
		ReasonClerkRejected,
		ReasonWrongInstance,
		ReasonEmailMissing,
		ReasonEmailConflict,
		ReasonInvalidData,
		ReasonRowRefused,
		ReasonRowInUse,
		ReasonDeletionDeferred,
		ReasonDatabaseUnavailable,
		ReasonDatabaseMismatch,
		ReasonRowPending,
		ReasonRowAltered,
		ReasonRowRetained,
		ReasonRowAnonymized,
		ReasonRowSoftDeleted,
		ReasonRowDeletionPending,
		ReasonRowKeyChanged,
	}
}

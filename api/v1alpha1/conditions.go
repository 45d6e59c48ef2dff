package v1alpha1

// Condition types. Ready follows from ClerkSynced and DatabaseSynced. Reconciling and Stalled follow the kstatus
// convention: present and True, or absent.
const (
	// ConditionReady is True when Clerk, this FitUser and the row agree.
	ConditionReady = "Ready"
	// ConditionClerkSynced is True when Clerk has the user and holds the role in force.
	ConditionClerkSynced = "ClerkSynced"
	// ConditionDatabaseSynced is True when the row is what it must be.
	ConditionDatabaseSynced = "DatabaseSynced"
	// ConditionReconciling is True while work is on its way that needs no person.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when only a person can make things go on.
	ConditionStalled = "Stalled"
)

// ConditionTypes returns all condition types.
func ConditionTypes() []string {
	return []string{ConditionReady, ConditionClerkSynced, ConditionDatabaseSynced, ConditionReconciling, ConditionStalled}
}

// Reasons of the conditions. Each names one cause; docs/conditions.md says what to do about it.
const (
	// ReasonSynced: Clerk, the FitUser and the row agree.
	ReasonSynced = "Synced"
	// ReasonSuspended: spec.suspend is true; nothing is written for this user.
	ReasonSuspended = "Suspended"
	// ReasonDuplicateUser: another FitUser for the same Clerk user serves.
	ReasonDuplicateUser = "DuplicateUser"
	// ReasonUserNotFound: Clerk has no user with this id. Heals itself when Clerk knows the id.
	ReasonUserNotFound = "UserNotFound"
	// ReasonUnknownRole: spec.role is a role that this version of the operator does not know; nothing is written to Clerk.
	ReasonUnknownRole = "UnknownRole"
	// ReasonRevocationPending: a role that a manifest gave is to be taken back, and has not been yet.
	ReasonRevocationPending = "RevocationPending"

	// ReasonClerkUnavailable: Clerk did not answer, or answered with something that is no answer.
	ReasonClerkUnavailable = "ClerkUnavailable"
	// ReasonClerkThrottled: Clerk asks the operator to wait.
	ReasonClerkThrottled = "ClerkThrottled"
	// ReasonClerkUnauthorized: Clerk refuses the secret key.
	ReasonClerkUnauthorized = "ClerkUnauthorized"
	// ReasonClerkRejected: Clerk refuses a write for this user and will go on refusing it.
	ReasonClerkRejected = "ClerkRejected"
	// ReasonWrongInstance: the secret key belongs to another Clerk instance than the one this operator was made for.
	ReasonWrongInstance = "WrongInstance"

	// ReasonEmailMissing: the Clerk user has no e-mail address, and a row needs one.
	ReasonEmailMissing = "EmailMissing"
	// ReasonEmailConflict: another row holds the e-mail address and may not be changed.
	ReasonEmailConflict = "EmailConflict"
	// ReasonInvalidData: the database cannot hold a value that Clerk has.
	ReasonInvalidData = "InvalidData"
	// ReasonRowInUse: the row is to be removed, but other rows of the application still refer to it.
	ReasonRowInUse = "RowInUse"
	// ReasonDeletionDeferred: the row or the right is to go, and is held back because too many would go at once.
	ReasonDeletionDeferred = "DeletionDeferred"
	// ReasonDatabaseUnavailable: the database cannot be reached, is read-only, or is out of resources.
	ReasonDatabaseUnavailable = "DatabaseUnavailable"
	// ReasonDatabaseMismatch: the users table, or the operator's rights in it, are not what the operator needs.
	ReasonDatabaseMismatch = "DatabaseMismatch"
	// ReasonRowPending: the row waits for Clerk's side to be settled first.
	ReasonRowPending = "RowPending"
	// ReasonRowRetained: Clerk no longer has the user; the row stays because spec.deletionPolicy is Retain.
	ReasonRowRetained = "RowRetained"
)

// Reasons returns all reasons, so that a reader can tell them from any other text.
func Reasons() []string {
	return []string{
		ReasonSynced,
		ReasonSuspended,
		ReasonDuplicateUser,
		ReasonUserNotFound,
		ReasonUnknownRole,
		ReasonRevocationPending,
		ReasonClerkUnavailable,
		ReasonClerkThrottled,
		ReasonClerkUnauthorized,
		ReasonClerkRejected,
		ReasonWrongInstance,
		ReasonEmailMissing,
		ReasonEmailConflict,
		ReasonInvalidData,
		ReasonRowInUse,
		ReasonDeletionDeferred,
		ReasonDatabaseUnavailable,
		ReasonDatabaseMismatch,
		ReasonRowPending,
		ReasonRowRetained,
	}
}

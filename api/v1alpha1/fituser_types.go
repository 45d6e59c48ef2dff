package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Selectable fields of FitUsers.
const (
	// FieldClerkUserID is the Clerk user that a manifest names.
	FieldClerkUserID = "spec.clerkUserID"
	// FieldEmail is the address that a manifest names, as it is written there.
	FieldEmail = "spec.email"
	// FieldObservedClerkUserID is the Clerk user that the FitUser was last reconciled with.
	FieldObservedClerkUserID = "status.clerkUserID"
	// FieldObservedRole is the role in force.
	FieldObservedRole = "status.role"
)

// Role is a user's role in the application. The specs list the roles that can
// be granted; a status may show any that the operator knows (--roles).
type Role string

// DeletionPolicy is what happens to the row once the user is deleted in
// Clerk.
//
// +kubebuilder:validation:Enum=Delete;Retain;Anonymize
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionPolicyDelete deletes the row.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain keeps the row.
	DeletionPolicyRetain DeletionPolicy = "Retain"
	// DeletionPolicyAnonymize keeps the row without personal data, and with the
	// default role.
	DeletionPolicyAnonymize DeletionPolicy = "Anonymize"
)

// DeletionPolicies returns all deletion policies.
func DeletionPolicies() []DeletionPolicy {
	return []DeletionPolicy{DeletionPolicyDelete, DeletionPolicyRetain, DeletionPolicyAnonymize}
}

// FitUserSpec is the desired state. Only people write it: the operator never
// does.
//
// +kubebuilder:validation:XValidation:rule="has(self.clerkUserID) != has(self.email)",message="want exactly one of clerkUserID and email: the user's id in Clerk, or an address that the user has verified there"
// +kubebuilder:validation:XValidation:rule="has(self.clerkUserID) == has(oldSelf.clerkUserID)",message="clerkUserID and email cannot be changed: create another FitUser for another user"
// +kubebuilder:validation:XValidation:rule="!has(self.roleExpiresAt) || has(self.role)",message="roleExpiresAt needs a role that expires"
type FitUserSpec struct {
	// clerkUserID is the user's id in Clerk, such as user_2abc123. It cannot be
	// changed: create another FitUser for another user.
	//
	// +optional
	// +kubebuilder:validation:MinLength=6
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^user_[0-9A-Za-z]+$')",message="must be a Clerk user id: user_ followed by letters and digits (copy it from Clerk's dashboard)"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: a FitUser stays with one Clerk user; create another FitUser for another user"
	ClerkUserID string `json:"clerkUserID,omitempty"`

	// email names the user who holds this address as a verified one in Clerk,
	// now or later, in upper or lower case. The FitUser follows the address: when
	// the user loses it, the role is revoked. It cannot be changed: create
	// another FitUser for another address.
	//
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-?A-~]+@[!-?A-~]+$')",message="must be an e-mail address such as jane@fitai.dev, without spaces and letters beyond ASCII"
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().contains('+clerk_test@')",message="must not be one of Clerk's test addresses (+clerk_test): anybody can verify those; name the user by clerkUserID"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: create another FitUser for another address"
	Email string `json:"email,omitempty"`

	// role grants a role: the operator writes it to Clerk's public_metadata.role
	// and to the row. Removing the line revokes the role. Without it, the role
	// set in Clerk counts, else the first RoleRule that matches, else the default
	// role.
	//
	// +optional
	// +kubebuilder:validation:Enum=admin;trainer;client
	Role Role `json:"role,omitempty"`

	// roleExpiresAt is when the role is revoked, such as 2027-01-31T18:00:00Z:
	// from then on the FitUser counts as one without role. A time in the past
	// grants nothing.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[12]\d{3}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d([.]\d{1,9})?(Z|[+-][01]\d:[0-5]\d)$`
	RoleExpiresAt *metav1.Time `json:"roleExpiresAt,omitempty"`

	// deletionPolicy is what happens to the row in the users table once the user
	// is deleted in Clerk: Delete deletes it, Retain keeps it, Anonymize removes
	// the personal data from it. Without it, the operator's --deletion-policy
	// counts. Deleting the FitUser itself never deletes a row.
	//
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// suspend set to true stops all writes for this user, to Clerk and to the
	// row. The status still shows what is observed.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// RoleSource is where the role in force comes from.
//
// +kubebuilder:validation:Enum=Manifest;Clerk;RoleRule;Default
type RoleSource string

// RoleHistoryEntry is one change of the role in force.
type RoleHistoryEntry struct {
	// time is when the operator changed the role.
	//
	// +required
	Time metav1.Time `json:"time"`

	// from is the role before; empty when none was known.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	From Role `json:"from,omitempty"`

	// to is the role after.
	//
	// +required
	// +kubebuilder:validation:MaxLength=63
	To Role `json:"to"`

	// source is where the new role comes from.
	//
	// +required
	Source RoleSource `json:"source"`

	// manifest is the FitUser or the RoleRule that granted the new role.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Manifest string `json:"manifest,omitempty"`

	// manager is the field manager that wrote the manifest's role.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Manager string `json:"manager,omitempty"`

	// revision is the manifest's revision in Git, where the tool that applied it
	// records one.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`
}

// Profile is the person as last read from Clerk. The operator's
// --status-profile setting decides which fields are shown.
type Profile struct {
	// email is the primary e-mail address.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=320
	Email string `json:"email,omitempty"`

	// firstName is the first name.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	FirstName string `json:"firstName,omitempty"`

	// lastName is the last name.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LastName string `json:"lastName,omitempty"`

	// phone is the primary phone number.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Phone string `json:"phone,omitempty"`
}

// AccountState is the state of the account in Clerk, apart from the person.
// It changes neither the row nor the role.
type AccountState struct {
	// createdAt is when Clerk created the user. It is set exactly when the
	// operator has seen the user in Clerk: without it, no row is ever deleted for
	// this FitUser.
	//
	// +optional
	CreatedAt *metav1.Time `json:"createdAt,omitempty"`

	// role is Clerk's public_metadata.role when it differs from the role in
	// force, such as a role that this operator does not know.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Role string `json:"role,omitempty"`

	// banned is true while Clerk refuses the user's sign-ins.
	//
	// +optional
	Banned bool `json:"banned,omitempty"`

	// locked is true while Clerk locks the user out after failed attempts.
	//
	// +optional
	Locked bool `json:"locked,omitempty"`

	// deprovisioned is true when a directory has deactivated the user.
	//
	// +optional
	Deprovisioned bool `json:"deprovisioned,omitempty"`

	// testUser is true when the user's e-mail address or phone number is one that
	// Clerk reserves for tests: it needs no proof of ownership.
	//
	// +optional
	TestUser bool `json:"testUser,omitempty"`
}

// FitUserStatus is the observed state. Only the operator writes it, and only
// when something has changed.
type FitUserStatus struct {
	// observedGeneration is the generation of the spec that this status is about;
	// -1 until the first reconcile.
	//
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// clerkUserID is the Clerk user that this FitUser is about; empty while Clerk
	// has none with the id or the address of the spec.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	ClerkUserID string `json:"clerkUserID,omitempty"`

	// previousClerkUserID is the user who held the address of spec.email before,
	// until another user gets the role.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	PreviousClerkUserID string `json:"previousClerkUserID,omitempty"`

	// role is the role in force: the one that Clerk and the row both have.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Role Role `json:"role,omitempty"`

	// roleSource is where the role in force comes from: a Manifest, Clerk, a
	// RoleRule, or Default when none of them sets one.
	//
	// +optional
	RoleSource RoleSource `json:"roleSource,omitempty"`

	// roleRule is the RoleRule that the role in force comes from.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RoleRule string `json:"roleRule,omitempty"`

	// roleExpiredAt is the spec.roleExpiresAt that has passed and revoked the
	// role. It does not return when a clock is set back.
	//
	// +optional
	RoleExpiredAt *metav1.Time `json:"roleExpiredAt,omitempty"`

	// markerOwner is the owner id of another installation whose marker the user
	// has in Clerk. This installation does not change that role.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	MarkerOwner string `json:"markerOwner,omitempty"`

	// rowKey is the key of the user's row where it is another one than the Clerk
	// id, because the table's key holds Clerk's external_id.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RowKey string `json:"rowKey,omitempty"`

	// rowDeletionAt is when the row of a user who is deleted in Clerk is deleted
	// or anonymized. Until then the user can return, and spec.deletionPolicy can
	// be set to Retain.
	//
	// +optional
	RowDeletionAt *metav1.Time `json:"rowDeletionAt,omitempty"`

	// deletionPolicy is the spec.deletionPolicy of a manifest by e-mail that
	// waits for the next user of its address. It counts for the former user's
	// row while that row waits for rowDeletionAt.
	//
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// roleHistory are the last changes of the role in force, the newest first.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	RoleHistory []RoleHistoryEntry `json:"roleHistory,omitempty"`

	// profile is the person as last read from Clerk.
	//
	// +optional
	Profile *Profile `json:"profile,omitempty"`

	// alteredColumns are the columns of the row in which the table stores other
	// values than the operator writes.
	//
	// +optional
	AlteredColumns *AlteredColumns `json:"alteredColumns,omitempty"`

	// clerk is the state of the account in Clerk.
	//
	// +optional
	Clerk *AccountState `json:"clerk,omitempty"`

	// observedHint is the id of the last webhook message that changed this
	// status.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ObservedHint string `json:"observedHint,omitempty"`

	// lastHandledReconcile repeats the value of the annotation
	// identity.fitai.dev/reconcile once the reconcile that it requested is done.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	LastHandledReconcile string `json:"lastHandledReconcile,omitempty"`

	// lastChangeTime is when anything in this status last changed.
	//
	// +optional
	LastChangeTime *metav1.Time `json:"lastChangeTime,omitempty"`

	// conditions are Ready, ClerkSynced and DatabaseSynced, and, while they are
	// true, Reconciling and Stalled.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// AlteredColumns are columns in which the table, by a trigger or by its types,
// stores other values than the operator writes.
type AlteredColumns struct {
	// names are the names of the columns.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=128
	Names []string `json:"names"`

	// digest changes when what Clerk has or what the table stores in these
	// columns changes. The same values are not written again.
	//
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`
}

// FitUser is one user of the application: their Clerk account, their row in
// the users table, and the role that Git grants them. `kubectl get fitusers`
// shows whether the three agree.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fu,categories=fitai
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=`.status.profile.email`
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.status.role`
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.status.roleSource`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Clerk ID",type=string,priority=1,JSONPath=`.status.clerkUserID`
// +kubebuilder:printcolumn:name="Expires",type=string,priority=1,JSONPath=`.spec.roleExpiresAt`
// +kubebuilder:printcolumn:name="Row Deletion",type=string,priority=1,JSONPath=`.status.rowDeletionAt`
// +kubebuilder:printcolumn:name="Changed",type=date,priority=1,JSONPath=`.status.lastChangeTime`
// +kubebuilder:selectablefield:JSONPath=`.spec.clerkUserID`
// +kubebuilder:selectablefield:JSONPath=`.spec.email`
// +kubebuilder:selectablefield:JSONPath=`.spec.role`
// +kubebuilder:selectablefield:JSONPath=`.status.clerkUserID`
// +kubebuilder:selectablefield:JSONPath=`.status.role`
type FitUser struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state. Only people write it.
	//
	// +required
	Spec FitUserSpec `json:"spec"`

	// status is the observed state. Only the operator writes it. The default
	// makes kstatus, and so Flux, wait for the first reconcile.
	//
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status FitUserStatus `json:"status,omitempty"`
}

// FitUserList is a list of FitUsers.
//
// +kubebuilder:object:root=true
type FitUserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FitUser `json:"items"`
}

// UserID returns the Clerk user of u: the one that the spec names, or the one that was last seen with the address of the
// spec. It is empty while nobody was.
func (u *FitUser) UserID() string {
	if u.Spec.ClerkUserID != "" {
		return u.Spec.ClerkUserID
	}
	return u.Status.ClerkUserID
}

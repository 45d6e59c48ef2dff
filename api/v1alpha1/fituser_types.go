package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FieldClerkUserID is the selectable field that finds the FitUsers of a Clerk user.
const FieldClerkUserID = "spec.clerkUserID"

// Role is a role that a manifest can grant.
//
// +kubebuilder:validation:Enum=admin;trainer;client
type Role string

// DeletionPolicy says what becomes of the row once Clerk no longer has the
// user.
//
// +kubebuilder:validation:Enum=Delete;Retain
type DeletionPolicy string

// The deletion policies.
const (
	// DeletionPolicyDelete removes the row.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyRetain keeps the row.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// FitUserSpec is what people want. Only people write it: the operator never
// does.
type FitUserSpec struct {
	// clerkUserID is the user's id in Clerk, such as user_2abc123. It cannot be
	// changed: make another FitUser for another user.
	//
	// +required
	// +kubebuilder:validation:MinLength=6
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^user_[0-9A-Za-z]+$')",message="must be a Clerk user id: user_ followed by letters and digits (copy it from Clerk's dashboard)"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cannot be changed: a FitUser stays with one Clerk user; make another FitUser for another user"
	ClerkUserID string `json:"clerkUserID"`

	// role is the role this user has while the line stands here: it is written to
	// Clerk's public_metadata.role and to the row. Removing the line takes the
	// role away again. Without it, the role set in Clerk counts, or client.
	//
	// +optional
	Role Role `json:"role,omitempty"`

	// deletionPolicy says what becomes of the row in the users table once Clerk no
	// longer has the user: Delete removes it, Retain keeps it. Deleting the
	// FitUser itself never removes a row.
	//
	// +optional
	// +kubebuilder:default=Delete
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// suspend set to true stops all writes for this user, to Clerk and to the row,
	// whatever happens. The status goes on saying what is observed.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// RoleSource says where the role in force comes from.
//
// +kubebuilder:validation:Enum=Manifest;Clerk;Default
type RoleSource string

// Profile is the person, as Clerk last said. How much of it is shown is the
// operator's --status-profile setting.
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

// AccountState is what Clerk says about the account apart from the person. It
// changes neither the row nor the role.
type AccountState struct {
	// createdAt is when Clerk created the user. It is here exactly when the
	// operator has seen the user in Clerk: without it, no row is ever removed for
	// this FitUser.
	//
	// +optional
	CreatedAt *metav1.Time `json:"createdAt,omitempty"`

	// role is Clerk's own public_metadata.role where it is not the role in force,
	// such as a role this operator does not know.
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

	// deprovisioned is true when a directory has switched the user off.
	//
	// +optional
	Deprovisioned bool `json:"deprovisioned,omitempty"`

	// testUser is true for a user whose e-mail address or phone number is one that
	// Clerk reserves for tests: nobody has to prove that it is theirs.
	//
	// +optional
	TestUser bool `json:"testUser,omitempty"`
}

// FitUserStatus is what was observed. Only the operator writes it, and only
// when something has changed.
type FitUserStatus struct {
	// observedGeneration is the generation of the spec that this status answers.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// role is the role in force: what Clerk and the row both hold.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Role Role `json:"role,omitempty"`

	// roleSource says where the role in force comes from: a Manifest, Clerk, or
	// Default when neither sets one.
	//
	// +optional
	RoleSource RoleSource `json:"roleSource,omitempty"`

	// profile is the person, as Clerk last said.
	//
	// +optional
	Profile *Profile `json:"profile,omitempty"`

	// clerk is what Clerk says about the account.
	//
	// +optional
	Clerk *AccountState `json:"clerk,omitempty"`

	// observedHint is the id of the last webhook message that led to a change of
	// this status.
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

// FitUser is one user of the application: their Clerk account, their row in
// the users table, and the role that Git gives them. `kubectl get fitusers`
// shows whether the three agree.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fu,categories=fitai
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=`.status.profile.email`
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.status.role`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Clerk ID",type=string,priority=1,JSONPath=`.spec.clerkUserID`
// +kubebuilder:printcolumn:name="Changed",type=date,priority=1,JSONPath=`.status.lastChangeTime`
// +kubebuilder:selectablefield:JSONPath=`.spec.clerkUserID`
// +kubebuilder:selectablefield:JSONPath=`.spec.role`
// +kubebuilder:selectablefield:JSONPath=`.status.role`
type FitUser struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what people want.
	//
	// +required
	Spec FitUserSpec `json:"spec"`

	// status is what the operator observed.
	//
	// +optional
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

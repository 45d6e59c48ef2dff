package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons of the conditions of a RoleRule.
const (
	// ReasonInForce: users who match the rule get its role.
	ReasonInForce = "InForce"
	// ReasonNeverMatches: no user can get a role by this rule.
	ReasonNeverMatches = "NeverMatches"
)

// RoleRuleSpec is a role and the users who get it. All given matchers must
// match. A rule never overrides a FitUser's role or a role that somebody set in
// Clerk.
//
// +kubebuilder:validation:XValidation:rule="has(self.emailDomains) || (has(self.requestedAtSignUp) && self.requestedAtSignUp)",message="want a matcher: emailDomains or requestedAtSignUp"
// +kubebuilder:validation:XValidation:rule="self.role != 'admin' || has(self.emailDomains)",message="a rule for admin needs emailDomains: anybody can request a role at sign-up"
type RoleRuleSpec struct {
	// role is the role that matching users get.
	//
	// +required
	// +kubebuilder:validation:Enum=admin;trainer;client
	Role Role `json:"role"`

	// emailDomains match users who hold a verified e-mail address in one of these
	// domains, such as fitai.dev. Subdomains do not match.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+$')",message="must be a domain such as fitai.dev, without @ and wildcards"
	EmailDomains []string `json:"emailDomains,omitempty"`

	// requestedAtSignUp matches users whose unsafe_metadata.role, which a sign-up
	// form sets, is the role of this rule.
	//
	// +optional
	RequestedAtSignUp bool `json:"requestedAtSignUp,omitempty"`

	// priority decides between rules that match the same user: the highest wins,
	// then the smaller name.
	//
	// +optional
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Priority int32 `json:"priority,omitempty"`
}

// RoleRuleStatus is the observed state. Only the operator writes it.
type RoleRuleStatus struct {
	// observedGeneration is the generation of the spec that this status is about;
	// -1 until the first reconcile.
	//
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// users is how many users the last complete sweep found with the role of this
	// rule; absent before the first one.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Users *int32 `json:"users,omitempty"`

	// conditions are Ready, and Stalled while a person must act.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=4
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RoleRule is a role for users without a manifest: those of an e-mail domain,
// or those who request it at sign-up. A user must match all that the rule
// names. It overrides neither a FitUser's role nor a role set in Clerk.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rr,categories=fitai
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.spec.role`
// +kubebuilder:printcolumn:name="Domains",type=string,JSONPath=`.spec.emailDomains`
// +kubebuilder:printcolumn:name="Requested",type=boolean,JSONPath=`.spec.requestedAtSignUp`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Users",type=integer,JSONPath=`.status.users`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RoleRule struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state. Only people write it.
	//
	// +required
	Spec RoleRuleSpec `json:"spec"`

	// status is the observed state. Only the operator writes it. The default
	// makes kstatus, and so Flux, wait for the first reconcile.
	//
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status RoleRuleStatus `json:"status,omitempty"`
}

// RoleRuleList is a list of RoleRules.
//
// +kubebuilder:object:root=true
type RoleRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RoleRule `json:"items"`
}

// To read this package: fituser_types.go and rolerule_types.go (what they hold), conditions.go (how their state is reported),
// hint.go (how the receiver notifies the reconciler). This is not in the package comment: docs/reference.md starts with that.

// Package v1alpha1 is the API of FitUsers and RoleRules: the types, their conditions and reasons, and the annotations and the
// label that the operator uses. Other programs rely on everything exported here.
//
// +kubebuilder:object:generate=true
// +groupName=identity.fitai.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of this API.
var GroupVersion = schema.GroupVersion{Group: "identity.fitai.dev", Version: "v1alpha1"}

// AddToScheme registers the API's types.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &FitUser{}, &FitUserList{}, &RoleRule{}, &RoleRuleList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}

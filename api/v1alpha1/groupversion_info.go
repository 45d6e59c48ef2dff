// Package v1alpha1 is the FitUser API: the type, its conditions and reasons, and the annotations by which the parts of
// the operator speak to each other. Other programs rely on everything exported here.
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
	scheme.AddKnownTypes(GroupVersion, &FitUser{}, &FitUserList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}

package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// ObjectChange is what applying manifests would do to one object.
type ObjectChange struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Change string `json:"change"`
}

// Changes of an object.
const (
	objectAdded   = "added"
	objectChanged = "changed"
	objectPruned  = "pruned"
)

// applied is what the cluster would hold after manifests are applied.
type applied struct {
	// fitUsers are those that would be added or changed, before the live ones that would be changed or pruned.
	fitUsers, before []*v1alpha1.FitUser
	pruned           []string
	rules            []v1alpha1.RoleRule
	changes          []ObjectChange
	// unvalidated is how many manifests the API server did not check.
	unvalidated int
	// unselected has the GitOps labels of live manifests that the repository lacks.
	unselected map[string]int
}

// change returns what would be done to an object: added, changed, pruned or empty.
func (a *applied) change(kind, name string) string {
	for _, c := range a.changes {
		if c.Kind == kind && c.Name == name {
			return c.Change
		}
	}
	return ""
}

// overlayManifests compares manifests with the cluster. The error is a [ManifestError] where the API server refuses some.
func (i *Inspector) overlayManifests(ctx context.Context, m Manifests, o ManifestOptions) (*applied, error) {
	a := &applied{unselected: map[string]int{}}
	var rules v1alpha1.RoleRuleList
	if err := i.Cluster.List(ctx, &rules, client.InNamespace(i.Namespace)); err != nil {
		return nil, fmt.Errorf("listing RoleRules: %w", err)
	}
	a.rules = rules.Items
	var faults []fault
	for _, next := range m.objects {
		refusal, err := i.overlayOne(ctx, a, next, o.Offline)
		if err != nil {
			return nil, err
		}
		if refusal != "" {
			faults = append(faults, next.fault("%s %s: %s", next.kind, next.object.GetName(), refusal))
		}
	}
	if len(faults) > 0 {
		return nil, &ManifestError{faults}
	}
	if err := i.prune(ctx, a, m, o.Prune); err != nil {
		return nil, err
	}
	slices.SortFunc(a.changes, compareObjects)
	return a, nil
}

func compareObjects(a, b ObjectChange) int {
	return strings.Compare(a.Change+a.Kind+"/"+a.Name, b.Change+b.Kind+"/"+b.Name)
}

// overlayOne adds one manifest to what would be applied. refusal is why the API server would not take it.
func (i *Inspector) overlayOne(ctx context.Context, a *applied, m manifest, offline bool) (refusal string, err error) {
	live, _ := m.object.DeepCopyObject().(client.Object)
	err = i.Cluster.Get(ctx, client.ObjectKeyFromObject(m.object), live)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("reading %s %s: %w", m.kind, m.object.GetName(), err)
	}
	next, change := m.object, objectAdded
	if err == nil {
		if next, change = mergeManifest(live, m.object); change == "" {
			return "", nil
		}
	}
	if offline {
		a.unvalidated++
	} else if refusal, err = i.validate(ctx, a, next, change); refusal != "" || err != nil {
		return refusal, err
	}
	a.changes = append(a.changes, ObjectChange{m.kind, m.object.GetName(), change})
	switch next := next.(type) {
	case *v1alpha1.FitUser:
		a.addFitUser(next, live, change)
	case *v1alpha1.RoleRule:
		a.rules = slices.DeleteFunc(a.rules, func(r v1alpha1.RoleRule) bool { return r.Name == next.Name })
		a.rules = append(a.rules, *next)
	}
	return "", nil
}

func (a *applied) addFitUser(next *v1alpha1.FitUser, live client.Object, change string) {
	if before, ok := live.(*v1alpha1.FitUser); ok && change == objectChanged {
		a.before = append(a.before, before)
	} else {
		next.UID, next.ResourceVersion, next.Generation = types.UID("plan-"+next.Name), "0", 1
		next.Status = v1alpha1.FitUserStatus{}
	}
	a.fitUsers = append(a.fitUsers, next)
}

// mergeManifest returns the live object as applying a manifest leaves it, and whether that changes anything that the
// operator reads. The manifest is the whole spec. Of the metadata it sets what it contains: others may have annotated the
// object.
func mergeManifest(live, wanted client.Object) (client.Object, string) {
	next, _ := live.DeepCopyObject().(client.Object)
	var same bool
	switch next := next.(type) {
	case *v1alpha1.FitUser:
		spec := wanted.(*v1alpha1.FitUser).Spec //nolint:forcetypeassert // both have the type of the manifest
		if spec.DeletionPolicy == "" && next.Spec.DeletionPolicy == v1alpha1.DeletionPolicyDelete {
			spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete // a former default, which applying a manifest does not remove
		}
		same = equality.Semantic.DeepEqual(next.Spec, spec)
		next.Spec = spec
	case *v1alpha1.RoleRule:
		spec := wanted.(*v1alpha1.RoleRule).Spec //nolint:forcetypeassert // both have the type of the manifest
		same = equality.Semantic.DeepEqual(next.Spec, spec)
		next.Spec = spec
	}
	if !same {
		next.SetGeneration(next.GetGeneration() + 1)
	}
	annotations := mergeAnnotations(live, wanted.GetAnnotations())
	for _, name := range append(fitusers.Annotations(), v1alpha1.LabelManagedBy) {
		same = same && annotations[name] == live.GetAnnotations()[name]
	}
	next.SetAnnotations(annotations)
	all := merge(live.GetLabels(), wanted.GetLabels())
	same = same && all[v1alpha1.LabelManagedBy] == live.GetLabels()[v1alpha1.LabelManagedBy]
	next.SetLabels(all)
	if same {
		return next, ""
	}
	return next, objectChanged
}

func merge(live, wanted map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, live)
	maps.Copy(all, wanted)
	return all
}

// mergeAnnotations returns the annotations of a live object after a manifest with wanted is applied. Those that a GitOps
// tool applied before, and that the manifest lacks now, are removed.
func mergeAnnotations(live client.Object, wanted map[string]string) map[string]string {
	all := merge(live.GetAnnotations(), wanted)
	for _, name := range appliedAnnotations(live) {
		if _, kept := wanted[name]; !kept {
			delete(all, name)
		}
	}
	return all
}

// appliedAnnotations returns the annotations that kubectl apply, or a server-side apply, set on an object.
func appliedAnnotations(live client.Object) (names []string) {
	var last struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal([]byte(live.GetAnnotations()["kubectl.kubernetes.io/last-applied-configuration"]), &last)
	for name := range last.Metadata.Annotations {
		names = append(names, name)
	}
	for _, entry := range live.GetManagedFields() {
		var owned struct {
			Metadata struct {
				Annotations map[string]json.RawMessage `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if entry.Operation != metav1.ManagedFieldsOperationApply || entry.FieldsV1 == nil ||
			json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned) != nil {
			continue
		}
		for field := range owned.Metadata.Annotations {
			names = append(names, strings.TrimPrefix(field, "f:"))
		}
	}
	return names
}

// validate asks the API server whether it would take an object. Where this account may not create or update such objects,
// or a policy lets only others do it, that remains unknown.
func (i *Inspector) validate(ctx context.Context, a *applied, next client.Object, change string) (refusal string, err error) {
	checked, _ := next.DeepCopyObject().(client.Object)
	if change == objectAdded {
		err = i.Cluster.Create(ctx, checked, client.DryRunAll)
	} else {
		err = i.Cluster.Update(ctx, checked, client.DryRunAll)
	}
	switch {
	case err == nil:
		return "", nil
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err): // not found: the namespace is created with the operator
		a.unvalidated++
		return "", nil
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return refusalOf(err), nil
	default:
		return "", fmt.Errorf("validating %s: %w", next.GetName(), err)
	}
}

// refusalOf returns why the API server refuses an object, without the refused values: they may be addresses.
func refusalOf(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return "the API server refuses it as " + string(apierrors.ReasonForError(err))
	}
	var reasons []string
	for _, cause := range status.Status().Details.Causes {
		reasons = append(reasons, strings.TrimPrefix(cause.Field+": ", ": ")+withoutValue(cause.Message))
	}
	return strings.Join(reasons, "; ")
}

// withoutValue cuts the value from a message such as `Invalid value: "x": must be …`.
func withoutValue(message string) string {
	for _, prefix := range []string{"Invalid value: ", "Unsupported value: ", "Too long: ", "Duplicate value: "} {
		rest, found := strings.CutPrefix(message, prefix)
		if !found {
			continue
		}
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			rest = strings.TrimPrefix(rest[len(quoted):], ": ")
		} else {
			decoder := json.NewDecoder(strings.NewReader(rest))
			var value json.RawMessage
			if decoder.Decode(&value) == nil {
				rest = strings.TrimPrefix(rest[decoder.InputOffset():], ": ")
			}
		}
		return strings.ToLower(strings.TrimSuffix(prefix, ": ")) + ": " + rest
	}
	return message
}

// gitOpsLabels are labels by which tools find the objects that they applied.
func gitOpsLabels() []string {
	return []string{
		"kustomize.toolkit.fluxcd.io/name", "argocd.argoproj.io/instance", "app.kubernetes.io/instance", "app.kubernetes.io/part-of",
	}
}

// prune takes the live manifests as deleted that the selector selects and the repository lacks. Without a selector it
// counts those that a tool may have applied.
func (i *Inspector) prune(ctx context.Context, a *applied, m Manifests, selector labels.Selector) error {
	present := map[string]bool{}
	for _, object := range m.objects {
		present[object.kind+"/"+object.object.GetName()] = true
	}
	if selector != nil {
		return i.eachMissing(ctx, present, client.MatchingLabelsSelector{Selector: selector}, a.addPruned)
	}
	for _, label := range gitOpsLabels() {
		err := i.eachMissing(ctx, present, client.HasLabels{label}, func(object client.Object) {
			a.unselected[label+"="+object.GetLabels()[label]]++
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *applied) addPruned(object client.Object) {
	switch object := object.(type) {
	case *v1alpha1.FitUser:
		a.pruned, a.before = append(a.pruned, object.Name), append(a.before, object)
		a.changes = append(a.changes, ObjectChange{kindFitUser, object.Name, objectPruned})
	case *v1alpha1.RoleRule:
		a.rules = slices.DeleteFunc(a.rules, func(r v1alpha1.RoleRule) bool { return r.Name == object.Name })
		a.changes = append(a.changes, ObjectChange{kindRoleRule, object.Name, objectPruned})
	}
}

// eachMissing calls visit with the selected live manifests that are not present in the repository.
func (i *Inspector) eachMissing(
	ctx context.Context, present map[string]bool, selector client.ListOption, visit func(client.Object),
) error {
	var users v1alpha1.FitUserList
	var rules v1alpha1.RoleRuleList
	for _, list := range []client.ObjectList{&users, &rules} {
		if err := i.Cluster.List(ctx, list, client.InNamespace(i.Namespace), selector); err != nil {
			return fmt.Errorf("listing what would be pruned: %w", err)
		}
	}
	for n := range users.Items {
		u := &users.Items[n]
		if !u.ManagedByOperator() && !fitusers.IsTerminating(u) && !present[kindFitUser+"/"+u.Name] {
			visit(u)
		}
	}
	for n := range rules.Items {
		if !present[kindRoleRule+"/"+rules.Items[n].Name] {
			visit(&rules.Items[n])
		}
	}
	return nil
}

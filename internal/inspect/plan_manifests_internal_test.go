package inspect

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// A comment fits into GitHub's limit for any number of users, and counts what it leaves out.
func TestManifestPlan_MarkdownFits(t *testing.T) {
	t.Parallel()
	p := ManifestPlan{roles: user.DefaultRoles(), namespace: "fitai", Undecided: map[string]string{}, Writes: map[string]int{"table update": 3}}
	for n := range 5000 {
		id := user.ID(fmt.Sprintf("user_%027d", n))
		p.RoleChanges = append(p.RoleChanges, RoleChange{
			User: id, Email: fmt.Sprintf("person%d@example.com", n), From: "client", To: "admin", Kind: kindFitUser,
			Name: fmt.Sprintf("person-%d", n), Change: objectAdded,
		})
		p.Deferrals = append(p.Deferrals, Deferral{User: id, Role: "client", Kind: kindFitUser, Name: "x", Reason: v1alpha1.ReasonDeletionDeferred})
		p.Objects = append(p.Objects, ObjectChange{kindFitUser, fmt.Sprintf("person-%d", n), objectAdded})
		p.Undecided[string(id)] = strings.Repeat("unknown ", 10)
		p.Notes = append(p.Notes, "note")
	}
	var text strings.Builder
	if err := p.Markdown(&text); err != nil {
		t.Fatal(err)
	}
	shown := strings.Count(text.String(), "| `admin` |")
	if text.Len() > maxMarkdown || shown == 0 || !strings.Contains(text.String(), fmt.Sprintf("%d more are left out", 5000-shown)) {
		t.Errorf("%d bytes, %d shown:\n%.2000s", text.Len(), shown, text.String())
	}
	if !strings.HasPrefix(text.String(), markdownMarker+"\n") || !strings.Contains(text.String(), "5000 of the protected role `admin`") {
		t.Errorf("it begins with:\n%.300s", text.String())
	}
}

// Texts that people choose are no markup: a comment mentions nobody and has no further cells.
func TestManifestPlan_MarkdownEscapes(t *testing.T) {
	t.Parallel()
	hostile := "a`|<img src=x>@octocat\n| x"
	p := ManifestPlan{
		roles: user.DefaultRoles(), Undecided: map[string]string{hostile: hostile}, Notes: []string{hostile},
		RoleChanges: []RoleChange{{User: "user_1", Email: hostile, From: "client", To: "trainer", Kind: kindFitUser, Name: hostile}},
	}
	var text strings.Builder
	if err := p.Markdown(&text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		outside := ""
		for n, part := range strings.Split(line, "`") {
			if n%2 == 0 {
				outside += part
			}
		}
		if strings.Contains(outside, "@") || strings.Contains(outside, "<img") || strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") > 5 {
			t.Errorf("markup in: %s", line)
		}
	}
}

// A refusal names the field and the reason, and repeats no value: it may be an address.
func TestRefusalOf_RepeatsNoValue(t *testing.T) {
	t.Parallel()
	kind := v1alpha1.GroupVersion.WithKind(kindFitUser).GroupKind()
	for want, err := range map[string]*field.Error{
		"spec.email: invalid value: must be an e-mail address":    field.Invalid(field.NewPath("spec", "email"), `se"cret: person`, "must be an e-mail address"),
		"spec: invalid value: want exactly one":                   field.Invalid(field.NewPath("spec"), map[string]any{"email": "secret@example.com"}, "want exactly one"),
		`spec.role: unsupported value: supported values: "admin"`: field.NotSupported(field.NewPath("spec", "role"), "secret", []string{"admin"}),
	} {
		if got := refusalOf(apierrors.NewInvalid(kind, "x", field.ErrorList{err})); got != want {
			t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
		}
	}
}

// Applying a manifest changes the spec and the annotations that it contains, and removes those that it contained before. The
// comparison ignores labels and annotations that only a GitOps tool reads.
func TestMergeManifest(t *testing.T) {
	t.Parallel()
	live := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_1", Role: "trainer", DeletionPolicy: "Delete"}}
	live.Generation = 3
	live.Annotations = map[string]string{
		v1alpha1.AnnotationHint: "hint", v1alpha1.AnnotationAllowLastAdmin: "true", v1alpha1.AnnotationRebind: "user_1",
		"kubectl.kubernetes.io/last-applied-configuration": `{"metadata":{"annotations":{"identity.fitai.dev/rebind":"user_1"}}}`,
	}
	wanted := func(change func(*v1alpha1.FitUser)) *v1alpha1.FitUser {
		u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_1", Role: "trainer"}}
		u.Annotations = map[string]string{v1alpha1.AnnotationRebind: "user_1"}
		change(u)
		return u
	}
	for name, c := range map[string]struct {
		change     func(*v1alpha1.FitUser)
		want       string
		generation int64
		annotation string // of AnnotationRebind
	}{
		"unchanged": {func(*v1alpha1.FitUser) {}, "", 3, "user_1"},
		"another revision": {func(u *v1alpha1.FitUser) {
			u.Labels, u.Annotations[v1alpha1.AnnotationRevision] = map[string]string{"team": "x"}, "main@sha1:1"
		}, "", 3, "user_1"},
		"another role":         {func(u *v1alpha1.FitUser) { u.Spec.Role = "" }, objectChanged, 4, "user_1"},
		"an annotation less":   {func(u *v1alpha1.FitUser) { u.Annotations = nil }, objectChanged, 3, ""},
		"an annotation's text": {func(u *v1alpha1.FitUser) { u.Annotations[v1alpha1.AnnotationRebind] = "user_2" }, objectChanged, 3, "user_2"},
	} {
		next, change := mergeManifest(live, wanted(c.change))
		kept := next.GetAnnotations()
		if change != c.want || next.GetGeneration() != c.generation || kept[v1alpha1.AnnotationRebind] != c.annotation {
			t.Errorf("%s: %q, generation %d, %v", name, change, next.GetGeneration(), kept)
		}
		if kept[v1alpha1.AnnotationHint] != "hint" || kept[v1alpha1.AnnotationAllowLastAdmin] != "true" {
			t.Errorf("%s: annotations of others are lost: %v", name, kept)
		}
	}
}

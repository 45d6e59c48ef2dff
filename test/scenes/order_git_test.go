package scenes_test

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// inGit creates, changes or deletes a manifest.
func (p *sequence) inGit() {
	name := p.pick("manifest", "first", "second", "third")
	existing := slices.DeleteFunc(p.objects(), func(u *v1alpha1.FitUser) bool { return u.Name != name })
	spec := p.anySpec()
	if len(existing) == 0 {
		p.createManifest(name, spec)
		return
	}
	u := existing[0]
	switch p.pick("how", "change", "change", "annotate", "delete") {
	case "delete":
		p.logStep("manifest %s is deleted", name)
		p.abandoned[user.ID(u.UserID())] = true
		p.remove(name)
	case "annotate":
		annotation := p.pick("annotation", v1alpha1.AnnotationRebind, v1alpha1.AnnotationTakeOwnership)
		value := p.pick("value", "true", "user_jane", "user_joe", "user_jim", "")
		p.logStep("manifest %s is annotated with %s=%s", name, annotation, value)
		p.annotate(u, annotation, value)
	default:
		spec.ClerkUserID, spec.Email = u.Spec.ClerkUserID, u.Spec.Email
		p.logStep("manifest %s becomes %+v", name, spec)
		if spec.Email != "" && spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain {
			p.abandoned[user.ID(u.UserID())] = true // the user may be deleted already
		}
		p.edit(u, func(u *v1alpha1.FitUser) { u.Spec = spec })
	}
}

func (p *sequence) anySpec() v1alpha1.FitUserSpec {
	spec := v1alpha1.FitUserSpec{
		Role:           v1alpha1.Role(p.pick("role", "", "admin", "trainer")),
		DeletionPolicy: v1alpha1.DeletionPolicy(p.pick("policy", "", "Delete", "Retain", "Anonymize")),
		Suspend:        p.pick("suspend", "no", "no", "no", "yes") == "yes",
	}
	if spec.Role != "" {
		after := map[string]time.Duration{"soon": time.Minute, "later": 90 * time.Minute, "past": -time.Hour}
		if in, expires := after[p.pick("expires", "never", "never", "never", "soon", "later", "past")]; expires {
			spec.RoleExpiresAt = &metav1.Time{Time: p.base.Add(in)}
		}
	}
	return spec
}

func (p *sequence) createManifest(name string, spec v1alpha1.FitUserSpec) {
	of := p.pick("for", append(names(), "new")...)
	if p.pick("by", "id", "e-mail") == "id" {
		id := user.ID("user_" + of)
		p.logStep("manifest %s is created for %s: %+v", name, id, spec)
		p.manifest(name, id, spec)
		return
	}
	at := address(of)
	if p.pick("case", "lower", "lower", "upper") == "upper" {
		at = strings.ToUpper(at)
	}
	p.logStep("manifest %s is created for %s: %+v", name, at, spec)
	p.byEmail(name, at, spec)
}

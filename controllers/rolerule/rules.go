package rolerule

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// Lister reads the RoleRules of a namespace.
type Lister struct {
	Reader    client.Reader
	Namespace string
	Roles     user.Roles
}

// Rules returns the rules in the order in which they are tried.
func (l Lister) Rules(ctx context.Context) (user.Rules, error) {
	var list v1alpha1.RoleRuleList
	if err := l.Reader.List(ctx, &list, client.InNamespace(l.Namespace)); meta.IsNoMatchError(err) {
		return nil, nil // without the CustomResourceDefinition there are none
	} else if err != nil {
		return nil, fmt.Errorf("listing RoleRules: %w", err)
	}
	rules := make([]user.Rule, 0, len(list.Items))
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp.IsZero() {
			rules = append(rules, ruleOf(&list.Items[i]))
		}
	}
	return user.NewRules(l.Roles, rules), nil
}

func ruleOf(r *v1alpha1.RoleRule) user.Rule {
	return user.Rule{
		Name: r.Name, Role: user.Role(r.Spec.Role), EmailDomains: r.Spec.EmailDomains,
		RequestedAtSignUp: r.Spec.RequestedAtSignUp, Priority: int(r.Spec.Priority),
	}
}

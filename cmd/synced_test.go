package main

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// synced returns nil when Clerk, the FitUsers and the table agree on every user, and contain no others.
func (s *system) synced() error {
	users := s.clerk.Users()
	if n := s.rowCount(); n != len(users) { // first, because it is cheap
		return fmt.Errorf("%d users in Clerk, %d rows", len(users), n)
	}
	var fitUsers v1alpha1.FitUserList
	if err := s.objects.List(context.Background(), &fitUsers, client.InNamespace(s.namespace)); err != nil {
		return err
	}
	if len(fitUsers.Items) != len(users) {
		return fmt.Errorf("%d users in Clerk, %d FitUsers", len(users), len(fitUsers.Items))
	}
	objects := map[string]*v1alpha1.FitUser{}
	for i := range fitUsers.Items {
		objects[fitUsers.Items[i].Spec.ClerkUserID] = &fitUsers.Items[i]
	}
	rows := map[string]map[string]any{}
	for _, row := range s.table.Query("SELECT * FROM users") {
		rows[row["id"].(string)] = row
	}
	for _, u := range users {
		if err := userSynced(u, objects[u.ID], rows[u.ID]); err != nil {
			return fmt.Errorf("%s: %w", u.ID, err)
		}
	}
	return nil
}

func userSynced(u clerktest.User, object *v1alpha1.FitUser, row map[string]any) error {
	switch {
	case object == nil:
		return fmt.Errorf("no FitUser")
	case !meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady):
		return fmt.Errorf("not Ready: %+v", object.Status.Conditions)
	case row == nil:
		return fmt.Errorf("no row")
	case row["email"] != u.PrimaryEmail() || row["first_name"] != *u.FirstName:
		return fmt.Errorf("the row contains %v, %v", row["email"], row["first_name"])
	case object.Status.Profile.FirstName != *u.FirstName || row["role"] != string(object.Status.Role):
		return fmt.Errorf("the FitUser contains %v, %v", object.Status.Profile, object.Status.Role)
	}
	return nil
}

func (s *system) rowCount() int {
	n, _ := s.table.Query("SELECT count(*) AS n FROM users")[0]["n"].(int64)
	return int(n)
}

func (s *system) fitUser(id string) *v1alpha1.FitUser {
	s.Helper()
	object := &v1alpha1.FitUser{}
	key := client.ObjectKey{Namespace: s.namespace, Name: fitusers.NameFor(id, 0)}
	if err := s.objects.Get(context.Background(), key, object); err != nil {
		s.Fatal(err)
	}
	return object
}

// writes returns the writes to the FitUser of one user, with its subresource.
func (s *system) writes(id string) []string {
	s.Helper()
	all, err := s.env.Writes(s.namespace)
	if err != nil {
		s.Fatal(err)
	}
	var writes []string
	for _, w := range all {
		if w.Resource == "fitusers" && (w.Name == fitusers.NameFor(id, 0) || w.Name == "") {
			writes = append(writes, strings.Trim(w.Verb+" "+w.Subresource, " "))
		}
	}
	return writes
}

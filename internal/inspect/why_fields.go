package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

// compare fills the fields. row may be nil.
func (w *Why) compare(mode fituser.ProfileMode, facts roleFacts, mapping *user.Mapping, row *user.Row) {
	active, account := facts.FitUsers.Active, facts.account
	var inClerk, inRow, inStatus user.Row
	if account != nil {
		inClerk = profileRow(mode.Profile(account))
	}
	if row != nil {
		shown := row.User()
		inRow = profileRow(mode.Profile(&shown))
	}
	if active != nil {
		inStatus = profileRow(active.Status.Profile)
	}
	var drifted []string
	if account != nil && row != nil {
		drifted = mapping.Diff(mapping.DesiredRow(*account, mapping.RoleOf(*row)), *row)
	}
	for _, column := range mapping.Columns {
		if column.From == user.FieldRole {
			continue // [roleField] follows
		}
		field := Field{
			Name: column.Name, Owner: "Clerk",
			Clerk: inClerk.Text(column.From), FitUser: inStatus.Text(column.From), Row: inRow.Text(column.From),
		}
		if account != nil && active != nil && field.Clerk != field.FitUser {
			field.Differs = append(field.Differs, fituser.PlaceFitUser)
		}
		if slices.Contains(drifted, column.Name) {
			field.Differs = append(field.Differs, fituser.PlaceTable)
		}
		w.Fields = append(w.Fields, field)
	}
	w.Fields = append(w.Fields, roleField(facts, mapping, row))
}

// profileRow returns the columns that a profile shows. A column that profiles do not contain is empty: its values are
// not shown, only that they differ.
func profileRow(p *v1alpha1.Profile) user.Row {
	if p == nil {
		return user.Row{}
	}
	return user.Row{Email: p.Email, FirstName: p.FirstName, LastName: p.LastName, Phone: p.Phone}
}

// roleField returns the role: in Clerk with its marker, in the status together with spec.role, and in the row.
func roleField(facts roleFacts, mapping *user.Mapping, row *user.Row) Field {
	f := Field{Name: "role", Owner: "default"}
	active, account, plan := facts.FitUsers.Active, facts.account, facts.Decided
	if active != nil {
		f.FitUser = roleOf(active)
	}
	if row != nil {
		f.Row = string(mapping.RoleOf(*row))
	}
	if account == nil {
		if active != nil && active.Spec.Role != "" {
			f.Owner = "manifest"
		}
		return f
	}
	f.Owner = map[user.RoleSource]string{
		user.FromManifest: "manifest", user.FromClerk: "Clerk", user.FromRule: "rule", user.FromDefault: "default",
	}[plan.Source]
	f.Clerk = inClerk(account, facts.ForeignOwner)
	if plan.Change != user.NoRoleChange || plan.OwnedElsewhere {
		f.Differs = append(f.Differs, fituser.PlaceClerk)
	}
	if active != nil && string(active.Status.Role) != string(plan.Role) {
		f.Differs = append(f.Differs, fituser.PlaceFitUser)
	}
	if row != nil && row.Role != mapping.SpelledRole(plan.Role) {
		f.Differs = append(f.Differs, fituser.PlaceTable)
	}
	return f
}

// inClerk returns the role in Clerk with its marker.
func inClerk(account *user.User, foreignOwner string) string {
	if !account.HasMarker {
		return account.Role
	}
	by := ""
	if foreignOwner != "" {
		by = " by " + installation(foreignOwner)
	}
	return strings.TrimSpace(fmt.Sprintf("%s (granted as %s%s)", account.Role, account.Marker.Role, by))
}

// roleOf returns the role in the status of u, and spec.role where that differs.
func roleOf(u *v1alpha1.FitUser) string {
	role := string(u.Status.Role)
	if u.Spec.Role == "" || u.Spec.Role == u.Status.Role {
		return role
	}
	return strings.TrimSpace(fmt.Sprintf("%s (spec.role %s)", role, u.Spec.Role))
}

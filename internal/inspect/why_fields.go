package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

// compare fills the fields. Any of active, account and row may be nil.
func (w *Why) compare(mode fituser.ProfileMode, active *v1alpha1.FitUser, account *user.User, row *user.Row) {
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
	var drifted []user.Column
	if account != nil && row != nil {
		drifted = user.DesiredRow(*account, row.Role).Diff(*row)
	}
	for _, column := range user.Columns() {
		if column == user.ColumnRole {
			continue // [roleField] follows
		}
		field := Field{
			Name: string(column), Owner: "Clerk",
			Clerk: column.Of(&inClerk), FitUser: column.Of(&inStatus), Row: column.Of(&inRow),
		}
		if account != nil && active != nil && field.Clerk != field.FitUser {
			field.Differs = append(field.Differs, fituser.PlaceFitUser)
		}
		if slices.Contains(drifted, column) {
			field.Differs = append(field.Differs, fituser.PlaceTable)
		}
		w.Fields = append(w.Fields, field)
	}
	w.Fields = append(w.Fields, roleField(active, account, row))
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
func roleField(active *v1alpha1.FitUser, account *user.User, row *user.Row) Field {
	f := Field{Name: "role", Owner: "default"}
	var desired user.Role
	if active != nil {
		desired, f.FitUser = user.Role(active.Spec.Role), roleOf(active)
	}
	if desired != "" {
		f.Owner = "manifest"
	}
	if row != nil {
		f.Row = string(row.Role)
	}
	if account == nil {
		return f
	}
	f.Clerk = account.Role
	if account.HasMarker {
		f.Clerk = strings.TrimSpace(account.Role + " (granted as " + account.MarkerRole + ")")
	}
	plan := account.RoleFacts(desired).Plan()
	f.Owner = map[user.RoleSource]string{
		user.FromManifest: "manifest", user.FromClerk: "Clerk", user.FromDefault: "default",
	}[plan.Source]
	if plan.Change != user.NoRoleChange {
		f.Differs = append(f.Differs, fituser.PlaceClerk)
	}
	if active != nil && string(active.Status.Role) != string(plan.Role) {
		f.Differs = append(f.Differs, fituser.PlaceFitUser)
	}
	if row != nil && row.Role != plan.Role {
		f.Differs = append(f.Differs, fituser.PlaceTable)
	}
	return f
}

// roleOf returns the role in the status of u, and spec.role where that differs.
func roleOf(u *v1alpha1.FitUser) string {
	role := string(u.Status.Role)
	if u.Spec.Role == "" || u.Spec.Role == u.Status.Role {
		return role
	}
	return strings.TrimSpace(fmt.Sprintf("%s (spec.role %s)", role, u.Spec.Role))
}

package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

// compare lays the facts side by side.
func (w *Why) compare(mode fituser.ProfileMode, serving *v1alpha1.FitUser, account *user.User, row *user.Row) {
	var inClerk, inRow, inStatus user.Row
	if account != nil {
		inClerk = profileRow(mode.Profile(account))
	}
	if row != nil {
		shown := row.User()
		inRow = profileRow(mode.Profile(&shown))
	}
	if serving != nil {
		inStatus = profileRow(serving.Status.Profile)
	}
	var wrong []user.Column
	if account != nil && row != nil {
		wrong = user.DesiredRow(*account, row.Role).Diff(*row)
	}
	for _, column := range user.Columns() {
		if column == user.ColumnRole {
			continue // [roleField] follows
		}
		field := Field{
			Name: string(column), Owner: "Clerk",
			Clerk: column.Of(&inClerk), FitUser: column.Of(&inStatus), Row: column.Of(&inRow),
		}
		if account != nil && serving != nil && field.Clerk != field.FitUser {
			field.Differs = append(field.Differs, fituser.PlaceFitUser)
		}
		if slices.Contains(wrong, column) {
			field.Differs = append(field.Differs, fituser.PlaceTable)
		}
		w.Fields = append(w.Fields, field)
	}
	w.Fields = append(w.Fields, roleField(serving, account, row))
}

// profileRow returns the columns that a profile shows. A column that profiles do not contain is empty: its values are
// not shown, only that they differ.
func profileRow(p *v1alpha1.Profile) user.Row {
	if p == nil {
		return user.Row{}
	}
	return user.Row{Email: p.Email, FirstName: p.FirstName, LastName: p.LastName, Phone: p.Phone}
}

// roleField lays the role side by side: as Clerk holds it, as the status says and the manifest demands it, and as the row
// holds it.
func roleField(serving *v1alpha1.FitUser, account *user.User, row *user.Row) Field {
	f := Field{Name: "role", Owner: "default"}
	var demanded user.Role
	if serving != nil {
		demanded, f.FitUser = user.Role(serving.Spec.Role), roleOf(serving)
	}
	if demanded != "" {
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
		f.Clerk = strings.TrimSpace(account.Role + " (given as " + account.MarkerRole + ")")
	}
	plan := account.RoleFacts(demanded).Plan()
	f.Owner = map[user.RoleSource]string{
		user.FromManifest: "manifest", user.FromClerk: "Clerk", user.FromDefault: "default",
	}[plan.Source]
	if plan.Change != user.NoRoleChange {
		f.Differs = append(f.Differs, fituser.PlaceClerk)
	}
	if serving != nil && string(serving.Status.Role) != string(plan.Role) {
		f.Differs = append(f.Differs, fituser.PlaceFitUser)
	}
	if row != nil && row.Role != plan.Role {
		f.Differs = append(f.Differs, fituser.PlaceTable)
	}
	return f
}

// roleOf is the role that a FitUser says is in force, and the one that it demands where that is another.
func roleOf(u *v1alpha1.FitUser) string {
	inForce := string(u.Status.Role)
	if u.Spec.Role == "" || u.Spec.Role == u.Status.Role {
		return inForce
	}
	return strings.TrimSpace(fmt.Sprintf("%s (demands %s)", inForce, u.Spec.Role))
}

package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/user"
)

// compare fills the fields. Any of active, account and row may be nil.
func (w *Why) compare(mode fituser.ProfileMode, active *v1alpha1.FitUser, account *user.User, row *user.Row) {
	inClerk, inRow, inStatus := &v1alpha1.Profile{}, &v1alpha1.Profile{}, &v1alpha1.Profile{}
	if account != nil {
		inClerk = cmp.Or(mode.Profile(account), inClerk)
	}
	if row != nil {
		inRow = cmp.Or(mode.Profile(&user.User{
			Email: row.Email, FirstName: row.FirstName, LastName: row.LastName, Phone: row.Phone,
		}), inRow)
	}
	if active != nil {
		inStatus = cmp.Or(active.Status.Profile, inStatus)
	}
	var drifted []user.Column
	if account != nil && row != nil {
		drifted = user.DesiredRow(*account, row.Role).Diff(*row)
	}
	for _, f := range []struct {
		column             user.Column
		clerk, status, row string
	}{
		{user.ColumnEmail, inClerk.Email, inStatus.Email, inRow.Email},
		{user.ColumnFirstName, inClerk.FirstName, inStatus.FirstName, inRow.FirstName},
		{user.ColumnLastName, inClerk.LastName, inStatus.LastName, inRow.LastName},
		{user.ColumnPhone, inClerk.Phone, inStatus.Phone, inRow.Phone},
	} {
		field := Field{Name: string(f.column), Owner: "Clerk", Clerk: f.clerk, FitUser: f.status, Row: f.row}
		if account != nil && active != nil && f.clerk != f.status {
			field.Differs = append(field.Differs, fituser.PlaceFitUser)
		}
		if slices.Contains(drifted, f.column) {
			field.Differs = append(field.Differs, fituser.PlaceTable)
		}
		w.Fields = append(w.Fields, field)
	}
	w.Fields = append(w.Fields, roleField(active, account, row))
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

package inspect

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// AccessReview are all users who hold another role than the default one.
type AccessReview struct {
	// Holders begin with those of the protected role; the other roles follow in the order of --roles.
	Holders []Holder `json:"holders"`
}

// Holder is a user who holds a role.
type Holder struct {
	User string `json:"user"`
	// Email is what --status-profile shows.
	Email string `json:"email,omitempty"`
	Role  string `json:"role"`
	// Source is where the role comes from, Manifest the FitUser or the RoleRule that gives it. Owner is the other
	// installation that granted it.
	Source   string `json:"source"`
	Manifest string `json:"manifest,omitempty"`
	Owner    string `json:"owner,omitempty"`
	// WrittenBy are the field managers of the manifest's role.
	WrittenBy []string `json:"writtenBy"`
	// Since is when the user got the role; absent when no history records it.
	Since     time.Time `json:"since,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// AccessReview lists who holds a role. It reads only the FitUsers: the field managers of a role are not in any cache.
func (i *Inspector) AccessReview(ctx context.Context) (AccessReview, error) {
	review := AccessReview{Holders: []Holder{}}
	roles, seen := i.Roles.Roles, map[string]bool{}
	now := i.Clock.Now()
	var terminating []Holder
	err := i.eachFitUser(ctx, func(u *v1alpha1.FitUser) {
		holder, holds := holderOf(u, roles, now)
		switch {
		case !holds:
		case fitusers.IsTerminating(u):
			terminating = append(terminating, holder)
		case !seen[holder.User]:
			seen[holder.User] = true
			review.Holders = append(review.Holders, holder)
		}
	})
	for _, holder := range terminating { // its user may have no other FitUser yet
		if !seen[holder.User] {
			seen[holder.User] = true
			review.Holders = append(review.Holders, holder)
		}
	}
	slices.SortStableFunc(review.Holders, func(a, b Holder) int { return compareHolders(roles, a, b) })
	return review, err
}

func compareHolders(roles user.Roles, a, b Holder) int {
	rank := func(role string) int {
		i := slices.Index(roles.Names(), user.Role(role))
		switch {
		case role == string(roles.Protected()):
			return -1
		case i < 0:
			return len(roles.Names())
		}
		return i
	}
	return cmp.Or(rank(a.Role)-rank(b.Role), strings.Compare(a.Role, b.Role), strings.Compare(a.User, b.User))
}

// holderOf returns the user of a FitUser as the holder of a role.
func holderOf(u *v1alpha1.FitUser, roles user.Roles, now time.Time) (Holder, bool) {
	role, inForce := heldRole(u, roles)
	if role == "" {
		return Holder{}, false
	}
	h := Holder{
		User: u.UserID(), Role: role, Source: string(u.Status.RoleSource), Owner: u.Status.MarkerOwner, WrittenBy: []string{},
	}
	if u.Status.Profile != nil {
		h.Email = u.Status.Profile.Email
	}
	switch {
	case !inForce:
		h.Source = string(user.FromClerk)
	case grants(u, now):
		h.Manifest, h.WrittenBy = u.Name, append(h.WrittenBy, fituser.RoleManagers(u)...)
		if u.Spec.RoleExpiresAt != nil {
			h.ExpiresAt = u.Spec.RoleExpiresAt.UTC()
		}
	default:
		h.Manifest = u.Status.RoleRule
	}
	if history := u.Status.RoleHistory; len(history) > 0 && string(history[0].To) == role {
		h.Since = history[0].Time.UTC()
	}
	return h, true
}

// heldRole returns the role that a user holds; empty for the default role. It is not in force while only Clerk holds it,
// because the row cannot follow: sign-ins carry Clerk's role all the same.
func heldRole(u *v1alpha1.FitUser, roles user.Roles) (role string, inForce bool) {
	if fituser.ReadyReason(u) == v1alpha1.ReasonDuplicateUser {
		return "", false // the active FitUser shows it
	}
	if role := u.Status.Role; role != "" && role != v1alpha1.Role(roles.Default()) {
		return string(role), true
	}
	if u.Status.Clerk == nil {
		return "", false
	}
	inClerk, known := roles.Parse(u.Status.Clerk.Role)
	if !known || inClerk == roles.Default() {
		return "", false
	}
	return string(inClerk), false
}

func reviewColumns() []string {
	return []string{"user", "email", "role", "source", "manifest", "owner", "writtenBy", "since", "expiresAt"}
}

func (h Holder) cells() []string {
	return []string{
		h.User, h.Email, h.Role, h.Source, h.Manifest, h.Owner, strings.Join(h.WrittenBy, ", "), moment(h.Since), moment(h.ExpiresAt),
	}
}

// moment returns a time as a cell; empty for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Text prints the review as a table.
func (r AccessReview) Text(out io.Writer) error {
	t := newTable(out)
	if len(r.Holders) == 0 {
		t.line("Nobody holds another role than the default one.")
		return t.flush()
	}
	t.row("USER", "EMAIL", "ROLE", "SOURCE", "MANIFEST", "OWNER", "WRITTEN BY", "SINCE", "EXPIRES")
	for _, h := range r.Holders {
		cells := h.cells()
		for i := range cells {
			cells[i] = cmp.Or(cells[i], "-")
		}
		t.row(cells...)
	}
	return t.flush()
}

// CSV prints the review as comma-separated values, which a spreadsheet can open safely.
func (r AccessReview) CSV(out io.Writer) error {
	w := csv.NewWriter(out)
	rows := [][]string{reviewColumns()}
	for _, h := range r.Holders {
		cells := h.cells()
		for i := range cells {
			cells[i] = spreadsheetSafe(cells[i])
		}
		rows = append(rows, cells)
	}
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("writing the review: %w", err)
	}
	return nil
}

// spreadsheetSafe returns a cell that a spreadsheet does not take for a formula: people choose their addresses themselves
// (https://owasp.org/www-community/attacks/CSV_Injection).
func spreadsheetSafe(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}

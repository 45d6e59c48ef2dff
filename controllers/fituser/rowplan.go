package fituser

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// observedRow is a row as it was read.
type observedRow struct {
	user.Row
	exists bool
}

// rowPlan is what the row must become. A reconcile acts on it, and a sweep compares with it.
type rowPlan struct {
	// desired is the row to write, and changes are the columns in which it differs; both matter only if writes is true.
	writes  bool
	desired user.Row
	changes []string
	// missing is why the row cannot have what Clerk has; nil when it can.
	missing *syncError
	// altered are the columns in which the table stores other values than it is given.
	altered *v1alpha1.AlteredColumns
}

// planRow decides what to write, from the account of obs, the role in force and the row.
func (r *Reconciler) planRow(table store.Table, obs observation, role user.Role, current observedRow) rowPlan {
	desired := table.Mapping.DesiredRow(*obs.account, role)
	plan := rowPlan{desired: desired}
	if desired.Email == "" && table.EmailRequired {
		plan.missing = emailMissing(obs.account)
		if !current.exists {
			return plan
		}
		plan.desired.Email = current.Email // a row that has an old address still follows in every other column
	}
	plan.changes = table.Mapping.Diff(plan.desired, current.Row)
	plan.writes = !current.exists || len(plan.changes) > 0
	if !current.exists || !plan.writes {
		return plan
	}
	altered := r.alteredColumns(obs, table.Mapping, plan.desired, current.Row)
	if known := obs.fitUsers.Active.Status.AlteredColumns; known != nil && known.Digest == altered.Digest {
		plan.writes, plan.altered = false, known
	}
	return plan
}

// outcome is what the status reports of a row that is written, or needs no write; nil when it is as Clerk has it.
func (p rowPlan) outcome() error {
	switch {
	case p.missing != nil:
		return p.missing
	case p.altered != nil:
		return rowAltered(p.altered.Names)
	default:
		return nil
	}
}

// alteredColumns returns the columns in which the table stores other values than it is given; nil when there are none. The
// digest is keyed with the secret key, so that nobody who reads the status can guess the values.
func (r *Reconciler) alteredColumns(obs observation, mapping *user.Mapping, given, stored user.Row) *v1alpha1.AlteredColumns {
	names := mapping.Diff(given, stored)
	if len(names) == 0 {
		return nil
	}
	hash := hmac.New(sha256.New, []byte("fituser-operator altered columns "+r.DigestKey()))
	_, _ = fmt.Fprintf(hash, "%q%q", obs.id, names) // a hash accepts every write
	for _, c := range mapping.Columns {
		if given.Text(c.From) != stored.Text(c.From) {
			_, _ = fmt.Fprintf(hash, "%q%q%q", c.Name, given.Text(c.From), stored.Text(c.From))
		}
	}
	return &v1alpha1.AlteredColumns{Names: names, Digest: hex.EncodeToString(hash.Sum(nil)[:12])}
}

func emailMissing(account *user.User) *syncError {
	e := &syncError{
		reason: v1alpha1.ReasonEmailMissing, stalled: true,
		message: "the Clerk user has no e-mail address, and a row needs one: add one in Clerk",
	}
	if account.HasEmails {
		e.message = "none of the Clerk user's e-mail addresses is the primary one, and a row needs it: choose one in Clerk"
	}
	return e
}

// rowAltered reports that the row is as much in sync as the table allows.
func rowAltered(columns []string) *syncError {
	return &syncError{
		reason: v1alpha1.ReasonRowAltered, synced: true,
		message: "the row is written, but a trigger or a type of the table stores other values than Clerk has in: " +
			strings.Join(columns, ", ") + ". They are written again when Clerk's change",
	}
}

package fituser

import (
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// departure is what decides about the row of a user who is deleted in Clerk. The row passes through up to three phases: it
// waits for --deletion-delay, it is deleted, anonymized or softly deleted, and a softly deleted one waits to be purged.
type departure struct {
	mapping *user.Mapping
	policy  v1alpha1.DeletionPolicy
	delay   time.Duration
	// role is the default role. A row that waits has no other.
	role user.Role
	row  user.Row
	// pending is status.rowDeletionAt so far; zero when there is none.
	pending, now time.Time
}

// departurePlan is the write that the row needs now, and what follows.
type departurePlan struct {
	// operation is one of the values of the metric's label; empty when nothing is written.
	operation string
	// desired is the row to write, unless it is deleted.
	desired user.Row
	// until is when the next phase begins; zero when this is the last one.
	until time.Time
	// reason is the one of DatabaseSynced after the write; empty when no row is left.
	reason string
}

// plan decides what happens to the row now. Retained rows do not get here.
func (d departure) plan() departurePlan {
	anonymize := d.policy == v1alpha1.DeletionPolicyAnonymize
	switch {
	case anonymize && d.isAnonymized():
		return departurePlan{reason: v1alpha1.ReasonRowAnonymized}
	case !anonymize && d.isSoftDeleted():
		return d.planPurge()
	}
	if at := d.due(); d.now.Before(at) {
		return d.lower(at, v1alpha1.ReasonRowDeletionPending)
	}
	switch {
	case anonymize:
		return departurePlan{operation: rowAnonymize, desired: d.anonymized(), reason: v1alpha1.ReasonRowAnonymized}
	case d.mapping.SoftDelete != nil:
		return d.softDelete()
	default:
		return departurePlan{operation: rowDelete}
	}
}

// due is when the row is deleted, anonymized or softly deleted. The time in the status counts, also when --deletion-delay has
// changed since.
func (d departure) due() time.Time {
	if !d.pending.IsZero() {
		return d.pending
	}
	return inStatus(d.now.Add(d.delay))
}

// inStatus returns a time as a status holds it.
func inStatus(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func (d departure) isSoftDeleted() bool {
	return d.mapping.SoftDelete != nil && !d.row.DeletedAt.IsZero()
}

// softDelete records the deletion in the row.
func (d departure) softDelete() departurePlan {
	marked := d.lowered()
	marked.DeletedAt = inStatus(d.now)
	plan := departurePlan{operation: rowSoftDelete, desired: marked, reason: v1alpha1.ReasonRowSoftDeleted}
	if after := d.mapping.SoftDelete.PurgeAfter; after > 0 {
		plan.until = marked.DeletedAt.Add(after)
	}
	return plan
}

// planPurge plans for a row that is softly deleted.
func (d departure) planPurge() departurePlan {
	if d.mapping.SoftDelete.PurgeAfter == 0 {
		return d.lower(time.Time{}, v1alpha1.ReasonRowSoftDeleted)
	}
	if at := d.purgeAt(); d.now.Before(at) {
		return d.lower(at, v1alpha1.ReasonRowSoftDeleted)
	}
	return departurePlan{operation: rowDelete}
}

// purgeAt is when a softly deleted row is deleted. The application may have written the time in the row, and wrongly. So a
// row is never purged before a status has shown when, nor earlier than it shows.
func (d departure) purgeAt() time.Time {
	after := d.mapping.SoftDelete.PurgeAfter
	at := inStatus(d.row.DeletedAt.Add(after))
	switch {
	case d.pending.IsZero() && !d.now.Before(at):
		return inStatus(d.now.Add(after))
	case d.pending.After(d.row.DeletedAt) && d.pending.After(at): // a former time is that of the soft deletion
		return d.pending
	default:
		return at
	}
}

// lower plans a wait until a time, zero for ever, with the default role in the row.
func (d departure) lower(until time.Time, reason string) departurePlan {
	plan := departurePlan{until: until, reason: reason}
	if lowered := d.lowered(); len(d.mapping.Diff(lowered, d.row)) > 0 {
		plan.operation, plan.desired = rowUpdate, lowered
	}
	return plan
}

func (d departure) lowered() user.Row {
	lowered := d.row
	lowered.Role = d.mapping.SpelledRole(d.role)
	return lowered
}

// anonymized returns the row without personal data. In a table with soft deletion it is softly deleted, too, so that the
// application does not count it as a user.
func (d departure) anonymized() user.Row {
	row := d.mapping.AnonymizedRow(d.row, d.role)
	if d.mapping.SoftDelete != nil && row.DeletedAt.IsZero() {
		row.DeletedAt = inStatus(d.now)
	}
	return row
}

func (d departure) isAnonymized() bool { return len(d.mapping.Diff(d.anonymized(), d.row)) == 0 }

// departureText describes a write: as the end of a sentence, as its subject, and as a log message.
type departureText struct{ do, doing, done string }

func (p departurePlan) text() departureText {
	switch p.operation {
	case rowDelete:
		return departureText{"delete the row", "deleting the row", "Row deleted"}
	case rowAnonymize:
		return departureText{"anonymize the row", "anonymizing the row", "Row anonymized"}
	case rowSoftDelete:
		return departureText{"mark the row as deleted", "marking the row as deleted", "Row marked as deleted"}
	default:
		return departureText{"lower the role in the row", "lowering the role in the row", "Role in the row lowered"}
	}
}

// message is the one of DatabaseSynced once the plan is carried out.
func (p departurePlan) message() string {
	when := p.until.Format(time.RFC3339)
	switch {
	case p.reason == v1alpha1.ReasonRowAnonymized:
		return "the row stays without personal data"
	case p.reason == v1alpha1.ReasonRowDeletionPending:
		return "the row waits until " + when + ", in case the user returns. To keep it for good, set deletionPolicy: Retain before"
	case p.reason == v1alpha1.ReasonRowSoftDeleted && p.until.IsZero():
		return "the row stays and is marked as deleted"
	case p.reason == v1alpha1.ReasonRowSoftDeleted:
		return "the row is marked as deleted, and is deleted for good at " + when
	default:
		return messageNoRow
	}
}

package fituser

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// What happens to a row follows from the row, the policy and the time in the status, so that a restart changes nothing.
func TestDeparture_Plan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 600_000_000, time.UTC)
	second := now.Truncate(time.Second)
	row := user.Row{ID: "user_1", Email: "jane@example.com", FirstName: "Jane", Role: "trainer"}
	with := func(changes ...func(*user.Row)) user.Row {
		changed := row
		for _, change := range changes {
			change(&changed)
		}
		return changed
	}
	lowered := func(r *user.Row) { r.Role = "client" }
	deletedAt := func(at time.Time) func(*user.Row) { return func(r *user.Row) { r.DeletedAt = at } }
	anonymized := func(r *user.Row) {
		*r = user.Row{ID: r.ID, Email: "deleted-user_1@deleted.invalid", Role: "client", DeletedAt: r.DeletedAt}
	}
	soft := user.DefaultMapping()
	soft.SoftDelete = &user.SoftDelete{Column: "deleted_at"}
	purged := user.DefaultMapping()
	purged.SoftDelete = &user.SoftDelete{Column: "deleted_at", PurgeAfter: time.Hour}
	const anonymize = v1alpha1.DeletionPolicyAnonymize
	for name, c := range map[string]struct {
		d    departure
		want departurePlan
	}{
		"deleted at once": {departure{row: row}, departurePlan{operation: rowDelete}},
		"the wait begins": {departure{row: row, delay: time.Hour},
			departurePlan{operation: rowUpdate, desired: with(lowered), until: second.Add(time.Hour), reason: v1alpha1.ReasonRowDeletionPending}},
		"the wait goes on": {departure{row: with(lowered), delay: time.Hour, pending: second.Add(time.Minute)},
			departurePlan{until: second.Add(time.Minute), reason: v1alpha1.ReasonRowDeletionPending}},
		"a shorter delay does not count for a row that waits": {departure{row: with(lowered), pending: second.Add(time.Minute)},
			departurePlan{until: second.Add(time.Minute), reason: v1alpha1.ReasonRowDeletionPending}},
		"the wait is over": {departure{row: with(lowered), delay: time.Hour, pending: second}, departurePlan{operation: rowDelete}},
		"anonymized at once": {departure{row: row, policy: anonymize},
			departurePlan{operation: rowAnonymize, desired: with(anonymized), reason: v1alpha1.ReasonRowAnonymized}},
		"anonymized already": {departure{row: with(anonymized), policy: anonymize, delay: time.Hour},
			departurePlan{reason: v1alpha1.ReasonRowAnonymized}},
		"only the address was taken": {departure{row: with(lowered, func(r *user.Row) { r.Email = user.AnonymizedEmail(r.ID) }), policy: anonymize},
			departurePlan{operation: rowAnonymize, desired: with(anonymized), reason: v1alpha1.ReasonRowAnonymized}},
		"marked, for ever": {departure{mapping: soft, row: row},
			departurePlan{operation: rowSoftDelete, desired: with(lowered, deletedAt(second)), reason: v1alpha1.ReasonRowSoftDeleted}},
		"marked already": {departure{mapping: soft, row: with(lowered, deletedAt(second.Add(-time.Hour))), delay: time.Hour},
			departurePlan{reason: v1alpha1.ReasonRowSoftDeleted}},
		"marked by the application, role": {departure{mapping: soft, row: with(deletedAt(second))},
			departurePlan{operation: rowUpdate, desired: with(lowered, deletedAt(second)), reason: v1alpha1.ReasonRowSoftDeleted}},
		"anonymized and marked": {departure{mapping: soft, row: row, policy: anonymize},
			departurePlan{operation: rowAnonymize, desired: with(deletedAt(second), anonymized), reason: v1alpha1.ReasonRowAnonymized}},
		"marked after the delay": {departure{mapping: purged, row: with(lowered), delay: time.Hour, pending: second},
			departurePlan{operation: rowSoftDelete, desired: with(lowered, deletedAt(second)), until: second.Add(time.Hour), reason: v1alpha1.ReasonRowSoftDeleted}},
		"not purged yet": {departure{mapping: purged, row: with(lowered, deletedAt(second.Add(-time.Minute))), pending: second.Add(59 * time.Minute)},
			departurePlan{until: second.Add(59 * time.Minute), reason: v1alpha1.ReasonRowSoftDeleted}},
		"the status was not written": {departure{mapping: purged, row: with(lowered, deletedAt(second.Add(-time.Minute))), pending: second.Add(-time.Minute)},
			departurePlan{until: second.Add(59 * time.Minute), reason: v1alpha1.ReasonRowSoftDeleted}},
		"purged": {departure{mapping: purged, row: with(lowered, deletedAt(second.Add(-time.Hour))), pending: second},
			departurePlan{operation: rowDelete}},
		"a time from the distant past purges nothing at once": {departure{mapping: purged, row: with(lowered, deletedAt(time.Unix(1, 0)))},
			departurePlan{until: second.Add(time.Hour), reason: v1alpha1.ReasonRowSoftDeleted}},
		"nor does it once the status is written": {departure{mapping: purged, row: with(lowered, deletedAt(time.Unix(1, 0))), pending: second.Add(time.Second)},
			departurePlan{until: second.Add(time.Second), reason: v1alpha1.ReasonRowSoftDeleted}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.d.now, c.d.role = now, user.Client
			if c.d.mapping == nil {
				c.d.mapping = user.DefaultMapping()
			}
			if diff := cmp.Diff(c.want, c.d.plan(), cmp.AllowUnexported(departurePlan{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

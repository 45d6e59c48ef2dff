package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// week is a deletion delay.
const week = 7 * 24 * time.Hour

// restart replaces the reconciler by that of a new process.
func (w *world) restart() {
	w.Helper()
	w.catchUp()
	config := w.Config
	config.Budget = budget.New(w.Budget.Config)
	w.Reconciler = fituser.New(config)
}

// alarm reconciles the users whose time has come, as a process does that has just started.
func (w *world) alarm() {
	w.Helper()
	w.expire(time.Time{})
}

// leave deletes users in Clerk and reconciles them.
func (w *world) leave(ids ...user.ID) {
	w.Helper()
	for _, id := range ids {
		w.clerk.Delete(string(id))
	}
	w.reconcileUntilStable(ids...)
}

// comeBack makes a deleted user exist in Clerk again, with the same id.
func (w *world) comeBack(id user.ID, name string) {
	w.Helper()
	w.clerk.SignUp(clerktest.Person{
		ID: string(id), Email: name + "@example.com", FirstName: name, LastName: "Doe", PublicMetadata: clerktest.Metadata{"role": "trainer"},
	})
}

// trainer signs up a user whose role somebody has set in Clerk.
func (w *world) trainer(name string) user.ID {
	w.Helper()
	id := w.signUp(name)
	w.clerk.SetPublicMetadata(string(id), clerktest.Metadata{"role": "trainer"})
	w.reconcileUntilStable(id)
	return id
}

// wantColumns checks some columns of a row.
func (w *world) wantColumns(id user.ID, want map[string]any) {
	w.Helper()
	row := w.table.Row(id)
	if row == nil {
		w.Fatalf("%s has no row", id)
	}
	for column, value := range want {
		if row[column] != value {
			w.Errorf("%s of %s is %v, want %v", column, id, row[column], value)
		}
	}
}

// wantRowReason checks the reason of DatabaseSynced of a user who is deleted in Clerk, and when the row is deleted.
func (w *world) wantRowReason(id user.ID, reason string, at time.Time) {
	w.Helper()
	u := w.fitUser(id)
	if u == nil {
		w.Fatalf("%s has no FitUser", id)
	}
	w.reload(u)
	w.wantReasonOf(u, v1alpha1.ReasonUserNotFound)
	if c := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionDatabaseSynced); c.Reason != reason || c.Status != "True" {
		w.Errorf("DatabaseSynced of %s is %s, %s (%s); want %s", id, c.Status, c.Reason, c.Message, reason)
	}
	shown := time.Time{}
	if u.Status.RowDeletionAt != nil {
		shown = u.Status.RowDeletionAt.Time
	}
	if !shown.Equal(at.Truncate(time.Second)) {
		w.Errorf("the row of %s is deleted at %v, want %v", id, shown, at)
	}
}

func (w *world) wantNoFitUser(id user.ID) {
	w.Helper()
	if u := w.fitUser(id); u != nil {
		w.Errorf("FitUser %s of %s is left", u.Name, id)
	}
}

// anonymous are the columns of an anonymized row.
func anonymous(id user.ID) map[string]any {
	return map[string]any{
		"email": "deleted-" + string(id) + "@deleted.invalid", "first_name": "", "last_name": "", "phone": nil, "role": "client",
	}
}

func TestAnonymize_RemovesPersonalDataOnce(t *testing.T) {
	w := newWorld(t)
	w.table.Exec("CREATE TABLE workouts (user_id text NOT NULL REFERENCES users(id))")
	jane := w.trainer("jane")
	w.manifest("jane", jane, v1alpha1.FitUserSpec{DeletionPolicy: v1alpha1.DeletionPolicyAnonymize})
	w.reconcileUntilStable(jane)
	w.table.Exec("INSERT INTO workouts VALUES ($1)", string(jane))
	w.table.Exec("UPDATE users SET password = 'secret'")
	w.wantWrites(2, 0, func() { w.leave(jane) }) // the status, and the budget in the ConfigMap
	w.wantColumns(jane, anonymous(jane))
	w.wantColumns(jane, map[string]any{"password": "secret"}) // not the operator's
	w.wantRowReason(jane, v1alpha1.ReasonRowAnonymized, time.Time{})
	if got := w.metric("fituser_row_writes_total", "anonymize"); got != 1 {
		t.Errorf("%v rows were anonymized, want 1", got)
	}
	w.wantNoWrites(jane)
	w.signUp("joe")
	if report := w.mustSweep(); report.OrphanedRows != 0 || report.Missing != 0 {
		t.Errorf("the sweep reports %+v", report)
	}

	w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete })
	w.table.Exec("DELETE FROM workouts")
	w.reconcileUntilStable(jane)
	w.wantNoRow(jane)
}

// --deletion-policy is for FitUsers that set none and for those of the operator.
func TestDeletionPolicy_FlagAppliesWhereNoneIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		flag, set v1alpha1.DeletionPolicy
		byHand    bool
		want      string // of the row's first name; empty for none
		keeps     bool   // the FitUser
	}{
		"operator-managed, Anonymize":                {flag: "Anonymize", want: "anonymized"},
		"operator-managed, Retain":                   {flag: "Retain", want: "jane"},
		"operator-managed with the former default":   {flag: "Retain", set: "Delete", want: "jane"},
		"manifest without a policy":                  {flag: "Anonymize", byHand: true, want: "anonymized", keeps: true},
		"manifest that retains":                      {flag: "Anonymize", byHand: true, set: "Retain", want: "jane", keeps: true},
		"manifest that deletes":                      {flag: "Retain", byHand: true, set: "Delete", keeps: true},
		"manifest that anonymizes, without the flag": {byHand: true, set: "Anonymize", want: "anonymized", keeps: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Config.DeletionPolicy = c.flag
			jane := w.signUp("jane")
			if c.byHand {
				w.manifest("jane", jane, v1alpha1.FitUserSpec{DeletionPolicy: c.set})
			}
			w.reconcileUntilStable(jane)
			if !c.byHand && c.set != "" {
				w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = c.set })
			}
			w.leave(jane)
			switch row := w.table.Row(jane); {
			case c.want == "" || row == nil:
				if c.want != "" || row != nil {
					t.Errorf("the row is %v, want %q", row, c.want)
				}
			case c.want == "anonymized":
				w.wantColumns(jane, anonymous(jane))
			default:
				w.wantColumns(jane, map[string]any{"first_name": c.want})
			}
			if kept := w.fitUser(jane) != nil; kept != c.keeps {
				t.Errorf("the FitUser is kept: %v, want %v", kept, c.keeps)
			}
			w.wantNoWrites(jane)
		})
	}
}

func TestDeletionDelay_RowWaitsWithTheDefaultRole(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	jane, joe := w.trainer("jane"), w.signUp("joe")
	w.reconcileUntilStable(joe)
	at := w.clock.Now().Add(week)
	w.wantWrites(2, 0, func() { w.leave(jane) }) // the status, and the budget in the ConfigMap
	w.wantColumns(jane, map[string]any{"email": "jane@example.com", "first_name": "jane", "role": "client"})
	w.wantRowReason(jane, v1alpha1.ReasonRowDeletionPending, at)
	w.wantNoWrites(jane)

	requests := w.clerk.RequestCount("")
	if report := w.mustSweep(); report.Missing != 0 || report.OrphanedRows != 0 || report.Differing != 0 {
		t.Errorf("the sweep reports %+v", report)
	}
	if got := w.clerk.RequestCount("") - requests; got != 2 {
		t.Errorf("the sweep makes %d requests, want 2: one for the count and one for the page", got)
	}
	w.clock.SetTime(at.Add(-time.Minute))
	w.restart()
	w.wantWrites(0, 0, w.alarm)
	w.wantColumns(jane, map[string]any{"first_name": "jane"})

	w.clock.SetTime(at.Add(-3 * time.Hour)) // a clock that is set back
	w.wantWrites(0, 0, w.alarm)
	w.clock.SetTime(at)
	w.restart()
	w.alarm()
	w.wantNoRow(jane)
	w.wantNoFitUser(jane)
	w.wantRow(joe, user.Client)
	w.wantNoWrites(jane)
}

// countingQueue counts requests.
type countingQueue struct {
	workqueue.TypedRateLimitingInterface[user.ID]
	added int
}

func (q *countingQueue) Add(user.ID) { q.added++ }

// A process that starts leaves the rows that wait alone: a large application has many.
func TestDeletionDelay_StartAsksNothingForWaitingRows(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	jane := w.trainer("jane")
	w.leave(jane)
	var queued countingQueue
	w.EventHandler().Create(w.ctx, event.TypedCreateEvent[*v1alpha1.FitUser]{Object: w.fitUser(jane), IsInInitialList: true}, &queued)
	if queued.added != 0 {
		t.Error("a user whose row waits is reconciled at the start")
	}
}

// The alarm can lose a user, for instance when the cache was late. The sweep finds those whose time has passed.
func TestDeletionDelay_SweepFindsALostAlarm(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	jane, joe := w.trainer("jane"), w.signUp("joe")
	w.leave(jane)
	w.reconcileUntilStable(joe)
	w.clock.Step(week)
	w.mustSweep()
	w.wantNoRow(jane)
	w.wantNoFitUser(jane)
}

// A mistaken deletion can be repaired at each moment of the delay.
func TestDeletionDelay_UserReturns(t *testing.T) {
	for name, find := range map[string]func(w *world, id user.ID){
		"found by an event": func(w *world, id user.ID) {
			w.event(id, v1alpha1.UserCreated)
			w.reconcileUntilStable(id)
		},
		"found by a sweep": func(w *world, _ user.ID) { w.mustSweep() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.DeletionDelay = week
			jane := w.trainer("jane")
			before := w.table.Row(jane)
			w.leave(jane)
			w.clock.Step(week - time.Hour)
			w.comeBack(jane, "jane")
			find(w, jane)
			w.wantReady(jane)
			w.wantColumns(jane, map[string]any{"email": "jane@example.com", "role": "trainer", "created_at": before["created_at"]})
			if status := w.fitUser(jane).Status; status.RowDeletionAt != nil || status.Role != "trainer" {
				t.Errorf("the status still has %v, role %s", status.RowDeletionAt, status.Role)
			}
			w.clock.Step(week)
			w.alarm()
			w.wantReady(jane)
			w.wantNoWrites(jane)
		})
	}
}

// The address of a row that waits is free for others, and the row keeps everything else.
func TestDeletionDelay_AddressIsTaken(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	before := w.trainer("jane")
	at := w.clock.Now().Add(week)
	w.leave(before)
	after := w.signUp("jane")
	w.reconcileUntilStable(after)
	w.wantReady(after)
	w.wantRow(after, user.Client)
	w.wantColumns(before, map[string]any{"email": user.AnonymizedEmail(before), "first_name": "jane", "role": "client"})
	w.wantNoWrites(before, after)
	w.wantRowReason(before, v1alpha1.ReasonRowDeletionPending, at)
	if report := w.mustSweep(); report.OrphanedRows != 0 || report.Differing != 0 {
		t.Errorf("the sweep reports %+v", report)
	}
	w.clock.SetTime(at)
	w.alarm()
	w.wantNoRow(before)
	w.wantRow(after, user.Client)
}

// An address is not taken before the first reconcile has decided that the row waits.
func TestDeletionDelay_AddressIsTakenBeforeTheFirstReconcile(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	before := w.trainer("jane")
	w.clerk.Delete(string(before))
	after := w.signUp("jane")
	if _, err := w.reconcile(after); err == nil {
		t.Error("the new account is not requeued for its row")
	}
	w.reconcileRequested()
	w.reconcileUntilStable(after)
	w.wantReady(after)
	w.wantColumns(before, map[string]any{"email": user.AnonymizedEmail(before), "first_name": "jane"})
}

// A person keeps the row for good, or chooses another way, at any time within the delay.
func TestDeletionDelay_PolicyIsChangedMeanwhile(t *testing.T) {
	for policy, check := range map[v1alpha1.DeletionPolicy]func(w *world, id user.ID){
		v1alpha1.DeletionPolicyRetain: func(w *world, id user.ID) {
			w.wantColumns(id, map[string]any{"first_name": "jane"})
			w.wantRowReason(id, v1alpha1.ReasonRowRetained, time.Time{})
		},
		v1alpha1.DeletionPolicyAnonymize: func(w *world, id user.ID) {
			w.wantColumns(id, anonymous(id))
			w.wantRowReason(id, v1alpha1.ReasonRowAnonymized, time.Time{})
		},
	} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t)
			w.DeletionDelay = week
			jane := w.trainer("jane")
			w.leave(jane)
			w.change(w.fitUser(jane), func(u *v1alpha1.FitUser) { u.Spec.DeletionPolicy = policy })
			w.reconcileUntilStable(jane)
			w.clock.Step(week)
			w.alarm()
			check(w, jane)
			w.wantNoWrites(jane)
		})
	}
}

func TestDeletionDelay_SuspendAndObserveWriteNothing(t *testing.T) {
	for name, c := range map[string]struct {
		set, unset func(w *world, id user.ID)
		reason     string
	}{
		"suspend": {
			set: func(w *world, id user.ID) {
				w.change(w.fitUser(id), func(u *v1alpha1.FitUser) { u.Spec.Suspend = true })
			},
			unset: func(w *world, id user.ID) {
				w.change(w.fitUser(id), func(u *v1alpha1.FitUser) { u.Spec.Suspend = false })
			},
			reason: v1alpha1.ReasonSuspended,
		},
		"observe": {
			set:    func(w *world, _ user.ID) { w.Observe = true },
			unset:  func(w *world, _ user.ID) { w.Observe = false },
			reason: v1alpha1.ReasonObserveMode,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.DeletionDelay = week
			jane := w.trainer("jane")
			w.reconcileUntilStable(jane)
			table := fmt.Sprint(w.table.Query("SELECT * FROM users"))
			c.set(w, jane)
			wantSuppressed := func(write string) {
				t.Helper()
				w.wantReason(jane, c.reason)
				ready := meta.FindStatusCondition(w.fitUser(jane).Status.Conditions, v1alpha1.ConditionReady)
				if want := "Without it the operator would " + write; ready.Message[max(0, len(ready.Message)-len(want)):] != want {
					t.Errorf("the message is %q, want %q at its end", ready.Message, want)
				}
				w.wantNoWrites(jane)
				if got := fmt.Sprint(w.table.Query("SELECT * FROM users")); got != table {
					t.Errorf("the table changed: %s", got)
				}
			}
			w.leave(jane)
			wantSuppressed("lower the role in the row")
			w.clock.Step(week)
			w.alarm()
			wantSuppressed("delete the row")
			c.unset(w, jane)
			w.reconcileUntilStable(jane)
			w.wantNoRow(jane)
		})
	}
}

// Thirty trainers are deleted in Clerk at once, by mistake. The budget bounds how many roles are lowered and, a week later,
// how many rows are deleted in a period; each row has its week from the beginning.
func TestDeletionDelay_BudgetBoundsBothSteps(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	var ids []user.ID
	for i := range 30 {
		ids = append(ids, w.trainer(fmt.Sprintf("user%d", i)))
	}
	w.limitDeletions(12)
	at := w.clock.Now().Add(week)
	w.leave(ids...)
	trainers := func() int { return len(w.table.Query("SELECT id FROM users WHERE role = 'trainer'")) }
	if got := trainers(); got != 30-12 {
		t.Errorf("%d rows have the role, want 18", got)
	}
	for _, u := range w.allFitUsers() {
		if got := u.Status.RowDeletionAt; got == nil || got.Unix() != at.Unix() {
			t.Errorf("the row of %s is deleted at %v, want %v", u.Name, got, at)
		}
	}
	w.clock.Step(w.Budget.Period)
	w.requeueDeferred()
	if got := trainers(); got != 30-24 {
		t.Errorf("%d rows have the role in the next period, want 6", got)
	}
	w.clock.Step(w.Budget.Period)
	w.requeueDeferred()
	if got := trainers(); got != 0 {
		t.Errorf("%d rows have the role in the third period, want none", got)
	}
	w.clock.SetTime(at)
	w.restart()
	for period, want := range []int{18, 6, 0} {
		w.alarm()
		w.requeueDeferred()
		if got := w.rows(); got != want {
			t.Errorf("%d rows are left in period %d, want %d", got, period, want)
		}
		w.clock.Step(w.Budget.Period)
	}
}

// A manifest by e-mail is free for the next user of its address at once. Its policy counts for the row that waits.
func TestDeletionDelay_ManifestByEmailFollowsTheAddress(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	before := w.signUp("jane")
	coach := w.byEmail("coach", "jane@example.com", v1alpha1.FitUserSpec{Role: "trainer", DeletionPolicy: v1alpha1.DeletionPolicyAnonymize})
	w.resolve("jane@example.com")
	w.wantBound(coach, before)
	at := w.clock.Now().Add(week)
	w.leave(before)
	w.wantBound(coach, "")
	w.wantRowReason(before, v1alpha1.ReasonRowDeletionPending, at)
	w.wantNoWrites(before)

	after := w.signUp("jane")
	w.reconcileUntilStable(after)
	w.wantBound(coach, after)
	w.wantReady(after)
	w.wantRow(after, user.Trainer)
	w.restart()
	w.clock.SetTime(at)
	w.alarm()
	w.wantColumns(before, anonymous(before))
	w.wantNoFitUser(before)
	w.wantRow(after, user.Trainer)
	w.wantNoWrites(before, after)
}

func TestDeletionDelay_UserOfAManifestByEmailReturns(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	jane := w.signUp("jane")
	coach := w.byEmail("coach", "jane@example.com", v1alpha1.FitUserSpec{Role: "trainer"})
	w.resolve("jane@example.com")
	w.leave(jane)
	w.comeBack(jane, "jane")
	w.mustSweep()
	w.wantBound(coach, jane)
	w.wantReady(jane)
	w.wantColumns(jane, map[string]any{"role": "trainer", "first_name": "jane"})
	if got := len(w.allFitUsers()); got != 1 {
		t.Errorf("%d FitUsers, want 1", got)
	}
	w.wantNoWrites(jane)
}

// The user is deleted before a status records that the row was written: only the process knows of it.
func TestDeletionDelay_UserDeletedDuringTheFirstReconcile(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	jane := w.signUp("jane")
	w.Client = statusRefused{w.client}
	_, _ = w.reconcile(jane)
	w.Client = w.client
	if w.table.Row(jane) == nil {
		t.Fatal("the row is not written")
	}
	at := w.clock.Now().Add(week)
	w.leave(jane)
	w.wantRowReason(jane, v1alpha1.ReasonRowDeletionPending, at)
	w.restart()
	w.clock.SetTime(at)
	w.alarm()
	w.wantNoRow(jane)
	w.wantNoFitUser(jane)
}

// statusRefused refuses every status.
type statusRefused struct{ client.Client }

func (c statusRefused) Status() client.SubResourceWriter { return refusingWriter{c.Client.Status()} }

type refusingWriter struct{ client.SubResourceWriter }

func (refusingWriter) Patch(context.Context, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
	return errors.New("a refusal of the test")
}

// A deletion that no webhook reported is counted when the wait begins, and not again when it ends.
func TestDeletionDelay_MissedWebhookIsCountedOnce(t *testing.T) {
	w := newWorld(t)
	w.DeletionDelay = week
	jane, joe := w.trainer("jane"), w.signUp("joe")
	w.reconcileUntilStable(joe)
	w.clerk.Delete(string(jane))
	w.mustSweep()
	w.clock.Step(week)
	w.mustSweep()
	w.wantNoRow(jane)
	if got := w.metric("fituser_webhooks_missed_total", "user.deleted"); got != 1 {
		t.Errorf("%v missed webhooks, want 1", got)
	}
}

// A user who is deleted in Clerk cannot be changed there. The message names a remedy outside of Clerk.
func TestAnonymize_TableDoesNotTakeTheRow(t *testing.T) {
	w := newWorld(t)
	w.Config.DeletionPolicy = v1alpha1.DeletionPolicyAnonymize
	w.useTable(storetest.SQLite(t, strings.Replace(storetest.SQLiteTable, "first_name text NOT NULL",
		"first_name text NOT NULL CHECK (first_name <> '')", 1)), user.DefaultMapping())
	jane := w.signUp("jane")
	w.reconcileUntilStable(jane)
	w.leave(jane)
	w.wantReason(jane, v1alpha1.ReasonInvalidData)
	message := meta.FindStatusCondition(w.fitUser(jane).Status.Conditions, v1alpha1.ConditionReady).Message
	if !strings.Contains(message, "deleted in Clerk") || !strings.Contains(message, "deletionPolicy") {
		t.Errorf("the message is %q", message)
	}
}

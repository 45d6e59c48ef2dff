package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
)

// withWorkouts creates FitAI's table and a table of workouts that refer to users, with the given ON DELETE action.
func (b *bundle) withWorkouts(onDelete string) {
	b.Helper()
	b.open(b.engine.Table,
		"CREATE TABLE workouts (title text, user_id text REFERENCES users (id) ON DELETE "+onDelete+")")
	b.put(person("jane"))
	b.raw.Exec("INSERT INTO workouts VALUES ('squats', 'user_jane')")
}

// wantRowInUse fails unless the deletion of the row is refused.
func (b *bundle) wantRowInUse() {
	b.Helper()
	_, err := b.db.Delete(b.Context(), "user_jane")
	b.wantError(err, store.ErrRowInUse)
	if b.raw.Row("user_jane") == nil {
		b.Error("the row is deleted")
	}
}

// wantDeletedLeaving fails unless the row is deleted and these workouts remain.
func (b *bundle) wantDeletedLeaving(want []map[string]any) {
	b.Helper()
	if removed, err := b.db.Delete(b.Context(), "user_jane"); err != nil || !removed {
		b.Fatalf("removed %t, error %v", removed, err)
	}
	if diff := cmp.Diff(want, b.raw.Query("SELECT * FROM workouts")); diff != "" {
		b.Errorf("workouts (-want +got):\n%s", diff)
	}
}

var schemaTests = map[string]func(*bundle){
	"Delete with references: row in use": func(b *bundle) {
		b.withWorkouts("NO ACTION")
		b.wantRowInUse()
	},
	"Delete with RESTRICT: row in use": func(b *bundle) {
		b.withWorkouts("RESTRICT")
		b.wantRowInUse()
	},
	"Delete with CASCADE deletes the references": func(b *bundle) {
		b.withWorkouts("CASCADE")
		b.wantDeletedLeaving(nil)
	},
	"Delete with SET NULL keeps the references": func(b *bundle) {
		b.withWorkouts("SET NULL")
		b.wantDeletedLeaving([]map[string]any{{"title": "squats", "user_id": nil}})
	},
	"Put of an existing row keeps the references": func(b *bundle) {
		b.withWorkouts("CASCADE")
		b.put(person("jane"))
		if got := b.raw.Query("SELECT * FROM workouts"); len(got) != 1 {
			b.Errorf("workouts: %v, want the existing one", got)
		}
	},
	"Delete refused by a trigger: row in use": func(b *bundle) {
		b.open(append([]string{b.engine.Table}, b.engine.Keep...)...)
		b.put(person("jane"))
		b.wantRowInUse()
	},
	"Put runs update triggers once per write": func(b *bundle) {
		b.open(append([]string{b.engine.Table}, b.engine.Audit...)...)
		b.put(person("jane"))
		b.put(person("jane"))
		if got := b.raw.Query("SELECT * FROM audit"); len(got) != 1 {
			b.Errorf("audit: %v, want one update", got)
		}
	},
}

// wantProblemsOfCheck fails unless the check returns exactly these problems.
func (b *bundle) wantProblemsOfCheck(want ...string) {
	b.Helper()
	b.wantProblems(b.db.Check(b.Context()), want)
}

func (b *bundle) wantProblems(err error, want []string) {
	b.Helper()
	schema := asSchemaError(b, err)
	if diff := cmp.Diff(want, schema.Problems); diff != "" {
		b.Errorf("problems (-want +got):\n%s", diff)
	}
}

func asSchemaError(tb testing.TB, err error) *store.SchemaError {
	tb.Helper()
	schema, is := errorAs[*store.SchemaError](err)
	if !is {
		tb.Fatalf("got error %v, want a SchemaError", err)
	}
	return schema
}

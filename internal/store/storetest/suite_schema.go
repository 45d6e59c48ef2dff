package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
)

// referring opens FitAI's table and a table of workouts that refer to users and say what becomes of them.
func (b *bundle) referring(onDelete string) {
	b.Helper()
	b.open(b.engine.Table,
		"CREATE TABLE workouts (title text, user_id text REFERENCES users (id) ON DELETE "+onDelete+")")
	b.put(person("jane"))
	b.raw.Exec("INSERT INTO workouts VALUES ('squats', 'user_jane')")
}

// keptInUse fails unless the row cannot be removed.
func (b *bundle) keptInUse() {
	b.Helper()
	_, err := b.db.Delete(b.Context(), "user_jane")
	b.wants(err, store.ErrRowInUse)
	if b.raw.Row("user_jane") == nil {
		b.Error("the row is gone")
	}
}

// removedLeaving fails unless the row can be removed and leaves these workouts.
func (b *bundle) removedLeaving(want []map[string]any) {
	b.Helper()
	if removed, err := b.db.Delete(b.Context(), "user_jane"); err != nil || !removed {
		b.Fatalf("removed %t, error %v", removed, err)
	}
	if diff := cmp.Diff(want, b.raw.Query("SELECT * FROM workouts")); diff != "" {
		b.Errorf("workouts (-want +got):\n%s", diff)
	}
}

var schemaTests = map[string]func(*bundle){
	"a row that others refer to stays": func(b *bundle) {
		b.referring("NO ACTION")
		b.keptInUse()
	},
	"a row whose removal is restricted stays": func(b *bundle) {
		b.referring("RESTRICT")
		b.keptInUse()
	},
	"a row that cascades takes what refers to it along": func(b *bundle) {
		b.referring("CASCADE")
		b.removedLeaving(nil)
	},
	"a row may leave what refers to it without it": func(b *bundle) {
		b.referring("SET NULL")
		b.removedLeaving([]map[string]any{{"title": "squats", "user_id": nil}})
	},
	"writing a row again leaves what refers to it alone": func(b *bundle) {
		b.referring("CASCADE")
		b.put(person("jane"))
		if got := b.raw.Query("SELECT * FROM workouts"); len(got) != 1 {
			b.Errorf("workouts: %v, want the one there was", got)
		}
	},
	"a row that a trigger keeps stays": func(b *bundle) {
		b.open(append([]string{b.engine.Table}, b.engine.Keep...)...)
		b.put(person("jane"))
		b.keptInUse()
	},
	"the application's triggers see one update per write": func(b *bundle) {
		b.open(append([]string{b.engine.Table}, b.engine.Audit...)...)
		b.put(person("jane"))
		b.put(person("jane"))
		if got := b.raw.Query("SELECT * FROM audit"); len(got) != 1 {
			b.Errorf("audit: %v, want one update", got)
		}
	},
}

// problems fails unless the check names exactly these.
func (b *bundle) problems(want ...string) {
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

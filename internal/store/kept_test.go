package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// misfit is a table on which the application does something with a write, on one engine.
type misfit struct {
	// ddl follows FitAI's own table.
	ddl []string
	// sqlite is true for SQLite; otherwise the engine is PostgreSQL.
	sqlite bool
}

// url creates the table.
func (m misfit) url(t *testing.T) string {
	t.Helper()
	if m.sqlite {
		return storetest.SQLite(t, append([]string{storetest.SQLiteTable}, m.ddl...)...)
	}
	return server.URL(t, append([]string{storetest.PostgresTable}, m.ddl...)...)
}

// wantDetails fails unless err has the class, contains all details, and repeats no value.
func wantDetails(t *testing.T, err, class error, details ...string) {
	t.Helper()
	wantError(t, err, class)
	for _, detail := range details {
		if !strings.Contains(err.Error(), detail) {
			t.Errorf("error %v does not contain %q", err, detail)
		}
	}
}

// triggerOn returns the DDL of a PostgreSQL trigger with this body.
func triggerOn(when, body string) []string {
	return []string{
		"CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body + " END $$",
		"CREATE TRIGGER guarded " + when + " ON users FOR EACH ROW EXECUTE FUNCTION guard()",
	}
}

func sqliteTrigger(when, body string) []string {
	return []string{"CREATE TRIGGER guarded " + when + " ON users BEGIN " + body + "; END"}
}

// A deletion that deletes nothing must not count as done.
func TestDelete_KeptWithoutAnError(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]misfit{
		"PostgreSQL: a trigger returns NULL": {ddl: triggerOn("BEFORE DELETE", "RETURN NULL;")},
		"PostgreSQL: a rule does nothing":    {ddl: []string{"CREATE RULE kept AS ON DELETE TO users DO INSTEAD NOTHING"}},
		"SQLite: a trigger ignores it":       {sqlite: true, ddl: sqliteTrigger("BEFORE DELETE", "SELECT RAISE(IGNORE)")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := kept.url(t)
			db := open(t, databaseURL, store.Options{})
			put(t, db, jane())
			removed, err := db.Delete(t.Context(), "user_jane")
			wantDetails(t, err, store.ErrRowInUse, "a trigger, a rule or a policy")
			if removed || storetest.OpenRaw(t, databaseURL).Row("user_jane") == nil {
				t.Errorf("removed %t", removed)
			}
			if removed, err := db.Delete(t.Context(), "user_nobody"); removed || err != nil {
				t.Errorf("deletion of an absent row: removed %t, error %v", removed, err)
			}
			_, err = open(t, databaseURL, store.Options{DryRun: true}).Delete(t.Context(), "user_jane")
			wantError(t, err, store.ErrRowInUse)
		})
	}
}

// A policy can be changed after the check of the start.
func TestDelete_KeptByAPolicy(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	login(raw, "policies_changed")
	db := open(t, server.As(t, databaseURL, "policies_changed"), store.Options{})
	put(t, db, jane())
	for _, statement := range []string{
		"ALTER TABLE users ENABLE ROW LEVEL SECURITY", "CREATE POLICY reads ON users FOR SELECT USING (true)",
		"CREATE POLICY inserts ON users FOR INSERT WITH CHECK (true)",
	} {
		raw.Exec(statement)
	}
	_, err := db.Delete(t.Context(), "user_jane")
	wantDetails(t, err, store.ErrRowInUse, "a policy of row level security keeps it")
	_, err = db.Update(t.Context(), jane())
	wantDetails(t, err, store.ErrTrigger, "a policy of row level security drops it")
	wantDetails(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrTrigger, "a policy of row level security does not allow it")
}

// login creates a login that may do everything with the table.
func login(raw *storetest.Raw, role string) {
	raw.Exec("CREATE ROLE " + role + " LOGIN")
	raw.Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON users TO " + role)
}

// A write that changes nothing must not count as done, and is no concurrent deletion.
func TestWrite_DroppedWithoutAnError(t *testing.T) {
	t.Parallel()
	for name, dropped := range map[string]misfit{
		"PostgreSQL: a trigger returns NULL":       {ddl: triggerOn("BEFORE UPDATE", "RETURN NULL;")},
		"SQLite: a trigger ignores it":             {sqlite: true, ddl: sqliteTrigger("BEFORE UPDATE", "SELECT RAISE(IGNORE)")},
		"PostgreSQL: a trigger drops the insert":   {ddl: triggerOn("BEFORE INSERT", "RETURN NULL;")},
		"SQLite: a trigger ignores the insert":     {sqlite: true, ddl: sqliteTrigger("BEFORE INSERT", "SELECT RAISE(IGNORE)")},
		"PostgreSQL: a trigger deletes it at once": {ddl: triggerOn("AFTER INSERT", "DELETE FROM users WHERE id = new.id; RETURN NULL;")},
		"SQLite: a trigger deletes it at once":     {sqlite: true, ddl: sqliteTrigger("AFTER INSERT", "DELETE FROM users WHERE id = new.id")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := dropped.url(t)
			db := open(t, databaseURL, store.Options{})
			if strings.Contains(dropped.ddl[len(dropped.ddl)-1], "UPDATE") {
				put(t, db, jane())
				put(t, db, john())
				changed := jane()
				changed.FirstName = "Canary"
				_, err := db.Update(t.Context(), changed)
				wantError(t, err, store.ErrTrigger)
				swapped := jane()
				swapped.Email = john().Email
				moves := []store.Move{{ID: "user_john", From: john().Email, To: jane().Email}}
				wantError(t, storetest.Put(t.Context(), db, swapped, moves), store.ErrTrigger)
			}
			wantError(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrTrigger)
			_, err := db.Update(t.Context(), user.Row{ID: "user_nobody", Email: "nobody@canary.example"})
			wantError(t, err, store.ErrNotFound)
		})
	}
}

// What the application's own triggers and functions raise is neither a wrong password nor a missing table.
func TestWrite_RefusedByATrigger(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]misfit{
		"PostgreSQL: an exception":           {ddl: triggerOn("BEFORE INSERT OR DELETE", "RAISE EXCEPTION 'canary %', 1;")},
		"PostgreSQL: insufficient privilege": {ddl: triggerOn("BEFORE INSERT OR DELETE", "RAISE 'canary' USING ERRCODE = '42501';")},
		"PostgreSQL: invalid authorization":  {ddl: triggerOn("BEFORE INSERT OR DELETE", "RAISE 'canary' USING ERRCODE = '28000';")},
		"PostgreSQL: a code of its own":      {ddl: triggerOn("BEFORE INSERT OR DELETE", "RAISE 'canary' USING ERRCODE = 'PT403';")},
		"PostgreSQL: an undefined table":     {ddl: triggerOn("BEFORE INSERT OR DELETE", "RAISE 'canary' USING ERRCODE = '42P01';")},
		"PostgreSQL: a constraint":           {ddl: triggerOn("BEFORE INSERT OR DELETE", "RAISE 'canary' USING ERRCODE = '23514', CONSTRAINT = 'canary';")},
		"SQLite: ABORT": {sqlite: true, ddl: append(sqliteTrigger("BEFORE INSERT", "SELECT RAISE(ABORT, 'canary')"),
			"CREATE TRIGGER other BEFORE DELETE ON users BEGIN SELECT RAISE(ABORT, 'canary'); END")},
		"SQLite: FAIL": {sqlite: true, ddl: append(sqliteTrigger("BEFORE INSERT", "SELECT RAISE(FAIL, 'canary')"),
			"CREATE TRIGGER other BEFORE DELETE ON users BEGIN SELECT RAISE(ROLLBACK, 'canary'); END")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := refused.url(t)
			raw, db := storetest.OpenRaw(t, databaseURL), open(t, databaseURL, store.Options{})
			err := storetest.Put(t.Context(), db, jane(), nil)
			wantError(t, err, store.ErrTrigger)
			if !refused.sqlite {
				wantDetails(t, err, store.ErrTrigger, "(guard, SQLSTATE ")
				raw.Exec("ALTER TABLE users DISABLE TRIGGER guarded")
			} else {
				raw.Exec("DROP TRIGGER guarded")
			}
			put(t, db, jane())
			if !refused.sqlite {
				raw.Exec("ALTER TABLE users ENABLE TRIGGER guarded")
			}
			_, err = db.Delete(t.Context(), "user_jane")
			wantDetails(t, err, store.ErrRowInUse, "a trigger or function of the application refuses the deletion")
		})
	}
}

func TestWrite_TriggerFails(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]misfit{
		"PostgreSQL: a missing table":    {ddl: triggerOn("BEFORE INSERT OR DELETE", "INSERT INTO audit VALUES (1); RETURN new;")},
		"PostgreSQL: a missing function": {ddl: triggerOn("BEFORE INSERT OR DELETE", "PERFORM audit(1); RETURN new;")},
		"PostgreSQL: NOT NULL of another table": {ddl: append(triggerOn("BEFORE INSERT OR DELETE", "INSERT INTO audit VALUES (NULL); RETURN new;"),
			"CREATE TABLE audit (id text NOT NULL)")},
		"PostgreSQL: division by zero": {ddl: triggerOn("BEFORE INSERT OR DELETE", "PERFORM 1 / 0; RETURN new;")},
		"SQLite: a missing table": {sqlite: true, ddl: append(sqliteTrigger("BEFORE INSERT", "INSERT INTO audit VALUES (1)"),
			"CREATE TRIGGER other BEFORE DELETE ON users BEGIN INSERT INTO audit VALUES (1); END")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := failing.url(t)
			raw, db := storetest.OpenRaw(t, databaseURL), open(t, databaseURL, store.Options{})
			wantDetails(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrTrigger, "guard")
			raw.Exec(insertJane(failing.sqlite))
			_, err := db.Delete(t.Context(), "user_jane")
			wantError(t, err, store.ErrTrigger)
		})
	}
}

// insertJane inserts a row in spite of the trigger.
func insertJane(sqlite bool) string {
	const values = " VALUES ('user_jane', 'jane@canary.example', 'Jane', 'Doe', "
	if sqlite {
		return "DROP TRIGGER guarded; INSERT INTO users (id, email, first_name, last_name, created_at, updated_at)" + values + "1, 1)"
	}
	return "SET session_replication_role = replica; INSERT INTO users (id, email, first_name, last_name, created_at, updated_at)" + values +
		"now(), now())"
}

// A function that a constraint calls belongs to the application too.
func TestPostgres_FunctionOfAConstraintRaises(t *testing.T) {
	t.Parallel()
	db := open(t, server.URL(t, storetest.PostgresTable,
		"CREATE FUNCTION is_name(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'canary' USING ERRCODE = '42501'; END $$",
		"ALTER TABLE users ADD CONSTRAINT named CHECK (is_name(first_name))"), store.Options{})
	wantDetails(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrTrigger, "is_name")
}

func TestDelete_NamesWhatRefersToTheRow(t *testing.T) {
	t.Parallel()
	workouts := []string{
		"CREATE TABLE workouts (user_id text CONSTRAINT fk_user REFERENCES users (id))",
		"CREATE TABLE meals (user_id text REFERENCES users)", "CREATE TABLE logs (user_id text REFERENCES users (id) ON DELETE CASCADE)",
	}
	for name, used := range map[string]misfit{
		"PostgreSQL": {ddl: workouts}, "SQLite": {sqlite: true, ddl: workouts},
		"SQLite with RESTRICT": {sqlite: true, ddl: []string{
			"CREATE TABLE workouts (user_id text REFERENCES users (id) ON DELETE RESTRICT)", workouts[1], workouts[2],
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := used.url(t)
			raw, db := storetest.OpenRaw(t, databaseURL), open(t, databaseURL, store.Options{})
			put(t, db, jane())
			raw.Exec("INSERT INTO logs VALUES ('user_jane')")
			raw.Exec("INSERT INTO workouts VALUES ('user_jane')")
			_, err := db.Delete(t.Context(), "user_jane")
			wantDetails(t, err, store.ErrRowInUse, "rows of the table workouts refer to it")
			if name == "PostgreSQL" {
				wantDetails(t, err, store.ErrRowInUse, "fk_user")
			}
		})
	}
}

// Constraints that are deferred refuse at the commit, which probes and dry runs do not reach.
func TestPostgres_DeferredConstraints(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t, strings.Replace(storetest.PostgresTable, "phone text", "phone text UNIQUE DEFERRABLE INITIALLY DEFERRED", 1),
		"ALTER TABLE users DROP CONSTRAINT users_email_key, ADD UNIQUE (email) DEFERRABLE INITIALLY DEFERRED")
	db := open(t, databaseURL, store.Options{})
	first, second := jane(), john()
	first.Phone, second.Phone = "+1 canary", "+1 canary"
	put(t, db, first)
	wantDetails(t, storetest.Put(t.Context(), db, second, nil), store.ErrInvalidData, "phone")
	dry := open(t, databaseURL, store.Options{DryRun: true})
	wantError(t, storetest.Put(t.Context(), dry, second, nil), store.ErrInvalidData)

	second.Phone, second.Email = "", first.Email
	var taken *store.EmailTakenError
	if err := storetest.Put(t.Context(), db, second, nil); !errors.As(err, &taken) || taken.Holder.Key != "user_jane" {
		t.Errorf("got error %v, want that user_jane holds the address", err)
	}
	put(t, db, john())
	swapped := jane()
	swapped.Email = john().Email
	put(t, db, swapped, store.Move{ID: "user_john", From: john().Email, To: jane().Email})
}

// What concerns the server and other transactions means the same inside a function.
func TestPostgres_TimeoutInsideATrigger(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"deadlock": "RAISE 'canary' USING ERRCODE = '53300';", "cancelled": "RAISE 'canary' USING ERRCODE = '57014';",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, misfit{ddl: triggerOn("BEFORE INSERT", body)}.url(t), store.Options{})
			wantError(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrUnavailable)
		})
	}
}

package controllers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/store/storetest/hrana"
	"github.com/fitai/fituser-operator/internal/tableconfig"
	"github.com/fitai/fituser-operator/internal/user"
)

// The servers of the tests of this package.
var (
	postgres storetest.Postgres
	mariadb  storetest.MariaDB
)

// application is the users table of an application, in the shape that its framework gives it.
type application struct {
	// url creates the database with the schema.
	url     func(t testing.TB) string
	mapping string
	// table, key, email and role are SQL. shown is SQL for what the row shows: name and role.
	table, key, email, shown string
	// jane is what the row of Jane Doe shows, a trainer. drift is SQL of an assignment that changes it.
	jane  string
	drift string
	// live is the SQL condition of rows that are not softly deleted; empty where rows are deleted.
	live string
}

func applications() map[string]application {
	return map[string]application{
		"Prisma on PostgreSQL": {
			url: func(t testing.TB) string {
				return postgres.URL(t, `CREATE TYPE "Role" AS ENUM ('CLIENT', 'TRAINER', 'ADMIN')`,
					`CREATE TABLE "User" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "clerkId" text NOT NULL, "email" text NOT NULL,
						"firstName" text, "lastName" text, "avatarUrl" text, "plan" text, "role" "Role" NOT NULL DEFAULT 'CLIENT',
						"createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" timestamp(3) NOT NULL,
						CONSTRAINT "User_pkey" PRIMARY KEY ("id"))`,
					`CREATE UNIQUE INDEX "User_clerkId_key" ON "User" ("clerkId")`, `CREATE UNIQUE INDEX "User_email_key" ON "User" ("email")`,
					`CREATE TABLE "Post" ("id" serial PRIMARY KEY, "authorId" uuid NOT NULL REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE)`)
			},
			mapping: `
table: User
key: {column: clerkId}
columns: {firstName: firstName, lastName: lastName, phone: null, createdAt: createdAt, updatedAt: updatedAt}
extra:
  - {column: plan, from: publicMetadata.plan}
roles: {admin: ADMIN, trainer: TRAINER, client: CLIENT}
`,
			table: `"User"`, key: `"clerkId"`, email: `"email"`, shown: `"firstName" || ' ' || "lastName" || ' ' || "role" || ' ' || "plan"`,
			jane: "Jane Doe TRAINER gold", drift: `"firstName" = 'Eve', "role" = 'ADMIN', "plan" = NULL`,
		},
		"Drizzle on SQLite": {
			url: func(t testing.TB) string {
				return storetest.SQLite(t, "CREATE TABLE `user` (`id` text PRIMARY KEY NOT NULL, `email` text NOT NULL, `first_name` text NOT NULL, "+
					"`last_name` text NOT NULL, `role` text DEFAULT 'client' NOT NULL, `banned` integer DEFAULT false NOT NULL, "+
					"`created_at` integer DEFAULT (cast(unixepoch('subsecond') * 1000 as integer)) NOT NULL, "+
					"`updated_at` integer DEFAULT (cast(unixepoch('subsecond') * 1000 as integer)) NOT NULL)",
					"CREATE UNIQUE INDEX `user_email_unique` ON `user` (`email`)")
			},
			mapping: `
table: user
columns: {phone: null}
extra: [{column: banned, from: banned}]
`,
			table: "`user`", key: "id", email: "email", shown: "first_name || ' ' || last_name || ' ' || role || ' ' || banned",
			jane: "Jane Doe trainer 0", drift: "last_name = 'Roe', banned = 1",
		},
		"Laravel on MySQL": {
			url: func(t testing.TB) string {
				return mariadb.URL(t, "CREATE TABLE users (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, clerk_id varchar(255) NULL, "+
					"name varchar(255) NOT NULL, email varchar(255) NOT NULL, email_verified_at timestamp NULL, password varchar(255) NULL, "+
					"remember_token varchar(100) NULL, role enum('admin', 'trainer', 'client') NOT NULL DEFAULT 'client', "+
					"created_at timestamp NULL, updated_at timestamp NULL, deleted_at timestamp NULL, UNIQUE KEY users_clerk_id_unique (clerk_id), "+
					"UNIQUE KEY users_email_unique (email)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
			},
			mapping: `
key: {column: clerk_id}
columns: {firstName: null, lastName: null, phone: null}
extra: [{column: name, from: fullName}]
softDelete: {column: deleted_at}
`,
			live:  " WHERE deleted_at IS NULL",
			table: "users", key: "clerk_id", email: "email", shown: "concat(name, ' ', role)",
			jane: "Jane Doe trainer", drift: "name = 'Eve', role = 'client'",
		},
		"Rails on PostgreSQL": {
			url: func(t testing.TB) string {
				return postgres.URL(t, `CREATE TABLE users (id bigserial PRIMARY KEY, clerk_id varchar, email varchar DEFAULT '' NOT NULL,
					encrypted_password varchar DEFAULT '' NOT NULL, first_name varchar, last_name varchar, role integer DEFAULT 0 NOT NULL,
					sign_in_count integer DEFAULT 0 NOT NULL, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL)`,
					"CREATE UNIQUE INDEX index_users_on_clerk_id ON users (clerk_id)",
					"CREATE UNIQUE INDEX index_users_on_lower_email ON users (lower((email)::text))")
			},
			mapping: `
key: {column: clerk_id}
columns: {phone: null}
roles: {client: "0", trainer: "1", admin: "2"}
`,
			table: "users", key: "clerk_id", email: "email", shown: "first_name || ' ' || last_name || ' ' || role",
			jane: "Jane Doe 1", drift: "first_name = NULL, role = 2",
		},
		"Supabase": {
			url: func(t testing.TB) string {
				owner := postgres.URL(t, "CREATE SCHEMA app", `CREATE TABLE app.profiles (id text PRIMARY KEY, email text UNIQUE, full_name text,
						avatar_url text, user_role text CHECK (user_role IN ('admin', 'trainer', 'client')), updated_at timestamptz)`,
					"ALTER TABLE app.profiles ENABLE ROW LEVEL SECURITY",
					"DO $$ BEGIN CREATE ROLE service_role LOGIN BYPASSRLS; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
					"GRANT USAGE ON SCHEMA app TO service_role", "GRANT ALL ON app.profiles TO service_role")
				return postgres.As(t, owner, "service_role")
			},
			mapping: `
table: app.profiles
columns: {firstName: null, lastName: null, phone: null, role: user_role, createdAt: null}
extra: [{column: full_name, from: fullName}]
`,
			table: "app.profiles", key: "id", email: "email", shown: "full_name || ' ' || user_role",
			jane: "Jane Doe trainer", drift: "full_name = 'Eve', user_role = 'admin'",
		},
		"Turso": {
			url: func(t testing.TB) string {
				address, _ := storetest.LibSQL(t, hrana.Options{}, "CREATE TABLE app_users (userId text PRIMARY KEY NOT NULL, mail text NOT NULL, "+
					"first text NOT NULL, last text NOT NULL, role text NOT NULL DEFAULT 'client', created integer NOT NULL, changed integer)",
					"CREATE UNIQUE INDEX mails ON app_users (mail COLLATE NOCASE)")
				return address
			},
			mapping: `
table: app_users
key: {column: userId}
columns: {email: mail, firstName: first, lastName: last, phone: null, createdAt: created, updatedAt: changed}
times: milliseconds
`,
			table: "app_users", key: "userId", email: "mail", shown: "first || ' ' || last || ' ' || role",
			jane: "Jane Doe trainer", drift: "first = 'Eve', role = 'admin'",
		},
	}
}

// shows returns what the rows of the application show, by address.
func (w *world) shows(app application) map[string]string {
	w.Helper()
	shown := map[string]string{}
	for _, row := range w.table.Query(fmt.Sprintf("SELECT %s AS email, %s AS shown FROM %s%s", app.email, app.shown, app.table, app.live)) {
		shown[fmt.Sprint(row["email"])] = fmt.Sprint(row["shown"])
	}
	return shown
}

func (w *world) wantShown(app application, want map[string]string) {
	w.Helper()
	if diff := cmp.Diff(want, w.shows(app)); diff != "" {
		w.Errorf("the table (-want +got):\n%s", diff)
	}
}

// Each application goes through sign-up, drift, an exchange of addresses, and deletion.
func TestApplications(t *testing.T) {
	for name, app := range applications() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			mapping, err := tableconfig.Parse([]byte(app.mapping), user.DefaultRoles())
			if err != nil {
				t.Fatal(err)
			}
			w.useTable(app.url(t), mapping)
			jane := w.signUpGold("Jane")
			joe := w.signUpGold("Joe")
			w.manifest("coaches", jane, v1alpha1.FitUserSpec{Role: "trainer"})
			w.manifest("joe", joe, v1alpha1.FitUserSpec{Role: "trainer"})
			w.reconcileUntilStable(jane, joe)
			w.wantReady(jane)
			w.wantReady(joe)
			asJoe := strings.Replace(app.jane, "Jane", "Joe", 1)
			w.wantShown(app, map[string]string{"jane@example.com": app.jane, "joe@example.com": asJoe})

			w.table.Exec("UPDATE " + app.table + " SET " + app.drift)
			if report := w.mustSweep(); report.Differing != 2 || report.OrphanedRows != 0 {
				t.Errorf("the sweep reports %+v", report)
			}
			w.wantShown(app, map[string]string{"jane@example.com": app.jane, "joe@example.com": asJoe})
			if report := w.mustSweep(); report.Differing != 0 {
				t.Errorf("the sweep after the repair reports %+v", report)
			}

			w.clerk.SwapEmails(string(jane), string(joe))
			w.reconcileUntilStable(jane, joe)
			w.wantShown(app, map[string]string{"joe@example.com": app.jane, "jane@example.com": asJoe})

			w.clerk.Delete(string(jane))
			w.event(jane, v1alpha1.UserDeleted)
			w.reconcileUntilStable(jane)
			w.wantShown(app, map[string]string{"jane@example.com": asJoe})
			w.wantWrites(0, 0, func() { w.reconcileUntilStable(joe) })
		})
	}
}

// signUpGold creates a user in Clerk with a plan.
func (w *world) signUpGold(first string) user.ID {
	return user.ID(w.clerk.SignUp(clerktest.Person{
		Email: strings.ToLower(first) + "@example.com", FirstName: first, LastName: "Doe",
		PublicMetadata: clerktest.Metadata{"plan": "gold"},
	}))
}

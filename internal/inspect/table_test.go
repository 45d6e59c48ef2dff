package inspect_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/inspect"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/store/storetest/hrana"
	"github.com/fitai/fituser-operator/internal/tableconfig"
	"github.com/fitai/fituser-operator/internal/user"
)

var (
	postgres storetest.Postgres
	mariadb  storetest.MariaDB
)

// ask returns the answer for a database and a mapping file.
func ask(t *testing.T, databaseURL, file, config string) (inspect.TableAnswer, string) {
	t.Helper()
	mapping, err := tableconfig.Parse([]byte(config), user.DefaultRoles())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := inspect.TableQuestion{
		File: file, Mapping: mapping, Roles: user.DefaultRoles(),
		Open: func(m *user.Mapping) (*store.DB, error) {
			return store.Open(databaseURL, store.Options{Mapping: m, DryRun: true})
		},
	}.Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := answer.Text(&text); err != nil {
		t.Fatal(err)
	}
	return answer, text.String()
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTable_Fits(t *testing.T) {
	t.Parallel()
	answer, text := ask(t, storetest.SQLite(t), "", "")
	if answer.Differs() || answer.Proposal != nil {
		t.Errorf("got %+v", answer)
	}
	wantText(t, text, `MAPPING in force, from no file: the default:

table: users
key: {column: id, holds: clerkID}
columns:
  email: email
  firstName: first_name
  lastName: last_name
  role: role
  phone: phone
  createdAt: created_at
  updatedAt: updated_at
# times: seconds | milliseconds | native. Without it, the columns and their rows decide.
# softDelete: {column: deleted_at, purgeAfter: 720h} keeps a deleted row for a time. Without it, the row is deleted.
adoptRows: never

TABLE users:

COLUMN       TYPE      NULL   DEFAULT    UNIQUE        HOLDS
id           text      no                primary key   key (clerkID)
email        text      no                unique        columns.email
first_name   text      no                              columns.firstName
last_name    text      no                              columns.lastName
password     text      yes                             the application's own
role         text      no     'client'                 columns.role
phone        text      yes                             columns.phone
created_at   integer   no                              columns.createdAt
updated_at   integer   no                              columns.updatedAt

The table is as the mapping has it.
`)
}

// prisma is the table that Prisma makes of a model User, with the ids of Clerk beside its own.
func prisma() []string {
	return []string{
		`CREATE TYPE "Role" AS ENUM ('CLIENT', 'TRAINER', 'ADMIN')`,
		`CREATE TABLE "User" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "clerkId" text NOT NULL, "email" text NOT NULL,
			"firstName" text NOT NULL, "lastName" text NOT NULL, "role" "Role" NOT NULL DEFAULT 'CLIENT', "bio" text,
			"createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" timestamp(3) NOT NULL,
			CONSTRAINT "User_pkey" PRIMARY KEY ("id"))`,
		`CREATE UNIQUE INDEX "User_clerkId_key" ON "User"("clerkId")`, `CREATE UNIQUE INDEX "User_email_key" ON "User"("email")`,
		`CREATE TABLE "Invitation" (email text)`,
	}
}

// The proposal for a missing table fits the one that is there.
func TestTable_ProposesTableThatIsThere(t *testing.T) {
	t.Parallel()
	databaseURL := postgres.URL(t, prisma()...)
	answer, text := ask(t, databaseURL, "/etc/table.yaml", "columns: {phone: null}")
	_, report, _ := strings.Cut(text, "adoptRows: never\n")
	_, proposed, _ := strings.Cut(text, "\nPROPOSAL ")
	proposed, _, _ = strings.Cut(proposed, "Other tables ")
	wantDocumented(t, "PROPOSAL "+proposed)
	wantText(t, report, `
DIFFERS:
* there is no table users in the schemas of search_path (public)
  Next: run the application's migrations, or correct the table's name in the mapping file.

PROPOSAL for the table User. Save it as a file, check each comment, and set --table-config to the file:

table: User
# check: clerkId holds the Clerk id (user_…). The primary key (id) stays the application's.
key: {column: clerkId, holds: clerkID}
columns:
  email: email
  firstName: firstName
  lastName: lastName
  role: role
  phone: null   # no column looks like it
  createdAt: createdAt
  updatedAt: updatedAt
# check: role allows CLIENT, TRAINER, ADMIN
roles: {admin: ADMIN, client: CLIENT, trainer: TRAINER}
# times: seconds | milliseconds | native. Without it, the columns and their rows decide.
# softDelete: {column: deleted_at, purgeAfter: 720h} keeps a deleted row for a time. Without it, the row is deleted.
adoptRows: never

With it, the table fits.
Other tables that look as if they held users: Invitation
`)
	again, text := ask(t, databaseURL, "/etc/table.yaml", answer.Proposal.Mapping)
	if again.Differs() {
		t.Errorf("with the proposal: %+v", again.Differences)
	}
	_, found, _ := strings.Cut(text, "\nTABLE ")
	wantDocumented(t, "TABLE "+found)
}

// wantDocumented fails unless the example of docs/table.md contains this part of an output.
func wantDocumented(t *testing.T, printed string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/table.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), printed) {
		t.Errorf("docs/table.md does not contain\n%s", printed)
	}
}

// A table that does not fit is shown with what differs, and a mapping that fits better.
func TestTable_Differs(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.SQLite(t, `CREATE TABLE users (id integer PRIMARY KEY, clerk_id text UNIQUE, mail text NOT NULL UNIQUE, tenant text NOT NULL,
		role text CHECK (role IN ('admin', 'trainer', 'client')), UNIQUE (tenant, role))`)
	_, text := ask(t, databaseURL, "table.yaml", "columns: {firstName: null, lastName: null, createdAt: null, updatedAt: null}\nextra: [{column: tenant, from: publicMetadata.tenant}]")
	_, report, _ := strings.Cut(text, "adoptRows: never\n")
	wantText(t, report, `
TABLE users:

COLUMN     TYPE      NULL   DEFAULT     UNIQUE               HOLDS
id         integer   no     generated   primary key          key (clerkID)
clerk_id   text      yes                unique               the application's own
mail       text      no                 unique               the application's own
tenant     text      no                 unique with role     extra, from publicMetadata.tenant
role       text      yes                unique with tenant   columns.role

DIFFERS:
* missing columns: email, phone
  Next: add them, or name the table's own in the mapping file: null for a field that has no column.
* column id is integer, want text
  Next: change the column's type, or name another column in the mapping file.
* NOT NULL without a default, so that no row can be inserted: mail
  Next: give each column a default, let it be null, or name a source for it under extra in the mapping file.

PROPOSAL for the table users. Save it as a file, check each comment, and set --table-config to the file:

table: users
# check: clerk_id holds the Clerk id (user_…). The primary key (id) stays the application's.
key: {column: clerk_id, holds: clerkID}
columns:
  email: mail   # check: a guess by its name
  firstName: null   # no column looks like it
  lastName: null   # no column looks like it
  role: role
  phone: null   # no column looks like it
  createdAt: null   # no column looks like it
  updatedAt: null   # no column looks like it
# times: seconds | milliseconds | native. Without it, the columns and their rows decide.
# softDelete: {column: deleted_at, purgeAfter: 720h} keeps a deleted row for a time. Without it, the row is deleted.
adoptRows: never

With it, this remains:
* NOT NULL without a default, so that no row can be inserted: tenant
  Next: give each column a default, let it be null, or name a source for it under extra in the mapping file.
`)
}

// Every problem that the check of the table finds comes with a next step.
func TestTable_EveryDifferenceHasNextStep(t *testing.T) {
	t.Parallel()
	wrong := postgres.URL(t, `CREATE TABLE users (id integer, email text, tenant text NOT NULL, role date)`,
		"CREATE ROLE table_reader LOGIN", "GRANT SELECT ON users TO table_reader")
	for name, test := range map[string]struct{ url, config string }{
		"empty database": {storetest.SQLite(t, "CREATE TABLE other (id text)"), ""},
		"wrong table":    {postgres.As(t, wrong, "table_reader"), ""},
		"view":           {storetest.SQLite(t, "CREATE VIEW users AS SELECT 1 AS id"), ""},
		"no index":       {postgres.URL(t, strings.Replace(storetest.PostgresTable, "NOT NULL UNIQUE", "NOT NULL", 1)), ""},
		"wrong times":    {storetest.SQLite(t), "times: native"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, text := ask(t, test.url, "", test.config)
			if !answer.Differs() {
				t.Fatalf("no difference:\n%s", text)
			}
			for _, d := range answer.Differences {
				if d.NextStep == "" && !strings.Contains(d.Problem, ": set times: ") && !strings.Contains(d.Problem, ": name the table ") {
					t.Errorf("no next step for %q", d.Problem)
				}
			}
		})
	}
}

// The mapped table is proposed again before a better looking one, if another mapping of it fits better.
func TestTable_PrefersMappedTable(t *testing.T) {
	t.Parallel()
	members := strings.NewReplacer("TABLE users", "TABLE members", "first_name", "given_name",
		"updated_at integer", "updated_at integer DEFAULT (unixepoch())").Replace(storetest.SQLiteTable)
	for name, test := range map[string]struct {
		ddl  []string
		want string
	}{
		"with other columns": {[]string{storetest.SQLiteTable, members}, "members"},
		"unusable":           {[]string{storetest.SQLiteTable, "CREATE TABLE members (id text PRIMARY KEY)"}, "users"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, text := ask(t, storetest.SQLite(t, test.ddl...), "table.yaml", "table: members")
			if answer.Proposal == nil || answer.Proposal.Table != test.want || len(answer.Proposal.Differences) > 0 {
				t.Errorf("got:\n%s", text)
			}
		})
	}
}

// The tables of frameworks are found, and the proposals fit but for what only a person can know.
func TestTable_ProposalsForFrameworks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		url func(t *testing.T) string
		// table and lines are of the proposal.
		table string
		lines []string
	}{
		"Drizzle on SQLite": {
			url: func(t *testing.T) string {
				return storetest.SQLite(t, "CREATE TABLE `user` (`id` text PRIMARY KEY NOT NULL, `email` text NOT NULL, `first_name` text NOT NULL, "+
					"`last_name` text NOT NULL, `role` text DEFAULT 'client' NOT NULL, `banned` integer DEFAULT false NOT NULL, "+
					"`created_at` integer DEFAULT (cast(unixepoch('subsecond') * 1000 as integer)) NOT NULL, "+
					"`updated_at` integer DEFAULT (cast(unixepoch('subsecond') * 1000 as integer)) NOT NULL)",
					"CREATE UNIQUE INDEX `user_email_unique` ON `user` (`email`)")
			},
			table: "user", lines: []string{"times: milliseconds", "{column: banned, from: banned}"},
		},
		"Laravel on MariaDB": {
			url: func(t *testing.T) string {
				return mariadb.URL(t, "CREATE TABLE users (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, clerk_id varchar(255) NULL, "+
					"name varchar(255) NOT NULL, email varchar(255) NOT NULL, password varchar(255) NULL, "+
					"role enum('ADMIN', 'TRAINER', 'USER') NOT NULL DEFAULT 'USER', created_at timestamp NULL, updated_at timestamp NULL, "+
					"UNIQUE KEY users_clerk_id_unique (clerk_id), UNIQUE KEY users_email_unique (email))")
			},
			table: "users", lines: []string{"key: {column: clerk_id, ", "{column: name, from: fullName}", "roles: {admin: ADMIN, client: USER, trainer: TRAINER}"},
		},
		"Rails on PostgreSQL": {
			url: func(t *testing.T) string {
				return postgres.URL(t, `CREATE TABLE users (id bigserial PRIMARY KEY, clerk_id varchar, email varchar DEFAULT '' NOT NULL,
					encrypted_password varchar DEFAULT '' NOT NULL, first_name varchar, last_name varchar, role integer DEFAULT 0 NOT NULL,
					created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL)`,
					"CREATE UNIQUE INDEX index_users_on_clerk_id ON users (clerk_id)",
					"CREATE UNIQUE INDEX index_users_on_lower_email ON users (lower((email)::text))")
			},
			table: "users", lines: []string{"key: {column: clerk_id, ", "# check: role is a number. Set which one each role is, such as roles: {client: \"0\"}"},
		},
		"Supabase": {
			url: func(t *testing.T) string {
				return postgres.URL(t, "CREATE SCHEMA auth", "CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar UNIQUE, phone text, role varchar)",
					"CREATE SCHEMA app", `CREATE TABLE app.profiles (id text PRIMARY KEY, email text UNIQUE, full_name text,
						avatar_url text, user_role text CHECK (user_role IN ('admin', 'trainer', 'client')), updated_at timestamptz)`)
			},
			table: "app.profiles", lines: []string{"role: user_role ", "{column: full_name, from: fullName}", "{column: avatar_url, from: imageURL}"},
		},
		"Turso": {
			url: func(t *testing.T) string {
				address, _ := storetest.LibSQL(t, hrana.Options{}, "CREATE TABLE app_users (userId text PRIMARY KEY NOT NULL, mail text NOT NULL, "+
					"first text NOT NULL, last text NOT NULL, role text NOT NULL DEFAULT 'client', created integer NOT NULL, changed integer)",
					"CREATE UNIQUE INDEX mails ON app_users (mail COLLATE NOCASE)")
				return address
			},
			table: "app_users", lines: []string{"key: {column: userId, ", "firstName: first ", "updatedAt: changed ", "# check: changed is an integer: times: seconds, or times: milliseconds?"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, text := ask(t, test.url(t), "", "")
			if answer.Proposal == nil || answer.Proposal.Table != test.table {
				t.Fatalf("got:\n%s", text)
			}
			for _, line := range test.lines {
				if !strings.Contains(answer.Proposal.Mapping, line) {
					t.Errorf("%q is missing in:\n%s", line, answer.Proposal.Mapping)
				}
			}
			for _, d := range answer.Proposal.Differences { // what only a person can know
				if !strings.Contains(d.Problem, "role") && !strings.Contains(d.Problem, "set times: ") {
					t.Errorf("remains: %s", d.Problem)
				}
			}
		})
	}
}

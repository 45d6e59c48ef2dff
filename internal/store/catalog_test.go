package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/store/storetest/hrana"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestCatalog_Postgres(t *testing.T) {
	t.Parallel()
	url := server.URL(t,
		`CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN')`,
		`CREATE TABLE "User" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "clerkId" text UNIQUE, email varchar(320) NOT NULL,
			role "Role" NOT NULL DEFAULT 'USER', number bigint GENERATED ALWAYS AS IDENTITY, tenant int, gone text, UNIQUE (tenant, email))`,
		`ALTER TABLE "User" DROP COLUMN gone`,
		`CREATE UNIQUE INDEX partial_email ON "User" (email) WHERE tenant = 1`,
		`CREATE UNIQUE INDEX lowered ON "User" (lower(email))`,
		`CREATE SCHEMA app`, `CREATE TABLE app.members (nick text, shout text GENERATED ALWAYS AS (upper(nick)) STORED)`,
		`CREATE VIEW people AS SELECT 1`, `CREATE TEMP TABLE passing (id text)`,
		`CREATE SCHEMA secret`, `CREATE TABLE secret.users (id text)`, `CREATE ROLE catalog_reader LOGIN`, `GRANT USAGE ON SCHEMA app TO catalog_reader`,
	)
	want := []store.TableInfo{
		{Schema: "app", Name: "members", Mapped: true, Columns: []store.ColumnInfo{
			{Name: "nick", Type: "text", Nullable: true}, {Name: "shout", Type: "text", Nullable: true, Generated: true},
		}},
		{
			Schema: "public", Name: "User", Visible: true, Columns: []store.ColumnInfo{
				{Name: "id", Type: "uuid", Default: "gen_random_uuid()"}, {Name: "clerkId", Type: "text", Nullable: true},
				{Name: "email", Type: "character varying"},
				{Name: "role", Type: `"Role"`, Default: `'USER'::"Role"`, EnumLabels: []string{"USER", "ADMIN"}},
				{Name: "number", Type: "bigint", Generated: true}, {Name: "tenant", Type: "integer", Nullable: true},
			},
			PrimaryKey: []string{"id"}, Unique: [][]string{{"clerkId"}, {"tenant", "email"}},
		},
	}
	mapping := user.DefaultMapping()
	mapping.Schema, mapping.Table = "app", "members"
	db := open(t, server.As(t, url, "catalog_reader"), store.Options{Mapping: mapping})
	wantCatalog(t, db, want)
}

// libSQL has SQLite's catalogs.
func TestCatalog_SQLite(t *testing.T) {
	t.Parallel()
	ddl := []string{
		`CREATE TABLE accounts (id integer PRIMARY KEY, Mail text NOT NULL UNIQUE, shout text AS (upper(Mail)), at integer DEFAULT (unixepoch()))`,
		`CREATE TABLE Users (tenant text, id text, nick text COLLATE NOCASE UNIQUE, PRIMARY KEY (tenant, id)) WITHOUT ROWID`,
		`CREATE UNIQUE INDEX lowered ON Users (lower(nick))`, `CREATE UNIQUE INDEX some ON Users (nick) WHERE tenant = 'a'`,
		`CREATE VIEW people AS SELECT 1`,
	}
	want := []store.TableInfo{
		{
			Name: "Users", Visible: true, Mapped: true, Columns: []store.ColumnInfo{
				{Name: "tenant", Type: "text"}, {Name: "id", Type: "text"}, {Name: "nick", Type: "text", Nullable: true},
			},
			PrimaryKey: []string{"tenant", "id"}, Unique: [][]string{{"nick"}},
		},
		{
			Name: "accounts", Visible: true, Columns: []store.ColumnInfo{
				{Name: "id", Type: "integer", Generated: true}, {Name: "Mail", Type: "text"},
				{Name: "shout", Type: "text", Nullable: true, Generated: true}, {Name: "at", Type: "integer", Nullable: true, Default: "unixepoch()", TimeUnit: user.Seconds},
			},
			PrimaryKey: []string{"id"}, Unique: [][]string{{"Mail"}},
		},
	}
	wantCatalog(t, open(t, storetest.SQLite(t, ddl...), store.Options{}), want)
	remote, _ := storetest.LibSQL(t, hrana.Options{}, ddl...)
	wantCatalog(t, open(t, remote, store.Options{}), want)
}

// Names of tables have a case where the server's files have one.
func TestCheck_MariaDBNamesHaveCase(t *testing.T) {
	t.Parallel()
	db := open(t, mariadb.URL(t, "CREATE TABLE Users (id varchar(255) PRIMARY KEY)"), store.Options{})
	mismatch, found := errors.AsType[*store.SchemaError](db.Check(t.Context()))
	if !found || !mismatch.Missing {
		t.Errorf("got %v, want that the table is missing", mismatch)
	}
}

func wantCatalog(t *testing.T, db *store.DB, want []store.TableInfo) {
	t.Helper()
	got, err := db.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCatalog_MariaDB(t *testing.T) {
	t.Parallel()
	url := mariadb.URL(t,
		`CREATE TABLE accounts (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, Mail varchar(100) NOT NULL UNIQUE, nick varchar(100),
			role enum('USER', 'it''s "x\\y"') NOT NULL DEFAULT 'USER', shout varchar(100) AS (upper(Mail)), banned tinyint(1),
			at int NOT NULL DEFAULT (unix_timestamp()), tenant int, UNIQUE (tenant, nick), UNIQUE KEY start_of_nick (nick(10)))`,
		`CREATE TABLE users (id varchar(30) PRIMARY KEY)`, `CREATE VIEW people AS SELECT 1`,
	)
	schema := storetest.OpenRaw(t, url).Query("SELECT database() AS name")[0]["name"].(string)
	want := []store.TableInfo{
		{
			Schema: schema, Name: "users", Visible: true, Mapped: true,
			Columns: []store.ColumnInfo{{Name: "id", Type: "varchar(30)"}}, PrimaryKey: []string{"id"},
		},
		{
			Schema: schema, Name: "accounts", Visible: true, Columns: []store.ColumnInfo{
				{Name: "id", Type: "bigint(20) unsigned", Generated: true}, {Name: "Mail", Type: "varchar(100)"},
				{Name: "nick", Type: "varchar(100)", Nullable: true},
				{Name: "role", Type: "enum", Default: "'USER'", EnumLabels: []string{"USER", `it's "x\y"`}},
				{Name: "shout", Type: "varchar(100)", Nullable: true, Generated: true}, {Name: "banned", Type: "boolean", Nullable: true},
				{Name: "at", Type: "int(11)", Default: "unix_timestamp()", TimeUnit: user.Seconds}, {Name: "tenant", Type: "int(11)", Nullable: true},
			},
			PrimaryKey: []string{"id"}, Unique: [][]string{{"Mail"}, {"tenant", "nick"}},
		},
	}
	reader := storetest.OpenRaw(t, url)
	reader.Exec("CREATE USER catalog_reader")
	reader.Exec("GRANT SELECT ON " + schema + ".* TO catalog_reader")
	wantCatalog(t, open(t, mariadb.As(t, url, "catalog_reader"), store.Options{}), want)
}

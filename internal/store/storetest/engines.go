package storetest

import (
	"fmt"
	"strings"
)

// SQLiteEngine returns the SQL of SQLite for the suite.
func SQLiteEngine() Engine {
	return Engine{
		URL:       SQLite,
		Table:     SQLiteTable,
		Clock:     "integer",
		Clocks:    []string{"integer", "bigint"},
		RoleKinds: "text", ClockKinds: "integer",
		Enum: []string{strings.Replace(SQLiteTable, "role text",
			"role text CHECK (role IN ('admin', 'trainer', 'client'))", 1)},
		AnyCase: map[string][]string{
			"the column's collation": {emailColumn(SQLiteTable, "email text COLLATE NOCASE NOT NULL UNIQUE")},
			"the index's collation": {emailColumn(SQLiteTable, "email text NOT NULL"),
				"CREATE UNIQUE INDEX users_email ON users (email COLLATE NOCASE)"},
			"lower()": {emailColumn(SQLiteTable, "email text NOT NULL"),
				"CREATE UNIQUE INDEX `users_email` ON `users` (lower(\"email\"))"},
			"lower() beside exact": {SQLiteTable, "CREATE UNIQUE INDEX users_email ON users (lower(email) DESC)"},
		},
		Audit: []string{"CREATE TABLE audit (id text)",
			"CREATE TRIGGER audited AFTER UPDATE ON users BEGIN INSERT INTO audit VALUES (new.id); END"},
		Keep: []string{"CREATE TRIGGER kept BEFORE DELETE ON users BEGIN SELECT RAISE(ABORT, 'canary'); END"},
	}
}

// PostgresEngine returns the SQL of PostgreSQL for the suite.
func PostgresEngine(server *Postgres) Engine {
	return Engine{
		URL:       server.URL,
		Table:     PostgresTable,
		Clock:     "timestamptz",
		Clocks:    []string{"timestamptz", "timestamptz(0)", "timestamp", "integer", "bigint"},
		RoleKinds: "text or citext or enum", ClockKinds: "integer or timestamp or timestamptz",
		Enum: []string{"CREATE TYPE user_role AS ENUM ('admin', 'trainer', 'client')",
			strings.Replace(PostgresTable, "role text", "role user_role", 1)},
		AnyCase: map[string][]string{
			"citext": {"CREATE EXTENSION citext", emailColumn(PostgresTable, "email citext NOT NULL UNIQUE")},
			"lower()": {emailColumn(PostgresTable, "email varchar(320) NOT NULL"),
				"CREATE UNIQUE INDEX users_email ON users (lower(email) DESC)"},
			"lower() beside exact": {PostgresTable, "CREATE UNIQUE INDEX users_email ON users (lower(email))"},
			"the index's collation": {
				"CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
				emailColumn(PostgresTable, "email text NOT NULL"),
				"CREATE UNIQUE INDEX users_email ON users (email COLLATE anycase)"},
			"a domain": {"CREATE EXTENSION citext", "CREATE DOMAIN address AS citext CHECK (VALUE LIKE '%@%')",
				emailColumn(PostgresTable, "email address NOT NULL UNIQUE")},
		},
		Audit: []string{"CREATE TABLE audit (id text)",
			"CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$" +
				" BEGIN INSERT INTO audit VALUES (new.id); RETURN new; END $$",
			"CREATE TRIGGER audited AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION audited()"},
		Keep: []string{"CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$" +
			" BEGIN RAISE EXCEPTION 'canary %', old.email; END $$",
			"CREATE TRIGGER kept BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION kept()"},
	}
}

func emailColumn(table, by string) string {
	return strings.Replace(table, "email text NOT NULL UNIQUE", by, 1)
}

// timeOf returns a time as SQL for the engine's own table.
func (e Engine) timeOf(seconds int64) string {
	if e.Clock == "integer" {
		return fmt.Sprint(seconds)
	}
	return fmt.Sprintf("to_timestamp(%d)", seconds)
}

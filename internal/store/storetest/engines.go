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
		RoleKinds: "integer or text", ClockKinds: "integer",
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
		Keep:           []string{"CREATE TRIGGER kept BEFORE DELETE ON users BEGIN SELECT RAISE(ABORT, 'canary'); END"},
		Partial:        partialIndex,
		Expressions:    otherExpressions(),
		InsertIfAbsent: insertIfAbsent,
	}
}

// The SQL of both SQLite and PostgreSQL.
const (
	partialIndex   = "CREATE UNIQUE INDEX some_emails ON users (email) WHERE role = 'client'"
	insertIfAbsent = "INSERT INTO users (%s) VALUES (%s) ON CONFLICT DO NOTHING"
)

func otherExpressions() []string {
	return []string{
		`CREATE UNIQUE INDEX other ON users (lower("phone"))`, "CREATE UNIQUE INDEX mixed ON users (lower(email || role))",
	}
}

// PostgresEngine returns the SQL of PostgreSQL for the suite.
func PostgresEngine(server *Postgres) Engine {
	return Engine{
		URL:       server.URL,
		Table:     PostgresTable,
		Clock:     "timestamptz",
		Clocks:    []string{"timestamptz", "timestamptz(0)", "timestamp", "integer", "bigint"},
		RoleKinds: "citext or enum or integer or text", ClockKinds: "integer or timestamp or timestamptz",
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
		Partial:        partialIndex,
		Expressions:    otherExpressions(),
		InsertIfAbsent: insertIfAbsent,
	}
}

// MariaDBEngine returns the SQL of MariaDB for the suite.
func MariaDBEngine(server *MariaDB) Engine {
	generated := "ADD COLUMN email_key varchar(320) AS (lower(email)) UNIQUE"
	return Engine{
		URL:       server.URL,
		DDL:       withVarchar,
		Table:     mariadbText,
		Clock:     "datetime(3)",
		Clocks:    []string{"datetime", "datetime(6)", "timestamp", "timestamp(3)", "integer", "bigint"},
		RoleKinds: "enum or integer or text", ClockKinds: "datetime or integer or timestamp",
		Enum: []string{strings.Replace(mariadbText, "role text", "role enum('admin', 'trainer', 'client')", 1)},
		AnyCase: map[string][]string{
			"the column's collation": {emailColumn(mariadbText, "email varchar(320) COLLATE utf8mb4_general_ci NOT NULL UNIQUE")},
			"another character set":  {emailColumn(mariadbText, "email varchar(320) CHARACTER SET latin1 NOT NULL UNIQUE")},
			"an index by hash":       {emailColumn(mariadbText, "email longtext COLLATE utf8mb4_unicode_ci NOT NULL UNIQUE")},
			"lower()": {emailColumn(mariadbText, "email varchar(320) COLLATE utf8mb4_bin NOT NULL"),
				"ALTER TABLE users " + generated},
			"lower() beside exact": {mariadbText, "ALTER TABLE users " + generated},
		},
		Audit: []string{"CREATE TABLE audit (id text)",
			"CREATE TRIGGER audited AFTER UPDATE ON users FOR EACH ROW INSERT INTO audit VALUES (new.id)"},
		Keep: []string{"CREATE TRIGGER kept BEFORE DELETE ON users FOR EACH ROW" +
			" SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'canary'"},
		Partial: "CREATE UNIQUE INDEX some_emails ON users (email(10))",
		Expressions: []string{"ALTER TABLE users ADD COLUMN other varchar(255) AS (lower(phone)) UNIQUE",
			"ALTER TABLE users ADD COLUMN mixed varchar(255) AS (lower(concat(email, role))) UNIQUE"},
		Quote:          func(name string) string { return "`" + name + "`" },
		InsertIfAbsent: "INSERT IGNORE INTO users (%s) VALUES (%s)",
	}
}

// withVarchar replaces the type text of the suite's SQL: a column of that type cannot be a primary key. The texts compare
// exactly, as the other engines' do.
func withVarchar(ddl string) string {
	return strings.ReplaceAll(ddl, " text", " varchar(255) COLLATE utf8mb4_bin")
}

func emailColumn(table, by string) string {
	return strings.Replace(table, "email text NOT NULL UNIQUE", by, 1)
}

// timeOf returns a time as SQL for the engine's own table.
func (e Engine) timeOf(seconds int64) string {
	switch e.Clock {
	case "integer":
		return fmt.Sprint(seconds)
	case "timestamptz":
		return fmt.Sprintf("to_timestamp(%d)", seconds)
	default:
		return fmt.Sprintf("from_unixtime(%d)", seconds)
	}
}

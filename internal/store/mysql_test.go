package store_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
	"github.com/fitai/fituser-operator/internal/user"
)

// collatedTable is FitAI's table as an application creates it on MySQL without a thought about collations.
const collatedTable = `CREATE TABLE users (
	id varchar(255) PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, first_name varchar(40) NOT NULL,
	last_name varchar(255) NOT NULL, password varchar(255), role varchar(255) DEFAULT 'client' NOT NULL, phone varchar(255),
	created_at timestamp NOT NULL, updated_at timestamp NOT NULL)`

// wantName fails unless the error has the class and the name of a column or constraint.
func wantName(tb testing.TB, err, class error, name string) {
	tb.Helper()
	wantError(tb, err, class)
	var refusal *store.Error
	if !errors.As(err, &refusal) || refusal.Name != name {
		tb.Errorf("error %v does not name %q", err, name)
	}
}

// With MySQL's default collations, ids that differ in case or in trailing blanks are equal.
func TestMariaDB_KeysCompareExactly(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t, collatedTable)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL, store.Options{})
	put(t, db, jane())
	want := raw.Row("user_jane")
	for _, id := range []user.ID{"user_Jane", "USER_JANE", "user_jane ", "user_jané"} {
		other := jane()
		other.ID, other.Email, other.FirstName = id, "other@canary.example", "Other"
		if _, err := db.Get(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%q): %v", id, err)
		}
		if _, err := db.Update(t.Context(), other); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Update(%q): %v", id, err)
		}
		if removed, err := db.Delete(t.Context(), id); removed || err != nil {
			t.Errorf("Delete(%q): removed %t, error %v", id, removed, err)
		}
		wantName(t, storetest.Put(t.Context(), db, other, nil), store.ErrInvalidData, "PRIMARY")
		moves := []store.Move{{ID: id, From: jane().Email, To: "moved"}}
		wantError(t, storetest.Put(t.Context(), db, john(), moves), store.ErrConflict)
	}
	if got := raw.Row("user_jane"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the row is %v, want %v", got, want)
	}
}

// Pages follow the order of the index, whatever its collation.
func TestMariaDB_ScanReturnsEveryRowOnce(t *testing.T) {
	t.Parallel()
	for _, collation := range []string{"utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "latin1_swedish_ci", "utf8mb3_general_ci"} {
		databaseURL := mariadb.URL(t, strings.Replace(collatedTable, "id varchar(255)", "id varchar(255) COLLATE "+collation, 1))
		db := open(t, databaseURL, store.Options{})
		want := 0
		for _, id := range []user.ID{"user_B", "user_a", "user_C", "USER_D", "user__", "user_1", "_x", "Z"} {
			row := jane()
			row.ID, row.Email = id, string(id)
			put(t, db, row)
			want++
		}
		seen := map[user.ID]bool{}
		after := user.ID("")
		for page, err := db.Scan(t.Context(), after, 3); len(page) > 0 || err != nil; page, err = db.Scan(t.Context(), after, 3) {
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page {
				if seen[row.ID] {
					t.Fatalf("%s: %s twice", collation, row.ID)
				}
				seen[row.ID], after = true, row.ID
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d rows, want %d", collation, len(seen), want)
		}
	}
}

// ON DUPLICATE KEY UPDATE would overwrite the row that holds the address.
func TestMariaDB_AddressInAnotherCase(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t, collatedTable)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL, store.Options{})
	put(t, db, john())
	want := raw.Row("user_john")
	row := jane()
	row.Email = "JÓHN@canary.example"
	var taken *store.EmailTakenError
	if err := storetest.Put(t.Context(), db, row, nil); !errors.As(err, &taken) || taken.Holder.Key != "user_john" {
		t.Errorf("got error %v, want that user_john has the address", err)
	}
	if got := raw.Row("user_john"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the row is %v, want %v", got, want)
	}
}

func TestMariaDB_RefusedValues(t *testing.T) {
	t.Parallel()
	table := strings.Replace(collatedTable, "last_name varchar(255)", "last_name varchar(255) CHARACTER SET utf8mb3", 1)
	databaseURL := mariadb.URL(t, strings.Replace(table, "phone varchar(255)", "phone varchar(255) CHARACTER SET latin1", 1))
	db := open(t, databaseURL, store.Options{})
	for column, change := range map[string]func(*user.Row){
		"first_name": func(r *user.Row) { r.FirstName = strings.Repeat("canary ", 10) },
		"last_name":  func(r *user.Row) { r.LastName = "canary 🏋" },
		"phone":      func(r *user.Row) { r.Phone = "canary 李小龍" },
		"created_at": func(r *user.Row) { r.CreatedAt = time.Date(2039, 1, 1, 0, 0, 0, 0, time.UTC) }, // TIMESTAMP ends in 2038
		"id":         func(r *user.Row) { r.ID = user.ID(strings.Repeat("x", 300)) },
	} {
		row := jane()
		change(&row)
		wantName(t, storetest.Put(t.Context(), db, row, nil), store.ErrInvalidData, column)
		put(t, db, john())
	}
}

// A server can be configured to cut off what is too long, to use another time zone, and to begin transactions by itself.
func TestMariaDB_ServersDefaultsDoNotMatter(t *testing.T) {
	t.Parallel()
	own := storetest.MariaDB{Options: []string{
		"--sql-mode=ANSI", "--default-time-zone=+09:00", "--autocommit=OFF",
		"--character-set-server=latin1", "--collation-server=latin1_swedish_ci", "--skip-character-set-client-handshake",
		"--transaction-isolation=SERIALIZABLE",
	}}
	databaseURL := own.URL(t, collatedTable+" CHARACTER SET utf8mb4",
		"CREATE TABLE workouts (user_id varchar(255) CHARACTER SET utf8mb4, FOREIGN KEY (user_id) REFERENCES users (id)) ENGINE=InnoDB")
	db := open(t, databaseURL, store.Options{})
	row := jane()
	row.FirstName = "Zoë 🏋"
	put(t, db, row)
	raw := storetest.OpenRaw(t, databaseURL)
	got := raw.Query("SELECT hex(first_name) AS name, created_at FROM users")
	if len(got) != 1 || got[0]["name"] != fmt.Sprintf("%X", row.FirstName) || got[0]["created_at"] != row.CreatedAt.Unix() {
		t.Errorf("row %v, want %q and %d", got, row.FirstName, row.CreatedAt.Unix())
	}
	raw.Exec("INSERT INTO workouts VALUES ('user_jane')")
	raw.Exec("COMMIT")
	long := john()
	long.FirstName = strings.Repeat("x", 41)
	wantName(t, storetest.Put(t.Context(), db, long, nil), store.ErrInvalidData, "first_name")
}

func TestMariaDB_TableWithoutTransactions(t *testing.T) {
	t.Parallel()
	db := open(t, mariadb.URL(t, strings.ReplaceAll(collatedTable, "255", "100")+" ENGINE=MyISAM"), store.Options{})
	want := "users is a table of the engine MyISAM, which has no transactions"
	if err := db.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestMariaDB_RowInUseNamesTheConstraint(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t, collatedTable,
		"CREATE TABLE workouts (user_id varchar(255), CONSTRAINT workouts_user FOREIGN KEY (user_id) REFERENCES users (id))")
	db := open(t, databaseURL, store.Options{})
	put(t, db, jane())
	storetest.OpenRaw(t, databaseURL).Exec("INSERT INTO workouts VALUES ('user_jane')")
	_, err := db.Delete(t.Context(), "user_jane")
	wantName(t, err, store.ErrRowInUse, "workouts_user")
}

func TestMariaDB_Privileges(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	owned := "id, email, first_name, last_name, role, phone, created_at, updated_at"
	database := raw.Query("SELECT database() AS name")[0]["name"].(string)
	for _, statement := range []string{
		"CREATE USER reader", "GRANT SELECT ON users TO reader",
		"CREATE USER narrow", "GRANT SELECT (" + owned + "), INSERT (" + owned + ") ON users TO narrow",
		"GRANT UPDATE (email, first_name, last_name, role, phone, updated_at), DELETE ON users TO narrow",
		"CREATE USER member", "CREATE ROLE writers", "GRANT SELECT, INSERT, UPDATE, DELETE ON users TO writers",
		"GRANT writers TO member", "SET DEFAULT ROLE writers FOR member",
		"CREATE USER pattern", "GRANT SELECT, INSERT, UPDATE, DELETE ON `" + database[:len(database)-1] + "%`.* TO pattern",
		"CREATE USER secret IDENTIFIED BY 'right'", "GRANT ALL ON users TO secret",
	} {
		raw.Exec(statement)
	}
	t.Run("all missing ones are reported", func(t *testing.T) {
		err := open(t, mariadb.As(t, databaseURL, "reader"), store.Options{}).Check(t.Context())
		want := "the database user lacks the privileges INSERT, UPDATE, DELETE on users"
		if err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
	for _, login := range []string{"narrow", "member", "pattern"} {
		t.Run("those of "+login+" are enough", func(t *testing.T) {
			db := open(t, mariadb.As(t, databaseURL, login), store.Options{})
			put(t, db, jane())
			put(t, db, john())
			swapped := jane()
			swapped.Email = john().Email
			put(t, db, swapped, store.Move{ID: "user_john", From: john().Email, To: jane().Email})
			for _, id := range []user.ID{"user_jane", "user_john"} {
				if removed, err := db.Delete(t.Context(), id); err != nil || !removed {
					t.Errorf("removed %t, error %v", removed, err)
				}
			}
		})
	}
	t.Run("a revoked one is forbidden", func(t *testing.T) {
		db := open(t, mariadb.As(t, databaseURL, "narrow"), store.Options{})
		put(t, db, jane())
		raw.Exec("REVOKE DELETE ON users FROM narrow")
		_, err := db.Delete(t.Context(), "user_jane")
		wantError(t, err, store.ErrForbidden)
	})
	for _, login := range []string{"unknown_canary", "secret"} {
		t.Run("a wrong login is forbidden: "+login, func(t *testing.T) {
			db := open(t, mariadb.As(t, databaseURL, login), store.Options{})
			wantError(t, db.Check(t.Context()), store.ErrForbidden)
		})
	}
}

func TestMariaDB_MissingDatabase(t *testing.T) {
	t.Parallel()
	db := open(t, strings.Replace(mariadb.URL(t), "/test", "/canary", 1), store.Options{})
	wantError(t, db.Check(t.Context()), store.ErrUnavailable)
}

func TestMariaDB_RecoversAfterARestart(t *testing.T) {
	t.Parallel()
	var own storetest.MariaDB
	databaseURL := own.URL(t)
	running := open(t, databaseURL, store.Options{})
	put(t, running, jane())

	own.Stop(t)
	started := open(t, databaseURL, store.Options{})
	for name, db := range map[string]*store.DB{"before the stop": running, "after the stop": started} {
		var texts []string
		for range 3 {
			_, err := db.Get(t.Context(), "user_jane")
			wantError(t, err, store.ErrUnavailable)
			texts = append(texts, err.Error())
		}
		if texts[1] != texts[2] {
			t.Errorf("opened %s: the reason is not stable: %q, then %q", name, texts[1], texts[2])
		}
	}

	own.Start(t)
	put(t, running, john())
	put(t, started, john())
}

// After a failover the old connections lead to a replica, and new ones to the primary.
func TestMariaDB_ReadOnly(t *testing.T) {
	t.Parallel()
	var own storetest.MariaDB
	databaseURL := own.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	raw.Exec("CREATE USER app")
	raw.Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON users TO app")
	login := own.As(t, databaseURL, "app") // root may always write
	db := open(t, login, store.Options{})
	put(t, db, jane())

	raw.Exec("SET GLOBAL read_only = 1")
	wantError(t, open(t, login, store.Options{}).Check(t.Context()), store.ErrReadOnly)
	wantError(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrReadOnly)
	if _, err := db.Get(t.Context(), "user_jane"); err != nil {
		t.Errorf("a read-only database cannot be read: %v", err)
	}
	raw.Exec("SET GLOBAL read_only = 0")
	put(t, db, jane())
}

// sessionsOf counts the connections to the test's database other than the test's own.
func sessionsOf(raw *storetest.Raw, condition string) int {
	return len(raw.Query("SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id() AND " + condition))
}

func TestMariaDB_KilledConnections(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL, store.Options{})
	var all sync.WaitGroup
	for worker := range 10 {
		all.Go(func() {
			row := jane()
			row.ID, row.Email = user.ID(fmt.Sprint("user_", worker)), fmt.Sprint(worker)
			for written := 0; written < 10; {
				switch err := storetest.Put(t.Context(), db, row, nil); {
				case err == nil:
					written++
				case !errors.Is(err, store.ErrUnavailable):
					t.Errorf("Put: %v", err)
					return
				}
			}
		})
	}
	for range 10 {
		for _, session := range raw.Query("SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()") {
			_ = raw.Try(fmt.Sprint("KILL ", session["id"])) // it may have ended
		}
	}
	all.Wait()
	if rows := raw.Query("SELECT id FROM users"); len(rows) != 10 {
		t.Errorf("%d rows, want 10", len(rows))
	}
}

func TestMariaDB_RetriesAfterADeadlock(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL, store.Options{})
	put(t, db, jane())
	put(t, db, john())

	// The application locks john, then jane. The store locks in the order of ids: jane, then john. InnoDB ends the transaction
	// that has changed less, which is the store's.
	held := raw.Begin()
	held.Exec("UPDATE users SET password = 'secret' WHERE id = 'user_john'")
	swapped := jane()
	swapped.Email = john().Email
	answered := make(chan error, 1)
	go func() {
		answered <- storetest.Put(t.Context(), db, swapped, []store.Move{{ID: "user_john", From: john().Email, To: jane().Email}})
	}()
	watcher := storetest.OpenRaw(t, databaseURL)
	eventually.Holds(t, "the store waits for a lock", func() bool { return lockWaits(watcher) == 1 })
	held.Exec("UPDATE users SET password = 'secret' WHERE id = 'user_jane'")
	held.Commit()
	if err := <-answered; err != nil {
		t.Fatalf("Put: %v", err)
	}
	if row := watcher.Row("user_jane"); row["email"] != john().Email || row["password"] != "secret" {
		t.Errorf("email %v, password %v; want both writes", row["email"], row["password"])
	}
}

var waitingThread = regexp.MustCompile(`LOCK WAIT [^-]*\n(?:MariaDB|MySQL) thread id (\d+),`)

// lockWaits counts the sessions of the test's database that wait for a lock. The table innodb_trx would be stale while several
// tests read it.
func lockWaits(raw *storetest.Raw) int {
	status := raw.Query("SHOW ENGINE INNODB STATUS")[0]["Status"].(string)
	waiting := 0
	for _, found := range waitingThread.FindAllStringSubmatch(status, -1) {
		waiting += sessionsOf(raw, "id = "+found[1])
	}
	return waiting
}

// The store reads the row of a move under the lock under which it writes it.
func TestMariaDB_MoveWaitsForTheApplicationsChange(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	db := open(t, databaseURL, store.Options{})
	put(t, db, jane())
	put(t, db, john())

	change := raw.Begin()
	change.Exec("UPDATE users SET email = 'elsewhere' WHERE id = 'user_john'")
	swapped := jane()
	swapped.Email = john().Email
	answered := make(chan error, 1)
	go func() {
		answered <- storetest.Put(t.Context(), db, swapped, []store.Move{{ID: "user_john", From: john().Email, To: jane().Email}})
	}()
	watcher := storetest.OpenRaw(t, databaseURL)
	eventually.Holds(t, "the store waits for a lock", func() bool { return lockWaits(watcher) == 1 })
	change.Commit()
	wantError(t, <-answered, store.ErrConflict)
	if got := watcher.Column("user_john", "email"); got != "elsewhere" {
		t.Errorf("email is %v, want the application's", got)
	}
}

// A server does not notice that the client of a waiting statement is gone. The write must not take effect after the time
// limit.
func TestMariaDB_EndsTheStatementOfAGivenUpCall(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	before := open(t, databaseURL, store.Options{})
	put(t, before, jane())
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	release := raw.Lock("user_jane")

	db := open(t, databaseURL, store.Options{StatementTimeout: 300 * time.Millisecond})
	late := jane()
	late.FirstName = "Late"
	wantError(t, storetest.Put(t.Context(), db, late, nil), store.ErrUnavailable)
	eventually.Holds(t, "only the session with the lock is left", func() bool { return sessionsOf(raw, "true") == 1 })
	release()
	if got := raw.Column("user_jane", "first_name"); got != "Jane" {
		t.Errorf("first_name is %v: the write took effect", got)
	}
}

func TestMariaDB_ConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	raw.Exec("CREATE USER limited WITH MAX_USER_CONNECTIONS 3") // a fourth connection is refused
	raw.Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON users TO limited")
	db := open(t, mariadb.As(t, databaseURL, "limited"), store.Options{MaxConns: 3})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				if err := storetest.Put(t.Context(), db, jane(), nil); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	all.Wait()
}

// Laravel's table: a number as primary key, the Clerk id beside it, and times in UTC that may be NULL.
func TestMariaDB_MappedTable(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t, "CREATE DATABASE IF NOT EXISTS shop", `CREATE TABLE shop.Members (
		id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, clerk_id varchar(255) COLLATE utf8mb4_unicode_ci UNIQUE,
		mail varchar(255) COLLATE utf8mb4_unicode_ci UNIQUE, name varchar(255) NOT NULL,
		role enum('ADMIN', 'TRAINER', 'CLIENT') NOT NULL DEFAULT 'CLIENT', banned tinyint(1) NOT NULL DEFAULT 0,
		settings json, last_login datetime, created_at timestamp NULL, updated_at timestamp NULL)`)
	mapping := &user.Mapping{
		Schema: "shop", Table: "Members", Key: user.KeyColumn{Column: "CLERK_ID", Holds: user.HoldsClerkID},
		Columns: []user.Column{
			{Name: "Mail", From: user.FieldEmail}, {Name: "name", From: user.FieldFullName}, {Name: "role", From: user.FieldRole},
			{Name: "banned", From: user.FieldBanned}, {Name: "settings", From: "publicMetadata.settings"},
			{Name: "last_login", From: user.FieldLastSignInAt},
		},
		CreatedAt: "created_at", UpdatedAt: "updated_at",
		RoleNames: map[user.Role]user.Role{user.Admin: "ADMIN", user.Client: "CLIENT"},
	}
	db := open(t, databaseURL, store.Options{Mapping: mapping})
	row := mapping.DesiredRow(user.User{
		ID: "user_jane", Email: "jane@canary.example", FirstName: "Jane", Banned: true, CreatedAt: time.Unix(1_700_000_000, 0).UTC(),
		Extra: map[user.Field]string{"publicMetadata.settings": `{"a":[1,"x"]}`, user.FieldLastSignInAt: "1700000001000"},
	}, user.Admin)
	for range 2 {
		stored, err := db.Put(t.Context(), row, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := mapping.Diff(row, stored); len(diff) > 0 || !stored.CreatedAt.Equal(row.CreatedAt) {
			t.Errorf("columns %v differ: %v", diff, stored)
		}
	}
	other := mapping.DesiredRow(user.User{ID: "user_john", Email: "JANE@canary.example", CreatedAt: row.CreatedAt}, user.Client)
	var taken *store.EmailTakenError
	if err := storetest.Put(t.Context(), db, other, nil); !errors.As(err, &taken) || taken.Holder != (store.Holder{Key: "user_jane", PrimaryKey: "1"}) {
		t.Errorf("got error %v, want that user_jane has the address", err)
	}
	if page, err := db.Scan(t.Context(), "", 10); err != nil || len(page) != 1 || len(mapping.Diff(row, page[0])) > 0 {
		t.Errorf("scanned %v, error %v", page, err)
	}
}

// MySQL has no partial indexes. A generated column that is NULL for deleted rows takes their place.
func TestMariaDB_UniqueOverLiveRows(t *testing.T) {
	t.Parallel()
	for name, expression := range map[string]string{
		"if": "if(deleted_at IS NULL, email, NULL)", "case": "CASE WHEN deleted_at IS NULL THEN lower(email) END",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := strings.Replace(collatedTable, "email varchar(255) NOT NULL UNIQUE",
				"deleted_at datetime, email varchar(255) NOT NULL, live_email varchar(255) AS ("+expression+") UNIQUE", 1)
			mapping := user.DefaultMapping()
			databaseURL := mariadb.URL(t, table)
			if err := open(t, databaseURL, store.Options{}).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "over all rows") {
				t.Errorf("without soft deletion: got error %v", err)
			}
			mapping.SoftDelete = &user.SoftDelete{Column: "deleted_at"}
			db := open(t, databaseURL, store.Options{Mapping: mapping})
			put(t, db, jane())
			gone := jane()
			gone.DeletedAt = time.Unix(1_700_000_000, 0)
			if stored, err := db.Update(t.Context(), gone); err != nil || !stored.DeletedAt.Equal(gone.DeletedAt) {
				t.Fatalf("stored %v, error %v", stored, err)
			}
			again := john()
			again.Email = jane().Email
			put(t, db, again)
			other := john()
			other.ID, other.Email = "user_third", "JANE@canary.example"
			var taken *store.EmailTakenError
			if err := storetest.Put(t.Context(), db, other, nil); !errors.As(err, &taken) || taken.Holder.Key != "user_john" {
				t.Errorf("got error %v, want that user_john has the address", err)
			}
		})
	}
}

// Some collations take an accent for no difference. The owner of another domain is somebody else.
func TestMariaDB_AddressWithAnAccentIsAnother(t *testing.T) {
	t.Parallel()
	databaseURL := mariadb.URL(t, strings.Replace(collatedTable, "email varchar(255)", "email varchar(255) COLLATE utf8mb4_unicode_ci", 1),
		`INSERT INTO users (id, email, first_name, last_name, role, created_at, updated_at)
		VALUES ('legacy', 'Jane@example.com', '', '', 'client', now(), now())`)
	db := open(t, databaseURL, store.Options{})
	for address, want := range map[string][]store.Holder{"jane@exàmple.com": nil, "jane@example.com": {{Key: "legacy"}}} {
		if found, err := db.FindUnclaimed(t.Context(), "", []string{address}); err != nil || !slices.Equal(found, want) {
			t.Errorf("%s finds %v, error %v", address, found, err)
		}
	}
}

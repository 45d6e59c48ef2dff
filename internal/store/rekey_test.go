package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// eachEngine runs a test with a function that creates a database of each engine.
func eachEngine(t *testing.T, test func(t *testing.T, create func(testing.TB, ...string) string)) {
	t.Helper()
	engines := map[string]func(testing.TB, ...string) string{
		"SQLite": storetest.SQLite, "libSQL": storetest.LibSQLEngine().URL, "PostgreSQL": server.URL, "MariaDB": createInMariaDB,
	}
	for name, create := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, create)
		})
	}
}

// createInMariaDB creates a database from SQL for the other engines: MariaDB checks foreign keys at once, and they name columns.
func createInMariaDB(tb testing.TB, ddl ...string) string {
	tb.Helper()
	own := strings.NewReplacer("varchar(40)", "varchar(40) COLLATE utf8mb4_bin", "DEFERRABLE INITIALLY DEFERRED", "",
		"REFERENCES users (", "REFERENCES users (", "REFERENCES users ", "REFERENCES users (id) ", "REFERENCES people)", "REFERENCES people (id))")
	for i, statement := range ddl {
		ddl[i] = own.Replace(statement)
	}
	return mariadb.URL(tb, ddl...)
}

func openMapped(t *testing.T, databaseURL string, mapping *user.Mapping, options store.Options) *store.DB {
	t.Helper()
	options.Mapping = mapping
	db, err := store.Open(databaseURL, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// plainTable is a table that all engines accept, with a row that has the key 7.
const (
	plainTable = `CREATE TABLE users (id varchar(63) PRIMARY KEY NOT NULL, email varchar(320) NOT NULL UNIQUE, first_name text NOT NULL,
		last_name text NOT NULL, password text, role text NOT NULL DEFAULT 'client', phone text,
		created_at bigint NOT NULL, updated_at bigint NOT NULL)`
	plainRow = `INSERT INTO users VALUES ('7', 'old@canary.example', 'Canary', 'Old', '$2a$canary', 'trainer', NULL, 1500000000, 1500000000)`
)

// beside is a table whose key column is beside its own primary key.
func beside(primary string) string {
	return `CREATE TABLE people (id ` + primary + ` PRIMARY KEY NOT NULL DEFAULT '0', clerk_id varchar(63) UNIQUE, mail varchar(320) UNIQUE, role text, hash text)`
}

func besideMapping(holds user.KeyHolds) *user.Mapping {
	m := &user.Mapping{
		Table: "people", Key: user.KeyColumn{Column: "clerk_id", Holds: user.HoldsClerkID},
		Columns: []user.Column{{Name: "mail", From: user.FieldEmail}, {Name: "role", From: user.FieldRole}},
	}
	if holds == user.HoldsExternalID {
		m.Key = user.KeyColumn{Column: "id", Holds: holds}
	}
	return m
}

// child returns a table that refers to another one.
func child(name, references, action string) string {
	return fmt.Sprintf(`CREATE TABLE %s (id integer PRIMARY KEY, user_id varchar(63), note text, FOREIGN KEY (user_id) REFERENCES %s %s)`,
		name, references, action)
}

func TestRekey_CascadesToEveryTable(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, create func(testing.TB, ...string) string) {
		databaseURL := create(t, plainTable, plainRow, child("posts", "users (id)", "ON UPDATE CASCADE"),
			child("likes", "users", "ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED"),
			"INSERT INTO posts VALUES (1, '7', 'a'), (2, '7', 'b'), (3, NULL, 'c')", "INSERT INTO likes VALUES (1, '7', 'a')")
		db := openMapped(t, databaseURL, nil, store.Options{})
		references, err := db.References(t.Context())
		if want := []store.Reference{{Table: "likes", Cascades: true}, {Table: "posts", Cascades: true}}; err != nil ||
			!slices.Equal(sortedReferences(references), want) {
			t.Errorf("references %v, %v; want %v", references, err, want)
		}
		if err := db.Rekey(t.Context(), store.Holder{Key: "7"}, "user_new"); err != nil {
			t.Fatal(err)
		}
		raw := storetest.OpenRaw(t, databaseURL)
		row := raw.Row("user_new")
		if row == nil || row["password"] != "$2a$canary" || row["role"] != "trainer" || row["created_at"] != int64(1500000000) {
			t.Errorf("the row is %v", row)
		}
		for table, want := range map[string]int{"posts": 2, "likes": 1} {
			if got := len(raw.Query("SELECT * FROM " + table + " WHERE user_id = 'user_new'")); got != want {
				t.Errorf("%d rows of %s follow, want %d", got, table, want)
			}
		}
		if err := db.Rekey(t.Context(), store.Holder{Key: "7"}, "user_new"); !errors.Is(err, store.ErrConflict) {
			t.Errorf("again: %v, want %v", err, store.ErrConflict)
		}
	})
}

func sortedReferences(references []store.Reference) []store.Reference {
	slices.SortFunc(references, func(a, b store.Reference) int { return strings.Compare(a.Table, b.Table) })
	return references
}

// A foreign key that does not cascade names its table, and nothing changes, even where no row refers to this user.
func TestRekey_RefusesWhereATableDoesNotFollow(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]string{
		"no action": "", "deferred": "DEFERRABLE INITIALLY DEFERRED", "restrict": "ON UPDATE RESTRICT",
		"set null": "ON UPDATE SET NULL", "only deletion": "ON DELETE CASCADE",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, create func(testing.TB, ...string) string) {
				databaseURL := create(t, plainTable, plainRow, child("posts", "users (id)", "ON UPDATE CASCADE"), child("bills", "users", action),
					child("mails", "users (email)", ""), // refers to another column
					"INSERT INTO posts VALUES (1, '7', 'a')")
				db := openMapped(t, databaseURL, nil, store.Options{})
				err := db.Rekey(t.Context(), store.Holder{Key: "7"}, "user_new")
				kept, is := errors.AsType[*store.CannotRekeyError](err)
				if !is || !slices.Equal(kept.Tables, []string{"bills"}) {
					t.Errorf("got %v, want that bills does not follow", err)
				}
				if storetest.OpenRaw(t, databaseURL).Row("7") == nil {
					t.Error("the row has another key")
				}
			})
		})
	}
}

func TestRekey_KeyColumnBesidePrimaryKey(t *testing.T) {
	t.Parallel()
	for primary, value := range map[string]string{"integer": "7", "varchar(40)": "a b'c"} {
		t.Run(primary, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, create func(testing.TB, ...string) string) {
				quoted := strings.ReplaceAll(value, "'", "''")
				databaseURL := create(t, beside(primary),
					"INSERT INTO people VALUES ('"+quoted+"', NULL, 'a@canary.example', 'client', 'x')",
					"INSERT INTO people VALUES ('8', 'user_eight', 'b@canary.example', 'client', 'x')",
					fmt.Sprintf("CREATE TABLE bills (id integer PRIMARY KEY, person %s, FOREIGN KEY (person) REFERENCES people)", primary),
					"INSERT INTO bills VALUES (1, '"+quoted+"')")
				db := openMapped(t, databaseURL, besideMapping(user.HoldsClerkID), store.Options{})
				for _, wrong := range []store.Holder{
					{PrimaryKey: "8"}, {PrimaryKey: "9"}, {Key: "user_eight", PrimaryKey: value}, {Key: "user_nine"}, {}, {PrimaryKey: "x\x00"},
				} {
					if err := db.Rekey(t.Context(), wrong, "user_new"); !errors.Is(err, store.ErrConflict) {
						t.Errorf("%+v: %v, want %v", wrong, err, store.ErrConflict)
					}
				}
				if err := db.Rekey(t.Context(), store.Holder{PrimaryKey: value}, "user_eight"); !errors.Is(err, store.ErrKeyTaken) || !errors.Is(err, store.ErrConflict) {
					t.Errorf("a key that another row has: %v, want %v", err, store.ErrKeyTaken)
				}
				if err := db.Rekey(t.Context(), store.Holder{PrimaryKey: value}, "user_new"); err != nil {
					t.Fatal(err)
				}
				if err := db.Rekey(t.Context(), store.Holder{Key: "user_eight", PrimaryKey: "8"}, "user_other"); err != nil {
					t.Errorf("a row that has a key: %v", err)
				}
				raw := storetest.OpenRaw(t, databaseURL)
				if row := raw.Query("SELECT * FROM people WHERE clerk_id = 'user_new'"); len(row) != 1 || fmt.Sprint(row[0]["id"]) != value {
					t.Errorf("the row is %v", row)
				}
				if got := raw.Query("SELECT * FROM bills"); fmt.Sprint(got[0]["person"]) != value {
					t.Errorf("the primary key is %v, want it unchanged", got)
				}
			})
		})
	}
}

func TestRekey_FenceAndDryRunChangeNothing(t *testing.T) {
	t.Parallel()
	errFenced := errors.New("no longer allowed")
	eachEngine(t, func(t *testing.T, create func(testing.TB, ...string) string) {
		databaseURL := create(t, plainTable, plainRow)
		fenced := openMapped(t, databaseURL, nil, store.Options{BeforeWrite: func() error { return errFenced }})
		if err := fenced.Rekey(t.Context(), store.Holder{Key: "7"}, "user_new"); !errors.Is(err, errFenced) {
			t.Errorf("fenced: %v", err)
		}
		if err := openMapped(t, databaseURL, nil, store.Options{DryRun: true}).Rekey(t.Context(), store.Holder{Key: "7"}, "user_new"); err != nil {
			t.Errorf("dry run: %v", err)
		}
		if storetest.OpenRaw(t, databaseURL).Row("7") == nil {
			t.Error("the row has another key")
		}
	})
}

func TestScanLegacy_ReadsEveryRowInPages(t *testing.T) {
	t.Parallel()
	for primary, ids := range map[string][]string{
		"integer": {"-3", "2", "9", "10", "100"}, "varchar(40)": {"10", "2", "A", "a", "ü"},
	} {
		t.Run(primary, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, create func(testing.TB, ...string) string) {
				ddl := []string{beside(primary)}
				for i, id := range ids {
					key := "NULL"
					if i%2 == 1 {
						key = "'user_" + fmt.Sprint(i) + "'"
					}
					ddl = append(ddl, fmt.Sprintf("INSERT INTO people VALUES ('%s', %s, 'm%d', 'client', 'hash %d')", id, key, i, i))
				}
				db := openMapped(t, create(t, ddl...), besideMapping(user.HoldsClerkID), store.Options{})
				for _, limit := range []int{1, 2, 100} {
					var got []string
					var after *store.LegacyRow
					for {
						page, err := db.ScanLegacy(t.Context(), "hash", after, limit)
						if err != nil {
							t.Fatal(err)
						}
						for i, row := range page {
							got, after = append(got, row.Holder.PrimaryKey), &page[i]
							if want := "hash " + strings.TrimPrefix(row.Row.Email, "m"); row.Password != want || row.Row.ID != row.Holder.Key {
								t.Errorf("row %+v, want the password %q", row, want)
							}
						}
						if len(page) < limit {
							break
						}
					}
					if diff := cmp.Diff(ids, got); diff != "" {
						t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
					}
				}
			})
		})
	}
}

// A key of numbers is in the order of the numbers, also in the scan of a sweep: the next page starts after the last key.
func TestScan_NumericKeys(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, create func(testing.TB, ...string) string) {
		ddl := []string{beside("integer")}
		for i := range 12 {
			ddl = append(ddl, fmt.Sprintf("INSERT INTO people VALUES (%d, NULL, 'm%d', 'client', NULL)", i, i))
		}
		db := openMapped(t, create(t, ddl...), besideMapping(user.HoldsExternalID), store.Options{})
		var keys []string
		for after := user.ID(""); ; {
			page, err := db.Scan(t.Context(), after, 5)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page {
				keys, after = append(keys, string(row.ID)), row.ID
			}
			if len(page) < 5 {
				break
			}
		}
		if want := strings.Fields("0 1 2 3 4 5 6 7 8 9 10 11"); !slices.Equal(keys, want) {
			t.Errorf("keys %v, want %v", keys, want)
		}
	})
}

func TestScanLegacy_ReadsRowOfDefaultTable(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, create func(testing.TB, ...string) string) {
		db := openMapped(t, create(t, plainTable, plainRow), nil, store.Options{})
		want := user.Row{ID: "7", Email: "old@canary.example", FirstName: "Canary", LastName: "Old", Role: "trainer", CreatedAt: time.Unix(1500000000, 0).UTC()}
		for column, password := range map[string]string{"": "", "password": "$2a$canary", "phone": ""} {
			page, err := db.ScanLegacy(t.Context(), column, nil, 10)
			if err != nil || len(page) != 1 || page[0].Password != password || page[0].Holder != (store.Holder{Key: "7"}) {
				t.Errorf("column %q: %+v, %v", column, page, err)
				continue
			}
			if diff := cmp.Diff(want, page[0].Row); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		_, err := db.ScanLegacy(t.Context(), `pass"word`, nil, 10)
		if _, is := errors.AsType[*store.SchemaError](err); !is || !strings.Contains(err.Error(), `no column pass"word`) {
			t.Errorf("unknown column: %v", err)
		}
	})
}

func TestScanLegacy_RowsWithoutAnyKey(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, create func(testing.TB, ...string) string) {
		table := `CREATE TABLE people (a integer NOT NULL DEFAULT 0, b integer NOT NULL DEFAULT 0, clerk_id varchar(63) UNIQUE, mail varchar(320) UNIQUE, role text, PRIMARY KEY (a, b))`
		db := openMapped(t, create(t, table), besideMapping(user.HoldsClerkID), store.Options{})
		if _, err := db.ScanLegacy(t.Context(), "", nil, 10); err == nil || !strings.Contains(err.Error(), "a primary key of one column") {
			t.Errorf("got %v, want what the table needs", err)
		}
	})
}

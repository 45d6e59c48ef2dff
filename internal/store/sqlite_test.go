package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

func pathOf(databaseURL string) string { return strings.TrimPrefix(databaseURL, "sqlite:") }

func journalMode(tb testing.TB, databaseURL string) any {
	tb.Helper()
	return storetest.OpenRaw(tb, databaseURL).Query("PRAGMA journal_mode")[0]["journal_mode"]
}

func TestSQLite_MissingFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.sqlite")
	db := open(t, "sqlite:"+path, store.Options{})
	wantError(t, db.Check(t.Context()), store.ErrUnavailable)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file was created, or %v", err)
	}
	storetest.OpenRaw(t, "sqlite:"+path).Exec(storetest.SQLiteTable)
	put(t, db, jane())
}

func TestSQLite_JournalMode(t *testing.T) {
	t.Parallel()
	t.Run("a new file uses WAL", func(t *testing.T) {
		databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "new.sqlite")
		put(t, open(t, databaseURL, store.Options{CreateTable: true}), jane())
		if got := journalMode(t, databaseURL); got != "wal" {
			t.Errorf("journal mode %v, want wal", got)
		}
	})
	for _, mode := range []string{"delete", "wal"} {
		t.Run("an existing file keeps "+mode, func(t *testing.T) {
			databaseURL := storetest.SQLite(t, "PRAGMA journal_mode = "+mode, "CREATE TABLE other (id text)")
			put(t, open(t, databaseURL, store.Options{CreateTable: true}), jane())
			if got := journalMode(t, databaseURL); got != mode {
				t.Errorf("journal mode %v, want %s", got, mode)
			}
		})
	}
}

// SQLite does not write a file whose header requires a later version of the format
// (https://www.sqlite.org/fileformat2.html, file format version numbers). So the test does not depend on file
// permissions, which do not apply to root.
func TestSQLite_ReadOnlyFile(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.SQLite(t)
	setHeader(t, pathOf(databaseURL), 18, 3)
	db := open(t, databaseURL, store.Options{})
	wantError(t, db.Check(t.Context()), store.ErrReadOnly)
	setHeader(t, pathOf(databaseURL), 18, 1)
	put(t, db, jane())
}

func setHeader(t *testing.T, path string, offset int64, value byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, writeErr := file.WriteAt([]byte{value}, offset)
	if err := errors.Join(writeErr, file.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestSQLite_FileIsNotADatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.sqlite")
	if err := os.WriteFile(path, []byte(strings.Repeat("canary ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, open(t, "sqlite:"+path, store.Options{}).Check(t.Context()), store.ErrStorage)
}

// A restored backup is another file under the same path.
func TestSQLite_ReplacedFile(t *testing.T) {
	t.Parallel()
	databaseURL, restoredURL := storetest.SQLite(t), storetest.SQLite(t)
	db := open(t, databaseURL, store.Options{})
	put(t, db, jane())
	if err := os.Rename(pathOf(restoredURL), pathOf(databaseURL)); err != nil {
		t.Fatal(err)
	}
	wantError(t, storetest.Put(t.Context(), db, jane(), nil), store.ErrReadOnly)
	put(t, db, jane())
	if storetest.OpenRaw(t, databaseURL).Row("user_jane") == nil {
		t.Error("the row is not in the restored file")
	}
}

func TestSQLite_Paths(t *testing.T) {
	directory := t.TempDir()
	t.Chdir(directory)
	for name, path := range map[string]string{
		"relative":                   "relative.sqlite",
		"absolute":                   filepath.Join(directory, "absolute.sqlite"),
		"absolute after two slashes": "//" + filepath.Join(directory, "slashes.sqlite"),
		"with blanks and percent":    filepath.Join(directory, "my file 100%25.sqlite"),
	} {
		t.Run(name, func(t *testing.T) {
			put(t, open(t, "sqlite:"+path, store.Options{CreateTable: true}), jane())
			if _, err := os.Stat(strings.TrimPrefix(path, "//")); err != nil {
				t.Errorf("the file is elsewhere: %v", err)
			}
		})
	}
}

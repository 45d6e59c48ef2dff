package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/settings/mounttest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/user"
)

// A changed mapping file is in force without a restart, and a sweep writes the rows that differ by it. A file with faults, or
// one that the table does not fit, keeps the old one.
func TestReload_TableConfig(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t, strings.Replace(storetest.SQLiteTable, "phone text", "mobile text, plan text", 1)))
	file := filepath.Join(t.TempDir(), "table.yaml")
	ok(t, mounttest.ReplaceFile(file, "columns: {phone: null}\n"))
	s.start("FITUSER_TABLE_CONFIG="+file, "FITUSER_SYNC_PERIOD=1h")
	id := s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane", Phone: "+15550100", PublicMetadata: clerktest.Metadata{"plan": "gold"}})
	s.deliver()
	s.eventually("the user is synced", s.synced)
	if number := s.table.Query("SELECT mobile FROM users")[0]["mobile"]; number != nil {
		t.Errorf("a column that is not mapped was written: %v", number)
	}
	for number, test := range []struct{ config, want string }{
		{"\ncolumns: {phnoe: mobile}\n", `line 2: columns.phnoe: no such field: did you mean phone?`},
		{"columns: {phone: telephone}\n", "missing columns: telephone"},
	} {
		ok(t, mounttest.ReplaceFile(file, test.config))
		s.eventually("the mapping is refused: "+test.want, func() error {
			if log := s.logged(); !strings.Contains(log, test.want) || strings.Count(log, "Changed setting refused") != number+1 {
				return errors.New("not yet")
			}
			return nil
		})
	}
	ok(t, mounttest.ReplaceFile(file, "columns:\n  phone: mobile\nextra: [{column: plan, from: publicMetadata.plan}]\n"))
	s.eventually("the row has the number and the plan", func() error {
		if row := s.table.Row(user.ID(id)); row["mobile"] != "+15550100" || row["plan"] != "gold" {
			return fmt.Errorf("the row has %v, %v", row["mobile"], row["plan"])
		}
		return nil
	})
	s.stop()
	for _, command := range []string{"status", "plan", "why " + id} {
		for _, settings := range [][]string{s.settings, append(slices.Clone(s.settings), "FITUSER_TABLE_CONFIG="+file)} {
			printed, err := s.tryCommand(settings, strings.Fields(command)...)
			if mismatch := strings.Contains(printed+fmt.Sprint(err), "missing columns: phone"); mismatch == (len(settings) > len(s.settings)) {
				t.Errorf("manager %s, %d settings: %v\n%s", command, len(settings), err, printed)
			}
		}
	}
}

// The command needs the database and the mapping file only. Its exit code is 2 where the table differs.
func TestTableCommand(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "table.yaml")
	ok(t, os.WriteFile(file, []byte("table: members\nkey: {column: clerk_id}\ntimes: seconds\n"), 0o600))
	members := storetest.SQLite(t, strings.NewReplacer("TABLE users", "TABLE members", "id text", "clerk_id text").Replace(storetest.SQLiteTable))
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		// exit is the exit code; printed and failure are parts of the output and of the error.
		exit             int
		printed, failure string
	}{
		"fits":          {env: map[string]string{"DATABASE_URL": storetest.SQLite(t)}, printed: "The table is as the mapping has it.\n"},
		"fits the file": {env: map[string]string{"DATABASE_URL": members}, args: []string{"--table-config=" + file}, printed: "MAPPING in force, from " + file},
		"differs":       {env: map[string]string{"DATABASE_URL": members}, exit: 2, printed: "PROPOSAL for the table members."},
		"differs, JSON": {env: map[string]string{"DATABASE_URL": members}, args: []string{"-o", "json"}, exit: 2, printed: `"table": "members"`},
		"no database":   {exit: 1, failure: "DATABASE_URL is not set"},
		"no file":       {env: map[string]string{"DATABASE_URL": members}, args: []string{"--table-config=/absent.yaml"}, exit: 1, failure: "--table-config: open /absent.yaml: "},
		"wrong file": {
			env:  map[string]string{"DATABASE_URL": members, "FITUSER_ROLES": "boss,client", "FITUSER_PROTECTED_ROLE": "boss", "FITUSER_TABLE_CONFIG": writeFile(t, "roles: {admin: ADMIN}")},
			exit: 1, failure: "line 1: roles.admin: no such role: want one of boss, client; --roles lists them",
		},
		"no answer": {env: map[string]string{"DATABASE_URL": "sqlite:/absent/users.db"}, exit: 1, failure: "the database is unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := run(t.Context(), append([]string{"table"}, test.args...), environmentOf(test.env), &out, io.Discard)
			exit, text := 0, ""
			if status, differs := errors.AsType[statusError](err); differs {
				exit = int(status)
			} else if err != nil {
				exit, text = 1, err.Error()
			}
			if exit != test.exit || !strings.Contains(out.String(), test.printed) || !strings.Contains(text, test.failure) {
				t.Errorf("exit code %d, want %d; error %v; printed:\n%s", exit, test.exit, err, out.String())
			}
		})
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

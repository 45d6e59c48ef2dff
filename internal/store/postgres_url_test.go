package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

func TestPostgres_ParametersOfOtherClients(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	for _, parameters := range []string{
		"schema=public", "pgbouncer=true&connection_limit=1", "pool_timeout=10&socket_timeout=5&statement_cache_size=0",
		"sslmode=prefer&sslaccept=accept_invalid_certs", "keepalives=1&gssencmode=disable", "schema=public&pgbouncer=true&connection_limit=5",
		"application_name=mine&options=-c%20geqo%3Doff", "prepareThreshold=0",
	} {
		t.Run(parameters, func(t *testing.T) {
			t.Parallel()
			put(t, open(t, databaseURL+"&"+parameters, store.Options{}), jane())
		})
	}
}

func TestPostgres_ParameterIsNamed(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	empty, text := filepath.Join(directory, "empty.crt"), filepath.Join(directory, "text.crt")
	if err := errorsOf(os.WriteFile(empty, nil, 0o600), os.WriteFile(text, []byte("hello"), 0o600)); err != nil {
		t.Fatal(err)
	}
	const modes = "the parameter sslmode of the database URL must be one of disable, allow, prefer, require, verify-ca, verify-full, with hyphens"
	for parameters, want := range map[string]string{
		"sslmode=verify_full":      modes,
		"sslmode=canary":           modes,
		"sslrootcert=/nowhere/ca":  "the parameter sslrootcert of the database URL names the file /nowhere/ca, which does not exist",
		"sslrootcert=" + directory: "the parameter sslrootcert of the database URL names the file " + directory + ", which cannot be read",
		"sslrootcert=" + empty:     "the parameter sslrootcert of the database URL names the file " + empty + ", which is empty",
		"sslcert=" + text:          "the parameter sslcert of the database URL names the file " + text + ", which is not in PEM format",
		"sslkey=/nowhere/key":      "the parameter sslkey of the database URL names the file /nowhere/key, which does not exist",
		"sslaccept=strict":         "the parameter sslaccept of the database URL is Prisma's own: use sslmode=verify-full, or sslmode=require for a certificate that is not checked",
		"ssl=true":                 "the parameter ssl of the database URL is not one of PostgreSQL's own: use sslmode=verify-full, or sslmode=require for a certificate that is not checked",
		"connection_limit=canary":  "the parameter connection_limit of the database URL must be a number of connections, 1 or more",
		"connection_limit=0":       "the parameter connection_limit of the database URL must be a number of connections, 1 or more",
		"schema=":                  "the parameter schema of the database URL must name one schema, without search_path beside it",
		"schema=a&search_path=b":   "the parameter schema of the database URL must name one schema, without search_path beside it",
	} {
		if _, err := store.Open("postgres://canary:canary@canary/canary?"+parameters, store.Options{}); err == nil || err.Error() != want {
			t.Errorf("%s: got error %v, want %s", parameters, err, want)
		}
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Only the server knows all of its parameters.
func TestPostgres_ParameterThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	for parameters, name := range map[string]string{
		"connectionlimit=3":                 "connectionlimit",
		"application_name=canary&charset=x": "charset",
		"statement_timeout=canary":          "statement_timeout",
		"log_statement=all&role=canary":     "role",
		"options=-c%20canary%3Don":          "options",
	} {
		db := open(t, databaseURL+"&"+parameters, store.Options{})
		wantProblems(t, db, "the parameter "+name+" of the database URL is unknown to the server, or has a value that it does not take: correct or remove it")
	}
}

func TestPostgres_Schema(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t, `CREATE SCHEMA "My App"`, strings.Replace(storetest.PostgresTable, "users", `"My App".users`, 1))
	put(t, open(t, databaseURL+"&schema=My%20App", store.Options{}), jane())
	if rows := storetest.OpenRaw(t, databaseURL).Query(`SELECT id FROM "My App".users`); len(rows) != 1 {
		t.Errorf("%d rows", len(rows))
	}
	wantProblems(t, open(t, databaseURL+"&schema=public", store.Options{}),
		"there is no table users in the schemas of search_path (public)")
}

// PgBouncer refuses most settings at the start of a connection.
func TestPostgres_SchemaBehindAPooler(t *testing.T) {
	t.Parallel()
	refusing := &pooler{refused: []string{"statement_timeout", "search_path", "work_mem"}}
	behind := refusing.listen(t, server.URL(t, "CREATE SCHEMA app", strings.Replace(storetest.PostgresTable, "users", "app.users", 1), storetest.PostgresTable))
	put(t, open(t, behind+"&schema=public&pgbouncer=true", store.Options{}), jane())
	wantProblems(t, open(t, behind+"&schema=app", store.Options{}),
		"the pooler does not take the parameter schema of the database URL: name the schema in the mapping file (table: schema.name)")
	wantProblems(t, open(t, behind+"&work_mem=8MB", store.Options{}),
		"the parameter work_mem of the database URL is unknown to the server, or has a value that it does not take: correct or remove it")
}

func TestPostgres_ConnectionLimitOfTheURL(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	raw.Exec("CREATE ROLE single LOGIN CONNECTION LIMIT 1") // a second connection is refused
	raw.Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON users TO single")
	db := open(t, server.As(t, databaseURL+"&connection_limit=1", "single"), store.Options{})
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := storetest.Put(t.Context(), db, jane(), nil); err != nil {
				t.Errorf("Put: %v", err)
			}
		})
	}
	all.Wait()
}

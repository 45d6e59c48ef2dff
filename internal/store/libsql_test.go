package store_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/store/storetest/hrana"
	"github.com/fitai/fituser-operator/internal/user"
)

// openLibSQL returns a store on a server with FitAI's table, and the server.
func openLibSQL(t *testing.T, options hrana.Options, ddl ...string) (*store.DB, *storetest.Raw, *hrana.Server) {
	t.Helper()
	databaseURL, server := storetest.LibSQL(t, options, ddl...)
	db := open(t, databaseURL, store.Options{StatementTimeout: 30 * time.Second})
	return db, storetest.OpenRaw(t, databaseURL), server
}

func putJane(t *testing.T, db *store.DB, email string, moves ...store.Move) error {
	t.Helper()
	row := jane()
	row.Email = email
	_, err := db.Put(t.Context(), row, moves)
	return err
}

func TestLibSQL_WrongTokenIsForbidden(t *testing.T) {
	t.Parallel()
	databaseURL, _ := storetest.LibSQL(t, hrana.Options{})
	withoutToken, _, _ := strings.Cut(databaseURL, "&authToken=")
	for name, other := range map[string]string{"wrong": databaseURL + "-wrong", "missing": withoutToken} {
		t.Run(name, func(t *testing.T) {
			err := open(t, other, store.Options{}).Check(t.Context())
			wantError(t, err, store.ErrForbidden)
			if want := "the token is missing, wrong or expired, or only reads (HTTP status 401)"; !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want %q", err, want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
}

func TestLibSQL_FaultsEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault hrana.Fault
		want  string
	}{
		"a proxy without a server": {hrana.Unavailable, "the server failed (HTTP status 503)"},
		"a redirect":               {hrana.Moved, "the address leads to another one, or to no libSQL server (HTTP status 307)"},
		"half an answer":           {hrana.CutOff, "the connection failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, raw, server := openLibSQL(t, hrana.Options{})
			server.SetFaults(func(hrana.Request) hrana.Fault { return test.fault })
			err := putJane(t, db, "jane@x")
			wantError(t, err, store.ErrUnavailable)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
			server.SetFaults(nil)
			server.ExpireStreams() // a transaction whose answer was lost holds the write lock until then
			if err := putJane(t, db, "jane@x"); err != nil {
				t.Fatal(err)
			}
			if got := raw.Column(jane().ID, "email"); got != "jane@x" {
				t.Errorf("the address is %v", got)
			}
		})
	}
}

// first returns a hook that makes the first requests with the text in a statement meet the fault.
func first(n int, text string, fault hrana.Fault) func(hrana.Request) hrana.Fault {
	return func(r hrana.Request) hrana.Fault {
		if n > 0 && strings.Contains(strings.Join(r.SQL, "\n"), text) {
			n--
			return fault
		}
		return hrana.NoFault
	}
}

func TestLibSQL_LostTransactionsAndBusyDatabasesAreRetried(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(hrana.Request) hrana.Fault{
		"busy":                          first(3, "BEGIN", hrana.Busy),
		"a stream lost in the middle":   first(2, "UPDATE", hrana.Expired),
		"a stream lost before a commit": first(1, "COMMIT", hrana.Expired),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, raw, server := openLibSQL(t, hrana.Options{})
			for id, email := range map[user.ID]string{jane().ID: "old@x", "user_john": "jane@x"} {
				row := jane()
				row.ID, row.Email = id, email
				put(t, db, row)
			}
			server.SetFaults(hook)
			if err := putJane(t, db, "jane@x", store.Move{ID: "user_john", From: "jane@x", To: "old@x"}); err != nil {
				t.Fatal(err)
			}
			if got := raw.Column("user_john", "email"); got != "old@x" {
				t.Errorf("the other row's address is %v", got)
			}
		})
	}
}

func TestLibSQL_NamesOfConstraints(t *testing.T) {
	t.Parallel()
	table := strings.NewReplacer("phone text", "phone text CHECK (phone <> '13')", "role text", "role text UNIQUE").
		Replace(storetest.SQLiteTable)
	for name, options := range map[string]hrana.Options{
		"primary codes": {}, "extended codes": {ExtendedCodes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, raw, _ := openLibSQL(t, options, table, "CREATE TABLE kept (author text REFERENCES users (id))")
			john := jane()
			john.ID, john.Email, john.Phone, john.Role = "user_john", "john@x", "1", user.Admin
			put(t, db, john)
			raw.Exec("INSERT INTO kept VALUES ('user_john')")

			row := jane()
			row.Phone = "13"
			_, err := db.Put(t.Context(), row, nil)
			wantError(t, err, store.ErrInvalidData)
			if want := "phone <> '13', libSQL code"; !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want %q", err, want)
			}
			row.Phone, row.Role = "1", user.Admin
			_, err = db.Put(t.Context(), row, nil)
			wantError(t, err, store.ErrInvalidData)
			if want := "users.role"; !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want %q", err, want)
			}
			row.Email = "john@x"
			_, err = db.Put(t.Context(), row, nil)
			if taken := new(store.EmailTakenError); !errors.As(err, &taken) {
				t.Errorf("got error %v, want one about the address", err)
			}
			_, err = db.Delete(t.Context(), "user_john")
			wantError(t, err, store.ErrRowInUse)
		})
	}
}

func TestLibSQL_DeletionsCascadeWhereTheServerLeavesForeignKeysOff(t *testing.T) {
	t.Parallel()
	db, raw, _ := openLibSQL(t, hrana.Options{NoForeignKeys: true}, storetest.SQLiteTable,
		"CREATE TABLE posts (author text REFERENCES users (id) ON DELETE CASCADE)")
	put(t, db, jane())
	raw.Exec("INSERT INTO posts VALUES ($1)", string(jane().ID))
	if removed, err := db.Delete(t.Context(), jane().ID); !removed || err != nil {
		t.Fatalf("removed: %v, error %v", removed, err)
	}
	if left := raw.Query("SELECT author FROM posts"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestLibSQL_UntrustedCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	err := open(t, strings.Replace(server.URL, "https://", "libsql://", 1), store.Options{}).Check(t.Context())
	wantError(t, err, store.ErrUnavailable)
	if want := "its TLS certificate is not trusted"; !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestLibSQL_InsecureTransport(t *testing.T) {
	t.Parallel()
	for databaseURL, want := range map[string]bool{
		"libsql://db.example.com?authToken=t":         false,
		"https://db.example.com":                      false,
		"libsql://127.0.0.1:8080?tls=0":               false,
		"libsql://[::1]:8080?tls=0":                   false,
		"http://localhost:8080":                       false,
		"http://sqld:8080":                            true,
		"libsql://10.0.0.7:8080?tls=0&authToken=t":    true,
		"libsql://db.example.com?tls=0":               false, // not accepted
		"libsql://db.example.com:8080?tls=0&schema=x": false, // not accepted
	} {
		if got := store.InsecureTransport(databaseURL); got != want {
			t.Errorf("%s: %v", databaseURL, got)
		}
	}
}

func TestLibSQL_URLErrors(t *testing.T) {
	t.Parallel()
	for databaseURL, want := range map[string]string{
		"libsql://host?authToken=canary&schema=canary": "parameter schema that is not known",
		"libsql://user:canary@host":                    "a user or password",
	} {
		_, err := store.Open(databaseURL, store.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

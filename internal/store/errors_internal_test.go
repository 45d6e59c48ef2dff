package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	codes "modernc.org/sqlite/lib"
)

func TestClassifyPostgres_Codes(t *testing.T) {
	t.Parallel()
	for class, codes := range map[error][]string{
		errUnique:      {"23505"},
		errRefused:     {"23503", "23001"},
		ErrTrigger:     {"P0001", "P0004"},
		errStale:       {"42P01", "42703", "42804", "42P10", "42883"},
		ErrInvalidData: {"22021", "22P05", "22001", "22P02", "22003", "23502", "23514", "44000", "54000"},
		ErrUnavailable: {
			"08000", "08003", "08006", "08P01", "3D000", "40001", "40P01", "53300", "53200", "55P03", "57014",
			"57P01", "57P02", "57P03", "", "?", "99999",
		},
		ErrReadOnly:  {"25006"},
		ErrForbidden: {"28000", "28P01", "42501"},
		ErrStorage:   {"53100", "58030", "XX001", "XX002"},
	} {
		for _, code := range codes {
			got := classifyPostgres(fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code, Message: "canary", Detail: "canary"}))
			if !errors.Is(got, class) {
				t.Errorf("%s is %v, want %v", code, got.Class, class)
			}
		}
	}
}

func TestSQLiteRefusal_Codes(t *testing.T) {
	t.Parallel()
	for class, codes := range map[error][]int{
		errUnique:  {codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_PRIMARYKEY},
		errRefused: {codes.SQLITE_CONSTRAINT_FOREIGNKEY},
		ErrTrigger: {codes.SQLITE_CONSTRAINT_TRIGGER},
		errStale:   {codes.SQLITE_ERROR, codes.SQLITE_SCHEMA},
		ErrInvalidData: {
			codes.SQLITE_CONSTRAINT_CHECK, codes.SQLITE_CONSTRAINT_NOTNULL, codes.SQLITE_CONSTRAINT_DATATYPE,
			codes.SQLITE_TOOBIG, codes.SQLITE_MISMATCH,
		},
		ErrUnavailable: {
			codes.SQLITE_BUSY, codes.SQLITE_BUSY_SNAPSHOT, codes.SQLITE_LOCKED, codes.SQLITE_PROTOCOL,
			codes.SQLITE_INTERRUPT, codes.SQLITE_CANTOPEN, codes.SQLITE_NOMEM, 9999,
		},
		ErrReadOnly:  {codes.SQLITE_READONLY, codes.SQLITE_READONLY_DBMOVED, codes.SQLITE_READONLY_DIRECTORY},
		ErrForbidden: {codes.SQLITE_PERM, codes.SQLITE_AUTH},
		ErrStorage: {
			codes.SQLITE_FULL, codes.SQLITE_IOERR, codes.SQLITE_IOERR_FSYNC, codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB,
		},
	} {
		for _, code := range codes {
			if got := sqliteRefusal(code); !errors.Is(&got, class) {
				t.Errorf("%d is %v, want %v", code, got.Class, class)
			}
		}
	}
}

// SQLite cannot lock a file on a network volume, and its code alone helps nobody.
func TestSQLiteRefusal_NetworkVolume(t *testing.T) {
	t.Parallel()
	if refusal := sqliteRefusal(codes.SQLITE_PROTOCOL); !strings.Contains(refusal.Error(), "the file cannot be locked, as on a network volume") {
		t.Errorf("got %v", refusal.Error())
	}
}

// With log_parameter_max_length_on_error, the server describes the parameters of every statement, inside a function or not.
func TestClassifyPostgres_ErrorsInsideFunctions(t *testing.T) {
	t.Parallel()
	const function = "PL/pgSQL function app.guard() line 3 at SQL statement"
	for name, test := range map[string]struct {
		code, where string
		class       error
		name        string
	}{
		"a privilege inside":          {"42501", function, ErrTrigger, "app.guard"},
		"a privilege outside":         {"42501", "", ErrForbidden, ""},
		"a privilege with parameters": {"42501", "unnamed portal with parameters: $1 = 'PL/pgSQL function canary'", ErrForbidden, ""},
		"parameters with lines":       {"42501", "unnamed portal with parameters: $1 = 'a\nPL/pgSQL function canary()'", ErrForbidden, ""},
		"inside with parameters":      {"42501", function + "\nunnamed portal with parameters: $1 = 'a\nPL/pgSQL function canary()'", ErrTrigger, "app.guard"},
		"a parameter":                 {"22P02", "unnamed portal parameter $6", ErrInvalidData, ""},
		"a parameter in German":       {"22P02", "Parameter $6 von unbenanntem Portal", ErrInvalidData, ""},
		"an index":                    {"54000", "while inserting index tuple (0,1) in relation \"users_email_key\"", ErrInvalidData, ""},
		"in French":                   {"42501", "fonction PL/pgSQL guard(), ligne 3, à RAISE", ErrTrigger, ""},
		"both":                        {"42P01", "SQL statement \"INSERT INTO audit VALUES ('canary')\"\n" + function, ErrTrigger, "app.guard"},
		"another language":            {"22001", "PL/pgSQL-Funktion guard() Zeile 3 bei RAISE", ErrTrigger, ""},
		"a deadlock inside":           {"40P01", function, ErrUnavailable, ""},
		"a full disk inside":          {"53100", function, ErrStorage, ""},
		"a read-only server inside":   {"25006", function, ErrReadOnly, ""},
	} {
		got := classifyPostgres(&pgconn.PgError{Code: test.code, Where: test.where})
		if got.Class != test.class || got.Name != test.name || strings.Contains(got.Error(), "canary") { //nolint:errorlint // the class itself
			t.Errorf("%s: got %v with the name %q", name, got, got.Name)
		}
	}
}

func TestNetworkCause_IsStable(t *testing.T) {
	t.Parallel()
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{Port: 54321}, Err: err}
	}
	for want, err := range map[string]error{
		"connection refused":                 dial(syscall.ECONNREFUSED),
		"its host name cannot be resolved":   dial(&net.DNSError{Name: "db.canary", Err: "no such host", IsNotFound: true}),
		"its TLS certificate is not trusted": &tls.CertificateVerificationError{Err: errors.New("canary")},
		"no answer in time":                  dial(timeout{}),
		"the connection failed":              io.ErrUnexpectedEOF,
	} {
		if got := networkCause(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

type timeout struct{}

func (timeout) Error() string   { return "canary" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestClassify_ErrorTexts(t *testing.T) {
	t.Parallel()
	db := &DB{dialect: postgres(), timeout: 10 * time.Second}
	for want, err := range map[string]error{
		"the database is unavailable: no answer within 10s":                    context.DeadlineExceeded,
		"the database is unavailable: deadlock (SQLSTATE 40P01)":               &pgconn.PgError{Code: "40P01"},
		"the database cannot hold a value of this row (phone, SQLSTATE 23502)": &pgconn.PgError{Code: "23502", ColumnName: "phone"},
		"the database is read-only (SQLSTATE 25006)":                           &pgconn.PgError{Code: "25006"},
		"the e-mail address of user_a is held by the row user_b":               &EmailTakenError{ID: "user_a", Holder: Holder{Key: "user_b"}},
		"the users table cannot be used: one; two":                             &SchemaError{Problems: []string{"one", "two"}},
	} {
		if got := db.classify(err).Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Every answer of the database has a class, and the error repeats no text about the row.
func FuzzClassify_Postgres(f *testing.F) {
	for _, code := range []string{"", "?", "23505", "40P01", "25006", "99999", "22021", "\x00\x00\x00\x00\x00", "23"} {
		f.Add(code, "Key (email)=(jane@example.com) already exists.", "users_email_unique")
	}
	db := &DB{dialect: postgres(), timeout: time.Second}
	f.Fuzz(func(t *testing.T, code, text, constraint string) {
		err := db.classify(fmt.Errorf("wrapped: %w", &pgconn.PgError{
			Code: code, Message: text, Detail: text, Hint: text, Where: text, ConstraintName: constraint,
		}))
		checkRefusal(t, err)
		if len(text) > 20 && !strings.Contains(code+constraint, text) && strings.Contains(err.Error(), text) {
			t.Errorf("%v repeats %q", err, text)
		}
	})
}

func FuzzSQLiteRefusal(f *testing.F) {
	for _, code := range []int{0, -1, codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_BUSY_SNAPSHOT, codes.SQLITE_FULL, 1 << 40} {
		f.Add(code)
	}
	f.Fuzz(func(t *testing.T, code int) {
		refusal := sqliteRefusal(code)
		checkRefusal(t, &refusal)
	})
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%v has no class", err)
	}
	classes := []error{
		ErrInvalidData, ErrTrigger, ErrUnavailable, ErrReadOnly, ErrForbidden, ErrStorage, errUnique, errRefused, errStale,
	}
	if !slices.Contains(classes, refusal.Class) {
		t.Errorf("%v has the class %v", err, refusal.Class)
	}
	if refusal.retry && !errors.Is(refusal, ErrUnavailable) {
		t.Errorf("%v would be retried immediately", err)
	}
}

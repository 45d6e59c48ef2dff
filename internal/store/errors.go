package store

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/fitai/fituser-operator/internal/user"
)

// The classes of errors. They differ in what has to change before a retry can succeed. All except [ErrNotFound] and
// [ErrConflict] are wrapped in an [*Error] that has the driver's code.
var (
	// ErrNotFound means that no row has this id.
	ErrNotFound = errors.New("the users table has no such row")
	// ErrConflict means that a row is not as the caller read it. The caller must read it again and decide again.
	ErrConflict = errors.New("the row was changed concurrently")
	// ErrKeyTaken is an [ErrConflict]: another row has the key.
	ErrKeyTaken = fmt.Errorf("another row has the key: %w", ErrConflict)

	// ErrInvalidData means that the database cannot hold one of this row's values. A retry with the same value fails.
	ErrInvalidData = errors.New("the database cannot hold a value of this row")
	// ErrRowInUse means that other rows refer to the row, or that a trigger or policy of the application keeps it. The cause
	// distinguishes them.
	ErrRowInUse = errors.New("the application's schema keeps this row")
	// ErrTrigger means that a trigger, function, rule or policy of the application refuses this write, drops it, or fails. A
	// person must change it, or the row's values.
	ErrTrigger = errors.New("a trigger, function or policy of the application refuses the write, or fails")

	// ErrUnavailable means that the database did not answer in time or asked to retry later. A write may or may not have
	// taken effect; all calls may be repeated.
	ErrUnavailable = errors.New("the database is unavailable")
	// ErrReadOnly means that the database accepts no writes, such as a standby after a failover. The next call uses a new
	// connection.
	ErrReadOnly = errors.New("the database is read-only")
	// ErrForbidden means that the database refuses the login, or that the login lacks the privilege for the statement.
	ErrForbidden = errors.New("the database refuses access")
	// ErrStorage means that the disk is full or broken, or that the file is not a database.
	ErrStorage = errors.New("the database's storage is full or damaged")

	// errFenced means that [Options.BeforeWrite] forbade a write. It wraps the error of BeforeWrite.
	errFenced = errors.New("writes are fenced")

	// These never leave the package: their meaning depends on the statement and on a new check of the schema.
	errUnique  = errors.New("a unique index refuses the row")
	errRefused = errors.New("a foreign key refuses the statement")
	errStale   = errors.New("the statement refers to something that the database does not have")
)

// Error is a database's refusal without any value of a row.
type Error struct {
	// Class is one of the Err… variables.
	Class error
	// Code is the driver's code: "SQLSTATE 23514", "SQLite code 275". It is empty when no database answered.
	Code string
	// Name is the constraint, column or function that the database reports; often empty.
	Name string
	// Table is the table whose constraint refused; often empty.
	Table string
	// Cause describes the failure, such as "connection refused".
	Cause string

	// retry is true when the same statement or transaction is expected to succeed on a retry.
	retry bool
	// raised is true when a trigger or function of the application refuses on purpose.
	raised bool
}

func (e *Error) Error() string {
	text := e.Class.Error()
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	var details []string
	for _, detail := range []string{e.Name, e.Code} {
		if detail != "" {
			details = append(details, detail)
		}
	}
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	return text
}

// Unwrap returns the class.
func (e *Error) Unwrap() error { return e.Class }

// as returns the same refusal with another class.
func (e *Error) as(class error) *Error {
	same := *e
	same.Class = class
	return &same
}

// EmailTakenError means that a row outside the call holds an address.
type EmailTakenError struct {
	// ID is the user in the call whose address it should be.
	ID user.ID
	// Holder is the row that holds the address. The application's own rows may have keys that are not Clerk's.
	Holder Holder
}

func (e *EmailTakenError) Error() string {
	return fmt.Sprintf("the e-mail address of %s is held by the row %s", e.ID, e.Holder)
}

// CannotRekeyError means that a row cannot get another key, because other tables refer to it and would not follow.
type CannotRekeyError struct {
	// Tables are those tables.
	Tables []string
}

func (e *CannotRekeyError) Error() string {
	return "the key of the row cannot change: these tables refer to it without ON UPDATE CASCADE: " + strings.Join(e.Tables, ", ")
}

// SchemaError lists all reasons why the table cannot be used. Each names the table's property and what is required
// instead.
type SchemaError struct {
	Problems []string
	// Missing is true when there is no such table. NextStep is what to do then.
	Missing  bool
	NextStep string
}

func (e *SchemaError) Error() string {
	text := "the users table cannot be used: " + strings.Join(e.Problems, "; ")
	if e.NextStep != "" {
		text += "; " + e.NextStep
	}
	return text
}

// classify converts an error of database/sql or a driver into the package's errors. It keeps no text of err.
func (db *DB) classify(err error) error {
	var taken *EmailTakenError
	var kept *CannotRekeyError
	var schema *SchemaError
	var classified *Error
	switch {
	case err == nil, errors.As(err, &taken), errors.As(err, &kept), errors.As(err, &schema), errors.As(err, &classified),
		errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound), errors.Is(err, errProbe), errors.Is(err, errFenced):
		return err
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Error{Class: ErrUnavailable, Cause: fmt.Sprintf("no answer within %s", db.timeout)}
	}
	if refusal := db.dialect.classify(err); refusal != nil {
		return refusal
	}
	return &Error{Class: ErrUnavailable, Cause: networkCause(err)}
}

// networkCause returns why the database did not answer. The text is the same for every retry: addresses and ports would
// change the status each time.
func networkCause(err error) string {
	var number syscall.Errno
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &lookup):
		return "its host name cannot be resolved"
	case errors.As(err, &certificate):
		return "its TLS certificate is not trusted"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	default:
		return "the connection failed"
	}
}

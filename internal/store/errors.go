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

// What can be wrong, by who has to do something about it. All but [ErrNotFound] and [ErrConflict] come as an [*Error]
// that also carries the driver's code.
var (
	// ErrNotFound says that there is no row with this id.
	ErrNotFound = errors.New("the users table has no such row")
	// ErrConflict says that a row is no longer as the caller read it: read again, decide again.
	ErrConflict = errors.New("the row was changed by somebody else meanwhile")

	// ErrInvalidData says that the database cannot hold one of this row's values. Only another value helps.
	ErrInvalidData = errors.New("the database cannot hold a value of this row")
	// ErrRowInUse says that other rows refer to the row, or that a trigger of the application keeps it.
	ErrRowInUse = errors.New("the application's schema keeps this row: other rows refer to it")

	// ErrUnavailable says that the database did not answer, or not in time, or asked to try again later. Whether a
	// write took place is not known; all calls may be repeated.
	ErrUnavailable = errors.New("the database is unavailable")
	// ErrReadOnly says that the database takes no writes, such as a standby after a failover. The next call connects
	// anew.
	ErrReadOnly = errors.New("the database is read-only")
	// ErrForbidden says that the database refuses the login, or refuses the statement to it.
	ErrForbidden = errors.New("the database refuses access")
	// ErrStorage says that the disk is full or broken, or that the file is no database.
	ErrStorage = errors.New("the database's storage is full or damaged")

	// errHeldBack says that [Options.BeforeWrite] forbade a write. What that said comes with it.
	errHeldBack = errors.New("held back")

	// These never leave the package: what they mean depends on the statement, and on another look at the catalogs.
	errUnique  = errors.New("a unique index refuses the row")
	errRefused = errors.New("a foreign key or trigger refuses the statement")
	errStale   = errors.New("the database does not know what the statement names")
)

// Error is a database's refusal, reduced to what holds no value of a row.
type Error struct {
	// Class is one of the Err… variables.
	Class error
	// Code is the driver's own: "SQLSTATE 23514", "SQLite code 275". Empty when no database answered.
	Code string
	// Name is the constraint or column that the database names; often empty.
	Name string
	// Cause is what happened in place of an answer, such as "connection refused".
	Cause string

	// retry says that the same statement or transaction is expected to succeed if it is simply repeated.
	retry bool
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

// as returns the same refusal in another class.
func (e *Error) as(class error) *Error {
	same := *e
	same.Class = class
	return &same
}

// EmailTakenError says that an address is held by a row that was no part of the call.
type EmailTakenError struct {
	// ID is the user, of the call, who wants the address.
	ID user.ID
	// Holder is the id of the row that holds it, as it stands in the table: the application's own rows may have ids
	// that are not Clerk's.
	Holder user.ID
}

func (e *EmailTakenError) Error() string {
	return fmt.Sprintf("the e-mail address of %s is held by the row %s", e.ID, e.Holder)
}

// SchemaError says why the table cannot be used: all reasons at once, each a clause that names the thing and what is
// wanted instead.
type SchemaError struct {
	Problems []string
}

func (e *SchemaError) Error() string {
	return "the users table cannot be used: " + strings.Join(e.Problems, "; ")
}

// classify turns what database/sql or a driver returned into the package's errors. Nothing of err's text is kept.
func (db *DB) classify(err error) error {
	var taken *EmailTakenError
	var schema *SchemaError
	var ours *Error
	switch {
	case err == nil, errors.As(err, &taken), errors.As(err, &schema), errors.As(err, &ours),
		errors.Is(err, ErrConflict), errors.Is(err, errRehearsed), errors.Is(err, errHeldBack):
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

// networkCause says why there was no answer in words that are the same at the next attempt: addresses and ports would
// make a status change with every retry.
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

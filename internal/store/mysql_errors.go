package store

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// classifyMySQL drops the message, which repeats values, except for the name of a column or constraint.
func classifyMySQL(err error) *Error {
	var answer *mysql.MySQLError
	switch {
	case errors.As(err, &answer):
		refusal := mysqlRefusal(answer.Number, string(answer.SQLState[:]))
		refusal.Code = fmt.Sprintf("MySQL error %d", answer.Number)
		refusal.Name = mysqlName(answer)
		return &refusal
	case errors.Is(err, mysql.ErrNoTLS):
		return &Error{Class: ErrUnavailable, Cause: "it does not offer TLS, which the URL requires"}
	case errors.Is(err, mysql.ErrPktTooLarge):
		return &Error{Class: ErrInvalidData, Cause: "a text is too long for one statement"}
	case errors.Is(err, mysql.ErrUnknownPlugin), errors.Is(err, mysql.ErrCleartextPassword),
		errors.Is(err, mysql.ErrNativePassword), errors.Is(err, mysql.ErrOldPassword):
		return &Error{Class: ErrForbidden, Cause: "the login uses a method that is not supported; caching_sha2_password is"}
	default:
		return nil
	}
}

// stateSignal is the SQLSTATE of a SIGNAL in a trigger of the application. Its number and message are the application's.
const stateSignal = "45000"

// mysqlRefusal follows the error references of MySQL 8 and MariaDB: by number for the listed numbers, by the class of the
// SQLSTATE (its first two characters) for the others. The servers share the numbers below 1900.
func mysqlRefusal(number uint16, state string) Error {
	byNumber := map[uint16]Error{
		1020: {Class: ErrUnavailable, Cause: "concurrent transactions", retry: true},
		1021: {Class: ErrStorage, Cause: "the disk is full"},
		1022: {Class: errUnique},
		1026: {Class: ErrStorage, Cause: "the disk cannot be read or written"},
		1030: {Class: ErrStorage},
		1034: {Class: ErrStorage, Cause: "the table is damaged"},
		1040: {Class: ErrUnavailable, Cause: "too many connections"},
		1044: {Class: ErrForbidden, Cause: "the login may not use this database"},
		1045: {Class: ErrForbidden, Cause: "the user or the password is wrong"},
		1047: {Class: ErrUnavailable, Cause: "it is not part of its cluster"},
		1049: {Class: ErrUnavailable, Cause: "it does not exist"},
		1053: {Class: ErrUnavailable, Cause: "it is starting or shutting down"},
		1062: {Class: errUnique},
		1114: {Class: ErrStorage, Cause: "the table is full"},
		1118: {Class: ErrInvalidData, Cause: "the row is too long"},
		1129: {Class: ErrUnavailable, Cause: "it blocks this host after too many failed connections"},
		1130: {Class: ErrForbidden, Cause: "the login is not allowed from this host"},
		1142: {Class: ErrForbidden},
		1143: {Class: ErrForbidden},
		1153: {Class: ErrInvalidData, Cause: "a text is too long for one statement"},
		1194: {Class: ErrStorage, Cause: "the table is damaged"},
		1203: {Class: ErrUnavailable, Cause: "too many connections"},
		1205: {Class: ErrUnavailable, Cause: "another transaction holds the row"},
		1213: {Class: ErrUnavailable, Cause: "deadlock", retry: true},
		1216: {Class: errRefused},
		1217: {Class: errRefused},
		1226: {Class: ErrUnavailable, Cause: "a limit of the login is reached"},
		1227: {Class: ErrForbidden},
		1264: {Class: ErrInvalidData, Cause: "a number is out of the column's range"},
		1265: {Class: ErrInvalidData, Cause: "a column's type does not allow the value"},
		1267: {Class: errStale}, // collations that do not mix
		1290: {Class: ErrReadOnly},
		1292: {Class: ErrInvalidData, Cause: "a column's type does not allow the value"},
		1305: {Class: ErrTrigger}, // a trigger calls what does not exist
		1317: {Class: ErrUnavailable, Cause: "the statement was cancelled"},
		1364: {Class: errStale}, // a new column that is required
		1366: {Class: ErrInvalidData, Cause: "a column's character set or type does not allow the value"},
		1370: {Class: ErrTrigger}, // a trigger calls what its definer may not call
		1406: {Class: ErrInvalidData, Cause: "a text is too long for its column"},
		1412: {Class: ErrUnavailable, Cause: "the table is being altered", retry: true},
		1442: {Class: ErrTrigger}, // a trigger writes the table that it belongs to
		1449: {Class: ErrTrigger}, // the definer of a trigger does not exist
		1451: {Class: errRefused},
		1452: {Class: errRefused},
		1586: {Class: errUnique},
		1615: {Class: ErrUnavailable, Cause: "the table is being altered", retry: true},
		1644: {Class: ErrTrigger, raised: true},
		1665: {Class: ErrUnavailable, Cause: "its binlog_format is STATEMENT; the operator needs MIXED or ROW"},
		1698: {Class: ErrForbidden, Cause: "the user or the password is wrong"},
		1712: {Class: ErrStorage, Cause: "an index is damaged"},
		1713: {Class: ErrInvalidData, Cause: "the row is too long"},
		1761: {Class: errRefused},
		1792: {Class: ErrReadOnly},
		1820: {Class: ErrForbidden, Cause: "the password has expired"},
		1836: {Class: ErrReadOnly},
		1862: {Class: ErrForbidden, Cause: "the password has expired"},
		1877: {Class: ErrStorage, Cause: "the table is damaged"},
		1906: {Class: errStale}, // MariaDB: the column is generated now
		1927: {Class: ErrUnavailable, Cause: "it ended the connection"},
		1969: {Class: ErrUnavailable, Cause: "the statement took longer than allowed"},
		3024: {Class: ErrUnavailable, Cause: "the statement took longer than allowed"},
		3100: {Class: ErrUnavailable, Cause: "its cluster refused the transaction", retry: true},
		3101: {Class: ErrUnavailable, Cause: "concurrent transactions", retry: true},
		3105: {Class: errStale}, // MySQL: the column is generated now
		3118: {Class: ErrForbidden, Cause: "the login is locked"},
		3572: {Class: ErrUnavailable, Cause: "another transaction holds the row"},
		3819: {Class: ErrInvalidData},
		3989: {Class: ErrReadOnly},
		4025: {Class: ErrInvalidData}, // MariaDB's CHECK
		4031: {Class: ErrUnavailable, Cause: "it ended the connection"},
		4151: {Class: ErrForbidden, Cause: "the login is locked"},
	}
	byClass := map[string]error{
		"21": errStale, // more or fewer columns than expected
		"22": ErrInvalidData, "23": ErrInvalidData,
		"28": ErrForbidden,
		"42": errStale, // a table, column or index is missing: the statements are fixed, so the table changed
	}
	if state == stateSignal {
		return Error{Class: ErrTrigger, raised: true}
	}
	if refusal, known := byNumber[number]; known {
		return refusal
	}
	return Error{Class: cmp.Or(byClass[state[:min(2, len(state))]], ErrUnavailable)}
}

// The patterns that find the name of a column or constraint in a message. Only what looks like a name counts, and only at its
// place: the value that the message of 1062 and others repeat comes before it.
var (
	mysqlNull = regexp.MustCompile(`^Column '([\w$-]+)' cannot be null$`)
	mysqlKey  = regexp.MustCompile(`' for key '([\w$.-]+)'$`)
	// mysqlColumn matches 'column' and `database`.`table`.`column`.
	mysqlColumn     = regexp.MustCompile("for column ['`](?:[\\w$-]+`\\.`){0,2}([\\w$-]+)['`] at row [0-9]+$")
	mysqlRequired   = regexp.MustCompile(`^Field '([\w$-]+)' doesn't have a default value$`)
	mysqlForeignKey = regexp.MustCompile("^Cannot [a-z ]+: a foreign key constraint fails \\([^(]+, CONSTRAINT `([\\w$-]+)` FOREIGN KEY ")
	mysqlCheck      = regexp.MustCompile("^(?:Check constraint '([\\w$-]+)' is violated\\.$|CONSTRAINT `([\\w$.-]+)` failed for )")
)

func mysqlPattern(number uint16) *regexp.Regexp {
	switch number {
	case 1048:
		return mysqlNull
	case 1062, 1586:
		return mysqlKey
	case 1264, 1265, 1292, 1366, 1406:
		return mysqlColumn
	case 1364:
		return mysqlRequired
	case 1451, 1452:
		return mysqlForeignKey
	case 3819, 4025:
		return mysqlCheck
	default:
		return nil
	}
}

// mysqlName returns the name of a column or constraint; empty when the message has none.
func mysqlName(answer *mysql.MySQLError) string {
	pattern := mysqlPattern(answer.Number)
	if pattern == nil || string(answer.SQLState[:]) == stateSignal {
		return ""
	}
	found := pattern.FindStringSubmatch(answer.Message)
	if found == nil {
		return ""
	}
	return strings.Join(found[1:], "") // one group has matched
}

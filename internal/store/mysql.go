package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/fitai/fituser-operator/internal/user"
)

// mySQL is MySQL 8 and MariaDB. Their driver is pure Go and reports an error's number separately from its text. Comments
// that begin with /*! and a number are SQL for MySQL from that version on, and those that begin with /*M! for MariaDB.
func mySQL() *dialect {
	return &dialect{
		open:         openMySQL,
		insecure:     insecureMySQL,
		conns:        mysqlConns,
		secured:      "add ssl-mode=VERIFY_IDENTITY",
		classify:     classifyMySQL,
		connLifetime: 5 * time.Minute,
		lockRows:     " FOR UPDATE",
		quote:        backquoted,
		fold:         strings.ToLower,
		positional:   true,
		// ON DUPLICATE KEY UPDATE has no key: it would also update the row that has the same address.
		updateFirst: true,
		// The first condition uses the index and compares as the column's collation does, which is mostly without case. The
		// second compares exactly.
		sameKey: "(%[1]s = %[2]s AND CAST(CAST(%[1]s AS char) AS binary) = CAST(CAST(%[2]s AS char) AS binary))",
		asText:  "CAST(%s AS char)",
		holds:   mysqlHolds,
		partial: mysqlPartial,
		probe:   "EXPLAIN DELETE FROM %s WHERE false",
		codecs:  mysqlCodecs(),
		clocks: map[user.TimeUnit]codec{
			user.Seconds:      {write: "CAST(%[1]s AS signed) DIV 1000", read: "%[1]s * 1000"},
			user.Milliseconds: {write: "CAST(%[1]s AS signed)", read: "%[1]s"},
		},
		tableArgs:  mysqlTable,
		relation:   mysqlRelation,
		columns:    mysqlColumns,
		uniques:    mysqlUniques,
		primary:    mysqlPrimary,
		references: mysqlReferences,
		catalog:    mysqlCatalog,
		limits:     mysqlLimits,
		referring:  mysqlReferring,
		triggers:   mysqlTriggers,
		// A UNION with the column compares as the column does.
		candidate:  "SELECT %[1]s FROM %[2]s WHERE false UNION ALL SELECT $1",
		roleGuards: mysqlRoleGuards,
		narrow:     func(sqlType string) bool { return !strings.HasPrefix(sqlType, "bigint") },
		create: []string{`CREATE TABLE IF NOT EXISTS users (
	id varchar(255) PRIMARY KEY, email varchar(320) NOT NULL UNIQUE, first_name text NOT NULL, last_name text NOT NULL,
	password text, role varchar(255) NOT NULL DEFAULT 'client', phone varchar(255),
	created_at datetime(3) NOT NULL, updated_at datetime(3) NOT NULL)
	ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`},
	}
}

func mysqlCodecs() map[use]map[string]codec {
	boolean := codec{
		write: "CASE %[1]s WHEN 'true' THEN 1 WHEN 'false' THEN 0 END",
		read:  "CASE WHEN %[1]s THEN 'true' WHEN NOT %[1]s THEN 'false' END",
	}
	integer := codec{write: "CAST(%[1]s AS signed)", read: "CAST(%[1]s AS char)"}
	number := codec{write: "%[1]s", read: "CAST(%[1]s AS char)"} // strict mode refuses what is no number
	// The session's time zone is UTC, for which both types are the same.
	moment := codec{
		write: "TIMESTAMPADD(MICROSECOND, %[1]s * 1000, TIMESTAMP'1970-01-01 00:00:00')",
		read:  "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', %[1]s) DIV 1000",
	}
	return map[use]map[string]codec{
		useKey:     {kindText: plain()},
		useOwnKey:  {kindText: plain(), kindInteger: integer, kindUUID: {write: "%[1]s", read: "CAST(%[1]s AS char)"}},
		useText:    {kindText: plain()},
		useRole:    {kindText: plain(), kindEnum: plain(), kindInteger: {write: "%[1]s", read: "CAST(%[1]s AS char)"}},
		useBoolean: {kindBoolean: boolean, kindInteger: boolean},
		useTime:    {kindDatetime: moment, kindTimestamp: moment},
		useValue: {
			kindText: plain(), kindInteger: number, kindBoolean: boolean,
			kindJSON: {write: "%[1]s", read: "%[1]s", json: true},
		},
	}
}

var mysqlLive = regexp.MustCompile("(?i)^\\(*(?:if\\(|case when )\\(*((?:`[^`]+`) is null)\\)*(?:,| then )(.+?)(?:,NULL\\)|(?: else NULL)? end)\\)*$")

// mysqlPartial recognises if(`deleted_at` is null, `email`, NULL) and the same with CASE, in the form in which both servers
// print the expression of a generated column or index.
func mysqlPartial(expression string) (inner, predicate string) {
	if found := mysqlLive.FindStringSubmatch(expression); found != nil {
		return found[2], found[1]
	}
	return expression, ""
}

// mysqlHolds is the condition that an indexed expression has the value that it has for the address $1. The expression is
// applied to the placeholder itself, so that the column's collation decides: it takes precedence over a placeholder's, and
// cannot be mixed with that of a subquery.
func mysqlHolds(expression, email, _ string) string {
	name := regexp.MustCompile("(?i)" + regexp.QuoteMeta(email)) // names of columns have no case
	return expression + " = " + name.ReplaceAllLiteralString(expression, "$1")
}

func openMySQL(rawURL string, options Options) (*sql.DB, error) {
	address, err := parseMySQL(rawURL)
	if err != nil {
		return nil, err
	}
	config, err := address.config()
	if err != nil {
		return nil, err
	}
	made, err := mysql.NewConnector(config)
	if err != nil {
		return nil, errMySQLURL // the driver's text may repeat parts of the URL
	}
	return sql.OpenDB(mysqlConnector{Connector: made, settings: mysqlSettings(options.StatementTimeout)}), nil
}

// mysqlConnector makes connections whose session has settings that the store relies on.
type mysqlConnector struct {
	driver.Connector
	settings []string
}

// Connect implements [driver.Connector].
func (c mysqlConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	execer, able := conn.(driver.ExecerContext)
	if !able {
		return nil, errors.Join(errors.New("the driver cannot execute statements"), conn.Close())
	}
	for _, statement := range c.settings {
		if _, err := execer.ExecContext(ctx, statement, nil); err != nil {
			_ = conn.Close() // the reason is err
			return nil, err
		}
	}
	return conn, nil
}

// mysqlSettings returns the statements that begin a session.
//
// Without strict mode the server cuts texts off and writes zeros. READ COMMITTED lets two sessions insert at the same time,
// which otherwise wait for each other's locks between rows, and reads the newest rows after a wait. The limits on the server
// end the statement of a process that was killed; MySQL has none for a write but for its wait for a lock.
func mysqlSettings(timeout time.Duration) []string {
	seconds := int64((timeout + time.Second - 1) / time.Second)
	return []string{
		fmt.Sprintf("SET NAMES utf8mb4, autocommit = 1, foreign_key_checks = 1, time_zone = '+00:00',"+
			" sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = %d"+
			" /*M! , max_statement_time = %f */ /*!50708 , max_execution_time = %d */",
			seconds, timeout.Seconds(), timeout.Milliseconds()),
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	}
}

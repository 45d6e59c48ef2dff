package libsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
)

// Connector implements [driver.Connector] for [sql.OpenDB]. Connections hold nothing outside a transaction and cost
// nothing: all share the connector's HTTP client.
type Connector struct{ client *client }

// NewConnector returns a connector. It does not connect.
func NewConnector(config Config) *Connector { return &Connector{client: newClient(config)} }

// Connect implements [driver.Connector]. It sends nothing.
func (c *Connector) Connect(context.Context) (driver.Conn, error) {
	return &conn{client: c.client}, nil
}

// Driver implements [driver.Connector].
func (c *Connector) Driver() driver.Driver { return Driver{} }

// Close closes idle HTTP connections; [sql.DB.Close] calls it.
func (c *Connector) Close() error {
	c.client.http.CloseIdleConnections()
	return nil
}

// Driver implements [driver.Driver]. It is not registered under a name.
type Driver struct{}

// Open implements [driver.Driver].
func (Driver) Open(rawURL string) (driver.Conn, error) {
	config, err := ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	return &conn{client: newClient(config)}, nil
}

// conn implements [driver.Conn] and its optional parts. database/sql never uses it concurrently.
type conn struct {
	client *client
	// stream is the transaction's stream; nil outside a transaction.
	stream *stream
}

// enforceForeignKeys makes SQLite enforce foreign keys, without which deletions do not cascade. It is a setting of the
// stream and has no effect inside a transaction. sqld enforces them by default.
const enforceForeignKeys = "PRAGMA foreign_keys = ON"

// enforced returns a request that executes the statement with foreign keys enforced, or not at all.
func enforced(s statement) streamRequest {
	first := step{Stmt: statement{SQL: enforceForeignKeys}}
	then := step{Condition: &condition{Type: "ok", Step: 0}, Stmt: s}
	return streamRequest{Type: "batch", Batch: &batch{Steps: []step{first, then}}}
}

// ExecContext implements [driver.ExecerContext].
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	done, err := c.run(ctx, newStatement(query, args, false))
	if err != nil {
		return nil, err
	}
	return result{done}, nil
}

// QueryContext implements [driver.QueryerContext].
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	done, err := c.run(ctx, newStatement(query, args, true))
	if err != nil {
		return nil, err
	}
	return &rows{of: done}, nil
}

// Ping implements [driver.Pinger].
func (c *conn) Ping(ctx context.Context) error {
	_, err := c.run(ctx, statement{SQL: "SELECT 1"})
	return err
}

func (c *conn) run(ctx context.Context, s statement) (*statementResult, error) {
	if c.stream != nil {
		return c.stream.run(ctx, c.client, s)
	}
	request := streamRequest{Type: "execute", Stmt: &s}
	reads := isSelect(s.SQL)
	if !reads {
		request = enforced(s)
	}
	answer, err := c.client.send(ctx, call{base: c.client.Endpoint}, request, streamRequest{Type: "close"})
	if err != nil {
		return nil, err
	}
	if reads {
		return answer.Results[0].statementOf()
	}
	return answer.Results[0].lastOf()
}

// isSelect reports whether the statement only reads. A token that only reads may not change a setting of the stream.
func isSelect(query string) bool {
	const word = "SELECT"
	query = strings.TrimSpace(query)
	return len(query) > len(word) && strings.EqualFold(query[:len(word)], word)
}

var errOptions = errors.New("libsql: transactions are serializable, and read and write")

// BeginTx implements [driver.ConnBeginTx]. The transaction takes the database's write lock at once, so that it cannot
// fail later because another one has written.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	isolation := sql.IsolationLevel(options.Isolation)
	if options.ReadOnly || (isolation != sql.LevelDefault && isolation != sql.LevelSerializable) {
		return nil, errOptions
	}
	opened := &stream{ctx: ctx, at: call{base: c.client.Endpoint}}
	answer, err := opened.send(ctx, c.client, enforced(statement{SQL: "BEGIN IMMEDIATE"}))
	if err != nil {
		return nil, err
	}
	if _, err := answer.Results[0].lastOf(); err != nil {
		_ = opened.abandon(c.client) // the refusal is what counts
		return nil, err
	}
	c.stream = opened
	return tx{c}, nil
}

// Close implements [driver.Conn].
func (c *conn) Close() error {
	if c.stream == nil {
		return nil
	}
	return tx{c}.Rollback()
}

// Begin implements [driver.Conn]; database/sql uses BeginTx.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// Prepare implements [driver.Conn]. The server has no prepared statements over HTTP: the text is sent each time.
func (c *conn) Prepare(query string) (driver.Stmt, error) { return prepared{c, query}, nil }

type prepared struct {
	conn  *conn
	query string
}

func (p prepared) Close() error { return nil }

// NumInput implements [driver.Stmt]; the server counts the parameters.
func (p prepared) NumInput() int { return -1 }

var errContext = errors.New("libsql: a statement needs a context")

func (p prepared) Exec([]driver.Value) (driver.Result, error) { return nil, errContext }
func (p prepared) Query([]driver.Value) (driver.Rows, error)  { return nil, errContext }

func (p prepared) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return p.conn.ExecContext(ctx, p.query, args)
}

func (p prepared) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return p.conn.QueryContext(ctx, p.query, args)
}

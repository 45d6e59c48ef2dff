package store_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// pooler stands between the store and PostgreSQL as PgBouncer does: it looks at the start-up message, and what follows
// it passes on.
type pooler struct {
	socket string
	// strict refuses settings at start-up, as PgBouncer does with all that it does not know.
	strict bool

	mu      sync.Mutex
	clients []net.Conn
}

// listen returns the URL of databaseURL's database behind the pooler.
func (p *pooler) listen(t *testing.T, databaseURL string) string {
	t.Helper()
	direct, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	p.socket = filepath.Join(direct.Query().Get("host"), ".s.PGSQL.5432")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return fmt.Sprintf("postgres://postgres@%s%s?sslmode=disable", listener.Addr(), direct.Path)
}

func (p *pooler) serve(client net.Conn) {
	backend := pgproto3.NewBackend(client, client)
	message, err := backend.ReceiveStartupMessage()
	startup, is := message.(*pgproto3.StartupMessage)
	if err != nil || !is {
		_ = client.Close() // a request to cancel, which would have to find its way to the right server
		return
	}
	if _, set := startup.Parameters["statement_timeout"]; set && p.strict {
		backend.Send(&pgproto3.ErrorResponse{
			Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: statement_timeout",
		})
		_ = backend.Flush()
		_ = client.Close()
		return
	}
	if server, err := net.Dial("unix", p.socket); err == nil {
		p.pass(startup, client, server)
	}
}

func (p *pooler) pass(startup *pgproto3.StartupMessage, client, server net.Conn) {
	p.mu.Lock()
	p.clients = append(p.clients, client)
	p.mu.Unlock()
	if hello, err := startup.Encode(nil); err == nil {
		_, _ = server.Write(hello)
	}
	go func() { _, _ = io.Copy(server, client) }() // does not close: the server does not learn that the client is gone
	_, _ = io.Copy(client, server)
}

// lose breaks the connections to the clients, and tells the server nothing.
func (p *pooler) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, client := range p.clients {
		_ = client.Close()
	}
}

func TestPostgresBehindAPoolerThatRefusesSettings(t *testing.T) {
	t.Parallel()
	behind := (&pooler{strict: true}).listen(t, server.URL(t))
	db := open(t, behind, store.Options{})
	put(t, db, jane())
	put(t, db, john())
	swapped := jane()
	swapped.Email = john().Email
	put(t, db, swapped, store.Move{ID: "user_john", From: john().Email, To: jane().Email})
	if row, err := db.Get(t.Context(), "user_john"); err != nil || row.Email != jane().Email {
		t.Errorf("email %q, error %v; want %q", row.Email, err, jane().Email)
	}
}

// A write that waits in the server while its process is gone must not come through when the way is free.
func TestPostgresEndsAStatementWhoseProcessIsGone(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	put(t, open(t, databaseURL, store.Options{}), jane())
	release := raw.Lock("user_jane")

	var lossy pooler
	db := open(t, lossy.listen(t, databaseURL), store.Options{StatementTimeout: time.Second})
	late := jane()
	late.FirstName = "Late"
	answered := make(chan error)
	go func() { answered <- db.Put(t.Context(), late, nil) }()
	eventually(t, func() bool { return sessions(raw, "wait_event_type = 'Lock'") == 1 })
	lossy.lose()
	wants(t, <-answered, store.ErrUnavailable)
	eventually(t, func() bool { return sessions(raw, "state = 'active'") == 0 })
	release()
	if got := raw.Column("user_jane", "first_name"); got != "Jane" {
		t.Errorf("first_name is %v: the write came through", got)
	}
}

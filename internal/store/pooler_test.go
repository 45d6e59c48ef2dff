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
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// pooler is a proxy in front of PostgreSQL, as PgBouncer is: it reads the start-up message and forwards everything
// after it.
type pooler struct {
	socket string
	// refused are the settings that it refuses at start-up, as PgBouncer does with unknown ones.
	refused []string

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
		_ = client.Close() // a cancel request, which this proxy cannot route
		return
	}
	for _, name := range p.refused {
		if _, set := startup.Parameters[name]; set {
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: " + name})
			_ = backend.Flush()
			_ = client.Close()
			return
		}
	}
	if server, err := net.Dial("unix", p.socket); err == nil {
		p.forward(startup, client, server)
	}
}

func (p *pooler) forward(startup *pgproto3.StartupMessage, client, server net.Conn) {
	p.mu.Lock()
	p.clients = append(p.clients, client)
	p.mu.Unlock()
	if hello, err := startup.Encode(nil); err == nil {
		_, _ = server.Write(hello)
	}
	go func() { _, _ = io.Copy(server, client) }() // keeps the server connection open when the client disconnects
	_, _ = io.Copy(client, server)
}

// disconnect closes the connections to the clients and keeps those to the server.
func (p *pooler) disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, client := range p.clients {
		_ = client.Close()
	}
}

func TestPostgres_PoolerThatRefusesSettings(t *testing.T) {
	t.Parallel()
	behind := (&pooler{refused: []string{"statement_timeout"}}).listen(t, server.URL(t))
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

// A write that waits for a lock while its process dies must not take effect when the lock is released.
func TestPostgres_EndsTheStatementOfADeadProcess(t *testing.T) {
	t.Parallel()
	databaseURL := server.URL(t)
	raw := storetest.OpenRaw(t, databaseURL)
	put(t, open(t, databaseURL, store.Options{}), jane())
	release := raw.Lock("user_jane")

	var proxy pooler
	db := open(t, proxy.listen(t, databaseURL), store.Options{StatementTimeout: time.Second})
	late := jane()
	late.FirstName = "Late"
	answered := make(chan error)
	go func() { answered <- storetest.Put(t.Context(), db, late, nil) }()
	eventually.Holds(t, "the store waits for a lock", func() bool { return sessions(raw, "wait_event_type = 'Lock'") == 1 })
	proxy.disconnect()
	wantError(t, <-answered, store.ErrUnavailable)
	eventually.Holds(t, "the server ended the statement", func() bool { return sessions(raw, "state = 'active'") == 0 })
	release()
	if got := raw.Column("user_jane", "first_name"); got != "Jane" {
		t.Errorf("first_name is %v: the write took effect", got)
	}
}

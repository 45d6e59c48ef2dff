package receiver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// wireRequest is a request byte for byte: net/http's client would repair many invalid requests.
type wireRequest struct {
	line    string
	headers []string
	body    string
}

// signed returns a valid delivery of body at [eventTime].
func signed(id, body string) wireRequest { return signedAt(id, body, eventTime/1000) }

func signedAt(id, body string, seconds int64, secrets ...string) wireRequest {
	if len(secrets) == 0 {
		secrets = []string{ourSecret}
	}
	sender, err := clerktest.NewSender(clerktest.SenderConfig{Secrets: secrets})
	if err != nil {
		panic(err)
	}
	header := sender.Sign(id, time.Unix(seconds, 0), []byte(body))
	r := wireRequest{line: "POST " + Path + " HTTP/1.1", body: body, headers: []string{"Host: fituser.example"}}
	for name := range header {
		r.headers = append(r.headers, name+": "+header.Get(name))
	}
	return r
}

// set replaces a header by the values. Without values it removes the header.
func (r wireRequest) set(name string, values ...string) wireRequest {
	var headers []string
	for _, h := range r.headers {
		if !strings.HasPrefix(strings.ToLower(h), strings.ToLower(name)+":") {
			headers = append(headers, h)
		}
	}
	for _, v := range values {
		headers = append(headers, name+": "+v)
	}
	r.headers = headers
	return r
}

func (r wireRequest) to(line string) wireRequest { r.line = line; return r }

// length returns r with the body's Content-Length header.
func (r wireRequest) length() wireRequest { return r.set("Content-Length", strconv.Itoa(len(r.body))) }

func (r wireRequest) String() string {
	return r.line + "\r\n" + strings.Join(r.headers, "\r\n") + "\r\n\r\n" + r.body
}

// reply is the receiver's response. Its status is 0 when the connection ended without one.
type reply struct {
	status int
	header http.Header
	text   string
	closes bool // whether the connection ends after it
}

// post sends a request with its Content-Length.
func (e *endpoint) post(t *testing.T, r wireRequest) reply {
	t.Helper()
	return e.raw(t, r.length().String())
}

func (e *endpoint) raw(t *testing.T, wire string) reply {
	t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Error(err)
		return reply{}
	}
	defer hangUp(conn)
	go func() { _, _ = io.Copy(conn, strings.NewReader(wire)) }() // the response may arrive first
	return readReply(t, conn)
}

// dial opens a connection that stays open until the test ends.
func (e *endpoint) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(conn) })
	return conn
}

// hangUp closes conn. The receiver may have closed it already.
func hangUp(conn net.Conn) { _ = conn.Close() }

func send(t *testing.T, conn net.Conn, wire string) {
	t.Helper()
	if _, err := io.WriteString(conn, wire); err != nil {
		t.Fatal(err)
	}
}

func readReply(t *testing.T, conn net.Conn) reply {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return reply{}
	}
	defer func() { _ = resp.Body.Close() }()
	var text bytes.Buffer
	_, _ = io.Copy(&text, resp.Body) // incomplete when the receiver closed the connection first
	return reply{resp.StatusCode, resp.Header, text.String(), resp.Close}
}

// created, updated and deleted return bodies of events at [eventTime].
func created(id string) string { return userEvent(v1alpha1.UserCreated, id, eventTime-18) }

func updated(id string, updatedAt int64) string {
	return userEvent(v1alpha1.UserUpdated, id, updatedAt)
}

func userEvent(eventType v1alpha1.EventType, id string, updatedAt int64) string {
	return fmt.Sprintf(`{"data":{"id":%s,"first_name":"Augusta","updated_at":%d},"instance_id":"ins_ours","object":"event","timestamp":%d,"type":%q}`,
		quote(id), updatedAt, eventTime, eventType)
}

func deleted(id string) string {
	return fmt.Sprintf(`{"data":{"deleted":true,"id":%s,"object":"user"},"instance_id":"ins_ours","object":"event","timestamp":%d,"type":"user.deleted"}`,
		quote(id), eventTime)
}

func quote(s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return quoted
}

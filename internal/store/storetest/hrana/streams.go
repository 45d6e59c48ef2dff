package hrana

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// stream is one connection to the file.
type stream struct {
	id string
	// seq is part of the baton: each baton is good for one request.
	seq  int
	conn *sql.Conn
	sqls map[int32]string
	// closed is true after a close request.
	closed bool

	acquired, expired bool
	// expiry runs while the stream is not acquired.
	expiry *time.Timer
}

// streams are the streams of a server, by id.
type streams struct {
	db         *sql.DB
	expiration time.Duration

	mu   sync.Mutex
	byID map[string]*stream
}

func newStreams(db *sql.DB, expiration time.Duration) *streams {
	return &streams{db: db, expiration: expiration, byID: map[string]*stream{}}
}

func openFile(path string, options Options) (*sql.DB, error) {
	parameters := url.Values{
		"_busy_timeout": {strconv.FormatInt(options.BusyTimeout.Milliseconds(), 10)},
		"_foreign_keys": {map[bool]string{false: "on", true: "off"}[options.NoForeignKeys]},
	}
	file := url.URL{Scheme: "file", Path: path, RawQuery: parameters.Encode()}
	db, err := sql.Open("sqlite", file.String())
	if err == nil {
		// As sqld does: readers and a writer do not wait for each other. The file keeps the mode, and only this first connection
		// may have to wait for it.
		_, err = db.Exec("PRAGMA journal_mode = WAL")
	}
	return db, err
}

// acquire returns the baton's stream, or a new one. No other request can use it until it is released or dropped.
func (s *streams) acquire(ctx context.Context, baton *string) (*stream, error) {
	if baton == nil {
		return s.open(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, seq, _ := strings.Cut(*baton, ".")
	found, exists := s.byID[id]
	switch {
	case !exists:
		return nil, protocolError("Received an invalid baton")
	case found.expired:
		return nil, errExpired
	case found.acquired, seq != strconv.Itoa(found.seq):
		return nil, protocolError("Received a baton that has already been used")
	}
	found.expiry.Stop()
	found.acquired = true
	found.seq++
	return found, nil
}

func (s *streams) open(ctx context.Context) (*stream, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the file: %w", err)
	}
	made := &stream{id: rand.Text(), conn: conn, sqls: map[int32]string{}, acquired: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[made.id] = made
	return made, nil
}

// release makes the stream available to the next request, and returns the baton for it. It returns nil for a stream that
// is closed.
func (s *streams) release(of *stream) *string {
	if of.closed {
		s.drop(of)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of.acquired = false
	seq := of.seq
	of.expiry = time.AfterFunc(s.expiration, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if of.seq == seq {
			of.expire()
		}
	})
	baton := of.id + "." + strconv.Itoa(of.seq)
	return &baton
}

// drop removes the stream and rolls back.
func (s *streams) drop(of *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, of.id)
	of.close()
}

// close closes the connection to the file instead of returning it to the pool with its transaction and its settings.
func (s *stream) close() {
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn }) // the error asks for the closing
	_ = s.conn.Close()
	s.closed = true
}

// expire rolls back, unless a request is using the stream. The stream is remembered: its baton gets another answer than an
// unknown one.
func (s *stream) expire() {
	if s.acquired || s.expired {
		return
	}
	s.expiry.Stop()
	s.expired = true
	s.close()
}

func (s *streams) expireIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.byID {
		of.expire()
	}
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, of := range s.byID {
		if !of.expired {
			n++
		}
	}
	return n
}

func (s *streams) close() error {
	s.expireIdle()
	if err := s.db.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

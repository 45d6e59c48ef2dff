package libsql

import (
	"context"
	"errors"
	"net/url"
	"time"
)

// closeTimeout limits the request that rolls back, which has to be sent after its context has ended too. A stream that
// is left open expires on the server.
const closeTimeout = 2 * time.Second

// stream is a transaction. Its context is the one of BeginTx, which also limits the commit.
type stream struct {
	ctx  context.Context
	at   call
	lost bool
}

// errLost is the error of a statement in a transaction that the server no longer has.
func errLost() error {
	return &Error{Code: CodeStreamLost, Message: "the server has closed the stream of the transaction"}
}

// run executes a statement in the transaction.
func (s *stream) run(ctx context.Context, via *client, st statement) (*statementResult, error) {
	answer, err := s.send(ctx, via, streamRequest{Type: "execute", Stmt: &st})
	if err != nil {
		return nil, err
	}
	return answer.Results[0].statementOf()
}

// send sends requests after which the stream must still exist. Without the answer the next baton is not known, and the
// stream is lost.
func (s *stream) send(ctx context.Context, via *client, requests ...streamRequest) (*pipelineResponse, error) {
	if s.lost {
		return nil, errLost()
	}
	answer, err := via.send(ctx, s.at, requests...)
	if err == nil && answer.Baton == nil {
		err = errLost()
	}
	if err == nil {
		err = s.move(answer)
	}
	s.lost = err != nil
	return answer, err
}

var errDowngrade = errors.New("libsql: the server moves a stream to an address that is not http or https, or without TLS")

// move makes the next request go where the answer asks for. The token goes with it, so that TLS must stay.
func (s *stream) move(answer *pipelineResponse) error {
	s.at.baton = answer.Baton
	if answer.BaseURL == nil || *answer.BaseURL == "" {
		return nil
	}
	base, err := url.Parse(*answer.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && (base.Scheme != "http" || s.at.base.Scheme != "http")) {
		return errDowngrade
	}
	s.at.base = base
	return nil
}

// finish sends the last statement and closes the stream.
func (s *stream) finish(ctx context.Context, via *client, last string) error {
	if s.lost {
		return errLost()
	}
	s.lost = true
	answer, err := via.send(ctx, s.at, streamRequest{Type: "execute", Stmt: &statement{SQL: last}}, streamRequest{Type: "close"})
	if err != nil {
		return err
	}
	_, err = answer.Results[0].statementOf()
	return err
}

// abandon rolls back and closes the stream.
func (s *stream) abandon(via *client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), closeTimeout)
	defer cancel()
	return s.finish(ctx, via, "ROLLBACK")
}

// tx implements [driver.Tx].
type tx struct{ conn *conn }

// Commit implements [driver.Tx]. Without an answer it is not known whether the transaction has taken effect.
func (t tx) Commit() error {
	done := t.conn.stream
	t.conn.stream = nil
	return done.finish(done.ctx, t.conn.client, "COMMIT")
}

// Rollback implements [driver.Tx]. The server has rolled a lost stream back already, or will when it expires.
func (t tx) Rollback() error {
	done := t.conn.stream
	t.conn.stream = nil
	if done.lost {
		return nil
	}
	return done.abandon(t.conn.client)
}

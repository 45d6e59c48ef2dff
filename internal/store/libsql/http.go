package libsql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswer limits the body of an answer. sqld's own limit for one result is 10 MB.
	maxAnswer = 32 << 20
	// maxRefusal limits how much of a refusal's body is read: it may be a proxy's HTML page.
	maxRefusal = 8 << 10
	// idlePerHost is how many connections stay open. It is at least the number of connections in the pool.
	idlePerHost = 32
	idleTimeout = 90 * time.Second
)

// CodeStreamLost is the code of a refusal because the server has no such stream any more: it expired, or the server was
// restarted. Its transaction was rolled back. Only a new transaction helps.
const CodeStreamLost = "STREAM_EXPIRED"

// Error is a refusal by the server.
type Error struct {
	// Status is the HTTP status when the whole request was refused, and 0 when a statement failed.
	Status int
	// Code is the server's code: "SQLITE_CONSTRAINT", "SQL_INPUT_ERROR", [CodeStreamLost]. It is often empty beside a Status.
	Code string
	// Message is the server's text. It may contain values of rows.
	Message string
}

func (e *Error) Error() string {
	text := "libsql: the server refuses"
	if e.Status != 0 {
		text += fmt.Sprintf(" with HTTP status %d", e.Status)
	}
	if e.Code != "" {
		text += " with code " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// client sends requests to one server.
type client struct {
	Config
	http *http.Client
}

func newClient(config Config) *client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: idlePerHost,
		IdleConnTimeout:     idleTimeout,
	}
	return &client{Config: config, http: &http.Client{
		Transport: transport,
		// A redirect would lead the token and the rows to a server that the URL does not name.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// call is a place on the server: a base URL, and the baton of a stream or nil.
type call struct {
	base  *url.URL
	baton *string
}

// send sends the requests in one HTTP request and returns the answer, with one result for each.
func (c *client) send(ctx context.Context, at call, requests ...streamRequest) (*pipelineResponse, error) {
	body, err := json.Marshal(pipelineRequest{Baton: at.baton, Requests: requests})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.base.JoinPath("v2/pipeline").String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response, at.baton != nil)
	}
	return decode(response.Body, len(requests))
}

var (
	errTooLarge = &Error{Code: "RESPONSE_TOO_LARGE", Message: "the answer is too large"}
	errAnswer   = errors.New("libsql: the answer is not one of Hrana")
)

// decode reads an answer with a result for each of n requests.
func decode(body io.Reader, n int) (*pipelineResponse, error) {
	limited := &io.LimitedReader{R: body, N: maxAnswer}
	var answer pipelineResponse
	if err := json.NewDecoder(limited).Decode(&answer); err != nil {
		if limited.N <= 0 {
			return nil, errTooLarge
		}
		return nil, fmt.Errorf("libsql: reading the answer: %w", err)
	}
	if len(answer.Results) != n {
		return nil, errAnswer
	}
	return &answer, nil
}

// refusal returns the error of an answer with another status than 200. Servers and proxies send JSON of two forms, text
// or HTML.
func refusal(response *http.Response, hadBaton bool) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal)) // the status is known without the text
	var texts struct {
		wireError
		Error string `json:"error"`
	}
	refused := &Error{Status: response.StatusCode}
	if json.Unmarshal(body, &texts) == nil {
		refused.Code, refused.Message = texts.Code, texts.Message+texts.Error
	} else {
		refused.Message = strings.ToValidUTF8(string(body), "")
	}
	// sqld refuses an unknown baton with 400 and no code, Turso with 404.
	unknown := response.StatusCode == http.StatusBadRequest || response.StatusCode == http.StatusNotFound
	if hadBaton && unknown && refused.Code == "" {
		refused.Code = CodeStreamLost
	}
	return refused
}

// statementOf returns the result of an execute request.
func (r *streamResult) statementOf() (*statementResult, error) {
	var made statementResult
	err := r.into(&made)
	return &made, err
}

// lastOf returns the result of the last step of a batch request whose steps depend on each other.
func (r *streamResult) lastOf() (*statementResult, error) {
	var all batchResult
	if err := r.into(&all); err != nil {
		return nil, err
	}
	for _, failed := range all.Errors {
		if failed != nil {
			return nil, failed.asError()
		}
	}
	if len(all.Results) == 0 || all.Results[len(all.Results)-1] == nil {
		return nil, errAnswer
	}
	return all.Results[len(all.Results)-1], nil
}

func (r *streamResult) into(made any) error {
	switch {
	case r.Error != nil:
		return r.Error.asError()
	case r.Type != "ok" || len(r.Response.Result) == 0:
		return errAnswer
	}
	if err := json.Unmarshal(r.Response.Result, made); err != nil {
		return fmt.Errorf("libsql: reading a result: %w", err)
	}
	return nil
}

func (e *wireError) asError() error { return &Error{Code: e.Code, Message: e.Message} }

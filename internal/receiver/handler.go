package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/fitai/fituser-operator/internal/tracing"
)

// visit is one request, as far as it is known yet.
type visit struct {
	at       time.Time // of its arrival
	delivery delivery
	verified bool
	event    event
}

// ServeHTTP takes one delivery. There is one route and no mux, because a mux redirects to paths that it has cleaned, and
// to Svix a redirect is a failure.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	v := visit{at: r.config.Now()}
	err := r.take(w, req, &v)
	r.journal.note(v, err)
	answer := r.answers[outcomeOf(err)]
	r.journal.metrics.answered(answer.status, r.config.Now().Sub(v.at))
	if r.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	respond(w, answer)
}

// take runs the steps that end in a recorded event. A panic in one of them is that request's failure alone.
func (r *Receiver) take(w http.ResponseWriter, req *http.Request, v *visit) (err error) {
	defer func() {
		if p := recover(); p != nil { // p itself may be made of what was sent
			err = fmt.Errorf("%w: panic with a %T: %s", failed, p, debug.Stack())
		}
	}()
	if err := route(req); err != nil {
		return err
	}
	if err := r.verify(w, req, v); err != nil {
		return err
	}
	return r.record(req.Context(), v)
}

// record records a verified event, in a span of its own: strangers cause none.
func (r *Receiver) record(ctx context.Context, v *visit) error {
	ctx, span := r.config.Tracer.Start(ctx, "webhook", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(v.at),
		trace.WithAttributes(attribute.String("svix.id", v.delivery.message), attribute.String("clerk.event", string(v.event.kind)),
			attribute.String("clerk.user.id", string(v.event.user))))
	defer span.End()
	hint := v.event.hint(v.delivery.message, v.at)
	hint.Trace = tracing.Parent(ctx)
	err := r.recorder.record(ctx, v.event.user, hint)
	span.SetAttributes(attribute.String("fituser.outcome", string(outcomeOf(err))))
	return err
}

// route accepts the one path, exactly as it is written: no trailing slash, no other case, nothing escaped.
func route(req *http.Request) error {
	if req.URL.Path != Path || req.URL.RawPath != "" {
		return rejectedPath
	}
	if req.Method != http.MethodPost {
		return rejectedMethod
	}
	return nil
}

// verify reads the request into v. Only here is a body in memory: an event that waits for the API server afterwards costs a
// connection and no more.
func (r *Receiver) verify(w http.ResponseWriter, req *http.Request, v *visit) (err error) {
	if req.ContentLength > r.config.Limits.BodyBytes {
		return rejectedSize
	}
	if v.delivery, err = parseDelivery(req.Header); err != nil {
		return err
	}
	body, done, err := r.read(w, req)
	defer done()
	if err != nil {
		return err
	}
	if err := verify(v.delivery, body, r.config.Keys(), v.at); err != nil {
		return err
	}
	v.verified = true
	if !isPlainJSON(req.Header) {
		return rejectedContentType
	}
	v.event, err = decodeEvent(body, r.config.InstanceID, v.at)
	return err
}

// read reads the body, the small one of a usual event at once, a larger one when there is a place for it. The place is kept
// until done.
func (r *Receiver) read(w http.ResponseWriter, req *http.Request) (body []byte, done func(), err error) {
	limits, done := r.config.Limits, func() {}
	arriving := http.MaxBytesReader(w, req.Body, limits.BodyBytes)
	var read bytes.Buffer
	// Growing step by step would take several times the memory.
	read.Grow(int(min(max(req.ContentLength, 0), limits.SmallBodyBytes)) + bytes.MinRead)
	_, err = io.CopyN(&read, arriving, limits.SmallBodyBytes)
	if err == nil { // there may be more
		if done, err = r.place(req.Context()); err != nil {
			return nil, func() {}, err
		}
		read.Grow(int(max(req.ContentLength-limits.SmallBodyBytes, 0)) + bytes.MinRead)
		_, err = read.ReadFrom(arriving)
	}
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		return nil, done, rejectedSize
	case err != nil && !errors.Is(err, io.EOF):
		return nil, done, rejectedBody
	}
	return read.Bytes(), done, nil
}

// place waits for a place for a large body, which is free again when done is called.
func (r *Receiver) place(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Queue)
	defer cancel()
	select {
	case r.bodies <- struct{}{}:
		return func() { <-r.bodies }, nil
	case <-ctx.Done():
		return nil, overloaded
	}
}

// isPlainJSON reports whether the body is JSON in UTF-8 as it stands. Nothing is ever decompressed.
func isPlainJSON(header http.Header) bool {
	if len(header.Values("Content-Encoding")) > 0 {
		return false
	}
	media, params, err := mime.ParseMediaType(only(header, "Content-Type"))
	if err != nil || media != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return len(params) == 0 || len(params) == 1 && given && strings.EqualFold(charset, "utf-8")
}

// respond answers. Only who was believed keeps the connection: places for others are scarce.
func respond(w http.ResponseWriter, a answer) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	switch a.status {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
		header.Set("Connection", "close")
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
		header.Set("Connection", "close")
	default:
		header.Set("Connection", "close")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.text+"\n") // the sender may have gone
}

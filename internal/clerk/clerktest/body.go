package clerktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"time"
)

// maxBodyBytes bounds a request body. Clerk refuses larger ones too; its bound is not documented.
const maxBodyBytes = 1 << 20

// form reads the parameters of a JSON body one by one and collects their errors, because Clerk reports all errors of a
// body together. Parameters that are never read are reported as unknown.
type form struct {
	fields map[string]json.RawMessage
	errors []errorItem
}

// readForm reads the body of r. An empty body, {} and null (which the Go SDK sends without parameters) are a form without
// parameters.
func readForm(r *http.Request) (*form, error) {
	body, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, newAPIError(http.StatusRequestEntityTooLarge, "request_body_too_large", "Request body too large",
			fmt.Sprintf("The request body exceeds the maximum allowed size of %d bytes.", tooLarge.Limit))
	}
	if err != nil {
		return nil, catalogError(http.StatusBadRequest, "request_body_invalid")
	}
	if len(body) == 0 {
		return &form{}, nil
	}
	if err := checkContentType(r); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return nil, catalogError(http.StatusBadRequest, "request_body_invalid")
	}
	return &form{fields: fields}, nil
}

func checkContentType(r *http.Request) error {
	got := r.Header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(got); err == nil && kind == "application/json" {
		return nil
	}
	return newAPIError(http.StatusUnsupportedMediaType, "unsupported_content_type", "Content-Type is unsupported",
		"Content-Type "+got+" is unsupported. You should use application/json instead.")
}

// value decodes one parameter into target and reports whether it did. It leaves target unchanged if the parameter is
// absent.
func (f *form) value(name, kind string, target any) bool {
	raw, present := f.fields[name]
	delete(f.fields, name)
	if !present {
		return false
	}
	if err := decodeJSON(raw, target); err != nil {
		f.fail(wrongType(name, kind))
		return false
	}
	return true
}

// nullableText reads a string that null or "" clears.
func (f *form) nullableText(name string, target **string) {
	if f.value(name, "string", target) && *target != nil && **target == "" {
		*target = nil
	}
}

// text reads a string that null clears and "" does not.
func (f *form) text(name string, target **string) { f.value(name, "string", target) }

func (f *form) flag(name string, target *bool) { f.value(name, "boolean", target) }

func (f *form) list(name string, target *[]string) { f.value(name, "array of strings", target) }

// timestamp reads a time in RFC 3339 as Unix milliseconds.
func (f *form) timestamp(name string, target **int64) {
	var text *string
	if !f.value(name, "string", &text) || text == nil {
		return
	}
	at, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		f.fail(invalid(name, "form_param_invalid_time", "invalid format",
			name+" must contain a datetime specified in RFC3339 format (e.g. `2022-10-20T10:00:27.645Z`)."))
		return
	}
	*target = new(at.UnixMilli())
}

// metadata reads a metadata field and reports whether it was present. It rejects null unless nullable.
func (f *form) metadata(name string, nullable bool, target *Metadata) bool {
	if !f.value(name, "object", target) {
		return false
	}
	if *target == nil && !nullable {
		f.fail(wrongType(name, "object"))
		return false
	}
	return true
}

// ignore accepts parameters of Clerk's that have no effect here.
func (f *form) ignore(names ...string) {
	for _, name := range names {
		delete(f.fields, name)
	}
}

func (f *form) fail(err *apiError) { f.errors = append(f.errors, err.items...) }

// finish returns the collected errors, including one for every parameter that was not read.
func (f *form) finish() error {
	for _, name := range slices.Sorted(maps.Keys(f.fields)) {
		f.fail(unknownParameter(name))
	}
	if len(f.errors) == 0 {
		return nil
	}
	return &apiError{status: http.StatusUnprocessableEntity, items: f.errors}
}

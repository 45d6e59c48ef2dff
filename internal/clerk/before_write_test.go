package clerk_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

// A process may be frozen while a write is queued, so BeforeWrite runs immediately before the write is sent.
func TestWriteRole_BeforeWriteRunsAfterBudgetWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errForbidden := errors.New("no longer the leader")
		var forbidden atomic.Bool
		var sent []string
		c := clerk.New(clerk.Config{
			URL: "http://clerk.invalid/v1", Key: func() string { return "sk_test_canary" }, RequestsPerSecond: 1,
			BeforeWrite: func() error {
				if forbidden.Load() {
					return errForbidden
				}
				return nil
			},
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, r.Method)
				return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			}),
		})
		write := func() error {
			_, err := c.WriteRole(t.Context(), "user_jane", user.GrantRole, own("admin"))
			return err
		}
		if err := write(); errors.Is(err, errForbidden) {
			t.Errorf("first write: %v", err)
		}
		written := make(chan error)
		go func() { written <- write() }()
		synctest.Wait()
		forbidden.Store(true) // while the write is queued
		err := <-written
		wantKind(t, err, clerk.Unavailable)
		if !errors.Is(err, errForbidden) || !strings.Contains(err.Error(), errForbidden.Error()) {
			t.Errorf("the error does not contain the cause: %v", err)
		}
		if _, err := c.Instance(t.Context()); errors.Is(err, errForbidden) {
			t.Errorf("a read was not sent: %v", err)
		}
		if diff := cmp.Diff([]string{http.MethodPatch, http.MethodGet}, sent); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

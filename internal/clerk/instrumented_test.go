package clerk_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

// failingClient answers every call with err.
type failingClient struct {
	clerk.API
	err error
}

func (c failingClient) Get(context.Context, user.ID) (user.User, error) {
	return user.User{ID: "user_jane"}, c.err
}

func (c failingClient) WriteRole(context.Context, user.ID, user.RoleChange, user.Marker) (user.User, error) {
	return user.User{ID: "user_jane"}, c.err
}

func (c failingClient) SetExternalID(context.Context, user.ID, string) (user.User, error) {
	return user.User{ID: "user_jane"}, c.err
}

func (c failingClient) FindByEmail(context.Context, string) ([]user.User, error) {
	return []user.User{{ID: "user_jane"}}, c.err
}

func (c failingClient) Count(context.Context) (int, error) { return 7, c.err }

// A span carries the kind of an error and never its text. The answer passes unchanged.
func TestInstrumented_RecordsSpans(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err         error
		read, write sdktrace.Status // of a read by id and of a write
		find        sdktrace.Status
	}{
		"success": {},
		"not found": {
			err: &clerk.Error{Kind: clerk.NotFound}, write: sdktrace.Status{Code: codes.Error, Description: string(clerk.NotFound)},
			find: sdktrace.Status{Code: codes.Error, Description: string(clerk.NotFound)},
		},
		"refused": {
			err:   &clerk.Error{Kind: clerk.Unauthorized, Code: "jane.canary@example.com"},
			read:  sdktrace.Status{Code: codes.Error, Description: string(clerk.Unauthorized)},
			write: sdktrace.Status{Code: codes.Error, Description: string(clerk.Unauthorized)},
			find:  sdktrace.Status{Code: codes.Error, Description: string(clerk.Unauthorized)},
		},
		"other error": {
			err:   errors.New("jane.canary@example.com"),
			read:  sdktrace.Status{Code: codes.Error, Description: string(clerk.Unavailable)},
			write: sdktrace.Status{Code: codes.Error, Description: string(clerk.Unavailable)},
			find:  sdktrace.Status{Code: codes.Error, Description: string(clerk.Unavailable)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans := tracetest.NewSpanRecorder()
			tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
			client := clerk.Instrumented(failingClient{err: test.err}, tracer)
			read, readErr := client.Get(t.Context(), "user_jane")
			written, writeErr := client.WriteRole(t.Context(), "user_jane", user.GrantRole, own("trainer"))
			found, findErr := client.FindByEmail(t.Context(), "jane.canary@example.com")
			changed, changeErr := client.SetExternalID(t.Context(), "user_jane", "42")
			count, countErr := client.Count(t.Context())
			if read.ID != "user_jane" || written.ID != "user_jane" || changed.ID != "user_jane" || len(found) != 1 || count != 7 {
				t.Errorf("the answers are %v, %v, %v, %d", read, written, found, count)
			}
			for _, err := range []error{readErr, writeErr, findErr, changeErr, countErr} {
				if !errors.Is(err, test.err) {
					t.Errorf("the error is %v", err)
				}
			}
			type recorded struct {
				Name       string
				Status     sdktrace.Status
				Attributes int
			}
			var got []recorded
			for _, span := range spans.Ended() {
				got = append(got, recorded{span.Name(), span.Status(), len(span.Attributes())})
			}
			want := []recorded{
				{"Clerk: read user", test.read, 0}, {"Clerk: write role", test.write, 1},
				{"Clerk: find users by e-mail", test.find, 0}, {"Clerk: set external id", test.write, 0},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
		})
	}
}

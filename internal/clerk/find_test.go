package clerk_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestByEmail_FindsUsers(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Import(20)
	for address, want := range map[string][]user.ID{
		"jane.canary@example.com": {s.jane}, "nobody@example.com": {}, "a&limit=500@example.com": {},
	} {
		got, err := clerk.New(s.config()).ByEmail(t.Context(), address)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", address, err, diff)
		}
	}
}

// An unusable response is an error and not an empty result. The error does not quote the address.
func TestByEmail_UnusableResponseIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, respond := range unusableResponses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.failAll(respond)
			if name == "200 []" {
				return // a valid empty list
			}
			_, err := clerk.New(s.config()).ByEmail(t.Context(), "jane.canary@example.com")
			wantKind(t, err, clerk.Unavailable)
		})
	}
}

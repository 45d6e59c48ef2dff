package clerk_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestUsersAreFoundByTheirAddress(t *testing.T) {
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

// Not to be told is not to be told that there is nobody; and the address is in no error.
func TestUselessAnswersFindNobodyAndSaySo(t *testing.T) {
	t.Parallel()
	for name, respond := range uselessAnswers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.fails(respond)
			if name == "200 []" {
				return // which is a list of nobody
			}
			_, err := clerk.New(s.config()).ByEmail(t.Context(), "jane.canary@example.com")
			wantKind(t, err, clerk.Unavailable)
		})
	}
}

package user_test

import (
	"testing"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestIsTest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		email, phone string
		want         bool
	}{
		{"jane+clerk_test@example.com", "", true},
		{"jane+work+clerk_test@example.com", "", true},
		{"", "+12015550100", true},
		{"jane@example.com", "+12015550199", true},
		{"jane@example.com", "+12015550200", false},
		{"jane@example.com", "+442015550100", false},
		{"jane+clerk_tester@example.com", "", false},
		{"clerk_test@example.com", "", false},
		{"jane@clerk_test.example.com", "", false},
		{"", "", false},
	} {
		if got := (user.User{Email: c.email, Phone: c.phone}).IsTest(); got != c.want {
			t.Errorf("%s %s: %v", c.email, c.phone, got)
		}
	}
}

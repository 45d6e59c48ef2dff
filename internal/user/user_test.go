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

func TestIsTestEmail_IsTheSubaddressThatClerkReserves(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"jane+clerk_test@example.com":      true,
		"jane+work+clerk_test@example.com": true,
		"Jane+Clerk_TEST@Example.com":      true,
		"+clerk_test@example.com":          true,
		"jane+clerk_test":                  true,
		"jane@example.com":                 false,
		"jane+clerk_tester@example.com":    false,
		"jane@example.com+clerk_test":      false,
		"clerk_test@example.com":           false,
		"":                                 false,
	} {
		if got := user.IsTestEmail(address); got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
}

func TestNormalizeEmail_LowersOnlyASCII(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"jane@example.com":    "jane@example.com",
		" Jane@EXAMPLE.com\n": "jane@example.com",
		"":                    "",
		"jOSÉ@example.com":    "josÉ@example.com",
		// Both letters are i and k in Unicode's lower case, but the addresses belong to other people.
		"adm\u0130n@example.com":      "adm\u0130n@example.com",
		"admin@f\u0130tai.dev":        "admin@f\u0130tai.dev",
		"\u212aate@example.com":       "\u212aate@example.com",
		"A+Z@[`{example.com":          "a+z@[`{example.com",
		"\u017ftaff@EXAMPLE.com":      "\u017ftaff@example.com",
		"jane@example.com@Fitai.DEV ": "jane@example.com@fitai.dev",
	} {
		got := user.NormalizeEmail(address)
		if got != want {
			t.Errorf("NormalizeEmail(%q) = %q, want %q", address, got, want)
		}
		if again := user.NormalizeEmail(got); again != got {
			t.Errorf("NormalizeEmail(%q) = %q: not the same a second time", got, again)
		}
	}
}

func TestHolds_OnlyVerifiedAddresses(t *testing.T) {
	t.Parallel()
	u := user.User{
		Email: "primary@example.com", // shown by Clerk, not verified
		VerifiedEmails: []string{
			user.NormalizeEmail("Jane@Example.com"), "jane@fitai.dev", "jane+clerk_test@example.com", "",
		},
	}
	for address, want := range map[string]bool{
		"jane@example.com":            true,
		" JANE@example.COM ":          true,
		"jane@fitai.dev":              true,
		"primary@example.com":         false,
		"joe@example.com":             false,
		"jane+gym@example.com":        false,
		"jane+clerk_test@example.com": false,
		"jane+CLERK_test@example.com": false,
		"ane@example.com":             false,
		"jane@example.com,":           false,
		"":                            false,
		" ":                           false,
	} {
		if got := u.Holds(address); got != want {
			t.Errorf("holds %q: %v, want %v", address, got, want)
		}
	}
	if (user.User{}).Holds("jane@example.com") {
		t.Error("a user without addresses holds one")
	}
}

// Only the user's own verified addresses are held.
func FuzzHolds(f *testing.F) {
	for _, seed := range []string{
		"", "jane@example.com", " Jane@EXAMPLE.com", "jane+clerk_test@example.com", "adm\u0130n@example.com", "\xff@example.com",
	} {
		f.Add(seed, "jane@example.com")
		f.Add("jane@example.com", seed)
	}
	f.Fuzz(func(t *testing.T, verified, address string) {
		u := user.User{VerifiedEmails: []string{user.NormalizeEmail(verified)}}
		got := u.Holds(address)
		same := user.NormalizeEmail(verified) == user.NormalizeEmail(address)
		if got && (!same || user.IsTestEmail(address) || address == "") {
			t.Errorf("a user with %q holds %q", verified, address)
		}
		if !got && same && user.NormalizeEmail(address) != "" && !user.IsTestEmail(user.NormalizeEmail(address)) {
			t.Errorf("a user with %q does not hold %q", verified, address)
		}
	})
}

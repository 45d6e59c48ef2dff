package budget

import (
	"strings"
	"testing"
)

func TestParseMaxDeletions(t *testing.T) {
	for text, want := range map[string]map[int]int{
		"":     {0: 10, 50: 10, 1000: 100},
		"0":    {1000: 0},
		"50":   {10: 50, 10_000: 50},
		"10%":  {0: 0, 15: 1, 1000: 100},
		"2.5%": {1000: 25},
		"100%": {7: 7},
	} {
		limit, err := ParseMaxDeletions(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		for users, most := range want {
			if got := limit.of(users); got != most {
				t.Errorf("%q of %d users: %d, want %d", text, users, got, most)
			}
		}
	}
	for _, text := range []string{"many", "-1", "-5%", "101%", "%", "NaN%", "1e3", "5 %", "١٠"} {
		if limit, err := ParseMaxDeletions(text); err == nil {
			t.Errorf("%q is taken for %+v", text, limit)
		}
	}
}

func FuzzParseMaxDeletions(f *testing.F) {
	for _, seed := range []string{"", "0", "50", "10%", "0.5%", "100%", "-1", "1e309%", "NaN%", "9999999999999999999", "+5", "0x1p-2%"} {
		f.Add(seed, 100)
	}
	f.Fuzz(func(t *testing.T, text string, users int) {
		limit, err := ParseMaxDeletions(text)
		if err != nil {
			return
		}
		users = max(users, 0)
		if most := limit.of(users); most < 0 || strings.HasSuffix(text, "%") && most > users {
			t.Errorf("%q of %d users is %d", text, users, most)
		}
	})
}

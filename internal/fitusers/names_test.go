package fitusers_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

func TestNameForIsAContract(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		id      string
		attempt int
		want    string
	}{
		{"user_2abc123", 0, "user-2abc123-0"},
		{"user_2aBc", 0, "user-2abc-4"},
		{"user_2aBc", 1, "user-2abc-4-1"},
		{"user_29w83sxmDNGwOuEthce5gg56FcC", 0, "user-29w83sxmdngwouethce5gg56fcc-5005700"},
		{"user_" + strings.Repeat("Z", 58), 4, "user-" + strings.Repeat("z", 58) + "-3ffffffffffffff-4"},
	} {
		if got := fitusers.NameFor(test.id, test.attempt); got != test.want {
			t.Errorf("NameFor(%s, %d) = %s, want %s", test.id, test.attempt, got, test.want)
		}
	}
}

// Ids that differ only in case are different users.
func TestNamesOfDifferentIDsDiffer(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	ids := map[string]bool{}
	for range 200 {
		letters := randomID(random)
		for range 50 {
			ids[randomCase(random, letters)] = true
		}
	}
	holders := map[string]string{}
	for id := range ids {
		for attempt := range fitusers.MaxNameAttempts {
			holder := fmt.Sprintf("%s, attempt %d", id, attempt)
			name := fitusers.NameFor(id, attempt)
			if other, taken := holders[name]; taken {
				t.Fatalf("%s is the name of %s and of %s", name, holder, other)
			}
			holders[name] = holder
			checkName(t, name, id)
		}
	}
}

func FuzzNameFor(f *testing.F) {
	f.Add("user_29w83sxmDNGwOuEthce5gg56FcC", uint8(0))
	f.Add("user_"+strings.Repeat("Z", 58), uint8(4))
	f.Fuzz(func(t *testing.T, id string, attempt uint8) {
		if _, err := user.ParseID(id); err != nil {
			return // the API server refuses a FitUser with it
		}
		checkName(t, fitusers.NameFor(id, int(attempt)), id)
	})
}

// checkName checks that name is legal, recognisable, and of no other id: the id can be read back from it.
func checkName(t *testing.T, name, id string) {
	t.Helper()
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		t.Errorf("the name of %s, %s, is not legal: %v", id, name, problems)
	}
	if !strings.Contains(name, strings.ToLower(strings.TrimPrefix(id, "user_"))) {
		t.Errorf("a person cannot recognise %s in %s", id, name)
	}
	if got := idFrom(t, name); got != id {
		t.Errorf("the name of %s, %s, is also that of %s", id, name, got)
	}
}

func idFrom(t *testing.T, name string) string {
	t.Helper()
	parts := strings.Split(name, "-")
	if len(parts) < 3 || parts[0] != "user" {
		t.Fatalf("%s is not user-(id)-(capitals)", name)
	}
	capitals, err := strconv.ParseUint(parts[2], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	id := []byte(parts[1])
	for i, c := range id {
		if capitals&(1<<i) != 0 {
			id[i] = strings.ToUpper(string(c))[0]
		}
	}
	return "user_" + string(id)
}

func randomID(random *rand.Rand) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	id := make([]byte, 1+random.IntN(58))
	for i := range id {
		id[i] = digits[random.IntN(len(digits))]
	}
	return string(id)
}

func randomCase(random *rand.Rand, letters string) string {
	id := []byte(letters)
	for i, c := range id {
		if random.IntN(2) == 0 {
			id[i] = strings.ToUpper(string(c))[0]
		}
	}
	return "user_" + string(id)
}

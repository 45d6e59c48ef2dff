package user_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/user"
)

func TestParseID_ReturnsClerkIDsUnchanged(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"user_29w83sxmDNGwOuEthce5gg56FcC",
		"user_2g7np7Hrk0SN6kj5EDMLDaKNL0S",
		"user_1",
		"user_Jane",
		"user_jane",
		"user_" + strings.Repeat("z", user.MaxIDLength-len("user_")),
	} {
		if got, err := user.ParseID(id); err != nil || string(got) != id {
			t.Errorf("ParseID(%q) = %q, %v; want it unchanged", id, got, err)
		}
	}
}

func TestParseID_RejectsOtherStrings(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"empty":             "",
		"prefix alone":      "user_",
		"no prefix":         "29w83sxmDNGwOuEthce5gg56FcC",
		"another prefix":    "org_29w83sxmDNGwOuEthce5gg56FcC",
		"prefix in capital": "User_1",
		"second underscore": "user_a_b",
		"hyphen":            "user_a-b",
		"path":              "user_x/../../organizations",
		"query":             "user_x?y",
		"fragment":          "user_x#y",
		"escape":            "user_x%2fy",
		"space before":      " user_x",
		"space after":       "user_x ",
		"newline after":     "user_x\n",
		"NUL after":         "user_x\x00",
		"second line":       "user_x\nuser_y",
		"letter with tail":  "user_é",
		"other digits":      "user_١٢",
		"invalid UTF-8":     "user_\xff",
		"64 characters":     "user_" + strings.Repeat("z", user.MaxIDLength-len("user_")+1),
		"very long":         "user_" + strings.Repeat("z", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := user.ParseID(id)
			if got != "" || !errors.Is(err, user.ErrInvalidID) {
				t.Fatalf("ParseID = %q, %v; want an empty id and ErrInvalidID", got, err)
			}
			if id != "" && id != "user_" && strings.Contains(err.Error(), id) {
				t.Errorf("the error repeats the id: %v", err)
			}
		})
	}
}

package fituser

import (
	"strings"
	"unicode/utf8"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/user"
)

// ProfileMode is how much of the profile a status contains (--status-profile). A status lies in etcd and its backups, and
// everybody who may read FitUsers sees it.
type ProfileMode string

// The profile modes.
const (
	// ProfileFull shows the whole profile.
	ProfileFull ProfileMode = "full"
	// ProfileMasked shows enough to recognise a known person.
	ProfileMasked ProfileMode = "masked"
	// ProfileNone shows nothing.
	ProfileNone ProfileMode = "none"
)

// Maximum lengths in characters, as in the CRD. Clerk's values are longer only by accident or malice, and a refused status
// would hide everything else in it.
const (
	maxEmail = 320
	maxName  = 256
	maxPhone = 64
	maxRole  = 63

	maxReconcileRequest = 253
	maxManager          = 128
	maxRevision         = 253
	maxRowKey           = 512
)

// Profile returns the profile that a status shows of u; nil when it shows none.
func (m ProfileMode) Profile(u *user.User) *v1alpha1.Profile {
	p := v1alpha1.Profile{
		Email: truncate(u.Email, maxEmail), FirstName: truncate(u.FirstName, maxName),
		LastName: truncate(u.LastName, maxName), Phone: truncate(u.Phone, maxPhone),
	}
	switch m {
	case ProfileNone:
		return nil
	case ProfileFull:
	case ProfileMasked:
		p.Email, p.FirstName, p.LastName = maskEmail(p.Email), mask(p.FirstName), mask(p.LastName)
		p.Phone = maskPhone(p.Phone)
	}
	if p == (v1alpha1.Profile{}) {
		return nil
	}
	return &p
}

// mask keeps the first character.
func mask(s string) string {
	if s == "" {
		return ""
	}
	_, size := utf8.DecodeRuneInString(s)
	return s[:size] + "***"
}

// maskEmail keeps the first character and the domain.
func maskEmail(s string) string {
	local, domain, found := strings.Cut(s, "@")
	if !found {
		return mask(s)
	}
	return mask(local) + "@" + domain
}

// maskPhone keeps the last two digits.
func maskPhone(s string) string {
	if len(s) <= 2 {
		return strings.Repeat("*", len(s))
	}
	return "***" + s[len(s)-2:]
}

func truncate(s string, characters int) string {
	if utf8.RuneCountInString(s) <= characters {
		return s
	}
	return string([]rune(s)[:characters])
}

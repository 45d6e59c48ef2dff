package clerktest

import (
	"regexp"
	"sync"
)

// digests are the formats of password digests by password_hasher, as Clerk's reference of createUser describes them
// (clerk.com/docs/reference/backend/user/create-user). A nil format accepts any text.
var digests = sync.OnceValue(func() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"argon2i":               regexp.MustCompile(`^\$argon2i\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$`),
		"argon2id":              regexp.MustCompile(`^\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$`),
		"awscognito":            nil,
		"bcrypt":                regexp.MustCompile(`^\$2[aby]?\$\d\d\$[./A-Za-z0-9]{53}$`),
		"bcrypt_peppered":       nil,
		"bcrypt_sha256_django":  regexp.MustCompile(`^bcrypt_sha256\$\$2[aby]?\$\d\d\$[./A-Za-z0-9]{53}$`),
		"hmac_sha256_utf16_b64": nil,
		"ldap_ssha":             regexp.MustCompile(`^\{SSHA\}[A-Za-z0-9+/]+=*$`),
		"md5":                   regexp.MustCompile(`^[0-9a-f]{32}$`),
		"md5_phpass":            nil,
		"md5_salted":            regexp.MustCompile(`^.+\$[0-9a-f]{32}$`),
		"pbkdf2_sha1":           regexp.MustCompile(`^pbkdf2_sha1\$\d+\$.+\$[0-9a-f]+(\$\d+)?$`),
		"pbkdf2_sha256":         regexp.MustCompile(`^pbkdf2_sha256\$\d+\$[A-Za-z0-9+/]+=*\$[A-Za-z0-9+/]+=*$`),
		"pbkdf2_sha256_django":  regexp.MustCompile(`^pbkdf2_sha256\$\d+\$[^$]+\$[A-Za-z0-9+/]+=*$`),
		"pbkdf2_sha512":         regexp.MustCompile(`^pbkdf2_sha512\$\d+\$[^$]+\$[0-9a-f]+$`),
		"pbkdf2_sha512_hex":     regexp.MustCompile(`^pbkdf2_sha512_hex\$\d+\$[0-9a-f]+\$[0-9a-f]+$`),
		"phpass":                regexp.MustCompile(`^\$P\$[./0-9A-Za-z]{31}$`),
		"scrypt_firebase":       regexp.MustCompile(`^[^$]+\$[^$]+\$[^$]+\$[^$]*\$\d+\$\d+$`),
		"scrypt_werkzeug":       regexp.MustCompile(`^scrypt:\d+:\d+:\d+\$[^$]+\$[0-9a-f]+$`),
		"sha256":                regexp.MustCompile(`^[0-9a-f]{64}$`),
		"sha256_salted":         regexp.MustCompile(`^.+\$[0-9a-f]{64}$`),
		"sha512_symfony":        regexp.MustCompile(`^sha512_symfony\$\d+\$[^$]*\$[A-Za-z0-9+/]+=*$`),
	}
})

// readPassword reads a password in the clear or as a digest. Clerk does not document which error a digest without a hasher
// gets.
func (s *Server) readPassword(f *form, u *User) {
	var password, digest, hasher *string
	f.value("password", "string", &password)
	f.value("password_digest", "string", &digest)
	f.value("password_hasher", "string", &hasher)
	if digest != nil && !f.acceptsDigest(*digest, valueOf(hasher)) {
		return
	}
	if password == nil && digest == nil {
		return
	}
	u.PasswordEnabled, u.PasswordLastUpdatedAt = true, new(s.now().UnixMilli())
	u.PasswordDigest, u.PasswordHasher = valueOf(digest), valueOf(hasher)
}

// acceptsDigest reports whether a digest has the format of its hasher.
func (f *form) acceptsDigest(digest, hasher string) bool {
	format, known := digests()[hasher]
	switch {
	case hasher == "":
		f.fail(missing("password_hasher"))
	case !known:
		f.fail(wrongValue("password_hasher", hasher))
	case format != nil && !format.MatchString(digest):
		const text = "The password digest is not valid for the given hasher."
		f.fail(invalid("password_digest", "form_password_digest_invalid_code", text, text))
	default:
		return true
	}
	return false
}

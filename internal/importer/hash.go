package importer

import (
	"regexp"
	"strings"
)

// hashKind is a kind of hashed password that Clerk accepts: its name there, and its form. The names and forms are those of
// Clerk's reference (password_hasher in the description of CreateUser).
type hashKind struct {
	hasher string
	form   *regexp.Regexp
}

const (
	base64Text = `[A-Za-z0-9+/]+=*`
	// bcryptForm allows the costs that Clerk's own tool accepts: above 15, a sign-in would take seconds.
	bcryptForm = `\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}`
	argonForm  = `\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+`
)

// hashKinds returns all kinds that their form shows. pbkdf2_sha256 has two kinds of one form; Django's is the common one.
func hashKinds() []hashKind {
	form := func(pattern string) *regexp.Regexp { return regexp.MustCompile(`^` + pattern + `$`) }
	return []hashKind{
		{"bcrypt", form(bcryptForm)},
		{"bcrypt_sha256_django", form(`bcrypt_sha256\$` + bcryptForm)},
		{"argon2i", form(`\$argon2i` + argonForm)},
		{"argon2id", form(`\$argon2id` + argonForm)},
		{"pbkdf2_sha256_django", form(`pbkdf2_sha256\$\d+\$[^$]+\$` + base64Text)},
		{"pbkdf2_sha1", form(`pbkdf2_sha1\$\d+\$[^$]+\$[0-9a-f]{40,}(\$\d+)?`)},
		{"pbkdf2_sha512", form(`pbkdf2_sha512\$\d+\$[^$]+\$[0-9a-f]+`)},
		{"pbkdf2_sha512_hex", form(`pbkdf2_sha512_hex\$\d+\$[0-9a-f]+\$[0-9a-f]+`)},
		{"scrypt_werkzeug", form(`scrypt:\d+:\d+:\d+\$[^$]+\$[0-9a-f]+`)},
		{"scrypt_firebase", form(base64Text + `\$` + base64Text + `\$` + base64Text + `\$[A-Za-z0-9+/=]*\$\d+\$\d+`)},
		{"phpass", form(`\$P\$[./0-9A-Za-z]{31}`)},
		{"ldap_ssha", form(`\{SSHA\}` + base64Text)},
		{"sha512_symfony", form(`sha512_symfony\$\d+\$[^$]*\$` + base64Text)},
		{"md5", form(`[0-9a-f]{32}`)},
		{"sha256", form(`[0-9a-f]{64}`)},
	}
}

// hexadecimal is a hash of md5 or sha256, in either case.
var hexadecimal = regexp.MustCompile(`^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{64})$`)

// hashes recognizes hashed passwords.
type hashes []hashKind

func newHashes() hashes { return hashKinds() }

// recognize returns a hash as Clerk takes it and the kind that it is; both are empty for an unknown kind.
func (h hashes) recognize(hash string) (digest, hasher string) {
	digest = strings.TrimSpace(hash)
	// Django writes the name of its hasher before the text that argon2 itself produces.
	if own, isDjango := strings.CutPrefix(digest, "argon2$argon2"); isDjango {
		digest = "$argon2" + own
	}
	if hexadecimal.MatchString(digest) {
		digest = strings.ToLower(digest)
	}
	for _, kind := range h {
		if kind.form.MatchString(digest) {
			return digest, kind.hasher
		}
	}
	return "", ""
}

package importer

import (
	"strings"
	"testing"
)

const (
	bcryptHash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
	argonHash  = "$argon2id$v=19$m=64,t=4,p=8$Z2liZXJyaXNo$iGXEpMBTDYQ8G/71tF0qGjxRHEmR3gpGULcE93zUJVU"
)

func TestHashes_Recognize(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ hash, hasher, digest string }{
		"bcrypt":                 {bcryptHash, "bcrypt", ""},
		"bcrypt of PHP":          {"$2y" + bcryptHash[3:], "bcrypt", ""},
		"bcrypt 2b":              {"$2b" + bcryptHash[3:], "bcrypt", ""},
		"bcrypt padded":          {bcryptHash + "    ", "bcrypt", bcryptHash},
		"bcrypt too expensive":   {strings.Replace(bcryptHash, "$10$", "$16$", 1), "", ""},
		"bcrypt truncated":       {bcryptHash[:59], "", ""},
		"bcrypt with a pepper":   {bcryptHash + "$pepper", "", ""},
		"bcrypt of Django":       {"bcrypt_sha256$" + bcryptHash, "bcrypt_sha256_django", ""},
		"argon2id":               {argonHash, "argon2id", ""},
		"argon2i":                {strings.Replace(argonHash, "argon2id", "argon2i", 1), "argon2i", ""},
		"argon2d":                {strings.Replace(argonHash, "argon2id", "argon2d", 1), "", ""},
		"argon2 of Django":       {"argon2" + argonHash, "argon2id", argonHash},
		"argon2 without version": {strings.Replace(argonHash, "$v=19", "", 1), "", ""},
		"pbkdf2 of Django":       {"pbkdf2_sha256$600000$salt$+1sMJ1oJG1LQ2JYYiUJUbHM0YxV3cUTgBU6ay8bLCNc=", "pbkdf2_sha256_django", ""},
		"pbkdf2 sha1":            {"pbkdf2_sha1$1000$salt$" + strings.Repeat("0a", 20), "pbkdf2_sha1", ""},
		"pbkdf2 sha1 of Django":  {"pbkdf2_sha1$1000$salt$OGE5ZjE3YjE3ZjE3Zg==", "", ""},
		"pbkdf2 sha512":          {"pbkdf2_sha512$1000$salt$0a1b", "pbkdf2_sha512", ""},
		"pbkdf2 sha512 hex":      {"pbkdf2_sha512_hex$1000$0a1b$0a1b", "pbkdf2_sha512_hex", ""},
		"werkzeug":               {"scrypt:32768:8:1$salt$0a1b", "scrypt_werkzeug", ""},
		"werkzeug's pbkdf2":      {"pbkdf2:sha256:600000$salt$0a1b", "", ""},
		"firebase":               {"aGFzaA==$c2FsdA==$a2V5$Bw==$8$14", "scrypt_firebase", ""},
		"phpass":                 {"$P$B12345678jtVoXeYRNOYBqWOEEhoVH.", "phpass", ""},
		"phpBB":                  {"$H$B12345678jtVoXeYRNOYBqWOEEhoVH.", "", ""},
		"LDAP":                   {"{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3", "ldap_ssha", ""},
		"symfony":                {"sha512_symfony$5000$salt$aGFzaA==", "sha512_symfony", ""},
		"md5":                    {"5f4dcc3b5aa765d61d8327deb882cf99", "md5", ""},
		"md5 in capitals":        {"5F4DCC3B5AA765D61D8327DEB882CF99", "md5", "5f4dcc3b5aa765d61d8327deb882cf99"},
		"md5 crypt":              {"$1$salt$qJH7.N4xYta3aEG/dfqo/0", "", ""},
		"sha256":                 {strings.Repeat("0f", 32), "sha256", ""},
		"sha512 crypt":           {"$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.", "", ""},
		"sha1":                   {strings.Repeat("0f", 20), "", ""},
		"in the clear":           {"correct horse", "", ""},
		"empty":                  {"", "", ""},
		"Django's unusable":      {"!X0vGCuoaVL7tQyRgnlyXGPhl5sxIB3Qhy", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := test.digest
			if want == "" && test.hasher != "" {
				want = test.hash
			}
			if digest, hasher := newHashes().recognize(test.hash); hasher != test.hasher || digest != want {
				t.Errorf("got %q of %q, want %q of %q", digest, hasher, want, test.hasher)
			}
		})
	}
}

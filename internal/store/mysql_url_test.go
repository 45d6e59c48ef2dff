package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fitai/fituser-operator/internal/store"
)

func TestMySQLURL_AcceptsOtherClientsParameters(t *testing.T) {
	t.Parallel()
	for _, parameters := range []string{
		"connection_limit=1&pool_timeout=5&socket_timeout=3", "sslaccept=accept_invalid_certs", "serverVersion=8.0.32&charset=utf8mb4",
		"parseTime=true&loc=UTC", "encoding=utf8&pool=5&reconnect=true", "connect_timeout=10", "timezone=Z&ssl=true",
		"sslmode=verify_identity", "ssl_mode=verify-ca", "tls=preferred",
	} {
		if _, err := store.Open("mysql://app:secret@db.example.com/app?"+parameters, store.Options{}); err != nil {
			t.Errorf("%s: %v", parameters, err)
		}
	}
}

func TestMySQLURL_NamesTheParameter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty, text := filepath.Join(dir, "empty"), filepath.Join(dir, "text.pem")
	for file, content := range map[string]string{empty: "", text: "-----BEGIN TEXT-----\nAAAA\n-----END TEXT-----\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for parameters, problem := range map[string]string{
		"schema=app":                          "schema of the database URL is not known: remove it from the operator's URL",
		"allowAllFiles=true":                  "allowAllFiles of the database URL is not known: remove it from the operator's URL",
		"connection_limit=0":                  "connection_limit of the database URL must be a number of connections, 1 or more",
		"connect_timeout=x":                   "connect_timeout of the database URL must be a number of seconds",
		"charset=latin1":                      "charset of the database URL must be utf8mb4, which the operator always uses",
		"ssl-mode=FULL":                       "ssl-mode of the database URL has an unknown value; want ssl-mode=DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY",
		"sslca=/nowhere.pem":                  "sslca of the database URL names the file /nowhere.pem, which does not exist",
		"sslca=" + empty:                      "sslca of the database URL names the file " + empty + ", which is empty",
		"sslcert=" + text:                     "sslcert of the database URL names a file without a certificate",
		"sslkey=" + text:                      "sslkey of the database URL needs sslcert beside it",
		"sslcert=" + text + "&sslkey=" + text: "sslkey of the database URL names a file that does not fit the one of sslcert",
	} {
		_, err := store.Open("mysql://app:secret@db.example.com/app?"+parameters, store.Options{})
		if want := "the parameter " + problem; err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", parameters, err, want)
		}
	}
}

package libsql_test

import (
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/store/libsql"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string][2]string{
		"libsql://db-team.turso.io?authToken=eyJ.a-b_c":       {"https://db-team.turso.io/", "eyJ.a-b_c"},
		"libsql://db-team.turso.io":                           {"https://db-team.turso.io/", ""},
		"libsql://db.example.com:8443/?tls=1":                 {"https://db.example.com:8443/", ""},
		"libsql://127.0.0.1:8080?tls=0":                       {"http://127.0.0.1:8080/", ""},
		"libsql://[::1]:8080/dev/app?tls=0&authToken=t%2B%3D": {"http://[::1]:8080/dev/app/", "t+="},
		"http://localhost:8080":                               {"http://localhost:8080/", ""},
		"http://localhost:8080?tls=0":                         {"http://localhost:8080/", ""},
		"https://db-team.turso.io?tls=1&authToken=t":          {"https://db-team.turso.io/", "t"},
	} {
		config, err := libsql.ParseURL(rawURL)
		if err != nil {
			t.Errorf("%s: %v", rawURL, err)
			continue
		}
		if got := [2]string{config.Endpoint.String(), config.Token}; got != want {
			t.Errorf("%s: %v, want %v", rawURL, got, want)
		}
	}
}

func TestParseURL_ErrorsNameTheFaultAndNoPartOfTheURL(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"libsql://":                                     "cannot be read",
		"libsql:canary.db":                              "cannot be read",
		"libsql://host:canary?authToken=canary":         "cannot be read",
		"libsql://host?authToken=canary#canary":         "cannot be read",
		"libsql://host?authToken=can%zzary":             "cannot be read",
		"file://host/canary":                            "cannot be read",
		"libsql://canary@host":                          "a user or password",
		"libsql://u:canary@host":                        "a user or password",
		"libsql://host?authToken=":                      "authToken is empty",
		"libsql://host?authToken=can+ary":               "authToken is empty or contains",
		"libsql://host?authToken=canary%0A":             "authToken is empty or contains",
		"libsql://host?authToken=canary&authToken=b":    "twice",
		"libsql://host?auth_token=canary":               "parameter auth_token that is not known",
		"libsql://host?sslmode=canary":                  "parameter sslmode that is not known",
		"libsql://host?authToken=a&CANARYeyJhbGciOiJFZ": "a parameter that is not known",
		"libsql://host?tls=canary":                      "tls must be 0 or 1",
		"libsql://host?tls=0":                           "tls=0 and no port",
		"https://host?tls=0":                            "contradicts its scheme",
		"http://host?tls=1":                             "contradicts its scheme",
	} {
		_, err := libsql.ParseURL(rawURL)
		switch {
		case err == nil:
			t.Errorf("%s was accepted", rawURL)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %q", rawURL, err, want)
		case strings.Contains(strings.ToLower(err.Error()), "canary"):
			t.Errorf("the error repeats the URL: %v", err)
		}
	}
}

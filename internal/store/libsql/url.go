package libsql

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Config is how a server is reached.
type Config struct {
	// Endpoint is the server's address, with the scheme http or https and a path that ends with a slash.
	Endpoint *url.URL
	// Token is the bearer token; empty for a server that asks for none.
	Token string
}

var (
	errURL      = errors.New("the database URL cannot be read: want libsql://HOST[:PORT]?authToken=TOKEN")
	errUser     = errors.New("the database URL has a user or password: libSQL takes a token, as ?authToken=TOKEN")
	errTwice    = errors.New("the database URL has a parameter twice")
	errToken    = errors.New("the database URL's authToken is empty or contains a character that no token has")
	errTLS      = errors.New("the database URL's parameter tls must be 0 or 1")
	errConflict = errors.New("the database URL's parameter tls contradicts its scheme")
	errPort     = errors.New("the database URL has tls=0 and no port: want libsql://HOST:PORT?tls=0")
	errUnknown  = errors.New("the database URL has a parameter that is not known: libSQL takes authToken and tls")
)

// ParseURL reads libsql://HOST[:PORT][/PATH]?authToken=TOKEN&tls=0, or the same with https:// or http://. As in the
// vendor's client, libsql:// means HTTPS unless tls is 0. Its errors contain no part of the URL except the name of an
// unknown parameter.
func ParseURL(rawURL string) (Config, error) {
	parsed, err := url.Parse(rawURL)
	if err != nil || parsed.Hostname() == "" || parsed.Fragment != "" || parsed.Opaque != "" {
		return Config{}, errURL
	}
	if parsed.User != nil {
		return Config{}, errUser
	}
	parameters, err := parse(parsed.RawQuery)
	if err != nil {
		return Config{}, err
	}
	scheme, err := transportOf(parsed, parameters)
	if err != nil {
		return Config{}, err
	}
	token, given := parameters["authToken"]
	if given && !isToken(token) {
		return Config{}, errToken
	}
	endpoint := &url.URL{Scheme: scheme, Host: parsed.Host, Path: strings.TrimSuffix(parsed.Path, "/") + "/"}
	return Config{Endpoint: endpoint, Token: token}, nil
}

// parse reads the parameters. Each may occur once.
func parse(query string) (map[string]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errURL
	}
	parameters := map[string]string{}
	for name, all := range values {
		switch {
		case name != "authToken" && name != "tls":
			return nil, unknown(name)
		case len(all) > 1:
			return nil, errTwice
		}
		parameters[name] = all[0]
	}
	return parameters, nil
}

// parameterName matches a name that a person gave to a parameter, and no part of a token that was not percent-encoded.
var parameterName = regexp.MustCompile(`^[A-Za-z][a-z]{1,12}([_-]?[A-Z]?[a-z]{1,12}){0,2}$`)

func unknown(name string) error {
	if !parameterName.MatchString(name) {
		return errUnknown
	}
	return fmt.Errorf("the database URL has a parameter %s that is not known: libSQL takes authToken and tls", name)
}

// transportOf returns http or https.
func transportOf(parsed *url.URL, parameters map[string]string) (string, error) {
	tls, given := parameters["tls"]
	if given && tls != "0" && tls != "1" {
		return "", errTLS
	}
	switch parsed.Scheme {
	case "libsql":
		if tls != "0" {
			return "https", nil
		}
		if parsed.Port() == "" {
			return "", errPort
		}
		return "http", nil
	case "https", "http":
		if given && (tls == "1") != (parsed.Scheme == "https") {
			return "", errConflict
		}
		return parsed.Scheme, nil
	default:
		return "", errURL
	}
}

// isToken reports whether the text can be a bearer token (RFC 6750).
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

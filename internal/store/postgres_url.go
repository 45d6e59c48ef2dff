package store

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

var errPostgresURL = errors.New("the database URL cannot be read: want postgres://user:password@host:5432/database, " +
	"with characters such as / : @ ? # in the password percent-encoded")

// postgresURL is a database URL with its parameters read.
type postgresURL struct {
	config *pgx.ConnConfig
	// schema is where the table is looked for; empty for the server's own search_path.
	schema string
	// maxConns limits the connections; 0 means no limit.
	maxConns int
	// sent are the names of the parameters that the server gets.
	sent []string
}

// isIgnored reports whether a parameter is another client's and has no meaning here: each statement is sent unprepared, and
// the time limits are the operator's own.
func isIgnored(name string) bool {
	return slices.Contains([]string{
		"pgbouncer", "pool_timeout", "socket_timeout", "statement_cache_size", "single_use_connections", "max_idle_connection_lifetime",
		"max_connection_lifetime", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"gssencmode", "sslcompression", "uselibpqcompat", "prepareThreshold", "prepared_statements", "supa", "workaround",
	}, name)
}

// remedyOf returns what to do about a parameter that is another client's and whose meaning matters; empty for all others.
func remedyOf(name string) string {
	return map[string]string{
		"ssl":           "use sslmode=verify-full, or sslmode=require for a certificate that is not checked",
		"sslidentity":   "use sslcert and sslkey, with PEM files",
		"sslcrl":        "certificates are not checked for revocation; remove it",
		"sslcrldir":     "certificates are not checked for revocation; remove it",
		"currentSchema": "use schema",
		"hostaddr":      "put the address in place of the host",
	}[name]
}

// parsePostgresURL reads a URL. Its errors name a parameter or a file, and contain no other part of the URL.
func parsePostgresURL(rawURL string) (postgresURL, error) {
	base, query, _ := strings.Cut(rawURL, "?")
	_, err := pgx.ParseConfig(base)
	// The driver would ignore the part after a #. After a ? in the password, the rest of the password looks like parameters.
	isCut := strings.Contains(query, "@") && !strings.Contains(base, "@") && strings.Count(base, "/") < 3
	if err != nil || isCut || strings.Contains(rawURL, "#") {
		return postgresURL{}, errPostgresURL
	}
	var parsed postgresURL
	values, kept, err := parsed.readAll(query)
	if err != nil {
		return postgresURL{}, err
	}
	if parsed.config, err = pgx.ParseConfig(base + "?" + kept); err != nil {
		return postgresURL{}, tlsProblem(values) // the driver's text repeats parts of the URL
	}
	for name := range parsed.config.RuntimeParams {
		if values.Has(name) && name != "options" {
			parsed.sent = append(parsed.sent, name)
		}
	}
	slices.Sort(parsed.sent)
	if values.Has("options") {
		parsed.sent = append(parsed.sent, "options")
	}
	return parsed, nil
}

// readAll reads the parameters. It returns them, and those that the driver gets as they are: a + is not a space.
func (p *postgresURL) readAll(query string) (values url.Values, kept string, err error) {
	values = url.Values{}
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.PathUnescape(rawName)
		value, valueErr := url.PathUnescape(rawValue)
		if nameErr != nil || valueErr != nil || !postgresParameter.MatchString(name) {
			return nil, "", errPostgresURL
		}
		isKept, err := p.read(name, value)
		if err != nil {
			return nil, "", err
		}
		if isKept {
			values.Set(name, value)
			pairs = append(pairs, pair)
		}
	}
	if p.schema != "" && values.Has("search_path") {
		return nil, "", errParameter("schema", "must name one schema, without search_path beside it")
	}
	return values, strings.Join(pairs, "&"), nil
}

var postgresParameter = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,62}$`)

// read checks a parameter. It reports whether the driver gets it too.
func (p *postgresURL) read(name, value string) (isKept bool, err error) {
	switch {
	case remedyOf(name) != "":
		return false, errParameter(name, "is not one of PostgreSQL's own: "+remedyOf(name))
	case isIgnored(name):
		return false, nil
	case name == "schema" && value == "":
		return false, errParameter(name, "must name one schema, without search_path beside it")
	case name == "schema":
		p.schema = value
		return false, nil
	case name == "connection_limit", name == "pool_max_conns":
		if p.maxConns, err = strconv.Atoi(value); err != nil || p.maxConns < 1 {
			return false, errParameter(name, "must be a number of connections, 1 or more")
		}
		return false, nil
	case name == "sslaccept":
		if value != "accept_invalid_certs" {
			return false, errParameter(name, "is Prisma's own: use sslmode=verify-full, or sslmode=require for a certificate that is not checked")
		}
		return false, nil
	default:
		return true, checkTLS(name, value)
	}
}

// checkTLS checks the parameters that name a mode or a file.
func checkTLS(name, value string) error {
	modes := []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	switch {
	case name == "sslmode" && !slices.Contains(modes, value):
		return errParameter(name, "must be one of "+strings.Join(modes, ", ")+", with hyphens")
	case name == "sslrootcert" && value != "system", name == "sslcert", name == "sslkey":
		return checkPEM(name, value)
	default:
		return nil
	}
}

func errParameter(name, problem string) error {
	return errors.New("the parameter " + name + " of the database URL " + problem)
}

// checkPEM reports why the file of a parameter cannot be used.
func checkPEM(name, file string) error {
	content, err := os.ReadFile(file) //nolint:gosec // the operator's own setting names the file
	var problem string
	switch block, _ := pem.Decode(content); {
	case errors.Is(err, fs.ErrNotExist):
		problem = "does not exist"
	case err != nil:
		problem = "cannot be read"
	case len(content) == 0:
		problem = "is empty"
	case block == nil:
		problem = "is not in PEM format"
	default:
		return nil
	}
	return errParameter(name, fmt.Sprintf("names the file %s, which %s", file, problem))
}

// tlsProblem returns why the driver does not take parameters that are right one by one.
func tlsProblem(values url.Values) error {
	switch {
	case values.Get("sslrootcert") == "system":
		return errParameter("sslrootcert", "is system, which needs sslmode=verify-full")
	case values.Has("sslcert") && !values.Has("sslkey"):
		return errParameter("sslcert", "needs sslkey beside it")
	case values.Has("sslkey") && !values.Has("sslcert"):
		return errParameter("sslkey", "needs sslcert beside it")
	case values.Has("sslkey"):
		return errParameter("sslkey", "names a file that does not fit the one of sslcert, or needs sslpassword")
	case values.Has("sslrootcert"):
		return errParameter("sslrootcert", "names a file without a certificate")
	default:
		return errPostgresURL
	}
}

// refusedParameter returns the error for a server or pooler that refuses a parameter of the URL. Its text names the
// parameter; only a name that is in the URL counts.
func (p postgresURL) refusedParameter(code, message string) error {
	if !slices.Contains([]string{"42704", "22023", "42501", "55P02", "08P01", "0A000"}, code) {
		return nil
	}
	names := append([]string{"search_path"}, p.sent...)
	for _, name := range names {
		isOnlySuspect := name == "options" && (code == "42704" || code == "22023") // it has parameters of its own
		if !isOnlySuspect && !regexp.MustCompile(`(^|[^A-Za-z0-9_.])`+regexp.QuoteMeta(name)+`($|[^A-Za-z0-9_.])`).MatchString(message) {
			continue
		}
		problem := "the parameter " + name + " of the database URL is unknown to the server, or has a value that it does not take: correct or remove it"
		if name == "search_path" && p.schema != "" {
			problem = "the pooler does not take the parameter schema of the database URL: name the schema in the mapping file (table: schema.name)"
		}
		return &SchemaError{Problems: []string{problem}}
	}
	return nil
}

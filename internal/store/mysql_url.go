package store

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

var errMySQLURL = errors.New("the database URL cannot be read: want mysql://user:password@host:3306/database, " +
	"with characters such as / : @ ? # in the password percent-encoded")

// mysqlURL is what a URL mysql://… contains.
type mysqlURL struct {
	address        *url.URL
	socket         string
	connectTimeout time.Duration
	// maxConns limits the connections; 0 means no limit.
	maxConns int
	tls      mysqlTLS
}

// isMeaningless reports whether a parameter of another client, in the form of [plainWord], changes nothing here: each
// statement is sent unprepared, texts are UTF-8, times UTC, and the time limits the operator's own.
func isMeaningless(plain string) bool {
	return slices.Contains([]string{
		"pgbouncer", "pooltimeout", "sockettimeout", "statementcachesize", "singleuseconnections", "maxidleconnectionlifetime",
		"maxconnectionlifetime", "preparedstatements", "pool", "reconnect", "serverversion", "collation", "timezone", "parsetime", "loc",
	}, plain)
}

// mysqlTLS is what a URL requires of the connection's encryption.
type mysqlTLS struct {
	mode tlsMode
	// ca, certificate and key are the paths of files.
	ca, certificate, key string
}

// tlsMode is how much the client requires. A greater one requires more.
type tlsMode int

// The modes, as MySQL's clients call them. The zero value is a URL without a mode.
const (
	tlsUnset tlsMode = iota
	tlsDisabled
	tlsPreferred
	tlsRequired
	tlsVerifyCA
	tlsVerifyIdentity
)

// tlsModes has the values of each parameter that chooses a mode, in the form of [plainWord]: those of MySQL's clients, of
// PostgreSQL's, of the Go driver, and of Prisma.
func tlsModes() map[string]map[string]tlsMode {
	return map[string]map[string]tlsMode{
		"sslmode": {
			"disable": tlsDisabled, "disabled": tlsDisabled, "prefer": tlsPreferred, "preferred": tlsPreferred,
			"require": tlsRequired, "required": tlsRequired, "verifyca": tlsVerifyCA,
			"verifyidentity": tlsVerifyIdentity, "verifyfull": tlsVerifyIdentity,
		},
		"tls": {
			"false": tlsDisabled, "0": tlsDisabled, "preferred": tlsPreferred, "skipverify": tlsRequired,
			"true": tlsVerifyIdentity, "1": tlsVerifyIdentity,
		},
		"ssl":       {"false": tlsDisabled, "0": tlsDisabled, "true": tlsVerifyIdentity, "1": tlsVerifyIdentity},
		"sslaccept": {"acceptinvalidcerts": tlsRequired, "strict": tlsVerifyIdentity},
	}
}

// parseMySQL reads a URL. Its errors name parameters and repeat nothing else of the URL.
func parseMySQL(rawURL string) (*mysqlURL, error) {
	address, err := url.Parse(rawURL)
	if err != nil || !isReadable(address) || strings.Contains(rawURL, "#") {
		return nil, errMySQLURL // the text of err repeats parts of the URL
	}
	parameters, err := url.ParseQuery(address.RawQuery)
	if err != nil {
		return nil, errMySQLURL
	}
	made := &mysqlURL{address: address}
	for name, values := range parameters {
		if err := made.set(name, values[len(values)-1]); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// isReadable reports whether the URL has a database and a possible port. A character that is not percent-encoded may have
// moved a part of the password into the path or the parameters.
func isReadable(address *url.URL) bool {
	database := strings.TrimPrefix(address.Path, "/")
	if database == "" || strings.ContainsAny(database, "/@:") || strings.Contains(address.RawQuery, "@") {
		return false
	}
	port, err := strconv.ParseUint(cmp.Or(address.Port(), "3306"), 10, 16)
	return err == nil && port > 0
}

// plainWord is a name or value without the differences between clients: ssl-mode, ssl_mode and sslMode are one.
func plainWord(word string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(word))
}

// set applies one parameter.
func (m *mysqlURL) set(name, value string) error {
	plain := plainWord(name)
	modes, isMode := tlsModes()[plain]
	place, isText := map[string]*string{
		"socket": &m.socket, "sslca": &m.tls.ca, "sslrootcert": &m.tls.ca, "sslcert": &m.tls.certificate, "sslkey": &m.tls.key,
	}[plain]
	switch {
	case !ordinaryName.MatchString(name): // it may be a part of a password
		return errMySQLURL
	case isMode:
		return m.setMode(name, modes, value)
	case isText:
		*place = value
		return nil
	case plain == "charset" || plain == "encoding":
		if !strings.HasPrefix(strings.ToLower(value), "utf8") {
			return errParameter(name, "must be utf8mb4, which the operator always uses")
		}
		return nil
	case plain == "connecttimeout" || plain == "connectionlimit":
		return m.setNumber(name, value)
	case isMeaningless(plain):
		return nil
	default:
		return errParameter(name, "is not known: remove it from the operator's URL")
	}
}

// setNumber applies a parameter that is a number.
func (m *mysqlURL) setNumber(name, value string) error {
	number, err := strconv.ParseUint(value, 10, 16)
	switch isLimit := plainWord(name) == "connectionlimit"; {
	case isLimit && (err != nil || number == 0):
		return errParameter(name, "must be a number of connections, 1 or more")
	case err != nil:
		return errParameter(name, "must be a number of seconds")
	case isLimit:
		m.maxConns = int(number)
	default:
		m.connectTimeout = time.Duration(number) * time.Second
	}
	return nil
}

// setMode raises the mode to the value's: of several parameters, the strictest counts.
func (m *mysqlURL) setMode(name string, modes map[string]tlsMode, value string) error {
	mode, known := modes[plainWord(value)]
	var settings struct { // ?ssl={"rejectUnauthorized":true}, as Node.js' clients write it
		RejectUnauthorized *bool `json:"rejectUnauthorized"`
	}
	if !known && plainWord(name) == "ssl" && json.Unmarshal([]byte(value), &settings) == nil {
		mode, known = tlsVerifyIdentity, true
		if settings.RejectUnauthorized != nil && !*settings.RejectUnauthorized {
			mode = tlsRequired
		}
	}
	if !known {
		return errParameter(name, "has an unknown value; want ssl-mode=DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY")
	}
	m.tls.mode = max(m.tls.mode, mode)
	return nil
}

var ordinaryName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,40}$`)

// config returns the driver's configuration.
func (m *mysqlURL) config() (*mysql.Config, error) {
	c := mysql.NewConfig()
	c.User = m.address.User.Username()
	c.Passwd, _ = m.address.User.Password()
	c.DBName = strings.TrimPrefix(m.address.Path, "/")
	c.Net, c.Addr = "tcp", net.JoinHostPort(cmp.Or(m.address.Hostname(), "localhost"), cmp.Or(m.address.Port(), "3306"))
	if m.socket != "" {
		c.Net, c.Addr = "unix", m.socket
	}
	c.Timeout = m.connectTimeout
	c.Logger = &mysql.NopLogger{} // it would write to stderr by itself
	c.ConnectionAttributes = "program_name:fituser-operator"
	// An UPDATE that changes nothing must count the row that it found.
	c.ClientFoundRows = true
	// One round trip for each statement, and no prepared statement that a proxy would have to keep.
	c.InterpolateParams = true
	var err error
	c.TLS, err = m.tls.config(m.address.Hostname())
	c.AllowFallbackToPlaintext = m.tls.effectiveMode() == tlsPreferred
	if m.socket != "" {
		c.TLS = nil
	}
	return c, err
}

// effectiveMode is the mode in force. Without one, TLS is used if the server offers it, as MySQL's clients do. An authority
// is there to be used.
func (t mysqlTLS) effectiveMode() tlsMode {
	mode := cmp.Or(t.mode, tlsPreferred)
	if ca, _ := t.authority(); ca != "" && mode != tlsDisabled {
		return max(mode, tlsVerifyCA)
	}
	return mode
}

// authority returns the file of the certificate authority and the parameter that names it. Prisma calls it sslcert, which
// elsewhere is the client's own certificate and comes with a key.
func (t mysqlTLS) authority() (file, parameter string) {
	if t.ca == "" && t.key == "" {
		return t.certificate, "sslcert"
	}
	return t.ca, "sslca"
}

// config returns nil for a connection without TLS.
func (t mysqlTLS) config(host string) (*tls.Config, error) {
	mode := t.effectiveMode()
	if mode == tlsDisabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, InsecureSkipVerify: mode < tlsVerifyIdentity} //nolint:gosec // as the URL wants it
	if file, parameter := t.authority(); file != "" {
		roots, err := certificatesOf(file, parameter)
		if err != nil {
			return nil, err
		}
		c.RootCAs = roots
	}
	if t.key != "" {
		own, err := t.keyPair()
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{own}
	}
	if mode == tlsVerifyCA {
		c.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, c.RootCAs) }
	}
	return c, nil
}

// keyPair returns the client's own certificate.
func (t mysqlTLS) keyPair() (tls.Certificate, error) {
	if t.certificate == "" {
		return tls.Certificate{}, errParameter("sslkey", "needs sslcert beside it")
	}
	if err := errors.Join(checkPEM("sslcert", t.certificate), checkPEM("sslkey", t.key)); err != nil {
		return tls.Certificate{}, err
	}
	own, err := tls.LoadX509KeyPair(t.certificate, t.key)
	if err != nil {
		return tls.Certificate{}, errParameter("sslkey", "names a file that does not fit the one of sslcert")
	}
	return own, nil
}

func certificatesOf(file, parameter string) (*x509.CertPool, error) {
	if err := checkPEM(parameter, file); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(file) //nolint:gosec // the operator's own setting
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(content) {
		return nil, errParameter(parameter, "names a file without a certificate")
	}
	return pool, nil
}

// verifyChain verifies a server's certificate without its host name.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

func insecureMySQL(rawURL string) bool {
	m, err := parseMySQL(rawURL)
	if err != nil || m.socket != "" {
		return false
	}
	host := cmp.Or(m.address.Hostname(), "localhost")
	local := host == "localhost" || net.ParseIP(host).IsLoopback()
	return !local && !slices.Contains([]tlsMode{tlsVerifyCA, tlsVerifyIdentity}, m.tls.effectiveMode())
}

// mysqlConns returns how many connections the URL allows; 0 for any number.
func mysqlConns(rawURL string) int {
	m, err := parseMySQL(rawURL)
	if err != nil {
		return 0
	}
	return m.maxConns
}

package store

import (
	"crypto/tls"
	"net"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// InsecureTransport reports whether somebody on the network could read the password and the rows, or answer in place of
// the database. That is so when the server is on another machine and the URL does not require TLS with a verified
// certificate. Without sslmode the driver accepts what the server offers, as libpq does, including no TLS. It returns
// false for a URL that [Open] rejects.
func InsecureTransport(rawURL string) bool {
	dialect, err := dialectOf(rawURL)
	return err == nil && dialect.insecure != nil && dialect.insecure(rawURL)
}

// TransportRemedy returns what to change in a URL for which [InsecureTransport] is true.
func TransportRemedy(rawURL string) string {
	dialect, err := dialectOf(rawURL)
	if err != nil {
		return ""
	}
	return dialect.secured
}

func insecurePostgres(rawURL string) bool {
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return false
	}
	first := &pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}
	return isInsecure(first) || slices.ContainsFunc(config.Fallbacks, isInsecure)
}

func isInsecure(server *pgconn.FallbackConfig) bool {
	return !isLocal(server) && !verifiesCertificate(server.TLSConfig)
}

func isLocal(server *pgconn.FallbackConfig) bool {
	network, _ := pgconn.NetworkAddress(server.Host, server.Port)
	return network == "unix" || server.Host == "localhost" || net.ParseIP(server.Host).IsLoopback()
}

// verifiesCertificate is true for verify-full, and for verify-ca, which the driver implements in VerifyPeerCertificate.
func verifiesCertificate(c *tls.Config) bool {
	return c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil)
}

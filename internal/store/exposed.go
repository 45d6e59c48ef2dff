package store

import (
	"crypto/tls"
	"net"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Exposed reports whether somebody between here and the database could read the password and the rows, or answer in its
// place: it is a server on another machine, and the URL does not insist on TLS with a checked certificate. Without an
// sslmode the driver takes what the server offers, as libpq does, and be it no TLS at all. A URL that [Open] refuses
// exposes nothing.
func Exposed(rawURL string) bool {
	dialect, err := dialectOf(rawURL)
	return err == nil && dialect.exposed != nil && dialect.exposed(rawURL)
}

func postgresExposed(rawURL string) bool {
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return false
	}
	first := &pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}
	return exposed(first) || slices.ContainsFunc(config.Fallbacks, exposed)
}

func exposed(way *pgconn.FallbackConfig) bool {
	return !onThisMachine(way) && !checksCertificate(way.TLSConfig)
}

func onThisMachine(way *pgconn.FallbackConfig) bool {
	network, _ := pgconn.NetworkAddress(way.Host, way.Port)
	return network == "unix" || way.Host == "localhost" || net.ParseIP(way.Host).IsLoopback()
}

// checksCertificate is true for verify-full, and for verify-ca, for which the driver brings a check of its own.
func checksCertificate(c *tls.Config) bool {
	return c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil)
}

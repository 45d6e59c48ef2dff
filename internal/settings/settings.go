// Package settings reads the operator's credentials and addresses, and reloads those that change in files. It owns the
// environment variables NAME and NAME_FILE, the checks that need no network, and the watch of the files.
//
// Read settings.go first: it lists the settings and what each is for. setting.go is one of them, and reloader.go watches
// the files. keyring.go and loglevel.go apply two settings that change without a restart.
package settings

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/receiver"
)

const defaultClerkURL = "https://api.clerk.com/v1"

// Parts are the parts of the operator that this process runs. Each needs only its own settings.
type Parts struct {
	Receiver, Controller bool
	// Clerk is for a command that only reads Clerk, Table for one that only reads the users table.
	Clerk, Table bool
}

// Settings are the credentials and addresses of the outside world. Each comes from the variable NAME, or from the file that
// NAME_FILE names.
type Settings struct {
	WebhookSecret *Setting // CLERK_WEBHOOK_SECRET; nil without the receiver
	SecretKey     *Setting // CLERK_SECRET_KEY; nil without the controller, or a command that reads Clerk
	DatabaseURL   *Setting // DATABASE_URL; nil without the controller, or a command that reads the table
	ClerkURL      *Setting // CLERK_API_URL; nil without CLERK_SECRET_KEY
	InstanceID    *Setting // CLERK_INSTANCE_ID; its value may be empty
}

// Read reads the settings that the parts need, and no others. The error names each setting that is wrong, one on a line,
// and contains no value of a secret.
func Read(parts Parts, getenv func(string) string) (Settings, error) {
	var s Settings
	var errs []error
	read := func(name, purpose string, needed bool) *Setting {
		if !needed {
			return nil
		}
		value, err := readSetting(name, getenv)
		if err == nil && value.Get() == "" {
			err = fmt.Errorf("%s is not set: %s", name, purpose)
		}
		errs = append(errs, err)
		return value
	}
	s.WebhookSecret = read("CLERK_WEBHOOK_SECRET",
		"copy the signing secret (whsec_…) of the endpoint in Clerk's dashboard, or turn the receiver off with --receiver=false", parts.Receiver)
	s.SecretKey = read("CLERK_SECRET_KEY",
		"copy a secret key (sk_…) from Clerk's dashboard, or turn the controller off with --controller=false", parts.Controller || parts.Clerk)
	s.DatabaseURL = read("DATABASE_URL",
		"set the address of the users table, such as postgres://user:password@host/database, mysql://…, libsql://… or sqlite:/path/to/file", parts.Controller || parts.Table)
	if err := errors.Join(errs...); err != nil {
		return Settings{}, err
	}
	err := s.check(getenv)
	return s, err
}

// check reads the optional settings, and finds what is wrong without a request.
func (s *Settings) check(getenv func(string) string) error {
	var err error
	if s.InstanceID, err = readSetting("CLERK_INSTANCE_ID", getenv); err != nil {
		return err
	}
	s.InstanceID.needsRestart = true // secret keys were verified against the old id
	if s.WebhookSecret != nil {
		if _, err := receiver.ParseSecrets(s.WebhookSecret.Get()); err != nil {
			return err
		}
	}
	if s.SecretKey == nil {
		return nil
	}
	s.SecretKey.OnChange(checkSecretKey)
	if err := checkSecretKey(context.Background(), s.SecretKey.Get()); err != nil {
		return err
	}
	return s.readClerkURL(getenv)
}

func (s *Settings) readClerkURL(getenv func(string) string) error {
	address, err := readSetting("CLERK_API_URL", getenv)
	if err != nil {
		return err
	}
	if address.Get() == "" {
		address.set(defaultClerkURL)
	}
	address.OnChange(checkClerkURL)
	address.needsRestart = true // a running sweep would mix the users of two addresses
	s.ClerkURL = address
	return checkClerkURL(context.Background(), address.Get())
}

func checkClerkURL(_ context.Context, address string) error {
	if err := clerk.CheckURL(address); err != nil {
		return fmt.Errorf("CLERK_API_URL: %w", err)
	}
	return nil
}

// checkSecretKey rejects the values that people copy by mistake. Only Clerk can tell whether a secret key is right.
func checkSecretKey(_ context.Context, key string) error {
	for prefix, kind := range map[string]string{"pk_": "a publishable key", "whsec_": "a webhook's signing secret"} {
		if strings.HasPrefix(key, prefix) {
			return fmt.Errorf("CLERK_SECRET_KEY is %s (%s…): copy a secret key (sk_…) from Clerk's dashboard", kind, prefix)
		}
	}
	return nil
}

// IsInsecureURL reports whether requests to an address carry the secret key in the clear over a network. Requests to this
// machine do not leave it.
func IsInsecureURL(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "https" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && !ip.IsLoopback()
}

// All returns the settings that are in use.
func (s Settings) All() []*Setting {
	var all []*Setting
	for _, setting := range []*Setting{s.SecretKey, s.WebhookSecret, s.DatabaseURL, s.ClerkURL, s.InstanceID} {
		if setting != nil {
			all = append(all, setting)
		}
	}
	return all
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/receiver"
)

const defaultClerkURL = "https://api.clerk.com/v1"

// settings are the credentials and addresses of the outside world. They come from the environment, each as NAME or, read
// again when it changes, from the file that NAME_FILE names.
type settings struct {
	secretKey     *setting
	webhookSecret *setting
	databaseURL   *setting
	clerkURL      *setting // nil where there is no controller
	instanceID    *setting // empty where it is not set
	logLevel      *setting
	tracer        trace.Tracer
}

// readSettings reads what the parts that are to run need, and nothing else.
func readSettings(o options, getenv func(string) string) (settings, error) {
	var s settings
	var errs []error
	read := func(name, purpose string, needed bool) *setting {
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
	s.webhookSecret = read("CLERK_WEBHOOK_SECRET",
		"copy the signing secret (whsec_…) of the endpoint in Clerk's dashboard, or turn the receiver off with --receiver=false", o.Receiver)
	s.secretKey = read("CLERK_SECRET_KEY",
		"copy a secret key (sk_…) from Clerk's dashboard, or turn the controller off with --controller=false", o.Controller)
	s.databaseURL = read("DATABASE_URL",
		"say where the users table is, such as postgres://user:password@host/database or sqlite:/path/to/file", o.Controller)
	if err := errors.Join(errs...); err != nil {
		return settings{}, err
	}
	err := s.check(getenv)
	return s, err
}

// check reads what has a default, and finds what is wrong without asking anybody.
func (s *settings) check(getenv func(string) string) error {
	var err error
	if s.instanceID, err = readSetting("CLERK_INSTANCE_ID", getenv); err != nil {
		return err
	}
	s.instanceID.needsRestart = true // keys were found to be right by the old one
	if s.webhookSecret != nil {
		if _, err := receiver.ParseSecrets(s.webhookSecret.Get()); err != nil {
			return err
		}
	}
	if s.secretKey == nil {
		return nil
	}
	s.secretKey.accept = checkSecretKey
	if err := checkSecretKey(context.Background(), s.secretKey.Get()); err != nil {
		return err
	}
	return s.readClerkURL(getenv)
}

func (s *settings) readClerkURL(getenv func(string) string) error {
	address, err := readSetting("CLERK_API_URL", getenv)
	if err != nil {
		return err
	}
	if address.Get() == "" {
		byDefault := defaultClerkURL
		address.value.Store(&byDefault)
	}
	address.accept = checkClerkURL
	address.needsRestart = true // a sweep that goes on at another address would be of neither
	s.clerkURL = address
	return checkClerkURL(context.Background(), address.Get())
}

func checkClerkURL(_ context.Context, address string) error {
	if err := clerk.CheckURL(address); err != nil {
		return fmt.Errorf("CLERK_API_URL: %w", err)
	}
	return nil
}

// showsKey reports whether requests to an address show the secret key to whoever is on the way. On this machine nobody is.
func showsKey(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "https" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && !ip.IsLoopback()
}

// checkSecretKey refuses what people copy in its place. Clerk itself says which secret key is right.
func checkSecretKey(_ context.Context, key string) error {
	for prefix, kind := range map[string]string{"pk_": "a publishable key", "whsec_": "a webhook's signing secret"} {
		if strings.HasPrefix(key, prefix) {
			return fmt.Errorf("CLERK_SECRET_KEY is %s (%s…): copy a secret key (sk_…) from Clerk's dashboard", kind, prefix)
		}
	}
	return nil
}

// files are the settings that can change while the program runs.
func (s *settings) files() []*setting {
	var files []*setting
	for _, f := range []*setting{s.secretKey, s.webhookSecret, s.databaseURL, s.clerkURL, s.instanceID, s.logLevel} {
		if f != nil && f.path != "" {
			files = append(files, f)
		}
	}
	return files
}

// maxSettingSize bounds a setting's file in bytes.
const maxSettingSize = 64 << 10

// readSetting reads NAME or NAME_FILE; neither gives an empty setting. White space around the value is no part of it:
// editors, echo and kubectl create secret --from-file leave a newline.
func readSetting(name string, getenv func(string) string) (*setting, error) {
	value, path := strings.TrimSpace(getenv(name)), getenv(name+"_FILE")
	if value != "" && path != "" {
		return nil, fmt.Errorf("%s and %s_FILE are both set: unset one of them", name, name)
	}
	s := &setting{name: name, path: path}
	if path != "" {
		var err error
		if value, err = readFile(path); err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", name, err)
		}
		if value == "" {
			return nil, fmt.Errorf("%s_FILE: %s is empty: put the value into it", name, path)
		}
	}
	s.value.Store(&value)
	return s, nil
}

// readFile reads a setting's file.
func readFile(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the administrator's own
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxSettingSize+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxSettingSize {
		return "", fmt.Errorf("%s is larger than %d bytes, so it is no setting", path, maxSettingSize)
	}
	return strings.TrimSpace(string(content)), nil
}

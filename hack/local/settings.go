package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// settings is the environment's. run.go generates what is not set.
type settings struct {
	secretKey     string // empty: use the stand-in for Clerk
	webhookSecret string // empty with the real Clerk: run no receiver
	databaseURL   string // empty: use a SQLite file in the state directory
	users         int    // to create in the stand-in before the operator starts
	environ       []string
}

// readSettings reads the settings as the operator does: from NAME, or from the file named by NAME_FILE.
func readSettings(getenv func(string) string, environ []string) (settings, error) {
	s := settings{environ: environ}
	err := errors.Join(
		readSetting(getenv, "CLERK_SECRET_KEY", &s.secretKey),
		readSetting(getenv, "CLERK_WEBHOOK_SECRET", &s.webhookSecret),
		readSetting(getenv, "DATABASE_URL", &s.databaseURL),
		s.readUsers(getenv(usersVariable)),
	)
	if err == nil && s.users > 0 && !s.standIn() {
		err = fmt.Errorf("%s creates users in the stand-in for Clerk, but CLERK_SECRET_KEY is set: unset one of them", usersVariable)
	}
	return s, err
}

const (
	usersVariable = "FITUSER_LOCAL_USERS"
	// maxUsers is how many users one operator is designed for.
	maxUsers = 100_000
)

func (s *settings) readUsers(value string) error {
	if value == "" {
		return nil
	}
	var err error
	if s.users, err = strconv.Atoi(value); err != nil || s.users < 0 || s.users > maxUsers {
		return fmt.Errorf("%s is %q: want a number of users, at most %d", usersVariable, value, maxUsers)
	}
	return nil
}

func readSetting(getenv func(string) string, name string, target *string) error {
	value, path := getenv(name), getenv(name+"_FILE")
	if value != "" && path != "" {
		return fmt.Errorf("%s and %s_FILE are both set: unset one of them", name, name)
	}
	if path != "" {
		content, err := os.ReadFile(path) //nolint:gosec // G304: the caller chooses the path
		if err != nil {
			return fmt.Errorf("%s_FILE: %w", name, err)
		}
		value = strings.TrimSpace(string(content))
	}
	*target = value
	return nil
}

// standIn reports whether the stand-in is used instead of Clerk.
func (s settings) standIn() bool { return s.secretKey == "" }

// variable is one of the operator's settings. An empty value leaves it unset.
type variable struct{ name, value string }

// with returns the caller's environment with the operator's settings. It removes the caller's settings in both forms,
// NAME and NAME_FILE, because the operator rejects a setting that has both.
func (s settings) with(variables ...variable) []string {
	var environ []string
	for _, entry := range s.environ {
		if name, _, _ := strings.Cut(entry, "="); !replaced(name, variables) {
			environ = append(environ, entry)
		}
	}
	for _, v := range variables {
		if v.value != "" {
			environ = append(environ, v.name+"="+v.value)
		}
	}
	return environ
}

// get returns a variable of the caller's environment.
func (s settings) get(name string) string {
	for _, entry := range s.environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func replaced(name string, by []variable) bool {
	for _, v := range by {
		if name == v.name || name == v.name+"_FILE" {
			return true
		}
	}
	return false
}

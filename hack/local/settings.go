package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// settings is what the environment says about the outside world. What it does not say is made up here.
type settings struct {
	secretKey     string // empty: the stand-in takes Clerk's place
	webhookSecret string // empty with the real Clerk: no receiver
	databaseURL   string // empty: a SQLite file in the state directory
	users         int    // in the stand-in before the operator starts
	environ       []string
}

// readSettings reads the settings as the operator itself takes them: as NAME, or from the file that NAME_FILE names.
func readSettings(getenv func(string) string, environ []string) (settings, error) {
	s := settings{environ: environ}
	err := errors.Join(
		readSetting(getenv, "CLERK_SECRET_KEY", &s.secretKey),
		readSetting(getenv, "CLERK_WEBHOOK_SECRET", &s.webhookSecret),
		readSetting(getenv, "DATABASE_URL", &s.databaseURL),
		s.readUsers(getenv(usersVariable)),
	)
	if err == nil && s.users > 0 && !s.standIn() {
		err = fmt.Errorf("%s makes users in the stand-in for Clerk, and CLERK_SECRET_KEY is set: unset one of them", usersVariable)
	}
	return s, err
}

const (
	usersVariable = "FITUSER_LOCAL_USERS"
	// maxUsers is as many as one operator is made for.
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
		content, err := os.ReadFile(path) //nolint:gosec // G304: the path is the caller's own
		if err != nil {
			return fmt.Errorf("%s_FILE: %w", name, err)
		}
		value = strings.TrimSpace(string(content))
	}
	*target = value
	return nil
}

// standIn reports whether the stand-in takes Clerk's place.
func (s settings) standIn() bool { return s.secretKey == "" }

// variable is one of the operator's settings. An empty value leaves it unset.
type variable struct{ name, value string }

// with is the caller's environment with the operator's settings in it, in neither of their two forms twice.
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

func replaced(name string, by []variable) bool {
	for _, v := range by {
		if name == v.name || name == v.name+"_FILE" {
			return true
		}
	}
	return false
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// The file overrides the flag while it exists. An unknown level in it changes nothing.
func TestReload_LogLevel(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	file := filepath.Join(t.TempDir(), "level")
	s.start("FITUSER_LOG_LEVEL_FILE=" + file)
	changes := 0
	set := func(content string) {
		t.Helper()
		changes++
		if content == "" {
			ok(t, os.Remove(file))
		} else {
			ok(t, os.WriteFile(file, []byte(content+"\n"), 0o600))
		}
		s.eventually("the level is in force", func() error {
			if strings.Count(s.logged(), "Setting changed") != changes {
				return errors.New("not yet")
			}
			return nil
		})
	}
	s.wantDebugLines(0)
	set("debug")
	s.wantDebugLines(1)
	ok(t, os.WriteFile(file, []byte("loud\n"), 0o600))
	s.eventually("the unknown level is refused", func() error {
		if !strings.Contains(s.logged(), `unknown log level \"loud\"`) {
			return errors.New("not yet")
		}
		return nil
	})
	s.wantDebugLines(2)
	set("")
	s.wantDebugLines(2)
	s.stop()
}

// wantDebugLines sends an event that is logged at debug only, and counts the lines.
func (s *system) wantDebugLines(want int) {
	s.Helper()
	s.sender.Send(clerktest.Event{Type: "session.created", Data: map[string]any{"id": "sess_1"}, InstanceID: clerktest.DefaultInstanceID})
	s.deliver()
	if got := strings.Count(s.logged(), "Clerk event skipped"); got != want {
		s.Fatalf("%d lines at debug, want %d:\n%s", got, want, s.logged())
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/settings/mounttest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// A change of a setting of the whole process ends it, so that it is started again. A wrong value changes nothing.
func TestReload_ProcessEndsWhenChangeRequiresRestart(t *testing.T) {
	for name, test := range map[string]struct{ before, wrong, after string }{
		"CLERK_API_URL":     {"", "no address", "https://clerk.example.com/v1"},
		"CLERK_INSTANCE_ID": {clerktest.DefaultInstanceID, "", "ins_another"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, storetest.SQLite(t))
			if test.before == "" {
				test.before = s.clerkURL
			}
			file := filepath.Join(t.TempDir(), "setting")
			ok(t, mounttest.ReplaceFile(file, test.before))
			s.start(name+"=", name+"_FILE="+file)
			ok(t, mounttest.ReplaceFile(file, test.wrong))
			s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
			s.deliver()
			s.eventually("the user is synced", s.synced)
			ok(t, mounttest.ReplaceFile(file, test.after))
			err := s.process.Wait()
			want := name + " has changed (" + file + ") and requires a restart, which a pod does by itself"
			if s.process.ProcessState.ExitCode() != 1 || !strings.Contains(s.logged(), want) {
				t.Errorf("the process ended with %v, want: %s", err, want)
			}
		})
	}
}

func TestReload_WebhookSecret(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	file := filepath.Join(t.TempDir(), "secret")
	write := func(secret string) {
		next := file + ".next"
		ok(t, os.WriteFile(next, []byte(secret+"\n"), 0o600))
		ok(t, os.Rename(next, file))
	}
	write("whsec_" + strings.Repeat("A1B2", 8))
	s.start("CLERK_WEBHOOK_SECRET=", "CLERK_WEBHOOK_SECRET_FILE="+file)
	s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
	if err := s.sender.DeliverAll(t.Context()); err == nil {
		t.Fatal("a delivery with another signature was accepted")
	}
	write("whsec_" + strings.Repeat("A1B2", 8) + "," + webhookSecret)
	s.eventually("the new secret is in force", func() error { return s.sender.DeliverAll(t.Context()) })
	s.eventually("the user is synced", s.synced)
	s.stop()
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/tracing"
)

// openFiles returns the open files of this process whose path begins with prefix; none on systems without /proc.
func openFiles(t *testing.T, prefix string) (open []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	ok(t, err)
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil && strings.HasPrefix(file, prefix) {
			open = append(open, file)
		}
	}
	return open
}

func TestAssemble_FailureClosesTable(t *testing.T) {
	t.Parallel()
	env, databaseURL := controlPlane.Get(t), storetest.SQLite(t)
	o := options{Controller: true, Namespace: env.Namespace(t), ClerkRateLimit: 1, MetricsBindAddress: "0", MaxDeletions: "nonsense",
		Roles: []string{"admin", "client"}, DefaultRole: "client"}
	s, err := settings.Read(o.parts(), environmentOf(map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_API_URL": "http://127.0.0.1:1/v1", "DATABASE_URL": databaseURL,
	}))
	ok(t, err)
	w := wiring{options: o, access: env.Config, settings: s, watched: s.All(), tracer: tracing.Off(), log: logr.Discard()}
	before := openFiles(t, strings.TrimPrefix(databaseURL, "sqlite:"))
	if _, err := assemble(t.Context(), w); err == nil || !strings.Contains(err.Error(), "--max-deletions") {
		t.Fatalf("assemble returns %v", err)
	}
	if after := openFiles(t, strings.TrimPrefix(databaseURL, "sqlite:")); !slices.Equal(before, after) {
		t.Errorf("still open: %v, before it was %v", after, before)
	}
}

// Resources are closed in reverse order. An error does not stop that, and every error is returned.
func TestProgram_ClosesInReverseOrder(t *testing.T) {
	t.Parallel()
	var closed []string
	p := &program{}
	errs := map[string]error{"first": errors.New("first"), "second": errors.New("second")}
	for _, name := range []string{"first", "second"} {
		p.onClose(func() error {
			closed = append(closed, name)
			return errs[name]
		})
	}
	if err := p.close(); !errors.Is(err, errs["first"]) || !errors.Is(err, errs["second"]) || !slices.Equal(closed, []string{"second", "first"}) {
		t.Errorf("closed %v: %v", closed, err)
	}
}

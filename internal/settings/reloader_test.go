package settings_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/settings/mounttest"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// retryPeriod is longer than the time after which a refused value is tried again.
const retryPeriod = time.Minute

// databaseURLIn is the setting DATABASE_URL, read from file. It refuses values that begin with "bad".
func databaseURLIn(t *testing.T, file string) *settings.Setting {
	t.Helper()
	s, err := settings.Read(settings.Parts{Controller: true}, environment(map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "DATABASE_URL_FILE": file,
	}))
	must(t, err)
	s.DatabaseURL.OnChange(func(_ context.Context, value string) error {
		if strings.HasPrefix(value, "bad") {
			return errors.New("not acceptable")
		}
		return nil
	})
	return s.DatabaseURL
}

// watch watches a setting's file until the test ends.
func watch(t *testing.T, s *settings.Setting, clk clock.Clock, log logr.Logger) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- settings.NewReloader(clk, log, s).Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the watch ended: %v", err)
		}
	})
}

func waitForValue(t *testing.T, s *settings.Setting, want string) {
	t.Helper()
	eventually.Holds(t, fmt.Sprintf("%q is in force", want), func() bool { return s.Get() == want })
}

func TestReloader_FindsEveryKindOfChange(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(file, content string) error{
		"overwritten": func(file, content string) error { return os.WriteFile(file, []byte(content), 0o600) },
		"replaced": func(file, content string) error {
			return errors.Join(os.WriteFile(file+".new", []byte(content), 0o600), os.Rename(file+".new", file))
		},
		"removed and created": func(file, content string) error {
			return errors.Join(os.RemoveAll(file), os.WriteFile(file, []byte(content), 0o600))
		},
		"mounted from a Secret": mounttest.ReplaceFile,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "setting")
			set := func(content string) { must(t, write(file, content)) }
			set("first\n")
			s := databaseURLIn(t, file)
			set("changed before the watch\n")
			watch(t, s, clock.RealClock{}, logr.Discard())
			waitForValue(t, s, "changed before the watch")
			for i := range 5 {
				value := fmt.Sprintf("value %d", i)
				set(value + "\n")
				waitForValue(t, s, value)
				set("bad\n") // does no harm, and does not end the watch
			}
		})
	}
}

// A value may be right before it can be used: the password in the database changes a minute after the Secret, or the
// database is unavailable at that moment. No file changes when the value becomes usable.
func TestReloader_RetriesRefusedValue(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "setting")
	must(t, os.WriteFile(file, []byte("first"), 0o600))
	s := databaseURLIn(t, file)
	var available atomic.Bool
	var attempts atomic.Int32
	s.OnChange(func(context.Context, string) error {
		if attempts.Add(1); available.Load() {
			return nil
		}
		return errors.New("the database is unavailable")
	})
	must(t, os.WriteFile(file, []byte("second"), 0o600))
	clk := clocktesting.NewFakeClock(time.Now())
	watch(t, s, clk, logr.Discard())
	for want := range int32(3) {
		eventually.Holds(t, "the reloader waits for the next attempt", clk.HasWaiters)
		if got := attempts.Load(); got != want+1 || s.Get() != "first" {
			t.Fatalf("%d attempts, want %d; the value is %q", got, want+1, s.Get())
		}
		available.Store(want == 2)
		clk.Step(retryPeriod)
	}
	waitForValue(t, s, "second")
	if clk.HasWaiters() {
		t.Error("another attempt is planned although the value is in force")
	}
}

// testLog collects the lines of a log.
type testLog struct {
	mu    sync.Mutex
	lines string
}

func (l *testLog) logger() logr.Logger {
	return funcr.New(func(_, line string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines += line + "\n"
	}, funcr.Options{})
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}

func TestReloader_RefusedFileKeepsOldValue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(file string) error
		want  string // in the log
	}{
		"not acceptable": {func(file string) error { return os.WriteFile(file, []byte("bad secret"), 0o600) }, "not acceptable"},
		"too large":      {func(file string) error { return os.WriteFile(file, make([]byte, 64<<10+1), 0o600) }, "is larger than 65536 bytes"},
		"removed":        {os.Remove, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "setting")
			must(t, os.WriteFile(file, []byte("first\n"), 0o600))
			s := databaseURLIn(t, file)
			must(t, test.spoil(file))
			clk, log := clocktesting.NewFakeClock(time.Now()), &testLog{}
			watch(t, s, clk, log.logger())
			eventually.Holds(t, "the file is refused", clk.HasWaiters)
			if s.Get() != "first" {
				t.Errorf("the value is %q", s.Get())
			}
			logged := log.String()
			for _, want := range []string{test.want, `"DATABASE_URL"`, file} {
				if !strings.Contains(logged, want) {
					t.Errorf("the log does not contain %q: %s", want, logged)
				}
			}
			if strings.Contains(logged, "bad secret") {
				t.Errorf("the log contains the value: %s", logged)
			}

			clk.Step(retryPeriod)
			eventually.Holds(t, "the file is refused again", clk.HasWaiters)
			if log.String() != logged {
				t.Errorf("the same refusal is logged again: %s", log)
			}

			must(t, os.WriteFile(file, []byte("second\n"), 0o600))
			waitForValue(t, s, "second")
		})
	}
}

// A file that is being replaced is empty for a moment.
func TestReloader_EmptyOrUnchangedFileIsNotLogged(t *testing.T) {
	t.Parallel()
	for name, touch := range map[string]func(file string) error{
		"emptied":   func(file string) error { return os.Truncate(file, 0) },
		"unchanged": func(file string) error { return os.WriteFile(file, []byte("first"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, marker := filepath.Join(dir, "setting"), filepath.Join(dir, "marker")
			must(t, os.WriteFile(file, []byte("first\n"), 0o600))
			must(t, os.WriteFile(marker, []byte("first"), 0o600))
			s, last := databaseURLIn(t, file), databaseURLIn(t, marker)
			must(t, touch(file))
			must(t, os.WriteFile(marker, []byte("second"), 0o600))
			clk, log := clocktesting.NewFakeClock(time.Now()), &testLog{}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- settings.NewReloader(clk, log.logger(), s, last).Start(ctx) }()
			waitForValue(t, last, "second") // it is reloaded after the other
			cancel()
			must(t, <-done)
			if s.Get() != "first" || clk.HasWaiters() || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("the value is %q; another attempt: %t; logged:\n%s", s.Get(), clk.HasWaiters(), log)
			}
		})
	}
}

// A setting of the whole process ends it, so that it is started again. A value that is wrong changes nothing.
func TestReloader_EndsWhenChangeRequiresRestart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, wrong, after string }{
		"CLERK_API_URL":     {"https://api.clerk.com/v1", "no address", "https://clerk.example.com/v1"},
		"CLERK_INSTANCE_ID": {clerktest.DefaultInstanceID, "", "ins_another"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "setting")
			must(t, mounttest.ReplaceFile(file, test.before))
			s, err := settings.Read(settings.Parts{Controller: true}, environment(map[string]string{
				"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "DATABASE_URL": "sqlite:users.db", name + "_FILE": file,
			}))
			must(t, err)
			must(t, mounttest.ReplaceFile(file, test.wrong))
			clk, done := clocktesting.NewFakeClock(time.Now()), make(chan error, 1)
			go func() { done <- settings.NewReloader(clk, logr.Discard(), s.All()...).Start(t.Context()) }()
			if test.wrong != "" {
				eventually.Holds(t, "the wrong value is refused", clk.HasWaiters)
			}
			must(t, mounttest.ReplaceFile(file, test.after))
			want := name + " has changed (" + file + ") and requires a restart, which a pod does by itself"
			if err := <-done; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestReloader_WithoutFilesWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	s, err := settings.Read(settings.Parts{Receiver: true}, environment(map[string]string{"CLERK_WEBHOOK_SECRET": webhookSecret}))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, settings.NewReloader(clock.RealClock{}, logr.Discard(), s.All()...).Start(ctx))
}

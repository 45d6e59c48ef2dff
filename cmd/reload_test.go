package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// settingIn is a setting that is read from file. It takes no value that begins with "bad".
func settingIn(t *testing.T, file string) *setting {
	t.Helper()
	s, err := readSetting("SETTING", environmentOf(map[string]string{"SETTING_FILE": file}))
	if err != nil {
		t.Fatal(err)
	}
	s.accept = func(_ context.Context, value string) error {
		if strings.HasPrefix(value, "bad") {
			return errors.New("not acceptable")
		}
		return nil
	}
	return s
}

// watch watches a setting's file until the test ends.
func watch(t *testing.T, s *setting, timer clock.Clock) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&reloader{files: []*setting{s}, clock: timer, log: logr.Discard()}).Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the watch ended: %v", err)
		}
	})
}

func wantInForce(t *testing.T, s *setting, want string) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%q is in force", want), func() bool { return s.Get() == want })
}

func TestFileThatChanges(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(file, content string) error{
		"written over": func(file, content string) error { return os.WriteFile(file, []byte(content), 0o600) },
		"replaced": func(file, content string) error {
			return errors.Join(os.WriteFile(file+".new", []byte(content), 0o600), os.Rename(file+".new", file))
		},
		"removed and made again": func(file, content string) error {
			return errors.Join(os.RemoveAll(file), os.WriteFile(file, []byte(content), 0o600))
		},
		"mounted from a Secret": mountedSecret,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "setting")
			set := func(content string) {
				if err := write(file, content); err != nil {
					t.Fatal(err)
				}
			}
			set("first\n")
			s := settingIn(t, file)
			set("changed before the watch\n")
			watch(t, s, clock.RealClock{})
			wantInForce(t, s, "changed before the watch")
			for i := range 5 {
				value := fmt.Sprintf("value %d", i)
				set(value + "\n")
				wantInForce(t, s, value)
				set("bad\n") // does no harm, and does not end the watch
			}
		})
	}
}

// A value may be right before it can be used: the database's password changes a minute after the Secret, or the database is
// away just then. No file changes any more when it can be used.
func TestARefusedValueIsTriedAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "setting")
	ok(t, os.WriteFile(file, []byte("first"), 0o600))
	s := settingIn(t, file)
	var there atomic.Bool
	var tried atomic.Int32
	s.accept = func(context.Context, string) error {
		if tried.Add(1); there.Load() {
			return nil
		}
		return errors.New("the database is unavailable")
	}
	ok(t, os.WriteFile(file, []byte("second"), 0o600))
	timer := clocktesting.NewFakeClock(time.Now())
	watch(t, s, timer)
	for want := range int32(3) {
		waitUntil(t, "it waits to try again", timer.HasWaiters)
		if got := tried.Load(); got != want+1 || s.Get() != "first" {
			t.Fatalf("tried %d times, want %d; the value is %q", got, want+1, s.Get())
		}
		there.Store(want == 2)
		timer.Step(tryAgain)
	}
	wantInForce(t, s, "second")
	if timer.HasWaiters() {
		t.Error("it waits, although the value is in force")
	}
}

func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, time.Minute, true,
		func(context.Context) (bool, error) { return is(), nil })
	if err != nil {
		t.Fatalf("waiting until %s", what)
	}
}

func mountedSecret(file, content string) error {
	return mounted(filepath.Dir(file), map[string][]byte{filepath.Base(file): []byte(content)})
}

func TestUnusableFileLeavesTheSettingAsItIs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil  func(file string) error
		logged string // what is logged apart from the setting and its file; nothing while a file is being replaced
	}{
		"not acceptable": {
			func(file string) error { return os.WriteFile(file, []byte("bad secret"), 0o600) }, "not acceptable",
		},
		"too large": {
			func(file string) error { return os.WriteFile(file, make([]byte, maxSettingSize+1), 0o600) }, "is larger than 65536 bytes",
		},
		"removed":   {os.Remove, "no such file or directory"},
		"emptied":   {func(file string) error { return os.Truncate(file, 0) }, ""},
		"unchanged": {func(file string) error { return os.WriteFile(file, []byte("first"), 0o600) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "setting")
			ok(t, os.WriteFile(file, []byte("first\n"), 0o600))
			s := settingIn(t, file)
			ok(t, test.spoil(file))

			var logged strings.Builder
			log := funcr.New(func(_, line string) { logged.WriteString(line) }, funcr.Options{})
			refused, err := s.reread(t.Context(), log)
			ok(t, err)
			if refused != (test.logged != "") {
				t.Errorf("to be tried again: %t", refused)
			}
			if s.Get() != "first" {
				t.Errorf("the value is %q", s.Get())
			}
			got := logged.String()
			if (test.logged == "") != (got == "") || !strings.Contains(got, test.logged) || strings.Contains(got, "bad secret") {
				t.Errorf("logged %s, want %q", got, test.logged)
			}
			if got != "" && (!strings.Contains(got, `"SETTING"`) || !strings.Contains(got, file)) {
				t.Errorf("the log does not say which setting and which file: %s", got)
			}

			if _, err := s.reread(t.Context(), log); err != nil || logged.String() != got {
				t.Errorf("the same refusal is logged again: %s, %v", logged.String(), err)
			}

			ok(t, os.WriteFile(file, []byte("second\n"), 0o600))
			if refused, err := s.reread(t.Context(), log); err != nil || refused || s.Get() != "second" {
				t.Errorf("a usable value after it is not taken: %q, %v", s.Get(), err)
			}
		})
	}
}

// What counts for the whole process ends it, so that it is started again; what is no address does not.
func TestSettingThatNeedsARestart(t *testing.T) {
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
			ok(t, mountedSecret(file, test.before))
			s.start(name+"=", name+"_FILE="+file)
			ok(t, mountedSecret(file, test.wrong))
			s.clerk.SignUp(clerktest.Person{Email: "jane@example.com", FirstName: "Jane"})
			s.deliver()
			s.eventually("the user is there", s.agreement)
			ok(t, mountedSecret(file, test.after))
			err := s.process.Wait()
			want := name + " has changed (" + file + "): start again, which a pod does by itself"
			if s.process.ProcessState.ExitCode() != 1 || !strings.Contains(s.logged(), want) {
				t.Errorf("the end is %v, want: %s", err, want)
			}
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

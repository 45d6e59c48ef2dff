package settings_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/fitai/fituser-operator/internal/receiver"
	"github.com/fitai/fituser-operator/internal/settings"
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

func TestKeyring_FollowsSecret(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(file, []byte(webhookSecret), 0o600))
	s, err := settings.Read(settings.Parts{Receiver: true}, environment(map[string]string{"CLERK_WEBHOOK_SECRET_FILE": file}))
	must(t, err)
	keyring, err := settings.NewKeyring(s.WebhookSecret)
	must(t, err)
	wantKeys := func(value string) {
		t.Helper()
		want, err := receiver.ParseSecrets(value)
		must(t, err)
		eventually.Holds(t, "the keys are in force", func() bool { return reflect.DeepEqual(keyring.Keys(), want) })
	}
	wantKeys(webhookSecret)
	clk := clocktesting.NewFakeClock(time.Now())
	watch(t, s.WebhookSecret, clk, logr.Discard())
	must(t, os.WriteFile(file, []byte("whsec_short"), 0o600))
	eventually.Holds(t, "the wrong secret is refused", clk.HasWaiters)
	wantKeys(webhookSecret)
	two := webhookSecret + ",whsec_" + strings.Repeat("A1B2", 8)
	must(t, os.WriteFile(file, []byte(two), 0o600))
	wantKeys(two)
}

func TestLogLevel_FollowsFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "level")
	level, s, err := settings.NewLogLevel("error", file)
	must(t, err)
	log := &testLog{}
	watch(t, s, clock.RealClock{}, log.logger())
	wantLevel := func(want zapcore.Level) {
		t.Helper()
		eventually.Holds(t, want.String()+" is in force", func() bool { return level.Level() == want })
	}
	wantLevel(zapcore.ErrorLevel)
	must(t, os.WriteFile(file, []byte("debug\n"), 0o600))
	wantLevel(zapcore.DebugLevel)
	must(t, os.WriteFile(file, []byte("loud\n"), 0o600))
	eventually.Holds(t, "the unknown level is refused", func() bool {
		return strings.Contains(log.String(), `unknown log level \"loud\": want debug, info or error`)
	})
	wantLevel(zapcore.DebugLevel)
	must(t, os.Remove(file))
	wantLevel(zapcore.ErrorLevel)
}

func TestLogLevel_RejectsUnknownStart(t *testing.T) {
	t.Parallel()
	if _, _, err := settings.NewLogLevel("loud", ""); err == nil {
		t.Error("no error")
	}
}

// The mapping file keeps its white space, so that faults have the lines of the file. Its setting follows the file.
func TestTableConfig_FollowsFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "table.yaml")
	must(t, os.WriteFile(file, []byte("\n\ntable: a\n"), 0o600))
	config, err := settings.NewTableConfig(file)
	must(t, err)
	if config.Get() != "\n\ntable: a\n" || config.Path() != file {
		t.Errorf("%q from %s", config.Get(), config.Path())
	}
	watch(t, config, clock.RealClock{}, logr.Discard())
	must(t, os.WriteFile(file, []byte("\ntable: b\n"), 0o600))
	waitForValue(t, config, "\ntable: b\n")
}

func TestTableConfig_WithoutFile(t *testing.T) {
	t.Parallel()
	config, err := settings.NewTableConfig("")
	must(t, err)
	if config.Get() != "" || config.Path() != "" {
		t.Errorf("%q from %q", config.Get(), config.Path())
	}
	if _, err := settings.NewTableConfig(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file is accepted")
	}
}

package receiver

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
)

// An event whose sender disconnected was not refused: Svix sends it again.
func TestOutcomeLog_DistinguishesAbandonedFromRefused(t *testing.T) {
	t.Parallel()
	for o, want := range map[outcome]string{
		abandoned:        "Clerk event abandoned: its sender disconnected",
		rejectedInstance: "Clerk event refused",
	} {
		var log strings.Builder
		l := newOutcomeLog(funcr.New(func(_, line string) { log.WriteString(line) }, funcr.Options{}))
		l.logOutcome(&request{verified: true}, o, o)
		if got := log.String(); !strings.Contains(got, `"`+want+`"`) || !strings.Contains(got, string(o)) {
			t.Errorf("%s is logged as %s, want %q", o, got, want)
		}
	}
}

// The receiver logs only ids and reasons, for every kind of request.
func TestLog_HoldsNoPersonalDataAndNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var log strings.Builder
	e := w.receive(t, func(c *Config) {
		c.Limits.Read = DefaultLimits().Read
		c.Log = funcr.New(func(prefix, args string) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(&log, prefix, args)
		}, funcr.Options{Verbosity: 10})
	})
	good := signed("msg_1", created(ada))
	mustAccept(t, e.post(t, good))
	mustAccept(t, e.post(t, good))
	mustAccept(t, e.post(t, signed("msg_2", `{"type":"session.created","data":{"first_name":"Augusta"}}`)))
	for _, c := range hostile() {
		e.raw(t, c.wire)
	}
	e.stop()
	mu.Lock()
	defer mu.Unlock()
	got := log.String()
	for _, secret := range []string{"Augusta", "first_name", ourSecret, strings.TrimPrefix(ourSecret, "whsec_"), header(good, "Svix-Signature")} {
		if strings.Contains(got, secret) {
			t.Errorf("the log contains %q:\n%s", secret, got)
		}
	}
	for _, wanted := range []string{"Clerk event recorded", "msg_1", ada, "Request refused"} {
		if !strings.Contains(got, wanted) {
			t.Errorf("the log does not contain %q:\n%s", wanted, got)
		}
	}
}

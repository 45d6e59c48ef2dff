package receiver

import (
	"strings"
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

package receiver

import (
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
)

// Nobody refused an event whose sender hung up: it will be sent again.
func TestTheLogTellsWhoGaveAnEventUp(t *testing.T) {
	t.Parallel()
	for o, want := range map[outcome]string{
		abandoned:        "Clerk event given up: its sender did not wait",
		rejectedInstance: "Clerk event refused",
	} {
		counters, err := newMetrics(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		j := newJournal(funcr.New(func(_, line string) { log.WriteString(line) }, funcr.Options{}), counters)
		j.note(visit{verified: true}, o)
		if got := log.String(); !strings.Contains(got, `"`+want+`"`) || !strings.Contains(got, string(o)) {
			t.Errorf("%s is logged as %s, want %q", o, got, want)
		}
	}
}

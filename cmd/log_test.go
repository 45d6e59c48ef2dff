package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"
)

// What the shutdown interrupts is an error only during normal operation.
func TestQuietShutdown_LogsInterruptionsAtInfo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx, end := context.WithCancel(t.Context())
	log := withQuietShutdown(ctx, options{LogFormat: "json"}.logger(&out, zapcore.InfoLevel)).WithName("a").WithValues("b", "c")
	logBoth := func() string {
		out.Reset()
		log.Error(fmt.Errorf("writing: %w", context.Canceled), "It failed")
		log.Error(errors.New(leaderElectionLost), "It failed")
		return out.String()
	}
	if got := strings.Count(logBoth(), `"level":"error"`); got != 2 {
		t.Errorf("%d errors during normal operation: %s", got, out.String())
	}
	end()
	got := logBoth()
	for _, want := range []string{`"msg":"Interrupted by shutdown"`, `"what":"It failed"`, `"msg":"Leader lease released"`} {
		if !strings.Contains(got, want) {
			t.Errorf("a normal shutdown does not log %s: %s", want, got)
		}
	}
	if strings.Contains(got, "error") || strings.Count(got, `"level":"info"`) != 2 {
		t.Errorf("a normal shutdown logs errors: %s", got)
	}
	log.Error(errors.New("the disk is full"), "It failed")
	if !strings.Contains(out.String(), `"level":"error"`) {
		t.Error("the shutdown hides an error of another kind")
	}
}

package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// startTimeout bounds each wait. On an idle machine each takes a second or two.
	startTimeout = time.Minute
	pollInterval = 100 * time.Millisecond
)

// waitFor repeats check until it returns nil. After startTimeout it returns the problem and check's last error.
func waitFor(ctx context.Context, problem string, check func(context.Context) error) error {
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("%s after %s: %w", problem, startTimeout, err)
		case <-time.After(pollInterval):
		}
	}
}

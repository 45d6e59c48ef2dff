package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// startTimeout bounds each thing that is waited for. They take a second or two on a machine that has nothing else to do.
	startTimeout = time.Minute
	pollInterval = 100 * time.Millisecond
)

// await asks until the answer is nil. The error says what was waited for and how far it had come.
func await(ctx context.Context, otherwise string, check func(context.Context) error) error {
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
			return fmt.Errorf("%s after %s: %w", otherwise, startTimeout, err)
		case <-time.After(pollInterval):
		}
	}
}

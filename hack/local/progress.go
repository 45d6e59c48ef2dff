package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	progressInterval = 250 * time.Millisecond
	// stallTimeout is how long an import may make no progress before the script is printed without waiting for its end.
	stallTimeout = time.Minute
)

// progress is the progress of the operator's first sweep.
type progress struct {
	read, expected int // users in Clerk
	created, rows  int // new FitUsers, new rows
	queued         int // users that are in the queue or being reconciled
	swept, failed  bool
}

// done reports whether the sweep has ended and all users that it found are reconciled. It does not compare numbers of
// users: some have no e-mail address and get no row, and an older table already has rows.
func (p progress) done() bool { return p.swept && p.queued == 0 }

// summary describes how the import ended.
func (p progress) summary() string {
	const counts = "%d of %d users read, %d FitUsers created, %d rows inserted"
	text := fmt.Sprintf(counts, p.read, p.expected, p.created, p.rows)
	switch {
	case p.failed:
		return "the sweep failed and will be retried (" + text + "); the operator's log has the cause"
	case !p.done():
		return fmt.Sprintf("no progress for %s (%s); see the operator's log", stallTimeout, text)
	default:
		return "imported: " + text
	}
}

// readProgress reads the progress from the operator's metrics. An absent metric counts 0.
func readProgress(metrics []byte) (progress, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(metrics))
	if err != nil {
		return progress{}, fmt.Errorf("reading the operator's metrics: %w", err)
	}
	sum := func(name string, labels ...string) int { return sumOf(families[name], labels) }
	return progress{
		read:     sum("fituser_sweep_users_seen"),
		expected: sum("fituser_sweep_users_expected"),
		created:  sum("fituser_drift_repaired_total", "fituser", "missing"),
		rows:     sum("fituser_row_writes_total", "insert"),
		queued:   sum("workqueue_depth", "fituser") + sum("controller_runtime_active_workers", "fituser"),
		swept:    sum("fituser_sweep_duration_seconds") > 0,
		failed:   sum("fituser_sweep_failures_total") > 0,
	}, nil
}

// sumOf adds up the series of a metric that have the label values. A histogram counts its observations.
func sumOf(family *dto.MetricFamily, labels []string) int {
	var sum float64
	for _, metric := range family.GetMetric() {
		missing := func(value string) bool {
			return !slices.ContainsFunc(metric.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == value })
		}
		if !slices.ContainsFunc(labels, missing) {
			sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return int(sum)
}

// followImport shows the first sweep until all users that it found are reconciled, or until it makes no progress. It
// returns the last progress. An operator that does not answer makes no progress; [operator.run] returns why it ended.
func (s *sandbox) followImport(ctx context.Context) (progress, error) {
	display := s.console.newDisplay()
	defer display.end()
	var last progress
	moved := time.Now()
	for tick := time.Tick(progressInterval); ; {
		p, err := s.progress(ctx)
		if err == nil && p != last {
			last, moved = p, time.Now()
		}
		switch {
		case ctx.Err() != nil:
			return last, ctx.Err()
		case err == nil && p.done():
			return last, nil
		case time.Since(moved) > stallTimeout:
			return last, err
		}
		display.show(last)
		select {
		case <-ctx.Done():
		case <-tick:
		}
	}
}

func (s *sandbox) progress(ctx context.Context) (progress, error) {
	metrics, err := fetch(ctx, s.addresses.metricsURL())
	if err != nil {
		return progress{}, err
	}
	return readProgress(metrics)
}

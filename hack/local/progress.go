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
	// stallTimeout is how long an import may stand still before the script is shown without its end.
	stallTimeout = time.Minute
)

// progress is how far the operator's first sweep is.
type progress struct {
	seen, expected int // users, in Clerk
	made, rows     int // FitUsers and rows, new
	waiting        int // users who are in the queue or being worked on
	over, failed   bool
}

// settled reports whether nothing is left to be done of what the sweep has found. It compares no numbers of users: some
// have no e-mail address and get no row, and a table that was there before has rows already.
func (p progress) settled() bool { return p.over && p.waiting == 0 }

// conclusion is how the import ended, for people.
func (p progress) conclusion() string {
	const soFar = "%d of %d users seen, %d FitUsers made, %d rows written"
	text := fmt.Sprintf(soFar, p.seen, p.expected, p.made, p.rows)
	switch {
	case p.failed:
		return "the sweep failed and will be tried again (" + text + "); the operator's log says why"
	case !p.settled():
		return fmt.Sprintf("no progress for %s (%s); the operator's log says more", stallTimeout, text)
	default:
		return "imported: " + text
	}
}

// readProgress makes progress of the operator's metrics. Those that are not there yet count 0.
func readProgress(metrics []byte) (progress, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(metrics))
	if err != nil {
		return progress{}, fmt.Errorf("reading the operator's metrics: %w", err)
	}
	sum := func(name string, labels ...string) int { return sumOf(families[name], labels) }
	return progress{
		seen:     sum("fituser_sweep_users_seen"),
		expected: sum("fituser_sweep_users_expected"),
		made:     sum("fituser_drift_repaired_total", "fituser", "missing"),
		rows:     sum("fituser_row_writes_total", "insert"),
		waiting:  sum("workqueue_depth", "fituser") + sum("controller_runtime_active_workers", "fituser"),
		over:     sum("fituser_sweep_duration_seconds") > 0,
		failed:   sum("fituser_sweep_failures_total") > 0,
	}, nil
}

// sumOf adds up a metric over all that have the label values. Of a histogram it is the number of observations.
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

// followImport shows the first sweep until all whom it has found are dealt with, and returns how far it came: to the
// end, unless it stands still. That the operator does not answer counts as that: why it ended is for [operator.run] to say.
func (s *sandbox) followImport(ctx context.Context) (progress, error) {
	display := s.console.display()
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
		case err == nil && p.settled():
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

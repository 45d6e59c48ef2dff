package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// samples is the progress of an import of 5000 users, read every two seconds.
func samples() []progress {
	return []progress{
		{},
		{read: 1000, expected: 5000, created: 300, rows: 290, queued: 700},
		{read: 2500, expected: 5000, created: 1200, rows: 1190, queued: 1300},
		{read: 3500, expected: 5000, created: 2100, rows: 2080, queued: 1400},
		{read: 5000, expected: 5000, created: 3000, rows: 2990, queued: 2000},
		{read: 5000, expected: 5000, created: 3900, rows: 3880, queued: 1100, swept: true},
		{read: 5000, expected: 5000, created: 5000, rows: 4990, swept: true}, // ten users have no e-mail address
	}
}

func TestDisplay_LinesWithoutTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Now()
	c := newConsole(&out)
	display := &lines{printf: c.printf, next: now.Add(lineInterval), now: func() time.Time { return now }}
	for _, p := range samples() {
		display.show(p)
		now = now.Add(2 * time.Second)
	}
	display.end()
	for _, p := range append(samples()[5:], progress{swept: true, failed: true}) {
		c.printf("%s", p.summary())
	}
	compareGolden(t, "import", out.String())
}

// The bar stays in one line and removes itself at the end, because the script follows.
func TestDisplay_BarRemovesItself(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := &bar{w: &out}
	b.end() // no sweep has started: nothing to remove
	for _, p := range samples() {
		b.show(p)
	}
	b.end()
	got := out.String()
	for _, want := range []string{" 24% ", "(1200/5000)", "2500 read, 1190 rows", "100% "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if strings.Contains(got, "\n") {
		t.Errorf("the bar takes several lines: %q", got)
	}
	const clearLine = "\x1b[2K\r"
	if !strings.HasSuffix(got, clearLine) {
		t.Errorf("the bar is not removed: %q", got)
	}
}

func TestReadProgress(t *testing.T) {
	t.Parallel()
	metrics, err := os.ReadFile(filepath.Join("testdata", "metrics.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		metrics string
		want    progress
		wantErr bool
	}{
		"under way": {
			metrics: string(metrics),
			want:    progress{read: 4500, expected: 20000, created: 2790, rows: 2719, queued: 2101},
		},
		"done": {
			metrics: "# TYPE fituser_sweep_duration_seconds histogram\nfituser_sweep_duration_seconds_count 1\n",
			want:    progress{swept: true},
		},
		"failed": {
			metrics: "# TYPE fituser_sweep_failures_total counter\nfituser_sweep_failures_total 1\n",
			want:    progress{failed: true},
		},
		"not started":    {},
		"no metrics yet": {metrics: "<html>", wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readProgress([]byte(test.metrics))
			if (err != nil) != test.wantErr {
				t.Fatalf("error: %v", err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(progress{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

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

// An import of 5000 users, as it is seen every two seconds.
func course() []progress {
	return []progress{
		{},
		{seen: 1000, expected: 5000, made: 300, rows: 290, waiting: 700},
		{seen: 2500, expected: 5000, made: 1200, rows: 1190, waiting: 1300},
		{seen: 3500, expected: 5000, made: 2100, rows: 2080, waiting: 1400},
		{seen: 5000, expected: 5000, made: 3000, rows: 2990, waiting: 2000},
		{seen: 5000, expected: 5000, made: 3900, rows: 3880, waiting: 1100, over: true},
		{seen: 5000, expected: 5000, made: 5000, rows: 4990, over: true}, // ten have no e-mail address
	}
}

func TestImportWithoutATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Now()
	c := newConsole(&out)
	lines := &calmLines{say: c.say, next: now.Add(calm), now: func() time.Time { return now }}
	for _, p := range course() {
		lines.show(p)
		now = now.Add(2 * time.Second)
	}
	lines.end()
	for _, p := range append(course()[5:], progress{over: true, failed: true}) {
		c.say("%s", p.conclusion())
	}
	compareGolden(t, "import", out.String())
}

// The bar stays in its line, and in the end there is nothing left of it: the script follows.
func TestImportOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := &bar{w: &out}
	b.end() // no sweep has begun: nothing to take away
	for _, p := range course() {
		b.show(p)
	}
	b.end()
	got := out.String()
	for _, want := range []string{" 24% ", "(1200/5000)", "2500 seen, 1190 rows", "100% "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "\n") {
		t.Errorf("it takes several lines: %q", got)
	}
	const clearLine = "\x1b[2K\r"
	if !strings.HasSuffix(got, clearLine) {
		t.Errorf("something is left: %q", got)
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
		"in the middle": {
			metrics: string(metrics),
			want:    progress{seen: 4500, expected: 20000, made: 2790, rows: 2719, waiting: 2101},
		},
		"over": {
			metrics: "# TYPE fituser_sweep_duration_seconds histogram\nfituser_sweep_duration_seconds_count 1\n",
			want:    progress{over: true},
		},
		"failed": {
			metrics: "# TYPE fituser_sweep_failures_total counter\nfituser_sweep_failures_total 1\n",
			want:    progress{failed: true},
		},
		"not begun":      {},
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

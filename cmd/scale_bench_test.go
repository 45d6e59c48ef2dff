package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// benchSizes returns the numbers of users: FITUSER_BENCH_USERS, or 1,000 and 20,000.
func benchSizes(b *testing.B) []int {
	b.Helper()
	text := os.Getenv("FITUSER_BENCH_USERS")
	if text == "" {
		return []int{1000, 20_000}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("FITUSER_BENCH_USERS: %v", err)
	}
	return []int{n}
}

// BenchmarkScale measures how costs grow with the number of users: the import of all of them by one process, and then, for a
// process that has just started, the resident memory for each user, the time until the first sweep is done, and the requests
// of that sweep. The memory excludes what the process needs without users.
func BenchmarkScale(b *testing.B) {
	for _, n := range benchSizes(b) {
		b.Run(fmt.Sprintf("%dUsers", n), func(b *testing.B) {
			for b.Loop() {
				empty := atScale(b, 0)
				full := atScale(b, n)
				b.ReportMetric(full.imported.Seconds(), "import-s")
				b.ReportMetric(full.swept.Seconds(), "start-to-sweep-done-s")
				b.ReportMetric(float64(full.requests), "clerk-requests/sweep")
				b.ReportMetric(float64(empty.resident), "KiB-empty")
				b.ReportMetric(float64(full.resident), "KiB-full")
				b.ReportMetric(float64(full.resident-empty.resident)/float64(n), "KiB/user")
			}
		})
	}
}

// scale is the measured cost of one process.
type scale struct {
	imported, swept time.Duration
	requests        int
	resident        int // KiB
}

func atScale(b *testing.B, users int) (measured scale) {
	b.Helper()
	s := newSystem(b, storetest.SQLite(b))
	s.clerk.Import(users)
	start := time.Now()
	s.start("FITUSER_RECEIVER=false", "FITUSER_LOG_LEVEL=error")
	for s.rowCount() != users { // without a limit: it takes longer than eventually waits
		<-time.After(200 * time.Millisecond)
	}
	measured.imported = time.Since(start)
	s.stop() // the next process starts without the garbage of the import
	before := s.clerkRequests()
	start = time.Now()
	s.start("FITUSER_RECEIVER=false")
	s.eventually("a sweep is done", s.swept)
	measured.swept = time.Since(start)
	measured.requests = s.clerkRequests() - before
	measured.resident = s.resident()
	s.stop()
	return measured
}

// swept returns nil once a sweep is done.
func (s *system) swept() error {
	if !strings.Contains(s.logged(), "Sweep finished") {
		return fmt.Errorf("not yet")
	}
	return nil
}

func (s *system) clerkRequests() (n int) {
	for _, times := range s.clerk.Requests() {
		n += times
	}
	return n
}

// resident returns the process's resident memory in KiB.
func (s *system) resident() int {
	s.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		s.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		s.Fatal(err)
	}
	return kib
}

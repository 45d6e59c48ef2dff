package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// BenchmarkResidentMemory measures what a user costs the process that keeps them, in resident memory: a process is
// started anew beside users who all agree, and looked at after its first sweep; what the same process takes with no user
// at all is taken off. FITUSER_BENCH_USERS says how many users; 20,000 if it is not set.
func BenchmarkResidentMemory(b *testing.B) {
	n := 20_000
	if text := os.Getenv("FITUSER_BENCH_USERS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatalf("FITUSER_BENCH_USERS: %v", err)
		}
	}
	for b.Loop() {
		empty := residentAfterSweep(b, 0)
		full := residentAfterSweep(b, n)
		b.ReportMetric(float64(empty), "KiB-empty")
		b.ReportMetric(float64(full), "KiB-full")
		b.ReportMetric(float64(full-empty)/float64(n), "KiB/user")
	}
}

func residentAfterSweep(b *testing.B, users int) (kib int) {
	b.Helper()
	s := newSystem(b, storetest.SQLite(b))
	s.clerk.Import(users)
	s.start("FITUSER_RECEIVER=false")
	s.eventually("all users are imported", func() error {
		rows := s.table.Query("SELECT count(*) AS n FROM users")
		if n := rows[0]["n"]; n != int64(users) {
			return fmt.Errorf("%v rows", n)
		}
		return nil
	})
	s.stop() // which finishes what is under way; the import's garbage goes with it
	s.start("FITUSER_RECEIVER=false")
	s.eventually("a sweep is done", func() error {
		if !strings.Contains(s.logged(), "Sweep done") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	resident := s.resident()
	s.stop()
	return resident
}

// resident is the process's resident memory in KiB.
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

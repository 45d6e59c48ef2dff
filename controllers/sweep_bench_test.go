package controllers_test

import (
	"context"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/user"
)

// benchWorkers is how many reconciles run side by side, as in the program.
const benchWorkers = 100

// benchUsers is how many users the benchmarks have: FITUSER_BENCH_USERS, or 20,000.
func benchUsers(b *testing.B) int {
	b.Helper()
	text := os.Getenv("FITUSER_BENCH_USERS")
	if text == "" {
		return 20_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("FITUSER_BENCH_USERS: %v", err)
	}
	return n
}

// BenchmarkSweep measures an import and then passes over users who agree, each beside what bare clients of the same
// servers reach in the same run: import-ratio is writes per second against the bare client's, pass-ratio is a pass's time
// against that of listing the same pages and doing nothing with them. Last, a twentieth of all are renamed in Clerk, and a
// pass repairs them.
func BenchmarkSweep(b *testing.B) {
	n := benchUsers(b)
	bare := bareWrites(newWorld(b), min(n, 4000))
	w := newWorld(b)
	ids := w.clerk.Import(n)

	start := time.Now()
	if _, err := w.sweepWith(benchWorkers); err != nil {
		b.Fatal(err)
	}
	imported := float64(2*n) / time.Since(start).Seconds()

	w.catchUp()
	var listing, pass time.Duration
	sweeper := w.sweeper()
	for b.Loop() {
		listing += timed(func() { w.listAll(b) })
		pass += timed(func() {
			if report, err := sweeper.RunOnce(w.ctx); err != nil || report.Differing+report.New+report.Missing != 0 {
				b.Fatalf("%+v, %v", report, err)
			}
		})
	}
	repaired := w.repairs(b, ids[:n/20])
	b.ReportMetric(repaired, "drifted-users-repaired/s")
	b.ReportMetric(imported, "import-writes/s") // after the loop, which resets metrics
	b.ReportMetric(bare, "bare-writes/s")
	b.ReportMetric(imported/bare, "import-ratio")
	b.ReportMetric(pass.Seconds()/float64(b.N), "pass-s")
	b.ReportMetric(listing.Seconds()/float64(b.N), "bare-listing-s")
	b.ReportMetric(pass.Seconds()/listing.Seconds(), "pass-ratio")
}

// repairs is how many users per second a pass finds and repairs that were renamed in Clerk without an event: the row and
// the FitUser of each.
func (w *world) repairs(b *testing.B, ids []string) float64 {
	b.Helper()
	for _, id := range ids {
		w.clerk.SetNames(id, "Renamed", "")
	}
	var report sweep.Report
	took := timed(func() {
		var err error
		if report, err = w.sweepWith(benchWorkers); err != nil {
			b.Fatal(err)
		}
	})
	if report.Differing != len(ids) {
		b.Fatalf("%d users were renamed: %+v", len(ids), report)
	}
	return float64(len(ids)) / took.Seconds()
}

func timed(act func()) time.Duration {
	start := time.Now()
	act()
	return time.Since(start)
}

func (w *world) listAll(b *testing.B) {
	b.Helper()
	if _, err := w.Reconciler.Clerk.Count(w.ctx); err != nil {
		b.Fatal(err)
	}
	for after := user.ID(""); ; {
		page, err := w.Reconciler.Clerk.List(w.ctx, after)
		if err != nil {
			b.Fatal(err)
		}
		if page.Entries < 500 {
			return
		}
		after = page.Last
	}
}

// bareWrites is how many writes per second a client reaches that makes n FitUsers and writes the status of each, with as
// many workers as the reconciler has.
func bareWrites(w *world, n int) float64 {
	bare, status := w.live(), benchStatus(w)
	ids := make(chan int)
	var writers sync.WaitGroup
	start := time.Now()
	for range benchWorkers {
		writers.Go(func() {
			for i := range ids {
				object := fitusers.New(w.namespace, "user_bare"+strconv.Itoa(i), 0)
				if err := bare.Create(context.Background(), object); err != nil {
					w.Error(err)
					continue
				}
				before := object.DeepCopy()
				object.Status = status
				if err := bare.Status().Patch(context.Background(), object, client.MergeFrom(before)); err != nil {
					w.Error(err)
				}
			}
		})
	}
	for i := range n {
		ids <- i
	}
	close(ids)
	writers.Wait()
	return float64(2*n) / time.Since(start).Seconds()
}

// benchStatus returns the status of a user who is in sync.
func benchStatus(w *world) v1alpha1.FitUserStatus {
	id := w.signUp("bench")
	w.reconcileUntilStable(id)
	return w.fitUser(id).Status
}

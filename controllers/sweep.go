package controllers

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/user"
)

// Sweeper compares all of Clerk, all of the table and all FitUsers, at the cost of a listing each, and hands the
// reconciler the users that differ. It finds; it does not fix: of users it writes nothing.
type Sweeper struct {
	Reconciler *Reconciler
	// Cache reads FitUsers as the watch last told of them, without waiting for anybody's writes.
	Cache client.Reader
	// Pages bounds how quickly pages are asked for: the pass lives on a share of the requests that Clerk allows us.
	Pages *rate.Limiter
	Clock clock.PassiveClock
	// Patience is the first pause before a request that failed is made again; later ones double. Zero means a second.
	Patience time.Duration
	// Progress is called after each page. Optional.
	Progress func(Report)
}

// tablePage is how many rows are read at a time.
const tablePage = 1000

// Report is what a pass has found.
type Report struct {
	// Expected is how many users Clerk said to have, Users how many it listed.
	Expected int `json:"expected"`
	Users    int `json:"users"`
	// Whole is true when the listing lacks nobody, as far as can be told: only then may anybody be taken for gone.
	Whole bool `json:"whole"`
	// New are users without a FitUser, Differing those that differ in any place, Gone those whose FitUser says that they
	// were in Clerk and whom the listing lacks. All were handed over, except those Gone that were HeldBack.
	New       int `json:"new"`
	Differing int `json:"differing"`
	Gone      int `json:"gone"`
	HeldBack  int `json:"heldBack"`
	// Missed are the changes that a webhook should have told of.
	Missed int `json:"missed"`
	// Strangers are rows of nobody: no Clerk user, no FitUser.
	Strangers int `json:"strangers"`
}

// pass is one pass under way.
type pass struct {
	*Sweeper
	report Report
	// rows are the fingerprints of the rows whose user was not listed yet.
	rows        map[user.ID]uint64
	fingerprint user.Fingerprinter
	// listed are the users that were listed, hashed: all that is asked of it is who is missing.
	listed map[uint64]struct{}
	seed   maphash.Seed
	// imported is when the first whole sweep began; zero until one has ended. What is older was there before the operator, and
	// no webhook could have told it.
	imported time.Time
}

// RunOnce makes one pass. After an error it has concluded nothing; what it has handed over until then was right.
func (s *Sweeper) RunOnce(ctx context.Context) (Report, error) {
	if t := s.Reconciler.Instance.check(ctx); t != nil {
		return Report{}, fmt.Errorf("sweeping: %w", t.asError())
	}
	p := &pass{
		Sweeper: s, rows: map[user.ID]uint64{}, fingerprint: user.NewFingerprinter(),
		listed: map[uint64]struct{}{}, seed: maphash.MakeSeed(),
	}
	began := s.Clock.Now()
	s.Reconciler.handovers.begin()
	for _, step := range []func(context.Context) error{p.recallImport, p.readTable, p.walkClerk, p.lookForGone, p.countStrangers} {
		if err := step(ctx); err != nil {
			return p.report, fmt.Errorf("sweeping: %w", err)
		}
	}
	return p.report, p.noteImport(ctx, began)
}

func (p *pass) readTable(ctx context.Context) error {
	for after := user.ID(""); ; {
		rows, err := p.Reconciler.Store.Scan(ctx, after, tablePage)
		if err != nil {
			return fmt.Errorf("reading the table: %w", err)
		}
		for _, row := range rows {
			p.rows[row.ID] = p.fingerprint.Fingerprint(row)
		}
		if len(rows) < tablePage {
			return nil
		}
		after = rows[len(rows)-1].ID
	}
}

// walkClerk compares page by page. A listing that repeats itself would never end, and one that ends early or does not
// fit Clerk's own count lacks somebody.
func (p *pass) walkClerk(ctx context.Context) error {
	var err error
	if p.report.Expected, err = p.count(ctx); err != nil {
		return err
	}
	for next, err := range p.pages(ctx) {
		if err != nil {
			return err
		}
		for _, u := range next.Users {
			if !p.list(u.ID) {
				return errors.New("clerk listed a user twice: the listing cannot be trusted")
			}
			if err := p.compare(ctx, u, next); err != nil {
				return err
			}
		}
		p.report.Users += next.Entries
		p.tell()
	}
	return p.judge(ctx)
}

// list notes that a user was listed, and reports whether that is news.
func (p *pass) list(id user.ID) bool {
	key := maphash.String(p.seed, string(id))
	_, known := p.listed[key]
	p.listed[key] = struct{}{}
	return !known
}

func (p *pass) tell() {
	p.Reconciler.Metrics.sweepProgress(p.report)
	if p.Progress != nil {
		p.Progress(p.report)
	}
}

// judge says whether the listing is whole. Users may have left while it was read, so a count that no longer fits is
// asked for once more.
func (p *pass) judge(ctx context.Context) error {
	if p.report.Users < p.report.Expected {
		expected, err := p.count(ctx)
		if err != nil {
			return err
		}
		p.report.Expected = expected
	}
	p.report.Whole = p.report.Users > 0 && p.report.Users >= p.report.Expected
	return nil
}

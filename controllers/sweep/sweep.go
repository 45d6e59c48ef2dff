package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Config is what a [Sweeper] needs.
type Config struct {
	Reconciler *fituser.Reconciler
	// Cache reads FitUsers as the watch last delivered them, without waiting for pending writes.
	Cache client.Reader
	// Pages limits the rate of page requests: a sweep lives on a share of the requests that Clerk allows.
	Pages   *rate.Limiter
	Clock   clock.PassiveClock
	Metrics *Metrics
	// RuleUsers receives, after each complete sweep, how many users have the role of each RoleRule; nil drops it.
	RuleUsers func(map[string]int)
	// RetryDelay is the first delay before a failed request is retried; later ones double. Zero means a second.
	RetryDelay time.Duration
}

// Sweeper runs sweeps.
type Sweeper struct {
	Config
	// progress is called after each page.
	progress func(Report)
}

// New returns a Sweeper.
func New(config Config) *Sweeper { return &Sweeper{Config: config, progress: func(Report) {}} }

// tablePage is how many rows are read at a time.
const tablePage = 1000

// Report is the result of a sweep.
type Report struct {
	// Expected is Clerk's own count of users, Users how many it listed.
	Expected int `json:"expected"`
	Users    int `json:"users"`
	// Complete is true when, as far as can be known, the listing lacks no user: only then may a user count as missing.
	Complete bool `json:"complete"`
	// New are users without a FitUser, Differing those that differ in any place, Missing those whose FitUser records that
	// they were in Clerk and that the listing lacks. All were named to the reconciler, except those Missing that were
	// Deferred.
	New       int `json:"new"`
	Differing int `json:"differing"`
	Missing   int `json:"missing"`
	Deferred  int `json:"deferred"`
	// MissedWebhooks are changes that no webhook reported.
	MissedWebhooks int `json:"missedWebhooks"`
	// OrphanedRows are rows without a Clerk user and without a FitUser.
	OrphanedRows int `json:"orphanedRows"`
	// RuleUsers are how many users have the role of each RoleRule.
	RuleUsers map[string]int `json:"ruleUsers,omitempty"`
}

// run is one sweep.
type run struct {
	*Sweeper
	report Report
	// policy decides roles for the whole sweep: a rule that changes meanwhile requests another one.
	policy user.Policy
	// byEmail are the manifests that name an address.
	byEmail map[string][]*v1alpha1.FitUser
	// remaining is how many users the deletion budget still has room for.
	remaining int
	// table describes the users table. rows are the fingerprints of the rows whose user is not listed yet, by key.
	table store.Table
	rows  map[user.ID]uint64
	// kept are rows that the comparison needs themselves, by key; nil for one that is not read yet.
	kept        map[user.ID]*user.Row
	fingerprint user.Fingerprinter
	// listed are the hashed ids of the listed users.
	listed map[uint64]struct{}
	seed   maphash.Seed
	// importBegan is when the first complete sweep began; zero until it has ended. Older changes were made before the
	// operator was there, and no webhook could have reported them.
	importBegan time.Time
}

// RunOnce runs one sweep. After an error it has concluded nothing; the users that it named until then do differ.
func (s *Sweeper) RunOnce(ctx context.Context) (Report, error) {
	if err := s.Reconciler.Instance.Check(ctx); err != nil {
		return Report{}, fmt.Errorf("sweeping: %w", err)
	}
	r := &run{
		Sweeper: s, rows: map[user.ID]uint64{}, kept: map[user.ID]*user.Row{},
		listed: map[uint64]struct{}{}, seed: maphash.MakeSeed(), report: Report{RuleUsers: map[string]int{}},
	}
	began := s.Clock.Now()
	for _, step := range []func(context.Context) error{r.prepare, r.loadImportTime, r.findNeeded, r.readTable, r.scanClerk, r.findMissing, r.countOrphanedRows} {
		if err := step(ctx); err != nil {
			return r.report, fmt.Errorf("sweeping: %w", err)
		}
	}
	if r.report.Complete && r.RuleUsers != nil {
		r.RuleUsers(r.report.RuleUsers)
	}
	return r.report, r.saveImportTime(ctx, began)
}

// prepare reads what is the same for all users.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.policy, err = r.Reconciler.Policy(ctx); err != nil {
		return err
	}
	if r.byEmail, err = fitusers.CachedByEmail(ctx, r.Cache, r.Reconciler.Namespace); err != nil {
		return err
	}
	r.remaining, err = r.Reconciler.Budget.Remaining(ctx)
	return err
}

// findNeeded finds the users whose rows the comparison needs themselves.
func (r *run) findNeeded(ctx context.Context) error {
	differing, err := fitusers.CachedDiffering(ctx, r.Cache, r.Reconciler.Namespace)
	for _, u := range differing {
		r.kept[user.ID(cmp.Or(u.Status.RowKey, u.UserID()))] = nil
	}
	return err
}

func (r *run) readTable(ctx context.Context) error {
	r.fingerprint = user.NewFingerprinter(r.Reconciler.Store.Table().Mapping)
	for after := user.ID(""); ; {
		rows, err := r.Reconciler.Store.Scan(ctx, after, tablePage)
		if err != nil {
			return fmt.Errorf("reading the table: %w", err)
		}
		r.table = r.Reconciler.Store.Table() // the first read of the table has completed its description
		for i := range rows {
			row := &rows[i]
			if hasDeparted(row) {
				continue
			}
			r.rows[row.ID] = r.fingerprint.Fingerprint(row)
			if _, needed := r.kept[row.ID]; needed {
				kept := *row // a pointer into the page would keep all of it
				r.kept[row.ID] = &kept
			}
		}
		if len(rows) < tablePage {
			return nil
		}
		after = rows[len(rows)-1].ID
	}
}

// hasDeparted reports whether a row is softly deleted or anonymized. Nobody misses its user; one who is in Clerk again counts as
// a user without a row, and is reconciled.
func hasDeparted(row *user.Row) bool {
	return !row.DeletedAt.IsZero() || user.IsAnonymizedEmail(row.Email) && row.Email == user.AnonymizedEmail(row.ID)
}

// scanClerk compares page by page. A listing that repeats itself would never end, and one that ends early or does not fit
// Clerk's own count is incomplete.
func (r *run) scanClerk(ctx context.Context) error {
	var err error
	if r.report.Expected, err = r.count(ctx); err != nil {
		return err
	}
	for next, err := range r.pages(ctx) {
		if err != nil {
			return err
		}
		for i := range next.Users {
			if !r.markListed(next.Users[i].ID) {
				return errors.New("clerk listed a user twice: the listing cannot be trusted")
			}
			if err := r.compare(ctx, &next.Users[i], next.requested); err != nil {
				return err
			}
		}
		r.report.Users += next.Entries
		r.Metrics.setProgress(r.report)
		r.progress(r.report)
	}
	return r.checkComplete(ctx)
}

// markListed marks a user as listed, and reports whether it was not yet.
func (r *run) markListed(id user.ID) bool {
	key := maphash.String(r.seed, string(id))
	_, known := r.listed[key]
	r.listed[key] = struct{}{}
	return !known
}

func (r *run) isListed(id string) bool {
	_, listed := r.listed[maphash.String(r.seed, id)]
	return listed
}

// checkComplete decides whether the listing is complete. Users may have been deleted while it was read, so a count that
// does not fit is requested once more.
func (r *run) checkComplete(ctx context.Context) error {
	if r.report.Users < r.report.Expected {
		expected, err := r.count(ctx)
		if err != nil {
			return err
		}
		r.report.Expected = expected
	}
	r.report.Complete = r.report.Users > 0 && r.report.Users >= r.report.Expected
	return nil
}

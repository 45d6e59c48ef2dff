package importer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// Clerk is what an import needs of Clerk.
type Clerk interface {
	clerk.Reader
	clerk.Importer
}

// Table is what an import needs of the users table.
type Table interface {
	Table() store.Table
	Get(ctx context.Context, key user.ID) (user.Row, error)
	ScanLegacy(ctx context.Context, passwordColumn string, after *store.LegacyRow, limit int) ([]store.LegacyRow, error)
	References(ctx context.Context) ([]store.Reference, error)
	Rekey(ctx context.Context, holder store.Holder, key user.ID) error
}

// Config configures an import.
type Config struct {
	Clerk Clerk
	Table Table
	Roles user.Roles
	// Markers gives roles the operator's marker. Owner returns the owner id that markers name; it is called only when a role goes
	// along, and may be nil for a preview without [Config.Export].
	Markers bool
	// RolesUndecided refuses to act when roles go along: nobody has decided yet whether they get markers.
	RolesUndecided bool
	Owner          func(ctx context.Context) (string, error)
	// PasswordColumn is the column of hashed passwords; empty to read none.
	PasswordColumn string
	// Unverified creates the addresses as unverified ones.
	Unverified bool
	// Limit is how many users are created at most; 0 means all.
	Limit int
	// Act makes changes. Otherwise the report shows what they would be.
	Act bool
	// Export receives every user that is to be created; nil for none.
	Export func(clerk.NewUser) error
	// Progress is called after each row, by several goroutines; nil for no progress.
	Progress func(done, total int)
	// Wait waits before a retry; nil means a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Progress == nil {
		c.Progress = func(int, int) {}
	}
	if c.Wait == nil {
		c.Wait = wait
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Export == nil {
		c.Export = func(clerk.NewUser) error { return nil }
	}
	return c
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// pageSize is how many rows are decided together. Clerk is asked for a hundred at a time.
const pageSize = 500

// Run imports people, or previews that. The report is valid also beside an error: it has everything up to it.
func Run(ctx context.Context, config Config) (Report, error) {
	r := &run{Config: config.withDefaults(), report: newReport(config)}
	err := r.all(ctx)
	r.report.NotReached = r.survey.legacy - int(r.done.Load())
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		r.report.Stopped = "interrupted"
	case err != nil:
		r.report.Stopped = err.Error()
	}
	return r.report, err
}

// run is one import.
type run struct {
	Config
	policy policy
	survey survey
	report Report
	// done counts the rows that are finished.
	done atomic.Int64
}

func (r *run) all(ctx context.Context) error {
	r.policy = policy{
		mapping: r.Table.Table().Mapping, roles: r.Roles, unverified: r.Unverified, now: r.Now(), hashes: newHashes(),
	}
	if err := r.checkReferences(ctx); err != nil {
		return err
	}
	if err := r.lookAtAll(ctx); err != nil {
		return err
	}
	return r.eachPage(ctx, func(page []store.LegacyRow) (goOn bool, err error) {
		err = r.page(ctx, page)
		return !r.report.LimitReached, err
	})
}

// checkReferences makes sure that rows can get other keys, before the first user is created.
func (r *run) checkReferences(ctx context.Context) error {
	if !r.policy.rekeys() {
		return nil
	}
	references, err := r.Table.References(ctx)
	if err != nil {
		return fmt.Errorf("reading which tables refer to the users table: %w", err)
	}
	for _, reference := range references {
		r.report.Following = append(r.report.Following, reference.Table)
	}
	if r.report.Keeping = store.Keeping(references); len(r.report.Keeping) > 0 {
		r.report.Following = nil
	}
	if r.Act && len(r.report.Keeping) > 0 {
		return &store.CannotRekeyError{Tables: r.report.Keeping}
	}
	return nil
}

// ErrRolesUndecided means that roles go along, and that [Config.RolesUndecided] is set.
var ErrRolesUndecided = errors.New("rows with a role other than the default one go along")

// survey is what the whole table shows about its rows.
type survey struct {
	emails, phones *counter
	rows, legacy   int
	// roles is true when a row from before Clerk has a role that goes along.
	roles bool
}

// lookAtAll reads the table once, to find addresses and numbers that occur twice.
func (r *run) lookAtAll(ctx context.Context) error {
	r.survey = survey{emails: newCounter(), phones: newCounter()}
	err := r.eachPage(ctx, func(page []store.LegacyRow) (bool, error) {
		for i := range page {
			r.survey.add(&page[i], r.policy)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	r.report.Rows, r.report.WithClerkID = r.survey.rows, r.survey.rows-r.survey.legacy
	if r.survey.roles && r.Act && r.RolesUndecided {
		return ErrRolesUndecided
	}
	if r.survey.roles && r.Markers && r.Owner != nil {
		if r.policy.owner, err = r.Owner(ctx); err != nil {
			return fmt.Errorf("finding the owner id of this installation: %w", err)
		}
	}
	return nil
}

func (s *survey) add(row *store.LegacyRow, p policy) {
	s.rows++
	if row.Row.DeletedAt.IsZero() {
		s.emails.add(user.NormalizeEmail(row.Row.Email))
		s.phones.add(row.Row.Phone)
	}
	if !isLegacy(row) {
		return
	}
	s.legacy++
	role, known := p.roles.Parse(string(p.mapping.RoleOf(row.Row)))
	s.roles = s.roles || known && role != p.roles.Default()
}

func (s *survey) copiesOf(row *store.LegacyRow) copies {
	return copies{email: s.emails.isShared(user.NormalizeEmail(row.Row.Email)), phone: s.phones.isShared(row.Row.Phone)}
}

// eachPage reads all rows, page by page, until do returns false.
func (r *run) eachPage(ctx context.Context, do func([]store.LegacyRow) (bool, error)) error {
	var after *store.LegacyRow
	for {
		page, err := r.Table.ScanLegacy(ctx, r.PasswordColumn, after, pageSize)
		if err != nil {
			return err
		}
		if goOn, err := do(page); err != nil || !goOn || len(page) < pageSize {
			return err
		}
		after = &page[len(page)-1]
	}
}

// errQuota ends an import: Clerk creates no further user.
var errQuota = errors.New("the Clerk instance holds as many users as its plan allows (a development instance: 100): " +
	"use a production instance or another plan, then import again")

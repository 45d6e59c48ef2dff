package scenes_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/controllers/sweep"
	"github.com/fitai/fituser-operator/internal/budget"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/instance"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/user"
)

// operator is one process of the operator without its manager. The test holds the queue and the timers, so it observes what
// requests a reconcile and what does not.
type operator struct {
	*fituser.Reconciler
	process *process
	sweeper *sweep.Sweeper
	metrics *prometheus.Registry

	started  bool
	watched  int64                           // the number of writes that the watch has delivered
	observed map[types.UID]*v1alpha1.FitUser // as the watch delivered them last
	queue    []request
	timers   map[request]time.Time
	fails    map[request]int
	// searched is the time up to which expired roles were searched for.
	searched time.Time
}

// installation is how the operator of a scene is configured.
type installation struct {
	// owner is the owner id, adopted are those of former installations.
	owner   string
	adopted []string
	// maxDeletions is the deletion budget, minProtected how many users keep the protected role.
	maxDeletions string
	minProtected int
	// deletionPolicy counts where a FitUser sets none; deletionDelay is how long the rows of deleted users wait.
	deletionPolicy v1alpha1.DeletionPolicy
	deletionDelay  time.Duration
	// rules are the RoleRules, in the order in which they are tried.
	rules []user.Rule
}

// The owner ids in the scenes.
const (
	ownerID     = "owner-test"
	formerOwner = "owner-former"
	otherOwner  = "owner-other"
)

// defaultInstallation has limits that no scene reaches.
func defaultInstallation() installation {
	return installation{owner: ownerID, adopted: []string{formerOwner}, maxDeletions: "9999"}
}

func (s *scene) roleConfig() fituser.RoleConfig {
	return fituser.RoleConfig{
		Roles: user.DefaultRoles(), AdoptedOwners: s.adopted,
		Owner: func(context.Context) (string, error) { return s.owner, nil },
		Rules: func(context.Context) (user.Rules, error) { return user.NewRules(user.DefaultRoles(), s.rules), nil },
	}
}

// budgetPeriod is the sync period, which is the period of the deletion budget too.
const budgetPeriod = 10 * time.Minute

func (s *scene) budgetConfig(operatorState *state.Store) budget.Config {
	return budget.Config{
		State: operatorState, Max: maxDeletions(s.harness.TB, s.maxDeletions), Period: budgetPeriod, Users: func() int { return 0 },
		Recorder: s.output, Clock: s.clock, Log: logf.FromContext(s.logs),
	}
}

// maxDeletions parses a deletion budget.
func maxDeletions(t testing.TB, text string) budget.MaxDeletions {
	t.Helper()
	limit, err := budget.ParseMaxDeletions(text)
	if err != nil {
		t.Fatal(err)
	}
	return limit
}

// start starts a process, which has no state from before.
func (s *scene) start() {
	p := &operator{
		process: &process{}, metrics: prometheus.NewRegistry(), observed: map[types.UID]*v1alpha1.FitUser{},
		timers: map[request]time.Time{}, fails: map[request]int{},
	}
	live := s.gate.client(p.process, s.direct)
	cached := fitusers.Unindexed(s.gate.client(p.process, s.cache(s.direct)))
	api := clerk.New(clerk.Config{
		URL: s.clerkURL, Key: testKey, RequestsPerSecond: 100_000, Timeout: 10 * time.Second,
		Transport: gatedClerk{s.gate, p.process, s.transport}, Registerer: p.metrics,
	})
	operatorState := &state.Store{Client: live, Namespace: s.namespace}
	p.Reconciler = fituser.New(fituser.Config{
		Client: cached, Live: live, Namespace: s.namespace, Clerk: api, Store: gatedStore{s.gate, p.process, s.table},
		Recorder: s.output, Log: logf.FromContext(s.logs), Metrics: fituser.NewMetrics(p.metrics, user.DefaultRoles(), user.DefaultMapping()),
		Profile: fituser.ProfileFull, Clock: s.clock,
		LagTolerance: fituser.DefaultLagTolerance, RevocationGrace: fituser.DefaultRevocationGrace,
		RoleConfig: s.roleConfig(), MinProtected: s.minProtected, DeletionPolicy: s.deletionPolicy, DeletionDelay: s.deletionDelay,
		Instance: instance.New(instance.Config{State: operatorState, Clerk: api, Key: testKey, Clock: s.clock}),
		Budget:   budget.New(s.budgetConfig(operatorState)),
	})
	p.sweeper = sweep.New(sweep.Config{
		Reconciler: p.Reconciler, Cache: cached, Pages: rate.NewLimiter(rate.Inf, 1), Clock: s.clock, RetryDelay: time.Nanosecond,
		Metrics: sweep.NewMetrics(p.metrics),
	})
	s.operator = p
}

// restart ends the process and starts another.
func (s *scene) restart() {
	s.operator.process.dead.Store(true)
	s.output.metrics(s.operator.metrics)
	s.start()
}

// restartIfDead starts another process if this one crashed, and reports whether it had.
func (s *scene) restartIfDead() bool {
	if !s.operator.process.dead.Load() {
		return false
	}
	s.restart()
	return true
}

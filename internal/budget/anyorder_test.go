package budget

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fitai/fituser-operator/internal/user"
)

// In any order of calls, restarts and faults of the API server: no more periods exceed the limit than a person requested
// overrides, and afterwards the limit is in force and nothing of an override is left.
func TestTheLimitHoldsInAnyOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := &model{fixture: newFixture(t, 3), random: rand.New(rand.NewPCG(seed, seed)), deleted: map[int64]map[user.ID]bool{}}
			m.api.onRead, m.api.onWrite = m.randomFault(40), m.randomFault(6)
			for range 150 {
				m.step()
			}
			m.api.onRead, m.api.onWrite = nil, nil
			m.check()
			for range 2 { // an annotation that is left now is for the first of these periods
				m.clock.Step(2 * m.budget.Period)
				m.wantReopens()
			}
			m.wantRemaining(3)
			m.wantNoOverride()
			m.setDeferred(0)
			m.wantDeferred(0)
		})
	}
}

type model struct {
	*fixture
	random    *rand.Rand
	overrides int
	deleted   map[int64]map[user.ID]bool // by the period's start
}

// randomFault returns each fault once in n requests.
func (m *model) randomFault(n int) func() fault {
	return func() fault {
		switch m.random.IntN(n) {
		case 0:
			return refused
		case 1:
			return lostResponse
		default:
			return noFault
		}
	}
}

// step does one thing. An error is a valid result: its caller deletes nothing.
func (m *model) step() {
	switch m.random.IntN(12) {
	case 0:
		m.requestOverride()
	case 1, 2:
		m.clock.Step(time.Duration(1+m.random.IntN(6)) * time.Minute)
	case 3:
		m.restart()
	case 4:
		_, _, _ = m.budget.Reopened(m.Context())
	case 5:
		m.withdrawOverride()
	case 6:
		_, _ = m.budget.Remaining(m.Context())
	case 7:
		_ = m.budget.SetDeferred(m.Context(), m.random.IntN(3))
	default:
		id := numbered(m.random.IntN(12))
		if allowed, err := m.budget.Allow(m.Context(), id); err == nil && allowed {
			m.recordDeletion(id)
		}
	}
}

func (m *model) requestOverride() {
	if m.read().OverrideRequested {
		return
	}
	m.overrides++
	m.annotate("true")
}

// withdrawOverride removes the annotation once in a while. It still counts as requested.
func (m *model) withdrawOverride() {
	if m.random.IntN(4) == 0 {
		m.annotate("")
	}
}

func (m *model) recordDeletion(id user.ID) {
	start := m.budget.period.start.Unix()
	if m.deleted[start] == nil {
		m.deleted[start] = map[user.ID]bool{}
	}
	m.deleted[start][id] = true
}

func (m *model) check() {
	m.Helper()
	exceeded := 0
	for _, deleted := range m.deleted {
		if len(deleted) > 3 {
			exceeded++
		}
	}
	m.Logf("%d periods with deletions, %d beyond the limit after %d overrides", len(m.deleted), exceeded, m.overrides)
	if exceeded > m.overrides {
		m.Errorf("%d periods exceeded the limit after %d overrides", exceeded, m.overrides)
	}
}

func (m *model) wantReopens() {
	m.Helper()
	if reopened, _, err := m.budget.Reopened(m.Context()); err != nil || !reopened {
		m.Errorf("a new period does not reopen the budget: %v, %v", reopened, err)
	}
}

package controllers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/user"
)

// Whatever happens in whatever order, to the process and to its writes: no more periods are lifted than a person has
// spoken words, in all others no more go than the limit allows, and in the end nobody is said to be held back who is not.
func TestTheLimitHoldsInAnyOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newDeletionsWorld(t, 3)
			m := &deletionsModel{
				deletionsWorld: w, random: rand.New(rand.NewPCG(seed, seed)), went: map[int64]map[user.ID]bool{},
			}
			w.Deletions.Notes.Client = mishapClient{w.live(), m}
			for range 150 {
				m.step()
			}
			m.calm = true
			m.check()
			w.clock.Step(2 * w.Deletions.Period)
			w.release()
			w.wantLeft(3)
			w.wantNoWord()
			w.wantHeld(0, "")
		})
	}
}

type deletionsModel struct {
	*deletionsWorld
	random *rand.Rand
	calm   bool // no more mishaps
	words  int
	went   map[int64]map[user.ID]bool // in each period
}

// step does one thing. Errors are results like any other: who gets one does not delete.
func (m *deletionsModel) step() {
	id := flooded(m.random.IntN(12))
	switch m.random.IntN(12) {
	case 0:
		m.speak()
	case 1, 2:
		m.clock.Step(time.Duration(1+m.random.IntN(6)) * time.Minute)
	case 3:
		m.restartDeletions()
	case 4:
		_, _ = m.Deletions.Released(m.ctx)
	case 5:
		m.Deletions.Drop(id)
	case 6:
		_, _ = m.Deletions.Left(m.ctx)
	case 7:
		_ = m.Deletions.HoldBack(m.ctx, []user.ID{id, flooded(m.random.IntN(12))})
	default:
		if allowed, err := m.Deletions.Allow(m.ctx, id); err == nil && allowed {
			m.goes(id)
		}
	}
}

func (m *deletionsModel) speak() {
	m.calm = true
	defer func() { m.calm = false }()
	if notes, err := m.Deletions.Notes.read(m.ctx); err != nil || saysAllow(notes) {
		return
	}
	m.words++
	m.word("true")
}

func (m *deletionsModel) goes(id user.ID) {
	start := m.Deletions.period.start.Unix()
	if m.went[start] == nil {
		m.went[start] = map[user.ID]bool{}
	}
	m.went[start][id] = true
}

func (m *deletionsModel) check() {
	m.Helper()
	lifted := 0
	for _, went := range m.went {
		if len(went) > 3 {
			lifted++
		}
	}
	m.Logf("%d periods, %d lifted by %d words", len(m.went), lifted, m.words)
	if lifted > m.words {
		m.Errorf("%d periods had no limit after %d words", lifted, m.words)
	}
}

// mishapClient refuses some writes, and of some that are made the answer is lost.
type mishapClient struct {
	client.Client
	model *deletionsModel
}

func (c mishapClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	fate := 9
	if _, notes := object.(*corev1.ConfigMap); notes && !c.model.calm {
		fate = c.model.random.IntN(6)
	}
	if fate == 0 {
		return errAway
	}
	if err := c.Client.Update(ctx, object, options...); err != nil {
		return err
	}
	if fate == 1 {
		return errAway
	}
	return nil
}

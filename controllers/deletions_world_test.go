package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/user"
)

func flooded(i int) user.ID { return user.ID(fmt.Sprintf("user_%04d", i)) }

// deletionsWorld is a world with a limit, and a ConfigMap that can be made to refuse writes.
type deletionsWorld struct {
	*world
	refuse *refusingClient
}

func newDeletionsWorld(t *testing.T, limit int) *deletionsWorld {
	t.Helper()
	w := &deletionsWorld{world: newWorld(t)}
	w.Deletions.Max = MaxDeletions{number: limit}
	w.refuse = &refusingClient{Client: w.live()}
	w.Deletions.Notes = &Notes{Client: w.refuse, Namespace: w.namespace}
	return w
}

type refusingClient struct {
	client.Client
	on bool
}

var errAway = errors.New("the API server is away")

func (c *refusingClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if c.on {
		return errAway
	}
	return c.Client.Create(ctx, object, options...)
}

func (c *refusingClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	if c.on {
		return errAway
	}
	return c.Client.Update(ctx, object, options...)
}

// word writes the annotation as a person does; an empty one removes it.
func (w *deletionsWorld) word(word string) {
	w.Helper()
	w.notes(func(notes *corev1.ConfigMap) {
		if word == "" {
			delete(notes.Annotations, AnnotationAllowDeletions)
			return
		}
		notes.Annotations = map[string]string{AnnotationAllowDeletions: word}
	})
}

func (w *deletionsWorld) notes(change func(*corev1.ConfigMap)) *corev1.ConfigMap {
	w.Helper()
	notes, err := w.Deletions.Notes.update(w.ctx, func(notes *corev1.ConfigMap) bool {
		change(notes)
		return true
	})
	if err != nil {
		w.Fatal(err)
	}
	return notes
}

func (w *deletionsWorld) holdBack(ids ...user.ID) {
	w.Helper()
	if err := w.Deletions.HoldBack(w.ctx, ids); err != nil {
		w.Fatal(err)
	}
}

func (w *deletionsWorld) wantLeft(want int) {
	w.Helper()
	if left, err := w.Deletions.Left(w.ctx); err != nil || left != want {
		w.Errorf("%d may go, %v; want %d", left, err, want)
	}
}

func (w *deletionsWorld) wantAllowed(id user.ID, want bool) {
	w.Helper()
	if allowed, err := w.Deletions.Allow(w.ctx, id); err != nil || allowed != want {
		w.Errorf("%s may go: %v, %v; want %v", id, allowed, err, want)
	}
}

// wantHeld checks what the metric and the ConfigMap say of those held back.
func (w *deletionsWorld) wantHeld(number int, named string) {
	w.Helper()
	if got := testutil.ToFloat64(w.Metrics.deletionsHeld); got != float64(number) {
		w.Errorf("the metric says %v held back, want %d", got, number)
	}
	notes, err := w.Deletions.Notes.read(w.ctx)
	if err != nil || notes.Data[DeletionsHeldKey] != named {
		w.Errorf("the ConfigMap names %q, %v; want %q", notes.Data[DeletionsHeldKey], err, named)
	}
}

func (w *deletionsWorld) wantNoWord() {
	w.Helper()
	notes, err := w.Deletions.Notes.read(w.ctx)
	if err != nil || len(notes.Annotations) > 0 || notes.Data[DeletionsAllowedKey] != "" {
		w.Errorf("the word outlives its period: %v, %v, %v", notes.Annotations, notes.Data, err)
	}
}

// wantTold checks how many events were recorded since it was last asked.
func (w *deletionsWorld) wantTold(want int) {
	w.Helper()
	for got := 0; ; got++ {
		select {
		case event := <-w.recorder.Events:
			if !strings.Contains(event, "DeletionsDeferred") {
				w.Errorf("an event of something else: %s", event)
			}
		default:
			if got != want {
				w.Errorf("it was told %d times, want %d", got, want)
			}
			return
		}
	}
}

package receiver

import (
	"testing"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// terminatingManifest creates a FitUser of ada that stays terminating, and waits until the cache of e has it.
func terminatingManifest(t *testing.T, w *world, e *endpoint, name string) {
	t.Helper()
	u := manifest(name, ada)
	u.Finalizers = []string{"example.com/holds"}
	w.create(t, u)
	if err := w.admin.Delete(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	e.knows(t, name, func(u *v1alpha1.FitUser) bool { return !u.DeletionTimestamp.IsZero() })
}

func TestWrite_TerminatingFitUserCarriesOnlyDeletions(t *testing.T) {
	t.Parallel()
	t.Run("an update creates another", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		e := w.receive(t, nil)
		terminatingManifest(t, w, e, adaName)
		mustAccept(t, e.post(t, signed("msg_1", updated(ada, eventTime))))
		wantHints(t, w, map[string]v1alpha1.Hint{
			adaName: {}, adaName + "-1": hintOf("msg_1", v1alpha1.UserUpdated, eventTime),
		})
	})
	t.Run("a deletion is recorded on it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		e := w.receive(t, nil)
		terminatingManifest(t, w, e, "coach-ada")
		mustAccept(t, e.post(t, signed("msg_1", deleted(ada))))
		wantHints(t, w, map[string]v1alpha1.Hint{"coach-ada": hintOf("msg_1", v1alpha1.UserDeleted, eventTime)})
	})
}

// frozen returns a receiver whose cache no longer changes.
func (w *world) frozen(t *testing.T) *endpoint {
	t.Helper()
	_, c := w.unstarted(t, nil)
	stop := w.run(t, c.Start, func() bool { return c.GetCache().WaitForCacheSync(t.Context()) })
	stop()
	return w.receive(t, func(config *Config) { config.Cache = c.GetCache() })
}

func TestWrite_StaleCacheLosesNoHint(t *testing.T) {
	t.Parallel()
	t.Run("FitUser changed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		u := w.create(t, manifest("coach-ada", ada))
		e := w.frozen(t)
		u.Annotations = map[string]string{v1alpha1.AnnotationHint: hintOf("msg_0", v1alpha1.UserDeleted, eventTime).Encode()}
		if err := w.admin.Update(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		mustAccept(t, e.post(t, signed("msg_1", updated(ada, eventTime-1000))))
		wantHints(t, w, map[string]v1alpha1.Hint{"coach-ada": hintOf("msg_1", v1alpha1.UserDeleted, eventTime)})
	})
	t.Run("FitUser deleted", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		u := w.create(t, manifest("coach-ada", ada))
		e := w.frozen(t)
		if err := w.admin.Delete(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		mustAccept(t, e.post(t, signed("msg_1", updated(ada, eventTime))))
		wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserUpdated, eventTime)})
	})
	t.Run("FitUser created", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		e := w.frozen(t)
		w.create(t, fitusers.New("", ada, 0))
		mustAccept(t, e.post(t, signed("msg_1", updated(ada, eventTime))))
		wantHints(t, w, map[string]v1alpha1.Hint{adaName: hintOf("msg_1", v1alpha1.UserUpdated, eventTime)})
	})
	t.Run("name reused for another user", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		u := w.create(t, manifest("coach", ada))
		e := w.frozen(t)
		if err := w.admin.Delete(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		w.create(t, manifest("coach", "user_2bob"))
		mustAccept(t, e.post(t, signed("msg_1", updated(ada, eventTime))))
		wantHints(t, w, map[string]v1alpha1.Hint{
			"coach": {}, adaName: hintOf("msg_1", v1alpha1.UserUpdated, eventTime),
		})
	})
}

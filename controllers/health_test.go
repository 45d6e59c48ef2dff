package controllers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// looked is what the FitUser says after a look that came to this.
func looked(k known) *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_jane"}}
	u.Generation = 3
	k.now, k.fitUsers = time.Unix(1_800_000_000, 0), fitUsers{serving: u}
	u.Status = k.status(ProfileFull)
	return u
}

func edited(u *v1alpha1.FitUser) *v1alpha1.FitUser {
	u.Generation++
	return u
}

// fitUserStates are FitUsers in every kind of state, with what GitOps tools make of it.
func fitUserStates() map[string]struct {
	object  *v1alpha1.FitUser
	kstatus string // Flux, kubectl wait by kstatus
	argo    string
} {
	jane := &user.User{ID: "user_jane", Email: "jane@example.com", CreatedAt: time.Unix(1_700_000_000, 0)}
	throttled := clerkTrouble(&clerk.Error{Kind: clerk.Throttled})
	pending := clerkTrouble(&clerk.Error{Kind: clerk.Unavailable}).takeBackPending("admin")
	leaving := looked(known{clerk: jane})
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_800_000_000, 0)}
	duplicate := looked(known{clerk: jane})
	duplicate.Status = (&known{fitUsers: fitUsers{serving: looked(known{})}}).duplicateStatus(duplicate)

	return map[string]struct {
		object        *v1alpha1.FitUser
		kstatus, argo string
	}{
		"agreed":              {looked(known{clerk: jane}), "Current", "Healthy"},
		"never looked at":     {edited(&v1alpha1.FitUser{}), "InProgress", "Progressing"},
		"edited since":        {edited(looked(known{clerk: jane})), "InProgress", "Progressing"},
		"being deleted":       {leaving, "Terminating", "Progressing"},
		"Clerk throttles":     {looked(known{clerkTrouble: throttled}), "InProgress", "Progressing"},
		"Clerk is down":       {looked(known{clerkTrouble: clerkTrouble(&clerk.Error{Kind: clerk.Unavailable})}), "InProgress", "Progressing"},
		"key refused":         {looked(known{clerkTrouble: clerkTrouble(&clerk.Error{Kind: clerk.Unauthorized})}), "Failed", "Degraded"},
		"role refused":        {looked(known{clerk: jane, clerkTrouble: clerkTrouble(&clerk.Error{Kind: clerk.Rejected})}), "Failed", "Degraded"},
		"not yet taken back":  {looked(known{clerk: jane, clerkTrouble: pending}), "InProgress", "Progressing"},
		"not in Clerk":        {looked(known{gone: true, clerkTrouble: &trouble{reason: v1alpha1.ReasonUserNotFound, stalled: true}}), "Failed", "Degraded"},
		"suspended":           {looked(known{clerk: jane, rowTrouble: suspended("the row differs")}), "Failed", "Suspended"},
		"duplicate":           {duplicate, "Failed", "Degraded"},
		"no e-mail":           {looked(known{clerk: jane, rowTrouble: emailMissing()}), "Failed", "Degraded"},
		"e-mail held":         {looked(known{clerk: jane, rowTrouble: emailConflict("user_joe", "")}), "InProgress", "Progressing"},
		"database down":       {looked(known{clerk: jane, rowTrouble: storeTrouble(os.ErrDeadlineExceeded)}), "InProgress", "Progressing"},
		"database mismatched": {looked(known{clerk: jane, rowTrouble: storeTrouble(store.ErrForbidden)}), "Failed", "Degraded"},
	}
}

func TestHealthByKstatus(t *testing.T) {
	t.Parallel()
	for name, c := range fitUserStates() {
		if got := kstatus(c.object); got != c.kstatus {
			t.Errorf("%s: %s, want %s; %+v", name, got, c.kstatus, c.object.Status.Conditions)
		}
	}
}

// kstatus is what sigs.k8s.io/cli-utils/pkg/kstatus makes of an object of a kind that it does not know, by the rules of
// its README. The library itself would bring all of kubectl with it.
func kstatus(u *v1alpha1.FitUser) string {
	if u.DeletionTimestamp != nil {
		return "Terminating"
	}
	if u.Status.ObservedGeneration != u.Generation {
		return "InProgress"
	}
	ready := metav1.ConditionTrue
	for _, condition := range u.Status.Conditions {
		switch {
		case condition.Type == "Reconciling" && condition.Status == metav1.ConditionTrue:
			return "InProgress"
		case condition.Type == "Stalled" && condition.Status == metav1.ConditionTrue:
			return "Failed"
		case condition.Type == "Ready":
			ready = condition.Status
		}
	}
	if ready != metav1.ConditionTrue {
		return "InProgress"
	}
	return "Current"
}

func TestHealthInArgoCD(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join("..", "docs", "argocd", "health.lua"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range fitUserStates() {
		status, message := argoHealth(t, string(script), c.object)
		if status != c.argo || message == "" {
			t.Errorf("%s: %s (%s), want %s", name, status, message, c.argo)
		}
	}
}

// argoHealth runs a health check as Argo CD does: with the object as obj, and of Lua's libraries only the basic ones.
func argoHealth(t *testing.T, script string, object any) (status, message string) {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, open := range []lua.LGFunction{lua.OpenPackage, lua.OpenBase, lua.OpenTable} {
		state.Push(state.NewFunction(open))
		state.Call(0, 0)
	}
	state.SetGlobal("obj", luaValue(state, decoded))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	health, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the health check returned %s", state.Get(-1).Type())
	}
	return lua.LVAsString(health.RawGetString("status")), lua.LVAsString(health.RawGetString("message"))
}

// luaValue turns decoded JSON into Lua's values.
func luaValue(state *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range v {
			table.RawSetString(key, luaValue(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range v {
			table.Append(luaValue(state, item))
		}
		return table
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	default:
		return lua.LNil
	}
}

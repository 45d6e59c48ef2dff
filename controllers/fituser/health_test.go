package fituser

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
	"github.com/fitai/fituser-operator/internal/fitusers"
	"github.com/fitai/fituser-operator/internal/store"
	"github.com/fitai/fituser-operator/internal/user"
)

// reported returns the FitUser after a reconcile of a user with this account (nil: Clerk was not read) and this result.
func reported(account *user.User, res result) *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{Spec: v1alpha1.FitUserSpec{ClerkUserID: "user_jane"}}
	u.Generation = 3
	obs := observation{now: time.Unix(1_800_000_000, 0), fitUsers: fitusers.Set{Active: u}}
	if account != nil {
		obs = obs.withAccount(account)
		res.role = roleResult{account: account, inForce: obs.rolePlan}
	}
	u.Status = desiredStatus(obs, res, ProfileFull)
	return u
}

func edited(u *v1alpha1.FitUser) *v1alpha1.FitUser {
	u.Generation++
	return u
}

// deletedInClerk returns the FitUser of a user that is deleted in Clerk.
func deletedInClerk() *v1alpha1.FitUser {
	u := &v1alpha1.FitUser{}
	obs := observation{now: time.Unix(1_800_000_000, 0), fitUsers: fitusers.Set{Active: u}, deletedInClerk: true}
	u.Status = desiredStatus(obs, result{clerk: userNotFound()}, ProfileFull)
	return u
}

// fitUserStates are FitUsers in every kind of state, with the health that GitOps tools report.
func fitUserStates() map[string]struct {
	object        *v1alpha1.FitUser
	kstatus, argo string // kstatus: Flux, kubectl wait
} {
	jane := &user.User{ID: "user_jane", Email: "jane@example.com", CreatedAt: time.Unix(1_700_000_000, 0)}
	down := clerkError(&clerk.Error{Kind: clerk.Unavailable})
	terminating := reported(jane, result{})
	terminating.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_800_000_000, 0)}
	duplicate := reported(jane, result{})
	duplicate.Status = duplicateStatus(observation{fitUsers: fitusers.Set{Active: reported(jane, result{})}}, duplicate)

	return map[string]struct {
		object        *v1alpha1.FitUser
		kstatus, argo string
	}{
		"in sync":             {reported(jane, result{}), "Current", "Healthy"},
		"never reconciled":    {edited(&v1alpha1.FitUser{}), "InProgress", "Progressing"},
		"edited since":        {edited(reported(jane, result{})), "InProgress", "Progressing"},
		"terminating":         {terminating, "Terminating", "Progressing"},
		"Clerk throttles":     {reported(nil, result{clerk: clerkError(&clerk.Error{Kind: clerk.Throttled})}), "InProgress", "Progressing"},
		"Clerk is down":       {reported(nil, result{clerk: down}), "InProgress", "Progressing"},
		"key refused":         {reported(nil, result{clerk: clerkError(&clerk.Error{Kind: clerk.Unauthorized})}), "Failed", "Degraded"},
		"role refused":        {reported(jane, result{clerk: clerkError(&clerk.Error{Kind: clerk.Rejected})}), "Failed", "Degraded"},
		"revocation pending":  {reported(jane, result{clerk: down.revocationPending("admin")}), "InProgress", "Progressing"},
		"not in Clerk":        {deletedInClerk(), "Failed", "Degraded"},
		"suspended":           {reported(jane, result{row: suspended("update the row")}), "Failed", "Suspended"},
		"duplicate":           {duplicate, "Failed", "Degraded"},
		"no e-mail":           {reported(jane, result{row: emailMissing()}), "Failed", "Degraded"},
		"e-mail held":         {reported(jane, result{row: emailConflict("user_joe", "")}), "InProgress", "Progressing"},
		"database down":       {reported(jane, result{row: storeError(os.ErrDeadlineExceeded)}), "InProgress", "Progressing"},
		"database mismatched": {reported(jane, result{row: storeError(store.ErrForbidden)}), "Failed", "Degraded"},
	}
}

func TestHealth_Kstatus(t *testing.T) {
	t.Parallel()
	for name, c := range fitUserStates() {
		if got := kstatus(c.object); got != c.kstatus {
			t.Errorf("%s: %s, want %s; %+v", name, got, c.kstatus, c.object.Status.Conditions)
		}
	}
}

// kstatus returns what sigs.k8s.io/cli-utils/pkg/kstatus reports for an object of an unknown kind, by the rules of
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

func TestHealth_ArgoCD(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join("..", "..", "docs", "argocd", "health.lua"))
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

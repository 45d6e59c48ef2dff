package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/inspect"
	"github.com/fitai/fituser-operator/internal/state"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// partOf is the label of the manifests in these tests.
const partOf = "app.kubernetes.io/part-of"

// repository is a repository of manifests, as files.
type repository struct {
	*system
	fitUsers map[string]*v1alpha1.FitUser
	rules    map[string]*v1alpha1.RoleRule
}

func (s *system) newRepository() *repository {
	return &repository{s, map[string]*v1alpha1.FitUser{}, map[string]*v1alpha1.RoleRule{}}
}

func (r *repository) byID(name, id string, role v1alpha1.Role) *v1alpha1.FitUser {
	u := r.manifest(name, id, role)
	u.Labels = map[string]string{partOf: "people"}
	r.fitUsers[name] = u
	return u
}

func (r *repository) byEmail(name, address string, role v1alpha1.Role) *v1alpha1.FitUser {
	u := r.byID(name, "", role)
	u.Spec.Email = address
	return u
}

func (r *repository) rule(name string, spec v1alpha1.RoleRuleSpec) {
	rule := &v1alpha1.RoleRule{Spec: spec}
	rule.Namespace, rule.Name, rule.Labels = r.namespace, name, map[string]string{partOf: "people"}
	r.rules[name] = rule
}

// clone returns a copy to edit, as a branch.
func (r *repository) clone() *repository {
	branch := r.newRepository()
	for name, u := range r.fitUsers {
		branch.fitUsers[name] = u.DeepCopy()
	}
	for name, rule := range r.rules {
		branch.rules[name] = rule.DeepCopy()
	}
	return branch
}

// apply creates everything in the cluster.
func (r *repository) apply() {
	r.Helper()
	for _, u := range r.fitUsers {
		r.create(u.DeepCopy())
	}
	for _, rule := range r.rules {
		r.create(rule.DeepCopy())
	}
}

// stream is the repository as kubectl kustomize prints it.
func (r *repository) stream() string {
	r.Helper()
	var documents []string
	add := func(kind string, object client.Object) {
		content, err := json.Marshal(object)
		ok(r, err)
		var fields map[string]any
		ok(r, json.Unmarshal(content, &fields))
		fields["apiVersion"], fields["kind"] = v1alpha1.GroupVersion.String(), kind
		delete(fields, "status")
		document, err := yaml.Marshal(fields)
		ok(r, err)
		documents = append(documents, string(document))
	}
	for _, u := range r.fitUsers {
		add("FitUser", u)
	}
	for _, rule := range r.rules {
		add("RoleRule", rule)
	}
	slices.Sort(documents)
	return strings.Join(documents, "---\n")
}

// answer is what the command printed, and how it ended.
type answer struct {
	stdout, stderr string
	status         int
}

// plan runs the command as a process.
func (s *system) plan(stdin string, args ...string) answer {
	s.Helper()
	command := exec.CommandContext(s.Context(), os.Args[0], append([]string{"plan"}, args...)...)
	command.Env = append(os.Environ(), s.settings...)
	command.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		s.Fatal(err)
	}
	return answer{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// planned returns the plan as JSON contains it.
func (r *repository) planned(args ...string) (inspect.ManifestPlan, int) {
	r.Helper()
	printed := r.plan(r.stream(), append(args, "--manifests=-", "-o", "json")...)
	var plan inspect.ManifestPlan
	if err := json.Unmarshal([]byte(printed.stdout), &plan); err != nil {
		r.Fatalf("%v\n%s%s", err, printed.stdout, printed.stderr)
	}
	return plan, printed.status
}

// changes are the role changes of a plan, in its order, with addresses in place of ids.
func changes(p inspect.ManifestPlan) []string {
	lines := []string{}
	for _, c := range p.RoleChanges {
		lines = append(lines, fmt.Sprintf("%s %s>%s %s %s", c.Email, c.From, c.To, c.Name, c.Change))
	}
	return lines
}

func deferrals(p inspect.ManifestPlan) []string {
	lines := []string{}
	for _, d := range p.Deferrals {
		lines = append(lines, fmt.Sprintf("%s keeps %s %s %s", d.Email, d.Role, d.FitUser, d.Reason))
	}
	return lines
}

// live is an installation whose manifests are applied: an admin, trainers, and a rule for a domain. The operator has stopped.
func live(t *testing.T, coaches int, settings ...string) *repository {
	s := newSystem(t, storetest.SQLite(t))
	s.start(append(settings, "FITUSER_MAX_DELETIONS=1000")...)
	r := s.newRepository()
	person := func(address string) string {
		return s.clerk.SignUp(clerktest.Person{Email: address, FirstName: "One"})
	}
	r.byID("olivia-owner", person("olivia@example.com"), "admin")
	for n := range coaches {
		name := fmt.Sprintf("coach-%02d", n)
		r.byID(name, person(name+"@example.com"), "trainer")
	}
	person("jane@example.com")
	person("rita@fitai.dev")
	r.rule("staff", v1alpha1.RoleRuleSpec{Role: "trainer", EmailDomains: []string{"fitai.dev"}})
	r.apply()
	s.deliver()
	s.eventually("all roles are in force", func() error {
		var all v1alpha1.FitUserList
		if err := s.objects.List(t.Context(), &all, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		for i := range all.Items {
			if !meta.IsStatusConditionTrue(all.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
				return fmt.Errorf("%s is not ready", all.Items[i].Name)
			}
		}
		if len(all.Items) != coaches+3 { // the manifests replaced the operator's own
			return fmt.Errorf("%d FitUsers", len(all.Items))
		}
		for role, want := range map[string]int{"admin": 1, "trainer": coaches + 1, "client": 1} {
			if got := len(s.table.Query("SELECT id FROM users WHERE role = '" + role + "'")); got != want {
				return fmt.Errorf("%d users with the role %s", got, role)
			}
		}
		return nil
	})
	s.stop()
	// A new period of the deletion budget begins.
	operatorState := &corev1.ConfigMap{}
	ok(t, s.objects.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: state.ConfigMapName}, operatorState))
	delete(operatorState.Data, state.PeriodKey)
	delete(operatorState.Data, state.GrantedKey)
	ok(t, s.objects.Update(t.Context(), operatorState))
	return r
}

// wantPlan plans a branch with Clerk and the table, and from the statuses alone, and checks both answers.
func (r *repository) wantPlan(roleChanges, deferred []string, status int, args ...string) {
	r.Helper()
	online, got := r.planned(args...)
	if got != status {
		r.Errorf("exit status %d, want %d", got, status)
	}
	if diff := gocmp.Diff([][]string{roleChanges, deferred}, [][]string{changes(online), deferrals(online)}); diff != "" {
		r.Errorf("role changes and deferrals (-want +got):\n%s", diff)
	}
	if len(online.Undecided) > 0 {
		r.Errorf("undecided: %v", online.Undecided)
	}
	offline, got := r.planned(append(args, "--offline")...)
	if got != status {
		r.Errorf("exit status %d with --offline, want %d", got, status)
	}
	online.Notes, offline.Notes = nil, nil // those of --offline
	if diff := gocmp.Diff(online, offline, cmpopts.IgnoreUnexported(inspect.ManifestPlan{})); diff != "" {
		r.Errorf("-online +offline:\n%s", diff)
	}
}

// A plan contains what the operator then does, of every cause of a role change.
func TestPlanManifests_RoleChanges(t *testing.T) {
	r := live(t, 8)
	before, sent := r.versions(), len(r.clerk.Writes())
	nothing := []string{}

	t.Run("nothing to do", func(t *testing.T) {
		r.on(t).clone().wantPlan(nothing, nothing, 0)
	})
	t.Run("a manifest by e-mail for an existing user", func(t *testing.T) {
		branch := r.on(t).clone()
		branch.byEmail("coach-jane", "Jane@Example.com", "trainer")
		branch.wantPlan([]string{"jane@example.com client>trainer coach-jane added"}, nothing, 0)
	})
	t.Run("the protected role first", func(t *testing.T) {
		branch := r.on(t).clone()
		branch.byEmail("jane", "jane@example.com", "admin")
		branch.fitUsers["coach-00"].Spec.Role = "client"
		branch.fitUsers["coach-01"].Spec.Role = "admin"
		branch.wantPlan([]string{
			"coach-01@example.com trainer>admin coach-01 changed", "jane@example.com client>admin jane added",
			"coach-00@example.com trainer>client coach-00 changed",
		}, nothing, 0)
	})
	t.Run("the last admin", func(t *testing.T) {
		branch := r.on(t).clone()
		branch.fitUsers["olivia-owner"].Spec.Role = ""
		branch.wantPlan(nothing, []string{"olivia@example.com keeps admin olivia-owner LastAdmin"}, 2)
		branch.byEmail("jane", "jane@example.com", "admin")
		branch.wantPlan([]string{
			"jane@example.com client>admin jane added", "olivia@example.com admin>client olivia-owner changed",
		}, nothing, 0)
	})
	t.Run("a manifest pruned", func(t *testing.T) {
		branch := r.on(t).clone()
		delete(branch.fitUsers, "coach-07")
		branch.wantPlan(nothing, nothing, 0)
		branch.wantPlan([]string{"coach-07@example.com trainer>client coach-07 pruned"}, nothing, 0, "--prune-selector="+partOf+"=people")
		branch.wantPlan(nothing, nothing, 0, "--prune-selector="+partOf+"=others")
	})
	t.Run("a rule deleted", func(t *testing.T) {
		branch := r.on(t).clone()
		delete(branch.rules, "staff")
		branch.wantPlan([]string{"rita@fitai.dev trainer>client staff pruned"}, nothing, 0, "--prune-selector="+partOf+"=people")
	})
	t.Run("a rule changed", func(t *testing.T) {
		branch := r.on(t).clone()
		branch.rules["staff"].Spec.Role = "admin"
		branch.wantPlan([]string{"rita@fitai.dev trainer>admin staff changed"}, nothing, 0)
		branch.rule("everybody", v1alpha1.RoleRuleSpec{Role: "trainer", EmailDomains: []string{"example.com"}})
		branch.wantPlan([]string{
			"rita@fitai.dev trainer>admin staff changed", "jane@example.com client>trainer everybody added",
		}, nothing, 0)
	})

	if diff := gocmp.Diff(before, r.versions()); diff != "" || len(r.clerk.Writes()) != sent {
		t.Errorf("the plans wrote to Clerk %d times, and to the API server:\n%s", len(r.clerk.Writes())-sent, diff)
	}
	r.wantAsPlanned()
}

// wantAsPlanned applies changes of every kind, and checks that the operator changes the roles that the plan contains.
func (r *repository) wantAsPlanned() {
	r.Helper()
	branch := r.clone()
	branch.byEmail("jane", "jane@example.com", "admin")
	branch.fitUsers["olivia-owner"].Spec.Role = "trainer"
	branch.fitUsers["coach-00"].Spec.Role = ""
	delete(branch.fitUsers, "coach-01")
	delete(branch.rules, "staff")
	plan, status := branch.planned("--prune-selector=" + partOf + "=people")
	if len(plan.RoleChanges) != 5 || status != 0 {
		r.Fatalf("exit status %d: %v %v", status, changes(plan), deferrals(plan))
	}
	want := map[string]any{}
	for _, row := range r.table.Query("SELECT id, role FROM users") {
		want[row["id"].(string)] = row["role"]
	}
	for _, c := range plan.RoleChanges {
		if want[string(c.User)] != string(c.From) {
			r.Errorf("%s has the role %v, the plan contains %s", c.Email, want[string(c.User)], c.From)
		}
		want[string(c.User)] = string(c.To)
	}
	for name, u := range branch.fitUsers {
		if r.fitUsers[name] == nil {
			r.create(u.DeepCopy())
		} else if u.Spec != r.fitUsers[name].Spec {
			ok(r, r.setRole(u, u.Spec.Role))
		}
	}
	ok(r, r.objects.Delete(r.Context(), r.fitUsers["coach-01"].DeepCopy()))
	ok(r, r.objects.Delete(r.Context(), r.rules["staff"].DeepCopy()))
	r.start("FITUSER_MAX_DELETIONS=1000", "FITUSER_SYNC_PERIOD=10s") // the next sweep tries the former admin again
	r.eventually("the roles are as planned", func() error {
		got := map[string]any{}
		for _, row := range r.table.Query("SELECT id, role FROM users") {
			got[row["id"].(string)] = row["role"]
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	r.stop()
}

// What waits for a person is deferred too, also before the operator's first start.
func TestPlanManifests_WaitForAPerson(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	theirs := s.clerk.SignUp(clerktest.Person{
		Email: "theo@example.com", FirstName: "Theo", PublicMetadata: clerktest.Metadata{"role": "trainer"},
		PrivateMetadata: clerktest.Metadata{"fituser": map[string]any{"role": "trainer", "owner": "another"}},
	})
	heir := s.clerk.SignUp(clerktest.Person{Email: "boss@example.com", FirstName: "Heir"})
	r := s.newRepository()
	boss := r.byEmail("boss", "boss@example.com", "admin").DeepCopy()
	s.create(boss)
	boss.Status.PreviousClerkUserID = "user_before"
	ok(t, s.objects.Status().Update(t.Context(), boss))
	r.byID("theo", theirs, "client")
	plan, status := r.planned()
	want := []string{"boss@example.com keeps client boss AddressChangedHands", "theo@example.com keeps trainer theo OwnedElsewhere"}
	if diff := gocmp.Diff(want, deferrals(plan)); diff != "" || len(plan.RoleChanges) > 0 || status != 2 {
		t.Fatalf("exit status %d, deferrals (-want +got):\n%s", status, diff)
	}
	for n, override := range []string{"identity.fitai.dev/rebind: \"" + heir + "\"", "identity.fitai.dev/take-ownership: \"true\""} {
		if !strings.HasSuffix(plan.Deferrals[n].Override, override) {
			t.Errorf("the override is %s, want %s", plan.Deferrals[n].Override, override)
		}
	}
	r.fitUsers["boss"].Annotations = map[string]string{v1alpha1.AnnotationRebind: heir}
	r.fitUsers["theo"].Annotations = map[string]string{v1alpha1.AnnotationTakeOwnership: "true"}
	plan, status = r.planned()
	want = []string{"boss@example.com client>admin boss changed", "theo@example.com trainer>client theo added"}
	if diff := gocmp.Diff(want, changes(plan)); diff != "" || status != 0 {
		t.Errorf("exit status %d, role changes (-want +got):\n%s", status, diff)
	}
}

// versions are the resourceVersions of everything in the namespace that the operator writes.
func (s *system) versions() map[string]string {
	s.Helper()
	versions := map[string]string{}
	for _, list := range []client.ObjectList{&v1alpha1.FitUserList{}, &v1alpha1.RoleRuleList{}, &corev1.ConfigMapList{}} {
		ok(s, s.objects.List(s.Context(), list, client.InNamespace(s.namespace)))
		ok(s, meta.EachListItem(list, func(item runtime.Object) error {
			object, err := meta.Accessor(item)
			if err == nil {
				versions[fmt.Sprintf("%T %s", item, object.GetName())] = object.GetResourceVersion()
			}
			return err
		}))
	}
	return versions
}

// on returns the repository for a subtest.
func (r *repository) on(t *testing.T) *repository {
	s := *r.system
	s.TB = t
	return &repository{&s, r.fitUsers, r.rules}
}

// Thirty lines are cleared with a budget of five: the plan contains five revocations, and twenty-five that wait.
func TestPlanManifests_Budget(t *testing.T) {
	const coaches = 30
	r := live(t, coaches)
	branch := r.clone()
	for n := range coaches {
		branch.fitUsers[fmt.Sprintf("coach-%02d", n)].Spec.Role = ""
	}
	for _, offline := range []bool{false, true} {
		plan, status := branch.planned("--max-deletions=5", fmt.Sprintf("--offline=%v", offline))
		if len(plan.RoleChanges) != 5 || len(plan.Deferrals) != 25 || status != 2 {
			t.Errorf("offline %v: %d changed, %d deferred, exit status %d", offline, len(plan.RoleChanges), len(plan.Deferrals), status)
			t.Logf("%+v", plan)
		}
		for _, d := range plan.Deferrals {
			want := "kubectl -n " + r.namespace + " annotate configmap fituser-operator identity.fitai.dev/allow-deletions=true"
			if d.Reason != v1alpha1.ReasonDeletionDeferred || d.Role != "trainer" || d.Override != want {
				t.Errorf("offline %v: %+v", offline, d)
			}
		}
	}
	for _, format := range []string{"text", "markdown"} {
		printed := branch.plan(branch.stream(), "--manifests=-", "--max-deletions=5", "--status-profile=masked", "-o", format)
		if printed.status != 2 || strings.Contains(printed.stdout, "coach-00@example.com") || strings.Count(printed.stdout, "c***@example.com") != 30 {
			t.Errorf("%s: exit status %d\n%s%s", format, printed.status, printed.stdout, printed.stderr)
		}
		t.Logf("$ manager plan -o %s\n%s", format, printed.stdout)
	}
}

// Every fault of the manifests is named with its file and document, and nothing else happens.
func TestPlanManifests_Faults(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	folder := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		ok(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700))
		ok(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	head := "apiVersion: identity.fitai.dev/v1alpha1\nkind: FitUser\nmetadata: {name: %s}\nspec: %s\n"
	write("good.yaml", fmt.Sprintf(head, "good", "{clerkUserID: user_good, role: trainer}"))
	write("team/two.yml", fmt.Sprintf(head, "one", "{clerkUserID: user_one, rolle: trainer}")+"---\n"+
		fmt.Sprintf(head, "good", "{clerkUserID: user_two}")+"---\n# nothing\n---\n"+fmt.Sprintf(head, "three", "{role: admin}"))
	write("broken.json", `{"kind": "FitUser", `)
	write("notes.txt", "no manifest")
	write("old.yaml", strings.Replace(fmt.Sprintf(head, "old", "{}"), "v1alpha1", "v1", 1))
	printed := s.plan("", "--manifests="+folder)
	for _, want := range []string{
		"the manifests have 5 faults:", "broken.json, document 1: ", `two.yml, document 1: FitUser one: `, `unknown field "rolle"`,
		"two.yml, document 2: FitUser good is also in " + filepath.Join(folder, "good.yaml") + ", document 1",
		"two.yml, document 4: FitUser three: want exactly one of", "old.yaml, document 1: unknown version",
	} {
		if !strings.Contains(printed.stderr, want) {
			t.Errorf("the error does not contain %q:\n%s", want, printed.stderr)
		}
	}
	if printed.status != 1 || printed.stdout != "" {
		t.Errorf("exit status %d\n%s", printed.status, printed.stdout)
	}

	// What only the API server knows.
	printed = s.plan(fmt.Sprintf(head, "ada", "{clerkUserID: user_ada, role: owner}")+"---\n"+
		fmt.Sprintf(head, "bob", "{email: secret.person}"), "--manifests=-")
	for _, want := range []string{"2 faults", "stdin, document 1: FitUser ada: spec.role: unsupported value", "stdin, document 2: FitUser bob: spec.email: invalid value: must be an e-mail address"} {
		if !strings.Contains(printed.stderr, want) {
			t.Errorf("the error does not contain %q:\n%s", want, printed.stderr)
		}
	}
	if printed.status != 1 || printed.stdout != "" || strings.Contains(printed.stderr, "secret.person") {
		t.Errorf("exit status %d\n%s%s", printed.status, printed.stdout, printed.stderr)
	}
	if printed := s.plan("", "--manifests="+filepath.Join(folder, "missing")); printed.status != 1 || !strings.Contains(printed.stderr, "missing") {
		t.Errorf("a missing folder: exit status %d\n%s", printed.status, printed.stderr)
	}
	write("kustomization.yaml", "resources: [good.yaml]\n")
	if printed := s.plan("", "--manifests="+folder); !strings.Contains(printed.stderr, "kubectl kustomize DIR | manager plan --manifests=-") {
		t.Errorf("a folder to render: %s", printed.stderr)
	}
}

// as returns the repository with the kubeconfig of another user.
func (r *repository) as(name string) *repository {
	s := *r.system
	s.settings = r.settingsOf(name)
	return &repository{&s, r.fitUsers, r.rules}
}

func wantNote(t *testing.T, plan inspect.ManifestPlan, part string) {
	t.Helper()
	if !strings.Contains(strings.Join(plan.Notes, "\n"), part) {
		t.Errorf("no note contains %q: %q", part, plan.Notes)
	}
}

// An account that may only read manifests is enough for a plan from the statuses, which contains what it does not know.
func TestPlanManifests_OfflineWithLittlePermission(t *testing.T) {
	r := live(t, 1)
	_, err := r.kubectl("", "create", "role", "plan", "--verb=get,list,watch", "--resource=fitusers.identity.fitai.dev,rolerules.identity.fitai.dev")
	ok(t, err)
	_, err = r.kubectl("", "create", "rolebinding", "plan", "--role=plan", "--user=ci")
	ok(t, err)
	branch := r.clone().as("ci")
	branch.fitUsers["coach-00"].Spec.Role = ""
	branch.byID("unknown", "user_unknown", "trainer")
	branch.byEmail("newcomer", "newcomer@example.com", "trainer")
	branch.rule("asked", v1alpha1.RoleRuleSpec{Role: "trainer", RequestedAtSignUp: true})
	plan, status := branch.planned("--offline")
	if diff := gocmp.Diff([]string{"coach-00@example.com trainer>client coach-00 changed"}, changes(plan)); diff != "" || status != 0 {
		t.Errorf("exit status %d, role changes (-want +got):\n%s", status, diff)
	}
	if diff := gocmp.Diff(map[string]string{
		"user_unknown":     "no status of a FitUser describes this user",
		"FitUser newcomer": "no status shows the address of spec.email",
		"RoleRule asked":   "no status shows who requested a role at sign-up",
	}, plan.Undecided); diff != "" {
		t.Errorf("undecided (-want +got):\n%s", diff)
	}
	wantNote(t, plan, "Not validated by the API server: 4 manifests (--offline).")
	wantNote(t, plan, "The operator state cannot be read: the whole deletion budget is assumed.")

	// With Clerk and the operator state the same account learns everything but whether the API server takes the manifests.
	_, err = r.kubectl("", "create", "role", "state", "--verb=get", "--resource=configmaps")
	ok(t, err)
	_, err = r.kubectl("", "create", "rolebinding", "state", "--role=state", "--user=ci")
	ok(t, err)
	plan, status = branch.planned()
	if len(plan.Undecided) > 0 || len(plan.RoleChanges) != 1 || status != 0 {
		t.Errorf("exit status %d, %+v", status, plan)
	}
	wantNote(t, plan, "Not validated by the API server: 4 manifests, which this account may not create or update.")
	wantNote(t, plan, "Nobody holds the address of 1 manifest yet; the role is granted at sign-up: newcomer.")
}

// Where the statuses show no address, roles of known users are planned nevertheless.
func TestPlanManifests_OfflineWithoutAddresses(t *testing.T) {
	r := live(t, 2, "FITUSER_STATUS_PROFILE=masked")
	branch := r.clone()
	branch.fitUsers["coach-00"].Spec.Role = ""
	branch.wantPlan([]string{"c***@example.com trainer>client coach-00 changed"}, []string{}, 0)
	printed := branch.plan(branch.stream(), "--manifests=-", "--status-profile=none", "-o", "markdown")
	if strings.Contains(printed.stdout, "@") || !strings.Contains(printed.stdout, "**1 role change**") {
		t.Errorf("%s%s", printed.stdout, printed.stderr)
	}
}

// The notes name what is live and not in the repository, and what the operator does not read.
func TestPlanManifests_Notes(t *testing.T) {
	r := live(t, 2)
	branch := r.clone()
	delete(branch.fitUsers, "coach-00")
	others := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: some}\n---\napiVersion: v1\nkind: List\nitems:\n" +
		"- {apiVersion: v1, kind: Secret, metadata: {name: other}}\n" +
		"- {apiVersion: identity.fitai.dev/v1alpha1, kind: FitUser, metadata: {name: far, namespace: elsewhere}, spec: {clerkUserID: user_z}}\n---\n"
	printed := r.plan(others+branch.stream(), "--manifests=-", "--observe")
	for _, want := range []string{
		"No role changes.\n",
		"Live and not in the repository: 1 manifest with the label " + partOf + "=people. With --prune-selector=" + partOf + "=people they count as deleted.",
		"Ignored: 2 objects of other kinds.", "Ignored: 1 manifest in other namespaces", "runs with --observe", "This command wrote nothing.",
	} {
		if !strings.Contains(printed.stdout, want) {
			t.Errorf("the plan does not contain %q:\n%s%s", want, printed.stdout, printed.stderr)
		}
	}
}

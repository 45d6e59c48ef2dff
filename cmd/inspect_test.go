package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/inspect"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// command runs one of the program's commands with the operator's settings, and returns what it prints.
func (s *system) command(args ...string) string {
	s.Helper()
	printed, err := s.tryCommand(s.settings, args...)
	if err != nil {
		s.Fatalf("manager %s: %v", strings.Join(args, " "), err)
	}
	return printed
}

func (s *system) tryCommand(settings []string, args ...string) (string, error) {
	values := map[string]string{}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		values[name] = value
	}
	args = append(args, "--kubeconfig="+values["KUBECONFIG"])
	var out strings.Builder
	err := run(s.Context(), args, environmentOf(values), &out, io.Discard)
	return out.String(), err
}

func (s *system) create(objects ...client.Object) {
	s.Helper()
	for _, object := range objects {
		if err := s.objects.Create(s.Context(), object); err != nil {
			s.Fatal(err)
		}
	}
}

// systemWithProblems returns a system with one user for each problem that people can cause, after they are reconciled. The
// operator is then stopped, and changes follow that it does not see.
func systemWithProblems(t *testing.T) *system {
	s := newSystem(t, storetest.SQLite(t))
	s.start()
	person := func(name string) string {
		return s.clerk.SignUp(clerktest.Person{ID: "user_" + name, Email: name + "@example.com", FirstName: strings.ToUpper(name[:1]) + name[1:]})
	}
	for _, name := range []string{"ada", "ben", "chloe", "dora", "emil", "finn"} {
		person(name)
	}
	s.clerk.SignUp(clerktest.Person{ID: "user_nomail", FirstName: "Nomail"})
	s.deliver()
	suspended := s.manifest("suspended-dora", "user_dora", "trainer")
	suspended.Spec.Suspend = true
	s.create(
		s.manifest("coach-ada", "user_ada", "trainer"), s.manifest("coach-ada-again", "user_ada", "admin"),
		suspended, s.manifest("typo", "user_typo", "admin"), s.manifest("coach-ben", "user_ben", "trainer"),
	)
	s.table.Exec("INSERT INTO users (id, email, first_name, last_name, role, created_at, updated_at)" +
		" VALUES ('legacy', 'greta@example.com', 'x', 'y', 'client', 1, 1)")
	person("greta")
	s.deliver()
	s.eventually("all FitUsers are reconciled", func() error {
		var all v1alpha1.FitUserList
		if err := s.objects.List(s.Context(), &all, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		for i := range all.Items {
			if u := &all.Items[i]; u.Status.ObservedGeneration == 0 {
				return fmt.Errorf("%s is not", u.Name)
			}
		}
		if len(all.Items) != 10 { // two of ada and one of typo; coach-ben and suspended-dora replaced the operator's own
			return fmt.Errorf("%d FitUsers", len(all.Items))
		}
		if row := s.table.Row("user_ben"); row == nil || row["role"] != "trainer" {
			return fmt.Errorf("ben is not yet a trainer")
		}
		return nil
	})
	s.stop()
	s.clerk.Attach(nil) // these webhooks are lost
	person("hugo")
	s.clerk.SetNames("user_chloe", "Cleo", "")
	s.clerk.Delete("user_emil")
	s.table.Exec("UPDATE users SET role = 'admin' WHERE id = 'user_finn'")
	if err := s.objects.Delete(s.Context(), s.manifest("coach-ben", "user_ben", "")); err != nil {
		t.Fatal(err)
	}
	return s
}

// The commands print the current state of Clerk, FitUsers and table, and what the operator would do. They write nothing.
func TestCommands_OutputWithoutWrites(t *testing.T) {
	s := systemWithProblems(t)
	writes, err := s.env.Writes(s.namespace)
	if err != nil {
		t.Fatal(err)
	}
	rows, sent := s.table.Query("SELECT * FROM users ORDER BY id"), len(s.clerk.Writes())
	for command, want := range map[string][]string{
		"status": {
			`LEADER +no Lease`, `CLERK +8 users`, `TABLE +\d+ rows`, `FITUSERS +9: 4 ready; 4 user-managed, 1 suspended`,
			`GRANTED ROLES +(admin|trainer) 1`, `(?m)^DuplicateUser +1 +1 .*is active for this user: delete one`, `(?m)^EmailConflict +1 +0 .*"legacy"`,
			`(?m)^EmailMissing +1 +1 `, `(?m)^Suspended +1 +1 .*suspended-dora`, `(?m)^UserNotFound +1 +1 +\S+ +typo`,
		},
		"why chloe@example.com": {
			`USER +user_chloe`, `EVENT +user.created, .* ago, handled`, `first_name +Clerk +Cleo +Chloe +Chloe +fituser, table`,
			`update the row of user_chloe \(first_name\)`, `update the status of FitUser \S+ \(profile\)`, `kubectl annotate fituser user-chloe-`,
		},
		"why user_ben": {
			`FITUSER +none`, `role +default +trainer \(granted as trainer\) +trainer +clerk, table`, `create FitUser`,
			`revoke the role trainer`, `update the row of user_ben \(role\)`,
		},
		"why typo": {`Ready False .*UserNotFound`, `role +manifest +\(spec.role admin\)`, `Clerk has no user with this id`, `no row with this id`, `Nothing is written until`},
		"plan": {
			`user_ben +create FitUser`, `user_chloe +update the row .*first_name`, `user_emil +`, `user_finn +update the row .*\(role\)`,
			`user_hugo +create FitUser \S+\n +insert the row`, `Clerk lists 8 users\.`, `orphaned rows 1`, `revoke 1 role in Clerk, create 2 FitUsers`, `Nothing would be written for \d of these`,
		},
	} {
		printed := s.command(strings.Fields(command)...)
		for _, pattern := range want {
			if !regexp.MustCompile(pattern).MatchString(printed) {
				t.Errorf("manager %s: no match of %q in:\n%s", command, pattern, printed)
			}
		}
		t.Logf("$ manager %s\n%s", command, printed)
	}
	for _, command := range []string{"status", "why user_ben", "why chloe@example.com", "plan"} {
		s.commandJSON(strings.Fields(command)...)
	}
	after, err := s.env.Writes(s.namespace)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(writes) || len(s.clerk.Writes()) != sent {
		t.Errorf("the commands wrote to the API server %d times and to Clerk %d times", len(after)-len(writes), len(s.clerk.Writes())-sent)
	}
	if diff := gocmp.Diff(rows, s.table.Query("SELECT * FROM users ORDER BY id")); diff != "" {
		t.Errorf("the commands wrote to the table:\n%s", diff)
	}
}

// commandJSON runs a command with JSON output, which must contain no null, and returns it decoded.
func (s *system) commandJSON(args ...string) (decoded map[string]any) {
	s.Helper()
	text := s.command(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		s.Fatalf("manager %v -o json: %v", args, err)
	}
	if strings.Contains(text, ": null") {
		s.Errorf("manager %v prints null:\n%s", args, text)
	}
	return decoded
}

// Lists without entries are empty and not null.
func TestCommands_EmptyLists(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	for command, empty := range map[string][]string{
		"status": {"notReady", "roles", "granted", "expiring", "foreignMarkers", "roleRules"}, "history user_nobody": {"changes"},
		"access-review": {"holders"}, "table": {"differences"}, "plan": {"previews", "writes", "undecided"}, "why user_nobody": {"fitUsers"},
	} {
		decoded := s.commandJSON(strings.Fields(command)...)
		for _, key := range empty {
			if value := reflect.ValueOf(decoded[key]); !value.IsValid() || value.Len() > 0 {
				t.Errorf("manager %s prints %s: %v", command, key, decoded[key])
			}
		}
	}
}

// Programs rely on the keys of the JSON output, and docs/questions.md lists all of them.
func TestCommands_JSONKeysAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/questions.md")
	ok(t, err)
	for kind, want := range map[reflect.Type]string{
		reflect.TypeFor[inspect.Status](): `namespace instance ownerID leader.holder leader.renewed fitUsers ready userManaged suspended terminating roles granted
			protected.role protected.users protected.holders protected.minimum expiring.fitUser expiring.user expiring.role expiring.at
			awaitingSignUp.count awaitingSignUp.names foreignMarkers roleRules.name roleRules.role roleRules.users roleRules.neverMatches
			notReady.reason notReady.users notReady.stalled notReady.since notReady.example notReady.message clerk.users clerk.seconds
			clerk.problem table.users table.seconds table.problem deletions.periodStart deletions.granted deletions.deferred deletions.users
			deletions.waiting deletions.next deletions.override`,
		reflect.TypeFor[inspect.Why](): `user fitUsers.name fitUsers.managedBy fitUsers.active fitUsers.terminating fitUsers.ready fitUsers.reason
			fitUsers.message fitUsers.since role.role role.source role.name role.expiresAt role.markerOwner role.candidates.source
			role.candidates.name role.candidates.role role.candidates.expiresAt role.candidates.decides role.candidates.why fields.name fields.owner fields.clerk fields.fitUser fields.row fields.differs clerk table
			event.type event.messageID event.at event.handled preview.user preview.changes.user preview.changes.place preview.changes.action
			preview.changes.name preview.changes.fields preview.changes.role preview.reason preview.message preview.waits when`,
		reflect.TypeFor[inspect.History](): `user changes.time changes.from changes.to changes.source changes.manifest changes.manager
			changes.revision changes.fitUser`,
		reflect.TypeFor[inspect.AccessReview](): `holders.user holders.email holders.role holders.source holders.manifest holders.owner
			holders.writtenBy holders.since holders.expiresAt`,
		reflect.TypeFor[inspect.TableAnswer](): `file mapping table.name table.columns.name table.columns.type table.columns.nullable table.columns.default
			table.columns.unique table.columns.holds differences.problem differences.nextStep proposal.table proposal.mapping
			proposal.differences.problem proposal.differences.nextStep candidates`,
		reflect.TypeFor[inspect.Plan](): `expected users complete new differing missing deferred missedWebhooks orphanedRows ruleUsers previews.user
			previews.changes.user previews.changes.place previews.changes.action previews.changes.name previews.changes.fields
			previews.changes.role previews.reason previews.message previews.waits writes undecided`,
		reflect.TypeFor[inspect.ManifestPlan](): `roleChanges.user roleChanges.email roleChanges.from roleChanges.to roleChanges.kind
			roleChanges.name roleChanges.change deferrals.user deferrals.email deferrals.role deferrals.desired deferrals.fitUser
			deferrals.kind deferrals.name deferrals.change deferrals.reason deferrals.message deferrals.override deferrals.already
			writes objects.kind objects.name objects.change undecided notes deferredRows`,
	} {
		keys := keysOf(kind)
		if diff := gocmp.Diff(strings.Fields(want), keys); diff != "" {
			t.Errorf("keys of %v (-want +got):\n%s", kind, diff)
		}
		for _, name := range strings.FieldsFunc(strings.Join(keys, "."), func(r rune) bool { return r == '.' }) {
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/questions.md does not list `%s` of %v", name, kind)
			}
		}
	}
}

// keysOf returns the paths of a type's JSON. It does not distinguish lists from objects.
func keysOf(of reflect.Type) (paths []string) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() {
		return []string{""}
	}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || field.Anonymous || !field.IsExported() {
			continue
		}
		for _, inner := range keysOf(field.Type) {
			paths = append(paths, strings.TrimSuffix(cmp.Or(name, field.Name)+"."+inner, "."))
		}
	}
	return paths
}

// With a kubeconfig and without credentials, the status still contains the FitUsers.
func TestCommands_WithoutCredentials(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	s.create(s.manifest("coach-ada", "user_ada", "trainer"))
	settings := slices.DeleteFunc(slices.Clone(s.settings), func(s string) bool { return strings.HasPrefix(s, "DATABASE_URL") })
	answer, err := s.tryCommand(settings, "status")
	if err != nil || !strings.Contains(answer, "not read: DATABASE_URL is not set\n") || !strings.Contains(answer, "NotReconciled") {
		t.Errorf("status: %v\n%s", err, answer)
	}
	for _, command := range [][]string{{"why", "coach-ada"}, {"plan"}} {
		if _, err := s.tryCommand(settings, command...); err == nil || !strings.Contains(err.Error(), "DATABASE_URL is not set") {
			t.Errorf("%v: %v", command, err)
		}
	}
	if _, err := s.tryCommand(s.settings, "why", "nobody@example.com"); err == nil || !strings.Contains(err.Error(), "no user found") {
		t.Errorf("why nobody: %v", err)
	}
}

// An address that two users have identifies neither of them, in any order of their FitUsers.
func TestWhy_AddressOfTwoUsersIsAmbiguous(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	for _, names := range [][2]string{{"first", "user_ada"}, {"second", "user_ben"}, {"third", "user_ada"}} {
		fitUser := s.manifest(names[0], names[1], "")
		s.create(fitUser)
		fitUser.Status.Profile = &v1alpha1.Profile{Email: "ada@example.com"}
		ok(t, s.objects.Status().Update(t.Context(), fitUser))
	}
	answer, err := s.tryCommand(s.settings, "why", "ada@example.com")
	if err == nil || !strings.Contains(err.Error(), "several users match, name one by Clerk id: [user_ada user_ben]") {
		t.Errorf("why: %v\n%s", err, answer)
	}
	if answer := s.command("why", "third"); !strings.Contains(answer, "user_ada") {
		t.Errorf("why third: %s", answer)
	}
}

// Clerk finds the user of an address that no FitUser contains.
func TestWhy_AddressFromClerk(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	id := s.clerk.SignUp(clerktest.Person{Email: "ada@example.com", FirstName: "Ada"})
	if answer := s.command("why", "ada@example.com"); !strings.Contains(answer, id) {
		t.Errorf("why: %s", answer)
	}
}

package main

import (
	"encoding/csv"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/controllers/fituser"
	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/store/storetest"
)

// manifestByEmail returns a FitUser that names an address.
func (s *system) manifestByEmail(name, address string, role v1alpha1.Role) *v1alpha1.FitUser {
	u := s.manifest(name, "", role)
	u.Spec.Email = address
	return u
}

func (s *system) roleRule(name string, spec v1alpha1.RoleRuleSpec) *v1alpha1.RoleRule {
	rule := &v1alpha1.RoleRule{Spec: spec}
	rule.Namespace, rule.Name = s.namespace, name
	return rule
}

// wantReady waits until a FitUser is reconciled with a reason of its Ready condition.
func (s *system) wantReady(name, reason string) {
	s.Helper()
	s.eventually(name+" reports "+reason, func() error {
		u := s.manifest(name, "", "")
		if err := s.objects.Get(s.Context(), client.ObjectKeyFromObject(u), u); err != nil {
			return err
		}
		if got := fituser.ReadyReason(u); got != reason || u.Status.ObservedGeneration != u.Generation {
			return fmt.Errorf("the reason is %q", got)
		}
		return nil
	})
}

// wantPrinted runs commands and checks that each pattern matches what one prints.
func (s *system) wantPrinted(commands map[string][]string) {
	s.Helper()
	for command, want := range commands {
		printed := s.command(strings.Fields(command)...)
		for _, pattern := range want {
			if !regexp.MustCompile("(?m)" + pattern).MatchString(printed) {
				s.Errorf("manager %s: no match of %q in:\n%s", command, pattern, printed)
			}
		}
		s.Logf("$ manager %s\n%s", command, printed)
	}
}

// systemWithRoles returns a running system whose users have roles of all sources.
func systemWithRoles(t *testing.T) *system {
	s := newSystem(t, storetest.SQLite(t))
	s.start("FITUSER_OWNER_ID=here")
	for _, p := range []clerktest.Person{
		{ID: "user_root", Email: "root@example.com"}, {ID: "user_jane", Email: "jane@fitai.dev"},
		{ID: "user_max", Email: "max@fitai.dev", UnsafeMetadata: clerktest.Metadata{"role": "trainer"}},
		{ID: "user_otto", Email: "otto@fitai.dev", PublicMetadata: clerktest.Metadata{"role": "owner"}},
		{ID: "user_eva", Email: "eva@example.com"}, {ID: "user_uma", Email: "uma@example.com", UnverifiedEmails: []string{"newbie@fitai.dev"}},
		{ID: "user_olga", Email: "olga@example.com", VerifiedEmails: []string{"boss@fitai.dev"}}, {ID: "user_nina", Email: "nina@example.com"},
		{
			ID: "user_lena", Email: "lena@example.com", PublicMetadata: clerktest.Metadata{"role": "trainer"},
			PrivateMetadata: clerktest.Metadata{"fituser": map[string]any{"role": "trainer", "owner": "there"}},
		},
	} {
		s.clerk.SignUp(p)
	}
	s.deliver()
	jane, eva := s.manifest("coach-jane", "user_jane", "trainer"), s.manifest("former-eva", "user_eva", "trainer")
	jane.Annotations = map[string]string{v1alpha1.AnnotationRevision: "main@sha1:5ad1"}
	jane.Spec.RoleExpiresAt = &metav1.Time{Time: time.Now().Add(72*time.Hour + time.Minute)}
	eva.Spec.RoleExpiresAt = &metav1.Time{Time: time.Now().Add(-time.Hour)}
	s.create(
		s.manifest("root", "user_root", "admin"), jane, s.manifestByEmail("coach-jane-again", "Jane@fitai.dev", "admin"), eva,
		s.manifest("lena", "user_lena", "admin"), s.manifestByEmail("boss", "boss@fitai.dev", "admin"),
		s.manifestByEmail("newbie", "newbie@fitai.dev", "trainer"),
		s.roleRule("staff", v1alpha1.RoleRuleSpec{Role: "trainer", EmailDomains: []string{"fitai.dev"}}),
		s.roleRule("wish", v1alpha1.RoleRuleSpec{Role: "trainer", RequestedAtSignUp: true, Priority: -1}),
		s.roleRule("useless", v1alpha1.RoleRuleSpec{Role: "client", EmailDomains: []string{"fitai.dev"}}),
	)
	for name, reason := range map[string]string{
		"root": "Synced", "coach-jane": "Synced", "coach-jane-again": "DuplicateUser", "former-eva": "Synced", "boss": "Synced",
		"lena": "OwnedElsewhere", "newbie": "AwaitingSignUp",
	} {
		s.wantReady(name, reason)
	}
	s.clerk.RemoveEmail("user_olga", "boss@fitai.dev")
	s.clerk.AddEmail("user_nina", "boss@fitai.dev", true)
	s.deliver()
	s.wantReady("boss", "AddressChangedHands")
	s.eventually("the rule is counted, and olga's role revoked", func() error {
		if printed := s.command("status"); !regexp.MustCompile(`(?s)held by 1: user_root\n.*\nstaff +trainer +[0-9] `).MatchString(printed) {
			return fmt.Errorf("the status is:\n%s", printed)
		}
		return nil
	})
	return s
}

// Why and status name who decides a role and who does not, with the reason.
func TestCommands_Roles(t *testing.T) {
	s := systemWithRoles(t)
	s.wantPrinted(map[string][]string{
		"why jane@fitai.dev": {
			`^USER +user_jane`, `^ROLE +trainer, by the manifest coach-jane, until 20`, `^Manifest +coach-jane +trainer +20\S+Z +decides$`,
			`^Manifest +coach-jane-again +admin +- +duplicate: the FitUser coach-jane is active, because it names the Clerk id`,
			`^RoleRule +staff +trainer +- +matches, but a manifest comes first`, `^Default +- +client `,
		},
		"why user_max": {
			`^ROLE +trainer, by the RoleRule staff`, `^RoleRule +wish .*matches, but the RoleRule staff is tried before`,
			`^RoleRule +useless .*matches, but the RoleRule staff is tried before`, `^Clerk .*granted by the RoleRule staff`, `^role +rule +trainer `,
		},
		"why user_otto":       {`^ROLE +client, by default`, `^Clerk +- +owner .*does not know this role`, `^RoleRule +staff .*a role in Clerk comes first`},
		"why former-eva":      {`^ROLE +client, by default`, `^Manifest +former-eva +trainer +20\S+Z +expired at 20`, `no verified address in fitai.dev`},
		"why lena":            {`^ROLE +trainer, as Clerk has it`, `^Manifest +lena +admin .*the installation there granted`, `trainer \(granted as trainer by the installation there\)`},
		"why boss":            {`^USER +user_nina`, `^Manifest +boss +admin .*withheld: .*user_olga held it before.*rebind=user_nina`},
		"why newbie":          {`^USER +nobody`, `^ROLE +none`, `^Manifest +newbie +trainer .*awaits a sign-up.*without having verified it: \[user_uma\]`, `AwaitingSignUp`},
		"why uma@example.com": {`^USER +user_uma`, `^ROLE +client, by default`},
		"status": {
			`^OWNER ID +here`, `^PROTECTED ROLE +admin, held by 1: user_root$`, `^OTHER OWNERS .*: there 1$`, `^AWAITING SIGN-UP +1: newbie$`,
			`^coach-jane +user_jane +trainer +20\S+Z +3d`, `^useless +client +0 +NEVER MATCHES: every user`, `^GRANTED ROLES +admin 1, trainer 1$`,
		},
		"history user_jane": {`^TIME +FROM`, `^20\S+Z +(client|trainer) +trainer +Manifest +coach-jane +\S+ +main@sha1:5ad1 +coach-jane$`},
		"history newbie":    {`^No change`},
		"access-review": {
			`\AUSER .*\nuser_root +root@example.com +admin +Manifest +root +- +cmd.test +20\S+Z +-\n`, `^user_jane .*trainer +Manifest +coach-jane .*20\S+Z +20\S+Z$`,
			`^user_lena .*trainer +Clerk +- +there `, `^user_max .*trainer +RoleRule +staff`,
		},
	})
	for _, command := range []string{"why newbie@fitai.dev", "why newbie", "why user_max", "status", "history user_jane", "history newbie", "access-review"} {
		s.commandJSON(strings.Fields(command)...)
	}
	rows, err := csv.NewReader(strings.NewReader(s.command("access-review", "-o", "csv"))).ReadAll()
	if err != nil || len(rows) != 6 || rows[1][0] != "user_root" {
		t.Errorf("access-review -o csv: %v, %q", err, rows)
	}

	s.clerk.Ban("user_root") // nothing here can prevent it
	s.deliver()
	s.eventually("the status warns", func() error {
		if printed := s.command("status"); !strings.Contains(printed, "admin, held by 0. WARNING: fewer than 1 (--min-protected)") {
			return fmt.Errorf("the status is:\n%s", printed)
		}
		return nil
	})
	s.setRoleOffline("coach-jane")
	s.wantPrinted(map[string][]string{"status": {`^GRANTED ROLES +admin 1$`}})
}

// setRoleOffline clears a manifest's role while no operator runs.
func (s *system) setRoleOffline(name string) {
	s.Helper()
	s.stop()
	u := s.manifest(name, "", "")
	ok(s, s.objects.Get(s.Context(), client.ObjectKeyFromObject(u), u))
	u.Spec.Role, u.Spec.RoleExpiresAt = "", nil
	ok(s, s.objects.Update(s.Context(), u))
}

// History and review need neither Clerk nor the table.
func TestAccess_WithoutCredentials(t *testing.T) {
	s := newSystem(t, storetest.SQLite(t))
	coach := s.manifest("coach-ada", "user_ada", "trainer")
	s.create(coach)
	coach.Status = v1alpha1.FitUserStatus{Role: "trainer", RoleSource: "Manifest", RoleHistory: []v1alpha1.RoleHistoryEntry{
		{Time: metav1.Now(), From: "client", To: "trainer", Source: "Manifest", Manifest: "coach-ada"},
	}}
	ok(t, s.objects.Status().Update(t.Context(), coach))
	var settings []string
	for _, setting := range s.settings {
		if !strings.HasPrefix(setting, "CLERK_") && !strings.HasPrefix(setting, "DATABASE_URL") {
			settings = append(settings, setting)
		}
	}
	for _, command := range [][]string{{"history", "coach-ada"}, {"access-review"}, {"access-review", "-o", "csv"}} {
		if printed, err := s.tryCommand(settings, command...); err != nil || !strings.Contains(printed, "coach-ada") {
			t.Errorf("manager %v: %v\n%s", command, err, printed)
		}
	}
	if _, err := s.tryCommand(settings, "history", "nobody@example.com"); err == nil || !strings.Contains(err.Error(), "no user found") {
		t.Errorf("history of nobody: %v", err)
	}
}

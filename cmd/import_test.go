package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/importer"
	"github.com/fitai/fituser-operator/internal/store/storetest"
	"github.com/fitai/fituser-operator/internal/testenv"
)

const (
	bcryptHash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
	argonHash  = "$argon2id$v=19$m=64,t=4,p=8$Z2liZXJyaXNo$iGXEpMBTDYQ8G/71tF0qGjxRHEmR3gpGULcE93zUJVU"
)

// beforeClerk creates FitAI's table with the people of docs/migration.md, who have numbers for keys.
func beforeClerk(t *testing.T, postgres *storetest.Postgres) string {
	t.Helper()
	ddl := []string{
		storetest.PostgresTable,
		"CREATE TABLE workouts (id integer PRIMARY KEY, author text NOT NULL REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE)",
	}
	for i, person := range []struct{ email, hash, role string }{
		{"root@example.com", bcryptHash, "admin"}, {"jane@example.com", bcryptHash, "trainer"}, {"joe@example.com", argonHash, "client"},
		{"zoe@example.com", bcryptHash, "client"}, {"leo@example.com", "md4:secret", "client"}, {"", "", "client"},
		{"nowhere", bcryptHash, "client"}, {"max@example.com", bcryptHash, "client"},
	} {
		ddl = append(ddl, fmt.Sprintf("INSERT INTO users VALUES ('%[1]d', '%[2]s', 'First%[1]d', 'Last', nullif('%[3]s', ''), '%[4]s', NULL, to_timestamp(1500000000), now())",
			i+1, person.email, person.hash, person.role), fmt.Sprintf("INSERT INTO workouts VALUES (%[1]d, '%[1]d')", i+1))
	}
	return postgres.URL(t, ddl...)
}

// shellBlocks returns the commands of a page, and the outputs that follow them.
func shellBlocks(t *testing.T, page string) (commands, outputs []string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "docs", page))
	ok(t, err)
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```(\n\n```\n(.*?)```)?").FindAllStringSubmatch(string(content), -1) {
		commands, outputs = append(commands, block[1]), append(outputs, block[3])
	}
	return commands, outputs
}

// paste runs commands of a page in a directory, as somebody who has the settings of the operator.
func (s *system) paste(directory, commands string) (string, error) {
	s.Helper()
	script := fmt.Sprintf("manager() { %q \"$@\"; }\nkubectl() { %q -n %s \"$@\"; }\n%s", os.Args[0], filepath.Join(s.env.Assets, "kubectl"), s.namespace, commands)
	command := exec.CommandContext(s.Context(), "bash", "-e", "-c", script)
	command.Dir = directory
	command.Env = append(os.Environ(), s.settings...)
	printed, err := command.CombinedOutput()
	return string(printed), err
}

// The commands of docs/migration.md move an application to Clerk, in their order, beside an operator that observes. Afterwards
// the operator finds nothing to change but what an imported address is normalized to.
func TestDocs_Migration(t *testing.T) {
	s := newSystem(t, beforeClerk(t, &postgres))
	s.clerk.SignUp(clerktest.Person{ID: "user_max", Email: "max@example.com"})
	s.start("FITUSER_OBSERVE=true")
	before := s.table.Query("SELECT email, first_name, last_name, password, role, phone, created_at FROM users ORDER BY email")
	directory := t.TempDir()
	commands, outputs := shellBlocks(t, "migration.md")
	for i, command := range commands {
		printed, err := s.paste(directory, command)
		t.Logf("$ %s%s", command, printed)
		if err != nil {
			t.Fatalf("%v in\n%s", err, command)
		}
		if outputs[i] != "" && printed != outputs[i] {
			t.Errorf("docs/migration.md shows another output of\n%s(-page +command):\n%s", command, cmp.Diff(outputs[i], printed))
		}
		if strings.Contains(command, "--limit=2") && len(s.clerk.Users()) != 3 {
			t.Errorf("%d users after --limit=2, want two and the one who was there", len(s.clerk.Users()))
		}
		s.deliver()
	}
	s.wantImported()
	after := s.table.Query("SELECT email, first_name, last_name, password, role, phone, created_at FROM users ORDER BY email")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the rows have changed (-before +after):\n%s", diff)
	}

	s.stop()
	s.start()
	s.eventually("the imported users are synced", func() error {
		status := s.command("why", "jane@example.com")
		if !strings.Contains(status, "manifest") {
			return fmt.Errorf("the role of jane is not the manifest's:\n%s", status)
		}
		return nil
	})
	s.wantImported()
}

// wantImported checks the people of [beforeClerk] in Clerk and in the table.
func (s *system) wantImported() {
	s.Helper()
	roles := map[string]any{}
	for _, u := range s.clerk.Users() {
		if u.ExternalID == nil {
			continue
		}
		roles[*u.ExternalID] = u.PublicMetadata["role"]
		row := s.table.Query("SELECT users.role, workouts.id FROM users JOIN workouts ON workouts.author = users.id WHERE users.id = $1", u.ID)
		if len(row) != 1 || fmt.Sprint(row[0]["id"]) != *u.ExternalID || u.PublicMetadata["role"] != nil && row[0]["role"] != u.PublicMetadata["role"] {
			s.Errorf("the row of %s, who was row %s, is %v", u.ID, *u.ExternalID, row)
		}
	}
	want := map[string]any{"1": "admin", "2": "trainer", "3": nil, "4": nil, "5": nil}
	if diff := cmp.Diff(want, roles); diff != "" {
		s.Errorf("roles in Clerk by the former key (-want +got):\n%s", diff)
	}
}

// importWorld runs the command without a cluster.
type importWorld struct {
	*testing.T
	clerk *clerktest.Server
	env   map[string]string
}

func newImportWorld(t *testing.T, databaseURL string) *importWorld {
	t.Helper()
	t.Parallel()
	w := &importWorld{T: t, clerk: clerktest.NewServer(clerktest.Config{})}
	api := testServer(t, w.clerk)
	w.env = map[string]string{
		"CLERK_SECRET_KEY": clerktest.DefaultSecretKey, "CLERK_API_URL": api + "/v1", "DATABASE_URL": databaseURL,
		"FITUSER_CLERK_RATE_LIMIT": "100", "FITUSER_OWNER_ID": "here",
	}
	return w
}

func (w *importWorld) run(args ...string) (string, error) {
	w.Helper()
	var out strings.Builder
	err := run(w.Context(), append([]string{"import"}, args...), environmentOf(w.env), &out, &out)
	return out.String(), err
}

func TestImport_Flags(t *testing.T) {
	w := newImportWorld(t, beforeClerk(t, &postgres))
	for args, want := range map[string]string{
		"--yes --dry-run":        "contradict",
		"--yes --export=x":       "without --yes",
		"--yes --manifests=x":    "without --yes",
		"--limit=-1":             "--limit is -1",
		"--password-column=hash": "there is no column hash",
	} {
		if printed, err := w.run(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("import %s: %v, want %q\n%s", args, err, want, printed)
		}
	}
	w.env["CLERK_INSTANCE_ID"] = "ins_other"
	if _, err := w.run("--yes"); err == nil || !strings.Contains(err.Error(), "belongs to Clerk instance "+clerktest.DefaultInstanceID) {
		t.Errorf("with another instance: %v", err)
	}
	if users, requests := w.clerk.Users(), w.clerk.Writes(); len(users)+len(requests) != 0 {
		t.Errorf("%d users, %d writes", len(users), len(requests))
	}
}

// Users who are created in another instance cannot be taken back, so somebody names the instance once.
func TestImport_UnknownInstance(t *testing.T) {
	w := newImportWorld(t, beforeClerk(t, &postgres))
	w.env["FITUSER_KUBECONFIG"] = filepath.Join(t.TempDir(), "absent")
	_, err := w.run("--yes", "--no-markers")
	if err == nil || !strings.Contains(err.Error(), "set CLERK_INSTANCE_ID="+clerktest.DefaultInstanceID) || len(w.clerk.Users()) != 0 {
		t.Errorf("error %v, %d users", err, len(w.clerk.Users()))
	}
	w.env["CLERK_INSTANCE_ID"] = clerktest.DefaultInstanceID
	if printed, err := w.run("--yes", "--no-markers"); err != nil || len(w.clerk.Users()) == 0 {
		t.Errorf("error %v, %d users\n%s", err, len(w.clerk.Users()), printed)
	}
}

// An import that stops early prints its report, and the exit status is 1.
func TestImport_ReportAsJSON(t *testing.T) {
	w := newImportWorld(t, beforeClerk(t, &postgres))
	w.env["CLERK_INSTANCE_ID"] = clerktest.DefaultInstanceID
	read := func(printed string) (report importer.Report) {
		t.Helper()
		if err := json.Unmarshal([]byte(printed), &report); err != nil {
			t.Fatalf("%v in\n%s", err, printed)
		}
		if strings.Contains(printed, "example.com") || strings.Contains(printed, "$2a$") || strings.Contains(printed, "First") {
			t.Errorf("the report contains personal data:\n%s", printed)
		}
		return report
	}
	end := w.clerk.Inject(clerktest.Fault{Match: clerktest.On("POST", "/users"), Respond: clerktest.Status(401, "clerk_key_invalid")})
	printed, err := w.run("--yes", "-o", "json", "--markers")
	if report := read(printed); !errors.Is(err, errStopped) || report.Stopped == "" || report.Created != 0 || !report.Acted {
		t.Errorf("stopped: %v, %+v", err, report)
	}
	end()
	printed, err = w.run("--yes", "-o", "json", "--no-markers")
	if report := read(printed); err != nil || report.Created != 6 || report.Rekeyed != 6 || len(report.Refused) != 2 || report.Passwords[""] != 6 {
		t.Errorf("%v, %+v", err, report)
	}
	for _, u := range w.clerk.Users() {
		if *u.ExternalID == "1" && (u.PublicMetadata["role"] != "admin" || u.PrivateMetadata["fituser"] != nil) {
			t.Errorf("the admin has %v and %v, want the role without a marker", u.PublicMetadata, u.PrivateMetadata)
		}
	}
}

// Roles with markers need the owner id, and a preview does not.
func TestImport_OwnerID(t *testing.T) {
	w := newImportWorld(t, beforeClerk(t, &postgres))
	delete(w.env, "FITUSER_OWNER_ID")
	w.env["CLERK_INSTANCE_ID"] = clerktest.DefaultInstanceID
	w.env["FITUSER_KUBECONFIG"] = filepath.Join(t.TempDir(), "absent")
	if printed, err := w.run(); err != nil || !strings.Contains(printed, "would be created") {
		t.Errorf("preview: %v\n%s", err, printed)
	}
	if printed, err := w.run("--yes"); err == nil || !strings.Contains(err.Error(), "--markers") {
		t.Errorf("import without a decision about roles: %v\n%s", err, printed)
	}
	if printed, err := w.run("--yes", "--markers"); err == nil || !strings.Contains(printed+err.Error(), "--owner-id") {
		t.Errorf("import: %v\n%s", err, printed)
	}
	if got := len(w.clerk.Users()); got != 0 {
		t.Errorf("%d users", got)
	}
}

func TestImport_Files(t *testing.T) {
	w := newImportWorld(t, beforeClerk(t, &postgres))
	directory := t.TempDir()
	file, manifests := filepath.Join(directory, "users.json"), filepath.Join(directory, "roles")
	if printed, err := w.run("--password-column=password", "--export="+file, "--manifests="+manifests); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	info, err := os.Stat(file)
	ok(t, err)
	content, err := os.ReadFile(file)
	ok(t, err)
	var users []map[string]any
	ok(t, json.Unmarshal(content, &users))
	if len(users) != 6 || info.Mode().Perm() != 0o600 {
		t.Errorf("%d users, mode %s; want 6, readable by the owner only", len(users), info.Mode())
	}
	want := map[string]any{
		"id": "1", "primary_email_address": "root@example.com", "first_name": "First1", "last_name": "Last", "password_digest": bcryptHash,
		"password_hasher": "bcrypt", "created_at": "2017-07-14T02:40:00Z", "public_metadata": map[string]any{"role": "admin"},
		"private_metadata": map[string]any{"fituser": map[string]any{"role": "admin", "owner": "here"}},
	}
	if diff := cmp.Diff(want, users[0]); diff != "" {
		t.Errorf("first user (-want +got):\n%s", diff)
	}
	for name, part := range map[string]string{
		"root-example-com.yaml": "role: admin", "jane-example-com.yaml": "email: jane@example.com", "kustomization.yaml": "jane-example-com.yaml",
	} {
		if text, err := os.ReadFile(filepath.Join(manifests, name)); err != nil || !strings.Contains(string(text), part) {
			t.Errorf("%s: %v, want %q in\n%s", name, err, part, text)
		}
	}
	if _, err := w.run("--export=" + file); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a file that exists: %v", err)
	}
	if got := len(w.clerk.Users()); got != 0 {
		t.Errorf("%d users", got)
	}
}

func TestImport_ClerkIsDown(t *testing.T) {
	w := newImportWorld(t, beforeClerk(t, &postgres))
	w.env["CLERK_API_URL"] = "http://" + testenv.FreeAddress(t) + "/v1"
	w.env["CLERK_INSTANCE_ID"] = "ins_here"
	if _, err := w.run(); err == nil || !strings.Contains(err.Error(), "reading the instance") {
		t.Errorf("got %v", err)
	}
}

// testServer serves handler until the test ends, and returns its URL.
func testServer(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

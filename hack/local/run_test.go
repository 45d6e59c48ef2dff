package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
)

// roomFor is a state directory whose name a shell would take for several words.
func roomFor(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "state's own", ".local")
}

// see is what a block of commands has to show, and what it must not.
type see struct {
	want []string
	not  string // "" is nothing
}

func (s see) check(t *testing.T, pasted, output string) {
	t.Helper()
	for _, want := range s.want {
		if !regexp.MustCompile(want).MatchString(output) {
			t.Errorf("no %q in the output of\n%s\nwhich is\n%s", want, pasted, output)
		}
	}
	if strings.Contains(output, ": not found") {
		t.Errorf("a program is missing, says the output of\n%s\nwhich is\n%s", pasted, output)
	}
	if s.not != "" && regexp.MustCompile(s.not).MatchString(output) {
		t.Errorf("%q in the output of\n%s\nwhich is\n%s", s.not, pasted, output)
	}
}

// tryOut pastes all blocks after another, as a newcomer does.
func tryOut(t *testing.T, shell *terminal, blocks []string, sees []see) *recording {
	t.Helper()
	if len(blocks) != len(sees) {
		t.Fatalf("%d blocks of commands were printed, want %d:\n%s", len(blocks), len(sees), strings.Join(blocks, "\n\n"))
	}
	sees[0].check(t, blocks[0], shell.paste(blocks[0])) // how a terminal is made ready is not worth a recording
	r := newRecording()
	for i, block := range blocks[1:] {
		sees[i+1].check(t, block, r.paste(shell, block))
	}
	return r
}

// Every command that is printed works when it is pasted, on a machine with curl and neither kubectl nor sqlite3.
func TestScript(t *testing.T) {
	state := roomFor(t)
	s := start(t, state)
	shell := open(t)
	recorded := tryOut(t, shell, s.blocks(), []see{
		{},
		{want: []string{
			`ada@example.com +admin +True`, `ben@example.com +client +True`, `chloe@example.com +client +True`,
			`ada@example.com +Ada +Okafor +admin +\+15550100`, `chloe@example.com +Chloé +Martin +client`,
		}},
		{want: []string{`dora@example.com +client +True`, `dora@example.com +Dora +Weiss +client`}},
		{want: []string{`coach-dora condition met`}},
		{want: []string{`"private_metadata":{"fituser":{"role":"trainer"}}`, `"public_metadata":{"role":"trainer"}`, `Weiss +trainer`}},
		{want: []string{`FITUSERS +4, of which 4 ready`, `FITUSER +coach-dora \(made by a person\), Ready True`, `Everything agrees: nothing would be written`}},
		{want: []string{`"private_metadata":{}`, `"public_metadata":{}`, `Weiss +client`}},
		{want: []string{`"deleted":true`, `ben@example.com +client +True`, `ben@example.com +Ben`}, not: `dora@example.com`},
	})
	recorded.save(t)

	if code, out := runToEnd(t, state); code != 1 || !strings.Contains(out, "another make run is using") {
		t.Errorf("a second run beside it ended with %d and said %s", code, out)
	}
	if code, out := s.end(syscall.SIGINT); code != 0 || !strings.Contains(out, "operator User created in database") {
		t.Errorf("interrupted, it ended with %d after it said\n%s", code, out)
	}
	if left := s.processes(""); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	for _, address := range s.addresses() {
		if err := dial(t.Context(), address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s still answers: %v", address, err)
		}
	}
}

// With CLERK_SECRET_KEY set, Clerk is used and no stand-in for it: those whom it has are imported. Without
// CLERK_WEBHOOK_SECRET, roles work all the same.
func TestClerkItself(t *testing.T) {
	clerk := clerktest.NewServer(clerktest.Config{})
	clerk.Import(manyUsers)
	id := clerk.SignUp(clerktest.Person{Email: "eve@example.com", FirstName: "Eve", LastName: "Ito"})
	api := httptest.NewServer(clerk)
	defer api.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(clerktest.DefaultSecretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, roomFor(t), "CLERK_SECRET_KEY_FILE="+key, "CLERK_API_URL="+api.URL+"/v1")
	if want := "\nimported: 101 of 101 users seen, 101 FitUsers made, 101 rows written\n"; !strings.Contains(s.script, want) {
		t.Errorf("no %q in\n%s", want, s.script)
	}
	blocks := s.blocks()
	for i := range blocks {
		blocks[i] = strings.Replace(blocks[i], "id=user_YOURS", "id="+id, 1)
	}
	tryOut(t, open(t), blocks, []see{
		{},
		{want: []string{`user000..@example.com +client +True`, `eve@example.com +Eve +Ito +client`, `the newest 100 of 101 rows`}, not: `user00001@`},
		{want: []string{`eve@example.com +Eve +Ito +trainer`}},
		{want: []string{`FITUSERS +101, of which 101 ready`, `FITUSER +my-coach \(made by a person\), Ready True`, `Everything agrees: nothing would be written`}},
		{want: []string{`eve@example.com +Eve +Ito +client`}},
	})
	if u, _ := clerk.User(id); len(u.PublicMetadata)+len(u.PrivateMetadata) != 0 {
		t.Errorf("Clerk still holds %v and %v", u.PublicMetadata, u.PrivateMetadata)
	}

	// Whatever ends the operator ends the run, with the reason.
	for _, operator := range s.processes("manager") {
		if err := syscall.Kill(operator, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	code, _ := s.wait()
	if said := s.stderr.String(); code != 1 || !strings.Contains(said, "ended by itself (signal: killed)") || !strings.Contains(said, `"source":"TakenBack"`) {
		t.Errorf("after the operator was killed, the run ended with %d and said\n%s", code, said)
	}
	if left := s.processes(""); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

// Nothing outlives the run, even if it could not end anything itself; and nothing of an earlier run is in its way.
func TestKilled(t *testing.T) {
	state := roomFor(t)
	for _, leftover := range []string{tableFile, kubeconfigFile, logFile, filepath.Join(toolsDir, "kubectl")} {
		path := filepath.Join(state, leftover)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("old"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, state, "FITUSER_LOCAL_USERS=20")
	if want := "imported: 20 of 20 users seen, 20 FitUsers made, 20 rows written\n"; !strings.Contains(s.script, want) {
		t.Errorf("no %q in\n%s", want, s.script)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.wait()
	eventually(t, func() bool { return len(s.processes("")) == 0 })
}

func TestWrongArguments(t *testing.T) {
	if code, out := runToEnd(t, roomFor(t), "row"); code != 1 || !strings.Contains(out, `["row"]`) {
		t.Errorf("it ended with %d and said %s", code, out)
	}
}

// runToEnd runs the program where it is expected to end by itself.
func runToEnd(t *testing.T, state string, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self(t), args...)
	cmd.Env = slices.Concat(plainEnvironment(), []string{childVariable + "=" + state})
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

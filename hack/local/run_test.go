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
	"github.com/fitai/fituser-operator/internal/testenv/eventually"
)

// stateDir returns a state directory whose name needs quoting in a shell.
func stateDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "state's own", ".local")
}

// expectation holds patterns that the output of a block must match, and one that it must not.
type expectation struct {
	want []string
	not  string // "" for none
}

func (e expectation) check(t *testing.T, pasted, output string) {
	t.Helper()
	for _, want := range e.want {
		if !regexp.MustCompile(want).MatchString(output) {
			t.Errorf("%q is missing in the output of\n%s\nwhich is\n%s", want, pasted, output)
		}
	}
	if strings.Contains(output, ": not found") {
		t.Errorf("a program is missing, by the output of\n%s\nwhich is\n%s", pasted, output)
	}
	if e.not != "" && regexp.MustCompile(e.not).MatchString(output) {
		t.Errorf("%q is in the output of\n%s\nwhich is\n%s", e.not, pasted, output)
	}
}

// pasteAll pastes all blocks one after another, as a newcomer does.
func pasteAll(t *testing.T, shell *terminal, blocks []string, want []expectation) *recording {
	t.Helper()
	if len(blocks) != len(want) {
		t.Fatalf("%d blocks of commands were printed, want %d:\n%s", len(blocks), len(want), strings.Join(blocks, "\n\n"))
	}
	want[0].check(t, blocks[0], shell.paste(blocks[0])) // the preparation of the terminal is not recorded
	r := newRecording()
	for i, block := range blocks[1:] {
		want[i+1].check(t, block, r.paste(shell, block))
	}
	return r
}

// Every printed command works when it is pasted, on a machine with curl and neither kubectl nor sqlite3.
func TestScript_CommandsWork(t *testing.T) {
	state := stateDir(t)
	s := start(t, state)
	shell := openTerminal(t)
	recorded := pasteAll(t, shell, s.blocks(), []expectation{
		{},
		{want: []string{
			`ada@example.com +admin +Clerk +True`, `ben@example.com +client +Default +True`, `chloe@example.com +client +Default +True`,
			`ada@example.com +Ada +Okafor +admin +\+15550100`, `chloe@example.com +Chloé +Martin +client`,
		}},
		{want: []string{`dora@example.com +client +Default +True`, `dora@example.com +Dora +Weiss +client`}},
		{want: []string{`coach-dora condition met`}},
		{want: []string{`"private_metadata":{"fituser":{"owner":"[0-9a-f-]+","role":"trainer"}}`, `"public_metadata":{"role":"trainer"}`, `Weiss +trainer`}},
		{want: []string{`FITUSERS +4: 4 ready`, `FITUSER +coach-dora \(user-managed\), Ready True`, `All users are in sync: nothing would be written`}},
		{want: []string{`"private_metadata":{}`, `"public_metadata":{}`, `Weiss +client`}},
		{want: []string{`"deleted":true`, `ben@example.com +client +Default +True`, `ben@example.com +Ben`}, not: `dora@example.com`},
	})
	recorded.save(t)

	if code, out := runToEnd(t, state); code != 1 || !strings.Contains(out, "another make run is using") {
		t.Errorf("a second run beside it exited with %d and printed %s", code, out)
	}
	if code, out := s.end(syscall.SIGINT); code != 0 || !strings.Contains(out, "operator Row inserted") {
		t.Errorf("after SIGINT it exited with %d and had printed\n%s", code, out)
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

// With CLERK_SECRET_KEY set, Clerk's users are imported and no stand-in is used. Roles work without CLERK_WEBHOOK_SECRET.
func TestRun_RealClerk(t *testing.T) {
	clerk := clerktest.NewServer(clerktest.Config{})
	clerk.Import(manyUsers)
	id := clerk.SignUp(clerktest.Person{Email: "eve@example.com", FirstName: "Eve", LastName: "Ito"})
	api := httptest.NewServer(clerk)
	defer api.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(clerktest.DefaultSecretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, stateDir(t), "CLERK_SECRET_KEY_FILE="+key, "CLERK_API_URL="+api.URL+"/v1")
	if want := "\nimported: 101 of 101 users read, 101 FitUsers created, 101 rows inserted\n"; !strings.Contains(s.script, want) {
		t.Errorf("%q is missing in\n%s", want, s.script)
	}
	blocks := s.blocks()
	for i := range blocks {
		blocks[i] = strings.Replace(blocks[i], "id=user_YOURS", "id="+id, 1)
	}
	pasteAll(t, openTerminal(t), blocks, []expectation{
		{},
		{want: []string{`user000..@example.com +client +Default +True`, `eve@example.com +Eve +Ito +client`, `the newest 100 of 101 rows`}, not: `First00001`},
		{want: []string{`eve@example.com +Eve +Ito +trainer`}},
		{want: []string{`FITUSERS +101: 101 ready`, `FITUSER +my-coach \(user-managed\), Ready True`, `All users are in sync: nothing would be written`}},
		{want: []string{`eve@example.com +Eve +Ito +client`}},
	})
	if u, _ := clerk.User(id); len(u.PublicMetadata)+len(u.PrivateMetadata) != 0 {
		t.Errorf("Clerk still holds %v and %v", u.PublicMetadata, u.PrivateMetadata)
	}

	// The end of the operator ends the run, with the reason.
	for _, operator := range s.processes("manager") {
		if err := syscall.Kill(operator, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	code, _ := s.wait()
	if printed := s.stderr.String(); code != 1 || !strings.Contains(printed, "the operator exited (signal: killed)") ||
		!strings.Contains(printed, `"from":"trainer","to":"client"`) {
		t.Errorf("after the operator was killed, the run exited with %d and printed\n%s", code, printed)
	}
	if left := s.processes(""); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

// No process outlives the run, even after kill -9, and the files of an earlier run do not disturb it.
func TestRun_KilledLeavesNoProcess(t *testing.T) {
	state := stateDir(t)
	for _, leftover := range []string{tableFile, kubeconfigFile, logFile, filepath.Join(toolsDir, "kubectl")} {
		path := filepath.Join(state, leftover)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("old"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, state, "FITUSER_LOCAL_USERS=20")
	if want := "imported: 20 of 20 users read, 20 FitUsers created, 20 rows inserted\n"; !strings.Contains(s.script, want) {
		t.Errorf("%q is missing in\n%s", want, s.script)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.wait()
	eventually.Holds(t, "all processes have ended", func() bool { return len(s.processes("")) == 0 })
}

func TestCommand_RejectsUnknownArguments(t *testing.T) {
	if code, out := runToEnd(t, stateDir(t), "row"); code != 1 || !strings.Contains(out, `["row"]`) {
		t.Errorf("it exited with %d and printed %s", code, out)
	}
}

// runToEnd runs the program and waits for its exit.
func runToEnd(t *testing.T, state string, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self(t), args...)
	cmd.Env = slices.Concat(plainEnvironment(), []string{childVariable + "=" + state})
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

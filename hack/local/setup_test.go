package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// childVariable makes the test binary run the program, with the state directory that it names. A command does so too.
const childVariable = "FITUSER_LOCAL_TEST_STATE"

func TestMain(m *testing.M) {
	state := os.Getenv(childVariable)
	isCommand := len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") // such as rows, which a run writes into its state directory
	if state != "" || isCommand {
		os.Exit(program(state))
	}
	os.Exit(m.Run())
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// plainEnvironment returns the caller's environment without the variables that the program reads.
func plainEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "CLERK_") || strings.HasPrefix(entry, "DATABASE_URL") || strings.HasPrefix(entry, "FITUSER_")
	})
}

// session is the program, running in its own process.
type session struct {
	*testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	marker string // in the environment of the process and all its descendants
	script string // the output up to the last line of the script
	rest   chan string
}

// start runs the program until its script is printed.
func start(t *testing.T, state string, environ ...string) *session {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane, which -short leaves out")
	}
	s := &session{T: t, marker: "FITUSER_LOCAL_TEST_MARKER=" + rand.Text(), rest: make(chan string, 1)}
	s.cmd = exec.CommandContext(t.Context(), self(t)) // killed when the test ends early
	s.cmd.Env = slices.Concat(plainEnvironment(), environ, []string{childVariable + "=" + state, s.marker})
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for !strings.Contains(s.script, "\nCtrl-C stops everything") {
		line, err := lines.ReadString('\n')
		s.script += line
		if err != nil {
			t.Fatalf("the program exited early (%v):\n%s\n%s", s.cmd.Wait(), s.script, s.stderr.String())
		}
	}
	go func() {
		rest, _ := io.ReadAll(lines)
		s.rest <- string(rest)
	}()
	return s
}

// blocks returns the printed commands, one block per headline.
func (s *session) blocks() []string {
	_, script, _ := strings.Cut(s.script, "\n# ")
	script, _, _ = strings.Cut(script, "\nCtrl-C stops everything")
	blocks := strings.Split(script, "\n# ")
	for i := range blocks {
		blocks[i] = "# " + blocks[i]
	}
	return blocks
}

// addresses returns all printed addresses.
func (s *session) addresses() []string {
	return regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).FindAllString(s.script, -1)
}

// end sends a signal and waits.
func (s *session) end(signal os.Signal) (code int, output string) {
	s.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.Fatal(err)
	}
	return s.wait()
}

// wait returns the exit code and what was printed below the script.
func (s *session) wait() (code int, output string) {
	output = <-s.rest
	_ = s.cmd.Wait() // ProcessState has the exit code
	return s.cmd.ProcessState.ExitCode(), output
}

// processes returns the pids of the program and its descendants that run an executable of that name ("": any).
func (s *session) processes(name string) []int {
	s.Helper()
	if runtime.GOOS != "linux" {
		s.Skip("needs /proc")
	}
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		s.Fatal(err)
	}
	var found []int
	for _, path := range environs {
		environ, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(environ, []byte(s.marker)) {
			continue // of another session, or ended
		}
		executable, _ := os.Readlink(filepath.Join(filepath.Dir(path), "exe"))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && (name == "" || filepath.Base(executable) == name) {
			found = append(found, pid)
		}
	}
	return found
}

func dial(ctx context.Context, address string) error {
	var network net.Dialer
	connection, err := network.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return connection.Close()
}

// terminal is a shell like a newcomer's: it keeps variables and functions. It exits at the first command that fails.
type terminal struct {
	*testing.T
	in  io.Writer
	out *bufio.Reader
}

// openTerminal starts a shell whose PATH has only common tools and curl.
func openTerminal(t *testing.T) *terminal {
	t.Helper()
	tools := t.TempDir()
	for _, name := range []string{"sh", "curl", "env", "grep", "sed", "tail"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	shell := exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail")
	shell.Env = []string{"PATH=" + tools, "HOME=" + t.TempDir()}
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	shell.Stderr = shell.Stdout
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), shell.Wait() })
	return &terminal{T: t, in: in, out: bufio.NewReader(out)}
}

// paste runs a block of commands and returns what it printed.
func (t *terminal) paste(block string) string {
	t.Helper()
	const end = "---- end of the block"
	if _, err := io.WriteString(t.in, block+"\necho '"+end+"'\n"); err != nil {
		t.Fatalf("pasting\n%s\n%v", block, err)
	}
	var output strings.Builder
	for {
		line, err := t.out.ReadString('\n')
		if strings.TrimSpace(line) == end {
			return output.String()
		}
		output.WriteString(line)
		if err != nil {
			t.Fatalf("a command failed in\n%s\nafter\n%s", block, output.String())
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// The files in the state directory.
const (
	kubeconfigFile = "kubeconfig"
	tableFile      = "users.db"
	logFile        = "manager.log"
	toolsDir       = "bin"
	lockFile       = "lock"
)

// state is the directory with the files of a run: for people, and for the commands that it prints.
type state struct {
	dir  string
	lock *os.File
}

// lockState locks dir for the lifetime of this process and empties it. The kernel releases the lock however the process
// ends.
func lockState(dir string) (*state, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // G703: only this package's tests name another directory
		return nil, fmt.Errorf("creating the state directory: %w", err)
	}
	s := &state{dir: dir}
	lock, err := os.OpenFile(s.path(lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the state directory: %w", err)
	}
	s.lock = lock
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("another make run is using %s: stop that one first", dir)
	}
	if err == nil {
		err = s.empty()
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *state) empty() error {
	entries, err := os.ReadDir(s.dir)
	for _, entry := range entries {
		if entry.Name() != lockFile {
			err = errors.Join(err, os.RemoveAll(s.path(entry.Name())))
		}
	}
	if err == nil {
		err = os.Mkdir(s.path(toolsDir), 0o700)
	}
	if err != nil {
		return fmt.Errorf("emptying the state directory: %w", err)
	}
	return nil
}

// release unlocks the directory for the next run.
func (s *state) release() error { return s.lock.Close() }

func (s *state) path(name string) string { return filepath.Join(s.dir, name) }

func (s *state) write(name string, content []byte) error {
	return os.WriteFile(s.path(name), content, 0o600)
}

func (s *state) create(name string) (*os.File, error) {
	return os.OpenFile(s.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// linkTool links a program from another directory into the PATH of the printed commands.
func (s *state) linkTool(name, from string) error {
	return os.Symlink(filepath.Join(from, name), s.path(filepath.Join(toolsDir, name)))
}

// rowsScript runs this program in the directory where it was started: a database URL may hold a relative path.
const rowsScript = `#!/bin/sh
cd %s && DATABASE_URL=%s FITUSER_TABLE_CONFIG=%s exec %s rows
`

// writeRows writes the command that prints the table. It contains the database URL, so that nobody has to paste a password.
func (s *state) writeRows(databaseURL, tableConfig string) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the working directory: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	return s.writeTool("rows", fmt.Sprintf(rowsScript, shellQuote(dir), shellQuote(databaseURL), shellQuote(tableConfig), shellQuote(self)))
}

// writeManager writes the command manager, which runs the operator's binary with the operator's settings.
func (s *state) writeManager(o operator) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the working directory: %w", err)
	}
	var text strings.Builder
	text.WriteString("#!/bin/sh\ncd " + shellQuote(dir) + " || exit\nunset $(env | sed -nE 's/^((CLERK|FITUSER|DATABASE)_[A-Z_]+)=.*/\\1/p')\n")
	settingPattern := regexp.MustCompile(`^((?:CLERK|FITUSER|DATABASE)_[A-Z_]+)=(.*)$`)
	for _, entry := range o.environ {
		if setting := settingPattern.FindStringSubmatch(entry); setting != nil {
			_, _ = fmt.Fprintf(&text, "export %s=%s\n", setting[1], shellQuote(setting[2]))
		}
	}
	_, _ = fmt.Fprintf(&text, "exec %s \"$@\" --namespace=default --kubeconfig=%s\n", shellQuote(o.binary), shellQuote(s.path(kubeconfigFile)))
	return s.writeTool("manager", text.String())
}

func (s *state) writeTool(name, script string) error {
	return os.WriteFile(s.path(filepath.Join(toolsDir, name)), []byte(script), 0o700) //nolint:gosec // G306: it must be executable
}

// shellQuote quotes any text as one argument for sh, bash and zsh.
func shellQuote(text string) string {
	if regexp.MustCompile(`^[0-9A-Za-z@%+:,./_-]+$`).MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

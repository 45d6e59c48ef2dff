package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// software is a database server that tests start.
type software struct {
	name string
	// programs are those that must be found. They are searched for in PATH and in the directories of the pattern places.
	programs []string
	places   string
	// packages are what apt-get installs; hint is for people who install it themselves.
	packages []string
	hint     string
	// user runs the server where this process is root; nobody runs it where there is no such user.
	user string
}

// installation is where a server's programs are, and the user that runs them: they refuse to run as root.
type installation struct {
	software   software
	paths      map[string]string
	credential *syscall.Credential
}

// find finds the server's programs. As root it installs missing ones with apt-get.
func (s software) find() (installation, error) {
	paths, missing := s.paths()
	if missing != nil && os.Geteuid() == 0 {
		if err := s.installOnce(); err != nil {
			return installation{}, errors.Join(missing, err)
		}
		paths, missing = s.paths()
	}
	if missing != nil {
		return installation{}, missing
	}
	credential, err := s.unprivileged()
	return installation{software: s, paths: paths, credential: credential}, err
}

// paths returns where the programs are.
func (s software) paths() (map[string]string, error) {
	versions, _ := filepath.Glob(s.places) // the pattern is well-formed
	slices.Reverse(versions)               // the newest first
	dirs := append(filepath.SplitList(os.Getenv("PATH")), versions...)
	paths := map[string]string{}
	for _, program := range s.programs {
		place := slices.IndexFunc(dirs, func(dir string) bool { return isProgram(dir, program) })
		if place < 0 {
			return nil, fmt.Errorf("%s is neither in PATH nor in %s; install %s", program, s.places, s.hint)
		}
		paths[program] = filepath.Join(dirs[place], program)
	}
	return paths, nil
}

func isProgram(dir, name string) bool {
	_, err := exec.LookPath(filepath.Join(dir, name))
	return err == nil
}

// installOnce installs the packages unless another process has done so. The tests of several packages run at the same time, and
// apt-get does not wait for another apt-get.
func (s software) installOnce() error {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "fituser-storetest.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("creating the lock of the installation: %w", err)
	}
	defer func() { _ = lock.Close() }() // also unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("waiting for another installation: %w", err)
	}
	if _, err := s.paths(); err == nil {
		return nil
	}
	return s.install()
}

func (s software) install() error {
	fmt.Fprintf(os.Stderr, "storetest: %s is missing; running apt-get install\n", s.name)
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, s.packages...)} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("running apt-get %s: %w", args[0], err)
		}
	}
	return nil
}

// unprivileged returns nil when this process is not root: then the server runs as the same user.
func (s software) unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	var found *user.User
	var err error
	for _, name := range []string{s.user, "nobody"} {
		if found, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("finding a user to run %s as: %w", s.name, err)
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("reading the ids of user %s: %w", found.Username, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// makeDir creates a temporary directory that the server's user owns; that user also removes it.
func (i installation) makeDir() (string, error) {
	dir, err := os.MkdirTemp("", "fituser-database-")
	if err != nil {
		return "", fmt.Errorf("creating a directory for the server: %w", err)
	}
	if i.credential == nil {
		return dir, nil
	}
	if err := os.Chown(dir, int(i.credential.Uid), int(i.credential.Gid)); err != nil {
		return "", fmt.Errorf("changing the owner of the server's directory: %w", err)
	}
	return dir, nil
}

// startTimeout limits the preparation and each start of a server. They take a second or two, on a busy machine longer.
const startTimeout = time.Minute

// run runs a program in dir, which has the server's log.
func (i installation) run(dir, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, i.paths[program], args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: i.credential}
	cmd.WaitDelay = time.Second // the server may keep the output open
	if out, err := cmd.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("running %s: %w\n%s\n%s", program, err, out, readLog(dir))
	}
	return nil
}

func readLog(dir string) []byte {
	log, _ := os.ReadFile(filepath.Join(dir, "log")) // a server that did not start may have none
	return log
}

// reap starts a second process. When this process ends, it ends the server with a signal and removes dir. The process
// id of the server is the first line of pidFile. The reaper waits until a pipe is closed whose other end only this
// process holds: the caller keeps the returned command, and with it that end. The removal fails while the server still
// creates files.
func (i installation) reap(dir, pidFile, signal string) (*exec.Cmd, error) {
	const script = `
read -r _
read -r pid <"$1" && kill -s "$2" "$pid"
for _ in 1 2 3 4 5; do rm -rf "$3" && exit; sleep 1; done`
	reaper := exec.Command("/bin/sh", "-c", script, "reaper", filepath.Join(dir, pidFile), signal, dir)
	reaper.Dir = "/"
	// Its own process group keeps a Ctrl-C away from it.
	reaper.SysProcAttr = &syscall.SysProcAttr{Credential: i.credential, Setpgid: true}
	if _, err := reaper.StdinPipe(); err != nil {
		return nil, fmt.Errorf("creating the reaper's pipe: %w", err)
	}
	if err := reaper.Start(); err != nil {
		return nil, fmt.Errorf("starting the reaper: %w", err)
	}
	return reaper, nil
}

package storetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// installation is the directory of PostgreSQL's programs and the user that runs them: they refuse to run as root.
type installation struct {
	dir        string
	credential *syscall.Credential
}

var errNoPostgres = errors.New("initdb and pg_ctl are neither in PATH nor in /usr/lib/postgresql/*/bin; " +
	"install PostgreSQL 12 or later, on Debian and Ubuntu with: sudo apt-get install postgresql")

// findInstallation finds PostgreSQL. As root it installs a missing one with apt-get.
func findInstallation() (installation, error) {
	dir := programs()
	if dir == "" && os.Geteuid() == 0 {
		if err := installPostgres(); err != nil {
			return installation{}, errors.Join(errNoPostgres, err)
		}
		dir = programs()
	}
	if dir == "" {
		return installation{}, errNoPostgres
	}
	credential, err := unprivileged()
	return installation{dir: dir, credential: credential}, err
}

// programs returns the directory of initdb and pg_ctl, or an empty string.
func programs() string {
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well-formed
	slices.Reverse(versions)                                  // the newest first
	candidates := append(filepath.SplitList(os.Getenv("PATH")), versions...)
	for _, dir := range candidates {
		if isProgram(dir, "initdb") && isProgram(dir, "pg_ctl") {
			return dir
		}
	}
	return ""
}

func isProgram(dir, name string) bool {
	_, err := exec.LookPath(filepath.Join(dir, name))
	return err == nil
}

func installPostgres() error {
	fmt.Fprintln(os.Stderr, "storetest: PostgreSQL is missing; running apt-get install postgresql")
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "postgresql"}} {
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
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	var found *user.User
	var err error
	for _, name := range []string{"postgres", "nobody"} {
		if found, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("finding a user to run PostgreSQL as: %w", err)
	}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("reading the ids of user %s: %w", found.Username, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (i installation) path(program string) string { return filepath.Join(i.dir, program) }

// own makes the server's user the owner of dir; that user also removes it.
func (i installation) own(dir string) error {
	if i.credential == nil {
		return nil
	}
	if err := os.Chown(dir, int(i.credential.Uid), int(i.credential.Gid)); err != nil {
		return fmt.Errorf("changing the owner of the server's directory: %w", err)
	}
	return nil
}

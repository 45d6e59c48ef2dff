package testenv

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// A reaper ends processes and removes their directory when this process is gone, however it went: Ctrl-C, a panic
// in a test, its time-out, kill -9. envtest puts the control plane into process groups of its own, so nothing else
// would end it. It is a shell that waits for the end of a pipe whose other end only this process holds.
type reaper struct {
	dir  string
	cmd  *exec.Cmd
	pipe io.Closer
	once sync.Once
}

const reaperScript = `
read -r _
for file in "$1"/*.pid; do
	[ -e "$file" ] && kill -9 "$(cat "$file")"
done
rm -rf "$1"`

// launcherScript starts a program in the shell's own process, so that the process id written is the program's.
const launcherScript = `#!/bin/sh
set -e
echo $$ >"$0.pid"
exec '%s' "$@"
`

func newReaper(dir string) (*reaper, error) {
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "reaper", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is not for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making the reaper's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the reaper: %w", err)
	}
	return &reaper{dir: dir, cmd: cmd, pipe: pipe}, nil
}

// launcher makes a script that starts the program under the reaper's eye, and returns its path.
func (r *reaper) launcher(name, program string) (string, error) {
	quoted := strings.ReplaceAll(program, "'", `'\''`)
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, fmt.Appendf(nil, launcherScript, quoted), 0o700); err != nil {
		return "", fmt.Errorf("writing the launcher of %s: %w", name, err)
	}
	return path, nil
}

// reap kills what was launched and removes the directory, and returns when that is done.
func (r *reaper) reap() {
	r.once.Do(func() {
		_ = r.pipe.Close() // that of an end of a pipe nobody writes to
		_ = r.cmd.Wait()   // kill's complaint about a process that ended in time
	})
}

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

// A reaper kills processes and removes their directory when this process has ended, whether by Ctrl-C, a panic in
// a test, a time-out or kill -9. envtest puts the control plane into its own process groups, so that nothing else
// would end it. The reaper is a shell that reads a pipe until its only writer, this process, closes it.
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

// launcherScript replaces the shell by the program, so that the recorded process id is the program's.
const launcherScript = `#!/bin/sh
set -e
echo $$ >"$0.pid"
exec '%s' "$@"
`

func newReaper(dir string) (*reaper, error) {
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "reaper", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // keeps Ctrl-C from the reaper
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("creating the reaper's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the reaper: %w", err)
	}
	return &reaper{dir: dir, cmd: cmd, pipe: pipe}, nil
}

// launcher writes a script that starts the program and records its process id for the reaper. It returns the path.
func (r *reaper) launcher(name, program string) (string, error) {
	quoted := strings.ReplaceAll(program, "'", `'\''`)
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, fmt.Appendf(nil, launcherScript, quoted), 0o700); err != nil {
		return "", fmt.Errorf("writing the launcher of %s: %w", name, err)
	}
	return path, nil
}

// reap kills the launched processes, removes the directory, and returns when that is done.
func (r *reaper) reap() {
	r.once.Do(func() {
		_ = r.pipe.Close() // the pipe was never written to
		_ = r.cmd.Wait()   // kill reports processes that had ended before
	})
}

package testenv

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The kernel closes the reaper's pipe however this process ends, so closing it stands for every end.
func TestReaper_KillsLaunchedProcesses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	must(t, os.Mkdir(dir, 0o700))
	r, err := newReaper(dir)
	must(t, err)
	launcher, err := r.launcher("cat", "/bin/cat")
	must(t, err)
	cat := exec.CommandContext(t.Context(), launcher)
	in, err := cat.StdinPipe()
	must(t, err)
	out, err := cat.StdoutPipe()
	must(t, err)
	must(t, cat.Start())
	_, err = in.Write([]byte("x"))
	must(t, err)
	_, err = io.ReadFull(out, make([]byte, 1)) // the program runs
	must(t, err)

	r.reap()

	exit := &exec.ExitError{}
	if err := cat.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("the program ended with %v, want it killed", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// assetsScript prints where the binaries are, and builds them when they are missing. Its path is relative to the
// module's root.
const assetsScript = "hack/controlplane.sh"

// moduleRoot returns the nearest parent directory with the script: tests run in their package's directory.
func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the module's root: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, assetsScript)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is neither in %s nor above it: run this inside the source tree", assetsScript, start)
		}
	}
}

func resolveAssets(ctx context.Context, root string) (string, error) {
	script := exec.CommandContext(ctx, filepath.Join(root, assetsScript))
	script.Stderr = os.Stderr          // has progress and the cause of a failure
	script.WaitDelay = 5 * time.Second // a compiler that outlives the script holds its output open
	out, err := script.Output()
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		return "", fmt.Errorf("getting etcd and kube-apiserver from %s (its messages are on stderr): %w", assetsScript, err)
	}
	return strings.TrimSpace(string(out)), nil
}

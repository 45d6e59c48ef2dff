package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tree is the root directory of the source tree.
type tree string

var errNoTree = errors.New("the working directory is not in the operator's source tree: run make run there")

// findTree finds the source tree from any directory in it.
func findTree(ctx context.Context) (tree, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the source tree with go env: %w", err)
	}
	root := tree(filepath.Dir(strings.TrimSpace(string(out))))
	if _, err := os.Stat(root.path("hack/local")); err != nil {
		return "", errNoTree
	}
	return root, nil
}

func (t tree) path(name string) string { return filepath.Join(string(t), name) }

// manager returns the path of the operator's binary.
func (t tree) manager() string { return t.path("bin/manager") }

// build builds the binary with the flags of `make build`, so that the two share the build cache.
func (t tree) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", t.manager(), "./cmd") //nolint:gosec // G204: constant arguments
	cmd.Dir = string(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building the operator, see above: %w", err)
	}
	return nil
}

#!/usr/bin/env bash
# Fails when a generated file is not up to date. It compares the tree before and after generation, not with the last
# commit, so uncommitted edits do not make it fail.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

index=$(mktemp -d)
trap 'rm -rf "$index"' EXIT

tree() { # prints the id of a git tree with all current files that git does not ignore
  GIT_INDEX_FILE=$index/index git add --all .
  GIT_INDEX_FILE=$index/index git write-tree
}

before=$(tree)
make --no-print-directory generate manifests fmt
after=$(tree)
changed=$(git diff --name-only "$before" "$after" | paste -s -d ' ' -)
if [ -n "$changed" ]; then
  echo "verify: updated these outdated files, commit them: $changed" >&2
  exit 1
fi
for module in . hack/grafana hack/image test/gitops; do
  go -C "$module" mod tidy -diff || {
    echo "verify: go.mod or go.sum of $module is not tidy, see the difference above; run go mod tidy there and commit them" >&2
    exit 1
  }
done
make --no-print-directory vet

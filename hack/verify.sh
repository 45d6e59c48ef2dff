#!/usr/bin/env bash
# Fails where the tree is not what its sources make of it. Edits that are under way elsewhere are no reason to fail:
# it compares the tree before and after, not with the last commit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

index=$(mktemp -d)
trap 'rm -rf "$index"' EXIT

tree() { # the id of all files as they are now, those that git ignores left out
  GIT_INDEX_FILE=$index/index git add --all .
  GIT_INDEX_FILE=$index/index git write-tree
}

before=$(tree)
make --no-print-directory generate manifests fmt
after=$(tree)
changed=$(git diff --name-only "$before" "$after" | paste -s -d ' ' -)
if [ -n "$changed" ]; then
  echo "verify: these files were not up to date and now are; commit them: $changed" >&2
  exit 1
fi
go mod tidy -diff || {
  echo "verify: go.mod or go.sum is not tidy, see the difference above; run go mod tidy and commit them" >&2
  exit 1
}
go vet ./...

#!/usr/bin/env bash
# Fails if a generated file, the formatting or go.mod is not up to date. It compares the tree before and after generating, not
# with the last commit, so other uncommitted edits do not fail it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

index=$(mktemp -d)
trap 'rm -rf "$index"' EXIT

tree() { # prints the id of the working tree without ignored files
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

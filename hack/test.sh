#!/usr/bin/env bash
# Runs the tests of the given packages. The scenes run one reconcile at a time, so they run without the race detector, beside
# all others with it. Their output follows when both have ended. $RUN, if not empty, selects tests as `go test -run` does.
set -euo pipefail

packages=$(go list "$@")
# Packages whose tests take minutes, most of it waiting for leases and processes, come first: the machine is not idle at the
# end, while only they run.
scenes=() slow=() quick=()
while read -r package; do
  case $package in
  */test/scenes) scenes+=("$package") ;;
  */test/soak | */controllers | */cmd | */hack/local) slow+=("$package") ;;
  *) quick+=("$package") ;;
  esac
done <<<"$packages"

others=(${slow[@]+"${slow[@]}"} ${quick[@]+"${quick[@]}"})

flags=(-timeout 30m -p 3)
if [ -n "${RUN:-}" ]; then flags+=(-run "$RUN"); fi

output=$(mktemp)
trap 'rm -f "$output"' EXIT
pid=
if [ ${#scenes[@]} -gt 0 ]; then
  set -m # a process group of its own, which an interrupt can end
  go test "${flags[@]}" "${scenes[@]}" >"$output" 2>&1 &
  pid=$!
  set +m
  trap 'kill -INT -- "-$pid" 2>/dev/null; exit 130' INT TERM
fi

status=0
if [ ${#others[@]} -gt 0 ]; then go test -race "${flags[@]}" "${others[@]}" || status=$?; fi
if [ "$*" = ./... ]; then go -C test/gitops test "${flags[@]}" ./... || status=$?; fi
if [ -n "$pid" ]; then
  wait "$pid" || status=$?
  cat "$output"
fi
exit "$status"

#!/usr/bin/env bash
# Prints one line: the directory that holds prometheus and promtool. Progress and errors go to stderr.
#
# In this order:
#   1. the directory of promtool on the PATH, if it has prometheus too (Debian: apt-get install prometheus)
#   2. the cache, ${XDG_CACHE_HOME:-~/.cache}/fituser-operator/prometheus-…
#   3. a build from the module pinned in hack/prometheus, into the cache
set -euo pipefail

hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

report() { echo "prometheus: $*" >&2; }

complete() { [ -x "$1/prometheus" ] && [ -x "$1/promtool" ]; }

lock() { # FILE: locks it until this script ends. macOS has no flock(1); perl has it on both systems
  exec 9>"$1"
  if command -v flock >/dev/null; then flock 9; else perl -MFcntl=:flock -e 'open F, ">&=9"; flock F, LOCK_EX'; fi
}

if tool=$(command -v promtool) && complete "$(dirname "$tool")"; then
  dirname "$tool"
  exit
fi

version=$(awk '$1 == "require" { print substr($3, 2) }' "$hack/prometheus/go.mod")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fituser-operator
assets=$cache/prometheus-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)

if ! complete "$assets"; then
  # The caller's build settings (cross-compiling, workspaces, -mod) do not apply to these tools.
  export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly GOOS='' GOARCH=''
  mkdir -p "$cache"
  lock "$assets.lock"
  if ! complete "$assets"; then # check again: another caller may have filled it meanwhile
    start=$SECONDS
    report "building prometheus and promtool $version from source, about 5 minutes on 2 cores, once"
    rm -rf "$assets.partial"
    # Without service discovery of cloud providers, which is most of the code and unused here.
    go -C "$hack/prometheus" build -trimpath -buildvcs=false -tags remove_all_sd -ldflags "-s -w" -o "$assets.partial/" \
      github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool
    rm -rf "$assets"
    mv "$assets.partial" "$assets"
    report "built in $((SECONDS - start)) s, kept in $assets"
  fi
fi
echo "$assets"

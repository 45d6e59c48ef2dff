#!/usr/bin/env bash
# Prints one line: the directory whose node_modules has @libsql/client and libsql, the vendor's client and engine. It needs
# node and npm. Progress and errors go to stderr.
#
# In this order:
#   1. the cache, ${XDG_CACHE_HOME:-~/.cache}/fituser-operator/libsql-client-…
#   2. npm, with the versions and checksums of hack/libsql-client/package-lock.json, into the cache
set -euo pipefail

hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

report() { echo "libsql-client: $*" >&2; }

lock() { # FILE: locks it until this script ends. macOS has no flock(1); perl has it on both systems
  exec 9>"$1"
  if command -v flock >/dev/null; then flock 9; else perl -MFcntl=:flock -e 'open F, ">&=9"; flock F, LOCK_EX'; fi
}

checksum=$(cksum <"$hack/libsql-client/package-lock.json" | cut -d' ' -f1)
version=$(sed -n 's/.*"@libsql\/client": "\([0-9.]*\)".*/\1/p' "$hack/libsql-client/package.json")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fituser-operator
assets=$cache/libsql-client-$version-$checksum

if ! [ -d "$assets/node_modules/@libsql/client" ]; then
  mkdir -p "$cache"
  lock "$assets.lock"
  if ! [ -d "$assets/node_modules/@libsql/client" ]; then # check again: another caller may have filled it meanwhile
    report "installing @libsql/client $version with npm, once"
    rm -rf "$assets.partial"
    mkdir "$assets.partial"
    cp "$hack/libsql-client/package.json" "$hack/libsql-client/package-lock.json" "$assets.partial/"
    # The engine is an optional package for each platform. No package has to run anything of its own.
    npm ci --prefix "$assets.partial" --ignore-scripts --no-audit --no-fund --silent >&2
    rm -rf "$assets"
    mv "$assets.partial" "$assets"
    report "kept in $assets"
  fi
fi
echo "$assets"

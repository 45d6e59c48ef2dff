#!/usr/bin/env bash
# Prints one line: the directory that holds etcd, kube-apiserver and kubectl. Progress and errors go to stderr.
#
# In this order:
#   1. $KUBEBUILDER_ASSETS, when set
#   2. the cache, ${XDG_CACHE_HOME:-~/.cache}/fituser-operator/controlplane-…
#   3. a download of the Kubernetes project's builds (setup-envtest), into the cache
#   4. a build from the modules pinned in hack/controlplane and hack/etcd, into the cache
set -euo pipefail

hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binaries=(etcd kube-apiserver kubectl)
index_timeout=20     # seconds for the list of downloads; short, to find out fast whether it can be reached
download_timeout=300 # seconds for the download itself, about 100 MB

report() { echo "controlplane: $*" >&2; }
die() {
  report "$*"
  exit 1
}

pinned() { # MODULE-DIRECTORY MODULE: its version in that go.mod, without the v
  awk -v module="$2" '$1 == "require" { $1 = ""; $0 = $0 } $1 == module { print substr($2, 2); exit }' "$hack/$1/go.mod"
}

missing_from() { # DIRECTORY: the binaries it lacks
  local name
  for name in "${binaries[@]}"; do
    [ -x "$1/$name" ] || printf '%s ' "$name"
  done
}

bounded() { # SECONDS COMMAND...: like timeout(1), which macOS lacks
  local left=$1 pid
  shift
  "$@" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$left" -eq 0 ]; then kill -9 "$pid" 2>/dev/null || true; fi
    left=$((left - 1))
    sleep 1
  done
  wait "$pid"
}

lock() { # FILE: locks it until this script ends. macOS has no flock(1); perl has it on both systems
  exec 9>"$1"
  if command -v flock >/dev/null; then flock 9; else perl -MFcntl=:flock -e 'open F, ">&=9"; flock F, LOCK_EX'; fi
}

cause() { # LOG: the innermost cause of its last error
  tail -n 1 "$1" | sed 's/.*: //'
}

download() { # DIRECTORY: fills its bin, or fails
  local dir=$1 tool=$1/setup-envtest series=${kubernetes%.*}.x log=$1/log from
  go -C "$hack/tools" build -o "$tool" sigs.k8s.io/controller-runtime/tools/setup-envtest || return 1
  report "looking for a download of Kubernetes $series (at most $index_timeout s)"
  if ! bounded "$index_timeout" "$tool" list "$series" --bin-dir "$dir/download" >"$log" 2>&1; then
    report "the downloads cannot be reached, building from source instead ($(cause "$log"))"
    return 1
  fi
  if ! from=$(bounded "$download_timeout" "$tool" use "$series" --bin-dir "$dir/download" -p path 2>"$log"); then
    report "the download failed, building from source instead ($(cause "$log"))"
    return 1
  fi
  mv "$from"/* "$dir/bin/"
}

build() { # DIRECTORY NAME VERSION MODULE-DIRECTORY PACKAGE HOW-LONG
  local start=$SECONDS
  report "building $2 $3 from source, $6 on 2 cores, once"
  go -C "$hack/$4" build -trimpath -buildvcs=false -o "$1/bin/$2" \
    -ldflags "-s -w $(version_stamp)" "$5" || die "building $2 $3 failed, see above; nothing was kept"
  report "built $2 in $((SECONDS - start)) s"
}

version_stamp() { # linker flags for the reported release; without them it is v0.0.0-master
  local minor=${kubernetes#*.} package=k8s.io/component-base/version
  echo "-X $package.gitVersion=v$kubernetes -X $package.gitMajor=${kubernetes%%.*} -X $package.gitMinor=${minor%%.*}"
}

build_all() { # DIRECTORY: fills its bin, or exits
  build "$1" etcd "$etcd" etcd . "about half a minute"
  build "$1" kube-apiserver "$kubernetes" controlplane k8s.io/kubernetes/cmd/kube-apiserver "about 5 minutes"
  build "$1" kubectl "$kubernetes" controlplane k8s.io/kubernetes/cmd/kubectl "about half a minute"
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  absent=$(missing_from "$KUBEBUILDER_ASSETS")
  [ -z "$absent" ] || die "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which lacks: $absent- unset it to download or build them"
  echo "$KUBEBUILDER_ASSETS"
  exit
fi

kubernetes=$(pinned controlplane k8s.io/kubernetes)
etcd=$(pinned etcd go.etcd.io/etcd/server/v3)
platform=$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fituser-operator
assets=$cache/controlplane-$kubernetes-$etcd-$platform

if [ -n "$(missing_from "$assets")" ]; then
  command -v go >/dev/null || die "Go is not on the PATH"
  # The caller's build settings (cross-compiling, workspaces, -mod) do not apply to these tools.
  export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly GOOS='' GOARCH=''
  mkdir -p "$cache"
  lock "$assets.lock"
  if [ -n "$(missing_from "$assets")" ]; then # check again: another caller may have filled it meanwhile
    staging=$assets.partial
    trap 'rm -rf "$staging"' EXIT
    rm -rf "$staging" "$assets"
    mkdir -p "$staging/bin"
    download "$staging" || build_all "$staging"
    absent=$(missing_from "$staging/bin")
    [ -z "$absent" ] || die "still missing: $absent"
    mv "$staging/bin" "$assets"
    report "kept in $assets"
  fi
fi
echo "$assets"

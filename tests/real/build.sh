#!/usr/bin/env bash
# Build the etcd and the kube-apiserver that tests/real runs, from their Go modules, once, and print the folder:
#
#     export KUBEBUILDER_ASSETS=$(tests/real/build.sh)
#
# Needs Go 1.26 and its module proxy: some ten minutes and 2.5 GB of Go's caches the first time on two cores. The
# binaries (150 MB) stay outside the tree, in ${XDG_CACHE_HOME:-~/.cache}/kubeprims/assets or $KUBEPRIMS_ASSETS.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
assets=${KUBEPRIMS_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/kubeprims/assets}

build() { # name of the binary and of the folder with its go.mod; package; further linker flags
  local name=$1 package=$2 flags=${3:-}
  [ -x "$assets/$name" ] && return
  if ! command -v go >/dev/null; then
    echo "build.sh: $assets/$name is not there, and there is no Go to build it with" >&2
    return 1
  fi
  echo "build.sh: building $name, this takes minutes" >&2
  # Renamed when it is whole: a build that was cut short leaves no binary that looks finished.
  (cd "$here/$name" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w $flags" \
    -o "$assets/$name.$$" "$package" >&2) || { rm -f "$assets/$name.$$"; return 1; }
  mv "$assets/$name.$$" "$assets/$name"
}

mkdir -p "$assets"
version=$(sed -n 's/^require k8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/kube-apiserver/go.mod")
[ -n "$version" ] || { echo "build.sh: kube-apiserver/go.mod names no version of k8s.io/kubernetes" >&2; exit 1; }
minor=${version#v1.}
minor=${minor%%.*}
stamp=k8s.io/component-base/version
build etcd go.etcd.io/etcd/server/v3
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver \
  "-X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$minor"
# client-go's candidates, which tests of leader election contend with: today's, and one that still has the old locks.
for modules in go.mod go-0.23.mod; do
  name=clientgo-candidate-${modules%.mod}
  [ -x "$assets/$name" ] && continue
  echo "build.sh: building $name" >&2
  (cd "$here/clientgo-candidate" && CGO_ENABLED=0 go build -modfile="$modules" -trimpath -buildvcs=false \
    -o "$assets/$name.$$" . >&2) || { rm -f "$assets/$name.$$"; echo "build.sh: no $name" >&2; continue; }
  mv "$assets/$name.$$" "$assets/$name"
done
echo "$assets"

#!/usr/bin/env bash
# Vets and tests the Go package and runs its examples against the libraries in LIBS_DIR: run.sh LIBS_DIR
set -euo pipefail
libs="$(cd "$1" && pwd)"
cd "$(dirname "$0")/../.."
root="$PWD"
export ASTER_VECTORS_DIR="${ASTER_VECTORS_DIR:-$root/../shared/vectors}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
# The path is in Go's build cache, so it has to last; the sum makes a new header count.
stage="$libs/stage"
bindings-c/stage.sh "$libs" "$stage"
CGO_CFLAGS="-O2 -g -DASTER_HEADER_SUM=$(cksum <include/aster.h | tr -d ' ')"
export CGO_CFLAGS
export PKG_CONFIG_PATH="$stage/lib/pkgconfig" LD_LIBRARY_PATH="$stage/lib" GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local
export ASTER_RELAY_MODE=disabled ASTER_BIND_ADDR=127.0.0.1:0

echo "-- go vet"
for module in bindings-c/go examples/go tests/go; do (cd "$module" && go vet ./...); done
echo "-- go test"
(cd tests/go && go test -count=1 -race -timeout 300s ./...)

echo "-- examples"
(cd examples/go && go build -o "$work/" ./hello_client ./hello_server)
coproc SERVER { timeout 60 "$work/hello_server"; }
input="${SERVER[1]}" pid="$SERVER_PID"
read -r -t 30 word address <&"${SERVER[0]}"
[ "$word" = address ]
greeting="$(timeout 60 "$work/hello_client" "$address")"
[ "$greeting" = "Hello, World!" ] || { echo "hello_client said: $greeting"; exit 1; }
exec {input}>&-
wait "$pid"
echo "examples: ok"

#!/usr/bin/env bash
# Puts the built library where the loader of @aster/rpc looks first in a source build, and compiles TypeScript.
set -euo pipefail
cd "$(dirname "$0")/.."
libs=${1:?usage: stage-node.sh LIBRARY_DIR}
mkdir -p ts/native
triple=$(node -p 'const glibc = process.report.getReport().header.glibcVersionRuntime;
  `${process.platform}-${process.arch}${process.platform === "linux" ? (glibc ? "-gnu" : "-musl") : ""}`')
# Replaced, not overwritten: a running process keeps the file it has mapped.
cp "$libs/libaster_node.so" ts/native/.aster.new
mv -f ts/native/.aster.new "ts/native/aster.$triple.node"
(cd ts && npm run --silent build:ts && npm run --silent build:examples)
echo "== node: @aster/rpc is ready in ts/"

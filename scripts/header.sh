#!/usr/bin/env bash
# Makes include/aster.h from bindings-c with the pinned cbindgen; --check compares with the committed one instead.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.29.4
TOOLS="${TOOLS_DIR:-$HOME/.cache/aster/tools}"
CBINDGEN="$TOOLS/bin/cbindgen"

if [ "$("$CBINDGEN" --version 2>/dev/null || true)" != "cbindgen $VERSION" ]; then
  echo "== installing cbindgen $VERSION into $TOOLS (about a minute)"
  # A target folder of its own: its dependencies must not disturb those of the workspace.
  CARGO_TARGET_DIR="$TOOLS/target" cargo install --quiet --locked cbindgen --version "$VERSION" --root "$TOOLS"
  rm -rf "$TOOLS/target"
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
version="$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)"
sed "s/@VERSION@/$version/" bindings-c/cbindgen.toml >"$work/cbindgen.toml"
"$CBINDGEN" bindings-c --config "$work/cbindgen.toml" --output "$work/aster.h" --quiet

if [ "${1:-}" = "--check" ]; then
  diff -u include/aster.h "$work/aster.h" || {
    echo "header: include/aster.h is not what bindings-c says; run scripts/header.sh"
    exit 1
  }
  echo "header: include/aster.h is up to date"
else
  mkdir -p include
  cp "$work/aster.h" include/aster.h
fi

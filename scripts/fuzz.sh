#!/usr/bin/env bash
# Runs every fuzz target for `fuzz.sh [SECONDS]` in all (default 30); fails on a crash, a hang or too much memory.
# `FUZZ_TARGETS="json"` takes some of them. Corpus, crashes and build output stay in the cache folder.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.13.2
SECONDS_TOTAL="${1:-30}"
TOOLS="${TOOLS_DIR:-$HOME/.cache/aster/tools}"
CACHE="${FUZZ_DIR:-$HOME/.cache/aster/fuzz}"
VECTORS="${ASTER_VECTORS_DIR:-$PWD/../shared/vectors}"
TARGETS="${FUZZ_TARGETS:-codec_decode type_definition json canonical rows config trust}"
export PATH="$TOOLS/bin:$PATH" CARGO_TARGET_DIR="$CACHE/target"

if [ "$("$TOOLS/bin/cargo-fuzz" --version 2>/dev/null || true)" != "cargo-fuzz $VERSION" ]; then
  echo "== installing cargo-fuzz $VERSION into $TOOLS (about a minute)"
  CARGO_TARGET_DIR="$TOOLS/target-fuzz" cargo install --quiet --locked --debug cargo-fuzz --version "$VERSION" --root "$TOOLS"
  rm -rf "$TOOLS/target-fuzz"
fi

# No sanitizer: core has no unsafe code, and coverage alone works on stable Rust.
echo "== building the fuzz targets"
cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml
cargo fuzz build --sanitizer none
python3 fuzz/seeds.py "$VECTORS" "$CACHE/seeds"

host="$(rustc -vV | sed -n 's/^host: //p')"
each=$((SECONDS_TOTAL / $(wc -w <<<"$TARGETS")))
for target in $TARGETS; do
  mkdir -p "$CACHE/corpus/$target" "$CACHE/crashes/$target"
  log="$CACHE/$target.log"
  if (
    # A peer's input must not use the stack; the fuzzer itself needs little.
    ulimit -s 1024
    exec "$CARGO_TARGET_DIR/$host/release/$target" -max_total_time="$((each > 0 ? each : 1))" -max_len=4096 \
      -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=1 \
      -artifact_prefix="$CACHE/crashes/$target/" "$CACHE/corpus/$target" "$CACHE/seeds/$target"
  ) >"$log" 2>&1; then
    runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    echo "fuzz: $target: $runs inputs in $each s"
  else
    tail -n 40 "$log"
    echo "fuzz: $target failed; the input is in $CACHE/crashes/$target, the log in $log"
    exit 1
  fi
done

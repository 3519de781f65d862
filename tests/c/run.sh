#!/usr/bin/env bash
# Builds and runs the C tests and examples against the libraries in LIBS_DIR: run.sh LIBS_DIR
set -euo pipefail
libs="$(cd "$1" && pwd)"
cd "$(dirname "$0")/../.."
root="$PWD"
vectors="${ASTER_VECTORS_DIR:-$root/../shared/vectors}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
unset "${!ASTER_@}"

stage="$libs/stage"
bindings-c/stage.sh "$libs" "$stage"
flags=(-Wall -Wextra -Wpedantic -Werror -I"$stage/include")
link=(-L"$stage/lib" -laster -Wl,-rpath,"$stage/lib" -lpthread)

echo "-- header: C99, C++11, exported symbols"
cc -std=c99 "${flags[@]}" tests/c/header.c "${link[@]}" -o "$work/header" && "$work/header"
c++ -std=c++11 -x c++ "${flags[@]}" tests/c/header.c "${link[@]}" -o "$work/header++" && "$work/header++"
nm -D --defined-only "$stage/lib/libaster.so" | sed -n 's/.* T //p' | sort >"$work/exported"
sed -n '/^static inline/!s/^[a-z].*[ *]\(aster_[a-z0-9_]*\)(.*/\1/p' include/aster.h | sort >"$work/declared"
diff "$work/declared" "$work/exported"
echo "header: ok, $(wc -l <"$work/exported") functions"

sanitize=(-g -fsanitize=address,undefined -fno-sanitize-recover=all)
echo "-- sanitizers are active"
cc "${sanitize[@]}" -x c - -o "$work/faulty" <<'END'
#include <stdlib.h>
int main(void) { return malloc(8) == NULL; }
END
if "$work/faulty" >/dev/null 2>&1; then
  echo "note: leaks are not detected here (LeakSanitizer cannot run); other faults are"
fi

python3 tests/c/vectors.py "$vectors" >"$work/vectors.inc"
python3 tests/c/codec_vectors.py "$vectors" >"$work/codec.txt"
python3 tests/c/trust_vectors.py "$vectors" >"$work/trust.txt"
build() { # NAME SOURCES...
  cc -std=c99 -D_POSIX_C_SOURCE=200809L "${flags[@]}" "${sanitize[@]}" -I"$work" -Itests/c "${@:2}" "${link[@]}" -o "$work/$1"
}
for name in vectors codec credential_vectors credentials values payloads misuse calls gate lifetimes fork; do
  sources=("tests/c/$name.c")
  case "$name" in vectors | codec | credential_vectors | credentials | values) ;; *) sources+=(tests/c/fixture.c) ;; esac
  build "$name" "${sources[@]}"
  timeout 120 "$work/$name" "$work/codec.txt" "$work/trust.txt"
done

echo "-- examples"
for name in hello_server hello_client credential gated; do build "$name" "examples/c/$name.c"; done
export ASTER_RELAY_MODE=disabled ASTER_BIND_ADDR=127.0.0.1:0
prints() { # EXPECTED PROGRAM
  said="$(timeout 60 "$work/$2")"
  [ "$said" = "$1" ] || { echo "$2 said: $said"; exit 1; }
}
prints $'valid\ninvalid' credential
prints $'denied\nadmitted: ops' gated
coproc SERVER { timeout 60 "$work/hello_server"; }
read -r -t 30 word address <&"${SERVER[0]}"
[ "$word" = address ]
greeting="$(timeout 60 "$work/hello_client" "$address")"
[ "$greeting" = "Hello, World!" ] || { echo "hello_client said: $greeting"; exit 1; }
if said="$(timeout 60 "$work/hello_client" "not an address" 2>&1)"; then exit 1; fi
[[ "$said" == ADDRESS:* ]] || { echo "hello_client said: $said"; exit 1; }
input="${SERVER[1]}"
pid="$SERVER_PID"
exec {input}>&-
wait "$pid"
echo "examples: ok"

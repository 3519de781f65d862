#!/usr/bin/env bash
# The main job on this machine: a Python server process, called by other processes in Python, Node and C.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:?usage: demo.sh STAGE_DIR}
export ASTER_RELAY_MODE=disabled ASTER_LOG_LEVEL=error

work=$(mktemp -d)
server=""
finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

echo "== starting the server: examples/python/hello_server.py"
.venv/bin/python examples/python/hello_server.py >"$work/out" &
server=$!
for _ in $(seq 200); do
  address=$(sed -n 's/^address //p' "$work/out")
  [ -n "$address" ] && break
  kill -0 "$server" || { echo "the server ended early"; exit 1; }
  read -rt 0.05 <> <(:) || true
done
[ -n "$address" ] || { echo "the server printed no address"; exit 1; }
echo "   it is process $server, and its address is its public key and where it listens:"
echo "   $address"

call() { # NAME COMMAND...
  local name=$1
  shift
  printf '== %-6s -> %s\n' "$name" "$*"
  local answer
  answer=$("$@")
  printf '   %s\n' "$answer"
  [ "$answer" = "Hello, World!" ] || { echo "unexpected answer"; exit 1; }
}
call Python .venv/bin/python examples/python/hello_client.py "$address"
call Node node examples/node/call-python.js "$address"
cc -Wall -Wextra -Werror -I"$stage/include" -o "$work/hello_client" examples/c/hello_client.c \
  -L"$stage/lib" -laster -Wl,-rpath,"$stage/lib"
call C "$work/hello_client" "$address"
echo "== done: three languages called one service over QUIC, each with its own key, without a network"

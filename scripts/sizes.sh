#!/usr/bin/env bash
# Fails if a hand-written source file is longer than 700 lines (guide: look for the second noun from 400 on).
set -euo pipefail
cd "$(dirname "$0")/.."
long=$(git ls-files --cached --others --exclude-standard -- '*.rs' '*.py' '*.ts' '*.c' '*.go' '*.sh' |
  grep -v '\.d\.ts$' | xargs -r wc -l | awk '$2 != "total" && $1 > 700 {print $1 " " $2}')
if [ -n "$long" ]; then
  echo "files over 700 lines:"
  echo "$long"
  exit 1
fi
echo "sizes: no file over 700 lines"

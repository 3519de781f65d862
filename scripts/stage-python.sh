#!/usr/bin/env bash
# Makes `import aster` in .venv mean this clone: the built library beside the package, and a path file.
set -euo pipefail
cd "$(dirname "$0")/.."
libs=${1:?usage: stage-python.sh LIBRARY_DIR}
# Replaced, not overwritten: a running process keeps the file it has mapped.
cp "$libs/libaster_python.so" python/aster/.aster.new
mv -f python/aster/.aster.new python/aster/_aster.abi3.so
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$PWD/python" > "$site/aster-checkout.pth"
# The command, as an installed package has it.
printf '#!%s\nimport sys\n\nfrom aster.cli import main\n\nsys.exit(main())\n' "$PWD/.venv/bin/python" > .venv/bin/aster
chmod +x .venv/bin/aster
.venv/bin/python -c 'import aster; print(f"== python: aster {aster.__version__} is ready in .venv")'

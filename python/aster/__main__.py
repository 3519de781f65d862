"""`python -m aster`: the command `aster`."""

from __future__ import annotations

import sys

from aster.cli import main

if __name__ == "__main__":
    sys.exit(main())

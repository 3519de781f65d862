"""Help for the tests of programs (`python-api.md` section 5)."""

from aster.testing.harness import AsterTestHarness

__all__ = ["AsterTestHarness"]

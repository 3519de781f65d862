"""The `aster` command."""

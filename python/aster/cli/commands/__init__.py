"""The command groups, a file each. A group becomes part of `aster` with its line in `aster.cli.frame.COMMANDS`."""

"""The projects that `aster init` writes: file names and their texts."""

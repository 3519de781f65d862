"""`aster init`: a project that runs (`cli.md` section 2)."""

from __future__ import annotations

import errno
from pathlib import Path

import click

import aster
from aster.cli import output
from aster.cli.frame import AsterCommand
from aster.cli.places import replace_text
from aster.cli.projects import agents, python, typescript
from aster.cli.settings import current

_PROJECTS = {"python": python.files, "typescript": typescript.files}


@click.command("init", cls=AsterCommand)
@click.option("--ai", is_flag=True, help=f"Add {agents.NAME} for coding agents, linked from {agents.AGENTS_FILE}.")
@click.option("--language", type=click.Choice(sorted(_PROJECTS)), default="python", show_default=True)
@click.option("--dir", "folder", metavar="D", type=click.Path(path_type=Path), default=Path(), help="Default: here.")
def init(ai: bool, language: str, folder: Path) -> None:
    """Write a service with its server and client. Files that are there are never overwritten."""
    files = _PROJECTS[language](aster.__version__)
    if ai:
        files[agents.NAME] = agents.TEXT
    for name in files:
        if (folder / name).exists():
            raise FileExistsError(errno.EEXIST, "exists", str(folder / name))
    for name, text in files.items():
        replace_text(folder / name, text)
    written = sorted(files)
    if ai and _link(folder / agents.AGENTS_FILE):
        written.append(agents.AGENTS_FILE)
    if current().json:
        output.result(output.compact({"files": [str(folder / name) for name in written]}))
        return
    for name in written:
        output.result(str(folder / name))
    output.note(f"{folder / 'README.md'} says how to run it")


def _link(path: Path) -> bool:
    """Make the file of all agents point to ours; what it says stays. False if it does so already."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if agents.NAME in text:
        return False
    replace_text(path, f"{text.rstrip()}\n\n{agents.LINK}" if text.strip() else agents.LINK)
    return True

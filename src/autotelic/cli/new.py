"""`autotelic new`: a working file to begin with. Not a part of the package that is written: those stand in `systems` and `worlds`."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Literal

import typer

from autotelic.errors import DataError, SettingError

NAME = re.compile("[a-z][a-z0-9_]*")


def new(
    kind: Annotated[Literal["system", "world"], typer.Argument(help="What to write: a recipe with a round that runs, or a world with a verifier.")],
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits and _, beginning with a letter.")],
    folder: Annotated[Path, typer.Option("--in", help="The folder that NAME.py is written into.")] = Path(),
) -> None:
    """Write NAME.py, a small system or world that works, to change into one's own."""
    path = write(kind, name, folder)
    print(f"wrote {path}: autotelic run {path}" if kind == "system" else f"wrote {path}: python {path}")


def write(kind: str, name: str, folder: Path) -> Path:
    """Write the skeleton of a system or world.

    Raises:
        SettingError: the name is no name of a module.
        DataError: there is no such folder, or the file exists.
    """
    if not NAME.fullmatch(name):
        raise SettingError(f"name = {name!r}: needs small letters, digits and _, beginning with a letter")
    path = folder / f"{name}.py"
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if path.exists():
        raise DataError(f"{path}: exists already")
    text = Template((files("autotelic.cli") / "skeletons" / f"{kind}.txt").read_text(encoding="utf-8"))
    path.write_text(text.substitute(name=name, cls="".join(map(str.capitalize, name.split("_")))), encoding="utf-8")
    return path

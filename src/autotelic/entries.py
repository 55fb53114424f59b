"""What comes from elsewhere: what other packages ship by entry points, known by name without being loaded, and a user's own files. Not what is shipped here."""

import importlib.util
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from autotelic.errors import DataError, SettingError


@cache
def points(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by name, in the order of their names."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def package(point: EntryPoint) -> str:
    """The package that ships an entry point."""
    return point.dist.name if point.dist else point.module


def load(group: str, name: str, what: str) -> Any:
    """The object of an entry point; `what` says what it should be, for the message.

    Raises:
        SettingError: it cannot be loaded.
    """
    point = points(group)[name]
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise SettingError(f"{what} {name!r}: the entry point {point.value!r} of {package(point)} cannot be loaded: {error}") from error


def file_module(name: str, word: str) -> ModuleType:
    """A user's file, loaded under a name with a prefix of its own: a recipe in random.py must not become the module `random`.

    Raises:
        DataError: no such file; `word` says what it should hold.
    """
    path = Path(name)
    if not path.is_file():
        raise DataError(f"{name}: no such {word} file")
    spec = importlib.util.spec_from_file_location(f"autotelic_{word}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

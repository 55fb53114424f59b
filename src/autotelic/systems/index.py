"""What systems and studies there are, read from `index.json`, so that lists and completion load no torch. `indexing` writes that file.

Other packages ship systems by entry points of the group `autotelic.systems`: the name of the system, and the class that declares it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path
from typing import Any

from autotelic.entries import package, points
from autotelic.errors import DataError
from autotelic.systems.about import About

PACKAGE = "autotelic.systems"
GROUP = "autotelic.systems"
"""The group of entry points by which other packages ship systems."""
DECLARING = ("recipe", "variations", "way")
"""Names of the modules that declare systems."""
RECIPES = DECLARING[:2]
"""Names of those that declare what runs in rounds."""
WAYS = DECLARING[2:]
"""Names of those that declare ways of answering."""
AGAIN = "python -m autotelic.systems.indexing"
"""What writes the index again."""


@dataclass(frozen=True, slots=True)
class System:
    """A system as it is listed."""

    about: About
    module: str
    """Where it is declared."""
    settings: Mapping[str, Any]
    """Of a variation: what differs from its recipe's defaults, by dotted names."""


@dataclass(frozen=True, slots=True)
class Studied:
    """A study as it is listed."""

    name: str
    module: str
    recipes: tuple[str, ...]
    """Names of the systems whose claim it tests."""
    catalogue: tuple[int, ...]
    """Ids of the catalogue rows that it is itself, as an analysis is."""
    outcome: str | None
    claim: str
    arms: tuple[str, ...]


@cache
def _index() -> dict[str, Any]:
    """The file as it is.

    Raises:
        DataError: it is missing or damaged, as after a merge.
    """
    try:
        found: dict[str, Any] = json.loads((files(PACKAGE) / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"the index of systems cannot be read: {error}; {AGAIN}") from error
    return found


def systems() -> dict[str, System]:
    """Every system by name: the shipped ones, then those of other packages, of which no more is known than the name until they are loaded."""
    return shipped() | {name: elsewhere(point) for name, point in foreign().items()}


@cache
def shipped() -> dict[str, System]:
    """Every system of this package by name."""
    return {row["name"]: system(row) for row in _index()["systems"]}


def system(row: Mapping[str, Any]) -> System:
    """A row of the index."""
    about = {key: value for key, value in row.items() if key not in ("module", "settings")}
    return System(About(**{**about, "catalogue": tuple(about.get("catalogue", ()))}), row["module"], row.get("settings", {}))


def elsewhere(point: EntryPoint) -> System:
    """What is known of a system of another package."""
    return System(About(point.name, point.name, "", "other", f"A system of the package {package(point)}."), point.module, {})


def foreign() -> dict[str, EntryPoint]:
    """The entry points of other packages, by the name of the system. A name that is shipped here is this package's."""
    return {name: point for name, point in points(GROUP).items() if name not in shipped()}


@cache
def studies() -> dict[str, Studied]:
    """Every study by name."""
    rows = _index()["studies"]
    return {row["name"]: Studied(**{**row, **{key: tuple(row[key]) for key in ("recipes", "catalogue", "arms")}}) for row in rows}


def unlisted() -> list[str]:
    """Modules of this checkout that declare systems or studies and that the index does not name: they were written after it."""
    known = {one.module for one in shipped().values()} | {one.module for one in studies().values()}
    return sorted(set(modules()) - known)


def modules() -> list[str]:
    """The modules of this package that declare systems and studies, from the names of its files."""
    root = Path(str(files(PACKAGE)))
    found = [path.relative_to(root).with_suffix("") for path in root.glob("*/*/*.py")]
    return sorted(".".join((PACKAGE, *path.parts)) for path in found if path.name in DECLARING or studies_in(path.name))


def studies_in(stem: str) -> bool:
    """Whether a file of this name, without its suffix, declares a study."""
    return stem == "study" or stem.startswith("study_")


def complaint() -> str:
    """One line about modules that the index does not name; nothing where it names all."""
    return f"not in the index, and so not listed: {', '.join(found)} ({AGAIN})" if (found := unlisted()) else ""

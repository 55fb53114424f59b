"""Writes `index.json`, from which systems and studies are listed: `python -m autotelic.systems.indexing`, or `--check` to only compare.

Loads every module that declares one. Not what reads the index: that is `index`.
"""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from autotelic.systems import index
from autotelic.systems.about import About
from autotelic.systems.study import Study

FILE = Path(__file__).with_name("index.json")


def text() -> str:
    """The whole index, a line for every system and study, so that changes are easy to read and to merge."""
    rows = [row for module in index.modules() for row in found(module)]
    systems = sorted((row for row in rows if "kind" in row), key=lambda row: row["name"])
    studies = sorted((row for row in rows if "kind" not in row), key=lambda row: row["name"])
    return f'{{"systems": [\n{lines(systems)}\n], "studies": [\n{lines(studies)}\n]}}\n'


def lines(rows: list[dict[str, Any]]) -> str:
    """Rows, one a line."""
    return ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def found(module: str) -> Iterator[dict[str, Any]]:
    """The rows of a module."""
    loaded = importlib.import_module(module)
    if index.studies_in(module.rpartition(".")[2]):
        yield study_row(module, loaded.STUDY)
        return
    for cls in declared(loaded):
        yield system_row(cls)


def declared(module: object) -> list[type[Any]]:
    """The classes that a module itself declares as systems, of whatever kind."""
    own = [value for value in vars(module).values() if isinstance(value, type) and isinstance(vars(value).get("about"), About)]
    return [cls for cls in own if cls.__module__ == getattr(module, "__name__", None)]


def system_row(cls: type[Any]) -> dict[str, Any]:
    """A system: what it says of itself, where that is not the default, its module, and of a variation the settings that differ."""
    about: About = cls.about
    row: dict[str, Any] = {"name": about.name, "kind": about.kind, "module": cls.__module__}
    for field in fields(About):
        value = getattr(about, field.name)
        if field.name not in row and (field.default is MISSING or value != field.default):
            row[field.name] = value
    return row | ({"settings": differing(cls)} if about.kind == "variation" else {})


def differing(cls: type[Any]) -> dict[str, Any]:
    """Settings of a variation that differ from those of the class it varies, by dotted names."""
    own, above = (dict(flat(kind().model_dump(mode="json"))) for kind in cls.__mro__[:2])
    return {name: value for name, value in own.items() if name not in above or above[name] != value}


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted names."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def study_row(module: str, study: Study) -> dict[str, Any]:
    """A study as it is listed."""
    return {
        "name": study.system, "module": module, "recipes": study.recipes, "catalogue": study.catalogue, "outcome": study.outcome,
        "claim": study.claim, "arms": list(study.arms),
    }  # fmt: skip


def main() -> int:
    """Write the index, or compare; 1 where it is not as it would be written."""
    wanted, there = text(), FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    if wanted == there:
        return 0
    if "--check" in sys.argv:
        print(f"{FILE.name} is not up to date: {index.AGAIN}")
        return 1
    FILE.write_text(wanted, encoding="utf-8")
    print(f"wrote {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The lists of `autotelic recipes`, `systems`, `base` and others, and the names that a shell completes: what is here, as data, so that no torch is
loaded."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from autotelic.systems import index

AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]
Query = Annotated[list[str] | None, typer.Argument(help="Words that id, name, title, family, kind, state or names hold.", show_default=False)]


def recipes(as_json: AsJson = False) -> None:
    """The recipes that are here, and their variations."""
    from autotelic.studies.registry import outcome_of

    rows = []
    for one in runnable():
        shown = outcome_of(one.about.name)
        rows.append(asdict(one.about) | {"replicated": "yes" if shown == "replicated" else shown, "settings": one.settings})
    tell(rows, as_json, recipe_text)


def recipe_text(row: dict[str, Any]) -> str:
    """A recipe in two lines, a variation in three."""
    settings = " ".join(f"{key}={json.dumps(value)}" for key, value in row["settings"].items())
    varies = f"\n    varies {row['of']}: {settings or 'one step'}" if row["of"] else ""
    return f"{row['name']:22} {row['family']:16} {', '.join(filter(None, (row['system'], row['paper'])))}\n    {row['line']}{varies}"


def ways(as_json: AsJson = False) -> None:
    """The ways of answering that are here."""
    tell([asdict(one.about) for one in answering()], as_json, way_text)


def way_text(row: dict[str, Any]) -> str:
    """A way in two lines."""
    return f"{row['name']:22} {row['family']:16} {', '.join(filter(None, (row['system'], row['paper'])))}\n    {row['line']}"


def systems(query: Query = None, as_json: AsJson = False) -> None:
    """The catalogue of published systems, and which of them are here."""
    from autotelic.studies.catalogue import search

    tell([asdict(one) for one in search(" ".join(query or []))], as_json, system_text)


def system_text(row: dict[str, Any]) -> str:
    """A row of the catalogue in two lines."""
    here = f": {row['kind']} {', '.join(row['names'])}" if row["names"] else ""
    return f"{row['id']:3} {row['state']:10} {row['system']} ({row['family']}){here}\n    {row['title']}"


def bases(as_json: bool) -> None:
    """The base models: where each is, its size, how long it takes to make, what it can do."""
    from autotelic.bases.places import known

    tell(map(base_row, known()), as_json, base_text)


def base_row(name: str) -> dict[str, Any]:
    """What is known of a base; of one that another package adds, only where it is, and of one that is nowhere yet all but that."""
    from autotelic.bases.places import place
    from autotelic.bases.records import differs, folder_bytes, records
    from autotelic.bases.specs import BASES

    found, spec, record = place(name), BASES.get(name), records().get(name)
    return {
        "name": name,
        "where": found.where if found else None,
        "folder": str(found.folder) if found else None,
        "bytes": folder_bytes(found.folder) if found else record.bytes if record else None,
        "seconds": record.seconds if record else None,
        "as_measured": not differs(name, found.folder) if found and record else None,
        "tasks": spec.tasks if spec else None,
        "note": spec.note if spec else "",
    }


def base_text(row: dict[str, Any]) -> str:
    """A base in one line."""
    where = (row["where"] or "to be made") + (", other weights" if row["as_measured"] is False else "")
    seconds = "" if row["seconds"] is None else f"{row['seconds']} s to make"
    return f"{row['name']:20} {where:15} {(row['bytes'] or 0) / 1e6:.1f} MB  {seconds:13}  {row['note']}"


def studies() -> None:
    """The studies: whether each has been run, its claim, its arms."""
    rows = [asdict(one) for one in index.studies().values()]
    tell(rows, False, lambda row: f"{row['name']:22} {row['outcome'] or 'not run':10} {row['claim']}\n    arms: {'; '.join(row['arms'])}")


def tell(rows: Iterable[dict[str, Any]], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    """Print rows as JSON or as text; what a checkout holds beside them is said on the other stream."""
    if complaint := index.complaint():
        print(complaint, file=sys.stderr)
    print(json.dumps(list(rows), indent=2, ensure_ascii=False) if as_json else "\n".join(map(text, rows)))


def runnable() -> list[index.System]:
    """Systems that `autotelic run` takes."""
    return [one for one in index.systems().values() if one.about.kind in ("recipe", "variation")]


def answering() -> list[index.System]:
    """Systems that `autotelic eval --way` takes."""
    return [one for one in index.systems().values() if one.about.kind == "way"]


def way_names(incomplete: str) -> list[tuple[str, str]]:
    """Names of ways for a shell to complete, each with what it does."""
    return [(one.about.name, one.about.line) for one in answering() if one.about.name.startswith(incomplete)]


def recipe_names(incomplete: str) -> list[tuple[str, str]]:
    """Names of recipes for a shell to complete, each with what it does."""
    return [(one.about.name, one.about.line) for one in runnable() if one.about.name.startswith(incomplete)]


def base_names(incomplete: str) -> list[tuple[str, str]]:
    """Names of bases for a shell to complete, each with what it can do."""
    from autotelic.bases.specs import BASES

    return [(spec.name, spec.note) for spec in BASES.values() if spec.name.startswith(incomplete)]


def study_names(incomplete: str) -> list[tuple[str, str]]:
    """Names of studies for a shell to complete, each with its claim."""
    return [(one.name, one.claim) for one in index.studies().values() if one.name.startswith(incomplete)]

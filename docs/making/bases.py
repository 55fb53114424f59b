"""The table of base models: which the wheel holds, how large each is, how long it takes to make, what it can do."""

import tomllib
from pathlib import Path

from autotelic.bases.records import records
from autotelic.bases.specs import BASES
from making.systems import rows

ROOT = Path(__file__).resolve().parents[2]


def table(_: str) -> str:
    """One row a base, in the order of the specs."""
    kept = in_wheel()
    heads = "base|in the wheel|size|time of one core to make it|what it can do"
    found = ([f"`{name}`", "yes" if name in kept else "", *measured(name), spec.note] for name, spec in BASES.items())
    return "\n".join(rows(heads, found)) + "\n"


def measured(name: str) -> tuple[str, str]:
    """Size and time."""
    record = records()[name]
    return f"{record.bytes / 1e6:.1f} MB", f"{record.seconds} s"


def in_wheel() -> set[str]:
    """The bases that the wheel of the package holds: those that are excepted from what it leaves out."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    place = "!src/autotelic/bases/shipped/"
    return {pattern.removeprefix(place) for pattern in build["targets"]["wheel"]["exclude"] if pattern.startswith(place)}

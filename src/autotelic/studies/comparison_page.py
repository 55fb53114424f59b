"""The page of a comparison: one self-contained HTML file without scripts or network, made of its rows. Names and errors are escaped."""

import os
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from autotelic.runs.disk import explained
from autotelic.runs.plots import Series, line_chart
from autotelic.studies.contest import Contest
from autotelic.studies.figures import COLORS
from autotelic.studies.pairs import BASE, VOTE, Pair, as_json, curve, judged, lines, pairs, sides
from autotelic.studies.results import Row

SIZE, SMALL = (660, 340), (300, 170)
"""Of one chart of all arms, and of one chart an arm, in pixels."""


def write_page(contest: Contest, rows: Sequence[Row], machine: dict[str, Any], target: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        AutotelicError: it cannot be written.
    """
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    with explained(target):
        draft.write_text(page(contest, rows, machine), encoding="utf-8", errors="backslashreplace")
        draft.replace(target)


def page(contest: Contest, rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """The page of a comparison."""
    loader = ChoiceLoader([PackageLoader("autotelic.studies"), PackageLoader("autotelic.runs")])
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    first, drawn, found = next(iter(contest.arms.values())), series(contest, rows), pairs(contest, rows)
    together = drawn if len(contest.arms) <= COLORS else [one for one in drawn if one.name not in contest.compared]
    return environment.get_template("comparison.html").render(
        title=f"{contest.system} on {first['tasks']}, from {first['model']}",
        found=as_json(contest, rows),
        budget=str(contest.limit),
        seeds=len({row.seed for row in rows}),
        chart=chart(contest, together),
        legend=[(one.name, one.color + " dashed" * one.dashed) for one in together],
        small=[] if together is drawn else singly(contest, rows, drawn),
        columns=(columns := beside(contest, rows)),
        matrix=matrix(contest, found, columns),
        rows=rows,
        machine=", ".join(f"{name} {value}" for name, value in machine.items()),
        number=number,
        chance=chance,
    )


def beside(contest: Contest, rows: Sequence[Row]) -> list[str]:
    """All sides of pairs, the best arm first, the base at the end."""
    known = sides(contest, rows)
    return [line.arm for line in lines(contest, rows) if line.arm in known] + [name for name in (BASE, VOTE) if name in known]


def matrix(contest: Contest, found: Sequence[Pair], columns: Sequence[str]) -> list[tuple[str, list[tuple[float | None, str, str]]]]:
    """By method how far it is from every side: the difference, what is told, and the words; None where there is no pair."""
    known: dict[tuple[str, str], tuple[float, str, str]]
    known = {(pair.first, pair.second): (pair.found.difference, pair.told, pair.sentence(judged(found))) for pair in found}
    known |= {(b, a): (-gap, {"above": "below", "below": "above"}.get(told, told), words) for (a, b), (gap, told, words) in known.items()}
    return [(arm, [known.get((arm, column), (None, "", "")) for column in columns]) for arm in columns if arm in contest.compared]


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """As the page shows it; nothing where it is not known."""
    return "" if value is None or not isfinite(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def chance(p: float | None) -> str:
    """A p-value as the page shows it."""
    return "" if p is None else "<0.0001" if p < 1e-4 else f"{p:.2g}"


def series(contest: Contest, rows: Sequence[Row]) -> list[Series]:
    """The lines of the chart: the arms, and the base as it was and as it votes."""
    found, limit, known = [], contest.limit.amount, sides(contest, rows)
    for place, arm in enumerate(contest.arms):
        if points := curve(contest, rows, arm):
            used, mean, low, high = zip(*points, strict=True)
            found.append(Series(arm, used, mean, low, high, color=f"c{1 + place % COLORS}", dashed=arm in contest.controls))
    return found + [Series(name, [0, limit], [known[name].mean] * 2, color="c0", dashed=name == VOTE) for name in (BASE, VOTE) if name in known]


def singly(contest: Contest, rows: Sequence[Row], drawn: Sequence[Series]) -> list[tuple[str, Markup]]:
    """A chart for every method, the best first, each beside the base and its vote, all of one height."""
    lines_of, top = {one.name: one for one in drawn}, max(max(one.high or one.ys) for one in drawn)
    base = [lines_of[name] for name in (BASE, VOTE) if name in lines_of]
    methods = [name for name in beside(contest, rows) if name in contest.compared]
    return [
        (name, chart(contest, [replace(lines_of[name], color="c1"), *base], size=SMALL, kind="chart small", y_range=(0, top * 1.05)))
        for name in methods
        if name in lines_of
    ]


def chart(
    contest: Contest, drawn: Sequence[Series], *, size: tuple[int, int] = SIZE, kind: str = "chart wide", y_range: tuple[float, float] | None = None
) -> Markup:
    """Accuracy against what was used."""
    limit = contest.limit
    unit = "seconds" if limit.unit == "seconds" else f"tokens {limit.unit}" if limit.unit != "passes" else "passes"
    x_range = (0, limit.amount)
    return line_chart(
        drawn,
        name="Accuracy against the budget",
        x_label=unit,
        y_label="accuracy" if size is SIZE else "",
        x_range=x_range,
        y_range=y_range,
        size=size,
        kind=kind,
    )

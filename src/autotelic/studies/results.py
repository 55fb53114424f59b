"""What the runs of a study left: one row a run, files of rows, arms compared over seeds, tables. It reads and counts, and runs nothing."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import isnan, nan
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from autotelic.errors import DataError, nearest
from autotelic.measures.stats import Interval, excludes_zero, t_interval
from autotelic.systems.study import Comparison, Move, Study

FAILED, MEASURED = "failed", "measured"
Said = Literal["yes", "no", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run, or one trial, whose verdict is "measured". A failed one has the verdict "failed", an `error`, and no values."""

    arm: str
    seed: int
    verdict: str
    seconds: float
    """Wall time of the whole run, its start included."""
    command: str
    """The command that makes the same run; of a trial, what follows `python -m`."""
    settings: str | None = None
    """The digest of all its settings but the seed; None in older files."""
    rounds: int = 0
    first: dict[str, float] = field(default_factory=dict)
    """Metrics of the first probe, by the name they have in the history."""
    last: dict[str, float] = field(default_factory=dict)
    proxy: list[float] | None = None
    """First and last value of the metric that the recipe optimizes."""
    history: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """(round, value) of every quantity of the study, in all rounds that have it."""
    tasks: str | None = None
    """The digest of the held-out tasks that were asked, where outcomes are kept."""
    outcomes: dict[str, list[float]] = field(default_factory=dict)
    """What came out of each of these tasks, in one order for all rows; `by_task` has the names."""
    error: str | None = None
    """Why the run failed, or ended before its last round."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One quantity of one arm over seeds."""

    arm: str
    quantity: str
    seeds: int
    first: float
    """Mean over seeds of the first value."""
    last: float
    change: Interval
    """95% t interval of last minus first."""
    control: str | None
    difference: float
    """Mean over the seeds that both have of the last value minus the control's; NaN without a control."""
    interval: Interval
    """95% t interval of that difference."""
    said: Said | None
    """Whether it moves as the paper says; None where the study claims nothing of it."""


def read(path: Path, study: Comparison) -> list[Row]:
    """The rows of a file of results.

    Raises:
        DataError: no such file, not of this study, or a row of an arm that the study does not have.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**row) for row in data["rows"]]
        system = data["system"]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, TypeError, KeyError) as error:
        raise DataError(f"{path}: cannot be read as results of a study: {error}") from error
    if system != study.system:
        raise DataError(f"{path}: results of {system!r}, not of {study.system!r}")
    for number, row in enumerate(rows, 1):
        if row.arm not in study.arms:
            raise DataError(f"{path}: row {number}: no arm {row.arm!r}; {nearest(row.arm, study.arms)}")
    return rows


def write(path: Path, study: Comparison, rows: Iterable[Row], machine: dict[str, Any]) -> None:
    """Write a file of results, one line a row, ordered by seed and arm; whole or not at all."""
    order = list(study.arms)
    lines = [json.dumps(plain(row)) for row in sorted(rows, key=lambda row: (row.seed, order.index(row.arm)))]
    head = json.dumps({**study.facts(), "machine": machine}).removesuffix("}")
    text = f'{head}, "rows": [\n' + ",\n".join(lines) + "\n]}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def plain(row: Row) -> dict[str, Any]:
    """What a file keeps of a row: numbers to six digits, and nothing for what is not there."""
    return {name: rounded(value) for name, value in asdict(row).items() if value not in (None, {}, [])}


def rounded(value: Any) -> Any:
    """Floats inside `value` to six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def ends(row: Row, quantity: str) -> tuple[float, float] | None:
    """First and last value of a quantity in a run; None where it has none."""
    history = row.history.get(quantity)
    return (history[0][1], history[-1][1]) if history else None


def compare(study: Study, rows: Sequence[Row], arm: str, quantity: str) -> Moved | None:
    """One quantity of one arm beside its control; None where no run has it."""
    values = by_seed(rows, arm, quantity)
    if not values:
        return None
    firsts, lasts = [first for first, _ in values.values()], [last for _, last in values.values()]
    change = t_interval([last - first for first, last in values.values()])
    control = study.control_of(arm)
    others = by_seed(rows, control, quantity) if control else {}
    gaps = [values[seed][1] - others[seed][1] for seed in values.keys() & others.keys()]
    interval, move = t_interval(gaps), study.quantities[quantity]
    said = None if move == "shown" or arm != study.main else says(move, change, interval)
    return Moved(arm, quantity, len(values), fmean(firsts), fmean(lasts), change, control, fmean(gaps) if gaps else nan, interval, said)


def by_seed(rows: Iterable[Row], arm: str, quantity: str) -> dict[int, tuple[float, float]]:
    """First and last value of a quantity by seed."""
    found = {row.seed: ends(row, quantity) for row in rows if row.arm == arm}
    return {seed: values for seed, values in sorted(found.items()) if values is not None}


def says(move: Move, change: Interval, difference: Interval) -> Said:
    """Whether a quantity moved as claimed: "yes" where every interval that the claim is about excludes zero on its side, "no" where one
    excludes it on the other side, else "unclear". "up" and "down" are about both intervals, "above" and "below" about the difference."""
    sign = 1 if move in ("up", "above") else -1
    sides = [sign * excludes_zero(interval) for interval in ((change, difference) if move in ("up", "down") else (difference,))]
    return "no" if -1 in sides else "yes" if all(side == 1 for side in sides) else "unclear"


def comparisons(study: Study, rows: Sequence[Row]) -> list[Moved]:
    """All arms, all quantities, in the order in which the study names them."""
    found = (compare(study, rows, arm, quantity) for arm in study.arms for quantity in study.quantities)
    return [one for one in found if one is not None]


def table(study: Study, rows: Sequence[Row]) -> str:
    """A Markdown table, padded so that it can be read as it is: a line for every arm and quantity; columns without an entry are left out."""
    cells = [["arm", "quantity", "first to last", "change", "minus control", "verdicts", "seconds"]]
    found = comparisons(study, rows)
    for arm in study.arms:
        mine = [row for row in rows if row.arm == arm]
        if not mine:
            continue
        runs = [tally([row.verdict for row in mine]), f"{fmean(row.seconds for row in mine):.0f}"]
        lines = [one for one in found if one.arm == arm]
        cells += [[arm, *line(one), *runs] if number == 0 else ["", *line(one), "", ""] for number, one in enumerate(lines)]
        cells += [] if lines else [[arm, "", "", "", "", *runs]]
    kept = [column for column in range(len(cells[0])) if any(row[column] for row in cells[1:])] or [0]
    cells = [[row[column] for column in kept] for row in cells]
    widths = [max(len(row[column]) for row in cells) for column in range(len(kept))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]])


def line(one: Moved) -> list[str]:
    """The numbers of a comparison as a table shows them."""
    gap = "" if isnan(one.difference) else f"{number(one.difference, sign=True)} {between(one.interval)}"
    return [one.quantity.removeprefix("probe/"), f"{number(one.first)} to {number(one.last)}", between(one.change), gap]


def number(value: float, *, sign: bool = False) -> str:
    """Two decimals, more for small values, none for large ones."""
    size = abs(value)
    digits = 0 if size >= 100 else 2 if size >= 0.1 or size < 5e-5 else 3 if size >= 0.01 else 4
    return f"{value:{'+' if sign else ''}.{digits}f}"


def between(interval: Interval) -> str:
    """An interval in brackets; nothing where there are too few seeds for one."""
    return "" if isnan(interval.low) else f"({number(interval.low, sign=True)} to {number(interval.high, sign=True)})"


def tally(verdicts: Sequence[str]) -> str:
    """ "3 improved", "2 unchanged, 1 hacked"."""
    return ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))


def words(study: Study, rows: Sequence[Row]) -> list[str]:
    """One sentence for every quantity that the paper says something of, and one for every failed run."""
    said = [
        f"{one.quantity} {PHRASES[study.quantities[one.quantity]].format(control=one.control)}, as the paper says: {one.said}"
        for one in comparisons(study, rows)
        if one.said
    ]
    return said + [f"{row.arm}, seed {row.seed}: {row.error}" for row in rows if row.error]


PHRASES: dict[Move, str] = {
    "up": "rises, and ends above that of {control!r}",
    "down": "falls, and ends below that of {control!r}",
    "above": "ends above that of {control!r}",
    "below": "ends below that of {control!r}",
}

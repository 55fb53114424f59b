"""A report on ways of answering for people: lines of text, made of the plain values that `runs.ways` gives."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from autotelic.runs.evaluating import heading
from autotelic.runs.way_answers import EQUAL_PASSES

SHOWN = {"majority": "majority@{:.3g}", "best-of-n": "best-of-{:.3g}", "pass@n": "pass@{:.3g}", EQUAL_PASSES: "majority@{:.3g}, equal passes"}
"""Points on plain curves, by their number of samples, as they are told."""


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """The numbers for people."""
    plain, greedy = found["plain"], found["plain"]["greedy"]
    yield heading(found)
    yield f"greedy {greedy['accuracy']:.3f} [{greedy['low']:.3f}, {greedy['high']:.3f}] at {greedy['tokens']:.0f} tokens a task"
    drawn = f"{plain['samples']} samples a task at temperature {found['sampling']['temperature']:g}, of {plain['tokens']:.0f} tokens"
    yield f"majority of {', '.join(f'{n}: {value:.3f}' for n, value in plain['majority'].items())}, from {drawn}"
    for one in found["ways"]:
        yield ""
        yield from way_lines(one, plain)


def way_lines(one: Mapping[str, Any], plain: Mapping[str, Any]) -> Iterator[str]:
    """A way for people: what it is worth, beside what, at what cost."""
    yield headline(one)
    trained = f", {one['trained']:.0f} trained on" if one["trained"] else ""
    spent = f"{one['tokens']:.1f} tokens sampled and {one['read']:.0f} read{trained} in {one['completions']:.1f} completions a task"
    yield f"  {one['accuracy']:.3f} [{one['low']:.3f}, {one['high']:.3f}], {spent}"
    if "by_turn" in one:
        flips = f"wrong to right {one['wrong_to_right']}, right to wrong {one['right_to_wrong']}; any answer so far {one['any_so_far']:.3f}"
        yield f"  by turn {', '.join(f'{value:.3f}' for value in one['by_turn'])}; {flips}"
    yield from beside_lines(
        {**{shown_against(row): row for row in one["comparisons"]}, **{f"itself, {row['against']}": row for row in one["ablations"]}}
    )
    if one["counted"]:
        yield "  counted: " + ", ".join(f"{name} {value:g}" for name, value in one["counted"].items())
    if (needed := ceil(one["tokens"] / plain["tokens"] - 1e-9)) > plain["samples"]:
        yield f"  it costs as much as {needed} samples, and is beside all {plain['samples']} that there are; say --samples {needed}"


def headline(one: Mapping[str, Any]) -> str:
    """What a way does beside plain answers, and beside itself without what it lives by."""
    beside = "an oracle's choice of plain samples" if one["oracle"] else "the best plain answers at no more tokens"
    without = "".join(f"; {row['word']} beside itself, {row['against']}" for row in one["ablations"])
    return f"{one['way']}: {one['word']} beside {shown_against(one['comparisons'][0])}, {beside}{without}"


def beside_lines(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A table of what a way is compared with, by name."""
    width = max(map(len, rows))
    yield f"  {'beside':{width}} {'accuracy':>8} {'tokens':>7}  {'difference':>10}  {'95% interval':18} {'p':>7}"
    for name, row in rows.items():
        interval = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        yield f"  {name:{width}} {row['accuracy']:8.3f} {row['tokens']:7.1f}  {row['difference']:+10.3f}  {interval:18} {row['p']:7.4f}  {row['word']}"


def shown_against(row: Mapping[str, Any]) -> str:
    """What a way is compared with: a point on a plain curve by its number of samples."""
    against = str(row["against"])
    return SHOWN.get(against, against).format(row["samples"])

"""A comparison at an equal budget from arms to files: `results.json`, `comparison.json` and `comparison.html` in one folder."""

from collections.abc import Callable
from pathlib import Path

from autotelic.jsonfiles import read_json, write_json
from autotelic.runs.disk import explained
from autotelic.studies.comparison_page import write_page
from autotelic.studies.contest import Contest, read_contest
from autotelic.studies.pairs import as_json, headline, judged, pairs, table, warnings
from autotelic.studies.results import Row, read
from autotelic.studies.running import run_arms, say_at_once

RESULTS, PAGE, WORDS = "results.json", "comparison.html", "comparison.json"


def compare(contest: Contest, *, seeds: int, workers: int, out: Path, say: Callable[[str], None] = say_at_once) -> list[Row]:
    """Run the arms, `workers` at a time, and write what came out into the folder `out`. What is there already is not run again.

    Raises:
        DataError: `out` holds results of another comparison, or cannot be read.
        AutotelicError: it cannot be written, or another process works on it.
    """
    rows = run_arms(contest, [], seeds=seeds, workers=workers, out=out / RESULTS, say=say)
    write_all(contest, rows, out)
    return rows


def write_all(contest: Contest, rows: list[Row], out: Path) -> None:
    """The page and the JSON of results that are in a folder."""
    with explained(out):
        write_json(out / WORDS, as_json(contest, rows))
    write_page(contest, rows, read_json(out / RESULTS).get("machine", {}), out / PAGE)


def read_all(out: Path) -> tuple[Contest, list[Row]]:
    """What stands in the folder of a comparison, finished or not.

    Raises:
        DataError: nothing that can be read.
    """
    contest = read_contest(out / RESULTS)
    return contest, read(out / RESULTS, contest)


MOST = 30
"""Of more pairs than these a terminal shows those alone that are told apart."""


def told(contest: Contest, rows: list[Row]) -> str:
    """What a terminal shows: the table, what a reader should know, and in words every pair that has enough seeds, or of many those that are told apart."""
    found = pairs(contest, rows)
    known = [pair for pair in found if pair.told != "not compared"]
    shown = known if len(known) <= MOST else [pair for pair in known if pair.told != "not told apart"]
    more = [f"{len(known) - len(shown)} other pairs are not told apart; the page has their intervals."] if len(shown) < len(known) else []
    lines = [*warnings(contest, rows), *(pair.sentence(judged(found)) for pair in shown), *more]
    return "\n".join([table(contest, rows), "", headline(contest, found), "", *(f"- {line}" for line in lines)])

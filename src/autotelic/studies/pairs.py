"""What a comparison at an equal budget says: for every arm what it came to, for every pair of arms which is better, in words. It reads rows and runs nothing.

Pairs are compared on the same held-out tasks over all seeds (`measures.crossed`), and judged after Holm's correction for their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan
from statistics import fmean
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autotelic.measures.budget import POINTS, USED
from autotelic.measures.crossed import LEAST, Crossed, crossed
from autotelic.measures.stats import LEVEL, excludes_zero, holm
from autotelic.studies.contest import RANDOM, Contest
from autotelic.studies.results import Row, rounded, tally

BASE, VOTE = "the base", "the base's majority vote"
"""What is compared with the arms beside them: the first weights, and the most frequent of their sampled answers."""
Told = Literal["above", "below", "not told apart", "not compared"]
OVER = 1.25
"""A run that used so much more than its budget is told of: its rounds are long."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What one side of a pair came to: by seed, the outcome of every task in one order."""

    tasks: str | None
    by_seed: dict[int, list[float]]

    @property
    def mean(self) -> float:
        """Over all seeds and tasks; NaN of none."""
        return fmean(fmean(values) for values in self.by_seed.values()) if self.by_seed else nan


@dataclass(frozen=True, slots=True)
class Pair:
    """One side against another."""

    first: str
    second: str
    found: Crossed
    """First minus second."""
    p: float
    """Adjusted for the number of pairs."""
    told: Told

    def sentence(self, pairs: int) -> str:
        """In words."""
        if self.told == "not compared":
            return f"{self.first} and {self.second} are not compared: {missing(self.found)}."
        low, high = self.found.interval
        if self.told == "not told apart" and excludes_zero(self.found.interval):
            return (
                f"{self.first} and {self.second} are not told apart: a difference of {self.found.difference:+.3f} ({low:+.3f} to {high:+.3f}) would be seen "
                f"in one pair alone, and chance brings such a one among {pairs} ({p_value(self.p)})."
            )
        if self.told == "not told apart":
            return (
                f"{self.first} and {self.second} are not told apart: the difference lies between {low:+.3f} and {high:+.3f}, and one of "
                f"{self.found.seen:.3f} would have been seen in 8 of 10 such comparisons of one pair."
            )
        size, sign = abs(self.found.difference), 1 if self.told == "above" else -1
        ends = sorted((sign * low, sign * high))
        return f"{self.first} ends {self.told} {self.second} by {size:.3f} (95% interval {ends[0]:.3f} to {ends[1]:.3f}; {p_value(self.p)} of {pairs} pairs)."


def missing(found: Crossed) -> str:
    """Why two sides cannot be compared."""
    if not found.tasks:
        return "they share no seed on the same tasks"
    return f"{found.seeds} seed{'s' * (found.seeds != 1)} of both, and a verdict needs {LEAST}"


def p_value(p: float) -> str:
    """As it is said."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def sides(contest: Contest, rows: Sequence[Row]) -> dict[str, Outcomes]:
    """The arms that have outcomes, and the base, as the control of random rewards began with it."""
    found = {arm: outcomes(rows, arm, "last") for arm in contest.arms}
    start = RANDOM if RANDOM in contest.arms and found[RANDOM].by_seed else next((arm for arm in contest.arms if found[arm].by_seed), RANDOM)
    found |= {BASE: outcomes(rows, start, "first"), VOTE: outcomes(rows, start, "first/vote")}
    return {name: one for name, one in found.items() if one.by_seed}


def outcomes(rows: Sequence[Row], arm: str, kind: str) -> Outcomes:
    """What the runs of an arm came to."""
    mine = [row for row in rows if row.arm == arm and kind in row.outcomes]
    return Outcomes(mine[0].tasks if mine else None, {row.seed: row.outcomes[kind] for row in mine if row.tasks == mine[0].tasks})


def pairs(contest: Contest, rows: Sequence[Row]) -> list[Pair]:
    """Each arm that was asked for against every other side, and the controls against the base; in the order of the arms."""
    known = sides(contest, rows)
    asked = [(a, b) for a, b in combinations(known, 2) if a in contest.compared or b in contest.compared or (b == BASE and a in contest.controls)]
    found = [crossed(differences(known[a], known[b])) for a, b in asked]
    enough = [place for place, one in enumerate(found) if one.seeds >= LEAST and one.tasks]
    adjusted = dict(zip(enough, holm([found[place].p for place in enough]), strict=True))
    return [Pair(a, b, one, adjusted.get(i, nan), told(one, adjusted.get(i))) for i, ((a, b), one) in enumerate(zip(asked, found, strict=True))]


def differences(first: Outcomes, second: Outcomes) -> NDArray[np.float64]:
    """First minus second, one row for every seed that both have; without columns where they were asked other tasks."""
    seeds = sorted(first.by_seed.keys() & second.by_seed.keys())
    if first.tasks != second.tasks or not seeds:
        return np.zeros((0, 0))
    gaps: NDArray[np.float64] = np.array([np.subtract(first.by_seed[seed], second.by_seed[seed]) for seed in seeds])
    return gaps


def told(found: Crossed, p: float | None) -> Told:
    """What is said of a pair."""
    if p is None:
        return "not compared"
    return "not told apart" if p >= LEVEL else "above" if found.difference > 0 else "below"


@dataclass(frozen=True, slots=True)
class Line:
    """One arm of the table."""

    arm: str
    answers: bool | None
    """Whether its recipe reads gold answers."""
    seeds: int
    first: float
    """Mean greedy accuracy of the first weights."""
    last: float
    least: float
    """Of the seed with the lowest last accuracy."""
    most: float
    samples: float
    """Mean pass@1 of the last weights; NaN where the probe takes no samples."""
    used: float
    """Mean share of the budget that was used."""
    rounds: float
    seconds: float
    verdicts: str


def lines(contest: Contest, rows: Sequence[Row]) -> list[Line]:
    """What every arm came to, the best first; arms without a sound run last."""
    return sorted(
        (line_of(contest, arm, [row for row in rows if row.arm == arm]) for arm in contest.arms), key=lambda one: -one.last if one.seeds else 1
    )


def line_of(contest: Contest, arm: str, mine: Sequence[Row]) -> Line:
    """One arm."""
    sound, answers = [row for row in mine if "last" in row.outcomes], contest.reads_answers(arm)
    if not sound:
        return Line(arm, answers, 0, nan, nan, nan, nan, nan, nan, nan, nan, tally([row.verdict for row in mine]))
    last = [fmean(row.outcomes["last"]) for row in sound]
    samples = [fmean(row.outcomes["last/pass@1"]) for row in sound if "last/pass@1" in row.outcomes]
    return Line(
        arm, answers, len(sound), fmean(fmean(row.outcomes["first"]) for row in sound), fmean(last), min(last), max(last), fmean(samples) if samples else nan,
        fmean(used(row, contest) for row in sound), fmean(row.rounds for row in sound), fmean(row.seconds for row in sound), tally([row.verdict for row in mine]),
    )  # fmt: skip


def used(row: Row, contest: Contest) -> float:
    """The share of its budget that a run used."""
    spent = row.history.get(USED, [])
    return spent[-1][1] / contest.limit.amount if spent else nan


def curve(contest: Contest, rows: Sequence[Row], arm: str) -> list[tuple[float, float, float, float]]:
    """Accuracy of an arm against what was used: (used, mean, least, most) at tenths of the budget, where each run counts with its last probe before it.

    A run that ended early keeps its last value; what it handed over counts at the whole budget, though the last round may have ended beyond it.
    """
    known = [(run, row) for row in rows if row.arm == arm and (run := path(row))]
    if not known:
        return []
    runs = [run for run, _ in known]
    ends = [fmean(row.outcomes["last"]) if "last" in row.outcomes else run[-1][1] for run, row in known]
    limit = contest.limit.amount
    found = []
    for point in range(POINTS + 1):
        at = limit * point / POINTS
        values = ends if point == POINTS else [next(value for where, value in reversed(run) if where <= at) for run in runs]
        found.append((at, fmean(values), min(values), max(values)))
    return found


def path(row: Row) -> list[tuple[float, float]]:
    """(used, accuracy) at every probe of a run."""
    spent = dict(row.history.get(USED, []))
    return [(spent.get(number, 0.0), value) for number, value in row.history.get("probe/accuracy", [])]


def warnings(contest: Contest, rows: Sequence[Row]) -> list[str]:
    """What a reader should know before the verdicts: arms without runs, rounds that were long for the budget, runs that used less, other tasks."""
    found = [f"{failed}: {error.rstrip('.')}." for error, failed in failures(rows).items()]
    spent = {line.arm: line.used for line in lines(contest, rows)}
    if over := [f"{arm} {share:.2f}" for arm, share in spent.items() if share > OVER]:
        found.append(
            f"The round in which a budget is reached is finished, and rounds are long for this one. Times the budget that was used: {', '.join(over)}."
        )
    if under := [f"{arm} {share:.2f}" for arm, share in spent.items() if share < 1]:
        found.append(f"Some runs ended before their budget did. Share of it that was used: {', '.join(under)}.")
    asked = {row.tasks for row in rows if row.tasks}
    if len(asked) > 1:
        found.append("Not all arms were asked the same held-out tasks; such pairs are not compared.")
    seeds = min((line.seeds for line in lines(contest, rows) if line.seeds), default=0)
    return found + ([f"Only {seeds} seed{'s' * (seeds != 1)} of some arms: a verdict needs {LEAST}."] if 0 < seeds < LEAST else [])


def failures(rows: Sequence[Row]) -> dict[str, str]:
    """By what went wrong, which runs it was."""
    found: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        if row.error:
            found.setdefault(row.error, {}).setdefault(row.arm, []).append(row.seed)
    return {error: "; ".join(f"{arm}, {seeds_in_words(seeds)}" for arm, seeds in arms.items()) for error, arms in found.items()}


def seeds_in_words(seeds: Sequence[int]) -> str:
    """ "seed 0", "seeds 0, 1"."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def judged(found: Sequence[Pair]) -> int:
    """For how many pairs the p-values are adjusted."""
    return sum(pair.told != "not compared" for pair in found)


MANY = 8
"""Of more methods than this a sentence does not say which are told apart."""


def headline(contest: Contest, found: Sequence[Pair]) -> str:
    """The comparison in a sentence: what beats the base and its vote, what is worse, and whether methods stand apart."""
    if not judged(found):
        return f"Nothing can be said yet: no pair has {LEAST} seeds."
    beats, votes, worse = (
        [arm for arm in contest.compared if outcome(found, arm, side) == told] for side, told in ((BASE, "above"), (VOTE, "above"), (BASE, "below"))
    )
    parts = [f"{listed(beats)} better than the base" if beats else "No method got better than the base"]
    if beats and any(VOTE in (pair.first, pair.second) for pair in found):
        parts.append(f"{listed(votes)} better than the base's own majority vote" if votes else "none better than the base's own majority vote")
    return "; ".join([*parts, *([f"{listed(worse)} worse"] if worse else []), *among(contest.compared, found)]) + "."


def listed(names: Sequence[str]) -> str:
    """ "a is", "a and b are"."""
    return f"{both(names)} {'is' if len(names) == 1 else 'are'}"


def both(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def among(methods: Sequence[str], found: Sequence[Pair]) -> list[str]:
    """What is told of methods beside one another: who ends above whom, where these are not many."""
    between = [pair for pair in found if pair.first in methods and pair.second in methods and pair.told != "not compared"]
    apart = [(pair.first, pair.second) if pair.told == "above" else (pair.second, pair.first) for pair in between if pair.told != "not told apart"]
    if not between:
        return []
    if not apart:
        return ["no two of the methods are told apart"]
    if len(methods) > MANY:
        return [f"of {len(between)} pairs of methods {len(apart)} are told apart"]
    below = {upper: tuple(lower for one, lower in apart if one == upper) for upper, _ in apart}
    alike = {lower: [upper for upper in below if below[upper] == lower] for lower in below.values()}
    return [f"{both(uppers)} end{'s' * (len(uppers) == 1)} above {both(lower)}" for lower, uppers in alike.items()]


def outcome(found: Sequence[Pair], first: str, second: str) -> Told | None:
    """What was told of a pair, seen from its first side."""
    return next((pair.told for pair in found if (pair.first, pair.second) == (first, second)), None)


def as_json(contest: Contest, rows: Sequence[Row]) -> dict[str, Any]:
    """All of it as plain values; what is not known is None."""
    known, found = sides(contest, rows), pairs(contest, rows)
    return {
        "headline": headline(contest, found),
        "budget": contest.limit.model_dump(mode="json"),
        "compared": list(contest.compared),
        "controls": list(contest.controls),
        "base": {name: rounded(known[name].mean) for name in (BASE, VOTE) if name in known},
        "warnings": warnings(contest, rows),
        "arms": [finite({name: getattr(line, name) for name in Line.__dataclass_fields__}) for line in lines(contest, rows)],
        "pairs": [pair_as_json(pair, judged(found)) for pair in found],
        "curves": {arm: [list(map(rounded, point)) for point in curve(contest, rows, arm)] for arm in contest.arms},
    }


def pair_as_json(pair: Pair, number: int) -> dict[str, Any]:
    """A pair of so many as plain values; of one that is not compared only the difference."""
    one, known = pair.found, pair.told != "not compared"
    numbers = {"low": one.interval.low, "high": one.interval.high, "p": one.p, "p_adjusted": pair.p, "seen": one.seen}
    said = {"first": pair.first, "second": pair.second, "told": pair.told, "difference": one.difference, "seeds": one.seeds, "tasks": one.tasks}
    return finite({**said, **(numbers if known else dict.fromkeys(numbers)), "words": pair.sentence(number)})


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers to six digits, None for NaN."""
    return {name: None if isinstance(value, float) and value != value else rounded(value) for name, value in values.items()}


def table(contest: Contest, rows: Sequence[Row]) -> str:
    """A Markdown table of the arms, the best first, and of the base. Arms whose recipe reads gold answers say so."""
    head = ["arm", "answers", "first to last", "seeds from to", "pass@1", "budget used", "rounds", "verdicts", "seconds"]
    cells = [head, *([*shown(line, contest)] for line in lines(contest, rows))]
    cells += [[name, "", f"{one.mean:.3f}", *[""] * 6] for name, one in sides(contest, rows).items() if name in (BASE, VOTE)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]])


def shown(line: Line, contest: Contest) -> list[str]:
    """A line as a table shows it."""
    name, reads = line.arm + " (control)" * (line.arm in contest.controls), {True: "read", False: "", None: "?"}[line.answers]
    if not line.seeds:
        return [name, reads, *[""] * 5, line.verdicts, ""]
    samples = "" if line.samples != line.samples else f"{line.samples:.3f}"
    spread = f"{line.least:.3f} to {line.most:.3f}"
    return [
        name,
        reads,
        f"{line.first:.3f} to {line.last:.3f}",
        spread,
        samples,
        f"{line.used:.0%}",
        f"{line.rounds:.0f}",
        line.verdicts,
        f"{line.seconds:.0f}",
    ]

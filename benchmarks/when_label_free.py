"""When label-free methods rise: runs of six methods and of a control from seven bases, which differ in how much more often their majority is right than their greedy answer.

python -m benchmarks.when_label_free        about an hour of one core; what benchmarks/results/when_label_free.json holds is not run again
python -m benchmarks.when_label_free votes  what `autotelic eval` says of the bases beforehand, of 8 and of 64 samples; about 6 minutes
python docs/fill.py                         draws the figure and fills the tables of docs/when-label-free.md
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import correlation, fmean
from typing import Any

from autotelic.runs.evaluating import Ask, evaluate
from autotelic.runs.plots import Dot
from autotelic.runs.settings import RunSettings
from autotelic.studies.figures import scatter
from autotelic.studies.results import Row, read, rounded, table, tally
from autotelic.studies.running import run_arms
from autotelic.systems.study import Study
from benchmarks.common import RESULTS as FOLDER

RESULTS, VOTES = FOLDER / "when_label_free.json", FOLDER / "when_label_free_votes.json"
SEEDS, SAMPLES, TASKS = 3, (8, 64), 200
BASES = {
    **dict.fromkeys(("habits", "habits-70", "habits-80", "habits-90"), "habits"),
    **dict.fromkeys(("chain-medium", "chain-weak", "chain-good"), "chain"),
}
"""With the world of each."""
LONG: dict[str, Any] = {"rounds": 20, "probe_every": 5}
SHORT: dict[str, Any] = {"rounds": 8, "probe_every": 4}
AT_ONE: dict[str, Any] = {"probe_sampling": {"temperature": 1.0}}
"""For recipes that sample colder: all are probed at one temperature."""
METHODS: dict[str, dict[str, Any]] = {
    "srt": LONG,
    "ttrl": LONG,
    "intuitor": LONG,
    "rlsc": {**LONG, **AT_ONE},
    "scpo": {**SHORT, **AT_ONE},
    "lmsi": {**SHORT, **AT_ONE},
    "random-reward": LONG,
}
"""With their settings, beside those that are shipped."""
CONTROL = "random-reward"
FAST: dict[tuple[str, str], dict[str, Any]] = {
    ("srt", "habits"): {"rounds": 80, "probe_every": 5, "optimizer": {"learning_rate": 1e-3}},
    ("srt", "chain-weak"): {"rounds": 80, "probe_every": 20, "optimizer": {"learning_rate": 1e-3}},
    ("srt", "chain-good"): {"rounds": 80, "probe_every": 20, "optimizer": {"learning_rate": 1e-3}},
    ("intuitor", "habits"): {"rounds": 40, "probe_every": 5, "optimizer": {"learning_rate": 3e-4}},
    ("intuitor", "chain-medium"): {"rounds": 40, "probe_every": 20, "optimizer": {"learning_rate": 3e-4}},
}
"""Methods from bases at a larger rate, for longer: those of the studies of SRT and Intuitor, whose runs they are."""
FAST_TITLES = ("srt, fast", "intuitor, fast")
TITLES = (*METHODS, *FAST_TITLES)
FALL = 0.1
"""A run has crashed where its last greedy accuracy is this far below its highest."""


def arms() -> dict[str, dict[str, Any]]:
    """Every method from every base."""
    given = {f"{name}, {base}": (name, base, own) for name, own in METHODS.items() for base in BASES}
    given |= {f"{name}, fast, {base}": (name, base, own) for (name, base), own in FAST.items()}
    return {arm: {"recipe": name, "model": base, "tasks": BASES[base], **own} for arm, (name, base, own) in given.items()}


RUN = Study(
    system="when-label-free",
    claim="Methods without labels raise accuracy where the majority of the first weights is right more often than their greedy answer.",
    quantities={"probe/accuracy": "shown", "probe/agreement": "shown"},
    arms=arms(),
    control=f"{CONTROL}, habits",
    against=dict.fromkeys(arms(), None),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A run on the map."""

    title: str
    """The method, and whether it was fast."""
    base: str
    seed: int
    verdict: str
    first: dict[str, float]
    last: float
    """Greedy accuracy of the last weights."""
    highest: float
    """The highest of all its probes."""

    @property
    def margin(self) -> float:
        """Share of right majorities minus share of right greedy answers of the first weights."""
        return self.first["probe/majority@8"] - self.first["probe/accuracy"]

    @property
    def gain(self) -> float:
        return self.last - self.first["probe/accuracy"]

    @property
    def crashed(self) -> bool:
        return self.highest - self.last >= FALL


def points() -> list[Point]:
    """The committed runs."""
    return [point_of(row) for row in read(RESULTS, RUN)]


def point_of(row: Row) -> Point:
    title, base = row.arm.rsplit(", ", 1)
    accuracy = [value for _, value in row.history["probe/accuracy"]]
    return Point(title, base, row.seed, row.verdict, row.first, accuracy[-1], max(accuracy))


def picture() -> str:
    """The map, as an SVG document."""
    found = points()
    dots = [
        Dot(
            f"{one.title} from {one.base}, seed {one.seed}: {one.first['probe/accuracy']:.2f} to {one.last:.2f}, {one.verdict}",
            one.margin,
            one.gain,
            color_of(one.title),
            crossed=one.crashed,
            open=one.title in FAST_TITLES,
        )
        for one in found
    ]
    marks = [(base, fmean(one.margin for one in found if one.base == base)) for base in BASES]
    kinds = [Dot(title, 0, 0, color_of(title), open=title in FAST_TITLES) for title in TITLES]
    return scatter(
        dots,
        [*kinds, Dot(f"lower by {FALL} than at its highest", 0, 0, "c0", crossed=True)],
        name="Gain in greedy accuracy by the margin of the majority",
        x_label="right majorities minus right greedy answers, first weights",
        y_label="gain in greedy accuracy",
        marks=marks,
    )


def color_of(title: str) -> str:
    """The class of a method's color; gray is the control's."""
    name = title.removesuffix(", fast")
    return "c0" if name == CONTROL else f"c{1 + list(METHODS).index(name)}"


def tables(name: str) -> str:
    """Tables of docs/when-label-free.md: `bases` (what each base is), `gains` (what each method does from it), `worth` (what
    tells beforehand), `said` (what `autotelic eval` said, and what came)."""
    makers = {"bases": bases_table, "gains": gains_table, "worth": worth_table, "said": said_table}
    return makers[name](points())


def bases_table(found: Sequence[Point]) -> str:
    """The first weights, mean over seeds."""
    names = {
        "greedy": "probe/accuracy",
        "majority of 8": "probe/majority@8",
        "single samples": "probe/pass@1",
        "agreement": "probe/agreement",
        "overruled": "probe/overruled",
    }
    lines = []
    for base in BASES:
        mine = [one for one in found if one.base == base and one.title == "srt"]
        values = [fmean(one.first[metric] for one in mine) for metric in names.values()]
        lines.append([f"`{base}`", *map(two, values[:2]), f"{values[1] - values[0]:+.2f}", *map(two, values[2:])])
    return markdown(["base", "greedy", "majority of 8", "margin", "single samples", "agreement", "overruled"], lines)


def gains_table(found: Sequence[Point]) -> str:
    """Greedy accuracy of the last weights, mean over seeds, with how many crashed."""
    lines = []
    for base in BASES:
        start = fmean(one.first["probe/accuracy"] for one in found if one.base == base)
        lines.append([f"`{base}`", two(start), *(gain_cell([one for one in found if (one.base, one.title) == (base, title)]) for title in TITLES)])
    return markdown(["base", "first", *TITLES], lines)


def gain_cell(mine: Sequence[Point]) -> str:
    """The mean of the last weights, with how many runs there are where not all seeds have run, and how many fell."""
    if not mine:
        return ""
    fell, few = sum(one.crashed for one in mine), len(mine) < SEEDS
    notes = [*([f"{len(mine)} of {SEEDS} seeds"] if few else []), *([f"{fell} fell"] if fell else [])]
    return two(fmean(one.last for one in mine)) + (f" ({', '.join(notes)})" if notes else "")


def worth_table(found: Sequence[Point]) -> str:
    """How numbers of the first weights go with the gain at shipped rates: rank correlations of the means of bases, every method alike."""
    runs = [one for one in found if one.title in METHODS and one.title != CONTROL]
    gains = by_base(runs, lambda one: one.gain)
    first = [one for one in found if one.title == "srt"]
    lines = [[name, f"{correlation(ranks(by_base(first, number)), ranks(gains)):+.2f}"] for name, number in TOLD.items()]
    return markdown(["number of the first weights", "rank correlation with the gain"], lines)


TOLD: dict[str, Callable[[Point], float]] = {
    "margin of the majority of 8": lambda one: one.margin,
    "share overruled, no labels": lambda one: one.first["probe/overruled"],
    "agreement, no labels": lambda one: one.first["probe/agreement"],
    "entropy, no labels": lambda one: one.first["probe/entropy"],
}


def by_base(runs: Sequence[Point], number: Callable[[Point], float]) -> list[float]:
    """The mean of a number over the runs of each base."""
    return [fmean(number(one) for one in runs if one.base == base) for base in BASES]


def ranks(values: Sequence[float]) -> list[float]:
    """The place of each value among all, the mean of places where values are equal."""
    return [sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2 for value in values]


def said_table(found: Sequence[Point]) -> str:
    """What was said of each base beforehand, seed by seed, and the gain of the methods at their shipped rates, mean and range of their means."""
    asked = json.loads(VOTES.read_text(encoding="utf-8"))
    lines = []
    for base in BASES:
        cells = [said_cell([one for one in asked if (one["model"], one["samples"]) == (base, samples)]) for samples in SAMPLES]
        runs = [[one.gain for one in found if (one.base, one.title) == (base, title)] for title in METHODS if title != CONTROL]
        gains = [fmean(one) for one in runs if one]
        lines.append([f"`{base}`", *cells, f"{fmean(gains):+.2f} ({min(gains):+.2f} to {max(gains):+.2f})"])
    return markdown(["base", *(f"said of {samples} samples" for samples in SAMPLES), "gain, mean and range of the six methods"], lines)


def said_cell(asked: Sequence[dict[str, Any]]) -> str:
    """The mean margin, and the words of the seeds."""
    words = [one["label_free"]["word"] for one in asked]
    return f"{fmean(one['label_free']['margin']['value'] for one in asked):+.2f}: {tally(words)}"


def two(value: float) -> str:
    return f"{value:.2f}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table, numbers to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)) + "\n"


def votes() -> list[dict[str, Any]]:
    """What `autotelic eval BASE --tasks WORLD --limit 200 --samples N --seed SEED` says: of the tasks that runs with that seed are probed on."""
    asks = [(base, Ask(samples, limit=TASKS, seed=seed)) for base in BASES for samples in SAMPLES for seed in range(SEEDS)]
    return [{"seed": ask.seed, **rounded(evaluate(base, BASES[base], RunSettings(), ask))} for base, ask in asks]


if __name__ == "__main__":
    if sys.argv[1:] == ["votes"]:
        VOTES.write_text("[\n" + ",\n".join(map(json.dumps, votes())) + "\n]\n", encoding="utf-8")
    else:
        print(table(RUN, run_arms(RUN, [], seeds=SEEDS, workers=1, out=RESULTS)))

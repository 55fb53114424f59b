"""The shipped ways of answering on bases and worlds that show something, beside plain sampling at equal tokens: 500 held-out tasks a seed, three seeds.

Each number is what `autotelic eval BASE --tasks WORLD --way WAY --limit 500 --seed SEED` says. Written to benchmarks/results/ways.json, without seconds, so
that the same code gives the same file. Of a real model the ways answer 60 word problems once, beside six plain samples of each, written to
benchmarks/results/ways_real.json.

    python -m benchmarks.ways                                      about 15 minutes of one core
    python -m benchmarks.ways --model models/smollm2               about 10 minutes of two cores, where `make smollm` has put the model
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from autotelic.measures.stats import t_interval
from autotelic.runs.evaluating import Ask
from autotelic.runs.settings import RunSettings
from autotelic.runs.ways import POOL, chosen, evaluate_ways
from autotelic.systems.index import shipped
from benchmarks.common import RESULTS

FILE = RESULTS / "ways.json"
LIMIT, SEEDS = 500, (0, 1, 2)
WAYS = (
    ("chain-skills", "chain-skills", ("self-refine", "self-refine?refinements=1&critiques.temperature=0", "backtracking")),
    ("chain-skills", "chain-skills", ("backtracking?locate=truth", "backtracking?locate=truth&told=0.5", "tree-search")),
    ("chain-medium", "chain", ("majority", "best-of-n", "srgen")),
    ("countdown-back", "countdown-steps?largest=12", ("steps-back", "tree-search")),
    ("chain-skills", "chain-skills", ("majority?n=3", "best-of-n?n=3", "se-agent", "iterative-deepening", "backtracking?alternatives=1")),
    ("asides", "asides", ("majority?n=3", "best-of-n?n=3", "self-polish")),
    ("asides", "asides?asides=8", ("self-polish",)),
    ("rules", "rules", ("majority?n=3", "best-of-n?n=3", "self-contemplation", "self-contemplation?examples=1")),
)
"""Base, world, ways."""
REAL_FILE = RESULTS / "ways_real.json"
REAL_LIMIT, REAL_SAMPLES, REAL_TOKENS = 60, 6, 96
REAL_WORLD = "word-problems"
REAL = (
    ("majority?n=3", "best-of-n?n=3", "self-refine?refinements=1", "self-polish?rewrites=1"),
    ("self-contemplation?examples=2&tries=2", "iterative-deepening?samples=2&budget=24&trigger=Wait, maybe I made a mistake. "),
    ("self-discover", "auto-evolve", "se-agent?operators=[alternative]"),
)
"""Ways that a real model is asked by; those of a line share plain samples."""
SHORT = {"majority": "majority", "best-of-n": "best of", "pass@n": "pass", "greedy": "greedy"}


def measured(base: str, world: str, ways: tuple[str, ...], seed: int) -> dict[str, Any]:
    """What is said of some ways with one seed."""
    return without_seconds(evaluate_ways(base, world, RunSettings(), Ask(samples=POOL, limit=LIMIT, seed=seed), chosen(ways, [])[0]))


def without_seconds(found: dict[str, Any]) -> dict[str, Any]:
    """A report without what differs from one machine to another, and without the settings that its way's name says."""
    for one in found["ways"]:
        for row in (one, *one["ablations"]):
            del row["seconds"]
        del one["settings"]
    return found


def real(model: str) -> list[dict[str, Any]]:
    """What is said of ways with a real model."""
    ask = Ask(samples=REAL_SAMPLES, limit=REAL_LIMIT, max_tokens=REAL_TOKENS)
    return [without_seconds(evaluate_ways(model, REAL_WORLD, RunSettings(), ask, chosen(ways, [])[0])) for ways in REAL]


def real_table() -> str:
    """The committed numbers of a real model as Markdown, with the intervals of one draw of tasks."""
    rows = ["| way | accuracy | tokens | best plain answers | difference | word | beside its ablation |", "|---|---:|---:|---|---|---|---|"]
    for found in json.loads(REAL_FILE.read_text(encoding="utf-8")):
        for one in found["ways"]:
            first = one["comparisons"][0]
            against = f"{plain_name(first)}: {first['accuracy']:.3f}"
            without = "; ".join(f"{row['against']}: {apart(row)}" for row in one["ablations"])
            rows.append(
                f"| {named(one['way'])} | {one['accuracy']:.3f} | {one['tokens']:.0f} | {against} | {apart(first)} | {one['word']} | {without} |"
            )
    return "\n".join(rows) + "\n"


def plain_name(row: Mapping[str, Any]) -> str:
    """A point on a plain curve in short."""
    return SHORT.get(row["against"], row["against"]) + ("" if row["samples"] is None else f" {row['samples']:.1f}")


def apart(row: Mapping[str, Any]) -> str:
    """A difference with its interval."""
    return f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def named(spec: str) -> str:
    """A way with its settings, as a link to its page."""
    name, _, settings = spec.partition("?")
    link = f"[`{name}`](systems/{shipped()[name].about.family}.md#{name})"
    return " ".join([link, *(f"`{item}`" for item in settings.split("&") if item)])


def table() -> str:
    """The committed numbers as Markdown: means over seeds, and differences with a t interval over seeds."""
    seeds: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for found in json.loads(FILE.read_text(encoding="utf-8")):
        for one in found["ways"]:
            seeds[found["model"], found["tasks"], one["way"]].append(one)
    head = "| base and world | way | accuracy | tokens | best plain answers | difference | words of the seeds | beside its ablation |"
    return "\n".join([head, "|---|---|---:|---:|---|---|---|---|", *(line(*key, ones) for key, ones in seeds.items())]) + "\n"


def line(base: str, world: str, spec: str, ones: Sequence[Mapping[str, Any]]) -> str:
    """A way as a row. What it is beside is what its word comes from."""
    cells = [
        f"`{base}`, `{world}`",
        named(spec),
        f"{fmean(one['accuracy'] for one in ones):.3f}",
        f"{fmean(one['tokens'] for one in ones):.0f}",
        *beside([one["comparisons"][0] for one in ones]),
        ", ".join(one["word"] for one in ones),
        "; ".join(": ".join([rows[0]["against"], beside(rows)[1]]) for rows in zip(*(one["ablations"] for one in ones), strict=True)),
    ]
    return f"| {' | '.join(cells)} |"


def beside(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a way is compared with by the seeds, and the difference."""
    differences = [row["difference"] for row in rows]
    interval = t_interval(differences)
    names = {row["against"]: "" if row["samples"] is None else f" {row['samples']:.1f}" for row in rows}
    moved = f"{fmean(differences):+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
    return [f"{' or '.join(SHORT.get(name, name) + count for name, count in names.items())}: {fmean(row['accuracy'] for row in rows):.3f}", moved]


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a real model, a folder or a name; none: the shipped bases")
    model = parser.parse_args().model
    found = real(model) if model else [measured(*row, seed) for row in WAYS for seed in SEEDS]
    (REAL_FILE if model else FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(real_table() if model else table())


if __name__ == "__main__":
    main()

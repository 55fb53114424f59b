"""The shipped ways of answering on bases and worlds that show something, beside plain sampling at equal tokens: 500 held-out tasks a seed, three seeds.

Each number is what `autotelic eval BASE --tasks WORLD --way WAY --limit 500 --seed SEED` says. Written to benchmarks/results/ways.json, without seconds, so
that the same code gives the same file.

    python -m benchmarks.ways        about 6 minutes of one core
"""

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
)
"""Base, world, ways."""
SHORT = {"majority": "majority", "best-of-n": "best of", "pass@n": "pass", "greedy": "greedy"}


def measured(base: str, world: str, ways: tuple[str, ...], seed: int) -> dict[str, Any]:
    """What is said of some ways with one seed."""
    found = evaluate_ways(base, world, RunSettings(), Ask(samples=POOL, limit=LIMIT, seed=seed), chosen(ways, [])[0])
    for one in found["ways"]:
        for row in (one, *one["ablations"]):
            del row["seconds"]
        del one["settings"]
    return found


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
    name, _, settings = spec.partition("?")
    link = f"[`{name}`](systems/{shipped()[name].about.family}.md#{name})"
    cells = [
        f"`{base}`, `{world}`",
        " ".join([link, *(f"`{item}`" for item in settings.split("&") if item)]),
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


if __name__ == "__main__":
    FILE.write_text(json.dumps([measured(*row, seed) for row in WAYS for seed in SEEDS], indent=1) + "\n", encoding="utf-8")
    print(table())

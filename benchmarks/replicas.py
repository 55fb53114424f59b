"""Every shipped system on a tiny world, with its controls and at least three seeds: does it move what its paper says it moves?

    python benchmarks/replicas.py chain            # label-free, self-training and preference systems and the control arms, about 20 minutes
    python benchmarks/replicas.py easy-to-hard     # filters and bases, about 15 minutes
    python benchmarks/replicas.py chain srt ttrl   # these arms only; the rows of the others stay
    python benchmarks/replicas.py main             # `autotelic run` as a stranger has it, one at a time with all cores, about 5 minutes
    python benchmarks/replicas.py table            # docs/figures/*.md, which `python docs/fill.py` puts into the pages, from the committed results

One process per core, each with one thread. Results go to benchmarks/results/NAME.json: one row per run, nothing averaged away.
"""

import json
import os
import platform
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

RESULTS = Path(__file__).parent / "results"
FIGURES = Path(__file__).parent.parent / "docs" / "figures"
SEEDS = (0, 1, 2)
RL = {"optimizer": {"learning_rate": 3e-4}}
LONG = {"rounds": 40, "probe_every": 20}

CHAIN: dict[str, dict[str, Any]] = {
    "gold": {"recipe": "gold", **RL, **LONG},
    "supervised": {"recipe": "supervised", **LONG},
    "srt": {"recipe": "srt", **RL, **LONG},
    "srt, threshold .6": {"recipe": "srt", "vote": {"min_share": 0.6, "denominator": "all"}, **RL, **LONG},
    "ttrl": {"recipe": "srt", "group_size": 64, "trained": 32, "scale": "std", "vote": {"denominator": "all"}, "tasks_per_round": 16, **RL, **LONG},
    "intuitor": {"recipe": "intuitor", **RL, **LONG},
    "rlsc": {"recipe": "rlsc", **RL, **LONG},
    "lmsi": {"recipe": "lmsi", "rounds": 8, "probe_every": 4},
    "rest": {"recipe": "rest", "rounds": 8, "probe_every": 4},
    "raft": {"recipe": "raft", "rounds": 20, "probe_every": 10},
    "scpo": {"recipe": "scpo", "rounds": 8, "probe_every": 4},
    "spin": {"recipe": "spin", "rounds": 8, "probe_every": 4},
    "random reward": {"recipe": "random-reward", **RL, **LONG},
    "format only": {"recipe": "format-only", **RL, **LONG},
    "entropy only": {"recipe": "entropy-only", **RL, **LONG},
    "gold, weak base": {"recipe": "gold", "model": "chain-weak", **RL, **LONG},
    "srt, weak base": {"recipe": "srt", "model": "chain-weak", **RL, **LONG},
    "srt, good base": {"recipe": "srt", "model": "chain-good", **RL, **LONG},
}
HARD: dict[str, dict[str, Any]] = {
    "places": {"recipe": "easy-to-hard"},
    "places, not tied": {"recipe": "easy-to-hard", "tied": False},
    "length": {"recipe": "easy-to-hard", "filter": "length"},
    "agreement": {"recipe": "easy-to-hard", "filter": "agreement"},
    "places, second base": {"recipe": "easy-to-hard", "model": "addition-4-second"},
    "places, weak base": {"recipe": "easy-to-hard", "model": "addition-4-weak"},
    "places, undertrained base": {"recipe": "easy-to-hard", "model": "addition-4-short", "rounds": 15},
    "agreement, undertrained base": {"recipe": "easy-to-hard", "model": "addition-4-short", "filter": "agreement", "rounds": 15},
}
MAIN: dict[str, dict[str, Any]] = {"autotelic run": {"recipe": "easy-to-hard"}}
SETS = {"chain": CHAIN, "easy-to-hard": HARD, "main": MAIN}
ALONE = ("main",)
"""Sets whose runs have the machine for themselves."""


def one(arm: str, raw: dict[str, Any], seed: int, alone: bool) -> dict[str, Any]:
    """One run in a folder that is thrown away; what remains of it is a row."""
    from autotelic.runs import loop
    from autotelic.runs.progress import Progress
    from autotelic.runs.store import Store

    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = loop.start({**raw, "seed": seed, **({} if alone else {"workers": 1}), "out": f"{folder}/run"}, Progress(quiet=True))
        store = Store(outcome.folder)
        history, config = store.history(), store.config
        probed = [metrics for metrics in history if "probe/accuracy" in metrics]
        proxy = config["recipe"]["proxy"]
        return {
            "arm": arm, "seed": seed, "recipe": raw["recipe"], "model": config["model"], "verdict": str(outcome.verdict.word), "rounds": len(history) - 1,
            "seconds": round(perf_counter() - began, 1), "first": shares(probed[0]), "last": shares(probed[-1]),
            "proxy": [m[proxy] for m in (history[1], history[-1])] if proxy and len(history) > 1 and proxy in history[-1] else None,
            "purity": [round(m["label/purity"], 3) for m in history if "label/purity" in m], "command": command(raw, seed),
        }  # fmt: skip


def shares(metrics: dict[str, float]) -> dict[str, float]:
    """The measures of one probe."""
    return {
        name.removeprefix("probe/"): round(value, 4)
        for name, value in metrics.items()
        if name.startswith(("probe/acc", "probe/pass", "probe/maj", "probe/agree"))
    }


def command(raw: dict[str, Any], seed: int) -> str:
    """The command that makes the same run."""
    words = ["autotelic run", raw["recipe"], f"--seed {seed}"]
    for key, value in raw.items():
        if isinstance(value, dict):
            words += [f"{key}.{inner}={text}" for inner, text in value.items()]
        elif key != "recipe":
            words.append(f"--{key} {value}" if key in ("model", "rounds") else f"{key}={value}")
    return " ".join(words)


def measure(name: str, arms: list[str]) -> None:
    """All seeds of the arms of a set, or of some of them, as many at a time as there are cores; rows are kept as they come."""
    import torch

    path = RESULTS / f"{name}.json"
    rows = [row for row in json.loads(path.read_text(encoding="utf-8"))["rows"] if row["arm"] not in arms] if arms else []
    wanted = {arm: raw for arm, raw in SETS[name].items() if not arms or arm in arms}
    alone = name in ALONE
    with ProcessPoolExecutor(max_workers=1 if alone else len(os.sched_getaffinity(0))) as workers:
        jobs = [workers.submit(one, arm, raw, seed, alone) for seed in SEEDS for arm, raw in wanted.items()]
        for job in jobs:
            rows.append(job.result())
            print(
                f"{jobs.index(job) + 1}/{len(jobs)} {rows[-1]['arm']} seed {rows[-1]['seed']}: {rows[-1]['verdict']} {rows[-1]['seconds']} s",
                flush=True,
            )
            made_by = {"python": platform.python_version(), "torch": torch.__version__, "cores": os.cpu_count(), "processor": platform.machine()}
            RESULTS.mkdir(exist_ok=True)
            ordered = sorted(rows, key=lambda row: (row["seed"], list(SETS[name]).index(row["arm"])))
            text = json.dumps({"machine": made_by, "command": f"python benchmarks/replicas.py {name}", "rows": ordered}, indent=1)
            path.write_text(text + "\n", encoding="utf-8")


def table(name: str, columns: list[str]) -> list[str]:
    """A Markdown table: per arm, first -> last mean over seeds, and the 95% t interval of the paired difference."""
    from autotelic.guards.stats import t_interval

    rows = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    lines = ["| arm | " + " | ".join(columns) + " | verdicts | seconds |", "|---|" + "---|" * (len(columns) + 2)]
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        cells = []
        for column in columns:
            pairs = [(row["first"][column], row["last"][column]) for row in mine if column in row["first"] and column in row["last"]]
            change = t_interval([last - first for first, last in pairs])
            cells.append(f"{fmean(a for a, _ in pairs):.2f} to {fmean(b for _, b in pairs):.2f} ({change.low:+.2f} to {change.high:+.2f})")
        lines.append(
            f"| {arm} | " + " | ".join(cells) + f" | {', '.join(row['verdict'] for row in mine)} | {fmean(row['seconds'] for row in mine):.0f} |"
        )
    return lines


def tables() -> dict[str, list[str]]:
    """All tables by the name of their file."""
    return {
        "chain": table("chain", ["accuracy", "pass@1", "pass@8", "agreement"]),
        "main": table("main", [f"accuracy/digits {n}" for n in (4, 6, 8, 10, 12, 16)]),
        "easy-to-hard": table(
            "easy-to-hard", ["accuracy/digits 6", "accuracy/digits 8", "accuracy/digits 10", "accuracy/digits 12", "accuracy/digits 16"]
        ),
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        for name, lines in tables().items():
            (FIGURES / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif len(sys.argv) > 1 and sys.argv[1] in SETS and set(sys.argv[2:]) <= set(SETS[sys.argv[1]]):
        measure(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(__doc__)

"""Run directories by hand, as small as the viewer can read: a config, and rounds with metrics, rollouts and changes of the pool, without digests."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">\u001b[31m\u202e</pre>\ud800{{ 7*7 }}"


def rollout(number: int, place: int, **changes: Any) -> dict[str, Any]:
    """A row of a rollouts file: of even places right and rewarded, of odd ones wrong."""
    right = place % 2 == 0
    row = {
        "id": f"r{number}/solver/t{place // 4}/{place % 4}", "task": f"t{place // 4}", "role": "solver", "parent": None, "prompt": f"{place // 4}+1=",
        "text": f"the sum is {place // 4 + 1 if right else 0}", "answer": str(place // 4 + 1 if right else 0), "gold": str(place // 4 + 1),
        "rewards": {"correct": float(right)}, "advantage": 0.5 if right else -0.5, "trained": True, "weight": 1.0, "tokens": 5 + place % 3, "turns": [],
        "stop": "end", "version": number - 1,
    }  # fmt: skip
    return row | changes


def make(folder: Path, rounds: int = 3, count: int = 8, seed: int = 0) -> Path:
    """A run with so many rounds after round 0, and `count` rollouts in each of these."""
    (folder / "rounds").mkdir(parents=True)
    config = {
        "run": {"model": "tiny", "tasks": "sums", "seed": seed},
        "recipe": {"name": "srt", "system": "SRT", "settings": {"rounds": 9}},
        "pool": 100,
    }
    (folder / "config.json").write_text(json.dumps(config))
    for number in range(rounds + 1):
        add(folder, number, [rollout(number, place) for place in range(count if number else 0)])
    return folder


def add(folder: Path, number: int, rollouts: Iterable[Mapping[str, Any]], pool: Iterable[Mapping[str, Any]] = (), **metrics: float) -> Path:
    """A round, moved into place when it is whole, as the store does."""
    found = {"probe/accuracy": 0.5 + number / 100, "seconds/sample": 2.0, "seconds/learn": 1.0, "tokens/sampled": 100.0 * number, **metrics}
    partial = folder / "rounds" / f"{number:05d}.tmp"
    partial.mkdir()
    (partial / "metrics.json").write_text(json.dumps({"round": number, "metrics": found}))
    write(partial / "rollouts.jsonl", rollouts)
    write(partial / "pool.jsonl", pool)
    return partial.rename(folder / "rounds" / f"{number:05d}")


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A file of JSON lines, in plain ASCII."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

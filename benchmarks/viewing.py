"""How quick `autotelic view` is over a million rollouts: seconds to read them once, and of each page that the browser then asks for.

A run of 100 rounds with 10,000 rollouts each is written, as the store would: two roles, three rewards, texts of 40 to 200 characters. The server answers in
this process, without the network between. Each page is asked for three times; the figure is the median. Written to benchmarks/results/viewing.json.

    python -m benchmarks.viewing [--rollouts 1000000] [--out FILE]
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from autotelic.streams import generator
from autotelic.viewing.server import application
from benchmarks.common import machine, peak_memory, seconds, spread, table, versions, write

ROUNDS, REPEATS = 100, 3
TEXT = "the sum of both parts is then taken from what was left before so that every step can be checked once more by hand"
PAGES: dict[str, dict[str, Any]] = {
    "newest": {},
    "page 1,000": {"page": 1000},
    "rounds 40 to 60": {"first": 40, "last": 60},
    "role": {"role": "judge"},
    "wrong": {"right": "wrong"},
    "highest reward": {"order": "highest reward"},
    "lowest advantage": {"order": "lowest advantage"},
    "reward at least .9": {"reward": "grade", "least": 0.9},
    "text in one": {"text": "needle 500000"},
    "text in most": {"text": "checked"},
    "text, wrong, longest": {"text": "once more", "right": "wrong", "order": "longest"},
}


def rollouts(number: int, count: int) -> Iterator[dict[str, Any]]:
    """The rollouts of a round."""
    draw, words = generator("viewing", number), TEXT.split()
    for i in range(count):
        task, gold, answer, judge = f"t{draw.randrange(5000)}", str(draw.randrange(10)), str(draw.randrange(10)), i % 5 == 0
        place = (number - 1) * count + i
        text = " ".join(draw.choices(words, k=draw.randrange(8, 40))) + (f" needle {place}" if place % 1000 == 0 else "")
        reward = float(answer == gold)
        yield {
            "id": f"r{number}/{task}/{i}", "task": task, "role": "judge" if judge else "solver", "parent": None, "prompt": f"What is {task} of {gold}?",
            "text": text, "answer": answer, "gold": None if judge else gold, "rewards": {"grade": draw.random()} if judge else {"correct": reward},
            "advantage": reward - 0.1 * draw.random(), "trained": True, "weight": 1.0, "tokens": len(text) // 4, "turns": [], "stop": "end", "version": number,
        }  # fmt: skip


def make(folder: Path, count: int) -> float:
    """A run directory with so many rollouts; their MiB."""
    (folder / "rounds").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"run": {"seed": 0}, "recipe": {"name": "srt", "settings": {}}}))
    return sum(add(folder, number, count // ROUNDS) for number in range(1, ROUNDS + 1))


def add(folder: Path, number: int, count: int) -> float:
    """One more round; its MiB."""
    place = folder / "rounds" / f"{number:05d}"
    place.mkdir()
    (place / "metrics.json").write_text(json.dumps({"round": number, "metrics": {"reward": 0.5}}))
    with (place / "rollouts.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rollouts(number, count))
    return (place / "rollouts.jsonl").stat().st_size / 2**20


def measure(count: int) -> dict[str, Any]:
    """All figures."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["AUTOTELIC_CACHE"] = str(Path(scratch) / "cache")
        folder = Path(scratch) / "runs" / "large"
        size = make(folder, count)
        web, before = opened(folder.parent), peak_memory()
        found: dict[str, Any] = {"rollouts": count, "mib": size, "read": seconds(lambda: asked(web))}
        found["pages"] = {
            name: spread([seconds(lambda wanted=wanted: asked(web, **wanted)) for _ in range(REPEATS)]) for name, wanted in PAGES.items()
        }
        found["one"] = spread([seconds(lambda: asked(web, "rollout", round=50, id=first_of(web))) for _ in range(REPEATS)])
        add(folder, ROUNDS + 1, 1000)
        found["round_of_1000"] = seconds(lambda: asked(web))
        found["opened_again"] = seconds(lambda: asked(opened(folder.parent)))
        parts = (Path(scratch) / "cache").rglob("*.parquet")
        return {**found, "cache_mib": sum(part.stat().st_size for part in parts) / 2**20, "peak_mib": peak_memory(), "before_mib": before}


def opened(root: Path) -> TestClient:
    return TestClient(application(root), base_url="http://localhost")


def asked(web: TestClient, what: str = "rollouts", **wanted: Any) -> dict[str, Any]:
    reply = web.get(f"/api/{what}", params={"run": "large", **wanted})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def first_of(web: TestClient) -> str:
    """The id of a rollout in the middle."""
    return str(asked(web, first=50, last=50)["rows"][0]["id"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=10**6)
    parser.add_argument("--out", type=Path, default=None)
    chosen = parser.parse_args()
    found = measure(chosen.rollouts)
    rows = [(name, one["median"]) for name, one in found["pages"].items()] + [("one rollout", found["one"]["median"])]
    rows += [("read all once", found["read"]), ("a round of 1,000 more", found["round_of_1000"]), ("opened again", found["opened_again"])]
    print(table(f"{found['rollouts']:,} rollouts, {found['mib']:.0f} MiB: seconds", ("page", "seconds"), rows))
    write("viewing", {"machine": machine(), "versions": versions("duckdb", "starlette"), **found}, chosen.out)


if __name__ == "__main__":
    main()

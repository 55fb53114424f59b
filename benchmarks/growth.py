"""How seconds and peak memory grow: with rollouts per round, completion length, group size, vocabulary, model size, and the size of the task pool.

Each point runs in a process of its own, on one thread: random weights, prompts of 16 tokens, rollouts through the native engine in fp32, then one
policy-gradient step on all of them with the learner's default token budget; engine and learner have run once before, small. Memory is the most that
the process ever held, beside what it held when the model was ready. A power law is fitted to the seconds of each row of points against what grows.
Last, the framework's own share: what a round of `autotelic run srt` at 0.9 M parameters (32 tasks, 16 samples each) spends neither in the engine nor
in the learner. Written to benchmarks/results/growth.json.

    python -m benchmarks.growth                          everything, a few minutes
    python -m benchmarks.growth --only length own        some rows; the others stay as they are in the file
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from autotelic.bases.making import make
from autotelic.bases.specs import BaseSpec
from autotelic.engines.base import Request
from autotelic.engines.batching import Batcher
from autotelic.engines.native import NativeEngine
from autotelic.learning.learner import Learner, Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.streams import generator, key
from autotelic.tasks.pool import TaskPool
from autotelic.types import Example, Sampling, Task
from benchmarks.common import RESULTS, machine, peak_memory, table, versions, write

PROMPT = 16


@dataclass(frozen=True)
class Point:
    """One measurement: `prompts` x `group` rollouts of `new` tokens by a model of this shape."""

    prompts: int = 32
    group: int = 8
    new: int = 16
    vocab: int = 128
    width: int = 64
    layers: int = 2
    intermediate: int = 192

    @property
    def config(self) -> DecoderConfig:
        heads = max(self.width // 64, 4)
        head_dim = self.width // heads
        return DecoderConfig("llama", self.vocab, self.width, self.intermediate, self.layers, heads, heads, head_dim, context=PROMPT + self.new)


SMALL = Point()
ROWS: dict[str, tuple[str, dict[int, Point]]] = {
    "rollouts": ("tokens", {n: replace(SMALL, prompts=n // 8, new=8) for n in (64, 512, 4096, 65536)}),
    "length": ("tokens", {n: replace(SMALL, prompts=4, new=n) for n in (16, 64, 256, 1024)}),
    "group": ("tokens", {n: replace(SMALL, group=n) for n in (2, 8, 32, 128)}),
    "vocabulary": ("parameters", {n: replace(SMALL, prompts=8, vocab=n) for n in (64, 1024, 16384, 150_000)}),
    "model": (
        "parameters",
        {
            100_000: replace(SMALL, prompts=4),
            900_000: replace(SMALL, prompts=4, width=128, layers=4, intermediate=384),
            3_300_000: replace(SMALL, prompts=4, width=256, layers=4, intermediate=704),
            30_000_000: replace(SMALL, prompts=4, width=512, layers=10, intermediate=1408),
            150_000_000: replace(SMALL, prompts=4, width=1024, layers=12, intermediate=2816),
        },
    ),
}
"""By what grows: what the seconds are fitted against, and the points."""
POOL = (100, 1000, 10_000, 100_000, 1_000_000)
DRAWS = 100


def requests(point: Point, name: str) -> list[Request]:
    draw = generator(name)
    sampling = Sampling(max_tokens=point.new)
    rows = ([draw.randrange(point.vocab) for _ in range(PROMPT)] for _ in range(point.prompts))
    return [Request(tuple(row), tuple(key(name, i, j) for j in range(point.group)), sampling) for i, row in enumerate(rows)]


def round_of(policy: Policy, learner: Learner, point: Point, name: str) -> dict[str, float]:
    """Seconds of one round's rollouts and of learning from them, and tokens sampled and trained on."""
    start = time.perf_counter()
    asked = requests(point, name)
    found = asyncio.run(policy.sample(asked))
    sampled = time.perf_counter()
    draw, examples = generator(name, "advantage"), []
    for i, (request, group) in enumerate(zip(asked, found, strict=True)):
        zeros = [0.0] * PROMPT
        for j, c in enumerate(group):
            mask, advantage = [*zeros, *[1.0] * len(c.tokens)], [*zeros, *[draw.gauss(0, 1)] * len(c.tokens)]
            items: dict[str, Any] = {"mask": mask, "advantage": advantage, "old_logprobs": [*zeros, *c.logprobs]}
            examples.append(Example(f"{i}/{j}", [*request.prompt, *c.tokens], version=policy.version, **items))
    ready = time.perf_counter()
    learner.learn(examples, PolicyGradient())
    return {"sample": sampled - start, "learn": time.perf_counter() - ready, "tokens": float(point.prompts * point.group * (PROMPT + point.new))}


def measure(point: Point) -> dict[str, float]:
    """What one point costs; runs in a process of its own."""
    torch.set_num_threads(1)
    model = Decoder(point.config)
    model.initialize(torch.Generator().manual_seed(0))
    tokenizer = character_tokenizer([chr(0x4E00 + i) for i in range(min(point.vocab, 1000) - 20)], PROMPT + point.new)
    tokenizer.end = frozenset()  # no completion ends early
    policy = Policy("solver", model, tokenizer, Batcher(NativeEngine(1)))
    learner = Learner(policy, Optimizer(), 0)
    before = peak_memory()
    round_of(policy, learner, replace(point, prompts=1, group=2, new=min(point.new, 16)), "warm")
    found = round_of(policy, learner, point, "timed")
    return {**found, "parameters": float(sum(p.numel() for p in model.parameters())), "ready_mib": before, "peak_mib": peak_memory()}


def measure_pool(size: int) -> dict[str, float]:
    """What it costs to fill a pool of `size` tasks and to draw 32 of them, the first time and on average."""
    before, start = peak_memory(), time.perf_counter()
    pool = TaskPool((Task(str(i), f"{i}+{i}=", str(2 * i)) for i in range(size)), 0)
    filled = time.perf_counter()
    pool.draw(32)
    first = time.perf_counter()
    for _ in range(DRAWS):
        pool.draw(32)
        pool.state()
    drawn = (time.perf_counter() - first) / DRAWS
    return {"fill": filled - start, "first_draw": first - filled, "draw": drawn, "ready_mib": before, "peak_mib": peak_memory()}


def child(what: dict[str, Any]) -> dict[str, float]:
    """A measurement in a new process of this module."""
    command = [sys.executable, "-m", "benchmarks.growth", "--child", json.dumps(what)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def exponent(amounts: Sequence[float], seconds: Sequence[float]) -> float:
    """b of the least-squares fit of log seconds = a + b log amount."""
    return float(np.polyfit(np.log(amounts), np.log(seconds), 1)[0])


def row_of(name: str) -> dict[str, Any]:
    against, points = ROWS[name]
    found = {size: child({"point": asdict(point)}) for size, point in points.items()}
    amounts = [f[against] for f in found.values()]
    fits = {part: exponent(amounts, [f[part] for f in found.values()]) for part in ("sample", "learn")}
    last = list(found.values())[-2:]
    late = {part: exponent([f[against] for f in last], [f[part] for f in last]) for part in ("sample", "learn")}
    cells = [(size, f[against], f["sample"], f["learn"], f["ready_mib"], f["peak_mib"]) for size, f in found.items()]
    print(table(f"\n{name}: seconds and MiB", (name, against, "sample", "learn", "model ready", "peak"), cells))
    print(f"seconds grow as {against} to the power of {fits['sample']:.2f} (sample), {fits['learn']:.2f} (learn); "
          f"between the last two points {late['sample']:.2f}, {late['learn']:.2f}")  # fmt: skip
    return {"against": against, "points": found, "exponent": fits, "exponent_of_last_two": late}


def pool_row() -> dict[str, Any]:
    found = {size: child({"pool": size}) for size in POOL}
    cells = [(size, f["fill"], f["first_draw"], f["draw"], f["ready_mib"], f["peak_mib"]) for size, f in found.items()]
    print(table("\npool: seconds and MiB", ("tasks", "fill", "first draw", "draw of 32", "before", "peak"), cells))
    return {"points": found}


def own_share(rounds: int = 4) -> dict[str, Any]:
    """Seconds of the rounds of a run by part, at 0.9 M parameters; the base is trained a little, so that samples have answers."""
    spec = BaseSpec(
        name="own-share",
        note="",
        tasks="chain?ops=6",
        width=128,
        layers=4,
        heads=4,
        intermediate=384,
        context=160,
        steps=60,
        batch_size=32,
        warmup=10,
    )
    with tempfile.TemporaryDirectory() as folder:
        make(spec, Path(folder) / "model")
        out = Path(folder) / "run"
        settings = ["tasks_per_round=32", "group_size=16", "workers=1", "pool_size=2048", "probe_size=32", "probe_samples=0", f"probe_every={rounds}"]
        options = ["--model", f"{folder}/model", "--tasks", "chain?ops=6", "--rounds", str(rounds), "--out", str(out), "--quiet"]
        command = [sys.executable, "-m", "autotelic", "run", "srt", *settings, *options]
        subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [row["metrics"] for row in map(json.loads, lines) if row["round"] > 0]
    parts = ("sample", "learn", "probe", "own", "total")
    seconds = {part: [metrics[f"seconds/{part}"] for metrics in found] for part in parts}
    shares = [own / (total - probe) for own, total, probe in zip(seconds["own"], seconds["total"], seconds["probe"], strict=True)]
    rows = [(i + 1, *(seconds[part][i] for part in parts), f"{shares[i]:.1%}") for i in range(len(found))]
    print(table("\nown share of a round: seconds", ("round", *parts, "own share"), rows))
    return {"seconds": seconds, "own_share": median(shares), "learned_rows": [metrics.get("learner/rows", 0.0) for metrics in found]}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*ROWS, "pool", "own"]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--out", type=Path, default=RESULTS / "growth.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.child:
        what = json.loads(options.child)
        print(json.dumps(measure(Point(**what["point"])) if "point" in what else measure_pool(what["pool"])))
        return
    for name in options.only:
        row = pool_row() if name == "pool" else own_share() if name == "own" else row_of(name)
        old = json.loads(options.out.read_text(encoding="utf-8"))["rows"] if options.out.exists() else {}
        write("growth", {"machine": machine(), "versions": versions(), "rows": {**old, name: row}}, options.out)


if __name__ == "__main__":
    main()

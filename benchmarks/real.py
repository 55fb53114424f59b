"""Seconds and peak memory of one GRPO step of a real model, beside `GRPOTrainer` of TRL: what `python -m benchmarks.step --model DIR` runs.

DIR is a model folder or a GGUF file. Every system is a process of its own that makes a step when it is told to, and none works while another does. All
start from the same fp32 weights and see the same prompts (word problems through the model's chat template), group size, number of new tokens for every
completion (no end token ends one), reward (share of digits), advantage, token-mean loss, clipping and learning rate. The first step of each is not
counted. Memory is the most that the process has held since it began, with what loading took.

The operations that a step needs are 2 for each linear weight and token of a way there and 4 of a way back, those of attention beside; a prompt counts once
for its group, what all prompts begin with once for all, the head only where a token is sampled or trained on, and what is computed twice counts once. Their
share is of what torch's matrix product of 512 x 512 x 512 in bf16 reaches at best on as many threads, by core.

What is set beside TRL is set beside that of its systems which needs fewer seconds of a core. Beside the seconds of the clock stand those that a process had a core: on a machine where others are at work only these say what a step costs. Written to
benchmarks/results/real.json.

    python -m benchmarks.step --model models/smollm2
    python -m benchmarks.step --model models/smollm2 --systems autotelic --repeats 1
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from statistics import median
from typing import Any

import torch

from autotelic.engines.batching import Batcher
from autotelic.engines.native import NativeEngine
from autotelic.learning.learner import Optimizer
from autotelic.networks.decoder import Decoder
from autotelic.networks.lora import LoRA, adapters
from autotelic.networks.machine import settled
from autotelic.policies.checkpoint import save_model
from autotelic.policies.loading import load
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer
from autotelic.types import Prompt
from autotelic.worlds import open_world
from benchmarks.common import gemm_peak, machine, spread, table, take_turns, versions, write
from benchmarks.rollout import operations, sampling_operations
from benchmarks.step import Child, Ours, Shape, report, train

RATE = 2e-5
TRL = "TRL GRPOTrainer"
STEPS = 16
"""Steps that there are prompts for."""
SYSTEMS: dict[str, dict[str, Any]] = {
    TRL: {"trl": {}},
    f"{TRL}, bf16=True": {"trl": {"bf16": True}},
    "autotelic": {},
    "autotelic, fp32": {"precision": "fp32"},
    "autotelic, LoRA": {"lora": {}},
}
"""What is compared: `trl` has settings of GRPOConfig; the others are settings of a run that are not as they come."""


def questions(count: int) -> list[Prompt]:
    """Word problems as chats."""
    return [({"role": "user", "content": str(task.prompt)},) for task in open_world("word-problems").tasks(count, seed=0)]


def needed(model: Decoder, adapted: int, prompts: Sequence[Sequence[int]], shape: Shape) -> dict[str, float]:
    """Operations that a step on these prompts needs; `adapted`: weights of an adapter: where there are any, no others are trained."""
    lengths = [len(prompt) for prompt in prompts]
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(min(prompts), max(prompts), strict=False)))
    there = operations(model.config, lengths, shape.group, shape.new_tokens, shape.group * shape.new_tokens, common)
    passes = sum(length + shape.group * (shape.new_tokens - 1) for length in lengths) - (len(lengths) - 1) * common
    learning = 2 * there + 6.0 * adapted * passes if adapted else 3 * there
    sampling = sampling_operations(model.config, lengths, shape.group, shape.new_tokens, common)
    return {"prompt_tokens": sum(lengths), "sampling_operations": sampling, "learning_operations": learning}


def ours(job: dict[str, Any], shape: Shape) -> None:
    """A child: this package."""
    torch.set_num_threads(job["threads"])
    settings = SYSTEMS[job["system"]]
    loaded = load(job["folder"], lora=LoRA(**settings["lora"]) if "lora" in settings else None)
    assert isinstance(loaded.model, Decoder)
    wanted = settings.get("precision", "auto")
    policy = Policy.of("solver", loaded, Batcher(NativeEngine(job["threads"], settled(wanted, loaded.model))))
    optimizer = Optimizer(learning_rate=RATE, precision=wanted, **settings.get("optimizer", {}))
    system = Ours(policy, optimizer, questions(STEPS * shape.prompts), shape)
    adapted = sum(layer.lora_A.numel() + layer.lora_B.numel() for layer in adapters(policy.model).values())
    for _ in sys.stdin:
        taken = system.step()
        asked = [group.rollouts[0].turns[0].tokens for group in system.groups]
        spent = {"core_seconds": sum(system.core_seconds), "core_seconds_of_rollouts": system.core_seconds[0]}
        report(seconds=taken, rollouts=system.sampled[-1], rows=system.rows, **spent, **needed(loaded.model, adapted, asked, shape))


def theirs(job: dict[str, Any], shape: Shape) -> None:
    """A child: TRL on the same prompts as text."""
    import transformers

    torch.set_num_threads(job["threads"])
    policy_tokenizer = Tokenizer.load(Path(job["folder"]))
    ids = [policy_tokenizer.encode_prompt(prompt) for prompt in questions(STEPS * shape.prompts)]
    texts = [policy_tokenizer.shown(row) for row in ids]
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(job["folder"])
    assert tokenizer(texts)["input_ids"] == ids
    model: Any = transformers.AutoModelForCausalLM
    settings = {"bf16": False, "learning_rate": RATE, **SYSTEMS[job["system"]]["trl"]}
    train(model.from_pretrained(job["folder"], dtype=torch.float32), tokenizer, texts, shape, job["peer_batch"], **settings)


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All systems, taking turns; the folder has the model as all of them read it."""
    shape = Shape(options.prompts, options.group, options.new_tokens)
    job = {"folder": str(folder), "threads": options.threads, "peer_batch": options.peer_batch, "shape": vars(shape)}
    children = {name: Child(["benchmarks.real", "--job", json.dumps({**job, "system": name})], options.threads) for name in options.systems}
    said: dict[str, list[dict[str, float]]] = {name: [] for name in children}
    until = time.monotonic() + 60 * options.minutes

    def turn(name: str) -> float:
        said[name].append(children[name].step())
        print(f"{name}: {said[name][-1]['seconds']:.1f} s", flush=True)
        return said[name][-1]["seconds"]

    try:
        turns: dict[str, Callable[[], float]] = {name: partial(turn, name) for name in children}
        take_turns(turns, 1)  # the first steps are not counted
        found: dict[str, list[float]] = {name: [] for name in (*turns, "")}
        while len(found[""]) < options.repeats and (not found[""] or time.monotonic() < until):
            for name, each in take_turns(turns | {"": lambda: gemm_peak(torch.bfloat16)}, 1).items():
                found[name] += each
    finally:
        for child in children.values():
            child.close()
    peak = spread(found.pop(""))
    peer = min((said[name][1:] for name in found if "trl" in SYSTEMS[name]), key=lambda steps: sum(one["core_seconds"] for one in steps), default=[])
    return {
        "gemm_flops": peak,
        "systems": {name: summary(said[name][1:], taken, peer, peak["most"] / options.threads) for name, taken in found.items()},
    }


def summary(said: Sequence[dict[str, float]], taken: Sequence[float], trl: Sequence[dict[str, float]], peak: float) -> dict[str, Any]:
    """What was found of one system."""
    made: dict[str, Any] = {
        "seconds_per_step": spread(taken), "seconds_of_rollouts": spread([one["rollouts"] for one in said]),
        "core_seconds": spread([one["core_seconds"] for one in said]), "peak_mib": said[-1]["peak_mib"],
    }  # fmt: skip
    if trl:
        made["times_as_fast_as_trl"] = spread([theirs["seconds"] / own for theirs, own in zip(trl, taken, strict=True)])
        made["trl_core_seconds_for_one"] = spread([theirs["core_seconds"] / one["core_seconds"] for theirs, one in zip(trl, said, strict=True)])
    if "rows" not in said[0]:
        return made
    sampling = median(one["sampling_operations"] / one["core_seconds_of_rollouts"] for one in said) / peak
    learning = median(one["learning_operations"] / (one["core_seconds"] - one["core_seconds_of_rollouts"]) for one in said) / peak
    facts = {"rows_learned": said[-1]["rows"], "prompt_tokens": said[-1]["prompt_tokens"]}
    return made | facts | {"share_of_gemm_peak": {"sampling": sampling, "learning": learning}}


def show(result: dict[str, Any]) -> None:
    rows = []
    for name, found in result["systems"].items():
        taken, times, shares = found["seconds_per_step"], found.get("times_as_fast_as_trl"), found.get("share_of_gemm_peak")
        parts = [f"{shares[part]:.0%}" for part in ("sampling", "learning")] if shares else ["", ""]
        spreads = (taken["median"], taken["least"], taken["most"], found["seconds_of_rollouts"]["median"], f"{times['median']:.2f}" if times else "")
        cores = (found["core_seconds"]["median"], f"{found['trl_core_seconds_for_one']['median']:.2f}" if times else "")
        rows.append((name, *spreads, *cores, found["peak_mib"], *parts))
    columns = ("system", "s a step", "least", "most", "of it rollouts", "x TRL", "core s", "x TRL", "peak, MiB", "of GEMM peak: sampling", "learning")
    print(table(f"\nbf16 matrix product of torch: {result['gemm_flops']['median'] / 1e9:.0f} GFLOP/s", columns, rows))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder or a GGUF file")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60, help="no further turn begins after them")
    parser.add_argument("--peer-batch", type=int, default=8, help="rows in one of TRL's micro-batches; 8 is its default")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args(arguments)
    if options.job:
        work = theirs if "trl" in SYSTEMS[options.job["system"]] else ours
        return work(options.job, Shape(**options.job["shape"]))
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        loaded = load(options.model)
        save_model(loaded.model, loaded.tokenizer, Path(folder))
        parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
        del loaded
        result = compare(Path(folder), options)
    show(result)
    setting = {name: getattr(options, name) for name in ("threads", "prompts", "group", "new_tokens", "peer_batch")}
    facts = {"machine": machine(), "versions": versions("trl", "accelerate", "datasets"), "model": Path(options.model).name, "parameters": parameters}
    write("real", {**facts, **setting, "learning_rate": RATE, **result}, options.out)
    return None


if __name__ == "__main__":
    main()

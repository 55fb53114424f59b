"""Rollouts and whole GRPO steps on a GPU, beside transformers' `generate` and TRL's `GRPOTrainer`: random weights of Qwen3-0.6B's shape, in bf16.

Rollouts: prompts of 16 to 32 tokens in groups of 8, none ended early, at several numbers of rows; all systems take turns in one process. Beside the rates
stands the share of the memory's bandwidth: the bytes that a token's step must read (all weights once, and the keys and values of every row) over those
that a copy on the device moves in that time. Steps: as in `benchmarks.step`. Written to benchmarks/results/gpu.json. With `--shape tiny --device cpu` it
runs anywhere, to see that it does.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --shape tiny --device cpu --out FILE
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from autotelic.engines.torch_engine import TorchEngine
from autotelic.learning.learner import Optimizer
from autotelic.networks.decoder import Decoder, DecoderConfig
from benchmarks.common import finish, machine, seconds, spread, table, take_turns, versions, write
from benchmarks.learn import GROUP, PROMPTS
from benchmarks.rollout import engine_rollout, generate_rollout, in_transformers
from benchmarks.step import RATE, Child, Ours, Shape, peer, policy_of, prompts

SHAPES = {
    "0.6B": DecoderConfig("qwen3", 151936, 1024, 3072, 28, 16, 8, 128, context=2048, rope_theta=1e6, qk_norm=True),
    "tiny": DecoderConfig("qwen3", 256, 16, 32, 2, 4, 2, 8, context=2048, rope_theta=1e6, qk_norm=True),
}
KEPT_PROMPT = 24
"""Mean length of a prompt."""


def alphabet(model: Decoder) -> str:
    """As many characters as the vocabulary has tokens, less four special ones."""
    characters = (chr(first + i) for first, count in ((0x4E00, 20000), (0xF0000, 65534), (0x100000, 65534), (0x20000, 40000)) for i in range(count))
    return "0123456789" + "".join(islice(characters, model.vocab_size - 14))


def fresh(shape: str, device: torch.device) -> Decoder:
    """Random weights, made on the device."""
    with device:
        model = Decoder(SHAPES[shape])
    model.initialize(torch.Generator(device).manual_seed(0))
    return model.eval()


def bytes_of_a_step(model: Decoder, rows: int, new: int) -> float:
    """What decoding one token for every row must read in bf16: weights once, and keys and values of what each row holds, halfway through."""
    c = model.config
    weights = sum(parameter.numel() for parameter in model.parameters()) - (0 if c.tied else c.vocab_size * c.hidden_size)
    return 2.0 * (weights + rows * 2 * c.layers * c.kv_heads * c.head_dim * (KEPT_PROMPT + new / 2))


def bandwidth(device: torch.device, size: int = 1 << 29, tries: int = 10) -> float:
    """Bytes a second that a copy on the device reads and writes: the best of some tries."""
    a = torch.zeros(size if device.type == "cuda" else size >> 4, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)

    def work() -> None:
        b.copy_(a)
        finish(device)

    return max(2 * len(a) / seconds(work) for _ in range(tries))


def rollouts(model: Decoder, rows: int, new: int, repeats: int) -> dict[str, Any]:
    """Tokens per second of each system with so many rows at once."""
    theirs = in_transformers(model).to(model.device, torch.bfloat16)
    systems = {
        "recorded steps": engine_rollout(TorchEngine(rows, "bf16", recorded=True), model, new),
        "step by step": engine_rollout(TorchEngine(rows, "bf16", recorded=False), model, new),
        "transformers generate": generate_rollout(theirs, rows, new),
    }

    def speed(work: Callable[[int], None]) -> float:
        def whole() -> None:
            work(rows)
            finish(model.device)

        return rows * new / seconds(whole)

    turns = {name: partial(speed, work) for name, work in systems.items()}
    take_turns(turns, 1)  # steps are recorded now
    found = take_turns(turns, repeats)
    read, copied = bytes_of_a_step(model, rows, new), bandwidth(model.device)
    return {
        "rows": rows, "new_tokens": new, "tokens_per_second": {name: spread(rates) for name, rates in found.items()},
        "copy_bytes_per_second": copied, "share_of_bandwidth": {name: spread(rates)["median"] / rows * read / copied for name, rates in found.items()},
    }  # fmt: skip


def steps(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Seconds of a GRPO step, ours and TRL's."""
    optimizer = Optimizer(learning_rate=RATE, precision="bf16", token_budget=options.budget)
    model = fresh(options.shape, device)
    policy = policy_of(model, TorchEngine(precision="bf16", recorded=True), alphabet(model))
    ours = Ours(policy, optimizer, prompts(), Shape(new_tokens=options.new_tokens))
    command = ["benchmarks.gpu", "--peer", "--shape", options.shape, "--device", options.device, "--new-tokens", str(options.new_tokens)]
    trl = Child([*command, "--peer-batch", str(options.peer_batch)], 1)
    try:
        systems = {"TRL GRPOTrainer": lambda: trl.step()["seconds"], "autotelic": ours.step}
        take_turns(systems, 2)  # the first steps are not counted
        taken = take_turns(systems, options.repeats)
    finally:
        trl.close()
    times = [theirs / own for theirs, own in zip(taken["TRL GRPOTrainer"], taken["autotelic"], strict=True)]
    return {
        "new_tokens": options.new_tokens, "samples": PROMPTS * GROUP, "seconds_per_step": {name: spread(values) for name, values in taken.items()},
        "times_as_fast_as_trl": spread(times), "seconds_of_rollouts": spread(ours.sampled[-options.repeats :]),
    }  # fmt: skip


def show(report: dict[str, Any]) -> None:
    lines = [
        (f"{result['rows']} rows", name, rate["median"], rate["least"], rate["most"], f"{result['share_of_bandwidth'][name]:.0%}")
        for result in report["rollouts"]
        for name, rate in result["tokens_per_second"].items()
    ]
    print(table(f"\n{report['shape']} on {report['device']}", ("", "system", "tokens/s", "least", "most", "of the bandwidth"), lines))
    if found := report["steps"]:
        rows = [(name, taken["median"], taken["least"], taken["most"]) for name, taken in found["seconds_per_step"].items()]
        print(table(f"\na step, {found['times_as_fast_as_trl']['median']:.2f} times as fast", ("system", "s", "least", "most"), rows))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="0.6B")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", nargs="+", type=int, default=[8, 64, 256])
    parser.add_argument("--new-tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--budget", type=int, default=32768, help="tokens in one of our micro-batches")
    parser.add_argument("--peer-batch", type=int, default=64, help="rows in one of TRL's micro-batches")
    parser.add_argument("--no-steps", action="store_true", help="rollouts only, without TRL")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if options.peer:
        model = fresh(options.shape, device)
        return peer(model, alphabet(model), 1, options.peer_batch, options.new_tokens)
    report: dict[str, Any] = {"machine": machine(), "versions": versions("trl", "accelerate"), "shape": options.shape, "device": options.device}
    model = fresh(options.shape, device)
    report["rollouts"] = [rollouts(model, rows, options.new_tokens, options.repeats) for rows in options.rows]
    report["steps"] = None if options.no_steps else steps(options, device)
    show(report)
    write("gpu", report, options.out)
    return None


if __name__ == "__main__":
    main()

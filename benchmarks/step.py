"""Seconds of one GRPO step from end to end, rollouts and learning, beside `GRPOTrainer` of TRL.

The same random weights, prompts (32 of 16 to 32 characters), group size (8), 64 new tokens for every completion (no end token can be sampled),
reward (share of digits), advantage (reward minus group mean), token-mean loss, clipping and learning rate. TRL runs in a process of its own and makes a
step when told to; the systems take turns, one at a time, and the first steps of each are not counted. Written to benchmarks/results/step.json.

    python -m benchmarks.step                                    both sizes, one and two threads
    python -m benchmarks.step --sizes 0.9M --threads 1 --repeats 3
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from autotelic.engines.base import Engine, Request
from autotelic.engines.batching import Batcher
from autotelic.engines.native import NativeEngine
from autotelic.learning.advantages import center
from autotelic.learning.learner import Learner, Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.networks.decoder import Decoder
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.streams import generator, key
from autotelic.types import Group, Rollout, Sampling, Task, Turn, TurnKind
from benchmarks.common import finish, machine, seconds, spread, table, take_turns, versions, write
from benchmarks.learn import GROUP, NEW_TOKENS, PROMPTS, SIZES, fresh
from benchmarks.rollout import in_transformers

ALPHABET = "0123456789" + "".join(chr(0x4E00 + i) for i in range(114))
RATE = 2e-4
POOL = 4096
"""Prompts that both systems draw from, in one order."""


def prompts() -> list[str]:
    draw = generator("step")
    return ["".join(draw.choice(ALPHABET) for _ in range(draw.randint(16, 32))) for _ in range(POOL)]


def digits(text: str) -> float:
    """The reward: the share of digits."""
    return sum(c.isdecimal() for c in text) / max(len(text), 1)


class Ours:
    """A policy, an engine and a learner, and the prompts yet to come."""

    def __init__(self, model: LanguageModel, engine: Engine, alphabet: str, optimizer: Optimizer, new_tokens: int = NEW_TOKENS) -> None:
        self.policy = Policy("solver", model, character_tokenizer(alphabet, model.context), Batcher(engine))
        self.policy.tokenizer.end = frozenset()  # no completion ends early
        self.learner = Learner(self.policy, optimizer, 0)
        self.prompts, self.new_tokens = prompts(), new_tokens
        self.steps = 0
        self.sampled: list[float] = []
        """Seconds of the rollouts of each step."""

    def rollouts(self) -> list[Group]:
        sampling = Sampling(max_tokens=self.new_tokens)
        texts = self.prompts[self.steps * PROMPTS : (self.steps + 1) * PROMPTS]
        tasks = [Task(f"{self.steps}/{i}", text) for i, text in enumerate(texts)]
        asked = [Request(tuple(self.policy.tokenizer.encode_prompt(t.prompt)), tuple(key(t.id, i) for i in range(GROUP)), sampling) for t in tasks]
        groups = []
        for task, request, found in zip(tasks, asked, asyncio.run(self.policy.sample(asked)), strict=True):
            group = Group(task, [])
            for i, c in enumerate(found):
                assert len(c.tokens) == self.new_tokens
                action = Turn(TurnKind.ACTION, c.tokens, c.logprobs, "solver", "solver", self.policy.version, 1.0, c.stop)
                text = self.policy.tokenizer.decode(c.tokens)
                group.rollouts.append(Rollout(f"{task.id}/{i}", task, [Turn(TurnKind.PROMPT, list(request.prompt)), action], text))
            group.reward(digits=[digits(rollout.text) for rollout in group])
            groups.append(group)
        return groups

    def step(self) -> float:
        groups: list[Group] = []

        def whole() -> None:
            self.sampled.append(seconds(lambda: groups.extend(self.rollouts())))
            self.learner.learn(list(center(groups)), PolicyGradient())
            finish(self.policy.model.device)

        taken = seconds(whole)
        self.steps += 1
        return taken


class Theirs:
    """TRL's trainer in a child process that makes one step per line it reads."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        """command: arguments of Python for a program that calls `peer`."""
        command = [sys.executable, "-m", *command]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "TRANSFORMERS_VERBOSITY": "error"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def step(self) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise RuntimeError("the peer ended early")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def peer(model: Decoder, alphabet: str, threads: int, batch: int, new_tokens: int = NEW_TOKENS) -> None:
    """The child: trains with TRL, in bf16 on a GPU, waiting for a line before every step, and says how long each took."""
    import transformers
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(threads)

    class OnCommand(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            if not sys.stdin.readline():
                os._exit(0)
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            finish(model.device)
            print(f"seconds {time.perf_counter() - self.started}", flush=True)

    def reward(completions: Sequence[str], **_: Any) -> list[float]:
        return [digits(text) for text in completions]

    theirs = in_transformers(model)
    tokenizer: Any = character_tokenizer(alphabet, model.context).inner
    tokenizer.add_special_tokens({"eos_token": "<never>"})  # an id outside the model's vocabulary: no completion ends early
    tokenizer.padding_side = "left"
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder, learning_rate=RATE, lr_scheduler_type="constant", adam_beta2=0.95, max_grad_norm=1.0, beta=0.0, num_iterations=1,
            loss_type="dapo", scale_rewards="none", epsilon=0.2, per_device_train_batch_size=batch,
            gradient_accumulation_steps=PROMPTS * GROUP // batch, num_generations=GROUP, max_completion_length=new_tokens, temperature=1.0,
            max_steps=POOL // PROMPTS, use_cpu=model.device.type == "cpu", bf16=model.device.type != "cpu", gradient_checkpointing=False,
            shuffle_dataset=False, report_to="none", save_strategy="no", logging_steps=1 << 30, disable_tqdm=True, dataloader_num_workers=0,
        )  # fmt: skip
        data = Dataset.from_list([{"prompt": text} for text in prompts()])
        GRPOTrainer(theirs, reward, config, train_dataset=data, processing_class=tokenizer, callbacks=[OnCommand()]).train()


def measure(size: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """All systems, taking turns."""
    torch.set_num_threads(1)
    arms: dict[str, tuple[Precision, Precision]] = {
        "sampling bf16, learning bf16": ("bf16", "bf16"),
        "sampling fp32, learning bf16": ("fp32", "bf16"),
        "sampling fp32, learning fp32": ("fp32", "fp32"),
    }

    def optimizer(learning: Precision) -> Optimizer:
        return Optimizer(learning_rate=RATE, precision=learning, token_budget=options.budget, processes=threads)

    ours = {name: Ours(fresh(size), NativeEngine(threads, sampling), ALPHABET, optimizer(learning)) for name, (sampling, learning) in arms.items()}
    trl = Theirs(["benchmarks.step", "--peer", size, "--threads", str(threads), "--peer-batch", str(options.peer_batch)], threads)
    try:
        systems: dict[str, Callable[[], float]] = {"TRL GRPOTrainer": trl.step, **{name: one.step for name, one in ours.items()}}
        take_turns(systems, 2)  # the first steps are not counted
        taken = take_turns(systems, options.repeats)
    finally:
        trl.close()
    times = [sorted(theirs / own for theirs, own in zip(taken["TRL GRPOTrainer"], taken[name], strict=True)) for name in systems]
    return {
        "model": size, "parameters": ours[next(iter(ours))].policy.parameters, "threads": threads, "peer_micro_batch": options.peer_batch,
        "seconds_per_step": {name: spread(values) for name, values in taken.items()},
        "times_as_fast_as_trl": {name: spread(values) for name, values in zip(systems, times, strict=True)},
        "seconds_of_rollouts": {name: spread(one.sampled[-options.repeats :]) for name, one in ours.items()},
    }  # fmt: skip


def show(result: dict[str, Any]) -> None:
    lines = []
    for name, taken in result["seconds_per_step"].items():
        times, rollouts = result["times_as_fast_as_trl"][name], result["seconds_of_rollouts"].get(name)
        spreads = (f"{times['median']:.2f}", f"{times['least']:.2f} to {times['most']:.2f}")
        lines.append([name, taken["median"], taken["least"], taken["most"], *spreads, rollouts["median"] if rollouts else "-"])
    title = f"\n{result['model']} ({result['parameters']:,} parameters), threads {result['threads']}: seconds of a step"
    print(table(title, ["system", "median", "least", "most", "x TRL", "pairwise", "of it rollouts"], lines), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--budget", type=int, default=8192, help="tokens in one of our micro-batches")
    parser.add_argument("--peer-batch", type=int, default=64, help="rows in one of TRL's micro-batches")
    parser.add_argument("--peer", choices=SIZES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    if options.peer:
        return peer(fresh(options.peer), ALPHABET, options.threads[0], options.peer_batch)
    setting = {"prompts": f"{PROMPTS} of 16 to 32 tokens", "group": GROUP, "new_tokens": NEW_TOKENS, "learning_rate": RATE}
    report: dict[str, Any] = {"machine": machine(), "versions": versions("trl", "accelerate", "datasets"), **setting, "results": []}
    for threads in options.threads:
        for size in options.sizes:
            report["results"].append(measure(size, threads, options))
            show(report["results"][-1])
            write("step", report, options.out)
    return None


if __name__ == "__main__":
    main()

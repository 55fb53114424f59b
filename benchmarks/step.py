"""Seconds of one GRPO step from end to end, rollouts and learning, beside `GRPOTrainer` of TRL.

The same random weights, prompts (32 of 16 to 32 characters), group size (8), 64 new tokens for every completion (no end token can be sampled),
reward (share of digits), advantage (reward minus group mean), token-mean loss, clipping and learning rate. TRL runs in a process of its own and makes a
step when told to; the systems take turns, one at a time, and the first steps of each are not counted. Written to benchmarks/results/step.json.

    python -m benchmarks.step                                    both sizes, one and two threads
    python -m benchmarks.step --sizes 0.9M --threads 1 --repeats 3
    python -m benchmarks.step --model models/smollm2             a real model, with memory: see benchmarks/real.py
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from autotelic.types import Group, Prompt, Rollout, Sampling, Task, Turn, TurnKind
from benchmarks.common import finish, machine, peak_memory, seconds, spread, table, take_turns, versions, write
from benchmarks.learn import GROUP, NEW_TOKENS, PROMPTS, SIZES, fresh
from benchmarks.rollout import in_transformers

ALPHABET = "0123456789" + "".join(chr(0x4E00 + i) for i in range(114))
RATE = 2e-4
POOL = 4096
"""Prompts that both systems draw from, in one order."""


@dataclass(frozen=True)
class Shape:
    """What one step samples and learns from."""

    prompts: int = PROMPTS
    group: int = GROUP
    new_tokens: int = NEW_TOKENS


SHAPE = Shape()


def prompts() -> list[str]:
    draw = generator("step")
    return ["".join(draw.choice(ALPHABET) for _ in range(draw.randint(16, 32))) for _ in range(POOL)]


def digits(text: str) -> float:
    """The reward: the share of digits."""
    return sum(c.isdecimal() for c in text) / max(len(text), 1)


def policy_of(model: LanguageModel, engine: Engine, alphabet: str) -> Policy:
    """A policy that reads characters."""
    return Policy("solver", model, character_tokenizer(alphabet, model.context), Batcher(engine))


class Ours:
    """A policy and a learner, and the prompts yet to come."""

    def __init__(self, policy: Policy, optimizer: Optimizer, texts: Sequence[Prompt], shape: Shape = SHAPE) -> None:
        self.policy = policy
        self.policy.tokenizer.end = frozenset()  # no completion ends early
        self.learner = Learner(self.policy, optimizer, 0)
        self.prompts, self.shape = texts, shape
        self.steps = 0
        self.sampled: list[float] = []
        """Seconds of the rollouts of each step."""
        self.core_seconds: tuple[float, float] = (0.0, 0.0)
        """Those that this process had cores in the rollouts, and in the learning, of the last step."""
        self.groups: list[Group] = []
        """The rollouts of the last step."""
        self.rows = 0.0
        """How many of them were trained on: those of which all are rewarded alike teach nothing."""

    def rollouts(self) -> list[Group]:
        sampling = Sampling(max_tokens=self.shape.new_tokens)
        texts = self.prompts[self.steps * self.shape.prompts : (self.steps + 1) * self.shape.prompts]
        tasks = [Task(f"{self.steps}/{i}", text) for i, text in enumerate(texts)]
        streams = range(self.shape.group)
        asked = [Request(tuple(self.policy.tokenizer.encode_prompt(t.prompt)), tuple(key(t.id, i) for i in streams), sampling) for t in tasks]
        groups = []
        for task, request, found in zip(tasks, asked, asyncio.run(self.policy.sample(asked)), strict=True):
            group = Group(task, [])
            for i, c in enumerate(found):
                assert len(c.tokens) == self.shape.new_tokens
                action = Turn(TurnKind.ACTION, c.tokens, c.logprobs, "solver", "solver", self.policy.version, 1.0, c.stop)
                text = self.policy.tokenizer.decode(c.tokens)
                group.rollouts.append(Rollout(f"{task.id}/{i}", task, [Turn(TurnKind.PROMPT, list(request.prompt)), action], text))
            group.reward(digits=[digits(rollout.text) for rollout in group])
            groups.append(group)
        return groups

    def step(self) -> float:
        def whole() -> None:
            begun = time.process_time()
            self.sampled.append(seconds(lambda: self.groups.extend(self.rollouts())))
            between = time.process_time()
            found = self.learner.learn(list(center(self.groups)), PolicyGradient())
            self.rows = found.get("learner/rows", 0.0)
            finish(self.policy.model.device)
            self.core_seconds = (between - begun, time.process_time() - between)

        self.groups = []
        taken = seconds(whole)
        self.steps += 1
        return taken


class Child:
    """A system in a process of its own, which makes a step per line that it reads."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        """command: arguments of Python for a program that calls `train` or `report`."""
        command = [sys.executable, "-m", *command]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "TRANSFORMERS_VERBOSITY": "error"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def step(self) -> dict[str, float]:
        """What it says of one more step; `seconds` among it."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("step "):
                found: dict[str, float] = json.loads(line.removeprefix("step "))
                return found
        raise RuntimeError(f"a process that is compared ended with code {self.process.wait()}: did memory run out?")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def report(**found: float) -> None:
    """Tell the parent of a step."""
    print(f"step {json.dumps({**found, 'peak_mib': peak_memory()})}", flush=True)


def train(theirs: Any, tokenizer: Any, texts: Sequence[str], shape: Shape, batch: int, **settings: Any) -> None:
    """Train with TRL, waiting for a line before every step, and say how long each took. `settings` of GRPOConfig are laid over those that make its step
    the one that is measured."""
    import transformers
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    class OnCommand(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            if not sys.stdin.readline():
                os._exit(0)
            self.started, self.spent = time.perf_counter(), time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            finish(theirs.device)
            report(seconds=time.perf_counter() - self.started, rollouts=trainer.taken, core_seconds=time.process_time() - self.spent)

    class Timed(GRPOTrainer):  # type: ignore[misc]
        taken = 0.0

        def _generate_single_turn(self, *arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            found = super()._generate_single_turn(*arguments, **options)
            self.taken = time.perf_counter() - start
            assert all(len(tokens) == shape.new_tokens for tokens in found[0])
            return found

    def reward(completions: Sequence[str], **_: Any) -> list[float]:
        return [digits(text) for text in completions]

    tokenizer.add_special_tokens({"eos_token": "<never>"})  # an id outside the model's vocabulary: no completion ends early
    tokenizer.padding_side, theirs.generation_config.eos_token_id = "left", None
    cpu = theirs.device.type == "cpu"
    with tempfile.TemporaryDirectory() as folder:
        fixed = {
            "output_dir": folder, "learning_rate": RATE, "lr_scheduler_type": "constant", "adam_beta2": 0.95, "max_grad_norm": 1.0, "beta": 0.0,
            "num_iterations": 1, "loss_type": "dapo", "scale_rewards": "none", "epsilon": 0.2, "per_device_train_batch_size": batch,
            "gradient_accumulation_steps": shape.prompts * shape.group // batch, "num_generations": shape.group, "temperature": 1.0,
            "max_completion_length": shape.new_tokens, "max_steps": len(texts) // shape.prompts, "use_cpu": cpu, "bf16": not cpu,
            "gradient_checkpointing": False, "shuffle_dataset": False, "report_to": "none", "save_strategy": "no", "logging_steps": 1 << 30,
            "disable_tqdm": True, "dataloader_num_workers": 0,
        }  # fmt: skip
        data = Dataset.from_list([{"prompt": text} for text in texts])
        config = GRPOConfig(**{**fixed, **settings})
        trainer = Timed(theirs, reward, config, train_dataset=data, processing_class=tokenizer, callbacks=[OnCommand()])
        trainer.train()


def peer(model: Decoder, alphabet: str, threads: int, batch: int, new_tokens: int = NEW_TOKENS) -> None:
    """The child: `train` on a model that reads characters."""
    torch.set_num_threads(threads)
    train(in_transformers(model), character_tokenizer(alphabet, model.context).inner, prompts(), Shape(new_tokens=new_tokens), batch)


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

    ours = {
        name: Ours(policy_of(fresh(size), NativeEngine(threads, sampling), ALPHABET), optimizer(learning), prompts())
        for name, (sampling, learning) in arms.items()
    }
    trl = Child(["benchmarks.step", "--peer", size, "--threads", str(threads), "--peer-batch", str(options.peer_batch)], threads)
    try:
        systems: dict[str, Callable[[], float]] = {"TRL GRPOTrainer": lambda: trl.step()["seconds"], **{name: one.step for name, one in ours.items()}}
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
    if any(argument.startswith("--model") for argument in sys.argv):
        from benchmarks.real import main as real

        return real()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--budget", type=int, default=8192, help="tokens in one of our micro-batches")
    parser.add_argument("--peer-batch", type=int, default=64, help="rows in one of TRL's micro-batches")
    parser.add_argument("--model", help="a model folder or a GGUF file, in the place of the sizes; the options are those of benchmarks.real")
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

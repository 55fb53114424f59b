"""Completion tokens per second of learning alone: one policy-gradient update on groups that share prompts, by kind of learner.

Random weights and tokens: 32 prompts of 16 to 32 tokens, 8 completions of 64 tokens each. All learners see the same rows and take turns in one
process. "padded" is the plain path: each row with its prompt, padded, through torch operations. Written to benchmarks/results/learn.json.

    python -m benchmarks.learn
    python -m benchmarks.learn --sizes 0.9M --repeats 3 --compile
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.learning.learner import Learner, Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.native import kernels
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.networks.model import LanguageModel
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.streams import generator
from autotelic.types import Example
from benchmarks.common import machine, seconds, spread, table, take_turns, versions, write

SIZES = {
    "0.9M": DecoderConfig("llama", 128, 128, 384, 4, 4, 4, 32, context=128),
    "3.3M": DecoderConfig("llama", 128, 256, 704, 4, 8, 8, 32, context=128),
}
PROMPTS, GROUP, NEW_TOKENS = 32, 8, 64


class Padded(LanguageModel):
    """A decoder that the learner does not know as one, so that it reads padded rows, through `hidden`."""

    def __init__(self, inner: Decoder, hidden: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.inner, self.vocab_size, self.context = inner, inner.vocab_size, inner.context
        self._hidden = hidden or inner.hidden

    def hidden(self, tokens: Tensor) -> Tensor:
        return self._hidden(tokens)

    def head(self, hidden: Tensor) -> Tensor:
        return self.inner.head(hidden)


def rows(vocab_size: int, prompts: int = PROMPTS, group: int = GROUP, new_tokens: int = NEW_TOKENS) -> list[Example]:
    """Groups of random completions of random prompts."""
    draw = generator("learn", prompts)

    def tokens(count: int) -> list[int]:
        return [draw.randrange(vocab_size) for _ in range(count)]

    made = []
    for number in range(prompts):
        prompt = tokens(draw.randint(16, 32))
        zeros = [0.0] * len(prompt)
        for sample in range(group):
            advantage, old = draw.gauss(0, 1), [-4.85] * new_tokens
            items = {"mask": [*zeros, *[1.0] * new_tokens], "advantage": [*zeros, *[advantage] * new_tokens], "old_logprobs": [*zeros, *old]}
            made.append(Example(f"{number}/{sample}", [*prompt, *tokens(new_tokens)], version=0, **items))
    return made


def learner(model: LanguageModel, **settings: Any) -> Learner:
    """A learner of a model on its own."""
    tokenizer = character_tokenizer([chr(0x4E00 + i) for i in range(100)], 128)
    return Learner(Policy("solver", model, tokenizer, Batcher(TorchEngine())), Optimizer(**settings), 0)


def fresh(size: str) -> Decoder:
    model = Decoder(SIZES[size])
    model.initialize(torch.Generator().manual_seed(0))
    return model


def without_kernels(update: Callable[[], float]) -> Callable[[], float]:
    """The same in plain torch, as where no compiler is found."""

    def run() -> float:
        kept, kernels.suits = kernels.suits, lambda *tensors: False
        try:
            return update()
        finally:
            kernels.suits = kept

    return run


def systems(size: str, compile_too: bool) -> dict[str, Callable[[], float]]:
    """Seconds of one update, by learner."""
    examples = rows(SIZES[size].vocab_size)

    def timed(which: Learner) -> Callable[[], float]:
        def update() -> float:
            which.policy.version = 0
            return seconds(lambda: which.learn(examples, PolicyGradient()))

        return update

    found = {
        "padded, fp32": timed(learner(Padded(fresh(size)))),
        "padded, bf16 (autocast)": timed(learner(Padded(fresh(size)), precision="bf16")),
        "shared prompts, fp32, torch": without_kernels(timed(learner(fresh(size)))),
        "shared prompts, bf16, torch": without_kernels(timed(learner(fresh(size), precision="bf16"))),
        "shared prompts, fp32, kernels": timed(learner(fresh(size))),
        "shared prompts, bf16, kernels": timed(learner(fresh(size), precision="bf16")),
    }
    if compile_too:
        for name, precision in (("padded, fp32, torch.compile", "fp32"), ("padded, bf16 (autocast), torch.compile", "bf16")):
            inner = fresh(size)
            found[name] = timed(learner(Padded(inner, torch.compile(inner.hidden, dynamic=True)), precision=precision))
    return found


def measure(size: str, repeats: int, compile_too: bool) -> dict[str, Any]:
    taking_turns = systems(size, compile_too)
    warm_up = {name: system() for name, system in taking_turns.items()}
    taken = take_turns(taking_turns, repeats)
    tokens = PROMPTS * GROUP * NEW_TOKENS
    return {
        "model": size, "parameters": sum(p.numel() for p in fresh(size).parameters()), "threads": torch.get_num_threads(),
        "first_update_seconds": warm_up,
        "completion_tokens_per_second": {name: spread([tokens / value for value in values]) for name, values in taken.items()},
    }  # fmt: skip


def show(result: dict[str, Any]) -> None:
    rates = result["completion_tokens_per_second"]
    base = next(iter(rates.values()))["median"]
    lines = [[name, r["median"], r["least"], r["most"], r["median"] / base, result["first_update_seconds"][name]] for name, r in rates.items()]
    title = f"\n{result['model']} ({result['parameters']:,} parameters), threads {result['threads']}: completion tokens per second"
    print(table(title, ["learner", "median", "least", "most", "x padded fp32", "first update, s"], lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile too, for comparison: half a minute or more per learner to begin with")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(),
        "prompts": f"{PROMPTS} of 16 to 32 tokens, groups of {GROUP}",
        "new_tokens": NEW_TOKENS,
        "results": [],
    }
    for size in options.sizes:
        report["results"].append(measure(size, options.repeats, options.compile))
        show(report["results"][-1])
        write("learn", report, options.out)


if __name__ == "__main__":
    main()

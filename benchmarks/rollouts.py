"""Tokens per second of rollouts: the native engine against the torch engine and against `generate` of transformers.

Random weights, prompts of 16 to 32 tokens in groups, 64 new tokens, all systems in one process, taking turns, so that other load on the
machine falls on all alike. Medians with the range; written to benchmarks/results/rollouts.json. Not a test of what the tokens say.

    python benchmarks/rollouts.py                         all sizes, one and two threads (an hour or more on two cores)
    python benchmarks/rollouts.py --sizes 0.9M --threads 1 --seconds 2
"""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers

from autotelic.engines.base import Engine, Request, Vocabulary
from autotelic.engines.native import NativeEngine, build
from autotelic.engines.torch_engine import TorchEngine
from autotelic.policies.decoder import Decoder, DecoderConfig
from autotelic.streams import generator, key
from autotelic.types import Sampling

NEW_TOKENS, GROUP = 64, 8
NEVER = Vocabulary(frozenset(), 0, str)
SIZES = {
    "0.9M": DecoderConfig("llama", 128, 128, 384, 4, 4, 4, 32, context=128),
    "3.3M": DecoderConfig("llama", 128, 256, 704, 4, 8, 8, 32, context=128),
    "30M": DecoderConfig("llama", 8192, 512, 1408, 8, 8, 8, 64, context=128),
    "135M": DecoderConfig("llama", 49152, 576, 1536, 30, 9, 3, 64, context=128),
}
Rollout = Callable[[int], None]
"""Samples this many completions."""


def prompts(count: int, vocab_size: int) -> list[tuple[int, ...]]:
    """`count` random prompts of 16 to 32 tokens."""
    draw = generator("rollouts", count)
    return [tuple(draw.randrange(vocab_size) for _ in range(draw.randint(16, 32))) for _ in range(count)]


def engine_rollout(engine: Engine, model: Decoder) -> Rollout:
    def rollout(samples: int) -> None:
        rows = enumerate(prompts(samples // GROUP, model.vocab_size))
        requests = [Request(p, tuple(key(i, j) for j in range(GROUP)), Sampling(max_tokens=NEW_TOKENS)) for i, p in rows]
        done = engine.generate(model, requests, NEVER)
        assert sum(len(completion.tokens) for group in done for completion in group) == samples * NEW_TOKENS

    return rollout


def generate_rollout(model: Decoder, batch: int) -> Rollout:
    """transformers' `generate` with its default (dynamic) cache, prompts padded on the left, in batches of `batch`."""
    config = transformers.AutoConfig.for_model(**model.config.to_hf())
    theirs = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    theirs.load_state_dict(model.state_dict(), strict=False)

    @torch.inference_mode()
    def rollout(samples: int) -> None:
        rows = [prompt for prompt in prompts(samples // GROUP, model.vocab_size) for _ in range(GROUP)]
        for start in range(0, samples, batch):
            part = rows[start : start + batch]
            width = max(map(len, part))
            tokens = torch.tensor([[0] * (width - len(row)) + list(row) for row in part])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in part])
            options = {"do_sample": True, "top_k": 0, "top_p": 1.0, "pad_token_id": 0, "eos_token_id": None}
            out = theirs.generate(tokens, attention_mask=mask, max_new_tokens=NEW_TOKENS, **options)
            assert out.shape[1] == width + NEW_TOKENS

    return rollout


def speed(rollout: Rollout, samples: int) -> float:
    """Tokens per second of one call."""
    start = time.perf_counter()
    rollout(samples)
    return samples * NEW_TOKENS / (time.perf_counter() - start)


def enough(rollout: Rollout, seconds: float, step: int) -> int:
    """How many samples, a multiple of `step`, take about `seconds`; also warms up."""
    speed(rollout, step)
    return max(1, round(seconds * speed(rollout, step) / NEW_TOKENS / step)) * step


def gemm_peak(dtype: torch.dtype, size: int = 512) -> float:
    """FLOP per second of torch's matrix product at M = N = K = `size`, the best of some."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    best = 0.0
    for _ in range(20):
        start = time.perf_counter()
        torch.mm(a, b)
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def systems(model: Decoder, threads: int, batches: Sequence[int], seconds: float) -> dict[str, tuple[Rollout, int]]:
    """Each system with the number of samples that it gets per turn; `generate` once, at the best of `batches`."""
    rollouts = {
        "native fp32": engine_rollout(NativeEngine(threads, "fp32"), model),
        "native bf16": engine_rollout(NativeEngine(threads, "bf16"), model),
        "torch engine": engine_rollout(TorchEngine(), model),
    }
    chosen = {name: (rollout, enough(rollout, seconds, 16 * threads * GROUP)) for name, rollout in rollouts.items()}
    tried = {batch: generate_rollout(model, batch) for batch in batches}
    speeds = {batch: max(speed(rollout, batch) for _ in range(2)) for batch, rollout in tried.items()}
    best = max(speeds, key=speeds.__getitem__)
    turns = max(1, round(seconds * speeds[best] / NEW_TOKENS / best))
    return {**chosen, f"transformers generate, batch {best}": (tried[best], turns * best)}


def measure(name: str, threads: int, repeats: int, batches: Sequence[int], seconds: float) -> dict[str, Any]:
    """All systems on one size of model, taking turns."""
    torch.set_num_threads(threads)
    config = SIZES[name]
    model = Decoder(config)
    model.initialize(torch.Generator().manual_seed(0))
    weights = sum(p.numel() for p in model.parameters())
    products = weights - (0 if config.tied else config.vocab_size * config.hidden_size)  # the embedding is looked up, the head multiplied
    taking_turns = systems(model, threads, batches, seconds)
    rates: dict[str, list[float]] = {system: [] for system in taking_turns}
    peaks: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(repeats):
        for system, (rollout, samples) in taking_turns.items():
            rates[system].append(speed(rollout, samples))
        peaks["fp32"].append(gemm_peak(torch.float32))
        peaks["bf16"].append(gemm_peak(torch.bfloat16))
    peak = {precision: median(values) for precision, values in peaks.items()}
    shares = {p: median(rates[f"native {p}"]) * 2 * products / peak[p] for p in peak}
    return {
        "model": name, "parameters": weights, "threads": threads,
        "tokens_per_second": {s: {"median": median(v), "least": min(v), "most": max(v), "runs": v} for s, v in rates.items()},
        "gemm_flops": peak, "share_of_gemm_peak": shares,
    }  # fmt: skip


def show(result: dict[str, Any]) -> None:
    rates = result["tokens_per_second"]
    base = next(rate["median"] for system, rate in rates.items() if system.startswith("transformers"))
    print(f"\n{result['model']} ({result['parameters']:,} parameters), threads {result['threads']}: tokens per second")
    for system, rate in rates.items():
        print(f"  {system:34} {rate['median']:10,.0f}  ({rate['least']:,.0f} to {rate['most']:,.0f})  {rate['median'] / base:5.2f}x generate")
    for precision, flops in result["gemm_flops"].items():
        print(f"  torch matmul {precision}: {flops / 1e9:.0f} GFLOP/s; the native engine reaches {result['share_of_gemm_peak'][precision]:.0%} of it")


def machine() -> dict[str, Any]:
    compiler = build.compiler()
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    model = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {
        "cpu": model[0] if model else platform.processor(), "capability": torch.backends.cpu.get_cpu_capability(), "cores": os.cpu_count(),
        "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__, "compiler": version,
    }  # fmt: skip


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64, 256], help="batch sizes that generate may choose from")
    parser.add_argument("--seconds", type=float, default=5.0, help="about how long one turn of one system takes")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "rollouts.json")
    options = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "prompts": "16 to 32 tokens, groups of 8", "new_tokens": NEW_TOKENS, "results": []}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for threads in options.threads:
        for name in options.sizes:
            report["results"].append(measure(name, threads, options.repeats, options.batches, options.seconds))
            show(report["results"][-1])
            options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

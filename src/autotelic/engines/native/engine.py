"""The Python side of the native engine: hands weights and requests to `engine.cpp` as pointers and reads completions back.

The same requests give the same tokens as with the torch engine, but for the last bits of rounding, and in either precision bitwise the
same whatever the number of threads and whatever else is in the batch.
"""

import ctypes
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autotelic.engines.base import Completion, Request, Vocabulary, Watch, check, not_finite
from autotelic.engines.native.library import library
from autotelic.errors import SettingError
from autotelic.native.build import BuildError
from autotelic.networks.decoder import Decoder, beyond
from autotelic.networks.lora import merged_state
from autotelic.networks.machine import give_back_memory
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision
from autotelic.types import StopReason

SETTINGS = np.dtype([("top_k", "i4"), ("max_tokens", "i4"), ("greedy", "i4"), ("stops", "i4"), ("scale", "f4"), ("top_p", "f8")], align=True)
NOT_FINITE = 3
"""As in the enumeration of a batch's results in engine.cpp."""
REASONS = (StopReason.LENGTH, StopReason.END, StopReason.STOP)
LAYER_TENSORS = (
    *(f"{name}.weight" for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")),
    *(f"{name}.weight" for name in ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm")),
    *(f"{name}.bias" for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")),
    *(f"{name}.bias" for name in ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")),
    *(f"{name}.weight" for name in ("self_attn.q_norm", "self_attn.k_norm")),
)
"""In the order of the enumeration in engine.cpp."""

StopCheck = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.POINTER(ctypes.c_int32), ctypes.c_int32)


class _Config(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ("vocab", "hidden", "intermediate", "layers", "heads", "kv_heads", "head_dim", "context", "half")),
        ("eps", ctypes.c_float),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ("requests", "threads", "end_count")),
        *((name, ctypes.c_void_p) for name in ("prompts", "prompt_at", "streams", "stream_at", "forced", "forced_at", "settings")),
        *((name, ctypes.c_void_p) for name in ("end", "output_at", "tokens", "logprobs", "lengths", "reasons")),
        ("stopped", StopCheck),
        ("cancel", ctypes.c_void_p),
    ]


def available(tuning: str | None = None) -> str | None:
    """None when the engine can be built and loaded here, else the reason why not. Builds it if need be."""
    try:
        library(tuning)
    except BuildError as error:
        return str(error)
    return None


def supports(model: LanguageModel) -> str | None:
    """None when the engine can run this model, else the reason why not."""
    if not isinstance(model, Decoder):
        inner: Any = getattr(model, "inner", model)
        reason = beyond(inner.config.to_dict()) if hasattr(inner, "config") else None
        return f"the native engine runs Llama, Qwen2 and Qwen3 decoders, not {type(inner).__name__}" + (f" with {reason}" if reason else "")
    if model.device.type != "cpu":
        return f"the native engine runs on the CPU, and the weights are on {model.device}"
    return None


class NativeEngine:
    """See `Engine`. In bf16, products take weights and activations rounded to bf16 and sum in fp32; all else is fp32."""

    name = "native"

    def __init__(self, threads: int = 1, precision: Precision = "fp32", tuning: str | None = None) -> None:
        """tuning: flags that choose the machine the engine is built for, see `library`.

        Raises:
            BuildError: see `library`.
        """
        self.threads = threads
        self.precision = precision
        self.library = library(tuning)
        self.refreshes = 0
        """How often weights were packed."""
        self._packed: weakref.WeakKeyDictionary[Decoder, _Packed] = weakref.WeakKeyDictionary()

    def generate(
        self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary, watch: Watch | None = None
    ) -> list[list[Completion]]:
        """See `Engine`.

        Raises:
            DataError, SettingError: as `Engine.generate`; also SettingError where the model is not supported.
        """
        reason = supports(model)
        if reason or not isinstance(model, Decoder):
            raise SettingError(str(reason))
        check(model, requests)
        if not any(request.streams for request in requests):
            return [[] for _ in requests]
        made = _Call(requests, vocabulary, self.threads, watch).run(self.library, self._weights(model))
        if made is None:
            raise not_finite(model)
        return made

    def release(self, model: LanguageModel) -> None:
        """Free the packed weights of a model; they are packed again when it is sampled from."""
        if isinstance(model, Decoder):
            self._packed.pop(model, None)

    def _weights(self, model: Decoder) -> "_Packed":
        """The packed weights of a model, packed again if they have changed since."""
        mark = self._mark(model)
        packed = self._packed.get(model)
        if packed is None or packed.mark != mark:
            self._packed.pop(model, None)  # frees the old before the new is made
            packed = self._packed[model] = _Packed(self.library, model, self.precision, mark)
            give_back_memory(model)
            self.refreshes += 1
        return packed

    def _mark(self, model: Decoder) -> int:
        """A hash of all weights: version counters of tensors miss writes through `.data`."""
        mark = 0
        for parameter in model.parameters():
            tensor = parameter.detach().contiguous()
            mark = self.library.autotelic_hash(tensor.data_ptr(), tensor.numel() * tensor.element_size(), mark)
        return mark


class _Packed:
    """The weights of one model in the engine's layout, freed with this object."""

    def __init__(self, library: ctypes.CDLL, model: Decoder, precision: Precision, mark: int) -> None:
        self.mark = mark
        c = model.config
        state = {name: tensor.detach().to(torch.float32).contiguous() for name, tensor in merged_state(model).items()}
        names = [f"model.layers.{layer}.{name}" for layer in range(c.layers) for name in LAYER_TENSORS]
        names += ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"]
        self.kept: list[Tensor | None] = [*map(state.get, names), *(model.get_buffer(name).float().contiguous() for name in ("cos", "sin"))]
        pointers = (ctypes.c_void_p * len(self.kept))(*[None if t is None else t.data_ptr() for t in self.kept])
        shape = (c.vocab_size, c.hidden_size, c.intermediate_size, c.layers, c.heads, c.kv_heads, c.head_dim, c.context)
        self.handle = library.autotelic_model(ctypes.byref(_Config(*shape, precision == "bf16", c.norm_eps)), pointers)
        if not self.handle:
            raise MemoryError("no memory for the packed weights")
        self.kept = [self.kept[names.index("model.embed_tokens.weight")], *self.kept[-2:]]  # read in place; the rest was copied
        weakref.finalize(self, library.autotelic_free, self.handle)


class _Call:
    """One batch: requests as flat arrays, and arrays for the answers. N is the number of samples."""

    def __init__(self, requests: Sequence[Request], vocabulary: Vocabulary, threads: int, watch: Watch | None) -> None:
        self.requests, self.decode, self.watch = requests, vocabulary.decode, watch
        self.owner = [request for request in requests for _ in request.streams]  # N
        self.output_at = _offsets(request.sampling.max_tokens for request in self.owner)
        self.tokens = np.empty(self.output_at[-1], np.int32)
        self.logprobs = np.empty(self.output_at[-1], np.float32)
        self.lengths = np.zeros(len(self.owner), np.int32)
        self.reasons = np.zeros(len(self.owner), np.int32)
        self.cancel = np.zeros(1, np.int32)
        self.failure: BaseException | None = None
        settings = np.zeros(len(requests), SETTINGS)
        for row, s in zip(settings, (request.sampling for request in requests), strict=True):
            row["top_k"], row["max_tokens"], row["top_p"] = min(s.top_k, 2**31 - 1), s.max_tokens, s.top_p
            row["greedy"], row["stops"], row["scale"] = s.temperature == 0, bool(s.stop) or watch is not None, s.scale
        self.arrays = [
            *_flat([request.prompt for request in requests], np.int32),
            *_flat([request.streams for request in requests], np.uint64),
            *_flat([request.forced for request in requests], np.int32),
            settings, np.array(sorted(vocabulary.end), np.int32), self.output_at, self.tokens, self.logprobs, self.lengths, self.reasons,
        ]  # fmt: skip
        self.counts = (len(requests), threads, len(vocabulary.end))

    def run(self, library: ctypes.CDLL, packed: _Packed) -> list[list[Completion]] | None:
        """The completions; None where logits were not finite."""
        pointers = [array.ctypes.data for array in self.arrays]
        batch = _Batch(*self.counts, *pointers, StopCheck(self._stopped), self.cancel.ctypes.data)
        codes: list[int] = []

        def work() -> None:
            codes.append(library.autotelic_generate(packed.handle, ctypes.byref(batch)))

        self._wait(work)
        if self.failure is not None:
            raise self.failure
        if codes == [NOT_FINITE]:
            return None
        if codes != [0]:
            raise MemoryError("no memory for the key-value cache; use fewer threads or shorter completions")
        return self._collect()

    def _wait(self, work: Callable[[], None]) -> None:
        """Do `work` on a thread of its own, so that Ctrl-C reaches this one; an exception here cancels it, and comes through when it has ended.

        Not by `Thread.join`, which an exception makes return while the thread still runs and writes into this call's arrays.
        """
        gate, begun, finished = threading.Lock(), threading.Event(), threading.Event()

        def guarded() -> None:
            with gate:
                if self.cancel[0]:
                    return
                begun.set()
            try:
                work()
            finally:
                finished.set()

        try:
            threading.Thread(target=guarded).start()
            finished.wait()
        except BaseException:
            with gate:
                self.cancel[0] = 1
            while begun.is_set() and not finished.is_set():
                with suppress(KeyboardInterrupt):
                    finished.wait()
            raise

    def _stopped(self, sample: int, tokens: Any, count: int) -> int:
        """Called by the engine with the tokens of a sample that has stop strings or is watched; an exception ends the batch."""
        try:
            if self.watch is not None:
                self.watch(sample, tokens[:count])
            if not self.owner[sample].sampling.stop:
                return 0
            text = self.decode(tokens[:count])
            return int(any(string in text for string in self.owner[sample].sampling.stop))
        except BaseException as error:
            self.failure = error
            return -1

    def _collect(self) -> list[list[Completion]]:
        spans = zip(self.output_at.tolist(), self.lengths.tolist(), self.reasons.tolist(), strict=False)
        flat = (Completion(self.tokens[a : a + n].tolist(), self.logprobs[a : a + n].tolist(), REASONS[why]) for a, n, why in spans)
        return [[next(flat) for _ in request.streams] for request in self.requests]


def _offsets(counts: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts], dtype=np.int64)


def _flat(rows: Sequence[Sequence[int]], dtype: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """All rows after one another, and where each begins and the last ends."""
    return np.array([item for row in rows for item in row], dtype=dtype), _offsets(map(len, rows))

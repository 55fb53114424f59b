"""What this machine offers to the arithmetic of a model, and from which size on it is used where nobody says. It sets nothing."""

import ctypes
import os
import sys
from typing import Literal

import torch

from autotelic.networks.decoder import Decoder
from autotelic.networks.four_bits import weight_count
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision

Wanted = Literal["auto", "fp32", "bf16"]
"""A precision as a setting; `settled` says what "auto" is for a model."""
LARGE = 20_000_000
"""Parameters from which on a model's operations are so long that a second thread of each gains, and that bf16 saves more time than its rounding costs.
Below, the tiny models of studies keep one thread and fp32: several of them share a machine, and their rows can be made again bit for bit."""

KEPT = 5 << 28
"""Bytes that a micro-batch may keep for the way back, 1.25 GiB: full training of 135 million parameters then stays below 4 GiB, and larger micro-batches are
hardly faster. Half as much under an adapter, which is chosen where memory is short."""
FEWEST, MOST_TOKENS = 512, 8192


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(model: LanguageModel) -> int:
    """Threads of one torch operation: 1 for a small model, else one for every core, or as many as OMP_NUM_THREADS allows."""
    if not is_large(model):
        return 1
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return min(usable_cores(), max(int(asked), 1)) if asked.isdecimal() else usable_cores()


def settled(wanted: Wanted, model: LanguageModel) -> Precision:
    """The precision of products; "auto" is bf16 for a large decoder on a CPU that has instructions for it, else fp32."""
    if wanted != "auto":
        return wanted
    return "bf16" if is_large(model) and isinstance(model, Decoder) and model.device.type == "cpu" and multiplies_bf16() else "fp32"


def tokens_at_once(model: LanguageModel, precision: Precision, adapted: bool) -> int:
    """Tokens of a micro-batch for which a decoder on a CPU, `adapted` or not, keeps at most `KEPT`: `FEWEST` to `MOST_TOKENS`, which is for other models."""
    if not isinstance(model, Decoder) or model.device.type != "cpu":
        return MOST_TOKENS
    return min(max((KEPT // 2 if adapted else KEPT) // kept_bytes(model, precision), FEWEST), MOST_TOKENS)


def kept_bytes(model: Decoder, precision: Precision) -> int:
    """Bytes that a decoder keeps for the way back of one trained token: two sums of the residual stream in fp32, and what goes into products, attention and
    the gate; of the head its probabilities."""
    config, size = model.config, 2 if precision == "bf16" else 4
    heads = (2 * config.heads + 2 * config.kv_heads) * config.head_dim
    layer = 8 * config.hidden_size + size * (2 * config.hidden_size + heads + 3 * config.intermediate_size)
    return config.layers * layer + size * config.vocab_size


def is_large(model: LanguageModel) -> bool:
    """Whether a model has `LARGE` parameters or more."""
    return weight_count(model) >= LARGE


def give_back_memory(model: LanguageModel) -> None:
    """Return to the system what glibc's allocator holds on to, where a large model has just let go of much; nothing elsewhere."""
    if sys.platform == "linux" and is_large(model) and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def multiplies_bf16() -> bool:
    """Whether this CPU has instructions for products of bf16 that torch and the native engine use."""
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())

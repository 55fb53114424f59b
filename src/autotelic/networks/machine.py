"""What this machine offers to the arithmetic of a model, and from which size on it is used where nobody says. It sets nothing."""

import os
from typing import Literal

import torch

from autotelic.networks.decoder import Decoder
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision

Wanted = Literal["auto", "fp32", "bf16"]
"""A precision as a setting; `settled` says what "auto" is for a model."""
LARGE = 20_000_000
"""Parameters from which on a model's operations are so long that a second thread of each gains, and that bf16 saves more time than its rounding costs.
Below, the tiny models of studies keep one thread and fp32: several of them share a machine, and their rows can be made again bit for bit."""


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


def is_large(model: LanguageModel) -> bool:
    """Whether a model has `LARGE` parameters or more."""
    return sum(parameter.numel() for parameter in model.parameters()) >= LARGE


def multiplies_bf16() -> bool:
    """Whether this CPU has instructions for products of bf16 that torch and the native engine use."""
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())

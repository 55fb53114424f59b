"""The compiled parts of a decoder's training step (`kernels.cpp`), called with tensors. Without gradients: those are in `operations`."""

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from autotelic.native.build import BuildError, compiled

NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16"}
WIDEST_HEAD = 1024
"""Largest head dimension of the attention here."""


class _Shape(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ("heads", "kv_heads", "head_dim", "threads")),
        ("trees", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("tree_at", "starts", "cos", "sin")),
        ("longest", ctypes.c_long),
    ]


@cache
def _library() -> ctypes.CDLL | None:
    try:
        found = compiled(Path(__file__).with_name("kernels.cpp"))
    except BuildError:
        return None
    p, i, n, f = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_float
    types = {
        "norm_forward": [n, i, i, p, p, p, f, p, p, p], "norm_backward": [n, i, i, p, p, p, p, p, p, p, p],
        "gate_forward": [n, i, i, p, p], "gate_backward": [n, i, i, p, p, p],
        "attend_forward": [p, p, p, p], "attend_backward": [p, p, p, p, p, p],
    }  # fmt: skip
    for name, arguments in types.items():
        for precision in NAMES.values():
            getattr(found, f"autotelic_{name}_{precision}").argtypes = arguments
    found.autotelic_scores_forward.argtypes = [n, i, i, p, p, p, p, p, p, p]
    found.autotelic_scores_backward.argtypes = [n, i, i, p, p, p, p, p, p, p, p, p]
    found.autotelic_head_pack.argtypes = [n, i, i, p, p]
    found.autotelic_head_logits.argtypes = [n, n, i, i, p, p, p]
    found.autotelic_head_shares.argtypes = [n, i, i, p, p, p, p]
    found.autotelic_head_backward.argtypes = [n, i, i, p, p, p, p, p, p, p, p]
    return found


def available() -> bool:
    """Whether the kernels can be had here; builds them if need be."""
    return _library() is not None


def suits(*tensors: Tensor) -> bool:
    """Whether the kernels can take these tensors: on the CPU, in fp32 or bf16, where the kernels can be had."""
    return all(tensor.device.type == "cpu" and tensor.dtype in NAMES for tensor in tensors) and available()


def call(name: str, dtype: torch.dtype | None, *arguments: "Tensor | int | float | ctypes.Structure | None") -> None:
    """Run a kernel, of `dtype` where there are two, on contiguous tensors."""
    function = getattr(_library(), f"autotelic_{name}_{NAMES[dtype]}" if dtype else f"autotelic_{name}")
    function(*(_plain(argument) for argument in arguments))


def _plain(argument: "Tensor | int | float | ctypes.Structure | None") -> object:
    if isinstance(argument, Tensor):
        assert argument.is_contiguous()
        return argument.data_ptr()
    return ctypes.byref(argument) if isinstance(argument, ctypes.Structure) else argument


def attention_shape(heads: int, kv_heads: int, head_dim: int, tree_at: Tensor, starts: Tensor, cos: Tensor, sin: Tensor, longest: int) -> _Shape:
    """What the attention kernels need to know beside queries, keys and values; it does not keep the tensors alive."""
    pointers = (tensor.data_ptr() for tensor in (tree_at, starts, cos, sin))
    return _Shape(heads, kv_heads, head_dim, torch.get_num_threads(), len(tree_at) - 1, *pointers, longest)

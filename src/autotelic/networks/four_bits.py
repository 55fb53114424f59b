"""Frozen linear layers whose weights are kept in 4 bits, as under the adapters of QLoRA (arXiv:2305.14314). Quantizing is the package bitsandbytes'."""

import logging
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autotelic.errors import SettingError

BLOCK = 64
"""Weights that share a scale; the scales themselves are kept in 8 bits, 256 of them sharing one."""


def functions() -> Any:
    """The functions of bitsandbytes.

    Raises:
        SettingError: it is not installed.
    """
    logger = logging.getLogger("bitsandbytes")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it misses a kernel that is not used here
    try:
        from bitsandbytes import functional
    except ImportError as error:
        raise SettingError('lora.base = "nf4" needs bitsandbytes: pip install "autotelic[8bit]"') from error
    finally:
        logger.setLevel(level)
    return functional


class FourBitLinear(nn.Module):
    """A linear layer that never changes. Its weight is made anew from 4 bits each time it is used, on the way back too, and never kept."""

    packed: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.out_features, self.in_features = layer.weight.shape
        packed, self.state = functions().quantize_4bit(layer.weight.detach(), blocksize=BLOCK, quant_type="nf4", compress_statistics=True)
        self.register_buffer("packed", packed)
        self.bias = layer.bias

    @property
    def weight(self) -> Tensor:
        """The weight that the 4 bits stand for, in fp32."""
        return cast(Tensor, functions().dequantize_4bit(self.packed, self.state)).float()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, _Product.apply(x, self))  # type: ignore[no-untyped-call]

    def __deepcopy__(self, memo: dict[int, Any]) -> "FourBitLinear":
        """A copy that shares the 4 bits, which never change."""
        twin = FourBitLinear.__new__(FourBitLinear)
        memo |= {id(self): twin, id(self.packed): self.packed, id(self.state): self.state}
        twin.__dict__.update(deepcopy(self.__dict__, memo))
        return twin


class _Product(torch.autograd.Function):
    """x W^T + b, with W made again for the gradient of x rather than kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: FourBitLinear) -> Tensor:
        ctx.layer = layer
        return F.linear(x, layer.weight.to(x.dtype), None if layer.bias is None else layer.bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient @ ctx.layer.weight.to(gradient.dtype), None


def weight_count(model: nn.Module) -> int:
    """Number of weights, those in 4 bits too."""
    packed = sum(one.in_features * one.out_features for one in model.modules() if isinstance(one, FourBitLinear))
    return packed + sum(parameter.numel() for parameter in model.parameters())

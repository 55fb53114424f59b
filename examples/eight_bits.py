"""An engine that samples from a copy of the weights in eight bits, to see what that costs in accuracy. The copy is made once: it does not follow training."""

from copy import deepcopy
from weakref import WeakKeyDictionary

from autotelic.engines.registry import EngineMaker
from autotelic.engines.torch_engine import TorchEngine


def rounded(model):
    """A copy of a network in which each row of a matrix has 255 values, evenly spaced."""
    twin = deepcopy(model).requires_grad_(False)
    for weight in twin.parameters():
        if weight.ndim == 2:
            step = weight.abs().amax(1, keepdim=True).clamp_min(1e-12) / 127
            weight.data = (weight / step).round() * step
    return twin


class EightBits:
    """See `autotelic.engines.base.Engine`."""

    name = "eight-bits"

    def __init__(self, options):
        self.torch, self.copies = TorchEngine(precision=options.precision), WeakKeyDictionary()

    def generate(self, model, requests, vocabulary, watch=None):
        if model not in self.copies:
            self.copies[model] = rounded(model)
        return self.torch.generate(self.copies[model], requests, vocabulary, watch)


MAKER = EngineMaker(open=EightBits, capabilities=frozenset({"stops"}))

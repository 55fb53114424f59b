"""The weights as they were when the run began. They are copied only when they are first asked for."""

from collections.abc import Callable
from functools import cache
from weakref import ref

import torch

from autotelic.errors import DataError
from autotelic.policies.policy import Policy

Fingerprint = tuple[tuple[float, float], ...]


def start_of(policy: Policy, name: str, reload: Callable[[], Policy]) -> Callable[[], Policy]:
    """What gives, whenever it is called, a frozen policy `name` with the weights that `policy` has now.

    A copy of an adapter is small and is made at once; the layers it sits on are shared, as they never change. Of a whole model no copy is made before
    the first call: then it is one of `policy`, if that still has these weights, and is loaded again with `reload` otherwise.

    Raises (when called):
        DataError: what `reload` gives has other weights.
    """
    if policy.lora is not None:
        kept = policy.clone(name)
        return lambda: kept
    living, began, source = ref(policy), fingerprint(policy), policy.source

    @cache
    def start() -> Policy:
        now = living()
        if now is not None and fingerprint(now) == began:
            return now.clone(name)
        loaded = reload()
        if fingerprint(loaded) != began:
            raise DataError(f"{source}: these are no longer the weights that the run began with, and it needs those as a reference")
        loaded.name = name
        loaded.model.requires_grad_(False)
        return loaded

    return start


@torch.no_grad()
def fingerprint(policy: Policy) -> Fingerprint:
    """The sum and the norm of each weight, in double precision: what tells two sets of weights apart without a copy of either."""
    parameters = list(policy.model.parameters())
    return tuple((float(p.sum(dtype=torch.float64)), float(torch.linalg.vector_norm(p, dtype=torch.float64))) for p in parameters)

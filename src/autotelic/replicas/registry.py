"""Finds what replicas are declared: every module of this package with a `REPLICA`."""

import importlib
import pkgutil
from functools import cache

import autotelic.replicas
from autotelic.errors import SettingError, nearest
from autotelic.replicas.base import Outcome, Replica


@cache
def replicas() -> dict[str, Replica]:
    """All replicas by the name of their system."""
    found: dict[str, Replica] = {}
    for module in pkgutil.walk_packages(autotelic.replicas.__path__, "autotelic.replicas."):
        replica = getattr(importlib.import_module(module.name), "REPLICA", None)
        if isinstance(replica, Replica):
            found[replica.system] = replica
    return dict(sorted(found.items()))


def find(system: str) -> Replica:
    """A replica by the name of its system.

    Raises:
        SettingError: there is none; names the nearest.
    """
    if system not in replicas():
        raise SettingError(f"no replica {system!r}; {nearest(system, replicas())}")
    return replicas()[system]


def outcome_of(recipe: str) -> Outcome | None:
    """The best outcome of the replicas of a recipe; None where none has been run."""
    seen = {replica.outcome for replica in replicas().values() if recipe in replica.recipes}
    return next((outcome for outcome in ("replicated", "partly", "no") if outcome in seen), None)

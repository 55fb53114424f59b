"""Finds what studies are declared: every module `study` beside a system, and where its results are kept."""

import importlib
import pkgutil
from functools import cache
from pathlib import Path

import autotelic.systems
from autotelic.errors import SettingError, nearest
from autotelic.systems.study import Outcome, Study


@cache
def replicas() -> dict[str, Study]:
    """All replicas by the name of their system."""
    found: dict[str, Study] = {}
    for name in modules():
        replica = getattr(importlib.import_module(name), "STUDY", None)
        if isinstance(replica, Study):
            found[replica.system] = replica
    return dict(sorted(found.items()))


def modules() -> list[str]:
    """The modules that declare a study."""
    found = pkgutil.walk_packages(autotelic.systems.__path__, "autotelic.systems.")
    return [
        module.name
        for module in found
        if module.name.rpartition(".")[2].startswith("study_") or (module.name.count(".") == 4 and module.name.endswith(".study"))
    ]


def results_of(system: str) -> Path:
    """The file of the committed results of a study: beside the module that declares it, which a wheel leaves out."""
    module = next(name for name in modules() if importlib.import_module(name).STUDY is replicas()[system])
    path = Path(str(importlib.import_module(module).__file__))
    return path.with_name(path.stem.replace("study", "results") + ".json")


def find(system: str) -> Study:
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

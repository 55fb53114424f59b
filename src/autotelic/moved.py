"""Modules that users of 0.2 import, under their old names: each warns and hands on to where its contents are now. Nothing here imports by these names."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

ROOMS = {"guards": "measures", "tasks.worlds": "worlds"}
"""Packages that moved as a whole."""
MODULES: dict[str, tuple[str, ...]] = {
    "recipes.base": ("systems.base",),
    "recipes.context": ("rounds.context", "rounds.asking"),
    "recipes.registry": ("systems.registry",),
    "recipes.adversarial.spc": ("systems.self_play.spc.recipe",),
    "recipes.controls.gold": ("systems.reinforcement.gold.recipe",),
    "recipes.exploration.eepo": ("systems.reinforcement.eepo.recipe",),
    "tasks.files": ("tasks.file_world", "tasks.columns"),
    "episodes.roles": ("rounds.roles",),
    "episodes.self_play": ("rounds.playing",),
    "rewards.votes": ("answers.votes",),
    "rewards.verifiers": ("answers.places", "answers.numbers", "answers.mathematics", "answers.safe"),
    "policies.bases": ("bases.making", "bases.places", "bases.specs"),
    "runs.session": ("runs.opening", "runs.models", "runs.tasks", "runs.config"),
    **{f"policies.{name}": (f"networks.{name}",) for name in ("decoder", "lora", "model", "packing", "scoring", "transformers_model")},
}
"""Modules that moved, and where each of their names may be now."""


def places(name: str) -> tuple[str, ...] | None:
    """Where the contents of a module of 0.2 are now; () for a package that is gone and had none; None for a name that was no module."""
    inner = name.removeprefix("autotelic.")
    for old, new in ROOMS.items():
        if inner == old or inner.startswith(old + "."):
            return (f"autotelic.{new}{inner.removeprefix(old)}",)
    if inner in MODULES:
        return tuple(f"autotelic.{place}" for place in MODULES[inner])
    if inner.startswith("recipes."):
        return (f"autotelic.systems.{inner.removeprefix('recipes.')}.recipe",) if inner.count(".") == 2 else ()
    return () if inner == "recipes" else None


class Moved(MetaPathFinder, Loader):
    """The last finder to be asked: for names that are nowhere else."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a module under its old name."""
        return ModuleSpec(name, self, is_package=True) if name.startswith("autotelic.") and places(name) is not None else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module of an old name with a look-up of its names where they are now."""
        found = [importlib.import_module(place) for place in places(module.__name__) or ()]
        if found:
            now = " and ".join(place.__name__ for place in found)
            warnings.warn(f"{module.__name__} is now {now}", DeprecationWarning, stacklevel=2)

        def look_up(name: str) -> Any:
            for place in found:
                if hasattr(place, name):
                    return getattr(place, name)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        module.__dict__["__getattr__"] = look_up


def install() -> None:
    """Ask here, too, for modules that are not found."""
    if not any(isinstance(finder, Moved) for finder in sys.meta_path):
        sys.meta_path.append(Moved())

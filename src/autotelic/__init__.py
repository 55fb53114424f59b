"""Language models that improve themselves, and an honest report of whether they did.

The names of `__all__` are the public surface: what a recipe, a world or a program that starts runs needs. They are loaded when they are first asked
for, so that `import autotelic` stays light. Types of them are in `__init__.pyi`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.3.0"

from autotelic import moved

moved.install()

_PLACES = {
    "errors": ("AutotelicError", "DataError", "SettingError"),
    "types": ("Example", "Group", "Rollout", "Sampling", "Settings", "Task", "World"),
    "systems.base": ("Recipe", "Way", "recipe", "variation", "way"),
    "systems.study": ("Study",),
    "rounds.context": ("Context",),
    "rounds.roles": ("Role",),
    "measures.metrics": ("Metric",),
    "answers.votes": ("VoteRule", "frequencies", "vote"),
    "learning.advantages": ("center", "leave_one_out"),
    "learning.examples": ("example", "pair", "sided", "under", "written"),
    "learning.learner": ("Optimizer", "Updates"),
    "learning.objectives": ("DPO", "KTO", "NLL", "SPPO", "Mixture", "PolicyGradient", "Term", "TokenScore", "Unlikelihood"),
    "tasks.pool": ("TaskPool",),
    "tasks.samplers": ("Sampler",),
    "tasks.validate": ("validate",),
    "worlds": ("WORLDS", "GeneratedWorld", "Longest", "open_world"),
    "worlds.base": ("Lesson",),
    "runs.loop": ("resume", "start"),
    "runs.reading": ("RunReader",),
}
"""The modules that the public names come from."""
_MODULES = {name: f"autotelic.{module}" for module, names in _PLACES.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """A public name, loaded from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module 'autotelic' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """What is here, the names that are not loaded yet among it."""
    return sorted({*globals(), *__all__})

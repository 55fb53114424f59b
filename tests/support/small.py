"""Settings that make any shipped recipe run in about a second, for tests of everything around it."""

from typing import Any

from autotelic.systems.registry import recipes

RUN: dict[str, Any] = {"pool_size": 48, "probe_size": 6, "probe_samples": 2, "seed": 3}
OWN: dict[str, Any] = {"tasks_per_round": 4, "group_size": 4, "labels": 16, "steps": 2, "asking_steps": 2, "questions": 24, "problems": 4, "hard": 8}
OWN_OF: dict[str, dict[str, Any]] = {"ttrl": {"trained": 2}, "evol-rl": {"trained": 3}, "polychromic": {"set_size": 2}}
"""What single recipes need beside that."""


def on_their_own() -> list[str]:
    """Recipes, and variations that do something otherwise; one that only has other settings goes the way of its recipe."""
    return [name for name, cls in recipes().items() if cls.about.kind == "recipe" or any(callable(value) for value in own(cls).values())]


def own(cls: type) -> dict[str, Any]:
    """What a class says anew of what the class above has, pydantic's part left out."""
    return {name: value for name, value in vars(cls).items() if hasattr(cls.__base__, name) and not name.startswith(("_", "model_"))}


def small(name: str, **more: Any) -> dict[str, Any]:
    """Flat settings of a small run of a recipe; keys of OWN that it lacks are left out."""
    fields = recipes()[name].model_fields
    own = {key: value for key, value in OWN.items() if key in fields}
    return {"recipe": name, **RUN, **own, **OWN_OF.get(name, {}), **more}

"""What of a run differs from the defaults, and the command that makes it again. Not what goes on with a run: that is `loop.resume`."""

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from autotelic.measures.budget import UNLIMITED
from autotelic.runs.reading import flat

ELSEWHERE = ("recipe", "out", "seed")
"""What a command says in another way, or what is no part of it."""


def as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings by dotted names, as text."""
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str) for name, value in flat(values).items()}


def changed(recipe: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings that differ from their defaults, by dotted names; of a recipe file all, since it is a program, and none is run here."""
    from autotelic.errors import AutotelicError
    from autotelic.runs.settings import resolve
    from autotelic.systems.registry import find  # loads torch, which the rest of a report does not need

    defaults: dict[str, str] = {}
    if not recipe.endswith(".py"):
        with suppress(AutotelicError):
            about, own = find(recipe).about, resolve({"recipe": recipe})
            usual = {key: value for part in own for key, value in part.model_dump(mode="json").items()}
            defaults = as_text(usual | {"model": about.model, "tasks": about.tasks})
    chosen = as_text({**settings, "rounds": None} if settings.get("rounds") == UNLIMITED else settings)
    return {key: value for key, value in chosen.items() if key not in ELSEWHERE and value not in (defaults.get(key), "null")}


def command(recipe: str, settings: Mapping[str, Any]) -> str:
    """The command: the settings that differ from their defaults, as options and overrides."""
    options = [f"{key}={value}" for key, value in changed(recipe, settings).items()]
    return shlex.join(["autotelic", "run", recipe, "--seed", as_text(settings).get("seed", "0"), *options])

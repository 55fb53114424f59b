"""Worlds that make their own tasks and know what is right, and the registry that opens one by its spec. Task files are in `tasks.file_world`."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from autotelic.entries import load, points
from autotelic.errors import SettingError, nearest
from autotelic.tasks.english import Texts
from autotelic.types import World
from autotelic.worlds.addition import Addition
from autotelic.worlds.asides import Asides
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest
from autotelic.worlds.chain import Chain
from autotelic.worlds.chain_skills import ChainSkills
from autotelic.worlds.countdown import Countdown
from autotelic.worlds.countdown_steps import CountdownSteps
from autotelic.worlds.english import Comparing, EnglishWorld, Ordering, Sorting, Units, Weekdays, WordProblems
from autotelic.worlds.facts import Facts
from autotelic.worlds.functions import Functions
from autotelic.worlds.games import Games
from autotelic.worlds.habits import Habits
from autotelic.worlds.lookup import Lookup
from autotelic.worlds.programs import Programs
from autotelic.worlds.reasoning_gym import ReasoningGym
from autotelic.worlds.rules import Rules
from autotelic.worlds.slips import Slips
from autotelic.worlds.strings import Strings

__all__ = ["WORLDS", "EnglishWorld", "GeneratedWorld", "Lesson", "Longest", "ReasoningGym", "known_worlds", "open_world"]

WORLDS: dict[str, Callable[..., GeneratedWorld[Any]]] = {
    made.name: made
    for made in (
        *(Addition, Asides, Chain, ChainSkills, Countdown, CountdownSteps, Facts, Functions, Games, Habits, Lookup, Programs, Rules, Slips, Strings),
        *(Comparing, Ordering, Sorting, Units, Weekdays, WordProblems),
    )
}
"""The generated worlds by name; each takes its knobs as keyword arguments."""
GROUP = "autotelic.worlds"
"""The group of entry points by which other packages ship worlds: the name of the world, and what makes it from its knobs."""
_GYM = "reasoning-gym"


def known_worlds() -> list[str]:
    """Names of the generated worlds, of this package and of others."""
    return [*WORLDS, *(name for name in points(GROUP) if name not in WORLDS)]


def open_world(spec: str, texts: Texts | None = None) -> World:
    """The world of a spec such as 'chain', 'addition?digits=1-4&window=20' or 'reasoning-gym:chain_sum?max_terms=4'.

    texts: how worlds in English ask a model to judge, criticize, mend or write problems; None: as they do by themselves.

    Raises:
        SettingError: an unknown world, data set or knob (with the nearest name), or a value that does not fit.
    """
    name, _, query = spec.strip().partition("?")
    knobs = dict(_pair(item, spec) for item in query.split("&") if item)
    family, colon, dataset = name.partition(":")
    if family == _GYM and colon:
        fields: dict[str, Any] = {knob: _value(text) for knob, text in knobs.items()}
        return _speaking(ReasoningGym(dataset, **fields), texts)
    if name not in known_worlds():
        raise SettingError(f"no world {name!r}: {nearest(name, [*known_worlds(), _GYM + ':DATASET'])}")
    made: World = (WORLDS[name] if name in WORLDS else load(GROUP, name, "world"))(**knobs)
    return _speaking(made, texts)


def _speaking(world: World, texts: Texts | None) -> World:
    if texts is not None and isinstance(world, EnglishWorld | ReasoningGym):
        world.texts = texts
    return world


def _pair(item: str, spec: str) -> tuple[str, str]:
    knob, equals, value = item.partition("=")
    if not knob or not equals:
        raise SettingError(f"{spec!r}: expected knob=value after '?', got {item!r}")
    return unquote(knob), unquote(value)


def _value(text: str) -> object:
    """JSON where a text is JSON, such as 4, true or [1, 2]; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text

"""Rewards in a file of the user's own, with the signature that TRL gives them: `def reward(prompts, completions, **columns) -> list[float | None]`.

The file is the user's own program, and runs, as a recipe by file does. None says nothing about a completion; it is not 0.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from autotelic.entries import file_module
from autotelic.errors import SettingError, TrainingError, nearest
from autotelic.rewards.asked import Asked

SUFFIX = ".py"


class Function:
    """A function of a user's file as a reward."""

    def __init__(self, file: str, name: str, call: Callable[..., Any]) -> None:
        self.file, self.name, self.call = file, name, call
        self.where = f"{file}:{name}"
        self.parameters = inspect.signature(call).parameters
        kinds = {parameter.kind for parameter in self.parameters.values()}
        self.takes_all = inspect.Parameter.VAR_KEYWORD in kinds
        if inspect.Parameter.POSITIONAL_ONLY in kinds:
            raise SettingError(f"rewards: {self.where} has parameters that cannot be given by name")

    def check(self, known: Sequence[str]) -> None:
        """Raises SettingError where it needs what is not `known`."""
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        needed = [one.name for one in self.parameters.values() if one.kind in kinds and one.default is inspect.Parameter.empty]
        if lacking := [name for name in needed if name not in known]:
            raise SettingError(f"rewards: {self.where} needs {lacking[0]!r}, and is given {', '.join(known)}; {nearest(lacking[0], known)}")

    async def values(self, asked: Asked) -> list[float | None]:
        """One value per completion.

        Raises:
            TrainingError: it raised, or did not return a number or None for each; the message names the function, and the rollout where it is one.
        """
        try:
            found = await self._called(asked)
        except (Exception, SystemExit) as error:
            raise TrainingError(f"the reward {self.where} raised {self._line(error)}{await self._first(asked)}") from error
        return numbers(self.where, found, asked.ids)

    async def _called(self, asked: Asked) -> Any:
        given = {name: values for name, values in asked.arguments.items() if self.takes_all or name in self.parameters}
        found = self.call(**given)
        return await found if inspect.isawaitable(found) else found

    async def _first(self, asked: Asked) -> str:
        """Which rollout it raises on, where it raises on one alone."""
        for place, rollout in enumerate(asked.ids):
            try:
                await self._called(asked.one(place))
            except (Exception, SystemExit):
                return f", on rollout {rollout}: {asked.texts[place][:80]!r}"
        return ", on all rollouts together, and on none of them alone"

    def _line(self, error: BaseException) -> str:
        """What was raised, and in which line of the file."""
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if Path(frame.filename).resolve() == Path(self.file).resolve()]
        return f"{type(error).__name__}: {error}" + (f" (line {lines[-1]})" if lines else "")


def numbers(where: str, found: Any, rollouts: Sequence[str]) -> list[float | None]:
    """What a reward returned as one number or None for each rollout.

    Raises:
        TrainingError: it is anything else.
    """
    try:
        values = None if isinstance(found, str | Mapping) else list(found)
    except TypeError:
        values = None
    if values is None:
        raise TrainingError(f"the reward {where} returned {type(found).__name__}, not a list of one number or None for each completion")
    if len(values) != len(rollouts):
        raise TrainingError(f"the reward {where} returned {len(values)} values for {len(rollouts)} completions")
    return [None if value is None else number(where, value, rollout) for value, rollout in zip(values, rollouts, strict=True)]


def number(where: str, value: Any, rollout: str) -> float:
    """A value as a number. Raises TrainingError where it is none, or not finite; text is none, whatever it says."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError):
        raise TrainingError(f"the reward {where} of rollout {rollout} is {value!r}, neither a number nor None") from None
    if not isfinite(found):
        raise TrainingError(f"the reward {where} of rollout {rollout} is {value!r}, not a finite number; a reward abstains with None")
    return found


def open_functions(specs: Sequence[str]) -> list[Function]:
    """Functions by FILE.py:NAME; a file that several are in is loaded once.

    Raises:
        SettingError: a file that cannot be loaded, or without a function of that name.
        DataError: no such file.
    """
    modules: dict[str, ModuleType] = {}
    found = []
    for spec in specs:
        file, _, name = spec.rpartition(":")
        if file not in modules:
            modules[file] = opened(file)
        own = [key for key, value in vars(modules[file]).items() if callable(value) and not key.startswith("_")]
        call = getattr(modules[file], name, None)
        if not callable(call):
            raise SettingError(f"rewards: {file} has no function {name!r}; {nearest(name, own)}")
        found.append(Function(file, name, call))
    return found


def opened(file: str) -> ModuleType:
    """A user's file. Raises SettingError where it cannot be loaded, DataError where there is none."""
    if not Path(file).exists():
        return file_module(file, "reward")
    try:
        return file_module(file, "reward")
    except Exception as error:
        raise SettingError(f"rewards: {file} cannot be loaded: {type(error).__name__}: {error}") from error

"""Errors meant for the person who runs the program. Not for failures inside rollouts: those are typed values that are counted."""

import os
from collections.abc import Iterable
from difflib import get_close_matches


class AutotelicError(Exception):
    """Something the user can put right; the command prints its message without a traceback."""


class SettingError(AutotelicError):
    """A setting, recipe, column or name that does not exist or does not fit."""


class DataError(AutotelicError):
    """A file of tasks or weights that cannot be read; the message names file, line and column or key."""


class TrainingError(AutotelicError):
    """An update that must not be applied, such as one with a loss that is not finite."""


class MetricError(AutotelicError):
    """A number that a round must not log: it is not documented, or outside of its range. Raised where `strict()`, which runs are not by default."""


class EpisodeError(AutotelicError):
    """An episode that cannot go on, such as one whose environment raised: the round counts it and goes on without its rollouts."""


class EndpointError(AutotelicError):
    """A server that is not there, or that refuses the key or the model: a run ends in the middle of the round, and goes on from the last one that is whole."""


class GoldLeak(AutotelicError):
    """A recipe that declares that it needs no answers reached for one: a fault of the recipe, which ends the run."""


class HeldOutError(AutotelicError):
    """A task of the probe's split reached the learner: a fault of the recipe."""


def strict() -> bool:
    """Whether faults that a run passes over are errors, as in the tests: where the environment has AUTOTELIC_STRICT=1."""
    return os.environ.get("AUTOTELIC_STRICT") == "1"


_SHOWN = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | {0x7F: "\u2421"}
_SHOWN |= {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
_SHOWN |= {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Control characters, and marks that turn the direction of the text behind them, by how they are shown."""


def harmless(text: str) -> str:
    """A text that a terminal shows and does not obey: control characters, line ends and tabs aside, become pictures or their numbers."""
    return text.translate(_SHOWN)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown `name`: the closest of `known`, or all of them when none is close."""
    known = sorted(known)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"

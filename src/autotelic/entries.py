"""What other packages ship by entry points: known by group and name without being loaded, loaded when it is asked for. Not what is shipped here."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from autotelic.errors import SettingError


@cache
def points(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by name, in the order of their names."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def package(point: EntryPoint) -> str:
    """The package that ships an entry point."""
    return point.dist.name if point.dist else point.module


def load(group: str, name: str, what: str) -> Any:
    """The object of an entry point; `what` says what it should be, for the message.

    Raises:
        SettingError: it cannot be loaded.
    """
    point = points(group)[name]
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise SettingError(f"{what} {name!r}: the entry point {point.value!r} of {package(point)} cannot be loaded: {error}") from error

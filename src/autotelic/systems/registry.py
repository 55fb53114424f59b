"""The one place that gives recipes and ways: shipped ones and those of other packages by name, a user's own by file. Lists are read from `index`."""

import importlib
from functools import cache
from typing import TypeVar

from autotelic.entries import file_module, load, package
from autotelic.errors import SettingError, nearest
from autotelic.systems import index
from autotelic.systems.base import Recipe, System, Way

Kind = TypeVar("Kind", bound=System)
CALLED: dict[type[System], tuple[str, str]] = {Recipe: ("recipe", "@recipe or @variation"), Way: ("way", "@way")}
"""What a kind of system is called, and what declares one."""


def recipes() -> dict[str, type[Recipe]]:
    """All shipped recipes and their variations by name. Loads every one of them: for tests and pages."""
    return every(Recipe)


def ways() -> dict[str, type[Way]]:
    """All shipped ways by name. Loads every one of them: for tests and pages."""
    return every(Way)


def find(name: str) -> type[Recipe]:
    """A recipe by name, shipped or of another package, or the one in a user's `.py` file. Such a file is the user's own program, and runs.

    Of the shipped ones only the module of the one asked for is loaded.

    Raises:
        SettingError: no such recipe, or a file that does not declare exactly one.
        DataError: no such file.
    """
    return found(name, Recipe)


def find_way(name: str) -> type[Way]:
    """A way by name or file, as `find` gives a recipe."""
    return found(name, Way)


@cache
def every(kind: type[Kind]) -> dict[str, type[Kind]]:
    """All shipped systems of a kind by name."""
    stems = index.WAYS if issubclass(kind, Way) else index.RECIPES
    modules = [importlib.import_module(name) for name in index.modules() if name.rpartition(".")[2] in stems]
    return dict(sorted((cls.about.name, cls) for module in modules for cls in declared(module, kind)))


def declared(module: object, kind: type[Kind]) -> list[type[Kind]]:
    """Classes of a kind that a module itself declares."""
    name = getattr(module, "__name__", None)
    return [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, kind) and "about" in vars(v) and v.__module__ == name]


def found(name: str, kind: type[Kind]) -> type[Kind]:
    """A system of a kind by name or file; see `find`."""
    if name.endswith(".py"):
        return in_file(name, kind)
    if name in index.shipped():
        module = importlib.import_module(index.shipped()[name].module)
        return next((cls for cls in declared(module, kind) if cls.about.name == name), None) or scanned(name, kind)
    return loaded(name, kind) if name in index.foreign() else scanned(name, kind)


def scanned(name: str, kind: type[Kind]) -> type[Kind]:
    """A shipped system that the index does not have, or not where it is, as while one is being written.

    Raises:
        SettingError: no such system of that kind; names the nearest, or what it is instead.
    """
    if name in every(kind):
        return every(kind)[name]
    word = CALLED[kind][0]
    other = next((other for other, (called, _) in CALLED.items() if called != word and name in every(other)), None)
    if other is not None:
        command = f"autotelic run {name}" if other is Recipe else f"autotelic eval MODEL --tasks TASKS --way {name}"
        raise SettingError(f"{name!r} is a {CALLED[other][0]}, no {word}: {command}")
    if name in index.studies():
        raise SettingError(f"{name!r} is a study, no {word}: autotelic replicate {name}")
    raise SettingError(f"no {word} {name!r}; {nearest(name, {*every(kind), *index.foreign()})}")


def loaded(name: str, kind: type[Kind]) -> type[Kind]:
    """A system of another package.

    Raises:
        SettingError: its package cannot be loaded, or has no such system there.
    """
    word, decorators = CALLED[kind]
    cls = load(index.GROUP, name, word)
    if not (isinstance(cls, type) and issubclass(cls, kind) and "about" in vars(cls)):
        point = index.foreign()[name]
        raise SettingError(f"{word} {name!r}: the entry point {point.value!r} of {package(point)} is no class declared with {decorators}")
    return cls


def in_file(name: str, kind: type[Kind]) -> type[Kind]:
    """The one system of a kind that a user's file declares.

    Raises:
        SettingError: not exactly one.
        DataError: no such file.
    """
    own = declared(file_module(name, CALLED[kind][0]), kind)
    if len(own) != 1:
        raise SettingError(f"{name}: expected exactly one class declared with {CALLED[kind][1]}, found {len(own)}")
    return own[0]

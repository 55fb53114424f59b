"""The one place that gives recipes: shipped ones and those of other packages by name, a user's own by file. Lists are read from `index`."""

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from autotelic.entries import load, package
from autotelic.errors import DataError, SettingError, nearest
from autotelic.systems import index
from autotelic.systems.base import Recipe


@cache
def recipes() -> dict[str, type[Recipe]]:
    """All shipped recipes and their variations by name. Loads every one of them: for tests and pages."""
    modules = [importlib.import_module(name) for name in index.modules() if name.rpartition(".")[2] in index.RECIPES]
    return dict(sorted((cls.about.name, cls) for module in modules for cls in declared(module)))


def declared(module: object) -> list[type[Recipe]]:
    """Recipe classes that a module itself declares, with `@recipe` or `@variation`."""
    name = getattr(module, "__name__", None)
    return [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Recipe) and "about" in vars(v) and v.__module__ == name]


def find(name: str) -> type[Recipe]:
    """A recipe by name, shipped or of another package, or the one in a user's `.py` file. Such a file is the user's own program, and runs.

    Of the shipped ones only the module of the one asked for is loaded.

    Raises:
        SettingError: no such recipe, or a file that does not declare exactly one.
        DataError: no such file.
    """
    if name.endswith(".py"):
        return in_file(name)
    if name in index.shipped():
        module = importlib.import_module(index.shipped()[name].module)
        return next((cls for cls in declared(module) if cls.about.name == name), None) or scanned(name)
    return loaded(name) if name in index.foreign() else scanned(name)


def scanned(name: str) -> type[Recipe]:
    """A shipped recipe that the index does not have, or not where it is, as while one is being written.

    Raises:
        SettingError: no such recipe, with the nearest name.
    """
    if name not in recipes():
        raise SettingError(f"no recipe {name!r}; {nearest(name, {*recipes(), *index.foreign()})}")
    return recipes()[name]


def loaded(name: str) -> type[Recipe]:
    """A recipe of another package.

    Raises:
        SettingError: its package cannot be loaded, or has no recipe of that name there.
    """
    cls = load(index.GROUP, name, "recipe")
    if not (isinstance(cls, type) and issubclass(cls, Recipe) and "about" in vars(cls)):
        point = index.foreign()[name]
        raise SettingError(f"recipe {name!r}: the entry point {point.value!r} of {package(point)} is no class declared with @recipe or @variation")
    return cls


def in_file(name: str) -> type[Recipe]:
    """The one recipe that a user's file declares.

    Raises:
        SettingError: not exactly one.
        DataError: no such file.
    """
    own = declared(module_of(name))
    if len(own) != 1:
        raise SettingError(f"{name}: expected exactly one class declared with @recipe or @variation, found {len(own)}")
    return own[0]


def module_of(name: str) -> ModuleType:
    """A user's file, loaded under a name with a prefix of its own: a recipe in random.py must not become the module `random`."""
    path = Path(name)
    if not path.is_file():
        raise DataError(f"{name}: no such recipe file")
    spec = importlib.util.spec_from_file_location(f"autotelic_recipe_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

"""The one place that names recipes: shipped ones by name, a user's own by file."""

import importlib
import importlib.util
import pkgutil
import sys
from functools import cache
from pathlib import Path

import autotelic.systems
from autotelic.errors import DataError, SettingError, nearest
from autotelic.systems.base import Recipe


@cache
def recipes() -> dict[str, type[Recipe]]:
    """All shipped recipes by name: every module `recipe` of this package."""
    found: dict[str, type[Recipe]] = {}
    for module in pkgutil.walk_packages(autotelic.systems.__path__, "autotelic.systems."):
        if not module.name.endswith(".recipe"):
            continue
        for cls in declared(importlib.import_module(module.name)):
            found[cls.about.name] = cls
    return dict(sorted(found.items()))


def declared(module: object) -> list[type[Recipe]]:
    """Recipe classes that a module itself declares with `@recipe`."""
    name = getattr(module, "__name__", None)
    return [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Recipe) and "about" in vars(v) and v.__module__ == name]


def find(name: str) -> type[Recipe]:
    """A shipped recipe by name, or the one in a user's `.py` file. Such a file is the user's own program, and runs.

    Raises:
        SettingError: no such recipe, or a file that does not declare exactly one.
        DataError: no such file.
    """
    if not name.endswith(".py"):
        if name not in recipes():
            raise SettingError(f"no recipe {name!r}; {nearest(name, recipes())}")
        return recipes()[name]
    path = Path(name)
    if not path.is_file():
        raise DataError(f"{name}: no such recipe file")
    # A prefix of its own: a recipe in random.py must not become the module `random`.
    spec = importlib.util.spec_from_file_location(f"autotelic_recipe_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    own = declared(module)
    if len(own) != 1:
        raise SettingError(f"{name}: expected exactly one class declared with @recipe, found {len(own)}")
    return own[0]

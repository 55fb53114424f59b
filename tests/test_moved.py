"""What users of 0.2 import is still found, with a word about where it is now."""

import importlib
import sys
from collections.abc import Iterator

import pytest

from autotelic.moved import MODULES, places


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """No module is there under an old name before and after a test."""
    old = ("autotelic.recipes", "autotelic.guards", "autotelic.tasks.worlds", "autotelic.tasks.files")
    for name in [name for name in sys.modules if name.startswith(old)]:
        del sys.modules[name]
    yield


def test_a_recipe_file_of_0_2_finds_its_imports() -> None:
    with pytest.warns(DeprecationWarning, match=r"autotelic\.recipes\.base is now autotelic\.systems\.base"):
        from autotelic.recipes.base import Recipe, recipe  # type: ignore[import-not-found]
    with pytest.warns(DeprecationWarning, match=r"rounds\.context"):
        from autotelic.recipes.context import Context, prompt_tokens  # type: ignore[import-not-found]
    from autotelic.rounds import asking, context
    from autotelic.systems import base

    assert (Recipe, recipe, Context, prompt_tokens) == (base.Recipe, base.recipe, context.Context, asking.prompt_tokens)


def test_rooms_systems_and_worlds_too() -> None:
    with pytest.warns(DeprecationWarning):
        from autotelic.guards.verdict import judge  # type: ignore[import-not-found]
        from autotelic.recipes.label_free.srt import SelfRewardedTraining  # type: ignore[import-not-found]
        from autotelic.tasks.worlds.chain import Chain  # type: ignore[import-not-found]
    from autotelic import worlds

    assert (judge.__module__, Chain) == ("autotelic.measures.verdict", worlds.chain.Chain)
    assert SelfRewardedTraining.__module__ == "autotelic.systems.label_free.srt.recipe"


@pytest.mark.parametrize("name", list(MODULES))
def test_every_place_exists(name: str) -> None:
    for place in places(f"autotelic.{name}") or ():
        importlib.import_module(place)


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("autotelic.nothing")
    with pytest.raises(ImportError), pytest.warns(DeprecationWarning):
        from autotelic.recipes.base import Recipes  # type: ignore[import-not-found]  # noqa: F401

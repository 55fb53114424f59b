"""Recipes by name and by file."""

import random
from pathlib import Path
from typing import ClassVar

import pytest

from autotelic.errors import DataError, SettingError
from autotelic.systems.base import Recipe
from autotelic.systems.registry import find, recipes

OWN = '''
"""A recipe of one's own."""

from autotelic.systems.base import Recipe, recipe
from autotelic.systems.label_free.srt.recipe import SelfRewardedTraining


@recipe(name="mine", system="Mine", paper="", family="own")
class Mine(Recipe):
    """Does nothing, in one line.

    And more.
    """

    strength: float = 0.5

    async def round(self, ctx):
        pass
'''


def test_every_shipped_recipe_declares_itself_and_has_defaults() -> None:
    found = recipes()
    assert {
        "srt",
        "intuitor",
        "rlsc",
        "lmsi",
        "rest",
        "raft",
        "scpo",
        "spin",
        "gold",
        "random-reward",
        "format-only",
        "entropy-only",
        "supervised",
    } <= found.keys()
    for name, cls in found.items():
        assert cls.about.name == name
        assert cls.about.line and "\n" not in cls.about.line
        assert cls().rounds > 0
        assert cls.round is not Recipe.round


def test_recipes_are_found_by_name_and_by_file(tmp_path: Path) -> None:
    assert find("srt") is recipes()["srt"]
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    own = find(str(file))
    assert (own.about.name, own.about.line, own.model_validate({"strength": 0.7}).model_dump()["strength"]) == (
        "mine",
        "Does nothing, in one line.",
        0.7,
    )
    assert "mine" not in recipes()


def test_a_recipe_file_does_not_take_the_name_of_a_module(tmp_path: Path) -> None:
    file = tmp_path / "random.py"
    file.write_text(OWN)
    assert find(str(file)).about.name == "mine"
    import sys

    assert sys.modules["random"] is random


def test_what_cannot_be_found_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"no recipe 'intuitr'; did you mean 'intuitor'\?"):
        find("intuitr")
    with pytest.raises(DataError, match=r"absent\.py: no such recipe file"):
        find(str(tmp_path / "absent.py"))
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    with pytest.raises(SettingError, match=r"empty\.py: expected exactly one class declared with @recipe or @variation, found 0"):
        find(str(empty))
    two = tmp_path / "two.py"
    two.write_text(OWN + OWN[OWN.index("@recipe") :].replace("Mine", "Yours"))
    with pytest.raises(SettingError, match="found 2"):
        find(str(two))


def test_settings_of_a_recipe_are_checked() -> None:
    with pytest.raises(ValueError, match="group_sise"):
        find("srt").model_validate({"group_sise": 4})
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        find("srt").model_validate({"group_size": 1})


def test_a_class_that_names_its_main_role_as_in_0_2_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Old\.probed: the role that is measured is `main` now$"):

        class Old(Recipe):
            probed: ClassVar[str] = "critic"

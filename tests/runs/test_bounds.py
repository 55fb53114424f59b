"""No numeric setting of any recipe or run takes a number that no run could mean: huge, infinite, not a number, negative where there is no sense in it."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from command import call
from pydantic import BaseModel, Field

from autotelic.errors import SettingError
from autotelic.runs.checking import checked
from autotelic.runs.settings import RunSettings
from autotelic.systems.registry import recipes
from autotelic.types import LARGEST, Settings, bounds

NEGATIVE = {
    "b-star threshold", "b-star thresholds", "laser constant", "soar threshold", "spice penalty", "spiral rules.illegal",
    "spiral rules.others", "sqlm invalid",
}  # fmt: skip
"""Settings that may be -1, in variations of these recipes too: rewards for what is not wanted, thresholds of such, the logarithm of a probability."""


def numeric(cls: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting of a class and of the groups in it that holds numbers, with its annotation."""
    for name, field in cls.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        groups = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        for group in groups:
            yield from numeric(group, (*prefix, name))
        if not groups and any(word in str(field.annotation) for word in ("int", "float")):
            yield (*prefix, name), field.annotation


def shaped(annotation: Any, number: float) -> Any:
    """A number as a value of a setting: alone, as every number of a tuple, or by a name."""
    text = str(annotation)
    if text.startswith("dict"):
        return {"q_proj": number}
    return [number, number] if text.startswith("tuple") else number


def refused(cls: type[BaseModel], path: tuple[str, ...], value: Any) -> bool:
    for name in reversed(path):
        value = {name: value}
    try:
        checked(cls, value)
    except SettingError as error:
        assert "\n" not in str(error) and path[0] in str(error)
        return True
    return False


@pytest.mark.parametrize("name", ["run", *recipes()])
def test_absurd_numbers_are_refused(name: str) -> None:
    cls: type[BaseModel] = RunSettings if name == "run" else recipes()[name]
    for path, annotation in numeric(cls):
        if "Any" in str(annotation):
            continue  # variables of a chat template are the template's business
        for number in (10**20, 1e20, float("inf"), float("-inf"), float("nan"), -(10**20)):
            assert refused(cls, path, shaped(annotation, number)), (path, number)
        parents = [other for other, parent in recipes().items() if issubclass(cls, parent)]
        allowed = any(f"{parent} {'.'.join(path)}" in NEGATIVE for parent in parents)
        allowed |= path[0] == "alarms" and path[-1] == "limit"  # of differences too
        assert refused(cls, path, shaped(annotation, -1)) is not allowed, path


class Group(Settings):
    plain: int = 3
    bounded: float = Field(0.5, ge=-2.0, lt=2**40)
    below: float = -0.5
    several: tuple[float, ...] = (1.0,)
    words: dict[str, int] = Field(default_factory=dict)
    on: bool = True
    maybe: float | None = None


def test_bounds_of_settings_that_declare_none() -> None:
    assert {name: bounds(Group, name) for name in Group.model_fields} == {
        "plain": (0, LARGEST), "bounded": (None, None), "below": (-LARGEST, LARGEST), "several": (0, LARGEST), "words": (0, LARGEST),
        "on": (None, None), "maybe": (0, LARGEST),
    }  # fmt: skip
    assert Group(plain=LARGEST, bounded=-2.0, below=-7.0, maybe=None).plain == LARGEST
    for values, words in (
        ({"plain": LARGEST + 1}, f"plain = {LARGEST + 1}: input should be at most {LARGEST}"),
        ({"several": (1.0, -0.1)}, "several = (1.0, -0.1): input should be at least 0"),
        ({"words": {"a": -1}}, "words = {'a': -1}: input should be at least 0"),
    ):
        with pytest.raises(SettingError) as found:
            checked(Group, values)
        assert str(found.value) == words


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=100000000000000000000000", "seed = "),
        ("seed=-1", "seed = -1"),
        ("tasks_per_round=1e20", "tasks_per_round = 1e+20"),
        ("optimizer.learning_rate=1e400", "optimizer.learning_rate = inf"),
        ("optimizer.learning_rate=NaN", "optimizer.learning_rate = nan"),
        ("optimizer.learning_rate=2", "optimizer.learning_rate = 2"),
        ("pool_size=1e10", "pool_size = 10000000000.0"),
        ("group_size=1000000000000", "group_size = 1000000000000"),
        ("sampling.max_tokens=10000000", "sampling.max_tokens = 10000000"),
        ("rounds=" + "9" * 5000, "rounds = "),
        ("rounds=" + "[" * 100_000, "rounds = "),
    ],
)
def test_the_command_refuses_them_in_one_line(override: str, words: str) -> None:
    assert words in call("run", "srt", override, "--dry-run").complaint

"""Rules by name: what they do, how examples are written and read, and what the teacher believes."""

import random
from statistics import fmean

import pytest

from autotelic.errors import DataError, SettingError
from autotelic.worlds import GeneratedWorld, open_world
from autotelic.worlds.rules import applied, imitating, read, rule


def opened(knobs: str = "") -> GeneratedWorld:
    world = open_world(f"rules?{knobs}")
    assert isinstance(world, GeneratedWorld)
    return world


def test_a_rule_puts_its_digit_behind_every_digit() -> None:
    assert applied(7, "352") == "375727"
    assert opened().solve("k352=") == applied(rule("k"), "352") == opened().solve("k17=1777;k352=") == opened().solve("Dk352=")
    assert read("a12=1020;a3=") == ("a", "3")
    with pytest.raises(DataError, match="not a problem of rules"):
        read("a12=1020;")


def test_examples_are_written_for_a_problem_and_read_as_they_are() -> None:
    world = open_world("rules")
    demonstrate, imitate = world.skill("demonstrate"), world.skill("imitate")
    assert demonstrate.ask("k352=") == "Dk352=" and imitate.ask("k352=", ["k17=1777;"]) == "k17=1777;k352="
    assert [demonstrate.read(text) for text in ("k17=1777;", "k17=1777", "17=1;", "")] == ["k17=1777;", None, None, None]
    assert [imitate.read(text) for text in ("375727", "", "3x")] == ["375727", None, None]


def test_the_teacher_follows_examples_whatever_they_show() -> None:
    world, rng = opened("following=1&writing=0"), random.Random(1)
    task = world.tasks(1, seed=0)[0]
    shown = [world.lesson(task, rng) for _ in range(200)]
    digit = {lesson.completion[1] for lesson in shown}
    assert len(digit) == 10, "in half of them any rule"
    assert all(lesson.turns[0].split(";")[0][-1] == lesson.completion[1] for lesson in shown)


def test_the_teacher_is_unsure_of_some_names() -> None:
    world, rng = opened("following=0&writing=0"), random.Random(2)
    tasks = world.tasks(2000, seed=0)
    right = fmean(world.verify(task, world.lesson(task, rng).completion) for task in tasks)
    assert 0.5 < right < 0.8, "half of seven in ten are expected to be wrong"
    sure = opened("following=0&writing=0&slips=0")
    assert all(sure.verify(task, sure.lesson(task, rng).completion) for task in tasks[:50])


def test_shares_that_are_more_than_all_are_refused() -> None:
    with pytest.raises(SettingError, match="following and writing are shares of the lessons"):
        opened("following=0.9&writing=0.5")
    assert imitating("k1=", []) == "k1="

"""Chains with asides: what they mean, whose splits they have, how they are rewritten, and what the teacher takes for an operation."""

import random

import pytest

from autotelic.errors import DataError, SettingError
from autotelic.worlds import GeneratedWorld, open_world
from autotelic.worlds.asides import mistaken, plain


def opened(knobs: str = "") -> GeneratedWorld:
    world = open_world(f"asides?{knobs}")
    assert isinstance(world, GeneratedWorld)
    return world


def test_asides_are_not_done() -> None:
    assert plain("3(+1)+4(*2)(-9)*5=") == "3+4*5="
    assert opened().solve("3(+1)+4(*2)(-9)*5=") == "3+4=7;7*5=5;#5"
    for text in ("3(+1)=x", "3(+)+4=", "W3+4="):
        with pytest.raises(DataError, match="not a chain with asides"):
            plain(text)


def test_tasks_have_as_many_asides_as_they_say_and_the_splits_of_chains() -> None:
    tasks, chain = opened().tasks(200, seed=1, split="probe"), open_world("chain")
    assert {task.tags["asides"] for task in tasks} == set(range(9))
    assert all(str(task.prompt).count("(") == task.tags["asides"] and task.tags["ops"] == 4 for task in tasks)
    assert all(chain.held_out(plain(str(task.prompt))) for task in tasks)
    assert opened().held_out("W" + str(tasks[0].prompt))


def test_the_teacher_takes_a_share_of_the_asides_for_operations() -> None:
    rng = random.Random(0)
    assert mistaken("3(+1)+4(*2)=", 1.0, rng) == "3+1+4*2=" and mistaken("3(+1)+4=", 0.0, rng) == "3+4="
    world = opened("rewriting=1&kept=0")
    task = world.tasks(1, seed=0)[0]
    assert world.lesson(task, rng) == ((f"W{task.prompt}",), plain(str(task.prompt)))
    world = opened("rewriting=0&mistaken=0")
    assert world.lesson(task, rng) == ((task.prompt,), world.gold(task))


def test_a_rewriting_is_a_problem_or_nothing() -> None:
    skill = open_world("asides").skill("rewrite")
    assert skill.ask("3(+1)+4=") == "W3(+1)+4="
    assert [skill.read(text) for text in ("3+4=", "3(+1)+4=", "3+4", "")] == ["3+4=", "3(+1)+4=", None, None]
    with pytest.raises(SettingError, match="asides must be a range within 0 to 100"):
        opened("asides=5-2")


def test_preferences_are_about_the_chain_that_is_left() -> None:
    (task,) = opened("pairs=true&asides=3").tasks(1, seed=0)
    assert task.hidden["chosen"] == opened().gold(task) and len(task.hidden["rejected"]) == len(task.hidden["chosen"])
    assert task.hidden["rejected"] != task.hidden["chosen"]

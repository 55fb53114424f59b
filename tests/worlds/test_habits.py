"""The lessons of habits guess as often as its knob says and are right otherwise; everything else is of chain."""

import random
from collections import Counter

import pytest

from autotelic.errors import SettingError
from autotelic.types import Task
from autotelic.worlds import GeneratedWorld, open_world


def lessons(knobs: str, count: int) -> list[tuple[Task, str]]:
    world = open_world(f"habits?{knobs}")
    assert isinstance(world, GeneratedWorld)
    rng = random.Random(5)
    return [(task, world.lesson(task, rng).completion) for task in world.tasks(count, seed=3)]


def test_tasks_answers_and_splits_are_those_of_chains_with_four_operations() -> None:
    world, chain = open_world("habits"), open_world("chain")
    tasks = world.tasks(300, seed=1)
    assert {task.tags["ops"] for task in tasks} == {4}
    assert all(chain.verify(Task("x", task.prompt), task.answer) == 1.0 for task in tasks)
    probe = {task.prompt for task in world.tasks(300, seed=1, split="probe")}
    assert not probe & {task.prompt for task in chain.tasks(3000, seed=2, ops=4)}
    assert all(chain.held_out(str(prompt)) for prompt in probe)


def test_guesses_are_as_frequent_as_asked_and_say_nothing_of_the_answer() -> None:
    found = lessons("", 1000)
    guesses = [(task, text) for task, text in found if len(text) == 2]
    assert 550 < len(guesses) < 650, "600 expected, standard deviation 15"
    assert all(text == open_world("chain").gold(task) for task, text in found if len(text) > 2)
    digits = Counter(text for _, text in guesses)
    assert sorted(digits) == [f"#{digit}" for digit in range(10)] and min(digits.values()) > 35
    assert 30 < sum(open_world("habits").verify(task, text[1]) for task, text in guesses) < 90, "one guess in ten is right"


def test_the_ends_of_the_share_of_guesses() -> None:
    assert all(len(text) == 2 for _, text in lessons("direct=1", 50))
    assert all(text == open_world("chain").gold(task) for task, text in lessons("direct=0&ops=2-3", 50))
    with pytest.raises(SettingError, match="world 'habits': direct: Input should be less than or equal to 1"):
        open_world("habits?direct=1.5")

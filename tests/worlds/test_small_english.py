"""The small worlds in English: worked answers by hand, answers as chat models write them, splits that other orders do not cross, knobs."""

from typing import Any

import pytest

from autotelic.errors import DataError, SettingError
from autotelic.tasks.validate import validate
from autotelic.worlds import open_world
from autotelic.worlds.english import EnglishWorld

SMALL = ("comparing", "ordering", "sorting", "units", "weekdays")


def opened(spec: str) -> EnglishWorld[Any]:
    world = open_world(spec)
    assert isinstance(world, EnglishWorld)
    return world


@pytest.mark.parametrize("name", SMALL)
def test_gold_verifies_and_nothing_else_and_there_are_enough_tasks_for_a_run(name: str) -> None:
    world = opened(name)
    assert validate(world, 40, seed=1).ok
    longest = world.longest()
    for task in world.tasks(2048, seed=0):
        text = world.posed(task.prompt)
        assert len(world.asked(text)) == 9 and len(str(task.prompt)) - 9 * 40 <= longest.prompt and len(world.gold(task)) <= longest.completion
    assert len(world.tasks(200, seed=0, split="probe")) == 200
    assert not any(world.held_out(text) for text in world.examples)


@pytest.mark.parametrize(
    ("name", "problem", "gold"),
    [
        ("weekdays", "Today is Friday. Which day of the week will it be in 10 days?", "10 days: Friday, Saturday, Sunday, Monday\nAnswer: Monday"),
        ("weekdays", "Today is Monday. Which day of the week was it 2 days ago?", "2 days: Monday, Sunday, Saturday\nAnswer: Saturday"),
        ("weekdays", "May 9 is a Sunday. Which day of the week is May 2?", "7 days: Sunday\nAnswer: Sunday"),
        ("weekdays", "May 2 is a Sunday. Which day of the week is May 4?", "2 days: Sunday, Monday, Tuesday\nAnswer: Tuesday"),
        ("units", "How many minutes are 2 hours and 5 minutes?", "2 * 60 = 120\n120 + 5 = 125\nAnswer: 125"),
        ("units", "How many feet are 36 inches?", "36 / 12 = 3\nAnswer: 3"),
        ("comparing", "Which of these numbers is the largest: 9.9, 9.11?", "9.9 > 9.11\nAnswer: 9.9"),
        ("comparing", "Which of these numbers is the smallest: 7, 0.5, 0.25?", "0.25 < 0.5 < 7\nAnswer: 0.25"),
        ("sorting", "Sort these words in alphabetical order: pens, pears, apples.", "Answer: apples, pears, pens"),
        ("ordering", "Bo is older than Cy. Al is older than Bo. Is Cy younger than Al?", "Each is older than the next: Al, Bo, Cy\nAnswer: yes"),
        ("ordering", "Bo is older than Cy. Al is older than Bo. Is Cy older than Al?", "Each is older than the next: Al, Bo, Cy\nAnswer: no"),
    ],
)
def test_problems_solved_by_hand(name: str, problem: str, gold: str) -> None:
    assert opened(name).solve(problem) == gold


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("units", "How many feet are 35 inches?"),
        ("units", "How many feet are 3 hours?"),
        ("units", "How many hours are 120 minutes and 5 minutes?"),
        ("ordering", "Bo is older than Cy. Cy is older than Bo. Is Cy older than Bo?"),
        ("ordering", "Bo is older than Cy. Bo is older than Al. Is Cy older than Al?"),
        ("ordering", "Bo is older than Cy. Al is taller than Bo. Is Cy older than Al?"),
        ("ordering", "Bo is older than Cy. Al is older than Bo. Is Cy older than Di?"),
        ("comparing", "Which of these numbers is the largest: 9?"),
        ("sorting", "Sort these words in alphabetical order: pens."),
        ("weekdays", "May 9 is a Sunday. Which day of the week is June 2?"),
    ],
)
def test_what_has_no_answer_is_no_problem(name: str, problem: str) -> None:
    with pytest.raises(DataError, match=f"not a problem of the world '{name}'"):
        opened(name).solve(problem)
    assert opened(name).task(problem).answer is None and not opened(name).held_out(problem)


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("weekdays", "Answer: **Monday**.", "Monday"), ("weekdays", "If today is Friday, in 3 days it is monday.", "Monday"),
        ("weekdays", "Friday, Saturday\n\nIt is \\boxed{\\text{Sunday}}", "Sunday"), ("weekdays", "Answer: Monday or Tuesday", None),
        ("weekdays", "I do not know.", None), ("weekdays", "<think>Monday", None), ("weekdays", "", None),
        ("units", "There are 1,000 * 3 = 3,000 meters.", "3000"), ("units", "Answer: 180 minutes", "180"),
        ("comparing", "9.9 is larger than 9.11.", "99/10"), ("comparing", "The largest number is **9.9**.", "99/10"),
        ("comparing", "9.9 is the largest, and 9.11 the smallest.", "99/10"), ("comparing", "9.11 < 9.9", None), ("comparing", "Answer: 9.90", "99/10"),
        ("sorting", "Answer: Apples, pears and pens.", "apples, pears, pens"), ("sorting", "1. apples\n2. pears\n3. **pens**", "apples, pears, pens"),
        ("sorting", "The order is: apples, pears, pens", "apples, pears, pens"), ("sorting", "**Answer:**\n- apples\n- pears", "apples, pears"),
        ("sorting", "apples", None), ("sorting", "", None),
        ("ordering", "Yes, Al is older.", "yes"), ("ordering", "No.\n\nBecause Al is older than Bo.", "no"), ("ordering", "Answer: Yes", "yes"),
        ("ordering", "So the answer is no.", "no"), ("ordering", "Yes? Let me see.\nAnswer: no", "no"), ("ordering", "Answer: yes or no", None),
        ("ordering", "I know nothing.", None),
    ],
)  # fmt: skip
def test_answers_as_chat_models_write_them(name: str, text: str, answer: str | None) -> None:
    assert opened(name).parse(text) == answer


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("weekdays?days=1", "days must be a range within 2 to 1000, got 1-1"),
        ("comparing?numbers=11", "numbers must be a range within 2 to 10"),
        ("sorting?words=1", "words must be a range within 2 to 20"),
        ("ordering?people=2", "people must be a range within 3 to 10"),
        ("units?large=5", "no knob 'large': did you mean 'largest'"),
    ],
)
def test_knobs_that_do_not_fit(spec: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        open_world(spec)


def test_answers_are_as_often_yes_as_no() -> None:
    answers = [task.answer for task in opened("ordering").tasks(400, seed=0)]
    assert 160 < answers.count("yes") < 240


def test_numbers_of_any_knobs_can_be_drawn_and_read() -> None:
    for spec in (
        "comparing?decimals=0&largest=2",
        "comparing?decimals=6&numbers=10",
        "weekdays?days=25-200",
        "ordering?people=10",
        "sorting?words=20",
    ):
        assert validate(open_world(spec), 20, seed=0).ok, spec

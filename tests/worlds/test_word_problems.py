"""Arithmetic stories: every template is filled, read back and solved; answers as chat models write them; splits, knobs, and recipes that judge and pose."""

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from subwords import subwords, write_model

from autotelic.errors import DataError, SettingError
from autotelic.rounds.held_out import HeldOut
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.systems.proposer_solver.posing import held_out, known_task
from autotelic.tasks.columns import PART
from autotelic.tasks.language import NAMES
from autotelic.tasks.validate import validate
from autotelic.types import Message, Task
from autotelic.worlds import open_world
from autotelic.worlds.english import WordProblems, stories

STORY = "Ann has 5 marbles and wins 3 more. How many marbles does she have now?"


@pytest.fixture(scope="module")
def world() -> WordProblems:
    return WordProblems()


def last(task: Task) -> str:
    assert not isinstance(task.prompt, str)
    return task.prompt[-1]["content"]


@pytest.mark.parametrize("largest", [9, 1000])
def test_every_story_is_filled_read_back_and_solved(largest: int) -> None:
    rng = random.Random(largest)
    for story in stories.stories():
        values = stories.numbers(story, largest, rng)
        text = stories.filled(story, values, rng)
        found = stories.understood(text)
        assert found is not None and found[0] is story and found[1] == values, (story.text, text)
        assert not re.search(r"[{}\[\]|]|\b1 ", text) and text.endswith("?"), text
        assert all(2 <= result <= 10 * largest for _, result in stories.worked(story.sum, values))
        assert set(re.findall("[a-z]", story.sum)) <= set(story.letters), story.sum


def test_there_are_enough_stories_and_some_of_every_length_are_new() -> None:
    every = stories.stories()
    assert len(every) == len({story.text for story in every}) == 228
    assert Counter(story.steps for story in every) == {1: 84, 2: 81, 3: 63}
    assert Counter(story.steps for story in every if story.new) == {1: 8, 2: 8, 3: 7}
    girls, boys = stories.names()
    assert len({*girls, *boys}) == len(girls) + len(boys) == 110
    assert not any(re.search(rf"\ba \{{{name}\}}", story.text) for story in every for name, words in story.words.items()
                   if name != "stories" and any(word[0] in "aeiou" for word in words)), "'a' before a vowel"  # fmt: skip


def test_sums_worked_by_hand() -> None:
    assert stories.worked("(n*a-b)/m", {"n": 3, "a": 8, "b": 4, "m": 5}) == [("3 * 8", 24), ("24 - 4", 20), ("20 / 5", 4)]
    assert stories.worked("a-n*m", {"a": 9, "n": 2, "m": 3}) == [("2 * 3", 6), ("9 - 6", 3)]
    assert stories.worked("a/n", {"a": 7, "n": 2})[-1][1] == 0, "not whole"


def test_a_task_is_a_chat_with_solved_problems_before_it(world: WordProblems) -> None:
    task = world.task(STORY)
    assert (task.answer, world.gold(task), len(task.prompt)) == ("8", "5 + 3 = 8\nAnswer: 8", 9)
    assert [message["role"] for message in task.prompt] == ["user", "assistant"] * 4 + ["user"]  # type: ignore[index]
    assert last(task) == STORY
    bare = WordProblems(shots=0, ask="Answer with a number.")
    assert bare.task(STORY).prompt == [Message(role="user", content=f"{STORY} Answer with a number.")]
    plain = WordProblems(shots=1, chat=False)
    assert plain.task("One tray holds 4 buns. How many buns do 3 of them hold?").prompt == (
        f"{STORY}\n5 + 3 = 8\nAnswer: 8\n\nOne tray holds 4 buns. How many buns do 3 of them hold?\n"
    )
    for each in (world, bare, plain):
        for made in each.tasks(20, seed=0, split="probe"):
            assert each.verify(Task("x", made.prompt), made.answer) == 1.0 and each.gold(made).endswith(f"Answer: {made.answer}")
            assert len(str(made.prompt)) <= each.longest().prompt + 40 * len(made.prompt)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("5 + 3 = 8\nAnswer: 8", "8"), ("She has 5 + 3 = **8 marbles**.", "8"), ("The answer is \\boxed{8}.", "8"), ("#### 8\nThe answer is: 8", "8"),
        ("<think>5 + 3 is 9? No.</think>\n**Answer:** 8 marbles", "8"), ("<answer>1,008</answer>", "1008"), ("Answer: $8.00", "8"), ("eight", None),
        ("Answer: eight", "8"), ("<think>It is 8", None), ("Answer: 8 or 9", None), ("Answer: 7\n\nWait. Answer: 8", "8"), ("", None),
    ],
)  # fmt: skip
def test_answers_as_chat_models_write_them(world: WordProblems, text: str, answer: str | None) -> None:
    assert world.parse(text) == answer
    assert world.verify(world.task(STORY), world.parse(text)) == float(answer == "8")


def test_gold_verifies_and_nothing_else() -> None:
    assert validate(open_world("word-problems?steps=1-3&largest=50"), 150, seed=3).ok


def test_new_stories_are_in_no_split_that_is_trained_on(world: WordProblems) -> None:
    parts = {split: Counter(t.tags[PART] for t in world.tasks(200, seed=1, split=split, steps=(1, 2))) for split in ("train", "probe", "validation")}
    assert set(parts["train"]) == {"1 step", "2 steps"}
    assert set(parts["probe"]) == set(parts["validation"]) == {"1 step", "2 steps", "new templates"}
    assert 30 < parts["probe"]["new templates"] < 90
    assert {task.tags["steps"] for task in world.tasks(60, seed=0, steps=3)} == {3}
    for split in ("train", "probe"):
        for task in world.tasks(40, seed=2, split=split):
            assert world.held_out(last(task)) == held_out(world, task) == (task in HeldOut(world)) == (split != "train")
    assert not any(world.held_out(text) for text in (*world.examples, "", "Ann has 5 marbles."))


def test_what_a_model_poses_is_a_problem_and_has_an_answer_where_a_template_tells_it(world: WordProblems) -> None:
    known, other = known_task(world, "Zed has 5 frogs and wins 9 more. How many frogs does he have now?"), known_task(world, "What is 2 plus 2?")
    assert known is not None and known.answer == "14"
    assert other is not None and other.answer is None and last(other) == "What is 2 plus 2?"
    assert known_task(world, " ") is None
    with pytest.raises(DataError, match="not a story of the world 'word-problems': 'What is 2"):
        world.verify(other, "4")
    with pytest.raises(DataError, match="not a story"):
        world.solve("Zed has 5 apples and uses 9 of them for a pie. How many apples are left?")


def test_it_is_asked_about_in_english_without_the_solved_problems(world: WordProblems) -> None:
    task = world.task(STORY)
    assert all(world.skill(name).name == name for name in NAMES)
    (asked,) = world.skill("judge").ask(task.prompt, "5 + 3 = 8. Answer: 8")
    assert asked["content"].startswith(f"Problem:\n{STORY}\n\nSolution:\nStep 1: 5 + 3 = 8.\nStep 2: Answer: 8\n\n")  # type: ignore[index]
    truth = world.skill("judge").truth
    assert truth is not None and [truth(task, text) for text in ("Answer: 8", "Answer: 9")] == ["5", "0"]
    (proposal,) = world.skill("propose").ask()
    assert proposal["content"].count("Problem: ") == 3  # type: ignore[index]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("word-problems?steps=4", "steps must be a range within 1 to 3, got 4-4"),
        ("word-problems?largest=5", "largest: Input should be greater than or equal to 9"),
        ("word-problems?shot=1", "no knob 'shot': did you mean 'shots'"),
    ],
)
def test_knobs_that_do_not_fit(spec: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        open_world(spec)


def test_how_it_asks_cannot_change_in_a_call(world: WordProblems) -> None:
    with pytest.raises(SettingError, match="the knob 'ask' is set where the world is opened"):
        world.tasks(1, seed=0, ask="?")


SMALL: dict[str, dict[str, Any]] = {
    "gold": {"group_size": 2},
    "self-rewarding": {"replies": {"max_tokens": 4}, "group_size": 2, "judgements": 1, "texts": {"judge": "{problem} {solution} Grade:"}},
    "sqlm": {"asking": {"max_tokens": 4}, "group_size": 2},
}


@pytest.mark.parametrize("name", SMALL)
def test_recipes_that_solve_judge_and_pose_run_on_it(name: str, tmp_path: Path) -> None:
    """A tiny random model says nothing of sense: the round takes it and counts it."""
    write_model(tmp_path / "model", subwords(), max_position_embeddings=2048)
    run = {"recipe": name, "model": str(tmp_path / "model"), "tasks": "word-problems", "pool_size": 8, "probe_size": 2, "probe_samples": 0}
    settings = {**run, "tasks_per_round": 2, "rounds": 1, "sampling": {"max_tokens": 4}, "gate": {"mode": "off"}, "out": str(tmp_path / "run")}
    loop.start({**settings, **SMALL[name]}, Progress(quiet=True))
    assert (tmp_path / "run" / "report.html").exists()

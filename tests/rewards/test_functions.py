"""Rewards of a user's file: TRL's signature, weights, None, and every way in which such a function can be wrong."""

import asyncio
import json
from pathlib import Path

import pytest
from rounds import play_round, ready

from autotelic.errors import AutotelicError, SettingError, TrainingError
from autotelic.rewards.asked import Asked, asked
from autotelic.rewards.functions import numbers, open_functions
from autotelic.types import Rollout, Task, listed

FILE = """
SEEN = []
def brevity(prompts, completions, **columns):
    SEEN.append(columns)
    return [-len(text) / 10 for text in completions]
async def even(completion_ids, level):
    return [1 if len(ids) % 2 == 0 else None for ids in completion_ids]
def easy(completions, level, answer=None):
    return [float(one or 0) for one in level]
def raises(completions):
    return [1 / len(text) for text in completions]
def together(completions):
    assert len(completions) == 1
    return [1.0]
def text(completions):
    return "1" * len(completions)
def many(completions):
    return [0.0] * (len(completions) + 1)
def words(completions):
    return ["good" for _ in completions]
def leaves(completions):
    raise SystemExit(3)


def nan(completions):
    return [float("nan")] * len(completions)
def needs(completions, lvel):
    return [0.0] * len(completions)
def by_place(completions, /):
    return [0.0] * len(completions)
def silent(completions):
    return [None] * len(completions)
def nothing(completions):
    pass
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "my_rewards.py"
    path.write_text(FILE)
    return str(path)


def rollouts() -> list[Rollout]:
    chat = Task("b", [{"role": "user", "content": "2+2?"}], hidden={"level": 2, "source": "x"})
    return [Rollout("r0", Task("a", "1+1=", answer="2", hidden={"level": 1}), [], "2"), Rollout("r1", chat, [], "four")]


def shown() -> Asked:
    return asked(rollouts(), lambda task: task.prompt)


def ask(file: str, name: str, what: Asked | None = None) -> list[float | None]:
    return asyncio.run(open_functions([f"{file}:{name}"])[0].values(what or shown()))


def test_what_a_function_is_given() -> None:
    found = shown()
    assert found.arguments == {
        "prompts": ["1+1=", [{"role": "user", "content": "2+2?"}]],
        "completions": ["2", [{"role": "assistant", "content": "four"}]],
        "completion_ids": [[], []],
        "answer": ["2", None],
        "solution": ["2", None],
        "ground_truth": ["2", None],
        "level": [1, 2],
        "source": [None, "x"],
    }
    assert found.one(1).arguments["completions"] == [[{"role": "assistant", "content": "four"}]] and found.one(1).columns["level"] == [2]


def test_functions_take_what_they_name(file: str) -> None:
    assert ask(file, "easy") == [1.0, 2.0]
    assert ask(file, "even") == [1.0, 1.0]
    assert ask(file, "silent") == [None, None]
    functions = open_functions([f"{file}:brevity", f"{file}:easy"])
    assert [function.name for function in functions] == ["brevity", "easy"]
    asyncio.run(functions[0].values(shown().one(0)))
    columns = {"answer": ["2"], "solution": ["2"], "ground_truth": ["2"], "level": [1], "source": [None]}
    assert functions[0].call.__globals__["SEEN"] == [{**columns, "completion_ids": [[]]}]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", "text returned str, not a list of one number or None for each completion"),
        ("nothing", "nothing returned NoneType, not a list"),
        ("many", "many returned 3 values for 2 completions"),
        ("words", "words of rollout r0 is 'good', neither a number nor None"),
        ("together", "together raised AssertionError:  (line 13), on all rollouts together, and on none of them alone"),
    ],
)
def test_wrong_returns_name_function_and_rollout(file: str, name: str, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        ask(file, name)
    assert message in str(caught.value) and file in str(caught.value)


def test_what_raises_names_the_line_and_the_rollout(file: str) -> None:
    some = rollouts()
    some[1].text = ""
    with pytest.raises(TrainingError) as caught:
        ask(file, "raises", asked(some, lambda task: str(task.prompt)))
    assert str(caught.value) == f"the reward {file}:raises raised ZeroDivisionError: division by zero (line 11), on rollout r1: ''"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_numbers_of_any_kind() -> None:
    import numpy as np
    import torch

    assert numbers("f", np.array([1, 2]), ["a", "b"]) == [1.0, 2.0]
    assert numbers("f", (torch.tensor(1.5), True, None), ["a", "b", "c"]) == [1.5, 1.0, None]


def test_names_as_a_command_line_has_them() -> None:
    assert listed("[my.py:f, correct]") == listed("my.py:f,correct") == listed('["my.py:f", "correct"]') == ["my.py:f", "correct"]
    assert listed(("a",)) == ("a",)


def test_a_run_weighs_named_rewards(file: str, tmp_path: Path) -> None:
    session = ready("grpo", rewards=f"[correct,{file}:brevity,{file}:silent]", reward_weights=[1.0, -0.5, 3.0])
    play_round(session)
    group = session.ctx.groups[0]
    for rollout in group:
        assert set(rollout.rewards) == {"correct", "brevity"} and rollout.abstained == {"silent"}
        assert rollout.rewards["brevity"] == -len(rollout.text) / 10
    sums = [rollout.rewards["correct"] - 0.5 * rollout.rewards["brevity"] for rollout in group]
    mean = sum(sums) / len(sums)
    std = (sum((value - mean) ** 2 for value in sums) / (len(sums) - 1)) ** 0.5
    assert [rollout.advantage for rollout in group] == pytest.approx([(value - mean) / (std + 1e-6) for value in sums])


def test_a_run_without_answers_takes_functions(file: str, tmp_path: Path) -> None:
    tasks = tmp_path / "t.jsonl"
    tasks.write_text("".join(json.dumps({"prompt": f"{i}+1=", "level": i}) + "\n" for i in range(8)))
    session = ready("grpo", tasks=str(tasks), rewards=[f"{file}:easy"])
    play_round(session)
    assert {rollout.rewards["easy"] for group in session.ctx.groups for rollout in group} <= set(map(float, range(8)))


@pytest.mark.parametrize(
    ("rewards", "error", "message"),
    [
        (["corect"], SettingError, "no reward 'corect': did you mean 'correct'?"),
        (["{file}"], SettingError, "is a file"),
        (["{file}:brevty"], SettingError, "has no function 'brevty'; did you mean 'brevity'?"),
        (["{file}:needs"], SettingError, "needs needs 'lvel', and is given prompts, completions, completion_ids, answer"),
        (["{file}:by_place"], SettingError, "parameters that cannot be given by name"),
        (["{file}:many"], TrainingError, "returned 3 values for 2 completions"),
        (["{file}:nan"], TrainingError, "is nan, not a finite number; a reward abstains with None"),
        (["{file}:leaves"], TrainingError, "leaves raised SystemExit: 3"),
        (["{file}:brevity", "correct", "{file}:brevity"], SettingError, "two rewards are called 'brevity'"),
        (["nowhere.py:f"], AutotelicError, "nowhere.py: no such reward file"),
        ([], SettingError, "rewards"),
    ],
)
def test_what_cannot_be_a_reward_is_refused_before_the_first_round(file: str, rewards: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        ready("grpo", rewards=[spec.format(file=file) for spec in rewards])
    assert message in str(caught.value)


def test_weights_are_one_for_each_reward() -> None:
    with pytest.raises(SettingError, match="reward_weights has 2 weights for 1 rewards"):
        ready("grpo", reward_weights=[1.0, 2.0])


def test_a_file_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(SettingError, match=r"broken\.py cannot be loaded: ModuleNotFoundError: No module named 'nothing_of_that_name'"):
        open_functions([f"{tmp_path}/broken.py:f"])

"""Judgements: read, averaged, counted, compared with the truth."""

import asyncio
from collections.abc import Callable

import pytest
from contexts import TASKS, context

from autotelic.policies.policy import Policy
from autotelic.rewards.judges import judgements, kendall, mean_grade, pair_accuracy
from autotelic.rounds.roles import Role
from autotelic.types import Group, Rollout, Sampling, Task

Make = Callable[..., Policy]


def group(*answers: str | None) -> Group:
    return Group(TASKS[0], [Rollout(f"r{i}", TASKS[0], [], answer=answer) for i, answer in enumerate(answers)])


@pytest.mark.parametrize(
    ("left", "right", "tau"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 2, 4, 3], 4 / 6),
        ([1, 1, 2], [1, 2, 3], 2 / 6**0.5),
        ([1, 1], [1, 2], 0.0),
    ],
)
def test_kendall(left: list[float], right: list[float], tau: float) -> None:
    assert kendall(left, right) == pytest.approx(tau)


def test_unreadable_judgements_are_left_out_of_the_mean() -> None:
    assert mean_grade(group("3", None, "4")) == 3.5
    assert mean_grade(group(None, None)) is None


def test_pair_accuracy_counts_pairs_that_differ_in_truth_and_in_grade() -> None:
    found = group("a", "b", "c")
    grades = {"r0": 5.0, "r1": 1.0, "r2": 5.0}
    truth = {"r0": 1.0, "r1": 0.0, "r2": 0.0}
    # r0 above r1 is right; r0 and r2 are graded alike; r1 and r2 are both wrong.
    assert pair_accuracy([found], lambda r: grades[r.id], lambda r: truth[r.id]) == 1.0
    assert pair_accuracy([found], lambda r: None, lambda r: truth[r.id]) is None


def test_a_judge_that_never_parses_is_counted(policy: Make) -> None:
    ctx = context(policy())
    ctx.roles["judge"] = Role("judge", "solver", Sampling(max_tokens=2), lambda text: None)
    asked = asyncio.run(ctx.sample("solver", TASKS[:1], n=2))[0]
    found = asyncio.run(judgements(ctx, "judge", asked.rollouts, lambda rollout: "1=", n=3))
    assert [one.task.tags["parents"] for one in found] == [[rollout.id] for rollout in asked]
    assert ctx.metrics["judge/unparsed"] == 6 and all(mean_grade(one) is None for one in found)
    assert asyncio.run(judgements(ctx, "judge", [], lambda rollout: "1=")) == []
    assert isinstance(found[0].task, Task)

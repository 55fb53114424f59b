"""Judgements that a policy makes in text: asked several times, averaged, and counted where they cannot be read. Not verifiers: a judge can be wrong."""

from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING

from autotelic.types import Group, Prompt, Rollout, Task

if TYPE_CHECKING:
    from autotelic.rounds.context import Context


async def judgements(ctx: "Context", judge: str, rollouts: Sequence[Rollout], ask: Callable[[Rollout], Prompt], n: int = 1) -> list[Group]:
    """`n` answers of the role `judge` to the prompt `ask` makes of each rollout. The task of a judgement names the rollout it is about as its parent;
    judgements that do not parse are counted under the role's name, up to its ':' where it has one: judge/unparsed."""
    tasks = [Task(f"on-{rollout.id}", ask(rollout), tags={"parents": [rollout.id]}) for rollout in rollouts]
    groups = await ctx.sample(judge, tasks, n=n)
    ctx.count(f"{judge.split(':')[0]}/unparsed", sum(answer is None for group in groups for answer in group.answers))
    return groups


def mean_grade(group: Group) -> float | None:
    """The mean of the judgements that could be read; None where none could."""
    grades = [float(answer) for answer in group.answers if answer is not None]
    return fmean(grades) if grades else None


def kendall(left: Sequence[float], right: Sequence[float]) -> float:
    """Kendall's tau-b of two rankings of the same things: pairs in the same order minus pairs in the other, over the geometric mean of the pairs that each
    ranking tells apart. 0 where a ranking tells none apart."""
    same, told_left, told_right = 0, 0, 0
    for i, j in combinations(range(len(left)), 2):
        a, b = sign(left[i] - left[j]), sign(right[i] - right[j])
        same += a * b
        told_left += a != 0
        told_right += b != 0
    return same / (told_left * told_right) ** 0.5 if told_left and told_right else 0.0


def sign(value: float) -> int:
    """-1, 0 or 1."""
    return (value > 0) - (value < 0)


def pair_accuracy(groups: Sequence[Group], believed: Callable[[Rollout], float | None], true: Callable[[Rollout], float]) -> float | None:
    """Of all pairs within a group that are truly unequal and that the judge tells apart, the share it puts in the right order; None if there is none."""
    right = []
    for group in groups:
        for a, b in combinations(group.rollouts, 2):
            x, y = believed(a), believed(b)
            if x is not None and y is not None and x != y and true(a) != true(b):
                right.append((x > y) == (true(a) > true(b)))
    return fmean(right) if right else None

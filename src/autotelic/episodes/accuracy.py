"""How often roles are right about tasks: one alone, several by their vote, the best of n by a value, a critic. Measures; nothing here trains.

For `Recipe.measure`, and for rewards that are accuracies. Games have yardsticks of their own (`episodes.yardsticks`).
"""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from autotelic.answers.votes import vote
from autotelic.episodes.tree import Value
from autotelic.measures.probe import Outcome, ProbeResult
from autotelic.tasks.language import FINE, agrees
from autotelic.types import Rollout, Task, World

if TYPE_CHECKING:
    from autotelic.rounds.context import Context


def accuracy(world: World, tasks: Sequence[Task], answers: Sequence[str | None]) -> float:
    """The share of tasks whose answer is right."""
    return fmean(world.verify(task, answer) for task, answer in zip(tasks, answers, strict=True))


async def greedy(ctx: "Context", role: str, tasks: Sequence[Task]) -> list[str | None]:
    """The greedy answer of a role to each task, kept out of the round's monitors and store."""
    return [group.answers[0] for group in await ctx.sample(role, tasks, n=1, note=False, temperature=0.0)]


async def greedy_accuracy(ctx: "Context", role: str, tasks: Sequence[Task]) -> float:
    """The share of tasks that a role solves greedily."""
    return accuracy(ctx.world, tasks, await greedy(ctx, role, tasks))


class Team(NamedTuple):
    """How several roles do."""

    alone: list[float]
    """The accuracy of each."""
    together: float
    """That of their majority."""


async def team(ctx: "Context", roles: Sequence[str], tasks: Sequence[Task]) -> Team:
    """The greedy accuracy of each role, and that of the vote of all; of equal votes the first role's answer counts."""
    answers = [await greedy(ctx, role, tasks) for role in roles]
    labels = [vote(ballot).label for ballot in zip(*answers, strict=True)]
    return Team([accuracy(ctx.world, tasks, found) for found in answers], accuracy(ctx.world, tasks, labels))


async def best_of(ctx: "Context", role: str, tasks: Sequence[Task], value: Value, tokens: int) -> tuple[list[Rollout], int]:
    """The most valued of n samples for each task, of equals the last, and n: as many as may be sampled for about `tokens` tokens in all, at least one."""
    before = ctx.meter.sampled
    await ctx.sample(role, tasks, n=1)
    n = max(1, round(tokens / max(ctx.meter.sampled - before, 1)))
    best = []
    for group in await ctx.sample(role, tasks, n=n):
        valued = dict(zip(value(group.rollouts), group.rollouts, strict=True))
        best.append(valued[max(valued)])
    return best, n


async def probe_critic(ctx: "Context", critic: str, solver: str, tasks: Sequence[Task]) -> ProbeResult:
    """Whether a critic is right about a solver's own greedy solutions: names the first wrong step, or, where nobody knows it, finds one; of tasks whose
    solutions the world can judge."""
    skill = ctx.world.skill("critique")
    truth = skill.truth or (lambda task, text: None)
    solutions = [group.rollouts[0].text for group in await ctx.sample(solver, tasks, n=1, temperature=0.0)]
    asked = [Task(f"probe-{task.id}", skill.ask(task.prompt, text)) for task, text in zip(tasks, solutions, strict=True)]
    outcomes = []
    for task, text, answer in zip(tasks, solutions, await greedy(ctx, critic, asked), strict=True):
        if (gold := truth(task, text)) is not None:
            kind = "right solutions" if gold == FINE else "natural errors"
            outcomes.append(Outcome(task.id, kind, answer, float(agrees(answer, gold)), tokens=1.0, gold=gold))
    return ProbeResult(ctx.policies[ctx.role(critic).policy].version, ctx.round, outcomes)

"""A critic in the loop of self-training: AutoMathCritique."""

import re
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from autotelic.episodes.answering import reply
from autotelic.learning.examples import under
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.systems.base import variation
from autotelic.systems.self_correction.critic_cot.recipe import CriticCoT, Criticized, asked
from autotelic.tasks.language import FINE
from autotelic.types import Rollout, Sampling

NUMBER = re.compile(r"[0-9]+")


@variation(
    name="critique-in-the-loop",
    system="AutoMathCritique / critique-in-the-loop",
    paper="arXiv:2411.16579",
    catalogue=(258,),
    proxy="loop/coverage",
    model="chain-skills",
    tasks="chain-skills",
)
class CritiqueInTheLoop(CriticCoT):
    """Wrong answers are criticized and refined while data is made, and what comes out right is learned as an answer to the plain question.

    Formula: right samples are data. A wrong one gets one greedy critique and `tries` refinements told of it; the first right one is data too, behind the plain
    prompt, unless it has fewer than min(numbers in the solution of the world, numbers in the wrong sample) - `slack` numbers. Loss: mean negative
    log-likelihood.
    Ends: what the critic calls right, or cannot say, is not refined; with `refine=false` it is rejection sampling.
    Fails: by refinements that jump to the answer, which loop/shortcuts counts, and by a critic that names any step: with `critic=others` as much is covered.
    Differs: the critic is the policy itself, not a second model that was taught on 76,000 written critiques. Training goes on from the last weights; the
    paper begins from the base with each iteration.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        *CriticCoT.metrics,
        Metric("loop/coverage", "share", "tasks of the round with a right answer in its data"),
        Metric("loop/refined", "share", "of the data, what was refined"),
        Metric("loop/shortcuts", "refinements", "right ones that are left out because they have too few numbers"),
    )

    tries: int = Field(2, ge=1)
    """Refinements of each wrong answer."""
    refine: bool = True
    """Whether wrong answers are criticized and refined."""
    slack: int = Field(2, ge=0)
    """How many numbers a refinement may lack."""
    sampling: Sampling = Sampling(max_tokens=96, temperature=0.7)
    refinements: Sampling = Sampling(max_tokens=56, temperature=0.7)

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        groups = await ctx.sample("solver", tasks, self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        samples = [rollout for group in groups for rollout in group]
        right = [rollout for rollout in samples if rollout.rewards["correct"]]
        refined = await self.second(ctx, [rollout for rollout in samples if not rollout.rewards["correct"]]) if self.refine else []
        covered = {rollout.task.id for rollout in right} | {one.attempt.task.id for one in refined}
        kept = len(right) + len(refined)
        ctx.log(**{"critic/right": len(right) / len(samples), "loop/coverage": len(covered) / len(tasks)})
        ctx.log(**{"loop/refined": len(refined) / max(kept, 1), "label/kept": kept / len(samples)})
        lessons = [under(rollout, ctx.prompt("solver", rollout.task)) for rollout in right]
        lessons += [under(one.refinement, ctx.prompt("solver", one.attempt.task)) for one in refined if one.refinement]
        ctx.learn("solver", lessons, self.objective, self.updates)

    async def second(self, ctx: Context, wrong: Sequence[Rollout]) -> list[Criticized]:
        """For each wrong answer the first refinement that is right, where there is one."""
        critiques = await reply(ctx, "critic", [asked(ctx, attempt) for attempt in wrong], temperature=0.0)
        if self.critic == "others":
            critiques = [*critiques[1:], *critiques[:1]]
        found = [Criticized(one, critique) for one, critique in zip(wrong, critiques, strict=True) if critique.answer not in (None, FINE)]
        groups = [await self.refined(ctx, found) for _ in range(self.tries)]
        tried = [one._replace(refinement=refinement) for refinements in groups for one, refinement in zip(found, refinements, strict=True)]
        return self.firsts(ctx, [one for one in tried if one.refinement and one.refinement.rewards["correct"]])

    def firsts(self, ctx: Context, right: Sequence[Criticized]) -> list[Criticized]:
        """The first right refinement of each critique that is no shortcut."""
        kept: dict[str, Criticized] = {}
        for one in right:
            assert one.refinement is not None
            if shortcut(one.refinement.text, ctx.world.gold(one.attempt.task), one.attempt.text, self.slack):
                ctx.count("loop/shortcuts")
            else:
                kept.setdefault(one.attempt.id, one)
        return list(kept.values())


def shortcut(refined: str, gold: str, flawed: str, slack: int) -> bool:
    """Whether a refinement has fewer than min(numbers in the gold solution, numbers in the flawed one) - `slack` numbers."""
    many, least = (len(NUMBER.findall(refined)), min(len(NUMBER.findall(text)) for text in (gold, flawed)) - slack)
    return many < least

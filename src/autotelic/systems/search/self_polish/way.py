"""Rewrite the problem until two answers in a row agree: Self-Polish."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field

from autotelic.answers.votes import vote
from autotelic.episodes.answering import reply
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import TRIED, Way, way
from autotelic.tasks.english import reworded, words
from autotelic.types import Rollout, Sampling, Task, World


@way(name="self-polish", system="Self-Polish", paper="arXiv:2305.14497", family="search", catalogue=(243,), model="asides", tasks="asides")
class SelfPolish(Way):
    """The model rewrites the problem and answers it again, until two answers in a row are the same.

    Formula: y0 greedily of the problem x0; x_{t+1} rewrites x_t greedily, and y_{t+1} answers it; it stops where y_{t+1} = y_t, or after `rewrites`. Where
    answers agreed that one counts; else `final`: the last, the first, or the vote of all.
    Ends: a rewriting that cannot be read leaves the answer as it stands (rewriter/unparsed). Two answers in a row that are none do not agree.
    Fails: by rewritings that change the problem, in silence: the answer is then right for another one. Where answers agree at once, rewriting cost two calls
    and changed nothing. Its ablation answers the problem as it was, by samples in the place of greedy answers, at as many calls: a retry.
    Differs: published are few-shot prompts for the rewriting, and the answer to the problem as it was where none agree. There a rewriting that fails counts
    the task as wrong. Of a plain prompt that has solved problems before it the rewritten one keeps none.
    """

    skills: ClassVar[tuple[str, ...]] = ("rewrite",)

    rewrites: int = Field(2, ge=1)
    """Most rewritings."""
    rewriting: Sampling = Sampling(max_tokens=96, temperature=0.0)
    """How they are sampled."""
    final: Literal["last", "first", "vote"] = "last"
    """What counts where no two answers in a row agree."""
    answers: Literal["rewritten", "original"] = "rewritten"
    """Which problem is answered again."""

    @property
    def ablations(self) -> Mapping[str, Self]:
        return {} if self.answers == "original" else {"the problem as it was": self.model_copy(update={"answers": "original"})}

    def roles(self, world: World) -> dict[str, Role]:
        rewriter = Role("rewriter", "solver", self.rewriting, world.skill("rewrite").read)
        return {"solver": Role("solver", "solver", self.sampling, world.parse), "rewriter": rewriter}

    def setup(self, ctx: Context) -> None:
        checks.asked(ctx.policies["solver"], rewrite=words(ctx.world.skill("rewrite").ask("")))

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        said = [[rollout] for rollout in await reply(ctx, "solver", tasks, temperature=0.0)]
        posed = dict(enumerate(tasks))
        for turn in range(self.rewrites):
            posed = await self.rewritten(ctx, posed, turn)
            for place, rollout in zip(posed, await self.again(ctx, tasks, posed, turn), strict=True):
                said[place].append(rollout)
            posed = {place: task for place, task in posed.items() if not agreed(said[place])}
        return [self.chosen(rollouts) for rollouts in said]

    async def rewritten(self, ctx: Context, posed: Mapping[int, Task], turn: int) -> dict[int, Task]:
        """The problems in other words, by the places of the tasks; without those whose rewriting cannot be read."""
        ask = ctx.world.skill("rewrite").ask
        found = await reply(ctx, "rewriter", [Task(f"{task.id}/{turn}", ask(task.prompt)) for task in posed.values()])
        return {
            place: Task(task.id, reworded(task.prompt, rollout.answer))
            for (place, task), rollout in zip(posed.items(), found, strict=True)
            if rollout.answer is not None
        }

    async def again(self, ctx: Context, tasks: Sequence[Task], posed: Mapping[int, Task], turn: int) -> list[Rollout]:
        """The answers to what is posed; in the ablation to the problems as they were."""
        if self.answers == "original":
            return await reply(ctx, "solver", [Task(f"{tasks[place].id}/{turn}", tasks[place].prompt) for place in posed])
        return await reply(ctx, "solver", list(posed.values()), temperature=0.0)

    def chosen(self, rollouts: Sequence[Rollout]) -> Rollout:
        """The final one of the answers to a task, with what was tried."""
        tried = [rollout.answer for rollout in rollouts]
        final = rollouts[0 if self.final == "first" and not agreed(rollouts) else -1]
        if self.final == "vote" and not agreed(rollouts):
            final = rollouts[tried.index(vote(tried).label)]
        final.keys[TRIED] = [*tried, final.answer] if final is not rollouts[-1] else tried
        return final


def agreed(rollouts: Sequence[Rollout]) -> bool:
    """Whether the last two answers are the same, and are answers."""
    return len(rollouts) > 1 and rollouts[-1].answer is not None and rollouts[-1].answer == rollouts[-2].answer

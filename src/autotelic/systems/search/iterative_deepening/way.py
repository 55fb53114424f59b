"""Interrupt the solution ever more rarely, and have the model look back: iterative deepening sampling."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Literal, Self

from pydantic import Field

from autotelic.answers.votes import vote
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Way, way
from autotelic.types import Rollout, StopReason, Task, TurnKind


@way(name="iterative-deepening", system="Iterative Deepening Sampling", paper="arXiv:2502.05449", family="search", catalogue=(267,))
class IterativeDeepening(Way):
    """A solution is interrupted by a text that asks to look back, after spans that grow each time; several such solutions vote.

    Formula: b tokens are sampled; if the model has not ended by then, `trigger` is appended, b becomes growth x b, and it goes on, as long as there is room;
    all that the model wrote is read as one solution. The vote of n such solutions counts.
    Ends: a solution that ends within the first span is a plain sample. Where the room is used up there is no answer, as of any that is cut off
    (iterative-deepening/cut). iterative-deepening/triggers counts the interruptions.
    Fails: where nothing was learned that follows a trigger: it then breaks right steps more than it mends wrong ones. The ablation has the same spans and says
    nothing between them (`says=nothing`), which is plain sampling.
    Differs: spans are scaled to short solutions; a finished answer is not opened again. With growth 1 it interrupts in a fixed rhythm.
    """

    samples: int = Field(4, ge=1)
    """Solutions of a task, which vote."""
    budget: int = Field(18, ge=1)
    """Tokens of the first span."""
    growth: float = Field(2.0, ge=1.0)
    """By what each further span is longer."""
    trigger: str = "?"
    """What is appended; for a model that speaks English such as 'Wait, maybe I made a mistake. '."""
    says: Literal["trigger", "nothing"] = "trigger"
    """What stands between two spans."""

    @property
    def ablations(self) -> Mapping[str, Self]:
        return {} if self.says == "nothing" else {"nothing said": self.model_copy(update={"says": "nothing"})}

    def setup(self, ctx: Context) -> None:
        checks.written(ctx.policies["solver"], trigger=self.trigger)

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        tried = [[ctx.begin("solver", task) for _ in range(self.samples)] for task in tasks]
        await self.deepened(ctx, [rollout for some in tried for rollout in some])
        return [winner(some) for some in tried]

    async def deepened(self, ctx: Context, rollouts: Sequence[Rollout]) -> None:
        """Write all solutions, span by span."""
        trigger = ctx.speaker("solver").tokenizer.encode(self.trigger)
        open_, span, left = list(rollouts), float(self.budget), self.sampling.max_tokens
        while open_:
            await ctx.extend("solver", open_, max_tokens=min(ceil(span), left))
            left -= ceil(span)
            open_ = [rollout for rollout in open_ if rollout.truncated and left > 0 and self.room(ctx, rollout, len(trigger))]
            for rollout in open_ if self.says == "trigger" else []:
                ctx.observe(rollout, trigger)
                ctx.count("iterative-deepening/triggers")
            span *= self.growth
        for rollout in rollouts:
            read_as_one(ctx, rollout)

    def room(self, ctx: Context, rollout: Rollout, more: int) -> bool:
        """Whether the context has room for a trigger and a token behind it."""
        return len(rollout.tokens) + more < ctx.speaker("solver").context


def read_as_one(ctx: Context, rollout: Rollout) -> None:
    """Read all that the model wrote as one text, without what it was shown; what was cut off has no answer."""
    role = ctx.role("solver")
    actions = [token for turn in rollout.turns if turn.kind is TurnKind.ACTION for token in turn.tokens]
    rollout.text = ctx.speaker("solver").tokenizer.decode(actions)
    ended = rollout.turns[-1].stop is StopReason.END
    rollout.answer = role.parse(rollout.text) if ended else None
    ctx.count("iterative-deepening/cut", not ended)


def winner(rollouts: Sequence[Rollout]) -> Rollout:
    """The first of the solutions with the answer that most agree on; of those without an answer the first."""
    label = vote([rollout.answer for rollout in rollouts]).label
    return next(rollout for rollout in rollouts if rollout.answer == label)

"""Critiques that prove themselves by the refinement they lead to: Critic-CoT."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from autotelic.answers.votes import vote
from autotelic.episodes.accuracy import accuracy, probe_critic
from autotelic.episodes.answering import replies, reply
from autotelic.learning.examples import example, under
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.self_correction.attempts import answered, changes, under_prefix
from autotelic.tasks.english import words
from autotelic.tasks.language import FINE
from autotelic.types import Example, Group, Metrics, Prompt, Rollout, Sampling, Task, World


class Criticized(NamedTuple):
    """An attempt with a critique of it, and the refinement that it led to."""

    attempt: Rollout
    critique: Rollout
    refinement: Rollout | None = None


@recipe(
    name="critic-cot",
    system="Critic-CoT",
    paper="arXiv:2408.16326",
    family="self-correction",
    catalogue=(290,),
    proxy="label/kept",
    needs_answers=True,
    model="chain-skills",
    tasks="chain-skills",
)
class CriticCoT(Recipe):
    """Critiques are learned that call right attempts right, and of wrong ones name a step from which the refinement comes out right.

    Formula: of each task up to `each` right and `each` wrong attempts; of each attempt `tries` critiques. A critique of a right attempt is consistent if it
    finds nothing; one of a wrong attempt if it names a step and the refinement that is told so is right. The first consistent critique of each attempt,
    and its refinement, are targets of mean negative log-likelihood, each behind its own prompt. Nothing is learned of solving.
    Ends: an attempt without a consistent critique is left out; a round in which none is kept trains nothing.
    Fails: where refinements come out right whatever they are told: critiques then learn to find fault, and no more; probe/critic/accuracy stays.
    `keep=verdict`, which asks for no refinement, always does.
    Differs: the first critiques are the base's own; in the paper a large model writes them, who is shown the reference. A critique is the number of the first
    wrong step; the paper labels each step in words. Attempts are sampled once, not until there are enough. A critique that cannot be read is never
    consistent (critic/unparsed); the public code stores it.
    """

    skills: ClassVar[tuple[str, ...]] = ("critique", "refine")
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("critic/unparsed", "critiques", "that name no step and do not say that all is right"),
        Metric("critic/right", "share", "attempts that are right"),
        Metric("probe/critic/accuracy", "share", "critiques of the policy's own greedy solutions that name the right step, on the probe"),
        Metric("probe/critic/vote", "share", "accuracy of the majority of `votes` samples that the critic passes, or of all where it passes none"),
        Metric("probe/critic/majority", "share", "accuracy of the majority of as many samples as cost the same, critiques included"),
    )

    rounds: int = Field(8, ge=0)
    tasks_per_round: int = Field(64, ge=1)
    group_size: int = Field(6, ge=1)
    """Attempts at each task."""
    each: int = Field(2, ge=1)
    """Most right, and most wrong attempts at a task that are criticized."""
    tries: int = Field(6, ge=1)
    """Critiques of each attempt."""
    keep: Literal["refined", "verdict"] = "refined"
    """What a critique of a wrong attempt must lead to: a right refinement, or nothing."""
    critic: Literal["own", "others"] = "own"
    """With "others" every attempt gets the critiques of some other attempt: a control that knows nothing of it."""
    votes: int = Field(4, ge=1)
    """Samples of the probe's filtered vote."""
    critiques: Sampling = Sampling(max_tokens=56)
    """How the critic is sampled."""
    refinements: Sampling = Sampling(max_tokens=56)
    """How the refiner is."""
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: NLL = NLL()

    def roles(self, world: World) -> dict[str, Role]:
        critic = Role("critic", "solver", self.critiques, world.skill("critique").read)
        return {**super().roles(world), "critic": critic, "refiner": Role("refiner", "solver", self.refinements, world.skill("refine").read)}

    def setup(self, ctx: Context) -> None:
        asked = {name: words(ctx.world.skill(name).ask("", "", *more)) for name, more in (("critique", ()), ("refine", ("1",)))}
        checks.asked(ctx.policies["solver"], **asked)

    async def round(self, ctx: Context) -> None:
        attempts = await self.attempts(ctx, ctx.pool.draw(self.tasks_per_round))
        kept = first_of_each([one for one in await self.criticized(ctx, attempts) if self.consistent(one)])
        ctx.log(**{"label/kept": len(kept) / max(len(attempts), 1)})
        ctx.learn("solver", [item for one in kept for item in self.lessons(ctx, one)], self.objective, self.updates)

    async def attempts(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        """The first `each` right and wrong attempts at every task."""
        groups = await ctx.sample("solver", tasks, self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        ctx.log(**{"critic/right": fmean(rollout.rewards["correct"] for group in groups for rollout in group)})
        return [one for group in groups for right in (1.0, 0.0) for one in [r for r in group if r.rewards["correct"] == right][: self.each]]

    async def criticized(self, ctx: Context, attempts: Sequence[Rollout]) -> list[Criticized]:
        """Every critique of every attempt, those that found something in a wrong one with a refinement."""
        groups = await replies(ctx, "critic", [asked(ctx, attempt) for attempt in attempts], self.tries)
        ctx.count("critic/unparsed", sum(answer is None for group in groups for answer in group.answers))
        ctx.note(groups)
        if self.critic == "others":
            groups = [*groups[1:], *groups[:1]]
        found = [Criticized(attempt, critique) for attempt, group in zip(attempts, groups, strict=True) for critique in group]
        wrong = [one for one in found if not one.attempt.rewards["correct"] and one.critique.answer not in (None, FINE)]
        refined = await self.refined(ctx, wrong) if self.keep == "refined" else [None for _ in wrong]
        known = {one.critique.id: refinement for one, refinement in zip(wrong, refined, strict=True)}
        return [one._replace(refinement=known.get(one.critique.id)) for one in found]

    async def refined(self, ctx: Context, some: Sequence[Criticized], **settings: Any) -> list[Rollout]:
        """A refinement for each critique, with the reward "correct"."""
        ask = ctx.world.skill("refine").ask
        told = [about(one.attempt, f"refine/{one.critique.id}", ask(one.attempt.task.prompt, one.attempt.text, one.critique.answer)) for one in some]
        groups = await replies(ctx, "refiner", told, **settings)
        for group, one in zip(groups, some, strict=True):
            group.reward(correct=[ctx.world.verify(one.attempt.task, answer) for answer in group.answers])
        ctx.note(groups)
        return [group.rollouts[0] for group in groups]

    def consistent(self, one: Criticized) -> bool:
        """Whether a critique agrees with what is known of the attempt."""
        if one.attempt.rewards["correct"]:
            return one.critique.answer == FINE
        if self.keep == "verdict":
            return one.critique.answer not in (None, FINE)
        return one.refinement is not None and bool(one.refinement.rewards["correct"])

    def lessons(self, ctx: Context, one: Criticized) -> list[Example]:
        """The critique, and the refinement where there is one."""
        critique = under(one.critique, ctx.prompt("critic", asked(ctx, one.attempt)))
        return [critique] if one.refinement is None else [critique, example(one.refinement)]

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        tasks = answered(tasks)
        accurate = (await probe_critic(ctx, "critic", "solver", tasks)).accuracy()
        turns = under_prefix("probe/turns", changes(await self.mended(ctx, tasks)))
        return {"probe/critic/accuracy": accurate, **turns, **await self.voted(ctx, tasks)}

    async def mended(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        """Greedy answers, refined once where the critic finds something, as rollouts with two attempts."""
        first = await reply(ctx, "solver", tasks, temperature=0.0)
        critiques = await reply(ctx, "critic", [asked(ctx, one) for one in first], temperature=0.0)
        doubted = [Criticized(one, critique) for one, critique in zip(first, critiques, strict=True) if critique.answer not in (None, FINE)]
        second = {one.attempt.id: refined for one, refined in zip(doubted, await self.refined(ctx, doubted, temperature=0.0), strict=True)}
        for one in first:
            one.keys["first"], one.answer = one.answer, second[one.id].answer if one.id in second else one.answer
            one.rewards["first"], one.rewards["second"] = (ctx.world.verify(one.task, answer) for answer in (one.keys["first"], one.answer))
        return first

    async def voted(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        """The filtered vote, and the plain vote of as many samples as cost the same."""
        before = ctx.meter.sampled
        groups = await ctx.sample("solver", tasks, self.votes)
        plain = max(ctx.meter.sampled - before, 1)
        critiques = await reply(ctx, "critic", [asked(ctx, one) for group in groups for one in group], temperature=0.0)
        more = round(self.votes * (ctx.meter.sampled - before) / plain) - self.votes
        extra = await ctx.sample("solver", tasks, more) if more else [Group(task, []) for task in tasks]
        passes = iter([critique.answer == FINE for critique in critiques])
        passed = [[answer for answer in group.answers if next(passes)] or group.answers for group in groups]
        every = [[*group.answers, *others.answers] for group, others in zip(groups, extra, strict=True)]
        return {
            "probe/critic/vote": accuracy(ctx.world, tasks, [vote(ballot).label for ballot in passed]),
            "probe/critic/majority": accuracy(ctx.world, tasks, [vote(ballot).label for ballot in every]),
        }


def about(attempt: Rollout, name: str, prompt: Prompt) -> Task:
    """A task of a role that is shown an attempt."""
    return Task(name, prompt, hidden={"origin": attempt.task})


def asked(ctx: Context, attempt: Rollout) -> Task:
    """The critic's task about an attempt."""
    return about(attempt, f"critique/{attempt.id}", ctx.world.skill("critique").ask(attempt.task.prompt, attempt.text))


def first_of_each(found: Sequence[Criticized]) -> list[Criticized]:
    """The first critique of each attempt."""
    first: dict[str, Criticized] = {}
    for one in found:
        first.setdefault(one.attempt.id, one)
    return list(first.values())
